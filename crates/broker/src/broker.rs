//! The broker value: its parts, and what goes in and comes out.
//!
//! Calling order. News in: [`Broker::open`] (or [`Broker::open_topic_url`]), then [`Broker::receive`] for each
//! chunk, [`Broker::writable`] when a full transport has room again, [`Broker::close`] once when the transport is
//! gone; [`Broker::decide`] for each question; [`Broker::stored`], [`Broker::store_failed`] and
//! [`Broker::handle_fetched`] and [`Broker::handle_retained`] for a store;
//! [`Broker::tick`] at or after [`Broker::next_deadline_ms`]. Work out, after any of these:
//! [`Broker::poll_transmit`] until it has nothing, [`Broker::poll_event`], and with a store
//! [`Broker::poll_store_batch`], [`Broker::poll_fetch`], [`Broker::poll_retained_fetch`] and [`Broker::poll_resumed`].
//!
//! The value reads no clock and no randomness: the same calls give the same results. Time is in milliseconds and
//! must not go backwards.
//!
//! What lives here: the parts and their life. How bytes become packets is in `input.rs`, what packets mean in
//! `connect.rs`, `auth.rs`, `accept.rs`, `publish.rs`, `acknowledge.rs` and `subscribe.rs`, where messages go in `route.rs` and
//! `deliver.rs`, what leaves in `transmit.rs`, and how things end in `end.rs`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use foldhash::quality::SeedableRandomState;
use slab::Slab;
use topicwire_codec::ReasonCode;
use topicwire_session::Timers;
use topicwire_topics::{Retained, Subscriptions};

use crate::ahead::Answers;
use crate::config::{Config, HookFilters};
use crate::connection::{Connection, Framing};
use crate::drops::Drops;
use crate::end::Ending;
use crate::event::Event;
use crate::fan_out::FrameCache;
use crate::hook::{Refusal, Token};
use crate::journal::Journal;
use crate::message::{Message, SpareMessages};
use crate::metrics::{Metrics, StoreMetrics};
use crate::session::{Session, SubscriptionOptions};
use crate::store::{Fetch, RetainedFetch, StoreBatch, StoreWork};
use crate::sys::SysTopics;
use crate::transmit::Outlet;

/// Names a Network Connection, from [`Broker::open`] until [`Broker::close`]; then the number may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey(pub u32);

/// Names a Session inside one broker value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub(crate) u32);

/// Names a subscriber of the host's own process; chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalHandle(pub u32);

