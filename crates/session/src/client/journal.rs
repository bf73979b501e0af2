//! What a store has to know of a Client, in batches; and what waits for it.
//!
//! The Client writes changes into the current batch while it works. The host takes the batch with
//! [`Client::poll_changes`](super::Client::poll_changes), gives it to a store, and says
//! [`Client::stored`](super::Client::stored) when it is safe; only then does leave what depends on it. A message that is
//! published and acknowledged within one batch is taken out of it again and never reaches the store.
//!
//! The queue and the Session State are kept alike: a message by its position, which is its ticket, from [`PutMessage`]
//! to [`DeleteMessage`]; in between it may be in an exchange.
//!
//! [`PutMessage`]: ClientChange::PutMessage
//! [`DeleteMessage`]: ClientChange::DeleteMessage

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use topicwire_codec::{PacketId, PacketType, QoS, ReasonCode};

use super::stored::Stored;
use crate::outbound::Stage;

/// A change to what must survive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientChange {
    /// A message of QoS 1 or 2 was accepted. Positions ascend in the order of the queue, from 1.
    PutMessage {
        /// Where it stands.
        position: u64,
        /// Its QoS.
        qos: QoS,
        /// The message.
        message: Arc<Stored>,
    },
    /// Its exchange was opened or went a stage further. Past PUBREC the message itself is no longer needed.
    PutExchange {
        /// The identifier.
        packet_id: PacketId,
        /// The position of the message.
        position: u64,
        /// Where the exchange stands.
        stage: Stage,
    },
    /// The exchange is over and its message is back in the queue: the server has lost the Session.
    DeleteExchange {
        /// The identifier.
        packet_id: PacketId,
    },
    /// The message is settled or given up, with its exchange.
    DeleteMessage {
        /// Where it stood.
        position: u64,
        /// The exchange, where there was one.
        packet_id: Option<PacketId>,
    },
    /// A received QoS 2 message was taken, and awaits PUBREL.
    PutInbound {
        /// Its identifier.
        packet_id: PacketId,
    },
    /// It was released.
    DeleteInbound {
        /// Its identifier.
        packet_id: PacketId,
    },
}

/// Changes that belong together: all of them or none survive.
#[derive(Clone, Debug)]
pub struct ClientChanges {
    /// Ascending by one.
    pub sequence: u64,
    /// In the order they happened. There may be none left: the sequence counts all the same.
    pub changes: Vec<ClientChange>,
}

/// What there is for a store to do, and whether something waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesWork {
    /// Nothing.
    None,
    /// So many changes that nothing waits for.
    Unhurried(usize),
    /// Packets wait for it.
    Awaited,
}

/// A packet that leaves when a batch is stored.
#[derive(Debug)]
pub(super) enum Held {
    Publish { packet_id: PacketId, qos: QoS, dup: bool, message: Arc<Stored> },
    Ack { packet_type: PacketType, packet_id: PacketId, reason_code: ReasonCode },
}

/// Where in the batch a message stands that the store has not heard of.
#[derive(Clone, Copy, Debug)]
struct Places {
    message: usize,
    exchange: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    /// None where a change has been taken out again.
    changes: Vec<Option<ClientChange>>,
    live_count: usize,
    /// By position.
    places: HashMap<u64, Places, FixedState>,
    /// Of the batch that is being filled.
    sequence: u64,
    stored: u64,
    /// The last batch that a packet waits for.
    awaited: u64,
    /// In order, each with its batch; 0 for one that only keeps its place behind the others.
    held: VecDeque<(u64, Held)>,
    held_publish_count: usize,
}

/// Packets that may wait. All identifiers, in both directions and with both steps, are fewer.
const MOST_HELD: usize = 4 * 65_536;
/// A batch is not looked through for what was taken out of it before it is so long.
const COMPACT_FROM: usize = 4_096;

impl Journal {
    pub(super) fn new() -> Self {
        Self {
            changes: Vec::new(),
            live_count: 0,
            places: HashMap::default(),
            sequence: 1,
            stored: 0,
            awaited: 0,
            held: VecDeque::new(),
            held_publish_count: 0,
        }
    }

    /// Goes on after a store's last batch.
    pub(super) fn continue_after(&mut self, last_sequence: u64) {
        self.sequence = last_sequence + 1;
        self.stored = last_sequence;
    }

    fn push(&mut self, change: ClientChange) -> usize {
        if self.changes.len() >= COMPACT_FROM && self.live_count * 2 < self.changes.len() {
            self.compact();
        }
        self.live_count += 1;
        self.changes.push(Some(change));
        self.changes.len() - 1
    }

