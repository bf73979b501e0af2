//! Frames as a client sends them, and a server's end that is fed with them.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "shared by the tests of a crate")]

use topicwire_websocket::{End, State, WebSocket};

pub(crate) const BINARY: u8 = 0x82;
/// A binary frame that begins a message and does not end it.
pub(crate) const FIRST: u8 = 0x02;
pub(crate) const MIDDLE: u8 = 0x00;
pub(crate) const LAST: u8 = 0x80;
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

pub(crate) const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
pub(crate) const MAXIMUM_BYTES: u64 = 1_000;

/// A masked frame with the shortest length.
pub(crate) fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// What a close frame carries.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A control frame as the server sends it.
pub(crate) fn answer(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    [&[first_byte, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// What came of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) payload: Vec<u8>,
    pub(crate) end: Option<End>,
    /// The control frames that were sent.
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) state: State,
}

/// Feeds a new WebSocket, and polls it after each piece.
pub(crate) fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    feed_to(&mut WebSocket::new(MAXIMUM_BYTES), pieces)
}

pub(crate) fn feed_to<'a>(web_socket: &mut WebSocket, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut payload, mut end, mut sent) = (Vec::new(), None, Vec::new());
    for piece in pieces {
        let mut chunk = piece.to_vec();
        let received = web_socket.receive(&mut chunk);
        payload.extend_from_slice(received.payload);
        assert!(
            end.is_none() || (received.end.is_none() && received.payload.is_empty()),
            "more after the end"
        );
        end = end.or(received.end);
        sent.extend(drain(web_socket));
    }
    Outcome { payload, end, sent, state: web_socket.state() }
}

/// What there is to send.
pub(crate) fn drain(web_socket: &mut WebSocket) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    while let Some(frame) = web_socket.poll_control() {
        sent.push(frame.to_vec());
        assert!(sent.len() < 2, "two control frames at once: {sent:02X?}");
    }
    assert!(!web_socket.has_control());
    sent
}

/// The outcome of a stream, which is the same in one piece, in two, cut anywhere, and byte by byte; but for the pings of
/// one piece, of which the last is answered.
pub(crate) fn outcome_however_cut(stream: &[u8]) -> Outcome {
    let whole = feed([stream]);
    for at in 0..=stream.len() {
        let (first, second) = stream.split_at(at);
        assert_eq!(feed([first, second]), whole, "cut behind {at} bytes of {stream:02X?}");
    }
    assert_eq!(feed(stream.chunks(1)), whole, "byte by byte: {stream:02X?}");
    whole
}