impl ConnectionKey {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl SessionKey {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Slab positions fit: every slab has a limit far below four thousand million.
pub(crate) fn slab_key(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    Connection(ConnectionKey),
    Session(SessionKey),
    Drops,
    Sys,
}

/// Buffers that are used again by each message.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) frames: Option<Box<FrameCache>>,
    pub(crate) messages: SpareMessages,
    pub(crate) forwarded: Vec<u8>,
    pub(crate) packet: Vec<u8>,
}

/// The sans-IO broker. See the module for the calling order.
pub struct Broker {
    pub(crate) config: Config,
    pub(crate) hooks: HookFilters,
    pub(crate) connections: Slab<Connection>,
    pub(crate) sessions: Slab<Session>,
    pub(crate) by_client_id: HashMap<Arc<str>, SessionKey, SeedableRandomState>,
    pub(crate) by_handle: HashMap<LocalHandle, SessionKey, SeedableRandomState>,
    pub(crate) subscriptions: Subscriptions<SessionKey, SubscriptionOptions>,
    pub(crate) retained: Retained<Arc<Message>>,
    /// Retained messages with an expiry, by time.
    pub(crate) retained_expiry: BTreeSet<(u64, Arc<str>)>,
    pub(crate) timers: Timers<TimerKey>,
    pub(crate) journal: Journal,
    pub(crate) events: VecDeque<Event>,
    pub(crate) outlet: Outlet,
    pub(crate) metrics: Metrics,
    pub(crate) sys: SysTopics,
    pub(crate) scratch: Scratch,
    pub(crate) drops: Drops,
    /// Connections with an acknowledgement that waits for the store.
    pub(crate) withholding: Vec<ConnectionKey>,
    /// Sessions with a PUBLISH that waits for the store.
    pub(crate) holding: Vec<SessionKey>,
    /// Connections that wait for the store to catch up, and those that have done so.
    pub(crate) stalled: Vec<ConnectionKey>,
    pub(crate) resumed: VecDeque<ConnectionKey>,
    /// While the store cannot do its work: what is said to those who need it.
    pub(crate) trouble: Option<Refusal>,
    /// Matches in the larger routes that are kept beside connections.
    pub(crate) kept_matches: usize,
    pub(crate) assigned_count: u64,
    /// Of the last question that was put to a hook.
    pub(crate) last_token: Token,
    /// Of the call that is under way.
    pub(crate) answers: Answers,
    /// The broker is going down: what a new client is told.
    pub(crate) draining: Option<Refusal>,
}

impl Broker {
    /// A broker with nothing in it.
    #[must_use]
    pub fn new(config: Config, hooks: HookFilters, now_ms: u64) -> Self {
        let seed = derive_seed(config.seed, 0);
        let hasher = SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed());
        let mut broker = Self {
            hooks,
            connections: Slab::new(),
            sessions: Slab::new(),
            by_client_id: HashMap::with_hasher(hasher.clone()),
            by_handle: HashMap::with_hasher(hasher),
            subscriptions: Subscriptions::with_seed(derive_seed(config.seed, 1)),
            retained: Retained::with_seed(derive_seed(config.seed, 2)),
            retained_expiry: BTreeSet::new(),
            timers: Timers::new(),
            journal: Journal::new(config.durable),
            events: VecDeque::new(),
            outlet: Outlet::default(),
            metrics: Metrics::default(),
            sys: SysTopics::new(now_ms),
            scratch: Scratch::default(),
            drops: Drops::default(),
            withholding: Vec::new(),
            holding: Vec::new(),
            stalled: Vec::new(),
            resumed: VecDeque::new(),
            trouble: None,
            kept_matches: 0,
            assigned_count: 0,
            last_token: 0,
            answers: Answers::default(),
            draining: None,
            config,
        };
        broker.start_sys_timer(now_ms);
        broker
    }

    /// A transport has been opened. CONNECT must arrive within the connect timeout.
    pub fn open(&mut self, now_ms: u64) -> ConnectionKey {
        self.open_framed(Framing::Mqtt, now_ms)
    }

    pub(crate) fn open_framed(&mut self, framing: Framing, now_ms: u64) -> ConnectionKey {
        let deadline_ms = now_ms.saturating_add(u64::from(self.config.limits.connect_timeout_ms));
        let entry = self.connections.vacant_entry();
        let key = ConnectionKey(slab_key(entry.key()));
        let connection = entry.insert(Connection::new(key, framing, deadline_ms));
        self.timers.arm(TimerKey::Connection(key), &mut connection.timer, deadline_ms);
        self.metrics.connections += 1;
        self.metrics.connections_opened += 1;
        let others = self.metrics.connections.saturating_sub(self.metrics.clients_connected);
        if others > u64::from(self.config.limits.maximum_connections).max(1) {
            self.metrics.connects_refused += 1;
            let reason = "too many connections are open";
            self.end_connection(key, Ending::by_server(ReasonCode::ServerBusy, reason), now_ms);
        }
        key
    }

