//! Messages that come in: alias, window, QoS step, and the packets that belong to their exchanges.

use topicwire_codec::{Ack, Frame, PacketType, Publish, QoS, ReasonCode};
use topicwire_topics::TopicName;

use super::Client;
use super::connect::check_response_topic;
use super::event::{Event, Received};
use super::fault::Fault;
use super::link::PendingAck;
use super::span::Span;
use crate::alias::AliasError;
use crate::inbound::InboundStep;

impl Client {
    /// PUBLISH: acknowledged as its QoS asks, whatever becomes of the message [MQTT-4.5.0-2], v3.1.1 [MQTT-4.5.0-2], and
    /// under every alias that CONNECT allowed [MQTT-3.3.2-10]. With QoS 0 nothing is allocated beyond the event's place in
    /// its queue.
    #[inline]
    pub(super) fn handle_publish(
        &mut self,
        frame: &Frame<'_>,
        publish: &Publish<'_>,
        packet: Span,
    ) -> Result<(), Fault> {
        let alias_of = match publish.properties.topic_alias {
            None if publish.topic_name.is_empty() => return Err(AliasError::NoTopicName.into()),
            Some(alias) if publish.topic_name.is_empty() => Some(self.link.inbound_aliases.resolve(alias)?),
            alias => {
                TopicName::new(publish.topic_name)?;
                if let Some(alias) = alias {
                    self.link.inbound_aliases.set(alias, publish.topic_name)?;
                }
                None
            }
        };
        check_response_topic(&publish.properties)?;
        // Its length comes before it, right behind the fixed header.
        let topic_at = frame.length - frame.body.len() + size_of::<u16>();
        let mut received = Received {
            qos: publish.qos,
            dup: publish.dup,
            retain: publish.retain,
            delivery: None,
            topic_name: packet.part(topic_at, publish.topic_name.len()),
            alias_of,
            payload: packet.part(frame.length - publish.payload.len(), publish.payload.len()),
            packet,
        };
        let Some(packet_id) = publish.packet_id else {
            self.events.push_back(Event::Message(received));
            return Ok(());
        };
        let step = self.session.inbound.handle_publish(publish.qos, packet_id)?;
        if !self.config.acknowledges_manually {
            if step == InboundStep::Deliver {
                self.events.push_back(Event::Message(received));
            }
            return self.answer_publish(publish.qos, packet_id, ReasonCode::Success);
        }
        let pending = if step == InboundStep::Deliver {
            let key = self.next_delivery(publish.qos, packet_id);
            received.delivery = Some(key);
            self.events.push_back(Event::Message(received));
            if publish.qos == QoS::ExactlyOnce {
                self.session.undecided.insert(packet_id, (key, None));
            }
            PendingAck { key, packet_id, reason_code: None }
        } else {
            // It was passed on before: its PUBREC has been sent, or is the application's to decide.
            let decision = self.session.undecided.get(&packet_id).copied();
            let (key, reason_code) = decision
                .unwrap_or_else(|| (self.next_delivery(publish.qos, packet_id), Some(ReasonCode::Success)));
            PendingAck { key, packet_id, reason_code }
        };
        let queue = match publish.qos {
            QoS::ExactlyOnce => &mut self.link.pubrecs,
            _ => &mut self.link.pubacks,
        };
        // One that waits answers its repetition too.
        if !(step == InboundStep::Duplicate && queue.iter().any(|waiting| waiting.packet_id == packet_id)) {
            queue.push_back(pending);
        }
        self.write_pending_acks()
    }

    /// PUBREL: the server has let go of a QoS 2 message; its identifier is free [MQTT-4.3.3-11], [MQTT-4.3.3-12].
    pub(super) fn handle_pubrel(&mut self, ack: &Ack<'_>) -> Result<(), Fault> {
        if self.session.undecided.contains_key(&ack.packet_id) {
            return Err(Fault::protocol_error("PUBREL before PUBREC"));
        }
        let was_known = self.session.inbound.release(ack.packet_id);
        if was_known && let Some(journal) = &mut self.journal {
            journal.delete_inbound(ack.packet_id);
        }
        // Where the PUBCOMP was lost with the last connection, PUBREL comes again, before any that is known.
        self.link.is_recovering &= !was_known;
        let is_expected = was_known || self.link.is_recovering;
        let reason_code =
            if is_expected { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.write_ack_when_stored(PacketType::Pubcomp, ack.packet_id, reason_code)
    }
}
