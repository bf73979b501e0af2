//! CONNECT: who may come in, which Session it gets, and what CONNACK says.

use std::sync::Arc;

use topicwire_codec::{Connack, ConnackProperties, Connect, Frame, PacketType, ReasonCode, Version};
use topicwire_session::{InboundAliases, KeepAlive, Lifetime, OutboundAliases};
use topicwire_topics::TopicName;

use crate::broker::{Broker, ConnectionKey, SessionKey, TimerKey, slab_key};
use crate::config::{HookFilters, Limits};
use crate::connection::{AckEffect, Phase};
use crate::end::Ending;
use crate::event::Event;
use crate::fault::Fault;
use crate::hook::{Subject, Verdict, refusal_code};
use crate::input::Flow;
use crate::message::Message;
use crate::publish::check_response_topic;
use crate::session::{Endpoint, Session, Will};
use crate::store::StoreOperation;

/// A refused CONNECT: answered with CONNACK, then closed.
struct Refusal {
    reason_code: ReasonCode,
    detail: &'static str,
}

impl Broker {
    pub(crate) fn handle_connect(
        &mut self,
        key: ConnectionKey,
        frame: &Frame<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let connect = Connect::decode(frame, Version::V5_0)?;
        let Some(connection) = self.connection_mut(key) else { return Ok(Flow::Stop) };
        connection.version = connect.version;
        connection.maximum_packet_size = connect.properties.maximum_packet_size.unwrap_or(u32::MAX);
        let is_mqtt = connection.is_mqtt();
        let verdict = connection.held.take_verdict();
        let refusal = match verdict {
            Some(Verdict::Deny { reason_code }) => {
                let reason_code = refusal_code(reason_code, PacketType::Connack);
                Some(Refusal { reason_code, detail: "refused by a hook" })
            }
            // While the hook decided, others may have come in.
            Some(_) => {
                connection.connect_answers += 1;
                self.check_connect(&connect, is_mqtt)
            }
            None => self.check_connect(&connect, is_mqtt),
        };
        if let Some(refusal) = refusal {
            self.refuse(key, &connect, &refusal, now_ms);
            return Ok(Flow::Stop);
        }
        if self.ask_about_connect(key, &connect) {
            return Ok(Flow::Hold);
        }
        self.accept(key, &connect, is_mqtt, now_ms);
        Ok(Flow::Next)
    }

    /// What can be refused without asking anybody.
    fn check_connect(&self, connect: &Connect<'_>, is_mqtt: bool) -> Option<Refusal> {
        let limits = &self.config.limits;
        let refuse = |reason_code, detail| Some(Refusal { reason_code, detail });
        if self.is_draining {
            return refuse(ReasonCode::ServerUnavailable, "the broker is shutting down");
        }
        // A client that takes its own connection over is not one more.
        let holder = self.by_client_id.get(connect.client_id).and_then(|key| self.sessions.get(key.index()));
        let is_one_more = holder.and_then(Session::connection).is_none();
        if is_one_more && self.metrics.clients_connected >= u64::from(limits.maximum_connections) {
            return refuse(ReasonCode::ServerBusy, "maximumConnections is reached");
        }
        if connect.client_id.len() > limits.maximum_client_id_bytes as usize {
            return refuse(
                ReasonCode::ClientIdentifierNotValid,
                "the client identifier is longer than maximumClientIdBytes",
            );
        }
        // 3.1.1 allows an empty identifier with a clean session only, 3.1 not at all. v3.1.1 [MQTT-3.1.3-8]
        let may_be_empty = match connect.version {
            Version::V3_1 => false,
            Version::V3_1_1 => connect.clean_start,
            Version::V5_0 => true,
        };
        if connect.client_id.is_empty() && !may_be_empty {
            return refuse(
                ReasonCode::ClientIdentifierNotValid,
                "an empty client identifier needs a clean session",
            );
        }
        if connect.properties.authentication_method.is_some() {
            return refuse(ReasonCode::BadAuthenticationMethod, "no such authentication method");
        }
        if holder.is_none() && self.by_client_id.len() >= limits.maximum_sessions as usize {
            return refuse(ReasonCode::QuotaExceeded, "maximumSessions is reached");
        }
        if let Some(maximum) = connect.properties.maximum_packet_size {
            // As long as those that are assigned: a CONNACK that may not be sent would leave the client waiting.
            let assigned = if connect.client_id.is_empty() { "auto-ffff-0123456789abcdef" } else { "" };
            let properties = self.settle(connect, is_mqtt).connack_properties(limits, assigned);
            let connack = Connack { session_present: false, reason_code: ReasonCode::Success, properties };
            if connack.encoded_len(connect.version) > maximum as usize {
                return refuse(
                    ReasonCode::PacketTooLarge,
                    "CONNACK is larger than the client's maximum packet size",
                );
            }
        }
        if let Some(will) = &connect.will {
            if check_response_topic(&will.properties).is_err() {
                return refuse(ReasonCode::TopicNameInvalid, "the will's response topic is not a topic name");
            }
            let Ok(topic) = TopicName::new(will.topic_name) else {
                return refuse(ReasonCode::TopicNameInvalid, "the will's topic name is not valid");
            };
            if topic.level_count() > limits.maximum_topic_levels as usize {
                return refuse(
                    ReasonCode::TopicNameInvalid,
                    "the will's topic name has more than maximumTopicLevels",
                );
            }
            if is_reserved(will.topic_name) {
                return refuse(ReasonCode::NotAuthorized, "clients do not publish to $SYS");
            }
        }
        None
    }

