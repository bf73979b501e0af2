//! The frames of a WebSocket client, in any pieces.

use topicwire_websocket::{End, State, WebSocket};

use crate::input::Input;
use crate::split::Pieces;

/// Small enough for a short input to be past it.
const MAXIMUM_MESSAGE_BYTES: u64 = 300;
const PONG: u8 = 0x8A;
const CLOSE: u8 = 0x88;
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// However a stream is cut, the same payload comes out of it, the same end, and the same last word; what is sent
/// meanwhile is legal; and what came out comes out again when it is put into frames.
///
/// The first byte says how many of the next bytes are the lengths of the pieces, in turn; then when the host closes, if
/// it does, and with which code; the rest is the stream.
pub fn websocket_frames(data: &[u8]) {
    let mut input = Input::new(data);
    let count = input.below(16);
    let lengths = input.take(count);
    let closes_at = usize::from(input.word());
    let code = input.pick(&[1000, 1001, 1009, 4135]);
    let stream = input.rest();
    if lengths.iter().all(|length| *length == 0) {
        return;
    }
    let (before, behind) = stream.split_at_checked(closes_at).unwrap_or((stream, &[]));
    let closes = (closes_at <= stream.len()).then_some(code);
    let cut = |rest| Pieces { lengths: lengths.iter().cycle(), rest };

    let whole = converse([before], closes, [behind], Polls::AtTheEnd);
    let pieces = converse(cut(before), closes, cut(behind), Polls::AtTheEnd);
    assert_eq!(pieces, whole);
    let polled = converse(cut(before), closes, cut(behind), Polls::BehindEachPiece);
    assert_eq!((&polled.payload, polled.end, polled.state), (&whole.payload, whole.end, whole.state));
    let close = |outcome: &Outcome| outcome.sent.iter().find(|frame| frame.starts_with(&[CLOSE])).cloned();
    assert_eq!(close(&polled), close(&whole));
    assert_eq!(close(&whole).is_some(), whole.state != State::Open);
    assert!(whole.payload.len() <= stream.len());

    let again: Vec<u8> = whole.payload.chunks(lengths.len()).flat_map(frame).collect();
    let again = converse(cut(&again), None, [], Polls::AtTheEnd);
    assert_eq!((again.payload, again.end, again.state), (whole.payload, None, State::Open));
}

/// When the host writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Polls {
    AtTheEnd,
    BehindEachPiece,
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    payload: Vec<u8>,
    end: Option<End>,
    state: State,
    sent: Vec<Vec<u8>>,
}

/// A connection on which the host closes with this code between the first pieces and the others.
fn converse<'a>(
    before: impl IntoIterator<Item = &'a [u8]>,
    closes: Option<u16>,
    behind: impl IntoIterator<Item = &'a [u8]>,
    polls: Polls,
) -> Outcome {
    let mut web_socket = WebSocket::new(MAXIMUM_MESSAGE_BYTES);
    let mut outcome = Outcome { payload: Vec::new(), end: None, state: State::Open, sent: Vec::new() };
    for piece in before {
        outcome.receive(&mut web_socket, piece, polls);
    }
    if let Some(code) = closes {
        web_socket.close(code, "why");
        assert_ne!(web_socket.state(), State::Open);
    }
    for piece in behind {
        outcome.receive(&mut web_socket, piece, polls);
    }
    outcome.poll(&mut web_socket);
    outcome.state = web_socket.state();
    outcome
}

impl Outcome {
    fn receive(&mut self, web_socket: &mut WebSocket, piece: &[u8], polls: Polls) {
        let state = web_socket.state();
        let mut chunk = piece.to_vec();
        let received = web_socket.receive(&mut chunk);
        assert!(state == State::Open || received.payload.is_empty(), "payload behind a close");
        assert!(state != State::Closed || received.end.is_none(), "an end behind the end");
        assert_eq!(received.end.is_some() || state == State::Closed, web_socket.state() == State::Closed);
        self.payload.extend_from_slice(received.payload);
        self.end = self.end.or(received.end);
        if polls == Polls::BehindEachPiece {
            self.poll(web_socket);
        }
    }

    fn poll(&mut self, web_socket: &mut WebSocket) {
        let Some(frame) = web_socket.poll_control() else { return };
        assert!(
            self.sent.last().is_none_or(|last| !last.starts_with(&[CLOSE])),
            "a frame behind a close frame"
        );
        match frame[..] {
            [PONG, length, ref payload @ ..] => assert_eq!(usize::from(length), payload.len()),
            [CLOSE, length, ref payload @ ..] => {
                assert_eq!(usize::from(length), payload.len());
                assert!(length == 0 || length >= 2 && str::from_utf8(&payload[2..]).is_ok());
            }
            _ => unreachable!("a server sends nothing else: {frame:02X?}"),
        }
        assert!(frame.len() <= 127);
        assert!(!web_socket.has_control() && web_socket.poll_control().is_none(), "two frames at once");
        self.sent.push(frame.to_vec());
    }
}

/// A short binary frame of a client.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = 0x80 | u8::try_from(payload.len()).expect("a payload of a few bytes");
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key);
    [0x82, length].into_iter().chain(MASK).chain(masked).collect()
}

/// Streams to begin with: each kind of frame, by itself and among others, and each form of a length.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let of = |first: u8, payload: &[u8]| {
        let mut bytes = frame(payload);
        bytes[0] = first;
        bytes
    };
    let long =
        |second: u8, length: &[u8], payload: &[u8]| [&[0x82, second], length, &[0; 4], payload].concat();
    let streams = [
        [of(0x82, b"one"), of(0x82, b""), of(0x82, &[7; 100])].concat(),
        [of(0x02, b"frag"), of(0x89, b"ping"), of(0x00, b"men"), of(0x8A, b""), of(0x80, b"ts")].concat(),
        [of(0x89, b"one"), of(0x89, b"two"), of(0x88, b"\x03\xE8bye"), of(0x82, b"behind")].concat(),
        [of(0x02, &[7; 120]), of(0x00, &[7; 120]), of(0x80, &[7; 120])].concat(),
        [of(0x82, b"before"), of(0x81, b"text")].concat(),
        [long(0xFE, &[0, 130], &[7; 130]), long(0xFF, &[0, 0, 0, 0, 0, 0, 0, 5], b"five!")].concat(),
        long(0xFE, &[2, 0], &[7; 9]),
        long(0xFF, &[0x80, 0, 0, 0, 0, 0, 0, 5], b"five!"),
        of(0x88, b"\x03\xED"),
        of(0x88, b"\x0B\xB8\xFF"),
        of(0x88, b"!"),
        of(0x80, b"nothing to continue"),
        of(0x83, b"reserved"),
        of(0xC2, b"reserved"),
        b"\x82\x03abc".to_vec(),
    ];
    let with = |(choices, stream): (&[u8], &Vec<u8>)| [choices, stream].concat();
    // Byte by byte without a close; in pieces with one behind ten bytes.
    let choices: [&[u8]; 2] = [&[1, 1, 0xFF, 0xFF, 0], &[3, 2, 5, 30, 0, 10, 1]];
    choices
        .into_iter()
        .flat_map(|choices| streams.iter().map(move |stream| (choices, stream)))
        .map(with)
        .collect()
}
