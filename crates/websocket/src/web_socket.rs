//! One WebSocket, from the end of its handshake to the end of its TCP connection. A header first: `header.rs`; then
//! its payload: `chunk.rs`.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::mem;

use crate::chunk::Chunk;
use crate::close;
use crate::control::ControlFrame;
use crate::header::{CLOSE, Expected, FIN, Header, MAXIMUM_HEADER_BYTES, PING, PONG};
use crate::violation::Violation;

/// The server's end of one WebSocket that carries MQTT.
///
/// The calling order:
/// - after each read [`receive`](Self::receive), and its payload goes to MQTT, before its [`End`] is looked at;
/// - when there is output, and while the state is [`State::Open`], a [`crate::BinaryHeader`] and that many bytes;
/// - whenever something may be written, [`poll_control`](Self::poll_control) until it gives none;
/// - [`close`](Self::close) when MQTT ends the connection, after its last output;
/// - [`state`](Self::state) says what becomes of the TCP connection.
///
/// A peer can make it keep two control frames, 125 bytes each: one that is coming in, and one that answers.
#[derive(Debug)]
pub struct WebSocket {
    state: State,
    /// Where the next byte belongs.
    place: Place,
    message_under_way: bool,
    /// How much of a header that is not whole yet is in `header`.
    header_length: usize,
    header: [u8; MAXIMUM_HEADER_BYTES],
    /// The mask of the frame under way; its first byte belongs to the next byte of payload.
    mask: [u8; 4],
    /// What is still to come of the frame's payload.
    remaining_bytes: u64,
    /// The payloads of the message under way, as far as their headers have come.
    message_bytes: u64,
    maximum_message_bytes: u64,
    /// The payload so far of a ping or close.
    incoming: Vec<u8>,
    outgoing: Outgoing,
    /// The payload of `outgoing`.
    outgoing_payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Data,
    /// Of a ping or close: kept until it is whole.
    Control {
        opcode: u8,
    },
    /// Nobody wants to know.
    Ignored,
}

/// The control frame that waits to be written. A later one takes its place: only the last of several pings has to be
/// answered (RFC 6455, section 5.5.3), and none behind a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outgoing {
    None,
    Pong,
    Close,
}

/// What a WebSocket can still be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Data goes both ways.
    Open,
    /// We have closed and the peer has not: no data may be written any longer, none is received, and what the peer
    /// sends is still to be given to [`WebSocket::receive`], for its close frame. How long to wait for it is the
    /// host's to decide.
    Closing,
    /// Nothing more is received. Once [`WebSocket::poll_control`] gives none and all has been written, the host ends
    /// its side of the TCP connection, and reads on, without us, until the peer has ended the other: closing a socket
    /// with unread bytes would destroy what is on its way to the peer, our close frame with it.
    Closed,
}

/// What one chunk amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// The next bytes of MQTT's stream, in the chunk's own memory. Often part of a packet, or empty.
    pub payload: &'a [u8],
    /// The connection ends behind `payload`. Given once at most.
    pub end: Option<End>,
}

/// How the peer ended it. The close frame that answers is there to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a close frame.
    Closed {
        /// Why, if it said so.
        code: Option<u16>,
    },
    /// By breaking a rule.
    Violated(Violation),
}

impl WebSocket {
    /// For a connection whose handshake is done, without an extension. A message, all its frames together, carries at
    /// most `maximum_message_bytes`.
    #[must_use]
    pub const fn new(maximum_message_bytes: u64) -> Self {
        Self {
            state: State::Open,
            place: Place::Header,
            message_under_way: false,
            header_length: 0,
            header: [0; MAXIMUM_HEADER_BYTES],
            mask: [0; 4],
            remaining_bytes: 0,
            message_bytes: 0,
            maximum_message_bytes,
            incoming: Vec::new(),
            outgoing: Outgoing::None,
            outgoing_payload: Vec::new(),
        }
    }

    /// What becomes of the connection.
    #[inline]
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether [`poll_control`](Self::poll_control) would give something.
    #[inline]
    #[must_use]
    pub fn has_control(&self) -> bool {
        self.outgoing != Outgoing::None
    }