    fn take_out(&mut self, place: usize) {
        if self.changes.get_mut(place).and_then(Option::take).is_some() {
            self.live_count -= 1;
        }
    }

    /// A store that does not keep up must not make the holes of a batch pile up.
    fn compact(&mut self) {
        self.changes.retain(Option::is_some);
        let Self { changes, places, .. } = self;
        for (place, change) in changes.iter().enumerate() {
            match change {
                Some(ClientChange::PutMessage { position, .. }) => {
                    if let Some(places) = places.get_mut(position) {
                        places.message = place;
                    }
                }
                Some(ClientChange::PutExchange { position, .. }) => {
                    if let Some(places) = places.get_mut(position) {
                        places.exchange = Some(place);
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn put_message(&mut self, qos: QoS, message: &Arc<Stored>) {
        let position = message.ticket.0;
        let message = Arc::clone(message);
        let place = self.push(ClientChange::PutMessage { position, qos, message });
        self.places.insert(position, Places { message: place, exchange: None });
    }

    pub(super) fn put_exchange(&mut self, packet_id: PacketId, position: u64, stage: Stage) {
        let place = self.push(ClientChange::PutExchange { packet_id, position, stage });
        let Some(places) = self.places.get_mut(&position) else { return };
        if let Some(before) = places.exchange.replace(place) {
            self.take_out(before);
        }
    }

    /// Its message is back in the queue.
    pub(super) fn delete_exchange(&mut self, packet_id: PacketId, position: u64) {
        // The exchange of a message that the store has never heard of is news to it, too.
        if let Some(place) = self.places.get_mut(&position).and_then(|places| places.exchange.take()) {
            self.take_out(place);
        } else {
            self.push(ClientChange::DeleteExchange { packet_id });
        }
    }

    pub(super) fn delete_message(&mut self, position: u64, packet_id: Option<PacketId>) {
        if let Some(Places { message, exchange }) = self.places.remove(&position) {
            self.take_out(message);
            if let Some(exchange) = exchange {
                self.take_out(exchange);
            }
        } else {
            self.push(ClientChange::DeleteMessage { position, packet_id });
        }
    }

    pub(super) fn put_inbound(&mut self, packet_id: PacketId) {
        self.push(ClientChange::PutInbound { packet_id });
    }

    pub(super) fn delete_inbound(&mut self, packet_id: PacketId) {
        self.push(ClientChange::DeleteInbound { packet_id });
    }

    /// The batch that everything so far is in.
    pub(super) fn gate(&self) -> u64 {
        if self.changes.is_empty() { self.sequence - 1 } else { self.sequence }
    }

    /// Whether everything so far is safe, and nothing waits that the next packet might overtake.
    pub(super) fn is_clear(&self) -> bool {
        self.held.is_empty() && self.gate() <= self.stored
    }

    /// Whether a QoS 1 message would overtake another one.
    pub(super) fn holds_messages(&self) -> bool {
        self.held_publish_count > 0
    }

    /// A packet leaves when everything so far is safe. False where too many do.
    pub(super) fn hold(&mut self, held: Held) -> bool {
        let sequence = match &held {
            // It may arrive twice, and waits for nothing but its turn.
            Held::Publish { qos: QoS::AtLeastOnce, .. } => 0,
            _ => self.gate(),
        };
        self.awaited = self.awaited.max(sequence);
        self.held_publish_count += usize::from(matches!(held, Held::Publish { .. }));
        self.held.push_back((sequence, held));
        self.held.len() <= MOST_HELD
    }

    /// The next packet that need not wait any more.
    pub(super) fn release(&mut self) -> Option<Held> {
        let (sequence, _) = self.held.front()?;
        if *sequence > self.stored {
            return None;
        }
        let (_, held) = self.held.pop_front()?;
        self.held_publish_count -= usize::from(matches!(held, Held::Publish { .. }));
        Some(held)
    }

    /// The connection is over: the next one sends again what it must.
    pub(super) fn drop_held(&mut self) {
        self.held.clear();
        self.held_publish_count = 0;
    }

    pub(super) fn work(&self) -> ChangesWork {
        if self.awaited >= self.sequence {
            ChangesWork::Awaited
        } else if self.changes.is_empty() {
            ChangesWork::None
        } else {
            ChangesWork::Unhurried(self.changes.len())
        }
    }

    pub(super) fn take_batch(&mut self) -> Option<ClientChanges> {
        if self.work() == ChangesWork::None {
            return None;
        }
        let changes = std::mem::take(&mut self.changes).into_iter().flatten().collect();
        self.live_count = 0;
        self.places.clear();
        let sequence = self.sequence;
        self.sequence += 1;
        Some(ClientChanges { sequence, changes })
    }

    pub(super) fn stored(&mut self, sequence: u64) {
        self.stored = self.stored.max(sequence);
    }
}

#[cfg(test)]
mod tests {
    use topicwire_codec::fanout;

    use super::super::event::Ticket;
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn message(position: u64) -> Arc<Stored> {
        let parts = fanout::Message { topic_name: "t", forwarded: b"", payload: b"p" };
        Arc::new(Stored::new(Ticket(position), &parts, false, u64::MAX))
    }

    fn told(journal: &mut Journal) -> Vec<String> {
        let changes = journal.take_batch().map(|batch| batch.changes).unwrap_or_default();
        let words = |change: &ClientChange| match change {
            ClientChange::PutMessage { position, .. } => format!("put {position}"),
            ClientChange::PutExchange { packet_id, position, stage } => {
                format!("exchange {} {position} {stage:?}", packet_id.value())
            }
            ClientChange::DeleteExchange { packet_id } => format!("close {}", packet_id.value()),
            ClientChange::DeleteMessage { position, .. } => format!("delete {position}"),
            ClientChange::PutInbound { packet_id } => format!("inbound {}", packet_id.value()),
            ClientChange::DeleteInbound { packet_id } => format!("released {}", packet_id.value()),
        };
        changes.iter().map(words).collect()
    }

    #[test]
    fn what_begins_and_ends_in_one_batch_is_not_in_it() {
        let mut journal = Journal::new();
        journal.put_message(QoS::AtLeastOnce, &message(1));
        journal.put_message(QoS::AtLeastOnce, &message(2));
        journal.put_exchange(id(1), 1, Stage::AwaitPuback);
        journal.delete_message(1, Some(id(1)));
        assert_eq!(told(&mut journal), ["put 2"]);
    }

    #[test]
    fn what_the_store_knows_is_taken_away_from_it() {
        let mut journal = Journal::new();
        journal.put_message(QoS::AtLeastOnce, &message(1));
        assert_eq!(told(&mut journal), ["put 1"]);
        journal.put_exchange(id(1), 1, Stage::AwaitPuback);
        journal.delete_message(1, Some(id(1)));
        assert_eq!(told(&mut journal), ["exchange 1 1 AwaitPuback", "delete 1"]);
    }

    #[test]
    fn an_exchange_that_is_taken_back_leaves_its_message() {
        let mut journal = Journal::new();
        journal.put_message(QoS::AtLeastOnce, &message(1));
        journal.put_exchange(id(1), 1, Stage::AwaitPuback);
        journal.delete_exchange(id(1), 1);
        journal.put_exchange(id(2), 1, Stage::AwaitPuback);
        assert_eq!(told(&mut journal), ["put 1", "exchange 2 1 AwaitPuback"]);
        journal.delete_exchange(id(2), 1);
        assert_eq!(told(&mut journal), ["close 2"]);
    }

    #[test]
    fn a_batch_of_holes_does_not_grow() {
        let mut journal = Journal::new();
        journal.put_message(QoS::AtLeastOnce, &message(1));
        for position in 2..100_000 {
            journal.put_message(QoS::AtLeastOnce, &message(position));
            journal.put_exchange(id(7), position, Stage::AwaitPuback);
            journal.delete_message(position, Some(id(7)));
        }
        assert!(journal.changes.len() <= COMPACT_FROM + 1);
        journal.put_exchange(id(9), 1, Stage::AwaitPuback);
        assert_eq!(told(&mut journal), ["put 1", "exchange 9 1 AwaitPuback"]);
    }

    #[test]
    fn a_packet_waits_for_the_batch_with_everything_before_it() {
        let mut journal = Journal::new();
        journal.put_inbound(id(1));
        let packet_type = PacketType::Pubrec;
        let ack = Held::Ack { packet_type, packet_id: id(1), reason_code: ReasonCode::Success };
        assert!(!journal.is_clear() && journal.hold(ack));
        assert_eq!(journal.work(), ChangesWork::Awaited);
        let batch = journal.take_batch().unwrap();
        assert_eq!((batch.sequence, journal.work()), (1, ChangesWork::None));
        assert!(journal.release().is_none());
        journal.stored(1);
        assert!(journal.release().is_some() && journal.is_clear());
    }
}
