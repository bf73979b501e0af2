//! What a broker is told when it is made: limits, durability, how it names itself.

use topicwire_topics::{TopicFilter, TopicName};

use crate::features::Features;

/// What happens to a message for a Session whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFullPolicy {
    /// It is not queued, and a 5.0 publisher of QoS 1 or 2 hears Quota exceeded (0x97).
    #[default]
    Reject,
    /// It is not queued, and only the counter tells.
    DropNewest,
    /// The oldest of the queue makes room.
    DropOldest,
}

/// What happens to a 5.0 client that sends more unacknowledged QoS 1 and 2 PUBLISHes than `receive_maximum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiveMaximumPolicy {
    /// Its connection is closed with Receive Maximum exceeded (0x93) [MQTT-3.3.4-7].
    #[default]
    Strict,
    /// It is served all the same, up to the 65,535 that packet identifiers allow. A QoS 2 identifier that waits for
    /// PUBREL takes two bits in a page of 136 bytes, so that a Session holds at most 17 KiB of them.
    Tolerant,
}

/// Everything a peer can make grow, with its bound. Defaults in the `Default` implementation.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the largest packet that is read, 1 to 268,435,460. Announced to 5.0 clients.
    pub maximum_packet_size_bytes: u32,
    /// Bytes of the largest CONNECT, and of an AUTH before CONNACK: what is held for somebody who has not been let in
    /// yet. Never more than `maximum_packet_size_bytes`.
    pub maximum_connect_packet_bytes: u32,
    /// Unacknowledged QoS 1 and 2 PUBLISHes a 5.0 client may have towards us, 1 to 65,535.
    pub receive_maximum: u16,
    /// What happens past it.
    pub receive_maximum_policy: ReceiveMaximumPolicy,
    /// Topic aliases a client may set, and at most as many that we set towards it, 0 to 65,535.
    pub topic_alias_maximum: u16,
    /// The longest Keep Alive in seconds; 0 leaves it to the client, and allows it to have none.
    pub maximum_keep_alive_secs: u16,
    /// Milliseconds until CONNECT must have arrived and its enhanced authentication be complete. A re-authentication
    /// may take as long.
    pub connect_timeout_ms: u32,
    /// AUTH packets with which a method may ask the client on in one enhanced authentication.
    pub maximum_authentication_rounds: u16,
    /// Network Connections with an accepted CONNECT at once. As many again may be on their way in or out; a further
    /// one is closed as soon as it is opened.
    pub maximum_connections: u32,
    /// Sessions at once, with and without a connection.
    pub maximum_sessions: u32,
    /// The longest Session Expiry Interval in seconds; `u32::MAX` is for ever.
    pub session_expiry_interval_maximum_secs: u32,
    /// Bytes of a client identifier.
    pub maximum_client_id_bytes: u32,
    /// Subscriptions of one Session.
    pub maximum_subscriptions_per_session: u32,
    /// Levels of a topic name or filter.
    pub maximum_topic_levels: u32,
    /// Unacknowledged QoS 1 and 2 messages towards a 3.x client, which cannot say it itself.
    pub maximum_inflight_messages: u16,
    /// Messages that wait in one Session.
    pub maximum_queued_messages: u32,
    /// Bytes that wait in one Session.
    pub maximum_queued_bytes: u64,
    /// What happens past those two.
    pub queue_full_policy: QueueFullPolicy,
    /// Bytes that wait for one Network Connection to take them. QoS 0 is dropped past it.
    pub maximum_out_buffer_bytes: u64,
    /// Bytes in all out-buffers and queues together. Past it every connection and Session is held to a small share.
    /// As many bytes may be kept of packets that have not come whole; past that, who holds more than a small share
    /// is cut off.
    pub maximum_buffered_bytes: u64,
    /// Bytes that wait for the store. Past it, publishers and subscribers are not read until it has caught up.
    pub maximum_unstored_bytes: u64,
    /// Retained messages.
    pub maximum_retained_messages: u32,
    /// Bytes of retained messages.
    pub maximum_retained_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            maximum_packet_size_bytes: 10_485_760,
            maximum_connect_packet_bytes: 1 << 20,
            receive_maximum: 1024,
            receive_maximum_policy: ReceiveMaximumPolicy::Strict,
            topic_alias_maximum: 32,
            maximum_keep_alive_secs: 0,
            connect_timeout_ms: 10_000,
            maximum_authentication_rounds: 16,
            maximum_connections: 100_000,
            maximum_sessions: 1_000_000,
            session_expiry_interval_maximum_secs: u32::MAX,
            maximum_client_id_bytes: 65_535,
            maximum_subscriptions_per_session: 10_000,
            maximum_topic_levels: 128,
            maximum_inflight_messages: 512,
            maximum_queued_messages: 10_000,
            maximum_queued_bytes: 64 << 20,
            queue_full_policy: QueueFullPolicy::Reject,
            maximum_out_buffer_bytes: 4 << 20,
            maximum_buffered_bytes: 1 << 30,
            maximum_unstored_bytes: 32 << 20,
            maximum_retained_messages: 1_000_000,
            maximum_retained_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Once all buffers together are past their limit, what one connection or Session may still hold.
    pub(crate) const SCARCE_SHARE_BYTES: u64 = 64 << 10;
    /// How long a connection that is over may take to read what it is still owed, in milliseconds.
    pub(crate) const LINGER_MS: u64 = 5_000;
    /// QoS 1 and 2 messages are moved into a connection's out-buffer up to here; the rest waits in the queue.
    pub(crate) const OUT_BUFFER_LOW_BYTES: usize = 256 << 10;
}

