//! SUBSCRIBE and UNSUBSCRIBE, and the retained messages that follow a subscription.

use std::sync::Arc;

use topicwire_codec::{
    PacketType, QoS, ReasonCode, ReasonCodes, RetainHandling, Suback, Subscribe, SubscribeFilter, Unsuback,
    Unsubscribe, UserProperties,
};
use topicwire_topics::SubscriptionFilter;

use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::config::HookFilters;
use crate::connection::AckEffect;
use crate::event::Event;
use crate::fault::Fault;
use crate::hook::{Subject, Verdict, refusal_code};
use crate::input::Flow;
use crate::session::SubscriptionOptions;
use crate::store::StoreOperation;

impl Broker {
    pub(crate) fn handle_subscribe(
        &mut self,
        key: ConnectionKey,
        subscribe: &Subscribe<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some(connection) = self.connection_mut(key) else { return Ok(Flow::Stop) };
        let Some(session_key) = connection.session else { return Ok(Flow::Stop) };
        let verdict = connection.held.take_verdict();
        if verdict.is_none() && self.ask_about_subscribe(key, session_key, subscribe) {
            return Ok(Flow::Hold);
        }
        let mark = self.journal.mark();
        let mut reason_codes = Vec::with_capacity(subscribe.filters.len());
        let mut granted = Vec::new();
        for (place, asked) in subscribe.filters.iter().enumerate() {
            let refused = match &verdict {
                Some(Verdict::Deny { reason_code }) => Some(*reason_code),
                // Answers to an authentication.
                Some(Verdict::Continue { .. } | Verdict::Authenticated { .. }) => {
                    Some(ReasonCode::NotAuthorized)
                }
                Some(Verdict::Filters(answers)) => {
                    answers.get(place).copied().unwrap_or(Some(ReasonCode::NotAuthorized))
                }
                _ => None,
            };
            let outcome = match refused {
                Some(reason_code) => Err(refusal_code(reason_code, PacketType::Suback)),
                None => self.subscribe_one(session_key, &asked, subscribe.subscription_id, &mut granted)?,
            };
            reason_codes.push(outcome.unwrap_or_else(|reason_code| reason_code));
        }
        let suback = Suback {
            packet_id: subscribe.packet_id,
            reason_string: None,
            user_properties: UserProperties::default(),
            reason_codes: ReasonCodes::from_slice(&reason_codes),
        };
        let sequence = self.journal.sequence_since(mark);
        self.acknowledge(key, sequence, AckEffect::None, now_ms, |version, out| {
            let _ = suback.encode(version, out);
        });
        self.end_refused_topic_url(key, &reason_codes, now_ms);
        for (asked, options) in granted {
            if let Ok(filter) = SubscriptionFilter::parse(asked) {
                self.owe_retained(session_key, filter.topic_filter, options);
            }
        }
        self.pump(session_key, now_ms);
        Ok(Flow::Next)
    }

    /// Makes or replaces one subscription [MQTT-3.8.4-3]. The inner error is what SUBACK says of a filter that is
    /// refused; the outer one ends the connection.
    fn subscribe_one<'a>(
        &mut self,
        session_key: SessionKey,
        asked: &SubscribeFilter<'a>,
        subscription_id: Option<u32>,
        granted: &mut Vec<(&'a str, SubscriptionOptions)>,
    ) -> Result<Result<ReasonCode, ReasonCode>, Fault> {
        let limits = &self.config.limits;
        let Ok(filter) = SubscriptionFilter::parse(asked.topic_filter) else {
            return Ok(Err(ReasonCode::TopicFilterInvalid));
        };
        if filter.topic_filter.level_count() > limits.maximum_topic_levels as usize {
            return Ok(Err(ReasonCode::TopicFilterInvalid));
        }
        if filter.share_name.is_some() && asked.options.no_local {
            return Err(Fault::protocol_error("a shared subscription with No Local"));
        }
        let Some(session) = self.sessions.get_mut(session_key.index()) else {
            return Ok(Err(ReasonCode::UnspecifiedError));
        };
        let is_new = !session.subscriptions.contains_key(asked.topic_filter);
        if is_new && session.subscriptions.len() >= limits.maximum_subscriptions_per_session as usize {
            return Ok(Err(ReasonCode::QuotaExceeded));
        }
        let options = SubscriptionOptions {
            subscription_id: subscription_id.unwrap_or(0),
            qos: asked.options.qos,
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
            && match asked.options.retain_handling {
                RetainHandling::SendAtSubscribe => true,
                RetainHandling::SendIfNew => is_new,
                RetainHandling::DoNotSend => false,
            };
        if is_owed {
            granted.push((asked.topic_filter, options));
        }
        Ok(Ok(granted_code(options.qos)))
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

    pub(crate) fn handle_unsubscribe(
        &mut self,
        key: ConnectionKey,
        unsubscribe: &Unsubscribe<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some(session_key) = self.connection_mut(key).and_then(|connection| connection.session) else {
            return Ok(Flow::Stop);
        };
        let mark = self.journal.mark();
        let reason_codes: Vec<_> = unsubscribe
            .topic_filters
            .iter()
            .map(|topic_filter| self.unsubscribe_one(session_key, topic_filter))
            .collect();
        let unsuback = Unsuback {
            packet_id: unsubscribe.packet_id,
            reason_string: None,
            user_properties: UserProperties::default(),
            reason_codes: ReasonCodes::from_slice(&reason_codes),
        };
        let sequence = self.journal.sequence_since(mark);
        self.acknowledge(key, sequence, AckEffect::None, now_ms, |version, out| {
            let _ = unsuback.encode(version, out);
        });
        Ok(Flow::Next)
    }

    /// Removes a subscription; messages already queued for it are still delivered [MQTT-3.10.4-2, 3.10.4-3].
    fn unsubscribe_one(&mut self, session_key: SessionKey, topic_filter: &str) -> ReasonCode {
        let Some(session) = self.sessions.get_mut(session_key.index()) else {
            return ReasonCode::UnspecifiedError;
        };
        let Ok(filter) = SubscriptionFilter::parse(topic_filter) else {
            return ReasonCode::TopicFilterInvalid;
        };
        if session.subscriptions.remove(topic_filter).is_none() {
            return ReasonCode::NoSubscriptionExisted;
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
        ReasonCode::Success
    }
}

/// What SUBACK says of a subscription that was granted with this QoS.
fn granted_code(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
    }
}
