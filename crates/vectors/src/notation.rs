//! From the notation's text to items. What depends on the version is settled here.

use thiserror::Error;

use crate::version::Version;

/// More bytes than a control packet can have: a slip of the pen.
const MOST_REPEATED: usize = 1 << 28;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Bytes(Vec<u8>),
    /// `?`
    AnyByte,
    /// `~`
    Rest,
    /// `$name`: two bytes.
    Variable(String),
    /// Contents with their length before them.
    Block(Length, Vec<Item>),
}

/// How a block says its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// `[ … ]`, `{ … }`: the shortest Variable Byte Integer.
    Varint,
    /// `< … >`
    TwoBytes,
}

/// Text that is not in the notation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem} at {rest:?}")]
pub struct NotationError {
    problem: &'static str,
    /// What follows the place.
    rest: String,
}

/// Reads a whole text.
pub(crate) fn parse(text: &str, version: Version) -> Result<Vec<Item>, NotationError> {
    let mut parser = Parser { rest: text, version };
    let items = parser.items(None)?;
    if items.contains(&Item::Rest) {
        return Err(NotationError { problem: "~ outside of a block", rest: text.to_owned() });
    }
    Ok(items)
}

struct Parser<'a> {
    rest: &'a str,
    version: Version,
}

impl<'a> Parser<'a> {
    /// Items up to the closing character, or to the end.
    fn items(&mut self, closing: Option<char>) -> Result<Vec<Item>, NotationError> {
        let mut items = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.chars().next() {
                next if next == closing => {
                    self.rest = self.rest.get(closing.map_or(0, char::len_utf8)..).unwrap_or_default();
                    return Ok(items);
                }
                None => return self.fail("a block without its end"),
                Some(next) => {
                    let read = self.item(next)?;
                    items.extend(self.repeated(read)?);
                }
            }
        }
    }

    fn item(&mut self, first: char) -> Result<Vec<Item>, NotationError> {
        let after = self.rest.get(first.len_utf8()..).unwrap_or_default();
        if first.is_ascii_alphanumeric() {
            return self.word();
        }
        let before = std::mem::replace(&mut self.rest, after);
        let item = match first {
            '"' => {
                let text = self.text('"')?;
                Item::Block(Length::TwoBytes, vec![Item::Bytes(text.into())])
            }
            '\'' => Item::Bytes(self.text('\'')?.into()),
            '<' => {
                let contents = self.items(Some('>'))?;
                if fixed_length(&contents) > usize::from(u16::MAX) {
                    self.rest = before;
                    return self.fail("more than two bytes can count");
                }
                Item::Block(Length::TwoBytes, contents)
            }
            '[' => Item::Block(Length::Varint, self.items(Some(']'))?),
            '{' => {
                let contents = self.items(Some('}'))?;
                if !self.version.is_v5() {
                    return Ok(Vec::new());
                }
                Item::Block(Length::Varint, contents)
            }
            '(' => return self.items(Some(')')),
            '?' => Item::AnyByte,
            '~' => Item::Rest,
            '$' => match self.take_while(|it| it.is_ascii_alphanumeric() || it == '_') {
                "" => return self.fail("a $ without a name"),
                "protocol" => Item::Bytes(self.version.protocol().to_vec()),
                name => Item::Variable(name.to_owned()),
            },
            _ => {
                self.rest = before;
                return self.fail("a character that means nothing");
            }
        };
        Ok(vec![item])
    }

    /// A byte, or a word with parentheses.
    fn word(&mut self) -> Result<Vec<Item>, NotationError> {
        let before = self.rest;
        let word = self.take_while(|it| it.is_ascii_alphanumeric());
        if let Some(after) = self.rest.strip_prefix('(') {
            self.rest = after;
            return match word {
                "v3" | "v5" => {
                    let items = self.items(Some(')'))?;
                    Ok(if (word == "v5") == self.version.is_v5() { items } else { Vec::new() })
                }
                _ => self.number(word, before).map(|bytes| vec![Item::Bytes(bytes)]),
            };
        }
        match u8::from_str_radix(word, 16) {
            Ok(byte) if word.len() == 2 => Ok(vec![Item::Bytes(vec![byte])]),
            _ => {
                self.rest = before;
                self.fail("neither a byte in hex nor a word of the notation")
            }
        }
    }

    /// `u16(…)`, `u32(…)` or `varint(…)`, read up to its digits.
    fn number(&mut self, word: &str, before: &'a str) -> Result<Vec<u8>, NotationError> {
        let value = self.take_while(|it| it.is_ascii_digit()).parse().ok();
        let bytes = value.zip(self.rest.strip_prefix(')')).and_then(|(value, after): (u32, _)| {
            self.rest = after;
            match word {
                "u16" => u16::try_from(value).ok().map(|value| value.to_be_bytes().to_vec()),
                "u32" => Some(value.to_be_bytes().to_vec()),
                "varint" if value < MOST_REPEATED as u32 => Some(varint(value as usize)),
                _ => None,
            }
        });
        bytes.ok_or_else(|| NotationError { problem: "no such number", rest: before.to_owned() })
    }

    fn repeated(&mut self, items: Vec<Item>) -> Result<Vec<Item>, NotationError> {
        let Some(after) = self.rest.strip_prefix('*') else { return Ok(items) };
        self.rest = after;
        let count = self.take_while(|it| it.is_ascii_digit()).parse();
        match (count, items.as_slice()) {
            (Ok(count @ 0..=MOST_REPEATED), [Item::Bytes(bytes)]) => {
                Ok(vec![Item::Bytes(bytes.repeat(count))])
            }
            (Ok(count @ 0..=MOST_REPEATED), _) => {
                Ok(std::iter::repeat_n(&items, count).flatten().cloned().collect())
            }
            _ => self.fail("a * without a number"),
        }
    }

    fn text(&mut self, quote: char) -> Result<&'a str, NotationError> {
        match self.rest.split_once(quote) {
            Some((text, after)) => {
                self.rest = after;
                Ok(text)
            }
            None => self.fail("text without its closing quote"),
        }
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|it| !is_part(it)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T, NotationError> {
        Err(NotationError { problem, rest: self.rest.to_owned() })
    }
}

/// The bytes that these items have at the least.
fn fixed_length(items: &[Item]) -> usize {
    let length = |item: &Item| match item {
        Item::Bytes(bytes) => bytes.len(),
        Item::AnyByte => 1,
        Item::Rest => 0,
        Item::Variable(_) => 2,
        Item::Block(Length::TwoBytes, contents) => 2 + fixed_length(contents),
        Item::Block(Length::Varint, contents) => 1 + fixed_length(contents),
    };
    items.iter().map(length).sum()
}

/// The shortest Variable Byte Integer of a number, whatever its size.
pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        bytes.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}
