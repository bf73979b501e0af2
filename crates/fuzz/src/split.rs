//! The same bytes in other pieces.

use topicwire_broker::{Broker, Closing, Config, ConnectionKey, HookFilters};
use topicwire_codec::{DecodeError, Packet, Split, Version, split_frame};

use crate::codec::VERSIONS;
use crate::input::Input;

const NOW_MS: u64 = 1_000_000;
/// Small enough for a short input to be past it.
const MAXIMUM_PACKET_SIZE_BYTES: u32 = 300;

/// However a stream is cut, the same packets come out of it and the same error ends it, from the codec and from a
/// broker.
///
/// The first byte says how many of the next bytes are the lengths of the pieces, in turn; the rest is the stream.
pub fn split_input(data: &[u8]) {
    let mut input = Input::new(data);
    let version = input.pick(&VERSIONS);
    let count = input.below(16);
    let lengths = input.take(count);
    let stream = input.rest();
    if lengths.iter().all(|length| *length == 0) {
        return;
    }
    let pieces = || Pieces { lengths: lengths.iter().cycle(), rest: stream };
    assert_eq!(decode_pieces(pieces(), version), decode_pieces([stream], version));
    assert_eq!(converse(pieces()), converse([stream]));
}

/// A stream cut into pieces of these lengths, over and over.
pub(crate) struct Pieces<'a, I> {
    pub(crate) lengths: I,
    pub(crate) rest: &'a [u8],
}

impl<'a, I: Iterator<Item = &'a u8>> Iterator for Pieces<'a, I> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let length = usize::from(*self.lengths.next()?);
        let (piece, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

/// The packets, printed, and what ended them.
fn decode_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    version: Version,
) -> (Vec<String>, Option<DecodeError>) {
    let (mut kept, mut wanted, mut packets) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match split_frame(&kept[at..], MAXIMUM_PACKET_SIZE_BYTES) {
                Ok(Split::Frame(frame)) => {
                    assert!(kept.len() >= wanted, "a packet came before the bytes it was said to need");
                    match Packet::decode(&frame, version) {
                        Ok(packet) => packets.push(format!("{packet:?}")),
                        Err(error) => return (packets, Some(error)),
                    }
                    at += frame.length;
                    wanted = 0;
                }
                Ok(Split::Partial { needed }) => {
                    assert!(needed > 0 && needed <= MAXIMUM_PACKET_SIZE_BYTES as usize);
                    kept.drain(..at);
                    wanted = kept.len() + needed;
                    break;
                }
                Err(error) => return (packets, Some(error)),
            }
        }
    }
    (packets, None)
}

/// What a broker makes of a stream: what it writes, how it ends, what it announces and counts.
fn converse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut config = Config { seed: 0x5eed, sys_interval_ms: 0, ..Config::default() };
    config.limits.maximum_packet_size_bytes = MAXIMUM_PACKET_SIZE_BYTES;
    let mut broker = Broker::new(config, HookFilters::default(), NOW_MS);
    let key = broker.open(NOW_MS);
    let mut outcome = Outcome::default();
    for piece in pieces {
        let _ = broker.receive(key, piece, NOW_MS);
        assert!(broker.metrics().input_bytes < u64::from(MAXIMUM_PACKET_SIZE_BYTES), "kept too much");
    }
    outcome.drain(&mut broker, key);
    broker.close(key, NOW_MS);
    while let Some(event) = broker.poll_event() {
        outcome.events.push(format!("{event:?}"));
    }
    let mut metrics = broker.metrics();
    // What comes after the end is not counted, and in one piece it comes before the end.
    metrics.bytes_received = 0;
    outcome.metrics = format!("{metrics:?}");
    outcome
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    bytes: Vec<u8>,
    closing: Option<Closing>,
    events: Vec<String>,
    metrics: String,
}

impl Outcome {
    fn drain(&mut self, broker: &mut Broker, key: ConnectionKey) {
        let mut arena = [0; 4096];
        while let Some(transmit) = broker.poll_transmit(&mut arena, NOW_MS) {
            assert_eq!(transmit.connection, key);
            assert_eq!(self.closing, None, "output after the end");
            self.bytes.extend_from_slice(&arena[..transmit.length]);
            self.closing = transmit.closing;
        }
    }
}
