//! Where a message goes: what matches its topic [MQTT-3.3.2-3], and one copy of it for each Session that matched
//! [MQTT-4.5.0-1], in the order in which messages come [MQTT-4.6.0-5, 4.6.0-6].
//!
//! Stop six of a PUBLISH. A publisher's last topic and its matches are kept beside its connection and hold as
//! long as the index has not changed, so that a stream of messages to one topic is matched once.

use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;
use topicwire_codec::QoS;
use topicwire_topics::{GroupId, Matches, TopicName};

use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::config::HookFilters;
use crate::connect::is_reserved;
use crate::deliver::Offer;
use crate::fan_out::FanOut;
use crate::fault::Fault;
use crate::message::Message;
use crate::metrics::DropReason;
use crate::session::{Session, SubscriptionOptions};

/// A topic, and who has subscribed to it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) topic_name: Arc<str>,
    generation: u64,
    /// Sorted by Session, so that overlapping subscriptions of one Session stand together.
    matches: Matches<SessionKey, SubscriptionOptions>,
    pub(crate) authorize: bool,
    pub(crate) on_publish: bool,
    /// It is the broker's own: see [`is_reserved`].
    pub(crate) is_reserved: bool,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            topic_name: Arc::from(""),
            generation: 0,
            matches: Matches::default(),
            authorize: false,
            on_publish: false,
            is_reserved: false,
        }
    }
}

impl Route {
    /// Up to so many matches a route is kept without a thought.
    const SMALL: usize = 256;
    /// How many matches the larger routes of all publishers may hold together: sixteen bytes each. A publisher past it
    /// is matched anew for each message, which costs less than sending the message to so many.
    const MOST_KEPT: usize = 1 << 20;

    /// What keeping it takes of [`Route::MOST_KEPT`].
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        let capacity = self.matches.plain.capacity();
        if capacity > Self::SMALL { capacity } else { 0 }
    }

    /// Whether a message to this topic can be an event for the host; also where that is not known.
    pub(crate) fn may_reach_host(&self, sessions: &Slab<Session>) -> bool {
        let is_local = |key: &SessionKey| sessions.get(key.index()).is_none_or(Session::is_local);
        self.generation == u64::MAX
            || !self.matches.groups.is_empty()
            || self.matches.plain.iter().any(|(key, _)| is_local(key))
    }

    /// Who has subscribed to it, as far as is known.
    pub(crate) fn matches(&self) -> &Matches<SessionKey, SubscriptionOptions> {
        &self.matches
    }

    /// Lets go of the matches.
    #[cold]
    fn forget(&mut self) {
        self.matches = Matches::default();
        self.generation = u64::MAX;
    }
}

/// What all subscriptions of one Session that matched ask for together: the message is sent once, with the
/// highest QoS [MQTT-3.3.4-2] and all identifiers [MQTT-3.3.4-3], never once for each subscription [MQTT-3.3.4-5].
/// Asked for by v3.1.1 [MQTT-3.3.5-1].
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    pub(crate) subscription_ids: SmallVec<[u32; 2]>,
}

impl Merged {
    /// What one subscription asks for, as most Sessions have one that matches.
    #[inline]
    fn of_one(options: &SubscriptionOptions, is_own: bool) -> Option<Self> {
        let mut subscription_ids = SmallVec::new();
        if options.subscription_id != 0 {
            subscription_ids.push(options.subscription_id);
        }
        let SubscriptionOptions { qos, no_local, retain_as_published, .. } = *options;
        (!(is_own && no_local)).then_some(Self { qos, retain_as_published, subscription_ids })
    }

    /// The identifiers, which are most often none.
    #[inline]
    pub(crate) fn copied_ids(&self) -> SmallVec<[u32; 2]> {
        if self.subscription_ids.is_empty() { SmallVec::new() } else { self.subscription_ids.clone() }
    }

