//! UTF-8 Encoded Strings: section 1.5.4 of the standard.

use ascii::AsciiStr;

use crate::error::Malformed;

/// 1 in each byte, and the highest bit of each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
/// Up to so many bytes a loop over words is done before a search with vectors has begun.
const SHORT: usize = 64;

/// The text of an MQTT string's bytes: well-formed UTF-8, so without surrogates [MQTT-1.5.4-1], and without
/// U+0000 [MQTT-1.5.4-2]. A byte order mark is text like any other [MQTT-1.5.4-3].
/// Asked for by v3.1.1 [MQTT-1.5.3-1], v3.1.1 [MQTT-1.5.3-2], v3.1.1 [MQTT-1.5.3-3].
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<&str, Malformed> {
    // Most names are short and ASCII: eight bytes at a time.
    if bytes.len() <= SHORT
        && let Ok(text) = AsciiStr::from_ascii(bytes)
        && is_short_ascii_without_nul(bytes)
    {
        return Ok(text.as_str());
    }
    check_any(bytes)
}

/// What [`check`] does, for strings of every kind.
#[inline(never)]
fn check_any(bytes: &[u8]) -> Result<&str, Malformed> {
    let Ok(text) = core::str::from_utf8(bytes) else { return Err(Malformed::InvalidUtf8) };
    if memchr::memchr(0, bytes).is_some() { Err(Malformed::NulInString) } else { Ok(text) }
}

/// Whether U+0000 is in there. In UTF-8 a zero byte is nothing else.
#[inline]
pub(crate) fn contains_nul(bytes: &[u8]) -> bool {
    !is_short_ascii_without_nul(bytes) && memchr::memchr(0, bytes).is_some()
}

/// Says no to many a string that is one: then somebody has to look closer.
#[inline]
pub(crate) fn is_short_ascii_without_nul(bytes: &[u8]) -> bool {
    if bytes.len() > SHORT {
        return false;
    }
    match bytes.last_chunk::<8>() {
        // The last word overlaps the one before it.
        Some(last) => {
            let (words, _) = bytes.as_chunks::<8>();
            words.iter().fold(unwanted(last), |found, word| found | unwanted(word)) == 0
        }
        None => bytes.iter().all(|byte| matches!(byte, 1..=0x7F)),
    }
}

/// Not 0 where one of the bytes is 0 or above 0x7F: subtracting 1 from a zero borrows into its highest bit.
#[inline]
const fn unwanted(word: &[u8; 8]) -> u64 {
    let word = u64::from_le_bytes(*word);
    (word.wrapping_sub(ONES) | word) & HIGHS
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// The short way and the one for every string, at each length and with each byte at each place.
    #[test]
    fn a_byte_of_every_value_is_judged_alike_wherever_it_stands() {
        for length in [1, 2, 7, 8, 9, 15, 16, 17, 20, 63, 64, 65, 100] {
            for place in 0..length {
                for value in 0..=255 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = value;
                    assert_eq!(check(&bytes), check_any(&bytes), "{value} at {place} of {length}");
                    assert_eq!(contains_nul(&bytes), value == 0);
                }
            }
        }
        assert_eq!(check(b""), Ok(""));
    }

    #[test]
    fn two_bytes_are_judged_by_what_they_are_together() {
        for first in 0..=255 {
            for second in 0..=255 {
                let bytes = [b'a', b'b', b'c', first, second, b'd', b'e', b'f', b'g'];
                assert_eq!(check(&bytes), check_any(&bytes));
            }
        }
    }
}
