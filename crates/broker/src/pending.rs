//! The operations that no batch has taken yet, and the stretches that answers wait for.
//!
//! A stretch is what was recorded in one turn of the host. Where all of it is over before a batch has taken it, because
//! subscribers have acknowledged meanwhile, whoever waits for the stretch waits for nothing that a store could do.

use std::collections::VecDeque;

use topicwire_codec::PacketId;
use topicwire_session::Stage;

use crate::store::StoreOperation;

/// Where an operation stands, from the first that was ever recorded.
pub(crate) type Place = usize;

#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    /// What answers wait for.
    sequence: u64,
    /// Where it begins.
    first: Place,
    /// Its operations that are not over. One that a later operation has taken the place of is not over: what it promised
    /// is kept by the later one, which is yet to be stored.
    left: usize,
}

#[derive(Debug)]
struct Entry {
    operation: StoreOperation,
    /// A delivery that left for its client at once, under this identifier: its exchange is an operation, too.
    sent_as: Option<PacketId>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// None where an operation has been taken out again.
    operations: VecDeque<Option<Entry>>,
    /// The place of the first of them.
    first: Place,
    /// How many of them are there.
    len: usize,
    /// In order.
    closed: VecDeque<Stretch>,
    open: Stretch,
    /// Something has been recorded in the open stretch, if only in the place of an earlier operation.
    is_used: bool,
    /// How many were over before a batch has taken them.
    ended: u64,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self { open: Stretch { sequence: 1, ..Stretch::default() }, ..Self::default() }
    }

    /// Adds an operation; returns its place.
    #[inline]
    pub(crate) fn push(&mut self, operation: StoreOperation, sent_as: Option<PacketId>) -> Place {
        self.operations.push_back(Some(Entry { operation, sent_as }));
        self.len += 1;
        self.open.left += 1;
        self.is_used = true;
        self.first + self.operations.len() - 1
    }

    /// Takes an operation out because it is over.
    #[inline]
    pub(crate) fn end(&mut self, place: Place) -> Option<StoreOperation> {
        let Entry { operation, sent_as } = self.take_out(place)?;
        self.ended += 1 + u64::from(sent_as.is_some());
        if place >= self.open.first {
            self.open.left -= 1;
        } else {
            let at = self.closed.partition_point(|stretch| stretch.first <= place);
            if let Some(stretch) = at.checked_sub(1).and_then(|at| self.closed.get_mut(at)) {
                stretch.left -= 1;
            }
        }
        Some(operation)
    }

    /// Takes an operation out because a later one says all that it said.
    pub(crate) fn supersede(&mut self, place: Place) -> Option<StoreOperation> {
        self.take_out(place).map(|entry| entry.operation)
    }

    #[inline]
    fn take_out(&mut self, place: Place) -> Option<Entry> {
        let entry = self.operations.get_mut(place.checked_sub(self.first)?)?.take()?;
        self.len -= 1;
        Some(entry)
    }

    /// Puts an operation in the place of an earlier one; gives it back where there is none.
    pub(crate) fn replace(&mut self, place: Place, operation: StoreOperation) -> Option<StoreOperation> {
        let before = place.checked_sub(self.first).and_then(|at| self.operations.get_mut(at));
        match before {
            Some(before @ Some(_)) => {
                *before = Some(Entry { operation, sent_as: None });
                self.is_used = true;
                None
            }
            _ => Some(operation),
        }
    }

    /// How many are there.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many were over before a batch has taken them.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// What answers wait for that depend on what is recorded now.
    pub(crate) fn sequence(&self) -> u64 {
        self.open.sequence
    }

    /// True where there is a stretch that somebody may wait for.
    pub(crate) fn has_stretches(&self) -> bool {
        self.is_used || !self.closed.is_empty()
    }

    /// What is recorded from now on is another stretch.
    pub(crate) fn close_stretch(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            return;
        }
        let next =
            Stretch { sequence: self.open.sequence + 1, first: self.first + self.operations.len(), left: 0 };
        self.closed.push_back(std::mem::replace(&mut self.open, next));
    }

    /// True where nothing is left of the first stretch, so that something can be let go of.
    pub(crate) fn has_ended(&self) -> bool {
        match self.closed.front() {
            Some(first) => first.left == 0,
            None => self.is_used && self.open.left == 0,
        }
    }

    /// Lets go of the closed stretches, from the first on, of which nothing is left. Returns the sequence of the last.
    pub(crate) fn drop_ended(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some(stretch) = self.closed.front()
            && stretch.left == 0
        {
            last = Some(stretch.sequence);
            self.closed.pop_front();
        }
        if last.is_some() {
            let first = self.closed.front().unwrap_or(&self.open).first;
            self.operations.drain(..first - self.first);
            self.first = first;
        }
        last
    }

    /// All of it, with the sequence of the last stretch.
    pub(crate) fn take(&mut self) -> (u64, Vec<StoreOperation>) {
        self.close_stretch();
        self.closed.clear();
        self.first += self.operations.len();
        self.len = 0;
        let mut operations = Vec::with_capacity(2 * self.operations.len());
        for Entry { operation, sent_as } in self.operations.drain(..).flatten() {
            let exchange = sent_as.and_then(|packet_id| exchange_of(&operation, packet_id));
            operations.push(operation);
            operations.extend(exchange);
        }
        (self.open.sequence - 1, operations)
    }
}

/// The exchange of a delivery that left at once.
fn exchange_of(operation: &StoreOperation, packet_id: PacketId) -> Option<StoreOperation> {
    let StoreOperation::PutDelivery { client_id, delivery, qos } = operation else { return None };
    let (client_id, position, stage) = (client_id.clone(), delivery.position, Stage::first(*qos));
    Some(StoreOperation::PutExchange { client_id, packet_id, position, stage })
}