/// Which questions the host wants to be asked, and about which topics. Empty costs nothing.
///
/// For a hook the filter `#` means every topic, those that begin with `$` too: a rule about everything must not
/// have a hole.
#[derive(Clone, Debug, Default)]
pub struct HookFilters {
    /// Ask before a CONNECT is accepted that names no authentication method.
    pub authenticate: bool,
    /// The authentication methods that the host knows. A CONNECT that names another is refused without a question.
    pub enhanced_authentication: Vec<Box<str>>,
    /// Filters of the `authorizePublish` hooks.
    pub authorize_publish: Vec<Box<str>>,
    /// Filters of the `authorizeSubscribe` hooks; asked where a topic may match both.
    pub authorize_subscribe: Vec<Box<str>>,
    /// Filters of the `onPublish` hooks.
    pub on_publish: Vec<Box<str>>,
}

impl HookFilters {
    /// True where one of the filters matches the topic.
    pub(crate) fn any_matches(filters: &[Box<str>], topic: TopicName<'_>) -> bool {
        filters.iter().any(|filter| {
            filter.as_ref() == "#" || TopicFilter::new(filter).is_ok_and(|filter| filter.matches(topic))
        })
    }

    /// True where one of the filters and `asked` can match the same topic.
    pub(crate) fn any_overlaps(filters: &[Box<str>], asked: TopicFilter<'_>) -> bool {
        filters.iter().any(|filter| {
            filter.as_ref() == "#" || TopicFilter::new(filter).is_ok_and(|filter| filter.overlaps(&asked))
        })
    }
}

/// The configuration of one broker value, which is one shard.
#[derive(Clone, Debug)]
pub struct Config {
    /// The limits.
    pub limits: Limits,
    /// What clients may use.
    pub features: Features,
    /// What clients that ask for Response Information are told, `%c` standing for the client identifier and `%u` for
    /// the user name. None: nothing.
    pub response_information: Option<String>,
    /// Secret and random: keys the hash tables against flooding and names the clients that bring no identifier.
    pub seed: u128,
    /// The number of this shard, part of the identifiers it assigns.
    pub shard: u16,
    /// True where a store keeps what is promised: operations are emitted and acknowledgements withheld.
    pub durable: bool,
    /// A payload of at least this many bytes is not copied into each out-buffer but shared by them until it is
    /// drained. `docs/architecture.md` has the figures behind the default.
    pub apart_bytes: usize,
    /// How many queued messages of a durable Session stay in memory; the rest is fetched from the store.
    pub queue_window_messages: usize,
    /// Milliseconds between `$SYS` publications; 0 turns them off.
    pub sys_interval_ms: u64,
    /// What `$SYS/broker/version` says.
    pub version: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            features: Features::default(),
            response_information: None,
            seed: 0,
            shard: 0,
            durable: false,
            apart_bytes: 8 << 10,
            queue_window_messages: 1_000,
            sys_interval_ms: 10_000,
            version: concat!("topicwire ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
