//! Publishers and subscribers in the host's own process: no connection, no packets, the same routing.

use std::sync::Arc;

use smallvec::SmallVec;
use thiserror::Error;
use topicwire_codec::{PublishProperties, QoS, Version};
use topicwire_topics::{SubscriptionFilter, TopicError, TopicName};

use crate::broker::{Broker, LocalHandle, SessionKey, slab_key};
use crate::event::Event;
use crate::message::Message;
use crate::metrics::DropReason;
use crate::publish::expiry_time;
use crate::route::Route;
use crate::session::{Endpoint, Owed, Session, SubscriptionOptions};

/// Why an in-process call was refused: our caller's mistake, or a limit.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The Topic Name is not valid, or has too many levels.
    #[error("the topic name is not valid: {0}")]
    TopicName(TopicError),
    /// The Topic Filter is not valid, or has too many levels.
    #[error("the topic filter is not valid: {0}")]
    TopicFilter(TopicError),
    /// More levels than `maximumTopicLevels`.
    #[error("the topic has more than maximumTopicLevels levels")]
    TooManyLevels,
    /// A property does not fit its length.
    #[error("a property is too long")]
    PropertyTooLong,
    /// The whole packet would be larger than `maximumPacketSizeBytes`.
    #[error("the message is larger than maximumPacketSizeBytes")]
    TooLarge,
    /// The QoS is above [`crate::Features::maximum_qos`].
    #[error("the QoS is above features.maximumQos")]
    QoSNotSupported,
    /// Retained messages are switched off.
    #[error("retained messages are switched off in features.retain")]
    RetainNotSupported,
    /// It would have to be stored, and the store cannot do its work.
    #[error("{0}")]
    StoreInTrouble(Box<str>),
    /// The handle is taken.
    #[error("the handle is in use")]
    HandleInUse,
}

/// A message to publish.
#[derive(Clone, Copy, Debug)]
pub struct LocalPublish<'a> {
    /// Where to.
    pub topic_name: &'a str,
    /// What.
    pub payload: &'a [u8],
    /// How surely.
    pub qos: QoS,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
    /// The properties that go with it; aliases and identifiers are left out.
    pub properties: PublishProperties<'a>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalOutcome {
    /// Subscribers that it was sent to or queued for.
    pub receivers: u32,
    /// A queue or the retained limit was full, and the policy is to say so.
    pub is_over_quota: bool,
    /// It is as safe as its QoS asks for once [`Broker::stored_through`] is not below this; 0 where there is nothing to wait
    /// for.
    pub sequence: u64,
}

impl Broker {
    /// Publishes a message. Hooks are not asked: whoever can call this is trusted.
    ///
    /// # Errors
    /// [`LocalError`]; nothing was published.
    pub fn publish(&mut self, publish: &LocalPublish<'_>, now_ms: u64) -> Result<LocalOutcome, LocalError> {
        let limits = &self.config.limits;
        let topic = TopicName::new(publish.topic_name).map_err(LocalError::TopicName)?;
        if topic.level_count() > limits.maximum_topic_levels as usize {
            return Err(LocalError::TooManyLevels);
        }
        let features = self.config.features;
        if publish.qos > features.maximum_qos {
            return Err(LocalError::QoSNotSupported);
        }
        if publish.retain && !features.retain {
            return Err(LocalError::RetainNotSupported);
        }
        let mut forwarded = Vec::new();
        publish.properties.encode_forwarded(&mut forwarded).map_err(|_| LocalError::PropertyTooLong)?;
        let size = publish.payload.len() + forwarded.len() + publish.topic_name.len();
        if size > limits.maximum_packet_size_bytes as usize {
            return Err(LocalError::TooLarge);
        }
        let message = Arc::new(Message::new(
            Arc::from(publish.topic_name),
            &forwarded,
            publish.payload,
            publish.qos,
            publish.retain,
            expiry_time(publish.properties.message_expiry_interval_secs, now_ms),
        ));
        self.metrics.publish_received += 1;
        self.metrics.publish_bytes_received += publish.payload.len() as u64;
        if self.trouble.is_some() {
            let mut route = Route::default();
            let is_valid = self.refresh_route(&mut route, message.topic_name()).is_ok();
            let refusal = self.refusal_of_publish(None, (message.qos, message.retain), &route);
            if let Some(refusal) = refusal.filter(|_| is_valid) {
                return Err(LocalError::StoreInTrouble(refusal.reason.as_deref().unwrap_or_default().into()));
            }
        }
        let mark = self.journal.mark();
        let outcome = self.publish_message(None, &message, now_ms);
        Ok(LocalOutcome {
            receivers: outcome.matched,
            is_over_quota: outcome.is_over_quota,
            sequence: match publish.qos {
                QoS::AtMostOnce => 0,
                _ => self.journal.sequence_since(mark),
            },
        })
    }

