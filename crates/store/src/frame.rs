//! A batch as one frame of the journal, byte by byte as `docs/storage-format.md` says.

use std::ops::Range;

use crate::keys::{Key, Table};
use crate::plan::Changes;

/// Length of the body, checksum, sequence, flags.
pub(crate) const HEAD_BYTES: usize = 17;
/// Where the sequence is among them.
pub(crate) const SEQUENCE_IN_HEAD: Range<usize> = 8..16;
/// The frame was to be synced before anything depended on it.
pub(crate) const SYNCED: u8 = 1;
const REMOVED: u8 = 0x80;
const ENDED: u8 = 0x7f;

/// What is before the body.
pub(crate) struct Head {
    pub(crate) body_len: u32,
    checksum: u32,
    sequence: u64,
    flags: u8,
}

/// A whole frame.
pub(crate) struct Frame {
    pub(crate) sequence: u64,
    pub(crate) flags: u8,
    pub(crate) body: Vec<u8>,
}

impl Head {
    /// The frame with this body, if it is that of the frame.
    pub(crate) fn frame(&self, body: Vec<u8>) -> Option<Frame> {
        let Self { checksum, sequence, flags, .. } = *self;
        (frame_checksum(sequence, flags, &body) == checksum).then_some(Frame { sequence, flags, body })
    }

    pub(crate) fn decode(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, flags] = *bytes;
        Self {
            body_len: u32::from_be_bytes([a, b, c, d]),
            checksum: u32::from_be_bytes([e, f, g, h]),
            sequence: u64::from_be_bytes([i, j, k, l, m, n, o, p]),
            flags,
        }
    }
}

fn frame_checksum(sequence: u64, flags: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_be_bytes());
    hasher.update(&[flags]);
    hasher.update(body);
    hasher.finalize()
}

/// The frame of a batch; none where it is too long for one.
pub(crate) fn encode(sequence: u64, flags: u8, changes: &Changes) -> Option<Vec<u8>> {
    let bytes =
        changes.rows.iter().map(|((_, key), value)| 9 + key.len() + value.as_ref().map_or(0, Vec::len));
    let mut frame = Vec::with_capacity(HEAD_BYTES + bytes.sum::<usize>() + 9 * changes.ended.len());
    frame.resize(HEAD_BYTES, 0);
    for ((table, key), value) in &changes.rows {
        match value {
            Some(value) => {
                frame.push(*table as u8);
                put_bytes(&mut frame, key)?;
                put_bytes(&mut frame, value)?;
            }
            None => {
                frame.push(*table as u8 | REMOVED);
                put_bytes(&mut frame, key)?;
            }
        }
    }
    for number in &changes.ended {
        frame.push(ENDED);
        frame.extend_from_slice(&number.to_be_bytes());
    }
    let (head, body) = frame.split_at_mut(HEAD_BYTES);
    let body_len = u32::try_from(body.len()).ok()?;
    let checksum = frame_checksum(sequence, flags, body);
    let parts = [&body_len.to_be_bytes()[..], &checksum.to_be_bytes(), &sequence.to_be_bytes(), &[flags]];
    head.copy_from_slice(&parts.concat());
    Some(frame)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

/// The changes in a body; none where it is not one.
pub(crate) fn decode(mut body: &[u8]) -> Option<Changes> {
    let mut changes = Changes::default();
    while let Some((kind, rest)) = body.split_first() {
        body = rest;
        if *kind == ENDED {
            let (number, rest) = body.split_first_chunk()?;
            body = rest;
            changes.ended.push(u64::from_be_bytes(*number));
            continue;
        }
        let table = Table::from_number(kind & !REMOVED)?;
        let key = Key::from_slice(take_bytes(&mut body)?);
        let value = if kind & REMOVED == 0 { Some(take_bytes(&mut body)?.to_vec()) } else { None };
        changes.rows.insert((table, key), value);
    }
    Some(changes)
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = from.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    *from = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_into_a_frame_comes_out_of_it() {
        let mut changes = Changes::default();
        changes.rows.insert((Table::Retained, Key::from_slice(b"topic")), Some(b"message".to_vec()));
        changes.rows.insert((Table::Retained, Key::from_slice(b"gone")), None);
        changes.rows.insert((Table::Inbound, Key::from_slice(b"12345678ab")), Some(Vec::new()));
        changes.ended = vec![7, u64::MAX];
        let bytes = encode(9, SYNCED, &changes).unwrap();
        let (head, body) = bytes.split_first_chunk().unwrap();
        let head = Head::decode(head);
        assert_eq!(head.body_len as usize, body.len());
        let frame = head.frame(body.to_vec()).unwrap();
        assert_eq!((frame.sequence, frame.flags), (9, SYNCED));
        assert_eq!(decode(&frame.body), Some(changes));
    }

    #[test]
    fn a_frame_with_any_bit_changed_or_cut_short_is_none() {
        let mut changes = Changes::default();
        changes.rows.insert((Table::Retained, Key::from_slice(b"t")), Some(b"m".to_vec()));
        let bytes = encode(1, 0, &changes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (head, body) = bytes.split_first_chunk().unwrap();
            let head = Head::decode(head);
            assert!(head.body_len as usize != body.len() || head.frame(body.to_vec()).is_none(), "bit {bit}");
        }
        let body = &bytes[HEAD_BYTES..];
        assert!((1..body.len()).all(|len| decode(&body[..len]).is_none()));
    }

    #[test]
    fn zeros_are_no_frame() {
        assert!(Head::decode(&[0; HEAD_BYTES]).frame(Vec::new()).is_none());
    }
}
