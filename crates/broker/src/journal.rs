//! The batch that is being filled, and the sequence that acknowledgements wait for.
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
use crate::session::Session;
use crate::store::{Fetch, RetainedFetch, StoreBatch, StoreOperation};

/// A client identifier where it is: an operation of the batch holds it there.
type ClientAt = usize;

/// Where in the batch a delivery stands; what is not there was stored before.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    delivery: Option<usize>,
    exchange: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    enabled: bool,
    /// None where an operation has been taken out again.
    operations: Vec<Option<StoreOperation>>,
    /// What `operations` hold in bytes, about.
    bytes: u64,
    deliveries: HashMap<(ClientAt, u64), Places, FixedState>,
    /// Exchanges that the batch brings past PUBREC.
    released: HashMap<(ClientAt, PacketId), usize, FixedState>,
    inbound: HashMap<(ClientAt, PacketId), usize, FixedState>,
    sessions: HashMap<ClientAt, usize, FixedState>,
    retained: HashMap<Arc<str>, usize>,
    /// The sequence of the batch that is being filled.
    sequence: u64,
    stored: u64,
    recorded: u64,
    /// The batches that have been taken and are not stored: their sequences and what they hold in bytes.
    taken: VecDeque<(u64, u64)>,
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
        Self { enabled, sequence: 1, ..Self::default() }
    }

    /// Goes on after a store's last batch.
    pub(crate) fn continue_after(&mut self, last_sequence: u64) {
        self.sequence = last_sequence + 1;
        self.stored = last_sequence;
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
    fn push(&mut self, operation: StoreOperation) -> usize {
        self.bytes += held_bytes(&operation);
        self.recorded += 1;
        self.operations.push(Some(operation));
        self.operations.len() - 1
    }

    /// Takes an operation out of the batch again.
    fn take_out(&mut self, place: usize) -> Option<StoreOperation> {
        let operation = self.operations.get_mut(place)?.take()?;
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
            self.take_out_delivery(client_at, position);
            self.released.insert((client_at, packet_id), place);
        } else {
            self.deliveries.entry((client_at, position)).or_default().exchange = Some(place);
        }
    }

    fn take_out_delivery(&mut self, client_at: ClientAt, position: u64) -> Places {
        let places = self.deliveries.remove(&(client_at, position)).unwrap_or_default();
        for place in [places.delivery, places.exchange].into_iter().flatten() {
            self.take_out(place);
        }
        places
    }

    /// A delivery is over, with its exchange. A position of 0 is one past PUBREC.
    pub(crate) fn delete_delivery(
        &mut self,
        client_id: &Arc<str>,
        mut position: u64,
        packet_id: Option<PacketId>,
    ) {
        let client_at = client_at(client_id);
        if position != 0 && self.take_out_delivery(client_at, position).delivery.is_some() {
            // The store has never heard of it.
            return;
        }
        let released = packet_id.and_then(|packet_id| self.released.remove(&(client_at, packet_id)));
        if let Some(StoreOperation::PutExchange { position: of_exchange, .. }) =
            released.and_then(|place| self.take_out(place))
        {
            position = of_exchange;
        }
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
        if put.and_then(|place| self.take_out(place)).is_none() {
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
        let before = self.sessions.get(&client_at).and_then(|place| self.operations.get_mut(*place));
        if let Some(before) = before {
            *before = Some(operation);
            self.recorded += 1;
        } else {
            let place = self.push(operation);
            self.sessions.insert(client_at, place);
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
            self.take_out(before);
        }
        let place = self.push(operation);
        self.retained.insert(Arc::clone(topic_name), place);
    }

    /// How many operations and questions wait to be taken.
    #[inline]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.operations.len(), self.fetches.len() + self.retained_fetches.len())
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

    /// Records that a Session is over.
    pub(crate) fn record_session_end(&mut self, client_id: &Arc<str>) {
        self.sessions.remove(&client_at(client_id));
        self.record(|| StoreOperation::DeleteSession { client_id: Arc::clone(client_id) });
        if self.enabled {
            self.endings.push_back((self.sequence, Arc::clone(client_id)));
            self.last_endings.insert(Arc::clone(client_id), self.sequence);
        }
    }

    /// The sequence to wait for until an earlier Session of this client is gone from the store, too; 0 where there is
    /// nothing to wait for.
    pub(crate) fn sequence_of_end(&self, client_id: &str) -> u64 {
        self.last_endings.get(client_id).copied().unwrap_or(0)
    }

    /// The batch so far. One of which nothing is left is still one: somebody may wait for its sequence.
    pub(crate) fn take_batch(&mut self) -> Option<StoreBatch> {
        if self.operations.is_empty() {
            return None;
        }
        let operations = std::mem::take(&mut self.operations).into_iter().flatten().collect();
        self.deliveries.clear();
        self.released.clear();
        self.inbound.clear();
        self.sessions.clear();
        self.retained.clear();
        let batch = StoreBatch { sequence: self.sequence, operations };
        let bytes = std::mem::take(&mut self.bytes);
        self.taken.push_back((self.sequence, bytes));
        self.taken_bytes += bytes;
        self.sequence += 1;
        Some(batch)
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
        if self.operations.is_empty() { self.fetches.pop_front() } else { None }
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

    pub(crate) fn stored(&mut self, sequence: u64) {
        self.stored = self.stored.max(sequence);
        while let Some((taken, bytes)) = self.taken.front().copied()
            && taken <= self.stored
        {
            self.taken.pop_front();
            self.taken_bytes -= bytes;
        }
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
