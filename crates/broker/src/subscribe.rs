//! SUBSCRIBE and UNSUBSCRIBE, and the retained messages that follow a subscription.
//!
//! Each is answered [MQTT-3.8.4-1, 3.10.4-4] with its own packet identifier [MQTT-2.2.1-6, 3.8.4-2, 3.10.4-5]. Their
//! filters are handled one by one as if each had come alone [MQTT-3.8.4-5, 3.10.4-6], and the answer has a Reason Code
//! for each of them [MQTT-3.8.4-6].

use std::borrow::Cow;
use std::sync::Arc;

use topicwire_codec::{
    PacketType, QoS, ReasonCode, RetainHandling, Suback, Subscribe, SubscribeFilter, Unsuback, Unsubscribe,
};
use topicwire_topics::SubscriptionFilter;

use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::config::HookFilters;
use crate::connection::AckEffect;
use crate::end::{Ending, Farewell};
use crate::event::Event;
use crate::fault::Fault;
use crate::features::Features;
use crate::hook::{Refusal, Subject, Verdict};
use crate::input::Flow;
use crate::recipient::Recipient;
use crate::session::SubscriptionOptions;
use crate::store::StoreOperation;

impl Broker {
    /// SUBSCRIBE: each filter by itself, and one SUBACK for all of them.
    /// Asked for by v3.1.1 [MQTT-2.3.1-7], v3.1.1 [MQTT-3.8.4-1], v3.1.1 [MQTT-3.8.4-2],
    /// v3.1.1 [MQTT-3.8.4-4], v3.1.1 [MQTT-3.8.4-5].
    pub(crate) fn handle_subscribe(
        &mut self,
        key: ConnectionKey,
        subscribe: &Subscribe<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some(connection) = self.connections.get_mut(key.index()) else { return Ok(Flow::Stop) };
        let Some(session_key) = connection.session else { return Ok(Flow::Stop) };
        if self.must_wait(key) {
            return Ok(self.stall(key));
        }
        let Some(connection) = self.connections.get_mut(key.index()) else { return Ok(Flow::Stop) };
        let recipient = connection.recipient();
        let mut reason_codes = vec![ReasonCode::UnspecifiedError; subscribe.filters.len()];
        let answer_len = Suback::new(subscribe.packet_id, &reason_codes).encoded_len(recipient.version);
        check_answer_fits(answer_len, recipient)?;
        // Nobody else has been told in CONNACK what is switched off.
        let announced = (recipient.version.is_v5() && connection.is_mqtt()).then_some(self.config.features);
        check_subscribe(subscribe, announced)?;
        let verdict = connection.held.take_verdict();
        if verdict.is_none() && self.ask_about_subscribe(key, session_key, subscribe) {
            return Ok(Flow::Hold);
        }
        let mark = self.journal.mark();
        let mut first_refusal = None;
        let mut granted = Vec::new();
        for (place, (asked, answer)) in subscribe.filters.iter().zip(&mut reason_codes).enumerate() {
            let refused = match &verdict {
                Some(Verdict::Deny(refusal)) => Some(refusal.clone()),
                // Answers to an authentication.
                Some(Verdict::Continue { .. } | Verdict::Authenticated { .. }) => {
                    Some(Refusal::from_code(ReasonCode::NotAuthorized))
                }
                Some(Verdict::Filters(answers)) => {
                    answers.get(place).cloned().unwrap_or(Some(Refusal::from_code(ReasonCode::NotAuthorized)))
                }
                _ => None,
            };
            let outcome = match refused {
                Some(refusal) => Err(refusal.for_packet(PacketType::Suback)),
                None => self.subscribe_one(session_key, &asked, subscribe.subscription_id, &mut granted),
            };
            *answer = outcome.unwrap_or_else(|refusal| {
                let reason_code = refusal.reason_code;
                first_refusal.get_or_insert((place, refusal));
                reason_code
            });
        }
        let suback = Suback::new(subscribe.packet_id, &reason_codes);
        let reason = reason_of_first(first_refusal.as_ref(), reason_codes.len());
        let sequence = self.journal.sequence_since(mark);
        self.acknowledge(key, sequence, AckEffect::None, now_ms, |to, out| {
            let reason_string = to.reason_of_ack(reason.as_deref());
            let forms = [Suback { reason_string, ..suback }, suback];
            to.write_fitting(out, forms, |suback, out| suback.encode(to.version, out));
        });
        self.end_refused_topic_url(key, first_refusal.as_ref().map(|(_, refusal)| refusal), now_ms);
        for (asked, options) in granted {
            if let Ok(filter) = SubscriptionFilter::parse(asked) {
                self.owe_retained(session_key, filter.topic_filter, options);
            }
        }
        self.pump(session_key, now_ms);
        Ok(Flow::Next)
    }

