//! One Session: what is kept for a client whether or not it is connected, and in any case while it is
//! [MQTT-4.1.0-1].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::{Armed, Inbound, Lifetime, Outbound};

use crate::broker::{ConnectionKey, LocalHandle};
use crate::config::Config;
use crate::message::{Delivery, Message};
use crate::metrics::DropReason;

/// What a subscription asks for. Eight bytes, copied into the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Subscription Identifier, 1 to 268,435,455; 0 for none.
    pub subscription_id: u32,
    /// The QoS granted.
    pub qos: QoS,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
}

/// Who receives what the Session is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Nobody now.
    Offline,
    /// A Network Connection.
    Network(ConnectionKey),
    /// A subscriber in the host's own process.
    Local(LocalHandle),
}

/// The Will, kept until it is published or discarded [MQTT-3.1.2-7].
#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    pub(crate) delay_interval_secs: u32,
    /// Its Message Expiry Interval in seconds: it runs from the time of publication.
    pub(crate) expiry_interval_secs: Option<u32>,
}

/// A retained message that new subscriptions are still owed: sent once, as live messages are, with the highest QoS
/// and all identifiers of the subscriptions that ask for it.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) subscription_ids: SmallVec<[u32; 2]>,
}

/// A PUBLISH that waits for the batch with its exchange to be stored.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) sequence: u64,
    pub(crate) packet_id: PacketId,
    pub(crate) qos: QoS,
    pub(crate) delivery: Delivery,
}

/// What is kept for a client identifier, for as long as a connection or the client's wish lasts.
/// Asked for by v3.1.1 [MQTT-4.1.0-1], v3.1.1 [MQTT-4.1.0-2].
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) version: Version,
    pub(crate) lifetime: Lifetime,
    /// A store has it. It then stays there until the Session ends, also where a later CONNECT or DISCONNECT says that
    /// it shall end with its connection: what is queued may be in the store alone.
    pub(crate) is_stored: bool,
    pub(crate) outbound: Outbound<Delivery>,
    pub(crate) inbound: Inbound,
    /// By filter as sent, with `$share/…`.
    pub(crate) subscriptions: BTreeMap<Box<str>, SubscriptionOptions>,
    pub(crate) will: Option<Will>,
    /// When the Will of a closed connection is due.
    pub(crate) will_at_ms: Option<u64>,
    /// When the Session ends.
    pub(crate) ends_at_ms: Option<u64>,
    pub(crate) timer: Armed,
    /// Retained messages still owed, oldest subscription first.
    pub(crate) owed: VecDeque<Owed>,
    /// PUBLISHes whose exchange is open and that wait for the store: see `pump.rs`.
    pub(crate) held: VecDeque<Held>,
    /// Deliveries up to here were in the store when the broker was restored, and may have left before.
    pub(crate) restored_position: u64,
    /// The store's last position in this queue.
    pub(crate) last_position: u64,
    /// Deliveries that are in the store and not in memory, and the position after which they begin.
    pub(crate) in_store: u64,
    pub(crate) in_store_bytes: u64,
    pub(crate) fetched_position: u64,
    /// The question that the store has not answered yet.
    pub(crate) fetching: Option<u64>,
    /// The same for retained messages that are owed.
    pub(crate) fetching_retained: Option<u64>,
    /// Not later than the first expiry of a message in the queue.
    pub(crate) queue_expires_at_ms: u64,
    /// Dropped since the last event about it.
    pub(crate) drops: u64,
    pub(crate) last_drop: DropReason,
    /// All that was dropped.
    pub(crate) dropped_count: u64,
}

impl Session {
    const OFFLINE_WINDOW_MESSAGES: usize = 32;

    pub(crate) fn new(client_id: Arc<str>, endpoint: Endpoint, version: Version) -> Self {
        Self {
            client_id,
            endpoint,
            version,
            lifetime: Lifetime::Connection,
            is_stored: false,
            outbound: Outbound::new(u16::MAX),
            inbound: Inbound::new(u16::MAX),
            subscriptions: BTreeMap::new(),
            will: None,
            will_at_ms: None,
            ends_at_ms: None,
            timer: Armed::default(),
            owed: VecDeque::new(),
            held: VecDeque::new(),
            restored_position: 0,
            last_position: 0,
            in_store: 0,
            in_store_bytes: 0,
            fetched_position: 0,
            fetching: None,
            fetching_retained: None,
            queue_expires_at_ms: u64::MAX,
            drops: 0,
            last_drop: DropReason::QueueFull,
            dropped_count: 0,
        }
    }

    pub(crate) fn connection(&self) -> Option<ConnectionKey> {
        match self.endpoint {
            Endpoint::Network(key) => Some(key),
            Endpoint::Offline | Endpoint::Local(_) => None,
        }
    }

    /// True where somebody receives now.
    pub(crate) fn is_present(&self) -> bool {
        self.endpoint != Endpoint::Offline
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self.endpoint, Endpoint::Local(_))
    }

    /// True where something waits to be sent, here or in the store.
    #[inline]
    pub(crate) fn has_waiting(&self) -> bool {
        self.outbound.has_waiting() || !self.owed.is_empty() || !self.held.is_empty() || self.in_store > 0
    }

    /// How many messages of its queue are kept in memory where it is stored: fewer while its client is away, which many
    /// may be.
    pub(crate) fn window(&self, config: &Config) -> usize {
        let window = config.queue_window_messages.max(1);
        if self.is_present() { window } else { window.min(Self::OFFLINE_WINDOW_MESSAGES) }
    }

    /// A client acknowledges what it has not been sent yet: then it is not to be sent.
    #[inline]
    pub(crate) fn forget_held(&mut self, packet_id: PacketId) {
        if !self.held.is_empty() {
            self.held.retain(|held| held.packet_id != packet_id);
        }
    }

    /// True where a store keeps this Session.
    pub(crate) fn is_durable(&self) -> bool {
        self.is_stored || self.lifetime.outlives_connection()
    }

    /// A message with this expiry has entered the queue.
    pub(crate) fn note_expiry(&mut self, expires_at_ms: u64) {
        self.queue_expires_at_ms = self.queue_expires_at_ms.min(expires_at_ms);
    }

    /// The earlier of the Will's time and the end.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        match (self.will_at_ms, self.ends_at_ms) {
            (Some(will), Some(end)) => Some(will.min(end)),
            (one, other) => one.or(other),
        }
    }
}
