//! Acknowledgements: those that arrive, and those that wait for the store before they leave. Each carries the packet
//! identifier of what it belongs to [MQTT-2.2.1-5]. None waits for the window of the other direction
//! [MQTT-3.3.4-10, 4.9.0-3].

use std::sync::Arc;

use smallvec::SmallVec;
use topicwire_codec::{Ack, PacketType, ReasonCode};
use topicwire_session::{PubrecStep, Stage};

use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::connection::{AckEffect, Phase, Withheld};
use crate::deliver::{record_end, record_stage};
use crate::end::Ending;
use crate::fault::Fault;
use crate::input::Flow;
use crate::recipient::Recipient;
use crate::session::Session;
use crate::store::{Journal, StoreOperation};

/// Acknowledgements that one connection may have waiting for the store; past it, it is cut off.
const MOST_WITHHELD: usize = 1 << 17;

impl Broker {
    /// The Session at the other end of a connection, and where its changes are recorded.
    fn conversation(&mut self, key: ConnectionKey) -> Option<(SessionKey, &mut Session, &mut Journal)> {
        let session_key = self.connections.get(key.index())?.session?;
        Some((session_key, self.sessions.get_mut(session_key.index())?, &mut self.journal))
    }

    /// PUBACK: a QoS 1 delivery is over.
    pub(crate) fn handle_puback(
        &mut self,
        key: ConnectionKey,
        ack: &Ack<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some((session_key, session, journal)) = self.conversation(key) else { return Ok(Flow::Stop) };
        if let Some(delivery) = session.outbound.handle_puback(ack.packet_id) {
            session.forget_held(ack.packet_id);
            record_end(journal, session, delivery.position, Some(ack.packet_id));
            self.scratch.messages.give(delivery.message);
            self.pump(session_key, now_ms);
        }
        Ok(Flow::Next)
    }

    /// PUBREC: a QoS 2 delivery is taken or refused; either way the message is no longer ours to keep, nor to offer to
    /// another member of a shared subscription [MQTT-4.8.2-6].
    pub(crate) fn handle_pubrec(
        &mut self,
        key: ConnectionKey,
        ack: &Ack<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some((session_key, session, journal)) = self.conversation(key) else { return Ok(Flow::Stop) };
        let mark = journal.mark();
        session.forget_held(ack.packet_id);
        let reason_code = match session.outbound.handle_pubrec(ack.packet_id, ack.reason_code.is_error()) {
            PubrecStep::Refused(delivery) => {
                record_end(journal, session, delivery.position, Some(ack.packet_id));
                self.pump(session_key, now_ms);
                return Ok(Flow::Next);
            }
            PubrecStep::SendPubrel(delivery) => {
                if let Some(delivery) = delivery {
                    let position = delivery.position;
                    record_stage(journal, session, ack.packet_id, position, Stage::AwaitPubcomp);
                    self.scratch.messages.give(delivery.message);
                }
                ReasonCode::Success
            }
            // An error needs no PUBREL.
            PubrecStep::Unknown if ack.reason_code.is_error() => return Ok(Flow::Next),
            PubrecStep::Unknown => ReasonCode::PacketIdentifierNotFound,
        };
        self.answer(key, PacketType::Pubrel, &Ack::new(ack.packet_id, reason_code), mark, now_ms);
        Ok(Flow::Next)
    }

    /// PUBREL: the sender has let go of a QoS 2 message; its identifier is free [MQTT-4.3.3-11].
    ///
    /// One for an exchange that is over is no error during recovery (3.7.2.1): the PUBCOMP was lost with the last
    /// connection. Clients repeat in order [MQTT-4.6.0-1], so those come before the first that is known. Clients exist
    /// that take the other answer for a message that was not delivered, and send it again.
    pub(crate) fn handle_pubrel(
        &mut self,
        key: ConnectionKey,
        ack: &Ack<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some((_, session, journal)) = self.conversation(key) else { return Ok(Flow::Stop) };
        let mark = journal.mark();
        let was_known = session.inbound.release(ack.packet_id);
        if was_known && session.is_durable() {
            let client_id = &session.client_id;
            journal.record(|| StoreOperation::DeleteInbound {
                client_id: Arc::clone(client_id),
                packet_id: ack.packet_id,
            });
        }
        let is_recovering = self.connection_mut(key).is_some_and(|connection| {
            connection.is_recovering &= !was_known;
            connection.is_recovering
        });
        let is_expected = was_known || is_recovering;
        let reason_code =
            if is_expected { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.answer(key, PacketType::Pubcomp, &Ack::new(ack.packet_id, reason_code), mark, now_ms);
        Ok(Flow::Next)
    }

    /// PUBCOMP: a QoS 2 delivery is over.
    pub(crate) fn handle_pubcomp(
        &mut self,
        key: ConnectionKey,
        ack: &Ack<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some((session_key, session, journal)) = self.conversation(key) else { return Ok(Flow::Stop) };
        if session.outbound.handle_pubcomp(ack.packet_id) {
            record_end(journal, session, 0, Some(ack.packet_id));
            self.pump(session_key, now_ms);
        }
        Ok(Flow::Next)
    }

    /// Answers the second half of a QoS 2 exchange, once what has been recorded since `mark` is stored.
    fn answer(&mut self, key: ConnectionKey, packet_type: PacketType, ack: &Ack<'_>, mark: u64, now_ms: u64) {
        let sequence = self.journal.sequence_since(mark);
        let reason = (ack.reason_code == ReasonCode::PacketIdentifierNotFound)
            .then_some("no QoS 2 message with this packet identifier is under way");
        self.acknowledge(key, sequence, AckEffect::None, now_ms, |to, out| {
            write_ack(packet_type, ack, reason, to, out);
        });
    }

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

    /// The store has made everything up to this sequence as safe as it promises: what waited for it leaves.
    pub fn stored(&mut self, sequence: u64, now_ms: u64) {
        self.journal.stored(sequence);
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
    }

    /// What an acknowledgement that has left means for the state.
    #[inline]
    fn acknowledged(&mut self, key: ConnectionKey, effect: AckEffect, now_ms: u64) {
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

/// Writes one of the four acknowledgements, with its Reason String where it has one that the client takes.
#[inline]
pub(crate) fn write_ack(
    packet_type: PacketType,
    ack: &Ack<'_>,
    reason: Option<&str>,
    to: Recipient,
    out: &mut Vec<u8>,
) {
    match to.reason_of_ack(reason) {
        // Without properties nothing is too long.
        None => drop(ack.encode(packet_type, to.version, out)),
        reason_string => {
            let forms = [Ack { reason_string, ..*ack }, *ack];
            to.write_fitting(out, forms, |ack, out| ack.encode(packet_type, to.version, out));
        }
    }
}
