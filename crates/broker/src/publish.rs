//! A PUBLISH from a client: alias, hooks, window, then on to `route.rs`; and its acknowledgement.

use std::sync::Arc;

use topicwire_codec::{Ack, PacketType, Publish, PublishProperties, QoS, ReasonCode};
use topicwire_session::{AliasError, InboundStep};
use topicwire_topics::TopicName;

use crate::acknowledge::write_ack;
use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::connect::is_reserved;
use crate::connection::AckEffect;
use crate::fan_out::Verbatim;
use crate::fault::Fault;
use crate::hook::{Refusal, Replacement, Subject, Verdict};
use crate::input::Flow;
use crate::message::Message;
use crate::route::{Outcome, Route};

impl Broker {
    /// `packet` is the whole PUBLISH as it came.
    #[inline]
    pub(crate) fn handle_publish(
        &mut self,
        key: ConnectionKey,
        publish: &Publish<'_>,
        packet: &[u8],
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        if (publish.packet_id.is_some() || publish.retain) && self.must_wait(key) {
            return Ok(self.stall(key));
        }
        let Some(connection) = self.connections.get_mut(key.index()) else { return Ok(Flow::Stop) };
        let Some(session_key) = connection.session else { return Ok(Flow::Stop) };
        if !publish.properties.is_empty() {
            check_properties(&publish.properties)?;
        }
        self.config.features.check_publish(publish)?;
        let resolved: Arc<str>;
        let topic_name = match publish.properties.topic_alias {
            None => publish.topic_name,
            Some(alias) if publish.topic_name.is_empty() => {
                resolved = connection.inbound_aliases.resolve(alias)?;
                &resolved
            }
            Some(alias) => {
                connection.inbound_aliases.set(alias, publish.topic_name)?;
                publish.topic_name
            }
        };
        if topic_name.is_empty() && connection.version.is_v5() {
            return Err(AliasError::NoTopicName.into());
        }
        let verdict = connection.held.take_verdict().or_else(|| self.answers.next_for(key)).map(Box::new);
        let mut route = self.take_route(key);
        self.refresh_route(&mut route, topic_name)?;
        if verdict.is_none() && (route.authorize || route.on_publish) && !route.is_reserved {
            if let Some(token) = self.answers.take_unanswered(key) {
                if let Some(connection) = self.connections.get_mut(key.index()) {
                    connection.held.ask(token);
                }
            } else if let Some(session) = self.sessions.get(session_key.index()) {
                let subject = Subject::Publish {
                    client_id: Arc::clone(&session.client_id),
                    is_will: false,
                    is_ahead: false,
                    authorize: route.authorize,
                    on_publish: route.on_publish,
                    topic_name: Arc::clone(&route.topic_name),
                    payload: publish.payload.into(),
                    qos: publish.qos,
                    retain: publish.retain,
                };
                self.ask(key, subject);
            }
            self.keep_route(key, route);
            return Ok(Flow::Hold);
        }
        let taken = self.take_publish(key, session_key, publish, packet, &route, verdict, now_ms);
        self.keep_route(key, route);
        taken
    }

