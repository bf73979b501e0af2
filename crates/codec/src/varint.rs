//! Variable Byte Integers: seven bits a byte, lowest first, at most four bytes.

use crate::error::Malformed;

/// The largest number that a Variable Byte Integer holds, and so the largest Remaining Length: 268,435,455.
pub const MAX: u32 = 268_435_455;

/// How many bytes `value` takes: 1 to 4. A number above [`MAX`] has no encoding and counts as 4.
#[inline]
pub(crate) const fn encoded_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// The bytes of `value`, which is at most [`MAX`], and how many of the four count.
#[inline]
pub(crate) const fn encode(value: u32) -> ([u8; 4], usize) {
    if value <= 0x7F {
        return ([value as u8, 0, 0, 0], 1);
    }
    let length = encoded_len(value);
    let groups = [
        (value & 0x7F) as u8,
        (value >> 7 & 0x7F) as u8,
        (value >> 14 & 0x7F) as u8,
        (value >> 21 & 0x7F) as u8,
    ];
    let [first, second, third, fourth] = groups;
    let bytes = match length {
        2 => [first | 0x80, second, 0, 0],
        3 => [first | 0x80, second | 0x80, third, 0],
        _ => [first | 0x80, second | 0x80, third | 0x80, fourth],
    };
    (bytes, length)
}

/// Reads a number off the front of `bytes` and returns it with what follows; `None` when the bytes end before
/// it does.
///
/// # Errors
/// More than four bytes, or more bytes than the number needs [MQTT-1.5.5-1].
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(u32, &[u8])>, Malformed> {
    match bytes {
        [first @ 0..=0x7F, rest @ ..] => Ok(Some((u32::from(*first), rest))),
        [first, second @ 1..=0x7F, rest @ ..] => {
            Ok(Some((u32::from(*first & 0x7F) | u32::from(*second) << 7, rest)))
        }
        _ => decode_long(bytes),
    }
}

#[inline(never)]
fn decode_long(bytes: &[u8]) -> Result<Option<(u32, &[u8])>, Malformed> {
    let mut value = 0;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21] {
        let Some((&byte, after)) = rest.split_first() else { return Ok(None) };
        rest = after;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            // A last group of zeros adds nothing: the number had a shorter form.
            return if byte == 0 && shift > 0 {
                Err(Malformed::VarintOverlong)
            } else {
                Ok(Some((value, rest)))
            };
        }
    }
    Err(Malformed::VarintTooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_begins_and_ends_where_the_standard_says() {
        let edges = [
            (0, &[0x00][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (value, bytes) in edges {
            let (encoded, length) = encode(value);
            assert_eq!(&encoded[..length], bytes, "{value}");
            assert_eq!(encoded_len(value), bytes.len());
            assert_eq!(decode(bytes), Ok(Some((value, &[][..]))));
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), Ok(None), "{value} cut at {end}");
            }
        }
    }

    #[test]
    fn what_follows_the_number_is_left_alone() {
        assert_eq!(decode(&[0x05, 0xFF, 0xFF]), Ok(Some((5, &[0xFF, 0xFF][..]))));
        assert_eq!(decode(&[0x80, 0x01, 0x80]), Ok(Some((128, &[0x80][..]))));
    }

    #[test]
    fn a_fifth_byte_is_refused_before_it_arrives() {
        assert_eq!(decode(&[0xFF, 0xFF, 0xFF, 0xFF]), Err(Malformed::VarintTooLong));
        assert_eq!(decode(&[0x80, 0x80, 0x80, 0x80, 0x01]), Err(Malformed::VarintTooLong));
    }

    #[test]
    fn a_form_longer_than_needed_is_refused() {
        for bytes in [&[0x80, 0x00][..], &[0xFF, 0x00], &[0x80, 0x80, 0x00], &[0x80, 0x80, 0x80, 0x00]] {
            assert_eq!(decode(bytes), Err(Malformed::VarintOverlong), "{bytes:02X?}");
        }
    }
}