    /// Makes or replaces one subscription [MQTT-3.8.4-3].
    ///
    /// # Errors
    /// What SUBACK says of a filter that is refused.
    /// Asked for by v3.1.1 [MQTT-3.8.4-3].
    fn subscribe_one<'a>(
        &mut self,
        session_key: SessionKey,
        asked: &SubscribeFilter<'a>,
        subscription_id: Option<u32>,
        granted: &mut Vec<(&'a str, SubscriptionOptions)>,
    ) -> Result<ReasonCode, Refusal> {
        let (limits, features) = (&self.config.limits, self.config.features);
        let filter = parse_filter(asked.topic_filter)?;
        if filter.topic_filter.level_count() > limits.maximum_topic_levels as usize {
            let reason = "more than maximumTopicLevels levels";
            return Err(Refusal::new(ReasonCode::TopicFilterInvalid, reason));
        }
        features.check_subscription(filter, subscription_id.is_some())?;
        let Some(session) = self.sessions.get_mut(session_key.index()) else {
            return Err(Refusal::from_code(ReasonCode::UnspecifiedError));
        };
        if session.is_durable()
            && let Some(trouble) = &self.trouble
        {
            return Err(trouble.clone().for_packet(PacketType::Suback));
        }
        let is_new = !session.subscriptions.contains_key(asked.topic_filter);
        if is_new && session.subscriptions.len() >= limits.maximum_subscriptions_per_session as usize {
            let reason = "maximumSubscriptionsPerSession is reached";
            return Err(Refusal::new(ReasonCode::QuotaExceeded, reason));
        }
        let options = SubscriptionOptions {
            subscription_id: subscription_id.unwrap_or(0),
            // Any QoS may be asked for; not all are granted [MQTT-3.2.2-10].
            qos: asked.options.qos.min(features.maximum_qos),
            no_local: asked.options.no_local,
            retain_as_published: asked.options.retain_as_published,
        };
        session.subscriptions.insert(asked.topic_filter.into(), options);
        if session.is_durable() {
            let client_id = &session.client_id;
            self.journal.record(|| StoreOperation::PutSubscription {
                client_id: Arc::clone(client_id),
                topic_filter: asked.topic_filter.into(),
                options,
            });
        }
        self.events.push_back(Event::Subscribed {
            client_id: Arc::clone(&session.client_id),
            topic_filter: asked.topic_filter.into(),
            qos: options.qos,
        });
        match filter.share_name {
            Some(share_name) => {
                self.subscriptions.insert_shared(share_name, filter.topic_filter, session_key, options);
            }
            None => {
                self.subscriptions.insert(filter.topic_filter, session_key, options);
            }
        }
        // Retained messages are sent to the first subscription of a shared one no more than to the later ones.
        let is_owed = filter.share_name.is_none()
            // [MQTT-3.3.1-9, 3.3.1-10, 3.3.1-11], for an old subscription also [MQTT-3.8.4-4].
            && match asked.options.retain_handling {
                RetainHandling::SendAtSubscribe => true,
                RetainHandling::SendIfNew => is_new,
                RetainHandling::DoNotSend => false,
            };
        if is_owed {
            granted.push((asked.topic_filter, options));
        }
        Ok(granted_code(options.qos))
    }

