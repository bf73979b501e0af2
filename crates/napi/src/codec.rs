//! The codec by itself, for programs that want packets and no broker: many packets a call, each a flat record.
//!
//! JavaScript lends a chunk for the length of a call and reads the table of records, which it has lent for
//! good. Everything that `topicwire_codec` refuses is refused; strings, views and objects are made in
//! JavaScript, from bytes that were checked here. `src/codec/native-codec.ts` is the other side.

mod function;
mod record;
pub(crate) mod topics;

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{Uint8ArraySlice, Uint32Array};
use napi_derive::napi;
use topicwire_codec::{DecodeError, Frame, Packet, PacketType, ProtocolError, Split, Version, split_frame};

use crate::error::{Code, Result, error};
pub use function::Decoder;
use record::{Head, Summary};
use topics::RecentTopics;

/// A function that decodes the whole packets of a chunk, as many as the table has room for. `records` is where its
/// numbers come from and go to, as `record` has it; it belongs to the function from now on. What it returns is
/// what is wrong with a packet, in words.
#[napi(ts_return_type = "(chunk: Uint8Array) => string | undefined")]
pub fn native_decoder(records: Uint32Array) -> Decoder {
    Decoder { records, core: Some(Core { topics: RecentTopics::new() }) }
}

/// Replaces the packet in the first `length` bytes of `packet` by what the codec makes of it, and returns the length
/// of that, which is never more. Refused is what a receiver would have to refuse.
#[napi]
pub fn recode_packet(mut packet: Uint8ArraySlice<'_>, length: u32, version: u32) -> Result<u32> {
    // SAFETY: `src/codec/writer.ts` lends memory that it keeps to itself, for the length of this call.
    let bytes = unsafe { packet.as_mut() };
    catch_unwind(AssertUnwindSafe(|| recode(bytes, length as usize, version_of(version))))
        .map_err(|_| error(Code::Panic, "the native codec met a bug"))?
        .map_err(|problem| {
            error(Code::InvalidPacket, format_args!("The packet cannot be encoded: {problem}."))
        })
}

/// What decoding remembers from call to call.
struct Core {
    topics: RecentTopics,
}

impl Core {
    /// Decodes `chunk` from where the head says, and says in the head how far it came and why not further.
    fn decode(&mut self, chunk: &[u8], head: Head<'_>, records: &mut [u32]) -> Option<DecodeError> {
        let mut version = version_of(*head.version);
        let mut end = *head.place as usize;
        let (mut count, mut needed, mut problem) = (0, 0, None);
        for place in records.chunks_exact_mut(record::WORDS) {
            match self.next(chunk.get(end..).unwrap_or_default(), version, *head.maximum_packet_size) {
                Ok(Next::Packet(summary)) => {
                    version = summary.version.or(version);
                    end += summary.length;
                    summary.write(word(end), place);
                    count += 1;
                }
                Ok(Next::Partial(more)) => {
                    needed = word(more);
                    break;
                }
                Err(wrong) => {
                    problem = Some(wrong);
                    break;
                }
            }
        }
        *head.place = word(end);
        *head.version = version.map_or(0, |version| u32::from(version.level()));
        *head.count = count;
        *head.needed = needed;
        *head.reason_code = problem.map_or(0, |problem| u32::from(problem.reason_code().value()));
        problem
    }

    /// The first packet of `bytes`, checked.
    #[inline]
    fn next(
        &mut self,
        bytes: &[u8],
        version: Option<Version>,
        maximum_packet_size: u32,
    ) -> std::result::Result<Next, DecodeError> {
        let frame = match split_frame(bytes, maximum_packet_size)? {
            Split::Frame(frame) => frame,
            Split::Partial { needed } => return Ok(Next::Partial(needed)),
        };
        let packet = Packet::decode(&frame, version_for(&frame, version)?)?;
        Ok(Next::Packet(Summary::of(&packet, &frame, &mut self.topics)))
    }
}

enum Next {
    Packet(Summary),
    Partial(usize),
}

