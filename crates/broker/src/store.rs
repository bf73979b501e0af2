//! What is promised, as operations for a store, and the acknowledgements that wait for them.
//!
//! The broker writes operations into the current batch while it works. The host takes the batch once a turn with
//! `Broker::poll_store_batch`, gives it to a [`Store`], and says `Broker::stored(sequence)` when it is as safe as
//! the configured durability promises; only then do the acknowledgements that depend on it leave. A PUBLISH that
//! no durable Session and no retained topic needs makes no operation and waits for nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;

use crate::message::{Delivery, Message};

/// A change to what must survive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreOperation {
    /// A durable Session exists, with these properties.
    PutSession {
        /// Its client.
        client_id: Arc<str>,
        /// Session Expiry Interval in seconds.
        expiry_interval_secs: u32,
        /// The version its client speaks.
        version: Version,
        /// When its Network Connection closed, in milliseconds; none while it has one.
        closed_at_ms: Option<u64>,
    },
    /// The Session and all that belongs to it is over.
    DeleteSession {
        /// Its client.
        client_id: Arc<str>,
    },
    /// A subscription was made or replaced.
    PutSubscription {
        /// Whose.
        client_id: Arc<str>,
        /// The filter with `$share/…`.
        topic_filter: Box<str>,
        /// The options, as in SUBSCRIBE.
        options: crate::session::SubscriptionOptions,
    },
    /// A subscription was removed.
    DeleteSubscription {
        /// Whose.
        client_id: Arc<str>,
        /// The filter.
        topic_filter: Box<str>,
    },
    /// A message entered a Session, at this position of its order.
    PutDelivery {
        /// Whose.
        client_id: Arc<str>,
        /// Ascending within the Session, from 1.
        delivery: Delivery,
        /// The QoS of the delivery.
        qos: QoS,
    },
    /// An exchange was opened or went a stage further.
    PutExchange {
        /// Whose.
        client_id: Arc<str>,
        /// Its identifier.
        packet_id: PacketId,
        /// The position of its message.
        position: u64,
        /// Where it stands.
        stage: Stage,
    },
    /// The delivery is over, with its exchange.
    DeleteDelivery {
        /// Whose.
        client_id: Arc<str>,
        /// The position of the message; 0 where only the exchange is known (QoS 2 past PUBREC).
        position: u64,
        /// The exchange, where there was one.
        packet_id: Option<PacketId>,
    },
    /// A QoS 2 identifier of a received message awaits PUBREL.
    PutInbound {
        /// Whose.
        client_id: Arc<str>,
        /// The identifier.
        packet_id: PacketId,
    },
    /// It was released.
    DeleteInbound {
        /// Whose.
        client_id: Arc<str>,
        /// The identifier.
        packet_id: PacketId,
    },
    /// The retained message of its topic.
    PutRetained {
        /// The message.
        message: Arc<Message>,
    },
    /// The topic has no retained message any more.
    DeleteRetained {
        /// The topic.
        topic_name: Arc<str>,
    },
    /// The Session's Will.
    PutWill {
        /// Whose.
        client_id: Arc<str>,
        /// The message.
        message: Arc<Message>,
        /// Will Delay Interval in seconds.
        delay_interval_secs: u32,
        /// Message Expiry Interval in seconds, from the time of publication.
        expiry_interval_secs: Option<u32>,
    },
    /// The Session has no Will any more.
    DeleteWill {
        /// Whose.
        client_id: Arc<str>,
    },
}

/// Operations that belong together: all of them or none survive.
#[derive(Clone, Debug)]
pub struct StoreBatch {
    /// Ascending by one from 1.
    pub sequence: u64,
    /// In the order they happened.
    pub operations: Vec<StoreOperation>,
}

/// A Session wants the next stretch of its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Tells this question from every other one of the same broker.
    pub serial: u64,
    /// Whose.
    pub client_id: Arc<str>,
    /// Deliveries above this position.
    pub after_position: u64,
    /// At most so many.
    pub most: usize,
}

/// What a store says when it cannot do its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Out of space, or an I/O error, in the store's own words.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Something that keeps what is promised. Called by the host, off the broker's path where it blocks, in the order in
/// which `Broker::poll_store_batch` and `Broker::poll_fetch` gave the work out.
pub trait Store {
    /// Makes a batch as safe as the store promises before it returns.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch may then be counted on.
    fn commit(&mut self, batch: &StoreBatch) -> Result<(), StoreError>;

    /// The next stretch of a Session's queue, in order: the deliveries above the position that are not in an
    /// exchange. Fewer than asked for only where the queue has no more.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fetch(&mut self, fetch: &Fetch) -> Result<Vec<(QoS, Delivery)>, StoreError>;
}

/// The current batch, and the sequence that acknowledgements wait for.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    enabled: bool,
    operations: Vec<StoreOperation>,
    /// The sequence of the batch that is being filled.
    sequence: u64,
    stored: u64,
    recorded: u64,
    fetches: VecDeque<Fetch>,
    last_fetch: u64,
}

impl Journal {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, sequence: 1, ..Self::default() }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Adds an operation, made only where there is a store.
    #[inline]
    pub(crate) fn record(&mut self, operation: impl FnOnce() -> StoreOperation) {
        if self.enabled {
            self.operations.push(operation());
            self.recorded += 1;
        }
    }

    /// Compared before and after a piece of work: has it recorded anything?
    #[inline]
    pub(crate) fn mark(&self) -> u64 {
        self.recorded
    }

    /// The sequence to wait for, for work begun at `mark`; 0 where nothing needs to be waited for.
    #[inline]
    pub(crate) fn sequence_since(&self, mark: u64) -> u64 {
        if self.recorded == mark { 0 } else { self.sequence }
    }

    pub(crate) fn take_batch(&mut self) -> Option<StoreBatch> {
        if self.operations.is_empty() {
            return None;
        }
        let batch = StoreBatch { sequence: self.sequence, operations: std::mem::take(&mut self.operations) };
        self.sequence += 1;
        Some(batch)
    }

    /// Asks for the stretch above a position; returns the question's serial.
    pub(crate) fn fetch(&mut self, client_id: Arc<str>, after_position: u64, most: usize) -> u64 {
        self.last_fetch += 1;
        self.fetches.push_back(Fetch { serial: self.last_fetch, client_id, after_position, most });
        self.last_fetch
    }

    /// The next question, once the batch that it depends on has been taken.
    pub(crate) fn take_fetch(&mut self) -> Option<Fetch> {
        if self.operations.is_empty() { self.fetches.pop_front() } else { None }
    }

    pub(crate) fn stored(&mut self, sequence: u64) {
        self.stored = self.stored.max(sequence);
    }

    pub(crate) fn is_stored(&self, sequence: u64) -> bool {
        sequence <= self.stored
    }
}
