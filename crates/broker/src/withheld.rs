//! Answers that wait for the store before they leave, and publishers that wait until it has caught up.
//!
//! What happens while the store cannot do its work is in `trouble.rs`.

use smallvec::SmallVec;
use topicwire_codec::ReasonCode;

use crate::broker::{Broker, ConnectionKey};
use crate::connection::{AckEffect, Phase, Withheld};
use crate::end::Ending;
use crate::input::Flow;
use crate::recipient::Recipient;

/// Acknowledgements that one connection may have waiting for the store; past it, it is cut off.
const MOST_WITHHELD: usize = 1 << 17;

/// With so many of them it is not read any further until some have left.
const MANY_WITHHELD: usize = 1 << 14;

impl Broker {
    /// Sends an acknowledgement, or keeps it until the batch with this sequence is stored (0: nothing to wait
    /// for). They leave in the order they were earned [MQTT-4.6.0-2], so one that waits keeps the later ones.
    #[inline]
    pub(crate) fn acknowledge(
        &mut self,
        key: ConnectionKey,
        sequence: u64,
        effect: AckEffect,
        now_ms: u64,
        write: impl FnOnce(Recipient, &mut Vec<u8>),
    ) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let is_first = connection.withheld.is_empty();
        if is_first && (sequence == 0 || self.journal.is_stored(sequence)) {
            self.send(key, write);
            self.acknowledged(key, effect, now_ms);
            return;
        }
        self.withhold(key, sequence, effect, now_ms, write);
    }

    /// Keeps an acknowledgement that waits for the store, or for one that does.
    fn withhold(
        &mut self,
        key: ConnectionKey,
        sequence: u64,
        effect: AckEffect,
        now_ms: u64,
        write: impl FnOnce(Recipient, &mut Vec<u8>),
    ) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let mut bytes = std::mem::take(&mut self.scratch.packet);
        bytes.clear();
        write(connection.recipient(), &mut bytes);
        if connection.withheld.is_empty() {
            self.withholding.push(key);
        }
        connection.withheld.push_back(Withheld { sequence, bytes: SmallVec::from_slice(&bytes), effect });
        let is_too_many = connection.withheld.len() > MOST_WITHHELD;
        self.scratch.packet = bytes;
        if is_too_many {
            let reason = "too many acknowledgements wait for the store";
            self.end_connection(key, Ending::by_server(ReasonCode::QuotaExceeded, reason), now_ms);
        }
    }

    /// True where this connection is not to be read further before the store has caught up: what its client sends may
    /// grow what waits for it.
    #[inline]
    pub(crate) fn must_wait(&self, key: ConnectionKey) -> bool {
        self.journal.is_enabled()
            && self.trouble.is_none()
            && (self.is_behind() || self.withheld_count(key) >= MANY_WITHHELD)
    }

    /// True where more waits for the store than may.
    pub(crate) fn is_behind(&self) -> bool {
        self.journal.unstored_bytes() > self.config.limits.maximum_unstored_bytes
    }

    fn withheld_count(&self, key: ConnectionKey) -> usize {
        self.connections.get(key.index()).map_or(0, |connection| connection.withheld.len())
    }

    /// Leaves the packet at hand where it is, to be read again when the store has caught up.
    #[cold]
    pub(crate) fn stall(&mut self, key: ConnectionKey) -> Flow {
        if let Some(connection) = self.connections.get_mut(key.index()) {
            connection.is_stalled = true;
            self.stalled.push(key);
            self.metrics.store_stalls += 1;
        }
        Flow::Stall
    }

    /// Reads on where it had to wait for the store.
    pub(crate) fn resume_stalled(&mut self, now_ms: u64) {
        for key in std::mem::take(&mut self.stalled) {
            let Some(connection) = self.connections.get_mut(key.index()).filter(|it| it.is_stalled) else {
                continue;
            };
            connection.is_stalled = false;
            if !self.continue_input(key, now_ms).is_held {
                self.resumed.push_back(key);
            }
        }
    }

    /// A connection whose input was held for the store, and is so no longer: read from its transport again.
    #[must_use]
    pub fn poll_resumed(&mut self) -> Option<ConnectionKey> {
        self.resumed.pop_front()
    }

    /// The store has made every batch up to this one as safe as it promises: what waited for them leaves.
    pub fn stored(&mut self, batch: u64, now_ms: u64) {
        self.journal.stored(batch);
        self.end_trouble(now_ms);
        self.journal.settle();
        self.release_withheld(now_ms);
    }

    /// To be called once a turn of the host: what has been recorded since the last call, and is over already, is as good as
    /// stored, unless it comes after something that is not. What waited for it leaves; true where there was something.
    pub fn settle_store(&mut self, now_ms: u64) -> bool {
        let is_settled = self.journal.settle();
        if is_settled {
            self.release_withheld(now_ms);
        }
        is_settled
    }

    /// Whether [`Broker::settle_store`] would let something go.
    #[must_use]
    pub fn can_settle_store(&self) -> bool {
        self.journal.can_settle()
    }

    /// What a local publisher waits for: see [`crate::LocalOutcome`].
    #[must_use]
    pub fn stored_through(&self) -> u64 {
        self.journal.last_stored()
    }

    fn release_withheld(&mut self, now_ms: u64) {
        for key in std::mem::take(&mut self.withholding) {
            while let Some(connection) = self.connections.get_mut(key.index()) {
                match connection.withheld.front() {
                    Some(withheld) if self.journal.is_stored(withheld.sequence) => {}
                    Some(_) => {
                        self.withholding.push(key);
                        break;
                    }
                    None => break,
                }
                let Some(withheld) = connection.withheld.pop_front() else { break };
                self.send(key, |_, out| out.extend_from_slice(&withheld.bytes));
                self.acknowledged(key, withheld.effect, now_ms);
            }
        }
        for key in std::mem::take(&mut self.holding) {
            self.pump(key, now_ms);
            if self.sessions.get(key.index()).is_some_and(|session| !session.held.is_empty()) {
                self.holding.push(key);
            }
        }
        if !self.stalled.is_empty() && !self.is_behind() {
            self.resume_stalled(now_ms);
        }
    }

    /// What an acknowledgement that has left means for the state.
    #[inline]
    pub(crate) fn acknowledged(&mut self, key: ConnectionKey, effect: AckEffect, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let session = connection.session;
        match effect {
            AckEffect::None => {}
            AckEffect::Puback => {
                if let Some(session) = session.and_then(|key| self.sessions.get_mut(key.index())) {
                    session.inbound.acknowledged();
                }
            }
            AckEffect::Connack => {
                if connection.phase == Phase::AwaitStore {
                    connection.phase = Phase::Open;
                }
                if let Some(session) = session {
                    self.pump(session, now_ms);
                }
            }
        }
    }
}
