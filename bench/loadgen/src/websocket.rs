//! The framing of MQTT over WebSocket, as far as a generator needs it: RFC 6455 without extensions.
//!
//! Written by hand because what there is to use either owns the socket, or allocates for every message, and a
//! generator that takes frames apart in its shared read buffer can afford neither. It is no WebSocket library:
//! the key of the handshake is the RFC's own example, so that its answer is known beforehand, and mask keys
//! come from a cheap generator, which is random enough for a broker that only has to undo them.
//!
//! A [`WebSocket`] is one client's end: [`WebSocket::receive`] takes the bytes of a read and leaves the MQTT
//! bytes in their place, [`WebSocket::put_frames`] wraps what is to be sent. [`Reader`] and [`put_frame`] are
//! for both ends: the null broker has the server's.

use crate::wire;
use thiserror::Error;

/// The path that all brokers of the bench serve MQTT on.
pub const PATH: &str = "/mqtt";

/// The example of RFC 6455, section 1.3 …
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// … and what a server has to make of it.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An answer to the handshake that is longer is none.
const LONGEST_ANSWER: usize = 8 << 10;

/// The longest payload of a control frame.
const CONTROL_BYTES: usize = 125;

/// The opcodes.
pub mod opcode {
    #![allow(missing_docs, reason = "the names are the RFC's")]
    pub const CONTINUATION: u8 = 0;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// What was wrong with the bytes of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The answer to the handshake is not 101, or not for this handshake.
    #[error("no upgrade to WebSocket with the subprotocol mqtt")]
    Handshake,
    /// A frame that RFC 6455 does not allow here: reserved bits, a wrong opcode or length, text.
    #[error("a WebSocket frame that has no place here: {0:#04x} {1:#04x}")]
    Frame(u8, u8),
    /// The other end said goodbye.
    #[error("a close frame")]
    Close,
}

/// One client's end of a WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    /// What has come of the answer to the handshake; `None` when that is over.
    answer: Option<Vec<u8>>,
    reader: Reader,
    keys: Keys,
    packets_per_frame: usize,
}

impl WebSocket {
    /// Appends the request that opens it. `packets_per_frame` is how many MQTT packets share a frame; 0 is all
    /// that are written together.
    #[must_use]
    pub fn open(raw: &mut Vec<u8>, seed: u64, packets_per_frame: usize) -> Self {
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        raw.extend_from_slice(request.as_bytes());
        Self {
            answer: Some(Vec::new()),
            reader: Reader::new(false),
            keys: Keys::new(seed),
            packets_per_frame,
        }
    }

    /// The handshake is over: frames may be sent.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.answer.is_none()
    }

    /// Takes what a read has put at `bytes[from..]`, and gives the end of the MQTT bytes that now are in
    /// `bytes`; those before `from` stay. A pong, where one is due, is appended to `raw`.
    ///
    /// # Errors
    /// Any [`WebSocketError`].
    #[inline]
    pub fn receive(
        &mut self,
        bytes: &mut [u8],
        from: usize,
        raw: &mut Vec<u8>,
    ) -> Result<usize, WebSocketError> {
        let mut end = bytes.len();
        if let Some(answer) = &mut self.answer {
            answer.extend_from_slice(&bytes[from..]);
            let Some(head) = end_of_head(answer) else {
                return if answer.len() > LONGEST_ANSWER { Err(WebSocketError::Handshake) } else { Ok(from) };
            };
            if !is_upgraded(&answer[..head]) {
                return Err(WebSocketError::Handshake);
            }
            // What is behind the answer came with this read: it was not there before.
            let frames = answer.len() - head;
            bytes.copy_within(end - frames.., from);
            end = from + frames;
            self.answer = None;
        }
        let Self { reader, keys, .. } = self;
        reader.strip(&mut bytes[..end], from, |payload| {
            put_frame(raw, opcode::PONG, payload, Some(keys.next()));
        })
    }

    /// Appends `packets`, whole MQTT packets, as frames to `raw`.
    #[inline]
    pub fn put_frames(&mut self, packets: &[u8], raw: &mut Vec<u8>) {
        if self.packets_per_frame == 0 {
            return put_frame(raw, opcode::BINARY, packets, Some(self.keys.next()));
        }
        let mut rest = packets;
        while !rest.is_empty() {
            let mut size = 0;
            for _ in 0..self.packets_per_frame {
                match wire::split(&rest[size..]) {
                    Ok(Some(packet)) => size += packet.len,
                    _ => break,
                }
            }
            // Whole packets of the generator's own have a length; were it not so, the rest is one frame.
            let (frame, after) = rest.split_at(if size == 0 { rest.len() } else { size });
            put_frame(raw, opcode::BINARY, frame, Some(self.keys.next()));
            rest = after;
        }
    }
}

