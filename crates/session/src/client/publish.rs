//! Messages on their way out: checked, queued, written, written again.

use std::sync::Arc;

use topicwire_codec::{PacketId, PacketType, PropertyId, PublishProperties, QoS, ReasonCode, fanout};
use topicwire_topics::TopicName;

use super::Client;
use super::connect::check_response_topic;
use super::event::{Abandonment, Event, Ticket};
use super::link::Phase;
use super::misuse::Misuse;
use super::stored::{Head, Stored, expiry_time};
use crate::alias::AliasUse;
use crate::outbound::{Queued, Resend};

/// What the application publishes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// Where to [MQTT-3.3.2-2].
    pub topic_name: &'a str,
    /// The message itself, which may be empty.
    pub payload: &'a [u8],
    /// How often it may arrive.
    pub qos: QoS,
    /// The server is to keep it.
    pub retain: bool,
    /// Left out before 5.0. Topic aliases are set without being asked, and Subscription Identifiers are not a client's
    /// to send [MQTT-3.3.4-6]: neither may be given.
    pub properties: PublishProperties<'a>,
}

impl Client {
    /// Publishes a message.
    ///
    /// QoS 0 is written at once, and is done with that: there is no ticket. QoS 1 and 2 are sent as soon as the server's
    /// Receive Maximum has room [MQTT-3.3.4-7], wait in the queue until then, also while there is no connection, and end
    /// with [`Event::Published`] or [`Event::Abandoned`]. One copy is made of topic and payload.
    ///
    /// # Errors
    /// A name that is not well formed; what the server has said that it does not take [MQTT-3.2.2-11], [MQTT-3.2.2-14],
    /// [MQTT-3.2.2-15]; [`Misuse::NotConnected`] and [`Misuse::OutBufferFull`] with QoS 0, [`Misuse::QueueFull`] with
    /// QoS 1 and 2.
    pub fn publish(&mut self, message: &Message<'_>, now_ms: u64) -> Result<Option<Ticket>, Misuse> {
        check_message(message)?;
        let mut forwarded = std::mem::take(&mut self.scratch);
        forwarded.clear();
        let outcome = match message.properties.encode_forwarded(&mut forwarded) {
            Ok(()) => self.publish_parts(message, &forwarded, now_ms),
            Err(error) => Err(error.into()),
        };
        self.scratch = forwarded;
        outcome
    }

    fn publish_parts(
        &mut self,
        message: &Message<'_>,
        forwarded: &[u8],
        now_ms: u64,
    ) -> Result<Option<Ticket>, Misuse> {
        let parts = fanout::Message { topic_name: message.topic_name, forwarded, payload: message.payload };
        let expiry_secs = message.properties.message_expiry_interval_secs;
        let mut head = Head {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            packet_id: None,
            message_expiry_interval_secs: expiry_secs,
        };
        if message.qos == QoS::AtMostOnce {
            if !self.link.can_send() {
                return Err(Misuse::NotConnected);
            }
            if !self.has_out_room() {
                return Err(Misuse::OutBufferFull);
            }
            self.write_publish(&parts, &head)?;
            return Ok(None);
        }
        if self.link.can_send() {
            // Any will do to find the length.
            head.packet_id = Some(PacketId::MAX);
            self.check_sendable(&parts, &head)?;
        }
        let ticket = self.next_ticket();
        let stored = Arc::new(Stored::new(ticket, &parts, message.retain, expiry_time(expiry_secs, now_ms)));
        let is_next = self.link.can_send() && self.session.outbound.is_clear() && self.has_out_room();
        if is_next && let Ok(packet_id) = self.session.outbound.begin(message.qos, Arc::clone(&stored)) {
            head.packet_id = Some(packet_id);
            self.record_message(message.qos, &stored);
            self.record_exchange(packet_id, message.qos, ticket);
            if !self.holds_publish(&stored, message.qos, packet_id, false)
                && let Err(misuse) = self.write_publish(&parts, &head)
            {
                self.session.outbound.abandon(packet_id);
                self.record_end(ticket, Some(packet_id));
                return Err(misuse);
            }
        } else {
            let queued = Queued { qos: message.qos, bytes: stored.bytes(), message: Arc::clone(&stored) };
            if self.config.drops_oldest {
                self.make_room(queued.bytes);
            }
            self.session.outbound.enqueue(queued, &self.config.queue)?;
            self.record_message(message.qos, &stored);
        }
        Ok(Some(ticket))
    }

    /// Takes a message back that waits in the queue: it is not sent, and nothing more is told of its ticket. False, and
    /// nothing done, for one that has been sent, which may arrive and is repeated on later connections.
    pub fn withdraw(&mut self, ticket: Ticket) -> bool {
        // Tickets are given out in the order of the queue, and what is taken back into it was sent before the rest.
        let withdrawn = self.session.outbound.withdraw(|queued| queued.message.ticket.cmp(&ticket));
        if withdrawn.is_some() {
            self.record_end(ticket, None);
        }
        withdrawn.is_some()
    }

