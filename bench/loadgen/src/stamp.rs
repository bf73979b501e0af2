//! What stands in every payload: who sent it, which of its messages it is, and when it was due.
//!
//! The rest of the payload is a fixed pattern which the receiver compares, so that a delivery of the right
//! length with the wrong bytes is found too.

const MAGIC: [u8; 4] = *b"load";

/// Size of a stamp: the smallest payload.
pub const BYTES: usize = 24;

/// The byte that fills the payload behind the stamp.
const FILLER: u8 = 0x5a;

/// The head of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Index of the publisher.
    pub publisher: u32,
    /// Counts the publisher's messages from 0.
    pub sequence: u64,
    /// When it was sent, or, at a fixed rate, when it should have been: nanoseconds since the run began.
    pub sent_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the first [`BYTES`] of `payload`.
    #[inline]
    pub fn write(self, payload: &mut [u8]) {
        let Some(head) = payload.first_chunk_mut::<BYTES>() else { return };
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&self.publisher.to_le_bytes());
        head[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        head[16..].copy_from_slice(&self.sent_ns.to_le_bytes());
    }

    /// Reads the stamp of a payload that should have `payload_bytes`; `None` when any byte is not as it was
    /// sent.
    #[inline]
    #[must_use]
    pub fn read(payload: &[u8], payload_bytes: usize) -> Option<Self> {
        let (head, filler) = payload.split_first_chunk::<BYTES>()?;
        if payload.len() != payload_bytes || head[..4] != MAGIC || !is_filler(filler) {
            return None;
        }
        Some(Self {
            publisher: u32::from_le_bytes(head[4..8].try_into().ok()?),
            sequence: u64::from_le_bytes(head[8..16].try_into().ok()?),
            sent_ns: u64::from_le_bytes(head[16..].try_into().ok()?),
        })
    }
}

/// Appends a payload of `payload_bytes` whose stamp is still to be written.
pub fn put_blank(out: &mut Vec<u8>, payload_bytes: usize) {
    let start = out.len();
    out.resize(start + payload_bytes, FILLER);
}

/// Compares in blocks, which the compiler turns into vector instructions: a byte loop would cost more than
/// the rest of the decoder.
#[inline]
fn is_filler(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<8>();
    let same = blocks
        .iter()
        .fold(0, |seen, block| seen | u64::from_ne_bytes(*block) ^ u64::from_ne_bytes([FILLER; 8]));
    same == 0 && rest.iter().all(|&byte| byte == FILLER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_wrong_byte_anywhere_outside_the_numbers_is_noticed() {
        let stamp = Stamp { publisher: 1, sequence: 2, sent_ns: 3 };
        for size in [BYTES, 25, 64, 77] {
            let mut payload = Vec::new();
            put_blank(&mut payload, size);
            stamp.write(&mut payload);
            assert_eq!(Stamp::read(&payload, size), Some(stamp));
            assert_eq!(Stamp::read(&payload, size + 1), None);
            for at in (0..4).chain(BYTES..size) {
                payload[at] ^= 0x10;
                assert_eq!(Stamp::read(&payload, size), None, "byte {at} of {size}");
                payload[at] ^= 0x10;
            }
        }
        assert_eq!(Stamp::read(&[0; BYTES - 1], BYTES - 1), None);
    }
}
