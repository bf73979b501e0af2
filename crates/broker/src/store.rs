//! What is promised, as operations for a store, and the acknowledgements that wait for them.
//!
//! The broker writes operations into the current batch while it works. The host takes the batch once a turn with
//! `Broker::poll_store_batch`, gives it to a [`Store`], and says `Broker::stored(sequence)` when it is as safe as
//! the configured durability promises; only then do the acknowledgements that depend on it leave. A PUBLISH that
//! no durable Session and no retained topic needs makes no operation and waits for nothing.

use std::sync::Arc;

use thiserror::Error;
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;

use crate::broker::SessionKey;
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

/// What there is for a store to do, and whether somebody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreWork {
    /// Nothing.
    None,
    /// So many operations that nobody waits for: they lose nothing by being stored with what comes after them, and
    /// some are then not needed any more.
    Unhurried(usize),
    /// Operations that acknowledgements or messages wait for.
    Awaited,
    /// There are questions, perhaps beside operations: a queue waits.
    Asked,
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

/// Retained messages of which the broker has no more than what [`Record::Retained`] says, and that somebody wants now.
#[derive(Clone, Debug)]
pub struct RetainedFetch {
    /// Which.
    pub topic_names: Vec<Arc<str>>,
    pub(crate) serial: u64,
    pub(crate) session: SessionKey,
}

/// One thing that a store holds. A Session comes before what belongs to it, and its exchanges in ascending order of
/// position.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Record {
    /// As the operation that puts it there: a Session, a subscription, an identifier that awaits PUBREL or a Will.
    Put(StoreOperation),
    /// A retained message. What it says is fetched when it is wanted.
    Retained {
        /// Its topic.
        topic_name: Arc<str>,
        /// The QoS it was published with.
        qos: QoS,
        /// When it expires, in milliseconds; `u64::MAX` is never.
        expires_at_ms: u64,
        /// [`Message::body_len`].
        body_len: usize,
    },
    /// An exchange that is open.
    Exchange {
        /// Whose.
        client_id: Arc<str>,
        /// Its identifier.
        packet_id: PacketId,
        /// The position of its message.
        position: u64,
        /// Where it stands.
        stage: Stage,
        /// The message; none past PUBREC.
        delivery: Option<Delivery>,
    },
    /// What waits in a Session's queue. The messages themselves are fetched later, a stretch at a time.
    Queue {
        /// Whose.
        client_id: Arc<str>,
        /// How many there are.
        messages: u64,
        /// The sum of `Message::held_bytes`.
        bytes: u64,
        /// The highest position among them.
        last_position: u64,
    },
}

/// What a store says when it cannot do its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space is left, or a quota is used up.
    #[error("the store is full: {0}")]
    Full(String),
    /// An I/O error, a directory that cannot be written to, or that broker and store disagree, in the store's own words.
    #[error("the store failed: {0}")]
    Failed(String),
    /// What it reads back is not what it wrote.
    #[error("the store is damaged: {0}")]
    Damaged(String),
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

    /// The retained messages of these topics, in their order; none where a topic has none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn fetch_retained(&mut self, topic_names: &[Arc<str>]) -> Result<Vec<Option<Arc<Message>>>, StoreError>;

    /// Everything that it holds, for a broker that is made from it (`Restore`). Returns the sequence of the last batch;
    /// 0 where there was none.
    ///
    /// # Errors
    /// [`StoreError`]; what was told until then is not all.
    fn contents(&mut self, each: &mut dyn FnMut(Record)) -> Result<u64, StoreError>;
}