    /// The time by which [`Broker::tick`] wants to be called; none where nothing waits for time.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let expiry = self.retained_expiry.first().map(|(deadline_ms, _)| *deadline_ms);
        match (self.timers.next_deadline_ms(), expiry) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Time has passed: whatever is due happens.
    pub fn tick(&mut self, now_ms: u64) {
        while let Some(key) = self.timers.poll_due(now_ms) {
            match key {
                TimerKey::Connection(key) => self.connection_due(key, now_ms),
                TimerKey::Session(key) => {
                    if let Some(session) = self.sessions.get_mut(key.index()) {
                        Timers::<TimerKey>::fired(&mut session.timer);
                    }
                    self.session_due(key, now_ms);
                }
                TimerKey::Drops => self.drops_due(now_ms),
                TimerKey::Sys => self.sys_due(now_ms),
            }
        }
        self.expire_retained(now_ms);
    }

    /// The next piece of news for the host.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// True where [`Broker::poll_event`] has something.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The operations since the last call, where there is a store and there are any.
    #[must_use]
    pub fn poll_store_batch(&mut self) -> Option<StoreBatch> {
        self.journal.take_batch()
    }

    /// The next Session that wants a stretch of its queue from the store. None before the current batch has been
    /// taken: a store that does its work in order then has all that the answer needs.
    #[must_use]
    pub fn poll_fetch(&mut self) -> Option<Fetch> {
        self.journal.take_fetch()
    }

    /// The next retained messages that are wanted from the store. They may be fetched in any order with the rest: one that
    /// has changed since is not sent.
    #[must_use]
    pub fn poll_retained_fetch(&mut self) -> Option<RetainedFetch> {
        self.journal.take_retained_fetch()
    }

    /// What [`Broker::poll_store_batch`] and the two for what is to be fetched would give, and how urgent it is. Taking it once for
    /// many makes what they wait for cheaper.
    #[must_use]
    pub fn store_work(&self) -> StoreWork {
        match self.journal.waiting() {
            (0, 0) => StoreWork::None,
            (operations, 0) if !self.awaits_store() => StoreWork::Unhurried(operations),
            (_, 0) => StoreWork::Awaited,
            _ => StoreWork::Asked,
        }
    }

    /// How many operations were over before a batch has taken them, in all, and how many deliveries after that.
    #[must_use]
    pub fn ended_operations(&self) -> (u64, u64) {
        self.journal.ended()
    }

    fn awaits_store(&self) -> bool {
        !(self.withholding.is_empty() && self.holding.is_empty() && self.stalled.is_empty())
    }

    /// How the host's store is: told with the other metrics and by `$SYS`.
    pub fn note_store(&mut self, store: StoreMetrics) {
        self.metrics.store = store;
    }

    /// Counters and gauges as they stand.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut metrics = self.metrics.clone();
        metrics.out_buffer_bytes = self.outlet.buffered_bytes();
        metrics.unstored_bytes = self.journal.unstored_bytes();
        metrics
    }

    /// Sessions, connected or not, without those of in-process subscribers.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.by_client_id.len()
    }

    /// Subscriptions of all Sessions.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len() + self.subscriptions.shared_len()
    }

    /// Retained messages.
    #[must_use]
    pub fn retained_count(&self) -> usize {
        self.retained.len()
    }

    pub(crate) fn connection_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.connections.get_mut(key.index())
    }

    /// An identifier for a client that brought none [MQTT-3.1.3-6]: hard to guess, and told apart by shard.
    /// Asked for by v3.1.1 [MQTT-3.1.3-6].
    pub(crate) fn assign_client_id(&mut self) -> Arc<str> {
        loop {
            self.assigned_count += 1;
            let mut hasher = DefaultHasher::new();
            hasher.write_u128(self.config.seed);
            hasher.write_u64(self.assigned_count);
            let client_id = format!("auto-{:x}-{:016x}", self.config.shard, hasher.finish());
            if !self.by_client_id.contains_key(client_id.as_str()) {
                return Arc::from(client_id);
            }
        }
    }
}

/// Independent keys for independent tables from one secret.
fn derive_seed(seed: u128, table: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u128(seed);
    hasher.write_u64(table);
    hasher.finish()
}