    /// None where every one of them says No Local and the publisher is the subscriber [MQTT-3.8.3-3].
    fn of(subscriptions: &[(SessionKey, SubscriptionOptions)], is_own: bool) -> Option<Self> {
        let mut merged: Option<Self> = None;
        for (_, options) in subscriptions {
            if is_own && options.no_local {
                continue;
            }
            let merged = merged.get_or_insert(Self {
                qos: QoS::AtMostOnce,
                retain_as_published: false,
                subscription_ids: SmallVec::new(),
            });
            merged.qos = merged.qos.max(options.qos);
            merged.retain_as_published |= options.retain_as_published;
            if options.subscription_id != 0 {
                merged.subscription_ids.push(options.subscription_id);
            }
        }
        merged
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Sessions that matched.
    pub(crate) matched: u32,
    /// Somebody who should have it could not take it, and the publisher is to know.
    pub(crate) is_over_quota: bool,
}

impl Broker {
    /// Brings a route up to date for this topic.
    ///
    /// # Errors
    /// A fault where the name is no valid Topic Name, or has too many levels.
    pub(crate) fn refresh_route(&self, route: &mut Route, topic_name: &str) -> Result<(), Fault> {
        let generation = self.subscriptions.generation();
        let is_same = &*route.topic_name == topic_name;
        if is_same && route.generation == generation {
            return Ok(());
        }
        let topic = TopicName::new(topic_name)?;
        if !is_same {
            if topic.level_count() > self.config.limits.maximum_topic_levels as usize {
                return Err(Fault::new(
                    topicwire_codec::ReasonCode::TopicNameInvalid,
                    "the topic name has more than maximumTopicLevels",
                ));
            }
            route.topic_name = Arc::from(topic_name);
            route.is_reserved = is_reserved(topic_name);
            route.authorize = HookFilters::any_matches(&self.hooks.authorize_publish, topic);
            route.on_publish = HookFilters::any_matches(&self.hooks.on_publish, topic);
        }
        route.matches.clear();
        self.subscriptions.match_into(topic, &mut route.matches);
        route.matches.plain.sort_unstable_by_key(|(session, _)| *session);
        route.generation = generation;
        Ok(())
    }

    /// Takes a connection's route out, to be used while the broker is borrowed.
    #[inline]
    pub(crate) fn take_route(&mut self, key: ConnectionKey) -> Box<Route> {
        let route = self.connections.get_mut(key.index()).and_then(|connection| connection.route.take());
        let route = route.unwrap_or_default();
        self.kept_matches -= route.weight();
        route
    }

    /// Puts it back beside the connection.
    #[inline]
    pub(crate) fn keep_route(&mut self, key: ConnectionKey, mut route: Box<Route>) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        if self.kept_matches + route.weight() > Route::MOST_KEPT {
            route.forget();
        }
        self.kept_matches += route.weight();
        connection.route = Some(route);
    }

    /// Offers the message to every Session that matched.
    pub(crate) fn route(
        &mut self,
        publisher: Option<SessionKey>,
        route: &Route,
        fan: &mut FanOut<'_>,
        now_ms: u64,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut rest = route.matches.plain.as_slice();
        fan.is_for_one = rest.len() == 1 && route.matches.groups.is_empty();
        while let [(session, options), others @ ..] = rest {
            let is_own = publisher == Some(*session);
            let merged = if rest.get(1).is_none_or(|(next, _)| next != session) {
                rest = others;
                Merged::of_one(options, is_own)
            } else {
                let count = rest.iter().take_while(|(other, _)| other == session).count();
                let (own, others) = rest.split_at(count);
                rest = others;
                Merged::of(own, is_own)
            };
            if let Some(merged) = merged {
                let offer = self.offer(*session, fan, &merged, now_ms);
                outcome.add(offer);
            }
        }
        for group in &route.matches.groups {
            self.route_to_group(*group, fan, &mut outcome, now_ms);
        }
        outcome
    }