    fn make_room(&mut self, bytes: usize) {
        while !self.session.outbound.has_room(bytes, &self.config.queue)
            && let Some(oldest) = self.session.outbound.drop_oldest()
        {
            let cause = Abandonment::Dropped;
            self.record_end(oldest.message.ticket, None);
            self.events.push_back(Event::Abandoned { ticket: oldest.message.ticket, cause });
        }
    }

    /// Sends again what a resumed Session has open, in the order of the first time [MQTT-4.4.0-1],
    /// v3.1.1 [MQTT-4.4.0-1], [MQTT-4.6.0-1], v3.1.1 [MQTT-4.6.0-1], and then what waits, as far as the server's window
    /// and the transport allow. Nothing else waits for the window [MQTT-3.3.4-8].
    pub(super) fn pump(&mut self, now_ms: u64) {
        self.release_held(now_ms);
        while self.link.phase == Phase::Open && self.has_out_room() {
            if let Some(resend) = self.session.outbound.poll_resend() {
                self.resend(resend, now_ms);
            } else if let Some((packet_id, queued)) = self.session.outbound.poll_send() {
                let stored = &queued.message;
                self.record_exchange(packet_id, queued.qos, stored.ticket);
                if stored.is_expired(now_ms) {
                    self.abandon(packet_id, Abandonment::Expired);
                } else if !self.holds_publish(stored, queued.qos, packet_id, false) {
                    self.send_stored(stored, queued.qos, packet_id, false, now_ms);
                }
            } else {
                return;
            }
        }
    }

    fn resend(&mut self, resend: Resend<Arc<Stored>>, now_ms: u64) {
        match resend {
            Resend::Publish { packet_id, qos, message } => {
                if !self.holds_publish(&message, qos, packet_id, true) {
                    self.send_stored(&message, qos, packet_id, true, now_ms);
                }
            }
            Resend::Pubrel { packet_id } => {
                // Four bytes: a server that takes less than that is told nothing about its exchanges.
                let _ = self.write_ack_when_stored(PacketType::Pubrel, packet_id, ReasonCode::Success);
            }
        }
    }

    pub(super) fn send_stored(
        &mut self,
        stored: &Stored,
        qos: QoS,
        packet_id: PacketId,
        dup: bool,
        now_ms: u64,
    ) {
        let head = Head {
            dup,
            qos,
            retain: stored.retain,
            packet_id: Some(packet_id),
            message_expiry_interval_secs: stored.remaining_secs(now_ms),
        };
        if let Err(misuse) = self.write_publish(&stored.parts(), &head) {
            self.abandon(packet_id, Abandonment::Unsendable(misuse));
        }
    }

    /// What the server has said that it does not take is not sent.
    fn check_sendable(&self, parts: &fanout::Message<'_>, head: &Head) -> Result<(), Misuse> {
        let server = &self.link.server;
        if head.qos > server.maximum_qos {
            return Err(Misuse::QoSNotSupported { maximum: server.maximum_qos });
        }
        if head.retain && !server.retain_available {
            return Err(Misuse::RetainNotSupported);
        }
        let length = fanout::encoded_publish_len(self.link.version, parts, &delivery(head));
        let maximum = server.maximum_packet_size;
        if length > maximum as usize {
            return Err(Misuse::PacketTooLarge { length, maximum });
        }
        Ok(())
    }

    fn write_publish(&mut self, parts: &fanout::Message<'_>, head: &Head) -> Result<(), Misuse> {
        /// What a topic alias adds to a packet that also has its name, with a longer Property Length.
        const ALIAS_BYTES: usize = 3 + 3;
        self.check_sendable(parts, head)?;
        let mut delivery = delivery(head);
        let link = &mut self.link;
        let length = fanout::encoded_publish_len(link.version, parts, &delivery);
        if length + ALIAS_BYTES <= link.server.maximum_packet_size as usize {
            match link.outbound_aliases.next_use_of(parts.topic_name) {
                AliasUse::Name => {}
                AliasUse::Set(alias) => delivery.topic_alias = Some(alias),
                AliasUse::Alias(alias) => {
                    delivery.topic_alias = Some(alias);
                    delivery.omit_topic_name = true;
                }
            }
        }
        fanout::encode_publish(link.version, parts, &delivery, &mut self.out.bytes)?;
        Ok(())
    }
}

fn delivery(head: &Head) -> fanout::Delivery<'static> {
    fanout::Delivery {
        dup: head.dup,
        qos: head.qos,
        retain: head.retain,
        packet_id: head.packet_id,
        message_expiry_interval_secs: head.message_expiry_interval_secs,
        ..fanout::Delivery::default()
    }
}

fn check_message(message: &Message<'_>) -> Result<(), Misuse> {
    TopicName::new(message.topic_name)?;
    check_response_topic(&message.properties)?;
    let given = if message.properties.topic_alias.is_some() {
        Some(PropertyId::TopicAlias)
    } else if !message.properties.subscription_ids.is_empty() {
        Some(PropertyId::SubscriptionIdentifier)
    } else {
        None
    };
    given.map_or(Ok(()), |property| Err(Misuse::PropertyNotAllowed { property }))
}
