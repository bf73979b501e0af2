//! The world of one episode: how many clients, which limits, how the store behaves.

use topicwire_broker::{Config, Limits, QueueFullPolicy};

use crate::random::Random;

/// What stays the same during an episode. `Setup::default()` has room for everything and no store.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// How many clients there are, 1 to 250.
    pub clients: u8,
    /// The broker has a store.
    pub durable: bool,
    /// Each batch is committed as soon as it is there, and the broker told. Otherwise only operations do that.
    pub commits_at_once: bool,
    /// Bytes of the arena that the host drains into.
    pub arena_bytes: usize,
    /// From how many bytes a payload is shared between out-buffers.
    pub apart_bytes: usize,
    /// `Config::queue_window_messages`.
    pub queue_window_messages: usize,
    /// `Limits::maximum_queued_messages`.
    pub maximum_queued_messages: u32,
    /// `Limits::maximum_queued_bytes`.
    pub maximum_queued_bytes: u64,
    /// `Limits::queue_full_policy`.
    pub queue_full_policy: QueueFullPolicy,
    /// `Limits::maximum_out_buffer_bytes`.
    pub maximum_out_buffer_bytes: u64,
    /// `Limits::receive_maximum`.
    pub receive_maximum: u16,
    /// `Limits::maximum_inflight_messages`.
    pub maximum_inflight_messages: u16,
    /// `Limits::topic_alias_maximum`.
    pub topic_alias_maximum: u16,
    /// `Limits::maximum_subscriptions_per_session`.
    pub maximum_subscriptions_per_session: u32,
    /// `Limits::maximum_retained_messages`.
    pub maximum_retained_messages: u32,
    /// `Limits::maximum_sessions`.
    pub maximum_sessions: u32,
    /// `Limits::maximum_connections`.
    pub maximum_connections: u32,
    /// `Limits::session_expiry_interval_maximum_secs`.
    pub session_expiry_interval_maximum_secs: u32,
}

impl Default for Setup {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            clients: 4,
            durable: false,
            commits_at_once: true,
            arena_bytes: 64 << 10,
            apart_bytes: 8 << 10,
            queue_window_messages: 1_000,
            maximum_queued_messages: limits.maximum_queued_messages,
            maximum_queued_bytes: limits.maximum_queued_bytes,
            queue_full_policy: limits.queue_full_policy,
            maximum_out_buffer_bytes: limits.maximum_out_buffer_bytes,
            receive_maximum: 20,
            maximum_inflight_messages: 20,
            topic_alias_maximum: 4,
            maximum_subscriptions_per_session: limits.maximum_subscriptions_per_session,
            maximum_retained_messages: limits.maximum_retained_messages,
            maximum_sessions: limits.maximum_sessions,
            maximum_connections: limits.maximum_connections,
            session_expiry_interval_maximum_secs: limits.session_expiry_interval_maximum_secs,
        }
    }
}

impl Setup {
    /// A world of its own kind. Limits are small only now and then: where they allow the broker to drop something, the
    /// model can be less sure of what is lost.
    pub fn of(random: &mut Random) -> Self {
        let mut setup = Self {
            clients: 2 + random.below(7) as u8,
            durable: !random.one_in(4),
            commits_at_once: random.one_in(3),
            arena_bytes: random.one_of(&[64 << 10, 64 << 10, 300, 7, 1]),
            apart_bytes: random.one_of(&[8 << 10, 100, 1]),
            queue_window_messages: random.one_of(&[1, 2, 5, 1_000]),
            receive_maximum: random.one_of(&[1, 2, 20]),
            maximum_inflight_messages: random.one_of(&[1, 3, 20]),
            topic_alias_maximum: random.one_of(&[0, 1, 4]),
            ..Self::default()
        };
        if random.one_in(4) {
            setup.queue_full_policy = random.one_of(&[
                QueueFullPolicy::Reject,
                QueueFullPolicy::DropNewest,
                QueueFullPolicy::DropOldest,
            ]);
            setup.maximum_queued_messages = random.one_of(&[1, 3, 8, 10_000]);
            setup.maximum_queued_bytes = random.one_of(&[600, 3_000, 1 << 26]);
        }
        if random.one_in(8) {
            setup.maximum_out_buffer_bytes = random.one_of(&[200, 1_000]);
        }
        if random.one_in(6) {
            setup.maximum_subscriptions_per_session = 1 + random.below(4);
            setup.maximum_retained_messages = random.below(4);
        }
        if random.one_in(8) {
            setup.maximum_sessions = 2 + random.below(4);
            setup.maximum_connections = 2 + random.below(6);
        }
        if random.one_in(6) {
            setup.session_expiry_interval_maximum_secs = random.one_of(&[0, 5, 100]);
        }
        setup
    }

    /// The broker's own configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            limits: Limits {
                receive_maximum: self.receive_maximum,
                topic_alias_maximum: self.topic_alias_maximum,
                maximum_inflight_messages: self.maximum_inflight_messages,
                maximum_queued_messages: self.maximum_queued_messages,
                maximum_queued_bytes: self.maximum_queued_bytes,
                queue_full_policy: self.queue_full_policy,
                maximum_out_buffer_bytes: self.maximum_out_buffer_bytes,
                maximum_subscriptions_per_session: self.maximum_subscriptions_per_session,
                maximum_retained_messages: self.maximum_retained_messages,
                maximum_sessions: self.maximum_sessions,
                maximum_connections: self.maximum_connections,
                session_expiry_interval_maximum_secs: self.session_expiry_interval_maximum_secs,
                maximum_packet_size_bytes: Self::MAXIMUM_PACKET_SIZE_BYTES,
                connect_timeout_ms: Self::CONNECT_TIMEOUT_MS,
                ..Limits::default()
            },
            seed: 0x5eed,
            durable: self.durable,
            apart_bytes: self.apart_bytes,
            queue_window_messages: self.queue_window_messages,
            sys_interval_ms: 0,
            ..Config::default()
        }
    }

    /// The largest packet that the broker reads.
    pub const MAXIMUM_PACKET_SIZE_BYTES: u32 = 30_000;
    /// How long the broker waits for CONNECT.
    pub const CONNECT_TIMEOUT_MS: u32 = 5_000;

    /// True where out-buffers are so large that the broker never has to drop anything for them.
    #[must_use]
    pub fn has_large_out_buffers(&self) -> bool {
        self.maximum_out_buffer_bytes >= 1 << 20
    }

    /// True where there may be more retained messages than the broker keeps.
    #[must_use]
    pub fn has_few_retained(&self) -> bool {
        self.maximum_retained_messages < Limits::default().maximum_retained_messages
    }

    /// True where a queue can be full.
    #[must_use]
    pub fn has_small_queues(&self) -> bool {
        let limits = Limits::default();
        self.maximum_queued_messages < limits.maximum_queued_messages
            || self.maximum_queued_bytes < limits.maximum_queued_bytes
    }
}