    /// Takes a chunk as it came from the peer, cut anywhere. Its memory is used to put the payload together; what it
    /// holds afterwards, but for the payload, means nothing.
    ///
    /// Costs a pass over the chunk, and memory only for a ping or a close frame.
    pub fn receive<'a>(&mut self, chunk: &'a mut [u8]) -> Received<'a> {
        let mut chunk = Chunk::new(chunk);
        let end = match self.state {
            State::Closed => None,
            State::Open | State::Closing => self.read(&mut chunk).unwrap_or_else(|violation| {
                self.reply(violation.code(), &violation.to_string());
                self.state = State::Closed;
                Some(End::Violated(violation))
            }),
        };
        Received { payload: chunk.into_kept(), end }
    }

    /// Begins to close, in order. Only the first close counts: after the peer's or our own it does nothing.
    ///
    /// The code is one that a peer may send: 1000 to 1003, 1007 to 1014, 3000 to 4999. A reason of more than 123 bytes
    /// is cut.
    pub fn close(&mut self, code: u16, reason: &str) {
        if self.state == State::Open {
            self.reply(code, reason);
            self.state = State::Closing;
        }
    }

    /// The next control frame to be written, not inside another frame. Only the newest ping is answered if there were
    /// several since the last call.
    #[must_use]
    pub fn poll_control(&mut self) -> Option<ControlFrame> {
        let opcode = match mem::replace(&mut self.outgoing, Outgoing::None) {
            Outgoing::None => return None,
            Outgoing::Pong => PONG,
            Outgoing::Close => CLOSE,
        };
        Some(ControlFrame::new(FIN | opcode, &self.outgoing_payload))
    }

    /// Our close frame, unless there was one.
    fn reply(&mut self, code: u16, reason: &str) {
        if self.state == State::Open {
            close::write(code, reason, &mut self.outgoing_payload);
            self.outgoing = Outgoing::Close;
        }
    }

    /// Frame after frame, to the end of the chunk or the peer's close frame.
    fn read(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<End>, Violation> {
        loop {
            if self.place == Place::Header && !self.read_header(chunk)? {
                return Ok(None);
            }
            let available = chunk.rest().len();
            let count = usize::try_from(self.remaining_bytes).map_or(available, |all| all.min(available));
            self.remaining_bytes = self.remaining_bytes.saturating_sub(count as u64);
            match self.place {
                Place::Data if self.state == State::Open => chunk.keep(count, self.mask),
                Place::Control { .. } => self.incoming.extend_from_slice(chunk.take(count, self.mask)),
                Place::Header | Place::Data | Place::Ignored => chunk.skip(count),
            }
            if self.remaining_bytes > 0 {
                self.mask.rotate_left(count % 4);
                return Ok(None);
            }
            if let Place::Control { opcode } = mem::replace(&mut self.place, Place::Header)
                && let Some(end) = self.end_control(opcode)?
            {
                return Ok(Some(end));
            }
        }
    }

    /// Reads a header, if all of it has come.
    #[inline]
    fn read_header(&mut self, chunk: &mut Chunk<'_>) -> Result<bool, Violation> {
        let header = if self.header_length == 0 {
            let header = Header::read(chunk.rest(), self.expected())?;
            match header {
                Some(header) => chunk.skip(header.length),
                None => self.keep_header(chunk),
            }
            header
        } else {
            self.read_cut_header(chunk)?
        };
        let Some(header) = header else { return Ok(false) };
        self.begin(header);
        Ok(true)
    }

    /// A header that chunks were cut in: byte by byte, as it is seldom.
    #[cold]
    fn read_cut_header(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<Header>, Violation> {
        while let Some(&byte) = chunk.rest().first() {
            chunk.skip(1);
            self.push_header(byte);
            let so_far = self.header.get(..self.header_length).unwrap_or_default();
            if let Some(header) = Header::read(so_far, self.expected())? {
                self.header_length = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    #[cold]
    fn keep_header(&mut self, chunk: &mut Chunk<'_>) {
        while let Some(&byte) = chunk.rest().first() {
            chunk.skip(1);
            self.push_header(byte);
        }
    }

    fn push_header(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.header_length) {
            *place = byte;
            self.header_length = self.header_length.wrapping_add(1);
        }
    }

    #[inline]
    fn expected(&self) -> Expected {
        Expected {
            message_under_way: self.message_under_way,
            room_bytes: self.maximum_message_bytes.saturating_sub(self.message_bytes),
            maximum_bytes: self.maximum_message_bytes,
        }
    }

    #[inline]
    fn begin(&mut self, header: Header) {
        self.mask = header.mask;
        self.remaining_bytes = header.payload_length;
        self.place = match header.opcode {
            PONG => Place::Ignored,
            // Nothing may be written behind our own close frame.
            PING if self.state != State::Open => Place::Ignored,
            opcode @ (PING | CLOSE) => {
                self.incoming.clear();
                // At most 125.
                self.incoming.reserve_exact(usize::try_from(header.payload_length).unwrap_or(0));
                Place::Control { opcode }
            }
            _ => {
                self.message_under_way = !header.fin;
                self.message_bytes =
                    if header.fin { 0 } else { self.message_bytes.saturating_add(header.payload_length) };
                Place::Data
            }
        };
    }

    /// A ping or close frame is whole.
    fn end_control(&mut self, opcode: u8) -> Result<Option<End>, Violation> {
        if opcode == PING {
            // Not if we have closed since it began.
            if self.state == State::Open {
                mem::swap(&mut self.incoming, &mut self.outgoing_payload);
                self.outgoing = Outgoing::Pong;
            }
            return Ok(None);
        }
        let code = close::check(&self.incoming)?;
        if self.state == State::Open {
            mem::swap(&mut self.incoming, &mut self.outgoing_payload);
            self.outgoing = Outgoing::Close;
        }
        self.state = State::Closed;
        Ok(Some(End::Closed { code }))
    }
}
