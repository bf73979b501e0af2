//! The server's answers to what was published: PUBACK, PUBREC, PUBCOMP; and the application's to what was received.

use std::collections::VecDeque;

use topicwire_codec::{Ack, PacketId, PacketType, QoS, ReasonCode};

use super::Client;
use super::event::{DeliveryKey, Event};
use super::fault::Fault;
use super::link::PendingAck;
use super::misuse::Misuse;
use super::span::Span;
use crate::outbound::{PubrecStep, Stage};

impl Client {
    /// PUBACK: a QoS 1 message is the server's, or is refused; either way it is not sent again [MQTT-4.4.0-2].
    pub(super) fn handle_puback(&mut self, ack: &Ack<'_>, packet: Span, now_ms: u64) -> Result<(), Fault> {
        let Some(stored) = self.session.outbound.handle_puback(ack.packet_id) else {
            return Err(Fault::protocol_error("PUBACK for no QoS 1 message that is under way"));
        };
        self.record_end(stored.ticket, Some(ack.packet_id));
        self.events.push_back(Event::Published {
            ticket: stored.ticket,
            reason_code: ack.reason_code,
            packet,
        });
        self.pump(now_ms);
        Ok(())
    }

    /// PUBREC: PUBREL follows, at once and so in the order of the PUBRECs [MQTT-4.6.0-4], v3.1.1 [MQTT-4.6.0-4], unless it
    /// refuses [MQTT-4.3.3-4].
    pub(super) fn handle_pubrec(&mut self, ack: &Ack<'_>, packet: Span, now_ms: u64) -> Result<(), Fault> {
        let packet_id = ack.packet_id;
        let reason_code = match self.session.outbound.handle_pubrec(packet_id, ack.reason_code.is_error()) {
            PubrecStep::Refused(stored) => {
                let (ticket, reason_code) = (stored.ticket, ack.reason_code);
                self.record_end(ticket, Some(packet_id));
                self.events.push_back(Event::Published { ticket, reason_code, packet });
                self.pump(now_ms);
                return Ok(());
            }
            PubrecStep::SendPubrel(stored) => {
                if let Some(stored) = stored {
                    self.session.released.insert(packet_id, (stored.ticket, ack.reason_code));
                    if let Some(journal) = &mut self.journal {
                        journal.put_exchange(packet_id, stored.ticket.0, Stage::AwaitPubcomp);
                    }
                }
                ReasonCode::Success
            }
            // An error needs no PUBREL.
            PubrecStep::Unknown if ack.reason_code.is_error() => return Ok(()),
            PubrecStep::Unknown => ReasonCode::PacketIdentifierNotFound,
        };
        self.write_ack_when_stored(PacketType::Pubrel, packet_id, reason_code)
    }

    /// PUBCOMP: a QoS 2 message has arrived exactly once. One for an exchange that is over answers a PUBREL that was
    /// sent twice, or sent for want of an exchange.
    pub(super) fn handle_pubcomp(&mut self, ack: &Ack<'_>, packet: Span, now_ms: u64) -> Result<(), Fault> {
        if self.session.outbound.handle_pubcomp(ack.packet_id) {
            if let Some((ticket, reason_code)) = self.session.released.remove(&ack.packet_id) {
                self.record_end(ticket, Some(ack.packet_id));
                self.events.push_back(Event::Published { ticket, reason_code, packet });
            }
            self.pump(now_ms);
        }
        Ok(())
    }

    /// The application has taken a message, or refuses it (0x80 and above, 5.0 only). PUBACKs leave in the order of the
    /// messages [MQTT-4.6.0-2], v3.1.1 [MQTT-4.6.0-2], and so do PUBRECs [MQTT-4.6.0-3], v3.1.1 [MQTT-4.6.0-3]: an early
    /// answer waits for those before it.
    ///
    /// The answer to a QoS 1 message of an earlier connection comes too late: the server sends the message again.
    ///
    /// # Errors
    /// [`Misuse::UnknownDelivery`], [`Misuse::ReasonCodeNotAllowed`], [`Misuse::NeedsV5`].
    pub fn acknowledge(
        &mut self,
        delivery: DeliveryKey,
        reason_code: ReasonCode,
        now_ms: u64,
    ) -> Result<(), Misuse> {
        // PUBACK and PUBREC have the same codes.
        if !reason_code.is_valid_for(PacketType::Puback) {
            let packet_type = PacketType::Puback;
            return Err(Misuse::ReasonCodeNotAllowed { packet_type, reason_code });
        }
        if reason_code.is_error() && !self.link.version.is_v5() {
            return Err(Misuse::NeedsV5 { what: "refusing a message" });
        }
        let is_live = self.link.is_live();
        let is_known = if delivery.is_qos_2() {
            let waiting = delivery.packet_id().and_then(|id| self.session.undecided.get_mut(&id));
            let waiting = waiting.filter(|(key, decision)| *key == delivery && decision.is_none());
            if let Some((_, decision)) = waiting {
                *decision = Some(reason_code);
                decide(&mut self.link.pubrecs, delivery, reason_code);
                true
            } else {
                false
            }
        } else {
            is_live && decide(&mut self.link.pubacks, delivery, reason_code)
        };
        if !is_known {
            return Err(Misuse::UnknownDelivery);
        }
        if is_live {
            self.settle(Self::write_pending_acks, now_ms);
        }
        Ok(())
    }

    /// Sends what has been decided, up to the first that has not.
    pub(super) fn write_pending_acks(&mut self) -> Result<(), Fault> {
        while let Some(PendingAck { packet_id, reason_code: Some(reason_code), .. }) =
            self.link.pubacks.front().copied()
        {
            self.link.pubacks.pop_front();
            self.answer_publish(QoS::AtLeastOnce, packet_id, reason_code)?;
        }
        while let Some(PendingAck { packet_id, reason_code: Some(reason_code), .. }) =
            self.link.pubrecs.front().copied()
        {
            self.link.pubrecs.pop_front();
            self.session.undecided.remove(&packet_id);
            self.answer_publish(QoS::ExactlyOnce, packet_id, reason_code)?;
        }
        Ok(())
    }

    /// PUBACK or PUBREC, with the identifier that came [MQTT-4.3.2-4], [MQTT-4.3.3-8], v3.1.1 [MQTT-2.3.1-6],
    /// v3.1.1 [MQTT-4.3.2-2], v3.1.1 [MQTT-4.3.3-2].
    pub(super) fn answer_publish(
        &mut self,
        qos: QoS,
        packet_id: PacketId,
        reason_code: ReasonCode,
    ) -> Result<(), Fault> {
        if qos == QoS::AtLeastOnce {
            self.session.inbound.acknowledged();
            return self.write_ack(PacketType::Puback, packet_id, reason_code);
        }
        if reason_code.is_error() {
            // The exchange is over, and the identifier may come with a new message [MQTT-4.3.3-9].
            self.session.inbound.release(packet_id);
        } else if let Some(journal) = &mut self.journal {
            journal.put_inbound(packet_id);
        }
        self.write_ack_when_stored(PacketType::Pubrec, packet_id, reason_code)
    }
}

fn decide(pending: &mut VecDeque<PendingAck>, key: DeliveryKey, reason_code: ReasonCode) -> bool {
    let waiting = pending.iter_mut().find(|pending| pending.key == key && pending.reason_code.is_none());
    waiting.map(|pending| pending.reason_code = Some(reason_code)).is_some()
}
