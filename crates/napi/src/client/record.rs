//! The table of records: what came of a chunk, or what was wrong with a command. `src/client/engine.ts` has the same.
//!
//! A record is [`WORDS`] words. The first has the kind, in the second byte flags, and for a message in the high half the
//! slot of its topic, see [`crate::codec::topics`]. Places are in the chunk or, with `CARRIED`, in the carried bytes, or,
//! with `IN_TEXT`, in the text.
//!
//! - A message: place and length of its topic; of its payload; the two halves of the key that acknowledges it, or 0; where
//!   in its packet the Topic Name ends.
//! - Any other: place and length of its packet; the two halves of its ticket; a code; place and length of words in the text.

use topicwire_codec::{QoS, ReasonCode};
use topicwire_session::client::{Abandonment, Closing, Event, Received, Span};

use super::command::{self, Problem};
use crate::codec::topics::{Place, RecentTopics};

/// Words of one record.
pub(super) const WORDS: usize = 8;

/// Bits of what calls return beside a count, for which 24 bits are left.
pub(super) mod status {
    /// There are events that the table had no room for, or that nobody has collected.
    pub(crate) const EVENTS: u32 = 1 << 24;
    /// There is output.
    pub(crate) const OUTPUT: u32 = 1 << 25;
    /// Behind this output the transport is to be closed.
    pub(crate) const LAST: u32 = 1 << 26;
}

mod kind {
    pub(super) const MESSAGE: u32 = 1;
    pub(super) const CONNECTED: u32 = 2;
    pub(super) const PUBLISHED: u32 = 3;
    pub(super) const SUBSCRIBED: u32 = 4;
    pub(super) const UNSUBSCRIBED: u32 = 5;
    pub(super) const ABANDONED: u32 = 6;
    pub(super) const AUTHENTICATE: u32 = 7;
    pub(super) const REAUTHENTICATED: u32 = 8;
    pub(super) const PONG: u32 = 9;
    pub(super) const CLOSED_REQUESTED: u32 = 10;
    pub(super) const CLOSED_REFUSED: u32 = 11;
    pub(super) const CLOSED_BY_SERVER: u32 = 12;
    pub(super) const CLOSED_FAULT: u32 = 13;
    pub(super) const CLOSED_CONNACK_TIMEOUT: u32 = 14;
    pub(super) const CLOSED_PINGRESP_TIMEOUT: u32 = 15;
    pub(super) const CLOSED_TRANSPORT: u32 = 16;
    pub(super) const REFUSED_COMMAND: u32 = 17;
}

mod flag {
    pub(super) const DUP: u32 = 1 << 10;
    pub(super) const RETAIN: u32 = 1 << 11;
    pub(super) const CARRIED: u32 = 1 << 12;
    pub(super) const TOPIC_IS_NEW: u32 = 1 << 13;
    pub(super) const TOPIC_IS_ASCII: u32 = 1 << 14;
    pub(super) const IN_TEXT: u32 = 1 << 15;
}

/// Why a command comes to nothing.
mod cause {
    pub(super) const CONNECTION_LOST: u32 = 0;
    pub(super) const SESSION_ENDED: u32 = 1;
    pub(super) const EXPIRED: u32 = 2;
    pub(super) const DROPPED: u32 = 3;
    /// And so on: what [`super::command::code_of`] says of the misuse.
    pub(super) const UNSENDABLE: u32 = 16;
}

/// Text that has no place in a chunk, for the records of one call.
pub(super) struct Text<'t> {
    room: &'t mut [u8],
    used: usize,
}

impl<'t> Text<'t> {
    pub(super) fn new(room: &'t mut [u8]) -> Self {
        Self { room, used: 0 }
    }

    /// Whether the longest text of MQTT still fits.
    pub(super) fn has_room(&self) -> bool {
        self.room.len() - self.used > usize::from(u16::MAX)
    }

    /// Place and length; what does not fit is cut off.
    fn put(&mut self, words: &str) -> (u32, u32) {
        let start = self.used;
        let mut length = words.len().min(self.room.len() - start);
        while !words.is_char_boundary(length) {
            length -= 1;
        }
        if let (Some(to), Some(from)) =
            (self.room.get_mut(start..start + length), words.as_bytes().get(..length))
        {
            to.copy_from_slice(from);
        }
        self.used += length;
        (word(start), word(length))
    }
}

/// A record of anything but a message.
#[derive(Default)]
struct Rare {
    head: u32,
    packet: Span,
    ticket: u64,
    code: u32,
    text: (u32, u32),
}

/// Writes the record of an event. `bytes_of` finds the bytes of a span.
pub(super) fn write<'b>(
    event: &Event,
    bytes_of: impl Fn(Span) -> Option<&'b [u8]>,
    topics: &mut RecentTopics,
    text: &mut Text<'_>,
    place: &mut [u32],
) {
    let rare = match event {
        Event::Message(received) => {
            return write_message(received, bytes_of, topics, text, place);
        }
        Event::Published { ticket, reason_code, packet } => Rare {
            head: kind::PUBLISHED,
            packet: *packet,
            ticket: ticket.0,
            code: code(*reason_code),
            ..Rare::default()
        },
        Event::Connected { session_present, packet } => Rare {
            head: kind::CONNECTED,
            packet: *packet,
            code: u32::from(*session_present),
            ..Rare::default()
        },
        Event::Subscribed { ticket, packet } => {
            Rare { head: kind::SUBSCRIBED, packet: *packet, ticket: ticket.0, ..Rare::default() }
        }
        Event::Unsubscribed { ticket, packet } => {
            Rare { head: kind::UNSUBSCRIBED, packet: *packet, ticket: ticket.0, ..Rare::default() }
        }
        Event::Abandoned { ticket, cause } => {
            let (code, text) = abandonment(cause, text);
            Rare { head: kind::ABANDONED, ticket: ticket.0, code, text, ..Rare::default() }
        }
        Event::Authenticate { packet } => {
            Rare { head: kind::AUTHENTICATE, packet: *packet, ..Rare::default() }
        }
        Event::Reauthenticated { packet } => {
            Rare { head: kind::REAUTHENTICATED, packet: *packet, ..Rare::default() }
        }
        Event::Pong => Rare { head: kind::PONG, ..Rare::default() },
        Event::Closed(closing) => closed(closing, text),
        // The core may grow events that this version of the addon has no records for.
        _ => Rare::default(),
    };
    write_rare(&rare, place);
}

