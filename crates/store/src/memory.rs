//! The store that is only as safe as the process: ordered maps, applied at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use topicwire_broker::store::{Fetch, Record, Store, StoreBatch, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message, SubscriptionOptions};
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;

/// Keeps Sessions and retained messages in memory.
///
/// What a batch says is there when [`Store::commit`] returns, and gone with the process: a broker can be made anew from
/// it (`topicwire_broker::Restore`) for as long as that lives. It believes the broker: an
/// operation for a Session that does not exist is an error, for it means that the two disagree.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    sessions: BTreeMap<Arc<str>, StoredSession>,
    retained: BTreeMap<Arc<str>, Arc<Message>>,
    last_sequence: u64,
}

/// What is kept of one durable Session.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Session Expiry Interval in seconds.
    pub expiry_interval_secs: u32,
    /// The version its client spoke last.
    pub version: Version,
    /// When its Network Connection closed, in milliseconds; none while it had one.
    pub closed_at_ms: Option<u64>,
    /// By filter as sent, with `$share/…`.
    pub subscriptions: BTreeMap<Box<str>, SubscriptionOptions>,
    /// What has not been acknowledged, by position. Past PUBREC a message is no longer in here.
    pub deliveries: BTreeMap<u64, StoredDelivery>,
    /// Open exchanges: the position of the message and the stage.
    pub exchanges: BTreeMap<PacketId, (u64, Stage)>,
    /// Identifiers of received QoS 2 messages that await PUBREL.
    pub inbound: BTreeSet<PacketId>,
    /// The Will, where there is one.
    pub will: Option<StoredWill>,
}

/// One message on its way to one Session.
#[derive(Clone, Debug)]
pub struct StoredDelivery {
    /// The QoS of the delivery.
    pub qos: QoS,
    /// The message and what the subscriptions made of it.
    pub delivery: Delivery,
    /// True once it has been sent under a packet identifier: it is no longer part of the queue.
    pub is_in_flight: bool,
}

/// A Will.
#[derive(Clone, Debug)]
pub struct StoredWill {
    /// The message.
    pub message: Arc<Message>,
    /// Will Delay Interval in seconds.
    pub delay_interval_secs: u32,
    /// Message Expiry Interval in seconds, from the time of publication.
    pub expiry_interval_secs: Option<u32>,
}

impl MemoryStore {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is kept of this client's Session.
    #[must_use]
    pub fn session(&self, client_id: &str) -> Option<&StoredSession> {
        self.sessions.get(client_id)
    }

    /// All Sessions, by client identifier.
    pub fn sessions(&self) -> impl Iterator<Item = (&str, &StoredSession)> {
        self.sessions.iter().map(|(client_id, session)| (&**client_id, session))
    }

    /// The retained message of this topic.
    #[must_use]
    pub fn retained(&self, topic_name: &str) -> Option<&Arc<Message>> {
        self.retained.get(topic_name)
    }

    /// How many retained messages there are.
    #[must_use]
    pub fn retained_count(&self) -> usize {
        self.retained.len()
    }