    /// The PUBLISH is read, resolved and decided upon: window, routing, acknowledgement.
    #[expect(
        clippy::too_many_arguments,
        reason = "the second half of `handle_publish`, with what the first found"
    )]
    #[inline]
    fn take_publish(
        &mut self,
        key: ConnectionKey,
        session_key: SessionKey,
        publish: &Publish<'_>,
        packet: &[u8],
        route: &Route,
        verdict: Option<Box<Verdict>>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        self.metrics.publish_received += 1;
        self.metrics.publish_bytes_received += publish.payload.len() as u64;
        let mark = self.journal.mark();
        let out_bytes = if publish.packet_id.is_some() { self.out_bytes(key) } else { 0 };
        if let Some(packet_id) = publish.packet_id {
            let Some(session) = self.sessions.get_mut(session_key.index()) else { return Ok(Flow::Stop) };
            if session.inbound.handle_publish(publish.qos, packet_id)? == InboundStep::Duplicate {
                self.answer_publish(key, publish, 0, ReasonCode::Success, None, now_ms);
                return Ok(Flow::Next);
            }
            if self.trouble.is_some()
                && let Some(refusal) =
                    self.refusal_of_publish(Some(session_key), (publish.qos, publish.retain), route).cloned()
            {
                return Ok(self.refuse_unstored(key, (publish.qos, packet_id), &refusal, now_ms));
            }
            let Some(session) = self.sessions.get_mut(session_key.index()) else { return Ok(Flow::Stop) };
            if publish.qos == QoS::ExactlyOnce && session.is_durable() {
                self.journal.put_inbound(&session.client_id, packet_id);
            }
        }
        let decided = match verdict.map(|verdict| *verdict) {
            _ if route.is_reserved => Err(reserved_topic()),
            None | Some(Verdict::Allow | Verdict::Accept(_) | Verdict::Filters(_)) => {
                Ok(self.publish_packet(session_key, publish, packet, route, now_ms))
            }
            Some(Verdict::Deny(refusal)) => Err(refusal.for_packet(PacketType::Puback)),
            // Answers to an authentication.
            Some(Verdict::Continue { .. } | Verdict::Authenticated { .. }) => {
                Err(Refusal::from_code(ReasonCode::NotAuthorized))
            }
            Some(Verdict::Discard) => Ok(Outcome { matched: 1, is_over_quota: false }),
            Some(Verdict::Replace(replacement)) => {
                self.publish_replaced(session_key, publish, route, replacement, now_ms)
            }
        };
        let (reason_code, reason) = match decided {
            Ok(Outcome { is_over_quota: true, .. }) => {
                self.metrics.publish_refused += 1;
                let reason = "a subscriber's queue or the number of retained messages is at its limit";
                (ReasonCode::QuotaExceeded, Some(reason.into()))
            }
            Ok(Outcome { matched: 0, .. }) => (ReasonCode::NoMatchingSubscribers, None),
            Ok(_) => (ReasonCode::Success, None),
            Err(refusal) => {
                self.metrics.publish_refused += 1;
                (refusal.reason_code, refusal.reason)
            }
        };
        if publish.packet_id.is_some() {
            let sequence = self.journal.sequence_since(mark);
            let echo_bytes = self.out_bytes(key).saturating_sub(out_bytes);
            self.answer_publish(key, publish, sequence, reason_code, reason.as_deref(), now_ms);
            if echo_bytes > 0 {
                self.answer_before_echo(key, out_bytes, echo_bytes);
            }
        }
        Ok(Flow::Next)
    }

    #[inline]
    fn out_bytes(&self, key: ConnectionKey) -> usize {
        self.connections.get(key.index()).map_or(0, |connection| connection.out.len())
    }

    /// A client that has subscribed to what it publishes hears first that its message was taken, and then the message:
    /// the standard leaves the order open, and many clients expect this one.
    fn answer_before_echo(&mut self, key: ConnectionKey, out_bytes: usize, echo_bytes: usize) {
        if let Some(connection) = self.connections.get_mut(key.index()) {
            let answer_bytes = connection.out.len().saturating_sub(out_bytes + echo_bytes);
            connection.out.bring_forward(answer_bytes, echo_bytes);
        }
    }

    /// Routes the message of a packet without copying what nobody keeps. What is retained for the topic is only touched
    /// where RETAIN is set [MQTT-3.3.1-8].
    /// Asked for by v3.1.1 [MQTT-3.3.1-12].
    #[inline]
    fn publish_packet(
        &mut self,
        session_key: SessionKey,
        publish: &Publish<'_>,
        packet: &[u8],
        route: &Route,
        now_ms: u64,
    ) -> Outcome {
        let mut forwarded = Vec::new();
        if !publish.properties.is_empty() {
            forwarded = std::mem::take(&mut self.scratch.forwarded);
            forwarded.clear();
            // Properties that were decoded fit their own lengths.
            let _ = publish.properties.encode_forwarded(&mut forwarded);
        }
        let is_v5 = self.sessions.get(session_key.index()).is_some_and(|session| session.version.is_v5());
        let mut fan = self.fan_out(route, &forwarded, publish.payload);
        fan.qos = publish.qos;
        fan.retain = publish.retain;
        fan.expires_at_ms = expiry_time(publish.properties.message_expiry_interval_secs, now_ms);
        if publish.qos != QoS::AtMostOnce {
            fan.spare = self.scratch.messages.take();
        }
        if publish.properties.topic_alias.is_none() {
            fan.verbatim = Some(Verbatim::new(is_v5, packet, publish));
        }
        let mut is_over_quota = false;
        if publish.retain {
            let message = fan.share();
            is_over_quota = !self.retain(&message);
        }
        let mut outcome = self.route(Some(session_key), route, &mut fan, now_ms);
        outcome.is_over_quota |= is_over_quota;
        // Retained is taken, whether or not anybody has subscribed yet.
        outcome.matched += u32::from(publish.retain);
        self.finish_fan_out(fan);
        if forwarded.capacity() > 0 {
            self.scratch.forwarded = forwarded;
        }
        outcome
    }

    /// Publishes what an `onPublish` hook made of a message.
    fn publish_replaced(
        &mut self,
        session_key: SessionKey,
        publish: &Publish<'_>,
        route: &Route,
        replacement: Replacement,
        now_ms: u64,
    ) -> Result<Outcome, Refusal> {
        let mut forwarded = Vec::new();
        let _ = publish.properties.encode_forwarded(&mut forwarded);
        let topic_name: Arc<str> = match replacement.topic_name {
            Some(topic_name) => Arc::from(topic_name),
            None => Arc::clone(&route.topic_name),
        };
        if is_reserved(&topic_name) {
            return Err(reserved_topic());
        }
        let mut replaced = Route::default();
        self.refresh_route(&mut replaced, &topic_name)?;
        // What a hook asks for beyond what is switched on is lowered: its publisher is not to blame.
        let features = self.config.features;
        let message = Message::new(
            topic_name,
            &forwarded,
            replacement.payload.as_deref().unwrap_or(publish.payload),
            replacement.qos.unwrap_or(publish.qos).min(features.maximum_qos),
            replacement.retain.unwrap_or(publish.retain) && features.retain,
            expiry_time(publish.properties.message_expiry_interval_secs, now_ms),
        );
        let terms = (message.qos, message.retain);
        if let Some(refusal) = self.refusal_of_publish(Some(session_key), terms, &replaced) {
            return Err(refusal.clone());
        }
        Ok(self.publish_message(Some(session_key), &Arc::new(message), now_ms))
    }

    /// PUBACK or PUBREC, as the QoS asks [MQTT-3.3.4-1, 4.3.2-4, 4.3.3-8]. 3.x has no way to say no: the codec writes what it has.
    /// Asked for by v3.1.1 [MQTT-2.3.1-6], v3.1.1 [MQTT-3.3.4-1], v3.1.1 [MQTT-3.3.5-2].
    fn answer_publish(
        &mut self,
        key: ConnectionKey,
        publish: &Publish<'_>,
        sequence: u64,
        reason_code: ReasonCode,
        reason: Option<&str>,
        now_ms: u64,
    ) {
        let Some(packet_id) = publish.packet_id else { return };
        let (packet_type, effect) = match publish.qos {
            QoS::ExactlyOnce => (PacketType::Pubrec, AckEffect::None),
            _ => (PacketType::Puback, AckEffect::Puback),
        };
        if packet_type == PacketType::Pubrec && reason_code.is_error() {
            self.release_refused(key, packet_id);
        }
        let ack = Ack::new(packet_id, reason_code);
        self.acknowledge(key, sequence, effect, now_ms, |to, out| {
            write_ack(packet_type, &ack, reason, to, out);
        });
    }

    /// A PUBREC with an error ends the exchange: the identifier is free for a 5.0 client [MQTT-4.3.3-9]. A 3.x client
    /// has not heard of the error and goes on with PUBREL.
    pub(crate) fn release_refused(&mut self, key: ConnectionKey, packet_id: topicwire_codec::PacketId) {
        let Some(connection) = self.connections.get(key.index()) else { return };
        if !connection.version.is_v5() {
            return;
        }
        let Some(session) = connection.session.and_then(|key| self.sessions.get_mut(key.index())) else {
            return;
        };
        session.inbound.release(packet_id);
        if session.is_durable() {
            self.journal.delete_inbound(&session.client_id, packet_id);
        }
    }
}

/// Only the broker publishes there.
fn reserved_topic() -> Refusal {
    Refusal::new(ReasonCode::NotAuthorized, "clients do not publish to $SYS")
}

/// What a client must not say in a PUBLISH, and what it must say well.
pub(crate) fn check_properties(properties: &PublishProperties<'_>) -> Result<(), Fault> {
    if !properties.subscription_ids.is_empty() {
        return Err(Fault::protocol_error("a client's PUBLISH carries a subscription identifier"));
    }
    check_response_topic(properties)
}

/// A Response Topic is a Topic Name: no wildcards [MQTT-3.3.2-14].
#[inline]
pub(crate) fn check_response_topic(properties: &PublishProperties<'_>) -> Result<(), Fault> {
    if let Some(response_topic) = properties.response_topic {
        TopicName::new(response_topic)?;
    }
    Ok(())
}

/// When a message with this Message Expiry Interval expires.
pub(crate) fn expiry_time(interval_secs: Option<u32>, now_ms: u64) -> u64 {
    interval_secs.map_or(u64::MAX, |secs| now_ms.saturating_add(u64::from(secs) * 1000))
}
