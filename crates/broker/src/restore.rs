//! A broker made from what a store holds, after a crash or a stop.
//!
//! ```text
//! let mut restore = Restore::new(config, hooks, now_ms);
//! let last_sequence = store.contents(&mut |record| restore.take(record))?;
//! let mut broker = restore.finish(last_sequence, now_ms);
//! ```
//!
//! Nobody is connected. Who was, has lost the connection now: the Session Expiry Interval and the Will Delay Interval
//! run from here on. Where the connection had been closed before, both have run on meanwhile; whatever is due is done by
//! the first `Broker::tick`. So time has to go on across restarts: milliseconds since some fixed point, not since the
//! start of the process.
//!
//! What is not in a store does not come back: Sessions that end with their connection, and their Wills; QoS 0; retained
//! messages that a new subscription was still owed.

use std::collections::HashMap;
use std::sync::Arc;

use topicwire_codec::{PacketId, Version};
use topicwire_session::{Lifetime, Stage, WillTiming};
use topicwire_topics::{SubscriptionFilter, TopicName};

use crate::broker::{Broker, SessionKey, slab_key};
use crate::config::{Config, HookFilters, QueueFullPolicy};
use crate::message::{Delivery, Message};
use crate::session::{Endpoint, Session, SubscriptionOptions, Will};
use crate::store::{Record, StoreOperation};

/// A broker that is being made. See the module for the calling order.
pub struct Restore {
    broker: Broker,
    /// When the connection of each Session closed; none where it was still open.
    closed: HashMap<SessionKey, Option<u64>>,
}

impl Restore {
    /// Begins with an empty broker.
    #[must_use]
    pub fn new(config: Config, hooks: HookFilters, now_ms: u64) -> Self {
        Self { broker: Broker::new(config, hooks, now_ms), closed: HashMap::new() }
    }

    /// Takes in one thing that the store holds. What belongs to no Session that has been told of is left out.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Put(operation) => self.put(operation),
            Record::Retained { topic_name, qos, expires_at_ms, body_len } => {
                self.put_retained(&Arc::new(Message::without_body(topic_name, body_len, qos, expires_at_ms)));
            }
            Record::Exchange { client_id, packet_id, position, stage, delivery } => {
                self.open_exchange(&client_id, packet_id, position, stage, delivery);
            }
            Record::Queue { client_id, messages, bytes, last_position } => {
                if let Some((_, session)) = self.session(&client_id) {
                    session.in_store = messages;
                    session.in_store_bytes = bytes;
                    session.last_position = session.last_position.max(last_position);
                }
            }
        }
    }

    fn put(&mut self, operation: StoreOperation) {
        match operation {
            StoreOperation::PutSession { client_id, expiry_interval_secs, version, closed_at_ms } => {
                self.put_session(client_id, expiry_interval_secs, version, closed_at_ms);
            }
            StoreOperation::PutSubscription { client_id, topic_filter, options } => {
                self.put_subscription(&client_id, topic_filter, options);
            }
            StoreOperation::PutInbound { client_id, packet_id } => {
                if let Some((_, session)) = self.session(&client_id) {
                    session.inbound.restore(packet_id);
                }
            }
            StoreOperation::PutWill { client_id, message, delay_interval_secs, expiry_interval_secs } => {
                if let Some((_, session)) = self.session(&client_id) {
                    session.will = Some(Will { message, delay_interval_secs, expiry_interval_secs });
                }
            }
            // Deliveries come as exchanges and as the length of a queue; the rest takes something away.
            _ => {}
        }
    }

    fn session(&mut self, client_id: &str) -> Option<(SessionKey, &mut Session)> {
        let key = *self.broker.by_client_id.get(client_id)?;
        Some((key, self.broker.sessions.get_mut(key.index())?))
    }

    fn put_session(
        &mut self,
        client_id: Arc<str>,
        expiry_interval_secs: u32,
        version: Version,
        closed_at_ms: Option<u64>,
    ) {
        let entry = self.broker.sessions.vacant_entry();
        let key = SessionKey(slab_key(entry.key()));
        let mut session = Session::new(Arc::clone(&client_id), Endpoint::Offline, version);
        session.lifetime = Lifetime::from_interval_secs(expiry_interval_secs);
        session.is_stored = true;
        entry.insert(session);
        self.broker.by_client_id.insert(client_id, key);
        self.closed.insert(key, closed_at_ms);
    }

    fn put_subscription(&mut self, client_id: &str, topic_filter: Box<str>, options: SubscriptionOptions) {
        let Some(key) = self.broker.by_client_id.get(client_id).copied() else { return };
        let Ok(filter) = SubscriptionFilter::parse(&topic_filter) else { return };
        match filter.share_name {
            Some(share_name) => {
                self.broker.subscriptions.insert_shared(share_name, filter.topic_filter, key, options);
            }
            None => {
                self.broker.subscriptions.insert(filter.topic_filter, key, options);
            }
        }
        if let Some(session) = self.broker.sessions.get_mut(key.index()) {
            session.subscriptions.insert(topic_filter, options);
        }
    }

    fn open_exchange(
        &mut self,
        client_id: &str,
        packet_id: PacketId,
        position: u64,
        stage: Stage,
        delivery: Option<Delivery>,
    ) {
        if let Some((_, session)) = self.session(client_id) {
            session.outbound.restore(packet_id, stage, delivery);
            session.last_position = session.last_position.max(position);
        }
    }

    /// The limits are not asked: what was promised is kept.
    fn put_retained(&mut self, message: &Arc<Message>) {
        let Broker { retained, retained_expiry, metrics, .. } = &mut self.broker;
        let Ok(topic) = TopicName::new(message.topic_name()) else { return };
        if message.expires_at_ms != u64::MAX {
            retained_expiry.insert((message.expires_at_ms, Arc::clone(message.topic_name())));
        }
        metrics.retained_bytes += message.held_bytes() as u64;
        retained.insert(topic, Arc::clone(message));
    }

    /// The broker. `last_sequence` is what `Store::contents` returned: the next batch is the one after it.
    #[must_use]
    pub fn finish(mut self, last_sequence: u64, now_ms: u64) -> Broker {
        self.broker.journal.continue_after(last_sequence);
        let mut closed: Vec<_> = self.closed.drain().collect();
        closed.sort_unstable();
        for (key, closed_at_ms) in closed {
            self.broker.resume_waiting(key, closed_at_ms, now_ms);
        }
        self.broker
    }
}

impl Broker {
    /// A Session waits for its client: until when, and when its Will is due.
    fn resume_waiting(&mut self, key: SessionKey, closed_at_ms: Option<u64>, now_ms: u64) {
        let Self { sessions, journal, .. } = self;
        let Some(session) = sessions.get_mut(key.index()) else { return };
        let closed_ms = closed_at_ms.unwrap_or(now_ms);
        session.restored_position = session.last_position;
        session.ends_at_ms = session.lifetime.deadline_ms(closed_ms);
        session.will_at_ms = session.will.as_ref().map(|will| {
            match WillTiming::after_close(will.delay_interval_secs, session.lifetime, closed_ms) {
                WillTiming::Now => closed_ms,
                WillTiming::At(at_ms) => at_ms,
            }
        });
        if closed_at_ms.is_none() {
            // Another crash does not begin the time anew.
            journal.put_session(session, Some(now_ms));
        }
        self.arm_session(key);
        // What is queued is fetched when its client is back; or what is dropped first, where that is the oldest.
        if self.config.limits.queue_full_policy == QueueFullPolicy::DropOldest {
            self.fetch_next(key);
        }
    }
}