    /// Subscribes, whatever `Features` allows clients; messages come as `Event::Message` with this handle, the retained ones first where asked for.
    ///
    /// # Errors
    /// [`LocalError`]; nothing was subscribed to.
    pub fn subscribe(
        &mut self,
        handle: LocalHandle,
        topic_filter: &str,
        wants_retained: bool,
        now_ms: u64,
    ) -> Result<(), LocalError> {
        let filter = SubscriptionFilter::parse(topic_filter).map_err(LocalError::TopicFilter)?;
        if filter.topic_filter.level_count() > self.config.limits.maximum_topic_levels as usize {
            return Err(LocalError::TooManyLevels);
        }
        if self.by_handle.contains_key(&handle) {
            return Err(LocalError::HandleInUse);
        }
        let options = SubscriptionOptions {
            subscription_id: 0,
            qos: QoS::ExactlyOnce,
            no_local: false,
            retain_as_published: true,
        };
        let entry = self.sessions.vacant_entry();
        let key = SessionKey(slab_key(entry.key()));
        let mut session = Session::new(Arc::from(""), Endpoint::Local(handle), Version::V5_0);
        session.subscriptions.insert(topic_filter.into(), options);
        entry.insert(session);
        self.by_handle.insert(handle, key);
        match filter.share_name {
            Some(name) => drop(self.subscriptions.insert_shared(name, filter.topic_filter, key, options)),
            None => drop(self.subscriptions.insert(filter.topic_filter, key, options)),
        }
        if wants_retained && self.config.features.retain && filter.share_name.is_none() {
            let mut expired = 0;
            let Self { retained, events, metrics, sessions, .. } = self;
            let mut owed = Vec::new();
            retained.for_each_match(filter.topic_filter, |message| {
                if message.is_expired(now_ms) {
                    expired += 1;
                    return;
                }
                let message = Arc::clone(message);
                let qos = message.qos;
                if message.is_absent() {
                    owed.push(Owed { message, qos, subscription_ids: SmallVec::new() });
                    return;
                }
                metrics.publish_sent += 1;
                events.push_back(Event::Message { handle, message, qos, retain: true });
            });
            if let Some(session) = sessions.get_mut(key.index()) {
                session.owed = owed.into();
            }
            for _ in 0..expired {
                metrics.drop_message(DropReason::Expired);
            }
            self.pump(key, now_ms);
        }
        Ok(())
    }

    /// A retained message that had to be fetched for an in-process subscriber; false where it is for somebody else.
    pub(crate) fn send_local(&mut self, session_key: SessionKey, message: &Arc<Message>) -> bool {
        let endpoint = self.sessions.get(session_key.index()).map(|session| session.endpoint);
        let Some(Endpoint::Local(handle)) = endpoint else { return false };
        self.metrics.publish_sent += 1;
        let qos = message.qos;
        self.events.push_back(Event::Message { handle, message: Arc::clone(message), qos, retain: true });
        true
    }

    /// Ends an in-process subscription. False where there is none with this handle.
    pub fn unsubscribe(&mut self, handle: LocalHandle, now_ms: u64) -> bool {
        match self.by_handle.remove(&handle) {
            Some(key) => {
                self.end_session(key, now_ms);
                true
            }
            None => false,
        }
    }
}
