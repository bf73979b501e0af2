//! Retained messages: one per topic, bounded in number and in bytes.

use std::collections::HashSet;
use std::sync::Arc;

use topicwire_codec::QoS;
use topicwire_topics::{TopicFilter, TopicName};

use crate::broker::{Broker, SessionKey};
use crate::connect::is_reserved;
use crate::message::Message;
use crate::session::{Owed, SubscriptionOptions};
use crate::store::RetainedFetch;

/// So many retained messages are fetched at once for a Session, and not more than so many bytes unless one alone has more.
const MOST_FETCHED: usize = 256;
const MOST_FETCHED_BYTES: usize = 1 << 20;

impl Broker {
    /// Makes the message its topic's retained one [MQTT-3.3.1-5], or with an empty payload removes that
    /// [MQTT-3.3.1-6, 3.3.1-7]. False where a limit forbids it.
    /// Asked for by v3.1.1 [MQTT-3.1.2-7], v3.1.1 [MQTT-3.3.1-5], v3.1.1 [MQTT-3.3.1-10],
    /// v3.1.1 [MQTT-3.3.1-11].
    pub(crate) fn retain(&mut self, message: &Arc<Message>) -> bool {
        let Ok(topic) = TopicName::new(message.topic_name()) else { return false };
        if message.payload().is_empty() {
            self.forget_retained(topic);
            return true;
        }
        let limits = &self.config.limits;
        let replaced_bytes = self.retained.get(topic).map_or(0, |old| old.held_bytes() as u64);
        let bytes = self.metrics.retained_bytes - replaced_bytes + message.held_bytes() as u64;
        let is_one_more = replaced_bytes == 0;
        if bytes > limits.maximum_retained_bytes
            || (is_one_more && self.retained.len() >= limits.maximum_retained_messages as usize)
        {
            // A publisher of QoS 0 is not told: what it has replaced must go all the same, v3.1.1 [MQTT-3.3.1-7].
            if message.qos == QoS::AtMostOnce {
                self.forget_retained(topic);
            }
            return false;
        }
        if let Some(old) = self.retained.insert(topic, Arc::clone(message)) {
            self.retained_expiry.remove(&(old.expires_at_ms, Arc::clone(old.topic_name())));
        }
        if message.expires_at_ms != u64::MAX {
            self.retained_expiry.insert((message.expires_at_ms, Arc::clone(message.topic_name())));
        }
        self.metrics.retained_bytes = bytes;
        if !is_reserved(message.topic_name()) {
            self.journal.put_retained(message);
        }
        true
    }

    fn forget_retained(&mut self, topic: TopicName<'_>) {
        let Some(old) = self.retained.remove(topic) else { return };
        self.metrics.retained_bytes -= old.held_bytes() as u64;
        self.retained_expiry.remove(&(old.expires_at_ms, Arc::clone(old.topic_name())));
        if !is_reserved(old.topic_name()) {
            self.journal.delete_retained(old.topic_name());
        }
    }

    /// Removes the retained messages whose time is up.
    pub(crate) fn expire_retained(&mut self, now_ms: u64) {
        while let Some((deadline_ms, topic_name)) = self.retained_expiry.first()
            && *deadline_ms <= now_ms
        {
            let topic_name = Arc::clone(topic_name);
            self.retained_expiry.pop_first();
            if let Ok(topic) = TopicName::new(&topic_name) {
                self.forget_retained(topic);
            }
        }
    }

    /// True where this very message is still the retained one of its topic.
    pub(crate) fn is_retained(&self, message: &Arc<Message>) -> bool {
        TopicName::new(message.topic_name())
            .ok()
            .and_then(|topic| self.retained.get(topic))
            .is_some_and(|current| Arc::ptr_eq(current, message))
    }

    /// Notes what a new subscription is owed: sent by `pump.rs`, as there is room. A message that the Session is
    /// owed already is not owed twice, so that what one Session can be owed has a bound.
    /// Asked for by v3.1.1 [MQTT-3.3.1-6].
    pub(crate) fn owe_retained(
        &mut self,
        session_key: SessionKey,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
    ) {
        // A store may have kept what was retained before it was switched off.
        if !self.config.features.retain {
            return;
        }
        let Self { retained, sessions, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return };
        let own_id = (options.subscription_id != 0).then_some(options.subscription_id);
        let mut waiting = HashSet::new();
        for owed in &mut session.owed {
            if TopicName::new(owed.message.topic_name()).is_ok_and(|topic| filter.matches(topic)) {
                owed.qos = owed.qos.max(options.qos);
                owed.subscription_ids.extend(own_id.filter(|id| !owed.subscription_ids.contains(id)));
                waiting.insert(Arc::as_ptr(&owed.message));
            }
        }
        let owed = &mut session.owed;
        retained.for_each_match(filter, |message| {
            if !waiting.contains(&Arc::as_ptr(message)) {
                let subscription_ids = own_id.into_iter().collect();
                owed.push_back(Owed { message: Arc::clone(message), qos: options.qos, subscription_ids });
            }
        });
    }

    /// The next that is owed is in the store alone: fetches it, and those after it that are.
    pub(crate) fn put_back_owed(&mut self, session_key: SessionKey, owed: Owed) {
        let Self { sessions, journal, trouble, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return };
        session.owed.push_front(owed);
        if session.fetching_retained.is_some() || trouble.is_some() {
            return;
        }
        let mut bytes = 0;
        let wanted = session.owed.iter().map(|owed| &owed.message).take(MOST_FETCHED);
        let topic_names = wanted
            .filter(|message| message.is_absent())
            .take_while(|message| {
                let is_first = bytes == 0;
                bytes += message.body_len();
                is_first || bytes <= MOST_FETCHED_BYTES
            })
            .map(|message| Arc::clone(message.topic_name()))
            .collect();
        session.fetching_retained = Some(journal.fetch_retained(session_key, topic_names));
    }

    /// The answer to a [`RetainedFetch`], in its order. What the store no longer has is not sent.
    pub fn handle_retained(
        &mut self,
        fetch: &RetainedFetch,
        messages: Vec<Option<Arc<Message>>>,
        now_ms: u64,
    ) {
        let Some(session) = self.sessions.get_mut(fetch.session.index()) else { return };
        if session.fetching_retained != Some(fetch.serial) {
            return;
        }
        session.fetching_retained = None;
        let fetched = fetch.topic_names.iter().zip(messages);
        for (topic_name, message) in fetched {
            let waiting = session.owed.iter().find(|owed| owed.message.topic_name() == topic_name);
            match (waiting, message) {
                (Some(owed), Some(message)) => owed.message.complete(message),
                (Some(_), None) => session.owed.retain(|owed| owed.message.topic_name() != topic_name),
                (None, _) => {}
            }
        }
        self.pump(fetch.session, now_ms);
    }
}
