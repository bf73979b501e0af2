//! A Client whose Session State and queue are kept in a store: what it was made from, what has to be stored, and what
//! leaves only when that has been done.
//!
//! A PUBLISH of QoS 2 leaves when the store has it under its packet identifier: were that forgotten, the message could be
//! sent twice. PUBREC, PUBREL and PUBCOMP leave when the store has what they say. One of QoS 1 leaves at once.

use std::sync::Arc;

use topicwire_codec::{PacketId, PacketType, QoS, ReasonCode};

use super::Client;
use super::config::Config;
use super::event::{Abandonment, Event, Ticket};
use super::fault::Fault;
use super::journal::{ChangesWork, ClientChanges, Held, Journal};
use super::stored::Stored;
use crate::outbound::{Queued, Stage};

impl Client {
    /// A client with a store: it tells what has to be stored. What the store holds is put back with
    /// [`Client::restore_inbound`], [`Client::restore_exchange`] and [`Client::restore_queued`] before anything else
    /// happens, and `last_sequence` is that of the store's last batch.
    ///
    /// The promises of an earlier process are not ours: nobody knows the tickets of what was put back. They are those up
    /// to [`Client::restored_tickets`].
    #[must_use]
    pub fn with_store(config: Config, last_sequence: u64) -> Self {
        let mut journal = Journal::new();
        journal.continue_after(last_sequence);
        Self { journal: Some(Box::new(journal)), ..Self::new(config) }
    }

    /// A QoS 2 message was taken and awaits PUBREL.
    pub fn restore_inbound(&mut self, packet_id: PacketId) {
        self.session.inbound.restore(packet_id);
    }

    /// An exchange was open; in the order of the positions. `message` is none past PUBREC, and only then. False where it
    /// makes no sense.
    #[must_use]
    pub fn restore_exchange(
        &mut self,
        packet_id: PacketId,
        position: u64,
        stage: Stage,
        message: Option<Stored>,
    ) -> bool {
        self.note_restored(position);
        let is_released = stage == Stage::AwaitPubcomp;
        if is_released {
            self.session.released.insert(packet_id, (Ticket(position), ReasonCode::Success));
        }
        is_released == message.is_none()
            && self.session.outbound.restore(packet_id, stage, message.map(Arc::new))
    }

    /// A message was waiting; in the order of the positions. The limits are not asked: what was accepted is kept.
    pub fn restore_queued(&mut self, qos: QoS, message: Stored) {
        self.note_restored(message.ticket.0);
        let bytes = message.bytes();
        self.session.outbound.restore_queued(Queued { qos, bytes, message: Arc::new(message) });
    }

    fn note_restored(&mut self, position: u64) {
        self.last_ticket = self.last_ticket.max(position);
        self.restored_tickets = self.last_ticket;
    }

    /// Tickets up to this one are of messages that an earlier process published.
    #[must_use]
    pub fn restored_tickets(&self) -> Ticket {
        Ticket(self.restored_tickets)
    }

    /// What there is to be stored. One batch at a time is given to the store; [`Client::poll_changes`] has it.
    #[must_use]
    pub fn changes_work(&self) -> ChangesWork {
        self.journal.as_ref().map_or(ChangesWork::None, |journal| journal.work())
    }

    /// The next batch for the store.
    #[must_use]
    pub fn poll_changes(&mut self) -> Option<ClientChanges> {
        self.journal.as_mut()?.take_batch()
    }

    /// The batch that everything so far is in.
    #[must_use]
    pub fn changes_sequence(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.gate())
    }

    /// The batches up to this one are safe: what waited for them leaves.
    pub fn stored(&mut self, sequence: u64, now_ms: u64) {
        if let Some(journal) = &mut self.journal {
            journal.stored(sequence);
            self.pump(now_ms);
        }
    }

    /// A message has been accepted.
    #[inline]
    pub(super) fn record_message(&mut self, qos: QoS, message: &Arc<Stored>) {
        if let Some(journal) = &mut self.journal {
            journal.put_message(qos, message);
        }
    }

    /// Its PUBLISH is next.
    #[inline]
    pub(super) fn record_exchange(&mut self, packet_id: PacketId, qos: QoS, ticket: Ticket) {
        if let Some(journal) = &mut self.journal {
            let stage = Stage::first(qos);
            journal.put_exchange(packet_id, ticket.0, stage);
        }
    }

    /// It is settled, or given up.
    #[inline]
    pub(super) fn record_end(&mut self, ticket: Ticket, packet_id: Option<PacketId>) {
        if let Some(journal) = &mut self.journal {
            journal.delete_message(ticket.0, packet_id);
        }
    }

    /// Keeps a PUBLISH back that must not leave yet. False where it may.
    #[inline]
    pub(super) fn holds_publish(
        &mut self,
        message: &Arc<Stored>,
        qos: QoS,
        packet_id: PacketId,
        dup: bool,
    ) -> bool {
        let Some(journal) = &mut self.journal else { return false };
        let must_wait = if qos == QoS::ExactlyOnce { !journal.is_clear() } else { journal.holds_messages() };
        // As many as there are identifiers fit.
        must_wait && {
            journal.hold(Held::Publish { packet_id, qos, dup, message: Arc::clone(message) });
            true
        }
    }

    /// Writes PUBREC, PUBREL or PUBCOMP, when the store has what they say.
    ///
    /// # Errors
    /// As [`Client::write_ack`].
    #[inline]
    pub(super) fn write_ack_when_stored(
        &mut self,
        packet_type: PacketType,
        packet_id: PacketId,
        reason_code: ReasonCode,
    ) -> Result<(), Fault> {
        match &mut self.journal {
            Some(journal) if !journal.is_clear() => {
                if journal.hold(Held::Ack { packet_type, packet_id, reason_code }) {
                    return Ok(());
                }
                Err(Fault::new(ReasonCode::QuotaExceeded, "the server does not wait for what it is answered"))
            }
            _ => self.write_ack(packet_type, packet_id, reason_code),
        }
    }

    /// Sends what waited for the store and need not any more.
    pub(super) fn release_held(&mut self, now_ms: u64) {
        while self.link.can_send()
            && self.has_out_room()
            && let Some(held) = self.journal.as_mut().and_then(|journal| journal.release())
        {
            match held {
                Held::Ack { packet_type, packet_id, reason_code } => {
                    self.settle(|client| client.write_ack(packet_type, packet_id, reason_code), now_ms);
                }
                Held::Publish { packet_id, qos, dup, message } => {
                    let stage = Stage::first(qos);
                    // A server may answer what it has not been sent.
                    if self.session.outbound.awaits(packet_id, stage) {
                        self.send_stored(&message, qos, packet_id, dup, now_ms);
                    }
                }
            }
        }
    }

    /// A message under way is given up.
    pub(super) fn abandon(&mut self, packet_id: PacketId, cause: Abandonment) {
        if let Some(message) = self.session.outbound.abandon(packet_id) {
            self.record_end(message.ticket, Some(packet_id));
            self.events.push_back(Event::Abandoned { ticket: message.ticket, cause });
        }
    }
}
