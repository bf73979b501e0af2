//! Bytes in the notation: to send them, or to compare them with what has come.

use std::collections::HashMap;

use crate::notation::{Item, Length, NotationError, parse, varint};
use crate::version::Version;

/// The values of `$name` in one run of an exchange.
pub type Variables = HashMap<String, [u8; 2]>;

/// One or several packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
    source: String,
}

/// What a comparison comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many bytes are what was expected.
    Matched(usize),
    /// As expected so far, but not all is there.
    Partial,
    /// Something else: the place in the bytes.
    Mismatch {
        /// Counted from the first byte that was compared.
        at: usize,
    },
}

impl Pattern {
    /// Reads the notation for one version.
    ///
    /// # Errors
    /// Text that is not in the notation.
    pub fn parse(source: &str, version: Version) -> Result<Self, NotationError> {
        Ok(Self { items: parse(source, version)?, source: source.trim().to_owned() })
    }

    /// The text it was read from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The bytes to send. `None` where it has a `~`, a `?`, or a `$name` that has no value yet.
    #[must_use]
    pub fn bytes(&self, variables: &Variables) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        write(&self.items, variables, &mut bytes)?;
        Some(bytes)
    }

    /// Compares with the start of `bytes`. A `$name` that has no value takes one, if all of it matches.
    pub fn compare(&self, bytes: &[u8], variables: &mut Variables) -> Outcome {
        let mut taken = variables.clone();
        match compare(&self.items, bytes, 0, &mut taken) {
            Ok(length) => {
                *variables = taken;
                Outcome::Matched(length)
            }
            Err(Difference::Short) => Outcome::Partial,
            Err(Difference::At(at)) => Outcome::Mismatch { at },
        }
    }
}

fn write(items: &[Item], variables: &Variables, out: &mut Vec<u8>) -> Option<()> {
    for item in items {
        match item {
            Item::Bytes(bytes) => out.extend_from_slice(bytes),
            Item::Variable(name) => out.extend_from_slice(variables.get(name)?),
            Item::Block(length, contents) => {
                let mut inner = Vec::new();
                write(contents, variables, &mut inner)?;
                match length {
                    Length::Varint => out.extend(varint(inner.len())),
                    Length::TwoBytes => out.extend(u16::try_from(inner.len()).ok()?.to_be_bytes()),
                }
                out.append(&mut inner);
            }
            Item::AnyByte | Item::Rest => return None,
        }
    }
    Some(())
}

enum Difference {
    /// The bytes end too early.
    Short,
    At(usize),
}

/// Compares items with the start of `bytes`, which begin at `offset`; returns how many bytes they are.
fn compare(
    items: &[Item],
    bytes: &[u8],
    offset: usize,
    variables: &mut Variables,
) -> Result<usize, Difference> {
    let mut at = 0;
    for item in items {
        let rest = &bytes[at..];
        at += match item {
            Item::Bytes(expected) => literal(expected, rest, offset + at)?,
            Item::AnyByte => rest.first().map(|_| 1).ok_or(Difference::Short)?,
            Item::Rest => rest.len(),
            Item::Variable(name) => match variables.get(name) {
                Some(value) => literal(value, rest, offset + at)?,
                None => {
                    let value = rest.first_chunk().ok_or(Difference::Short)?;
                    variables.insert(name.clone(), *value);
                    value.len()
                }
            },
            Item::Block(length, contents) => {
                let (contents_length, head) = match length {
                    Length::Varint => read_varint(rest, offset + at)?,
                    Length::TwoBytes => {
                        let head = rest.first_chunk().ok_or(Difference::Short)?;
                        (usize::from(u16::from_be_bytes(*head)), head.len())
                    }
                };
                let inner = rest.get(head..head + contents_length).ok_or(Difference::Short)?;
                let inner_offset = offset + at + head;
                match compare(contents, inner, inner_offset, variables) {
                    Ok(length) if length == inner.len() => head + length,
                    Ok(length) => return Err(Difference::At(inner_offset + length)),
                    // The block is whole: nothing more can come.
                    Err(Difference::Short) => return Err(Difference::At(inner_offset + inner.len())),
                    Err(different) => return Err(different),
                }
            }
        };
    }
    Ok(at)
}

fn literal(expected: &[u8], bytes: &[u8], offset: usize) -> Result<usize, Difference> {
    match expected.iter().zip(bytes).position(|(expected, byte)| expected != byte) {
        Some(place) => Err(Difference::At(offset + place)),
        None if bytes.len() < expected.len() => Err(Difference::Short),
        None => Ok(expected.len()),
    }
}

/// The number and its length in bytes; a form that is not the shortest is a difference.
fn read_varint(bytes: &[u8], offset: usize) -> Result<(usize, usize), Difference> {
    let mut value = 0;
    for (place, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            let length = place + 1;
            return if varint(value).len() == length {
                Ok((value, length))
            } else {
                Err(Difference::At(offset))
            };
        }
    }
    Err(if bytes.len() < 4 { Difference::Short } else { Difference::At(offset) })
}

/// The length of the packet that the bytes begin with; `None` where it is not all there.
#[must_use]
pub fn packet_length(bytes: &[u8]) -> Option<usize> {
    let (remaining_length, head) = read_varint(bytes.get(1..)?, 1).ok()?;
    let length = 1 + head + remaining_length;
    (length <= bytes.len()).then_some(length)
}

/// Bytes as a test shows them; of many only the first.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const MOST: usize = 128;
    let shown: Vec<_> = bytes.iter().take(MOST).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > MOST { format!(" … ({} bytes)", bytes.len()) } else { String::new() };
    format!("{}{more}", shown.join(" "))
}

#[cfg(test)]
mod tests;
