//! Questions about several messages of one connection at once.
//!
//! A message that a hook must decide about waits at the front of its connection's input (`hook.rs`). Where the hook has
//! answered at once so far, the messages right behind it are asked about too, so that a stream of messages costs the host
//! one call for many of them and not one for each. Answers are taken in order, each by the packet that it was given to;
//! behind one that is late nothing has been asked, and is when its turn comes.
//!
//! So only what cannot depend on the packets before it is asked about ahead: no topic alias, nothing that will be a
//! fault, and no message behind one that this process has subscribed to, whose handler comes before the next question.

use std::collections::VecDeque;
use std::sync::Arc;

use topicwire_codec::{PacketType, Publish, Split, split_frame};
use topicwire_topics::TopicName;

use crate::broker::{Broker, ConnectionKey};
use crate::config::HookFilters;
use crate::connect::is_reserved;
use crate::connection::Phase;
use crate::hook::{Subject, Token, Verdict};
use crate::input::InputStatus;
use crate::publish::check_properties;
use crate::route::Route;

/// So many messages are asked about at once, at the most.
const MOST_QUESTIONS: u16 = 256;
/// And so many bytes of payload, because each is copied for the host, which may not want it.
const MOST_BYTES: usize = 64 << 10;

/// Answers to the packets that come after the one which is being read again.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    key: Option<ConnectionKey>,
    queue: VecDeque<Verdict>,
    /// The question behind these, where the host is still at it.
    unanswered: Option<Token>,
}

impl Answers {
    /// The answer to this connection's next message.
    #[inline]
    pub(crate) fn next_for(&mut self, key: ConnectionKey) -> Option<Verdict> {
        if self.key == Some(key) { self.queue.pop_front() } else { None }
    }

    /// The question about this connection's next message, where it has been asked already.
    pub(crate) fn take_unanswered(&mut self, key: ConnectionKey) -> Option<Token> {
        if self.key == Some(key) { self.unanswered.take() } else { None }
    }

    fn clear(&mut self) {
        self.key = None;
        self.unanswered = None;
        self.queue.clear();
    }
}

/// A topic, and which hooks are asked about it.
struct Concern {
    topic_name: Arc<str>,
    authorize: bool,
    on_publish: bool,
}

impl Broker {
    /// The host's answers to the question `first` and, in order, to those that were asked ahead with it. Where some are
    /// missing at the end, the first question without an answer waits for it as if it had been asked alone, and those behind
    /// it have not been asked. Reading goes on where it stopped.
    pub fn decide_in_order(
        &mut self,
        key: ConnectionKey,
        first: Token,
        verdicts: impl IntoIterator<Item = Verdict>,
        now_ms: u64,
    ) -> InputStatus {
        let mut verdicts = verdicts.into_iter();
        let Some(verdict) = verdicts.next() else { return self.input_status(key) };
        if let Some(connection) = self.connections.get_mut(key.index())
            && connection.held.awaits(first)
        {
            let held = &mut connection.held;
            self.answers.clear();
            self.answers.key = Some(key);
            self.answers.queue.extend(verdicts.take(held.ahead.into()));
            let count = u16::try_from(self.answers.queue.len()).unwrap_or(u16::MAX);
            if count < held.ahead {
                held.most_ahead = 0;
                // Tokens of questions that were asked together follow each other.
                self.answers.unanswered = Some(first.wrapping_add(u32::from(count) + 1));
            } else if held.ahead >= held.most_ahead {
                held.most_ahead = (held.ahead * 2 + 1).min(MOST_QUESTIONS - 1);
            }
        }
        let status = self.take_verdict(key, first, verdict, now_ms);
        // Where the connection has ended, nobody has taken them.
        self.answers.clear();
        status
    }

    /// A message has been asked about, and `rest` is what follows it.
    pub(crate) fn ask_ahead(&mut self, key: ConnectionKey, rest: &[u8]) {
        let Some(connection) = self.connections.get(key.index()) else { return };
        let most = connection.held.most_ahead;
        let is_open = matches!(connection.phase, Phase::Open | Phase::AwaitStore);
        if most == 0 || !is_open || !connection.held.is_waiting() {
            return;
        }
        let route = self.take_route(key);
        let count = self.ask_about(key, rest, most, &route);
        self.keep_route(key, route);
        if let Some(connection) = self.connection_mut(key) {
            connection.held.ahead = count;
        }
    }

    /// Asks about the messages at the front of `rest`; returns about how many. `route` is that of the message before.
    fn ask_about(&mut self, key: ConnectionKey, mut rest: &[u8], most: u16, route: &Route) -> u16 {
        let Some(connection) = self.connections.get(key.index()) else { return 0 };
        let version = connection.version;
        let Some(session) = connection.session.and_then(|key| self.sessions.get(key.index())) else {
            return 0;
        };
        let client_id = Arc::clone(&session.client_id);
        if !self.by_handle.is_empty() && route.may_reach_host(&self.sessions) {
            return 0;
        }
        let mut concern = Concern {
            topic_name: Arc::clone(&route.topic_name),
            authorize: route.authorize,
            on_publish: route.on_publish,
        };
        let longest = self.longest_packet(key);
        let mut room = MOST_BYTES;
        let mut count = 0;
        while count < most {
            let Ok(Split::Frame(frame)) = split_frame(rest, longest) else { break };
            if frame.packet_type() != PacketType::Publish {
                break;
            }
            let Ok(publish) = Publish::decode(&frame, version) else { break };
            let Some(left) = room.checked_sub(publish.payload.len()) else { break };
            room = left;
            if !self.is_for_hooks(&publish, &mut concern) {
                break;
            }
            let subject = Subject::Publish {
                client_id: Arc::clone(&client_id),
                is_will: false,
                is_ahead: true,
                authorize: concern.authorize,
                on_publish: concern.on_publish,
                topic_name: Arc::clone(&concern.topic_name),
                payload: publish.payload.into(),
                qos: publish.qos,
                retain: publish.retain,
            };
            let _ = self.put_question(key, subject);
            rest = rest.get(frame.length..).unwrap_or_default();
            count += 1;
        }
        count
    }

    /// Whether this message will be asked about, whatever comes of those before it. `concern` is that of the last one,
    /// and becomes this one's.
    fn is_for_hooks(&self, publish: &Publish<'_>, concern: &mut Concern) -> bool {
        let properties = &publish.properties;
        if properties.topic_alias.is_some()
            || (!properties.is_empty() && check_properties(properties).is_err())
            || self.config.features.check_publish(publish).is_err()
        {
            return false;
        }
        if *publish.topic_name == *concern.topic_name {
            return true;
        }
        // Whom another topic reaches is not known yet.
        if !self.by_handle.is_empty() {
            return false;
        }
        let Ok(topic) = TopicName::new(publish.topic_name) else { return false };
        let most_levels = self.config.limits.maximum_topic_levels as usize;
        if topic.level_count() > most_levels || is_reserved(publish.topic_name) {
            return false;
        }
        *concern = Concern {
            topic_name: Arc::from(publish.topic_name),
            authorize: HookFilters::any_matches(&self.hooks.authorize_publish, topic),
            on_publish: HookFilters::any_matches(&self.hooks.on_publish, topic),
        };
        concern.authorize || concern.on_publish
    }
}
