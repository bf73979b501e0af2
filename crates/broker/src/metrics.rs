//! Counters and gauges. Plain numbers: whoever reads them gives them names (`$SYS`, JavaScript).

/// Why a message did not reach a Session that had subscribed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// QoS 0, and the connection's out-buffer is full.
    OutBufferFull,
    /// QoS 1 or 2, and the Session's queue is full.
    QueueFull,
    /// Its Message Expiry Interval has passed.
    Expired,
    /// Larger than the client's Maximum Packet Size [MQTT-3.1.2-25].
    TooLarge,
    /// A shared subscription of which no member can take it.
    NoGroupMember,
}

impl DropReason {
    /// All reasons, in the order of [`Metrics::dropped`].
    pub const ALL: [Self; 5] =
        [Self::OutBufferFull, Self::QueueFull, Self::Expired, Self::TooLarge, Self::NoGroupMember];

    /// The word that logs, events and metrics use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutBufferFull => "outBufferFull",
            Self::QueueFull => "queueFull",
            Self::Expired => "expired",
            Self::TooLarge => "tooLarge",
            Self::NoGroupMember => "noGroupMember",
        }
    }
}

/// How the store is that the host keeps beside the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Whether it does its work.
    pub state: StoreState,
    /// Batches that it has committed since the start.
    pub batches: u64,
    /// Operations in them.
    pub operations: u64,
    /// Bytes of the messages in them.
    pub bytes: u64,
    /// How long the last commit took, in microseconds.
    pub last_commit_micros: u64,
    /// How often something was tried again.
    pub retries: u64,
}

/// Whether a store does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// There is none: what is promised is kept in memory.
    #[default]
    None,
    /// It does.
    Working,
    /// It does not, and is tried again.
    Failing,
    /// It will not any more.
    Damaged,
}

impl StoreState {
    /// The word that `$SYS` and pages use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Working => "working",
            Self::Failing => "failing",
            Self::Damaged => "damaged",
        }
    }
}

/// What has happened since the broker was made, and how things stand.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Bytes taken from connections.
    pub bytes_received: u64,
    /// Bytes handed to connections.
    pub bytes_sent: u64,
    /// Control packets taken.
    pub packets_received: u64,
    /// Control packets written.
    pub packets_sent: u64,
    /// PUBLISHes taken, with those of in-process publishers.
    pub publish_received: u64,
    /// PUBLISHes written, with those to in-process subscribers.
    pub publish_sent: u64,
    /// Payload bytes of the former.
    pub publish_bytes_received: u64,
    /// Payload bytes of the latter.
    pub publish_bytes_sent: u64,
    /// Messages that were not delivered to one Session, by [`DropReason::ALL`].
    pub dropped: [u64; 5],
    /// PUBLISHes refused by a hook or for a limit.
    pub publish_refused: u64,
    /// Network Connections opened since the start.
    pub connections_opened: u64,
    /// CONNECTs refused.
    pub connects_refused: u64,
    /// Connections that ended in a protocol error.
    pub protocol_errors: u64,
    /// Sessions that have expired.
    pub sessions_expired: u64,
    /// Times that a connection was not read any further because the store was behind.
    pub store_stalls: u64,
    /// Network Connections now.
    pub connections: u64,
    /// Network clients with an accepted CONNECT now.
    pub clients_connected: u64,
    /// The highest value of the former.
    pub clients_maximum: u64,
    /// Bytes of packets that have not come whole, or that wait behind a hook, now.
    pub input_bytes: u64,
    /// Bytes in all out-buffers now.
    pub out_buffer_bytes: u64,
    /// Bytes in all queues now.
    pub queued_bytes: u64,
    /// Messages in all queues now.
    pub queued_messages: u64,
    /// Bytes that wait for the store now.
    pub unstored_bytes: u64,
    /// Bytes of retained messages now.
    pub retained_bytes: u64,
    /// The host's store.
    pub store: StoreMetrics,
}

impl Metrics {
    #[inline]
    pub(crate) fn drop_message(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// The sum over all reasons.
    #[must_use]
    pub fn dropped_count(&self) -> u64 {
        self.dropped.iter().sum()
    }
}
