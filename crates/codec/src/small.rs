//! Small PUBLISHes, written in place.
//!
//! A packet of some dozen bytes is appended faster than its fields are: where each of them asks the buffer for room and calls
//! for a copy of a length that is not known beforehand, that is most of the work. Here the buffer is asked once, and
//! a field is copied in two pieces of a known length that may overlap.

use alloc::vec::Vec;

use crate::packet_id::PacketId;
use crate::version::Version;

/// The largest Remaining Length of one byte.
const MOST: usize = 0x7F;
/// Fixed header and body, and a little more: a multiple of a register's width is cleared without a remainder.
const ROOM: usize = 144;

/// Appends a PUBLISH without properties. Leaves `out` as it was where the packet is not a small one, and where there is not
/// room for the largest of them: a buffer does not grow for bytes that are cut off again.
#[inline(always)]
pub(crate) fn put_publish(
    first_byte: u8,
    topic_name: &str,
    packet_id: Option<PacketId>,
    version: Version,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    let topic_name = topic_name.as_bytes();
    if topic_name.len() > MOST || payload.len() > MOST {
        return None;
    }
    let identifier = packet_id.map_or(0, PacketId::value);
    // At most 2 * 127 and 5: nothing here wraps.
    let after_topic = (usize::from(packet_id.is_some()) << 1).wrapping_add(usize::from(version.is_v5()));
    let payload_at = topic_name.len().wrapping_add(after_topic).wrapping_add(4);
    let length = payload_at.wrapping_add(payload.len());
    let remaining_length = length.wrapping_sub(2);
    if remaining_length > MOST {
        return None;
    }
    let start = out.len();
    if out.capacity().wrapping_sub(start) < ROOM {
        return None;
    }
    out.extend_from_slice(&[0; ROOM]);
    #[expect(clippy::cast_possible_truncation, reason = "at most 127")]
    let header = [first_byte, remaining_length as u8, 0, topic_name.len() as u8];
    let written = out
        .get_mut(start..)
        .and_then(|place| write(place, header, topic_name, identifier, payload_at, payload));
    out.truncate(if written.is_some() { start.wrapping_add(length) } else { start });
    written
}

/// A Property Length, where there is one, is the 0 that is there already. Where there is no identifier, the payload
/// is written over it.
#[inline(always)]
fn write(
    place: &mut [u8],
    header: [u8; 4],
    topic_name: &[u8],
    identifier: u16,
    payload_at: usize,
    payload: &[u8],
) -> Option<()> {
    let packet = place.first_chunk_mut::<ROOM>()?;
    let (header_place, rest) = packet.split_first_chunk_mut()?;
    *header_place = header;
    put(rest, topic_name)?;
    *rest.get_mut(topic_name.len()..)?.first_chunk_mut()? = identifier.to_be_bytes();
    put(packet.get_mut(payload_at..)?, payload)
}

/// Copies `bytes` to the beginning of `place`.
#[inline(always)]
fn put(place: &mut [u8], bytes: &[u8]) -> Option<()> {
    let place = place.get_mut(..bytes.len())?;
    match bytes.len() {
        8..=16 => put_ends::<8>(place, bytes),
        17..=32 => put_ends::<16>(place, bytes),
        33..=64 => put_ends::<32>(place, bytes),
        _ => {
            place.copy_from_slice(bytes);
            Some(())
        }
    }
}

/// Copies the first and the last `N` bytes, which are all of them where there are `N` to `2 * N`.
#[inline(always)]
fn put_ends<const N: usize>(place: &mut [u8], bytes: &[u8]) -> Option<()> {
    *place.first_chunk_mut::<N>()? = *bytes.first_chunk()?;
    *place.last_chunk_mut::<N>()? = *bytes.last_chunk()?;
    Some(())
}