    /// One member of a shared subscription gets it: the next in turn that can take it now, else the next that is
    /// connected, else the next whose Session keeps it [MQTT-4.8.2-4]. It gets it with its own QoS [MQTT-4.8.2-3], and
    /// from then on it is that Session's alone, also when the Session ends [MQTT-4.8.2-5].
    fn route_to_group(&mut self, group: GroupId, fan: &mut FanOut<'_>, outcome: &mut Outcome, now_ms: u64) {
        let Self { subscriptions, sessions, .. } = self;
        let Some(group) = subscriptions.group_mut(group) else { return };
        let session_of = |key: SessionKey| sessions.get(key.index());
        let fan_qos = fan.qos;
        let picked = group
            .pick(|key, options| {
                session_of(key).is_some_and(|session| {
                    session.is_present()
                        && (options.qos.min(fan_qos) == QoS::AtMostOnce || session.outbound.is_clear())
                })
            })
            .or_else(|| group.pick(|key, _| session_of(key).is_some_and(Session::is_present)))
            // QoS 0 is not kept for anybody who is away.
            .or_else(|| {
                group.pick(|key, options| {
                    options.qos.min(fan_qos) != QoS::AtMostOnce
                        && session_of(key).is_some_and(Session::is_durable)
                })
            });
        match picked {
            Some((session, options)) => {
                if let Some(merged) = Merged::of(&[(session, options)], false) {
                    let offer = self.offer(session, fan, &merged, now_ms);
                    outcome.add(offer);
                }
            }
            None => self.metrics.drop_message(DropReason::NoGroupMember),
        }
    }

    /// Routes a message that is not in a packet of a client: a Will, `$SYS`, an in-process publisher. Retains it
    /// where it says so, and only there [MQTT-3.1.2-14, 3.1.2-15].
    pub(crate) fn publish_message(
        &mut self,
        publisher: Option<SessionKey>,
        message: &Arc<Message>,
        now_ms: u64,
    ) -> Outcome {
        let mut route = Route::default();
        // The name was checked by whoever made the message; one that no longer fits a limit goes nowhere.
        if self.refresh_route(&mut route, message.topic_name()).is_err() {
            return Outcome::default();
        }
        let mut outcome = Outcome::default();
        if message.retain && !self.retain(message) {
            outcome.is_over_quota = true;
        }
        let mut fan = self.fan_out(&route, message.forwarded(), message.payload());
        fan.qos = message.qos;
        fan.retain = message.retain;
        fan.expires_at_ms = message.expires_at_ms;
        fan.shared = Some(Arc::clone(message));
        let routed = self.route(publisher, &route, &mut fan, now_ms);
        self.finish_fan_out(fan);
        outcome.matched = routed.matched;
        outcome.is_over_quota |= routed.is_over_quota;
        outcome
    }
}

impl Outcome {
    fn add(&mut self, offer: Offer) {
        self.matched += 1;
        self.is_over_quota |= offer == Offer::OverQuota;
    }
}

#[cfg(test)]
mod tests {
    use topicwire_codec::{
        Connect, PacketId, Publish, ReasonCode, Subscribe, SubscribeFilter, SubscribeOptions, Version,
    };

    use super::*;
    use crate::config::Config;
    use crate::end::Farewell;

    fn client(broker: &mut Broker, client_id: &str, topic_filter: &str) -> ConnectionKey {
        let key = broker.open(0);
        let filters =
            [SubscribeFilter { topic_filter, options: SubscribeOptions::from_qos(QoS::AtMostOnce) }];
        let mut bytes = Vec::new();
        Connect::new(Version::V5_0, client_id).encode(Version::V5_0, &mut bytes).unwrap();
        Subscribe::new(PacketId::MIN, &filters).encode(Version::V5_0, &mut bytes).unwrap();
        broker.receive(key, &bytes, 0);
        key
    }

    #[test]
    fn what_large_routes_hold_is_counted_and_given_back() {
        let mut broker = Broker::new(Config::default(), HookFilters::default(), 0);
        for n in 0..=Route::SMALL {
            client(&mut broker, &n.to_string(), "t");
        }
        let publishers = [client(&mut broker, "p", "x"), client(&mut broker, "q", "x")];
        for topic_name in ["t", "x", "t"] {
            let mut bytes = Vec::new();
            Publish::new(topic_name, b"m").encode(Version::V5_0, &mut bytes).unwrap();
            for publisher in publishers {
                broker.receive(publisher, &bytes, 0);
            }
        }
        assert!(broker.kept_matches > 2 * Route::SMALL, "{}", broker.kept_matches);
        broker.close(publishers[0], 0);
        assert!(broker.kept_matches > Route::SMALL, "{}", broker.kept_matches);
        broker.shut_down(Farewell::new(ReasonCode::ServerShuttingDown), 0);
        assert_eq!(broker.kept_matches, 0);
    }
}