    /// Asks the hooks that concern a CONNECT, one after the other: the client itself, then its Will's topic.
    fn ask_about_connect(&mut self, key: ConnectionKey, connect: &Connect<'_>) -> bool {
        let will = connect.will.as_ref().filter(|will| {
            TopicName::new(will.topic_name)
                .is_ok_and(|topic| HookFilters::any_matches(&self.hooks.authorize_publish, topic))
        });
        let mut subjects = Vec::with_capacity(2);
        if self.hooks.authenticate {
            subjects.push(Subject::Authenticate {
                client_id: connect.client_id.into(),
                username: connect.username.map(Into::into),
                password: connect.password.map(Into::into),
                version: connect.version,
                clean_start: connect.clean_start,
            });
        }
        if let Some(will) = will {
            subjects.push(Subject::Publish {
                client_id: connect.client_id.into(),
                is_will: true,
                authorize: true,
                on_publish: false,
                topic_name: will.topic_name.into(),
                payload: will.payload.into(),
                qos: will.qos,
                retain: will.retain,
            });
        }
        let Some(connection) = self.connection_mut(key) else { return false };
        let answered = usize::from(connection.connect_answers);
        match subjects.into_iter().nth(answered) {
            Some(subject) => {
                self.ask(key, subject);
                true
            }
            None => false,
        }
    }

    fn accept(&mut self, key: ConnectionKey, connect: &Connect<'_>, is_mqtt: bool, now_ms: u64) {
        let is_assigned = connect.client_id.is_empty();
        let client_id = if is_assigned { self.assign_client_id() } else { Arc::from(connect.client_id) };
        let mark = self.journal.mark();
        let (session_key, session_present) = self.claim_session(&client_id, connect, now_ms);
        let agreed = self.settle(connect, is_mqtt);
        self.attach(key, session_key, connect, &agreed, now_ms);
        self.remember_will(session_key, connect);
        self.journal_session(session_key);
        self.metrics.clients_connected += 1;
        self.metrics.clients_maximum = self.metrics.clients_maximum.max(self.metrics.clients_connected);
        self.events.push_back(Event::Connected {
            connection: key,
            client_id: Arc::clone(&client_id),
            username: connect.username.map(Into::into),
            version: connect.version,
            clean_start: connect.clean_start,
            session_present,
            keep_alive_secs: agreed.keep_alive_secs,
        });
        let assigned = if is_assigned { &*client_id } else { "" };
        let properties = agreed.connack_properties(&self.config.limits, assigned);
        // 3.1 has no Session Present flag; the codec leaves it out there.
        let connack = Connack { session_present, reason_code: ReasonCode::Success, properties };
        let sequence = self.journal.sequence_since(mark);
        self.acknowledge(key, sequence, AckEffect::Connack, now_ms, |version, out| {
            let _ = connack.encode(version, out);
        });
    }

    /// The Session of this client: an old one resumed [MQTT-3.1.2-5], or a new one [MQTT-3.1.2-4]. A connection
    /// that still holds the identifier is told and ended [MQTT-3.1.4-3].
    fn claim_session(
        &mut self,
        client_id: &Arc<str>,
        connect: &Connect<'_>,
        now_ms: u64,
    ) -> (SessionKey, bool) {
        let holder = self.by_client_id.get(client_id).and_then(|key| self.sessions.get(key.index()));
        if let Some(old) = holder.and_then(Session::connection) {
            self.end_connection(old, Ending::ByServer(ReasonCode::SessionTakenOver), now_ms);
        }
        if let Some(existing) = self.by_client_id.get(client_id).copied() {
            // Its time may be up without a tick having said so yet.
            self.session_due(existing, now_ms);
        }
        if let Some(existing) = self.by_client_id.get(client_id).copied() {
            if !connect.clean_start {
                self.discard_will(existing);
                return (existing, true);
            }
            self.end_session(existing, now_ms);
        }
        let entry = self.sessions.vacant_entry();
        let key = SessionKey(slab_key(entry.key()));
        entry.insert(Session::new(Arc::clone(client_id), Endpoint::Offline, connect.version));
        self.by_client_id.insert(Arc::clone(client_id), key);
        (key, false)
    }