/// Writes the record of a command that was refused: its place and length among the commands, its number, why.
pub(super) fn write_refused(
    index: usize,
    command: (usize, usize),
    problem: &Problem,
    text: &mut Text<'_>,
    place: &mut [u32],
) {
    let packet = (word(command.0), word(command.1));
    let (at, length) = text.put(&problem.to_string());
    let words = [kind::REFUSED_COMMAND, packet.0, packet.1, word(index), 0, problem.code(), at, length];
    copy(words, place);
}

fn write_message<'b>(
    received: &Received,
    bytes_of: impl Fn(Span) -> Option<&'b [u8]>,
    topics: &mut RecentTopics,
    text: &mut Text<'_>,
    place: &mut [u32],
) {
    let mut head = kind::MESSAGE | u32::from(received.qos.value()) << 8 | carried(received.packet);
    if received.dup {
        head |= flag::DUP;
    }
    if received.retain {
        head |= flag::RETAIN;
    }
    let topic_name = match &received.alias_of {
        Some(topic_name) => topic_name.as_bytes(),
        None => bytes_of(received.topic_name).unwrap_or_default(),
    };
    let mut topic = (word(received.topic_name.start), word(received.topic_name.length));
    let found = topics.place(topic_name);
    if let Place::Known(slot) | Place::New(slot) = found {
        head |= slot << 16;
    }
    if !matches!(found, Place::Known(_)) {
        head |= flag::TOPIC_IS_NEW;
        if topic_name.is_ascii() {
            head |= flag::TOPIC_IS_ASCII;
        }
        if let Some(topic_name) = &received.alias_of {
            head |= flag::IN_TEXT;
            topic = text.put(topic_name);
        }
    }
    let key = received.delivery.map_or(0, |delivery| delivery.0);
    let topic_end = received.topic_name.start + received.topic_name.length;
    let payload = (word(received.payload.start), word(received.payload.length));
    let words =
        [head, topic.0, topic.1, payload.0, payload.1, key as u32, (key >> 32) as u32, word(topic_end)];
    copy(words, place);
}

fn closed(closing: &Closing, text: &mut Text<'_>) -> Rare {
    match closing {
        Closing::Requested => Rare { head: kind::CLOSED_REQUESTED, ..Rare::default() },
        Closing::Refused { reason_code, packet } => {
            Rare { head: kind::CLOSED_REFUSED, packet: *packet, code: code(*reason_code), ..Rare::default() }
        }
        Closing::ByServer { reason_code, packet } => Rare {
            head: kind::CLOSED_BY_SERVER,
            packet: *packet,
            code: code(*reason_code),
            ..Rare::default()
        },
        Closing::Fault { reason_code, detail } => {
            let text = text.put(detail);
            Rare { head: kind::CLOSED_FAULT, code: code(*reason_code), text, ..Rare::default() }
        }
        Closing::ConnackTimeout => Rare { head: kind::CLOSED_CONNACK_TIMEOUT, ..Rare::default() },
        Closing::PingrespTimeout => Rare { head: kind::CLOSED_PINGRESP_TIMEOUT, ..Rare::default() },
        _ => Rare { head: kind::CLOSED_TRANSPORT, ..Rare::default() },
    }
}

fn abandonment(cause: &Abandonment, text: &mut Text<'_>) -> (u32, (u32, u32)) {
    match cause {
        Abandonment::ConnectionLost => (cause::CONNECTION_LOST, (0, 0)),
        Abandonment::Expired => (cause::EXPIRED, (0, 0)),
        Abandonment::Dropped => (cause::DROPPED, (0, 0)),
        Abandonment::Unsendable(misuse) => {
            (cause::UNSENDABLE + command::code_of(misuse), text.put(&misuse.to_string()))
        }
        _ => (cause::SESSION_ENDED, (0, 0)),
    }
}

fn write_rare(rare: &Rare, place: &mut [u32]) {
    let head = rare.head | carried(rare.packet);
    let packet = (word(rare.packet.start), word(rare.packet.length));
    let ticket = (rare.ticket as u32, (rare.ticket >> 32) as u32);
    copy([head, packet.0, packet.1, ticket.0, ticket.1, rare.code, rare.text.0, rare.text.1], place);
}

fn carried(span: Span) -> u32 {
    if span.is_carried { flag::CARRIED } else { 0 }
}

fn code(reason_code: ReasonCode) -> u32 {
    u32::from(reason_code.value())
}

fn copy(words: [u32; WORDS], place: &mut [u32]) {
    if let Some(place) = place.first_chunk_mut() {
        *place = words;
    }
}

/// Offsets into a chunk, into carried bytes of one packet, and into the text fit.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const _: () = assert!(QoS::ExactlyOnce.value() << 1 < 8, "the QoS has two bits");
