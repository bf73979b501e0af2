//! A QoS 1 or 2 message for as long as it may have to be sent, on this connection or on a later one.

use topicwire_codec::fanout;
use topicwire_codec::{PacketId, QoS};

use super::event::Ticket;

/// A message as it is kept: independent of version, alias and packet identifier.
#[derive(Debug)]
pub struct Stored {
    pub(super) ticket: Ticket,
    topic_name: Box<str>,
    /// The properties that go out as they are, then the payload.
    rest: Box<[u8]>,
    forwarded_length: usize,
    pub(super) retain: bool,
    /// `u64::MAX` for one that does not expire.
    pub(super) expires_at_ms: u64,
}

/// The flags and identifiers of one sending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) dup: bool,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) packet_id: Option<PacketId>,
    pub(super) message_expiry_interval_secs: Option<u32>,
}

impl Stored {
    /// A copy of a message as a store has kept it: `parts` are its Topic Name, the properties that go out as they are and
    /// its payload. It expires at `expires_at_ms`; `u64::MAX` is never.
    #[must_use]
    pub fn restored(position: u64, parts: &fanout::Message<'_>, retain: bool, expires_at_ms: u64) -> Self {
        Self::new(Ticket(position), parts, retain, expires_at_ms)
    }

    /// Whether the server is to keep it.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// When it expires, in milliseconds; `u64::MAX` is never.
    #[must_use]
    pub fn expires_at_ms(&self) -> u64 {
        self.expires_at_ms
    }

    pub(super) fn new(ticket: Ticket, parts: &fanout::Message<'_>, retain: bool, expires_at_ms: u64) -> Self {
        Self {
            ticket,
            topic_name: Box::from(parts.topic_name),
            rest: [parts.forwarded, parts.payload].concat().into_boxed_slice(),
            forwarded_length: parts.forwarded.len(),
            retain,
            expires_at_ms,
        }
    }

    /// Its Topic Name, the properties that go out as they are, and its payload.
    #[must_use]
    pub fn parts(&self) -> fanout::Message<'_> {
        let (forwarded, payload) = self.rest.split_at_checked(self.forwarded_length).unwrap_or_default();
        fanout::Message { topic_name: &self.topic_name, forwarded, payload }
    }

    /// What it counts against the queue's bytes.
    pub(super) fn bytes(&self) -> usize {
        self.topic_name.len() + self.rest.len()
    }

    pub(super) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms <= now_ms
    }

    /// What is left of its life, and at least a second: once it is under way it no longer expires here
    /// [MQTT-4.3.3-7].
    pub(super) fn remaining_secs(&self, now_ms: u64) -> Option<u32> {
        if self.expires_at_ms == u64::MAX {
            return None;
        }
        let secs = self.expires_at_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
        Some(u32::try_from(secs).unwrap_or(u32::MAX))
    }
}

/// When a message with this Message Expiry Interval expires.
pub(super) fn expiry_time(interval_secs: Option<u32>, now_ms: u64) -> u64 {
    interval_secs.map_or(u64::MAX, |secs| now_ms.saturating_add(u64::from(secs) * 1000))
}