    /// Settles what CONNECT asks for against the limits.
    fn settle(&self, connect: &Connect<'_>, is_mqtt: bool) -> Agreed {
        let limits = &self.config.limits;
        let asked_expiry_secs = if connect.version.is_v5() {
            connect.properties.session_expiry_interval_secs.unwrap_or(0)
        } else if connect.clean_start {
            0
        } else {
            u32::MAX
        };
        let expiry_interval_secs = asked_expiry_secs.min(limits.session_expiry_interval_maximum_secs);
        let keep_alive_secs = match limits.maximum_keep_alive_secs {
            0 => connect.keep_alive_secs,
            // Keep Alive 0 asks for none, which is longer than any.
            maximum if connect.version.is_v5() && connect.keep_alive_secs == 0 => maximum,
            maximum if connect.version.is_v5() => connect.keep_alive_secs.min(maximum),
            // 3.x cannot be told of another value, so its own stays.
            _ => connect.keep_alive_secs,
        };
        let (receive_maximum, peer_receive_maximum) = if connect.version.is_v5() && is_mqtt {
            (limits.receive_maximum, connect.properties.receive_maximum.unwrap_or(u16::MAX))
        } else {
            // 3.x and a WebSocket of bare payloads cannot be told of a window.
            (u16::MAX, limits.maximum_inflight_messages.max(1))
        };
        Agreed {
            asked_expiry_secs,
            expiry_interval_secs,
            expiry_was_changed: connect.version.is_v5() && expiry_interval_secs != asked_expiry_secs,
            keep_alive_secs,
            keep_alive_was_changed: keep_alive_secs != connect.keep_alive_secs,
            receive_maximum,
            peer_receive_maximum,
        }
    }

    /// Joins the connection and the Session, on both sides of the conversation.
    fn attach(
        &mut self,
        key: ConnectionKey,
        session_key: SessionKey,
        connect: &Connect<'_>,
        agreed: &Agreed,
        now_ms: u64,
    ) {
        let limits = &self.config.limits;
        if let Some(session) = self.sessions.get_mut(session_key.index()) {
            session.endpoint = Endpoint::Network(key);
            session.version = connect.version;
            session.lifetime = Lifetime::from_interval_secs(agreed.expiry_interval_secs);
            session.will_at_ms = None;
            session.ends_at_ms = None;
            session.inbound.resume(agreed.receive_maximum);
            session.outbound.resume(agreed.peer_receive_maximum);
            self.timers.disarm(TimerKey::Session(session_key), &mut session.timer);
        }
        if let Some(connection) = self.connections.get_mut(key.index()) {
            connection.session = Some(session_key);
            connection.phase = Phase::AwaitStore;
            connection.keep_alive = KeepAlive::new(agreed.keep_alive_secs, now_ms);
            connection.expiry_interval_at_connect_secs = agreed.asked_expiry_secs;
            if connect.version.is_v5() {
                let theirs = connect.properties.topic_alias_maximum.unwrap_or(0);
                connection.inbound_aliases = InboundAliases::new(limits.topic_alias_maximum);
                connection.outbound_aliases = OutboundAliases::new(theirs.min(limits.topic_alias_maximum));
            }
            match connection.keep_alive.server_deadline_ms() {
                Some(deadline_ms) => {
                    self.timers.arm(TimerKey::Connection(key), &mut connection.timer, deadline_ms);
                }
                None => self.timers.disarm(TimerKey::Connection(key), &mut connection.timer),
            }
        }
    }

    fn remember_will(&mut self, session_key: SessionKey, connect: &Connect<'_>) {
        let Some(will) = &connect.will else { return };
        let mut forwarded = Vec::new();
        // A will that was decoded fits its own lengths.
        let _ = will.properties.encode_forwarded(&mut forwarded);
        let message = Message::new(
            Arc::from(will.topic_name),
            &forwarded,
            will.payload,
            will.qos,
            will.retain,
            u64::MAX,
        );
        if let Some(session) = self.sessions.get_mut(session_key.index()) {
            session.will = Some(Will {
                message: Arc::new(message),
                delay_interval_secs: will.delay_interval_secs,
                expiry_interval_secs: will.properties.message_expiry_interval_secs,
            });
        }
    }

