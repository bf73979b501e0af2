//! The words of a command: `publishes "a/b" 'text' qos=1 user="name:value"`.

/// A word: quoted text, a bare word, or a value under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `"text"`
    Double(String),
    /// `'text'`
    Single(String),
    /// `text`
    Bare(String),
    /// `name=value`, `name="a value"`
    Named(String, String),
}

/// Takes a line apart.
pub(super) fn read(mut rest: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(words) };
        if matches!(first, '"' | '\'') {
            let (text, after) = quoted(rest)?;
            words.push(if first == '"' { Word::Double(text) } else { Word::Single(text) });
            rest = after;
            continue;
        }
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            words.push(Word::Bare(name.to_owned()));
            rest = after;
            continue;
        };
        let (value, after) = match value.chars().next() {
            Some('"' | '\'') => quoted(value)?,
            _ => {
                let (value, after) = value.split_at(value.find(' ').unwrap_or(value.len()));
                (value.to_owned(), after)
            }
        };
        words.push(Word::Named(name.to_owned(), value));
        rest = after;
    }
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    let (quote, after) = text.split_at(1);
    let (inner, after) = after.split_once(quote).ok_or("text without its closing quote")?;
    Ok((inner.to_owned(), after))
}

/// The value under a name, each of which may be given once.
pub(super) struct Values<'a> {
    words: &'a [Word],
    known: &'static [&'static str],
}

impl<'a> Values<'a> {
    /// Of those names and no others.
    pub(super) fn new(words: &'a [Word], known: &'static [&'static str]) -> Result<Self, String> {
        for word in words {
            if let Word::Named(name, _) = word
                && !known.contains(&name.as_str())
            {
                return Err(format!("`{name}` is none of {known:?}"));
            }
        }
        Ok(Self { words, known })
    }

    pub(super) fn text(&self, wanted: &str) -> Option<&'a str> {
        assert!(self.known.contains(&wanted), "{wanted} is looked up and not known");
        self.words.iter().find_map(|word| match word {
            Word::Named(name, value) if name == wanted => Some(value.as_str()),
            _ => None,
        })
    }

    pub(super) fn number<T: std::str::FromStr>(&self, wanted: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(wanted) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{wanted}={text} is not a number that fits"))
    }

    /// `=1`
    pub(super) fn flag(&self, wanted: &str) -> Option<bool> {
        self.text(wanted).map(|text| text == "1")
    }

    /// `user="name:value"`, each of them in its order.
    pub(super) fn user_properties(&self) -> Vec<(&'a str, &'a str)> {
        let pairs = self.words.iter().filter_map(|word| match word {
            Word::Named(name, value) if name == "user" => value.split_once(':'),
            _ => None,
        });
        pairs.collect()
    }
}