    fn ask_about_subscribe(
        &mut self,
        key: ConnectionKey,
        session_key: SessionKey,
        subscribe: &Subscribe<'_>,
    ) -> bool {
        let filters = &self.hooks.authorize_subscribe;
        let concerns_hook = |asked: SubscribeFilter<'_>| {
            SubscriptionFilter::parse(asked.topic_filter)
                .is_ok_and(|filter| HookFilters::any_overlaps(filters, filter.topic_filter))
        };
        if filters.is_empty() || !subscribe.filters.iter().any(concerns_hook) {
            return false;
        }
        let client_id = self.sessions.get(session_key.index()).map(|session| Box::from(&*session.client_id));
        let asked =
            subscribe.filters.iter().map(|asked| (asked.topic_filter.into(), asked.options.qos)).collect();
        self.ask(key, Subject::Subscribe { client_id: client_id.unwrap_or_default(), filters: asked });
        true
    }

    /// UNSUBSCRIBE: each filter by itself, and one UNSUBACK for all of them, whatever was there.
    /// Asked for by v3.1.1 [MQTT-3.10.4-4], v3.1.1 [MQTT-3.10.4-5], v3.1.1 [MQTT-3.10.4-6].
    pub(crate) fn handle_unsubscribe(
        &mut self,
        key: ConnectionKey,
        unsubscribe: &Unsubscribe<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some(connection) = self.connections.get(key.index()) else { return Ok(Flow::Stop) };
        let Some(session_key) = connection.session else { return Ok(Flow::Stop) };
        if self.must_wait(key) {
            return Ok(self.stall(key));
        }
        if !connection.version.is_v5()
            && let Some(trouble) = self.refusal_of_session(self.is_durable(session_key))
        {
            // UNSUBACK cannot say no before 5.0.
            self.end_connection(key, Ending::ByServer(Farewell::of(&trouble)), now_ms);
            return Ok(Flow::Stop);
        }
        let recipient = connection.recipient();
        let mut reason_codes = vec![ReasonCode::UnspecifiedError; unsubscribe.topic_filters.len()];
        let answer_len = Unsuback::new(unsubscribe.packet_id, &reason_codes).encoded_len(recipient.version);
        check_answer_fits(answer_len, recipient)?;
        let mark = self.journal.mark();
        let mut first_refusal = None;
        for (place, (topic_filter, answer)) in
            unsubscribe.topic_filters.iter().zip(&mut reason_codes).enumerate()
        {
            *answer = self.unsubscribe_one(session_key, topic_filter).unwrap_or_else(|refusal| {
                let reason_code = refusal.reason_code;
                first_refusal.get_or_insert((place, refusal));
                reason_code
            });
        }
        let unsuback = Unsuback::new(unsubscribe.packet_id, &reason_codes);
        let reason = reason_of_first(first_refusal.as_ref(), reason_codes.len());
        let sequence = self.journal.sequence_since(mark);
        self.acknowledge(key, sequence, AckEffect::None, now_ms, |to, out| {
            let reason_string = to.reason_of_ack(reason.as_deref());
            let forms = [Unsuback { reason_string, ..unsuback }, unsuback];
            to.write_fitting(out, forms, |unsuback, out| unsuback.encode(to.version, out));
        });
        Ok(Flow::Next)
    }

    /// Removes the subscription with exactly this filter [MQTT-3.10.4-1]; messages already queued for it are still
    /// delivered [MQTT-3.10.4-2, 3.10.4-3].
    /// Asked for by v3.1.1 [MQTT-3.10.4-1], v3.1.1 [MQTT-3.10.4-2], v3.1.1 [MQTT-3.10.4-3].
    fn unsubscribe_one(
        &mut self,
        session_key: SessionKey,
        topic_filter: &str,
    ) -> Result<ReasonCode, Refusal> {
        let Some(session) = self.sessions.get_mut(session_key.index()) else {
            return Err(Refusal::from_code(ReasonCode::UnspecifiedError));
        };
        let filter = parse_filter(topic_filter)?;
        if session.is_durable()
            && let Some(trouble) = &self.trouble
        {
            // Quota exceeded is not among what UNSUBACK can say.
            let reason_code = ReasonCode::ImplementationSpecificError;
            return Err(Refusal { reason_code, ..trouble.clone() });
        }
        if session.subscriptions.remove(topic_filter).is_none() {
            return Ok(ReasonCode::NoSubscriptionExisted);
        }
        if session.is_durable() {
            let client_id = &session.client_id;
            self.journal.record(|| StoreOperation::DeleteSubscription {
                client_id: Arc::clone(client_id),
                topic_filter: topic_filter.into(),
            });
        }
        self.events.push_back(Event::Unsubscribed {
            client_id: Arc::clone(&session.client_id),
            topic_filter: topic_filter.into(),
        });
        self.remove_from_index(filter, session_key);
        Ok(ReasonCode::Success)
    }
}

/// An answer has a code for each filter and cannot be sent in parts. Where the client does not take one of that size
/// [MQTT-3.1.2-24] nothing is done, and it is told so instead of being left to wait.
fn check_answer_fits(answer_len: usize, recipient: Recipient) -> Result<(), Fault> {
    if answer_len > recipient.maximum_packet_size as usize {
        let reason = "the answer to so many filters is larger than the client's maximum packet size";
        return Err(Fault::new(ReasonCode::PacketTooLarge, reason));
    }
    Ok(())
}

/// What ends the connection, found before anything is done. `announced`: what the client knows to be switched off.
fn check_subscribe(subscribe: &Subscribe<'_>, announced: Option<Features>) -> Result<(), Fault> {
    for asked in subscribe.filters.iter() {
        let Ok(filter) = SubscriptionFilter::parse(asked.topic_filter) else { continue };
        // [MQTT-3.8.3-4]
        if filter.share_name.is_some() && asked.options.no_local {
            return Err(Fault::protocol_error("a shared subscription with No Local"));
        }
        if let Some(features) = announced {
            features.check_subscription(filter, subscribe.subscription_id.is_some())?;
        }
    }
    Ok(())
}

fn parse_filter(topic_filter: &str) -> Result<SubscriptionFilter<'_>, Refusal> {
    SubscriptionFilter::parse(topic_filter).map_err(|error| Refusal {
        reason: Some(error.to_string().into()),
        ..Refusal::from_code(ReasonCode::TopicFilterInvalid)
    })
}

/// The one Reason String of an answer to several filters: about the first that was refused, counted from 1.
fn reason_of_first(refused: Option<&(usize, Refusal)>, filter_count: usize) -> Option<Cow<'_, str>> {
    let (place, refusal) = refused?;
    let reason = refusal.reason.as_deref()?;
    Some(if filter_count == 1 { reason.into() } else { format!("filter {}: {reason}", place + 1).into() })
}

/// What SUBACK says of a subscription that was granted with this QoS [MQTT-3.8.4-7].
fn granted_code(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
    }
}
