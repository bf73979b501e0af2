//! The batch that is being filled, and the sequence that acknowledgements wait for.
//!
//! Acknowledgements wait for a stretch (see `pending.rs`), of which a batch may hold several. Batches have numbers of their
//! own, without gaps, because some stretches never come into one.
//!
//! What begins and ends within one batch never reaches the store: a delivery that is acknowledged before its batch has been
//! taken is taken out of it again, with its exchange. So the longer the store needs for a batch, the less there is to
//! write in the next one. A topic's retained message is in a batch once, however often it changes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use topicwire_codec::{PacketId, QoS};
use topicwire_session::Stage;

use crate::broker::SessionKey;
use crate::message::{Delivery, Message};
use crate::pending::{Pending, Place};
use crate::session::Session;
use crate::store::{Fetch, RetainedFetch, StoreBatch, StoreOperation};

/// A client identifier where it is: an operation of the batch holds it there.
type ClientAt = usize;

/// Where in the batch a delivery stands; what is not there was stored before.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    delivery: Option<Place>,
    exchange: Option<Place>,
}

/// A batch that a store has and that is not stored.
#[derive(Clone, Copy, Debug)]
struct Taken {
    batch: u64,
    /// The sequence of its last stretch.
    through: u64,
    /// What it holds in bytes.
    bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    enabled: bool,
    pending: Pending,
    /// What `pending` holds in bytes, about.
    bytes: u64,
    deliveries: HashMap<(ClientAt, u64), Places, FixedState>,
    /// Exchanges that the batch brings past PUBREC.
    released: HashMap<(ClientAt, PacketId), Place, FixedState>,
    inbound: HashMap<(ClientAt, PacketId), Place, FixedState>,
    sessions: HashMap<ClientAt, Place, FixedState>,
    retained: HashMap<Arc<str>, Place>,
    /// Deliveries that were over after the store had been told of them.
    ended_stored: u64,
    /// The number of the batch that is being filled.
    batch: u64,
    /// The last stretch that is safe, with all before it.
    stored: u64,
    recorded: u64,
    /// In order.
    taken: VecDeque<Taken>,
    taken_bytes: u64,
    fetches: VecDeque<Fetch>,
    retained_fetches: VecDeque<RetainedFetch>,
    last_fetch: u64,
    /// Sessions whose end is not stored yet, in order, and the last end of each client.
    endings: VecDeque<(u64, Arc<str>)>,
    last_endings: HashMap<Arc<str>, u64>,
}