    /// The sequence of the last batch; 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    fn session_mut(&mut self, client_id: &str) -> Result<&mut StoredSession, StoreError> {
        self.sessions
            .get_mut(client_id)
            .ok_or_else(|| StoreError::Failed(format!("there is no session of client {client_id:?}")))
    }

    fn apply(&mut self, operation: &StoreOperation) -> Result<(), StoreError> {
        match operation {
            StoreOperation::PutSession { client_id, expiry_interval_secs, version, closed_at_ms } => {
                let session = self
                    .sessions
                    .entry(Arc::clone(client_id))
                    .or_insert_with(|| StoredSession::new(*expiry_interval_secs, *version));
                session.expiry_interval_secs = *expiry_interval_secs;
                session.version = *version;
                session.closed_at_ms = *closed_at_ms;
            }
            StoreOperation::DeleteSession { client_id } => {
                self.session_mut(client_id)?;
                self.sessions.remove(client_id);
            }
            StoreOperation::PutRetained { message } => {
                self.retained.insert(Arc::clone(message.topic_name()), Arc::clone(message));
            }
            StoreOperation::DeleteRetained { topic_name } => {
                self.retained.remove(topic_name);
            }
            StoreOperation::PutSubscription { client_id, .. }
            | StoreOperation::DeleteSubscription { client_id, .. }
            | StoreOperation::PutDelivery { client_id, .. }
            | StoreOperation::PutExchange { client_id, .. }
            | StoreOperation::DeleteDelivery { client_id, .. }
            | StoreOperation::PutInbound { client_id, .. }
            | StoreOperation::DeleteInbound { client_id, .. }
            | StoreOperation::PutWill { client_id, .. }
            | StoreOperation::DeleteWill { client_id } => self.session_mut(client_id)?.apply(operation),
            other => return Err(StoreError::Failed(format!("an operation of a newer broker: {other:?}"))),
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, batch: &StoreBatch) -> Result<(), StoreError> {
        if batch.sequence != self.last_sequence + 1 {
            return Err(StoreError::Failed(format!(
                "batch {} after batch {}",
                batch.sequence, self.last_sequence
            )));
        }
        for operation in &batch.operations {
            self.apply(operation)?;
        }
        self.last_sequence = batch.sequence;
        Ok(())
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<Vec<(QoS, Delivery)>, StoreError> {
        let Some(session) = self.sessions.get(&fetch.client_id) else { return Ok(Vec::new()) };
        let beyond = session.deliveries.range(fetch.after_position.saturating_add(1)..);
        let queued = beyond.map(|(_, stored)| stored).filter(|stored| !stored.is_in_flight);
        Ok(queued.take(fetch.most).map(|stored| (stored.qos, stored.delivery.clone())).collect())
    }

    fn fetch_retained(&mut self, topic_names: &[Arc<str>]) -> Result<Vec<Option<Arc<Message>>>, StoreError> {
        Ok(topic_names.iter().map(|topic_name| self.retained.get(topic_name).cloned()).collect())
    }

    fn contents(&mut self, each: &mut dyn FnMut(Record)) -> Result<u64, StoreError> {
        for (client_id, session) in &self.sessions {
            session.tell(client_id, each);
        }
        for message in self.retained.values() {
            each(Record::Retained {
                topic_name: Arc::clone(message.topic_name()),
                qos: message.qos,
                expires_at_ms: message.expires_at_ms,
                body_len: message.body_len(),
            });
        }
        Ok(self.last_sequence)
    }
}

impl StoredSession {
    fn new(expiry_interval_secs: u32, version: Version) -> Self {
        Self {
            expiry_interval_secs,
            version,
            closed_at_ms: None,
            subscriptions: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            inbound: BTreeSet::new(),
            will: None,
        }
    }

    /// Tells all that is kept of this Session.
    fn tell(&self, client_id: &Arc<str>, each: &mut dyn FnMut(Record)) {
        let own = || Arc::clone(client_id);
        each(Record::Put(StoreOperation::PutSession {
            client_id: own(),
            expiry_interval_secs: self.expiry_interval_secs,
            version: self.version,
            closed_at_ms: self.closed_at_ms,
        }));
        for (topic_filter, options) in &self.subscriptions {
            let (topic_filter, options) = (topic_filter.clone(), *options);
            each(Record::Put(StoreOperation::PutSubscription { client_id: own(), topic_filter, options }));
        }
        for packet_id in &self.inbound {
            each(Record::Put(StoreOperation::PutInbound { client_id: own(), packet_id: *packet_id }));
        }
        if let Some(will) = &self.will {
            each(Record::Put(StoreOperation::PutWill {
                client_id: own(),
                message: Arc::clone(&will.message),
                delay_interval_secs: will.delay_interval_secs,
                expiry_interval_secs: will.expiry_interval_secs,
            }));
        }
        let mut exchanges: Vec<_> = self.exchanges.iter().collect();
        exchanges.sort_unstable_by_key(|(_, (position, _))| *position);
        for (packet_id, (position, stage)) in exchanges {
            let delivery = self.deliveries.get(position).map(|stored| stored.delivery.clone());
            let (packet_id, position, stage) = (*packet_id, *position, *stage);
            each(Record::Exchange { client_id: own(), packet_id, position, stage, delivery });
        }
        let queued = || self.deliveries.values().filter(|stored| !stored.is_in_flight);
        each(Record::Queue {
            client_id: own(),
            messages: queued().count() as u64,
            bytes: queued().map(|stored| stored.delivery.message.held_bytes() as u64).sum(),
            last_position: queued().next_back().map_or(0, |stored| stored.delivery.position),
        });
    }

    fn apply(&mut self, operation: &StoreOperation) {
        match operation {
            StoreOperation::PutSubscription { topic_filter, options, .. } => {
                self.subscriptions.insert(topic_filter.clone(), *options);
            }
            StoreOperation::DeleteSubscription { topic_filter, .. } => {
                self.subscriptions.remove(topic_filter);
            }
            StoreOperation::PutDelivery { delivery, qos, .. } => {
                let stored = StoredDelivery { qos: *qos, delivery: delivery.clone(), is_in_flight: false };
                self.deliveries.insert(delivery.position, stored);
            }
            StoreOperation::PutExchange { packet_id, position, stage, .. } => {
                self.exchanges.insert(*packet_id, (*position, *stage));
                if *stage == Stage::AwaitPubcomp {
                    self.deliveries.remove(position);
                } else if let Some(stored) = self.deliveries.get_mut(position) {
                    stored.is_in_flight = true;
                }
            }
            StoreOperation::DeleteDelivery { position, packet_id, .. } => {
                self.deliveries.remove(position);
                if let Some(packet_id) = packet_id {
                    self.exchanges.remove(packet_id);
                }
            }
            StoreOperation::PutInbound { packet_id, .. } => {
                self.inbound.insert(*packet_id);
            }
            StoreOperation::DeleteInbound { packet_id, .. } => {
                self.inbound.remove(packet_id);
            }
            StoreOperation::PutWill { message, delay_interval_secs, expiry_interval_secs, .. } => {
                self.will = Some(StoredWill {
                    message: Arc::clone(message),
                    delay_interval_secs: *delay_interval_secs,
                    expiry_interval_secs: *expiry_interval_secs,
                });
            }
            StoreOperation::DeleteWill { .. } => self.will = None,
            // The rest is not about one Session's contents.
            _ => {}
        }
    }
}