/// The version to decode by. While nobody has said one, only a CONNECT can be decoded, which does not need it.
#[inline]
fn version_for(frame: &Frame<'_>, version: Option<Version>) -> std::result::Result<Version, ProtocolError> {
    match (version, frame.packet_type()) {
        (Some(version), _) => Ok(version),
        (None, PacketType::Connect) => Ok(Version::V5_0),
        (None, found) => Err(ProtocolError::UnexpectedPacketType { expected: PacketType::Connect, found }),
    }
}

fn recode(bytes: &mut [u8], length: usize, version: Option<Version>) -> std::result::Result<u32, String> {
    let packet = bytes.get(..length).unwrap_or_default();
    let version = version.ok_or("the protocol version is unknown")?;
    let frame = match split_frame(packet, u32::MAX).map_err(|problem| problem.to_string())? {
        Split::Frame(frame) if frame.length == length => frame,
        _ => return Err("it is not whole".to_owned()),
    };
    let packet = Packet::decode(&frame, version).map_err(|problem| problem.to_string())?;
    let mut encoded = Vec::with_capacity(length);
    packet.encode(version, &mut encoded).map_err(|problem| problem.to_string())?;
    let place = bytes.get_mut(..encoded.len()).ok_or("it has grown")?;
    place.copy_from_slice(&encoded);
    Ok(word(place.len()))
}

/// Catches a panic; from then on the codec refuses to work.
fn run<R>(core: &mut Option<Core>, work: impl FnOnce(&mut Core) -> R) -> Result<R> {
    let Some(live) = core.as_mut() else {
        return Err(error(Code::Panic, "the native codec has been shut down after a bug"));
    };
    catch_unwind(AssertUnwindSafe(|| work(live))).map_err(|_| {
        // Dropping torn state may panic again; it is given up instead.
        std::mem::forget(core.take());
        error(Code::Panic, "the native codec met a bug and has been shut down")
    })
}

const fn version_of(level: u32) -> Option<Version> {
    match level {
        3 => Some(Version::V3_1),
        4 => Some(Version::V3_1_1),
        5 => Some(Version::V5_0),
        _ => None,
    }
}

/// Offsets into one chunk fit: JavaScript has checked its length.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core() -> Core {
        Core { topics: RecentTopics::new() }
    }

    #[test]
    fn a_panic_ends_the_decoder_for_good() {
        let mut torn = Some(core());
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let result = run(&mut torn, |_| -> u32 { panic!("a bug for the test") });
        std::panic::set_hook(quiet);
        assert_eq!(result.unwrap_err().status, Code::Panic);
        assert_eq!(run(&mut torn, |_| ()).unwrap_err().status, Code::Panic);
    }

    #[test]
    fn decoding_stops_where_the_table_ends_and_goes_on_from_there() {
        let mut core = core();
        let chunk = [0xC0, 0, 0xD0, 0, 0xC0, 0, 0xD0];
        let mut head = [0, 5, u32::MAX, 0, 0, 0];
        let mut records = [0; 2 * record::WORDS];
        assert_eq!(core.decode(&chunk, Head::of(&mut head), &mut records), None);
        assert_eq!(head, [4, 5, u32::MAX, 2, 0, 0]);
        assert_eq!(core.decode(&chunk, Head::of(&mut head), &mut records), None);
        assert_eq!(head, [6, 5, u32::MAX, 1, 1, 0]);
    }

    #[test]
    fn what_is_wrong_comes_after_what_is_not() {
        let mut core = core();
        let mut head = [0, 4, u32::MAX, 0, 0, 0];
        let mut records = [0; 4 * record::WORDS];
        let problem = core.decode(&[0xC0, 0, 0xC1, 0], Head::of(&mut head), &mut records);
        assert!(matches!(problem, Some(DecodeError::Malformed(_))));
        assert_eq!(head, [2, 4, u32::MAX, 1, 0, 0x81]);
    }

    #[test]
    fn a_place_behind_the_chunk_is_the_end_of_it() {
        let mut head = [9, 4, u32::MAX, 0, 0, 0];
        assert_eq!(core().decode(&[0xC0, 0], Head::of(&mut head), &mut [0; record::WORDS]), None);
        assert_eq!(head, [9, 4, u32::MAX, 0, 2, 0]);
    }
}