/// Where the head of an HTTP message ends, if its end has come.
#[must_use]
pub fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn is_upgraded(head: &[u8]) -> bool {
    let Ok(head) = std::str::from_utf8(head) else { return false };
    let mut lines = head.split("\r\n");
    let is_switching = lines.next().is_some_and(|line| line.starts_with("HTTP/1.1 101"));
    let (mut accepted, mut protocol) = (false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        accepted |= name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT;
        protocol |= name.eq_ignore_ascii_case("sec-websocket-protocol") && value.trim() == "mqtt";
    }
    is_switching && accepted && protocol
}

/// The server's answer to the request of [`WebSocket::open`].
pub fn put_answer(out: &mut Vec<u8>) {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    out.extend_from_slice(answer.as_bytes());
}

/// Appends one whole frame, masked where there is a key.
#[inline]
pub fn put_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], key: Option<u32>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(masked | len as u8),
        len @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key.to_ne_bytes());
    }
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask(&mut out[start..], key);
    }
}

/// Masks, or unmasks, in blocks that the compiler turns into vector instructions.
#[inline]
fn mask(bytes: &mut [u8], key: u32) {
    let wide = u64::from(key) << 32 | u64::from(key);
    let (blocks, rest) = bytes.as_chunks_mut::<8>();
    for block in blocks {
        *block = (u64::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Mask keys: xorshift.
#[derive(Debug)]
struct Keys(u64);

impl Keys {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    #[inline]
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}

/// Takes frames apart, wherever their boundaries fall.
#[derive(Debug)]
pub struct Reader {
    wants_mask: bool,
    /// The beginning of a frame's header.
    header: [u8; 14],
    have: usize,
    /// The frame that is being read.
    frame: Option<Frame>,
    /// A binary message has begun whose last frame has not come.
    is_fragmented: bool,
    control: [u8; CONTROL_BYTES],
    control_len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    left: u64,
    /// Turned so that its first byte is for the next byte of the payload.
    key: u32,
}

impl Reader {
    /// A server `wants_mask`, a client must not get any.
    #[must_use]
    pub fn new(wants_mask: bool) -> Self {
        Self {
            wants_mask,
            header: [0; 14],
            have: 0,
            frame: None,
            is_fragmented: false,
            control: [0; CONTROL_BYTES],
            control_len: 0,
        }
    }

    /// Replaces the frames at `bytes[from..]` by what they carry; gives its end. `ping` gets the payloads of
    /// pings.
    ///
    /// # Errors
    /// [`WebSocketError::Frame`] and [`WebSocketError::Close`].
    #[inline]
    pub fn strip(
        &mut self,
        bytes: &mut [u8],
        from: usize,
        mut ping: impl FnMut(&[u8]),
    ) -> Result<usize, WebSocketError> {
        let (mut at, mut end) = (from, from);
        loop {
            let Some(frame) = &mut self.frame else {
                let Some(&byte) = bytes.get(at) else { return Ok(end) };
                self.header[self.have] = byte;
                self.have += 1;
                at += 1;
                self.frame = self.begin()?;
                continue;
            };
            let take = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len() - at);
            let payload = &mut bytes[at..at + take];
            if self.wants_mask {
                mask(payload, frame.key);
                // As it lies in memory, the key's next byte has to come first.
                let mut key = frame.key.to_ne_bytes();
                key.rotate_left(take % 4);
                frame.key = u32::from_ne_bytes(key);
            }
            if frame.opcode >= opcode::CLOSE {
                self.control[self.control_len..self.control_len + take].copy_from_slice(payload);
                self.control_len += take;
            } else {
                bytes.copy_within(at..at + take, end);
                end += take;
            }
            at += take;
            frame.left -= take as u64;
            if frame.left > 0 {
                return Ok(end);
            }
            match frame.opcode {
                opcode::CLOSE => return Err(WebSocketError::Close),
                opcode::PING => ping(&self.control[..self.control_len]),
                _ => {}
            }
            self.control_len = 0;
            self.frame = None;
        }
    }

    /// The frame that the header begins, when the header is whole.
    #[inline]
    fn begin(&mut self) -> Result<Option<Frame>, WebSocketError> {
        let [first, second, ..] = self.header;
        if self.have < 2 {
            return Ok(None);
        }
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let key_at = 2 + extended;
        if self.have < key_at + if self.wants_mask { 4 } else { 0 } {
            return Ok(None);
        }
        self.have = 0;
        let left = match extended {
            0 => u64::from(second & 0x7f),
            _ => self.header[2..key_at].iter().fold(0, |value, &byte| value << 8 | u64::from(byte)),
        };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let is_allowed = match opcode {
            opcode::CONTINUATION => self.is_fragmented,
            opcode::BINARY => !self.is_fragmented,
            opcode::CLOSE | opcode::PING | opcode::PONG => is_last && left <= CONTROL_BYTES as u64,
            _ => false,
        };
        if !is_allowed || first & 0x70 != 0 || (second & 0x80 != 0) != self.wants_mask {
            return Err(WebSocketError::Frame(first, second));
        }
        if opcode < opcode::CLOSE {
            self.is_fragmented = !is_last;
        }
        let key = &self.header[key_at..key_at + 4];
        Ok(Some(Frame { opcode, left, key: u32::from_ne_bytes([key[0], key[1], key[2], key[3]]) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stamp::Stamp,
        wire::{Template, Version},
    };

    /// Strips `bytes` in portions of `portion`; gives what they carry and the pings.
    fn strip(
        reader: &mut Reader,
        bytes: &[u8],
        portion: usize,
    ) -> Result<(Vec<u8>, Vec<Vec<u8>>), WebSocketError> {
        let (mut carried, mut pings) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(portion) {
            // Three bytes in front that have to stay.
            let mut buffer = [b"abc", chunk].concat();
            let end = reader.strip(&mut buffer, 3, |ping| pings.push(ping.to_vec()))?;
            assert_eq!(&buffer[..3], b"abc");
            carried.extend_from_slice(&buffer[3..end]);
        }
        Ok((carried, pings))
    }

    #[test]
    fn frames_read_back_as_they_were_written_wherever_the_reads_end() {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (number, size) in [0, 1, 125, 126, 127, 3, 65_535, 65_536].into_iter().enumerate() {
            let payload: Vec<u8> = (0..size).map(|at| (at * 7 + number) as u8).collect();
            put_frame(&mut bytes, opcode::BINARY, &payload, Some(0x1234_5678 * (number as u32 + 1)));
            expected.extend_from_slice(&payload);
        }
        for portion in [1, 2, 3, 5, 64, 1_000, bytes.len()] {
            let (carried, pings) = strip(&mut Reader::new(true), &bytes, portion).unwrap();
            assert!(carried == expected, "in portions of {portion}");
            assert!(pings.is_empty());
        }
    }

    #[test]
    fn a_frame_has_the_bytes_of_the_rfc() {
        // RFC 6455, section 5.7, with the opcode of binary.
        let mut bytes = Vec::new();
        put_frame(&mut bytes, opcode::BINARY, b"Hello", Some(u32::from_ne_bytes([0x37, 0xfa, 0x21, 0x3d])));
        assert_eq!(bytes, [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        bytes.clear();
        put_frame(&mut bytes, opcode::BINARY, b"Hello", None);
        assert_eq!(bytes, [0x82, 5, b'H', b'e', b'l', b'l', b'o']);
    }

    #[test]
    fn a_message_in_fragments_with_a_ping_between_them_is_one_stream() {
        let bytes = [&[0x02, 3][..], b"abc", &[0x89, 2], b"hi", &[0x00, 1], b"d", &[0x80, 2], b"ef"].concat();
        for portion in 1..bytes.len() {
            let (carried, pings) = strip(&mut Reader::new(false), &bytes, portion).unwrap();
            assert_eq!(carried, b"abcdef");
            assert_eq!(pings, [b"hi"]);
        }
    }

    #[test]
    fn what_the_rfc_forbids_is_an_error() {
        for bad in [
            &[0x81, 1, b'a'][..],            // text
            &[0xc2, 1, b'a'],                // a reserved bit
            &[0x80, 1, b'a'],                // a continuation of nothing
            &[0x02, 1, b'a', 0x82, 1, b'a'], // a message within a message
            &[0x82, 0x81, 0, 0, 0, 0, b'a'], // masked by a server
            &[0x09, 0],                      // a ping in fragments
            &[0x89, 126, 0, 126],            // a ping that is too long
            &[0x83, 0],                      // an opcode that nobody has defined
        ] {
            let result = strip(&mut Reader::new(false), bad, bad.len());
            assert!(matches!(result, Err(WebSocketError::Frame(..))), "{bad:02x?}");
        }
        assert_eq!(strip(&mut Reader::new(false), &[0x88, 0], 2), Err(WebSocketError::Close));
        let unmasked = strip(&mut Reader::new(true), &[0x82, 1, 0, 0, 0, 0], 6);
        assert!(matches!(unmasked, Err(WebSocketError::Frame(..))));
    }

    #[test]
    fn packets_share_a_frame_as_they_are_told() {
        let template = Template::new(Version::V311, "load/0", 0, 64);
        let mut packets = Vec::new();
        for sequence in 0..10 {
            template.put(&mut packets, 0, Stamp { publisher: 0, sequence, sent_ns: 0 });
        }
        // A header has 6 bytes, with more than 125 behind it 8.
        for (packets_per_frame, headers) in [(0, 8), (1, 60), (3, 3 * 8 + 6), (10, 8), (99, 8)] {
            let mut raw = Vec::new();
            let mut socket = WebSocket::open(&mut raw, 7, packets_per_frame);
            raw.clear();
            socket.put_frames(&packets, &mut raw);
            assert_eq!(raw.len(), packets.len() + headers, "{packets_per_frame}");
            let (carried, _) = strip(&mut Reader::new(true), &raw, raw.len()).unwrap();
            assert!(carried == packets);
        }
    }

    #[test]
    fn the_handshake_may_come_in_pieces_and_with_the_first_frame_behind_it() {
        let mut answer = Vec::new();
        put_answer(&mut answer);
        put_frame(&mut answer, opcode::BINARY, b"\x20\x02\x00\x00", None);
        for portion in [1, 7, 60, answer.len()] {
            let mut raw = Vec::new();
            let mut socket = WebSocket::open(&mut raw, 1, 0);
            assert!(raw.ends_with(b"\r\n\r\n") && !socket.is_open());
            let mut carried = Vec::new();
            for chunk in answer.chunks(portion) {
                let mut buffer = chunk.to_vec();
                let end = socket.receive(&mut buffer, 0, &mut raw).unwrap();
                carried.extend_from_slice(&buffer[..end]);
            }
            assert!(socket.is_open());
            assert_eq!(carried, b"\x20\x02\x00\x00");
        }
    }

    #[test]
    fn an_answer_that_is_no_upgrade_to_mqtt_is_an_error() {
        let mut good = Vec::new();
        put_answer(&mut good);
        let good = String::from_utf8(good).unwrap();
        for (from, to) in
            [("101", "200"), ("s3pP", "xxxx"), ("Protocol: mqtt", "Protocol: amqp"), ("-Accept", "-Other")]
        {
            let mut bad = good.replacen(from, to, 1).into_bytes();
            let mut socket = WebSocket::open(&mut Vec::new(), 1, 0);
            assert_eq!(socket.receive(&mut bad, 0, &mut Vec::new()), Err(WebSocketError::Handshake), "{to}");
        }
        let mut endless = vec![b'x'; LONGEST_ANSWER + 1];
        let mut socket = WebSocket::open(&mut Vec::new(), 1, 0);
        assert_eq!(socket.receive(&mut endless, 0, &mut Vec::new()), Err(WebSocketError::Handshake));
    }
}