impl Journal {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, pending: Pending::new(), batch: 1, ..Self::default() }
    }

    /// Goes on after a store's last batch.
    pub(crate) fn continue_after(&mut self, last_batch: u64) {
        self.batch = last_batch + 1;
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Adds an operation, made only where there is a store.
    #[inline]
    pub(crate) fn record(&mut self, operation: impl FnOnce() -> StoreOperation) {
        if self.enabled {
            self.push(operation());
        }
    }

    /// Adds an operation; returns its place.
    fn push(&mut self, operation: StoreOperation) -> Place {
        self.bytes += held_bytes(&operation);
        self.recorded += 1;
        self.pending.push(operation, None)
    }

    /// Takes an operation out because it is over.
    fn end(&mut self, place: Place) -> Option<StoreOperation> {
        let operation = self.pending.end(place)?;
        self.bytes = self.bytes.saturating_sub(held_bytes(&operation));
        Some(operation)
    }

    /// Takes an operation out because a later one says all that it said.
    fn supersede(&mut self, place: Place) -> Option<StoreOperation> {
        let operation = self.pending.supersede(place)?;
        self.bytes = self.bytes.saturating_sub(held_bytes(&operation));
        Some(operation)
    }

    /// A message enters a Session that is stored.
    pub(crate) fn put_delivery(&mut self, client_id: &Arc<str>, delivery: &Delivery, qos: QoS) {
        let operation =
            StoreOperation::PutDelivery { client_id: Arc::clone(client_id), delivery: delivery.clone(), qos };
        let place = self.push(operation);
        let places = Places { delivery: Some(place), exchange: None };
        self.deliveries.insert((client_at(client_id), delivery.position), places);
    }

    /// The two at once: a message enters a Session that is stored and leaves for its client.
    #[inline]
    pub(crate) fn put_sent(
        &mut self,
        client_id: &Arc<str>,
        delivery: Delivery,
        packet_id: PacketId,
        qos: QoS,
    ) {
        let position = delivery.position;
        let operation = StoreOperation::PutDelivery { client_id: Arc::clone(client_id), delivery, qos };
        self.bytes += held_bytes(&operation);
        self.recorded += 1;
        let place = self.pending.push(operation, Some(packet_id));
        self.deliveries
            .insert((client_at(client_id), position), Places { delivery: Some(place), exchange: None });
    }

    /// An exchange is opened, or goes past PUBREC.
    pub(crate) fn put_exchange(
        &mut self,
        client_id: &Arc<str>,
        packet_id: PacketId,
        position: u64,
        stage: Stage,
    ) {
        let operation =
            StoreOperation::PutExchange { client_id: Arc::clone(client_id), packet_id, position, stage };
        let place = self.push(operation);
        let client_at = client_at(client_id);
        if stage == Stage::AwaitPubcomp {
            // The message itself is no longer needed, nor how far its exchange was.
            let places = self.deliveries.remove(&(client_at, position)).unwrap_or_default();
            for place in [places.delivery, places.exchange].into_iter().flatten() {
                self.supersede(place);
            }
            self.released.insert((client_at, packet_id), place);
        } else {
            self.deliveries.entry((client_at, position)).or_default().exchange = Some(place);
        }
    }

    /// A delivery is over, with its exchange. A position of 0 is one past PUBREC.
    pub(crate) fn delete_delivery(
        &mut self,
        client_id: &Arc<str>,
        mut position: u64,
        packet_id: Option<PacketId>,
    ) {
        let client_at = client_at(client_id);
        if position != 0
            && let Some(places) = self.deliveries.remove(&(client_at, position))
        {
            if let Some(delivery) = places.delivery {
                // The store has never heard of it.
                self.end(delivery);
                places.exchange.map(|exchange| self.end(exchange));
                return;
            }
            places.exchange.map(|exchange| self.supersede(exchange));
        }
        let released = packet_id.and_then(|packet_id| self.released.remove(&(client_at, packet_id)));
        if let Some(StoreOperation::PutExchange { position: of_exchange, .. }) =
            released.and_then(|place| self.supersede(place))
        {
            position = of_exchange;
        }
        self.ended_stored += 1;
        self.push(StoreOperation::DeleteDelivery { client_id: Arc::clone(client_id), position, packet_id });
    }

    /// A QoS 2 identifier of a received message awaits PUBREL.
    pub(crate) fn put_inbound(&mut self, client_id: &Arc<str>, packet_id: PacketId) {
        if self.enabled {
            let place = self.push(StoreOperation::PutInbound { client_id: Arc::clone(client_id), packet_id });
            self.inbound.insert((client_at(client_id), packet_id), place);
        }
    }

    /// It was released.
    pub(crate) fn delete_inbound(&mut self, client_id: &Arc<str>, packet_id: PacketId) {
        if !self.enabled {
            return;
        }
        let put = self.inbound.remove(&(client_at(client_id), packet_id));
        if put.and_then(|place| self.end(place)).is_none() {
            self.push(StoreOperation::DeleteInbound { client_id: Arc::clone(client_id), packet_id });
        }
    }

    /// A Session is there, or its properties have changed. The last change stands where the first stood: what belongs
    /// to the Session comes after it.
    pub(crate) fn put_session(&mut self, session: &Session, closed_at_ms: Option<u64>) {
        if !self.enabled {
            return;
        }
        let client_at = client_at(&session.client_id);
        let operation = StoreOperation::PutSession {
            client_id: Arc::clone(&session.client_id),
            expiry_interval_secs: session.lifetime.interval_secs(),
            version: session.version,
            closed_at_ms,
        };
        let operation = match self.sessions.get(&client_at) {
            Some(place) => self.pending.replace(*place, operation),
            None => Some(operation),
        };
        match operation {
            None => self.recorded += 1,
            Some(operation) => {
                let place = self.push(operation);
                self.sessions.insert(client_at, place);
            }
        }
    }

    /// The message is its topic's retained one.
    pub(crate) fn put_retained(&mut self, message: &Arc<Message>) {
        self.change_retained(
            message.topic_name(),
            StoreOperation::PutRetained { message: Arc::clone(message) },
        );
    }

    /// The topic has no retained message any more.
    pub(crate) fn delete_retained(&mut self, topic_name: &Arc<str>) {
        self.change_retained(
            topic_name,
            StoreOperation::DeleteRetained { topic_name: Arc::clone(topic_name) },
        );
    }

    fn change_retained(&mut self, topic_name: &Arc<str>, operation: StoreOperation) {
        if !self.enabled {
            return;
        }
        if let Some(before) = self.retained.get(topic_name).copied() {
            self.supersede(before);
        }
        let place = self.push(operation);
        self.retained.insert(Arc::clone(topic_name), place);
    }

    /// How many operations and questions wait to be taken.
    #[inline]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        // Where nothing is left, somebody may wait for the batch all the same.
        let operations = self.pending.len().max(usize::from(self.pending.has_stretches()));
        (operations, self.fetches.len() + self.retained_fetches.len())
    }

    /// Compared before and after a piece of work: has it recorded anything?
    #[inline]
    pub(crate) fn mark(&self) -> u64 {
        self.recorded
    }

    /// The sequence to wait for, for work begun at `mark`; 0 where nothing needs to be waited for.
    #[inline]
    pub(crate) fn sequence_since(&self, mark: u64) -> u64 {
        if self.recorded == mark { 0 } else { self.pending.sequence() }
    }

    /// Records that a Session is over.
    pub(crate) fn record_session_end(&mut self, client_id: &Arc<str>) {
        self.sessions.remove(&client_at(client_id));
        self.record(|| StoreOperation::DeleteSession { client_id: Arc::clone(client_id) });
        if self.enabled {
            let sequence = self.pending.sequence();
            self.endings.push_back((sequence, Arc::clone(client_id)));
            self.last_endings.insert(Arc::clone(client_id), sequence);
        }
    }

    /// The sequence to wait for until an earlier Session of this client is gone from the store, too; 0 where there is
    /// nothing to wait for.
    pub(crate) fn sequence_of_end(&self, client_id: &str) -> u64 {
        self.last_endings.get(client_id).copied().unwrap_or(0)
    }

    /// The batch so far. One of which nothing is left is still one: somebody may wait for it.
    pub(crate) fn take_batch(&mut self) -> Option<StoreBatch> {
        if !self.pending.has_stretches() {
            return None;
        }
        let (through, operations) = self.pending.take();
        self.deliveries.clear();
        self.released.clear();
        self.inbound.clear();
        self.sessions.clear();
        self.retained.clear();
        let batch = StoreBatch { sequence: self.batch, operations };
        let bytes = std::mem::take(&mut self.bytes);
        self.taken.push_back(Taken { batch: self.batch, through, bytes });
        self.taken_bytes += bytes;
        self.batch += 1;
        Some(batch)
    }

    /// What is recorded from now on is another stretch. Those of which nothing is left, and that come after nothing that a
    /// store has yet to do, are as good as stored; true where there were some.
    pub(crate) fn settle(&mut self) -> bool {
        self.pending.close_stretch();
        if !self.taken.is_empty() {
            return false;
        }
        let Some(sequence) = self.pending.drop_ended() else { return false };
        self.advance(sequence);
        true
    }

    /// Whether [`Journal::settle`] would find something.
    pub(crate) fn can_settle(&self) -> bool {
        self.taken.is_empty() && self.pending.has_ended()
    }

    /// How many operations were over before a batch has taken them, and how many deliveries after that.
    pub(crate) fn ended(&self) -> (u64, u64) {
        (self.pending.ended(), self.ended_stored)
    }

    /// What is not stored yet holds so many bytes, about.
    pub(crate) fn unstored_bytes(&self) -> u64 {
        self.bytes + self.taken_bytes
    }

    /// Asks for the stretch above a position; returns the question's serial.
    pub(crate) fn fetch(&mut self, client_id: Arc<str>, after_position: u64, most: usize) -> u64 {
        self.last_fetch += 1;
        self.fetches.push_back(Fetch { serial: self.last_fetch, client_id, after_position, most });
        self.last_fetch
    }

    /// The next question, once the batch that it depends on has been taken.
    pub(crate) fn take_fetch(&mut self) -> Option<Fetch> {
        if !self.pending.has_stretches() { self.fetches.pop_front() } else { None }
    }

    /// Asks for retained messages; returns the question's serial.
    pub(crate) fn fetch_retained(&mut self, session: SessionKey, topic_names: Vec<Arc<str>>) -> u64 {
        self.last_fetch += 1;
        self.retained_fetches.push_back(RetainedFetch { topic_names, serial: self.last_fetch, session });
        self.last_fetch
    }

    pub(crate) fn take_retained_fetch(&mut self) -> Option<RetainedFetch> {
        self.retained_fetches.pop_front()
    }

    /// The store has made the batches up to this one safe.
    pub(crate) fn stored(&mut self, batch: u64) {
        while let Some(taken) = self.taken.front().copied()
            && taken.batch <= batch
        {
            self.taken.pop_front();
            self.taken_bytes -= taken.bytes;
            self.advance(taken.through);
        }
    }

    fn advance(&mut self, sequence: u64) {
        self.stored = self.stored.max(sequence);
        while let Some((ending, client_id)) = self.endings.front()
            && *ending <= self.stored
        {
            if self.last_endings.get(client_id) == Some(ending) {
                self.last_endings.remove(client_id);
            }
            self.endings.pop_front();
        }
    }

    pub(crate) fn is_stored(&self, sequence: u64) -> bool {
        sequence <= self.stored
    }

    /// The last stretch that is safe, with all before it.
    pub(crate) fn last_stored(&self) -> u64 {
        self.stored
    }
}

fn client_at(client_id: &Arc<str>) -> ClientAt {
    Arc::as_ptr(client_id).cast::<u8>().addr()
}

/// What an operation holds in bytes, about.
fn held_bytes(operation: &StoreOperation) -> u64 {
    let message = match operation {
        StoreOperation::PutDelivery { delivery, .. } => &delivery.message,
        StoreOperation::PutRetained { message } | StoreOperation::PutWill { message, .. } => message,
        _ => return size_of::<StoreOperation>() as u64,
    };
    (size_of::<StoreOperation>() + message.held_bytes()) as u64
}
