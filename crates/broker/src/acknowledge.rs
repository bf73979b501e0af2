//! Acknowledgements that arrive, and what they are answered with. Each carries the packet identifier of what it belongs to
//! [MQTT-2.2.1-5]. None waits for the window of the other direction [MQTT-3.3.4-10, 4.9.0-3].

use topicwire_codec::{Ack, PacketType, ReasonCode};
use topicwire_session::{PubrecStep, Stage};

use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::connection::AckEffect;
use crate::deliver::{record_end, record_stage};
use crate::fault::Fault;
use crate::input::Flow;
use crate::journal::Journal;
use crate::recipient::Recipient;
use crate::session::Session;

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
            journal.delete_inbound(&session.client_id, ack.packet_id);
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