    fn journal_session(&mut self, session_key: SessionKey) {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return };
        if !session.is_durable() {
            return;
        }
        session.is_stored = true;
        self.journal.record(|| StoreOperation::PutSession {
            client_id: Arc::clone(&session.client_id),
            expiry_interval_secs: session.lifetime.interval_secs(),
            version: session.version,
            closed_at_ms: None,
        });
        if let Some(will) = &session.will {
            self.journal.record(|| StoreOperation::PutWill {
                client_id: Arc::clone(&session.client_id),
                message: Arc::clone(&will.message),
                delay_interval_secs: will.delay_interval_secs,
                expiry_interval_secs: will.expiry_interval_secs,
            });
        }
    }

    fn refuse(&mut self, key: ConnectionKey, connect: &Connect<'_>, refusal: &Refusal, now_ms: u64) {
        self.metrics.connects_refused += 1;
        self.events.push_back(Event::Refused {
            connection: key,
            client_id: connect.client_id.into(),
            reason_code: refusal.reason_code,
            detail: refusal.detail.to_owned(),
        });
        self.send_refusal(key, refusal.reason_code);
        self.end_connection(key, Ending::ByServer(refusal.reason_code), now_ms);
    }

    fn send_refusal(&mut self, key: ConnectionKey, reason_code: ReasonCode) {
        let connack =
            Connack { session_present: false, reason_code, properties: ConnackProperties::default() };
        self.send(key, |version, out| {
            let _ = connack.encode(version, out);
        });
    }

    /// CONNACK for a CONNECT that could not be read, as far as its bytes show that it is one of a version that
    /// has an answer: 5.0 (and above: Unsupported Protocol Version) in its form, anything else as 3.1.1 would.
    pub(crate) fn answer_bad_connect(&mut self, key: ConnectionKey, bytes: &[u8], reason_code: ReasonCode) {
        if bytes.first() != Some(&0x10) {
            return;
        }
        let header = bytes.iter().skip(1).take(4).take_while(|byte| **byte & 0x80 != 0).count() + 2;
        let level = match bytes.get(header..header + 7) {
            Some([0, 4, b'M', b'Q', b'T', b'T', level]) => level & 0x7F,
            _ if reason_code == ReasonCode::UnsupportedProtocolVersion => 0,
            _ => return,
        };
        let is_version = reason_code == ReasonCode::UnsupportedProtocolVersion;
        if level < 5 && !is_version {
            return;
        }
        if let Some(connection) = self.connection_mut(key) {
            connection.version = if level >= 5 { Version::V5_0 } else { Version::V3_1_1 };
        }
        self.send_refusal(key, reason_code);
    }

    /// Puts a question to the host; the connection waits for its answer.
    pub(crate) fn ask(&mut self, key: ConnectionKey, subject: Subject) {
        self.last_token = self.last_token.wrapping_add(1);
        let token = self.last_token;
        let Some(connection) = self.connection_mut(key) else { return };
        connection.held.ask(token);
        self.events.push_back(Event::Question(crate::hook::Question { connection: key, token, subject }));
    }
}

/// What was settled at CONNECT.
struct Agreed {
    asked_expiry_secs: u32,
    expiry_interval_secs: u32,
    expiry_was_changed: bool,
    keep_alive_secs: u16,
    keep_alive_was_changed: bool,
    receive_maximum: u16,
    /// Ours towards the client.
    peer_receive_maximum: u16,
}

impl Agreed {
    /// What CONNACK tells a 5.0 client; `assigned` is empty where it brought an identifier of its own.
    fn connack_properties<'a>(&self, limits: &Limits, assigned: &'a str) -> ConnackProperties<'a> {
        ConnackProperties {
            session_expiry_interval_secs: self.expiry_was_changed.then_some(self.expiry_interval_secs),
            receive_maximum: (limits.receive_maximum != u16::MAX).then_some(limits.receive_maximum),
            maximum_packet_size: Some(limits.maximum_packet_size_bytes),
            assigned_client_id: (!assigned.is_empty()).then_some(assigned),
            topic_alias_maximum: (limits.topic_alias_maximum != 0).then_some(limits.topic_alias_maximum),
            server_keep_alive_secs: self.keep_alive_was_changed.then_some(self.keep_alive_secs),
            ..ConnackProperties::default()
        }
    }
}

/// Topics that only the broker publishes to.
pub(crate) fn is_reserved(topic_name: &str) -> bool {
    topic_name == "$SYS" || topic_name.starts_with("$SYS/")
}
