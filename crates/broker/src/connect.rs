//! CONNECT: who may come in, and what those hear who may not. What becomes of the others is in `accept.rs`.

use std::borrow::Cow;

use topicwire_codec::{Connack, ConnackProperties, Connect, Frame, PacketType, ReasonCode, Version};
use topicwire_topics::TopicName;

use crate::bad_connect::form_of_answer;
use crate::broker::{Broker, ConnectionKey};
use crate::config::HookFilters;
use crate::connection::Connection;
use crate::end::{Ending, Farewell};
use crate::event::Event;
use crate::fault::Fault;
use crate::hook::{Question, Refusal, Subject, Token, Verdict};
use crate::input::Flow;
use crate::publish::check_response_topic;
use crate::session::Session;

impl Broker {
    pub(crate) fn handle_connect(
        &mut self,
        key: ConnectionKey,
        frame: &Frame<'_>,
        packet: &[u8],
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let connect = Connect::decode(frame, Version::V5_0)?;
        let Some(connection) = self.connection_mut(key) else { return Ok(Flow::Stop) };
        connection.version = connect.version;
        connection.maximum_packet_size = connect.properties.maximum_packet_size.unwrap_or(u32::MAX);
        connection.wants_reasons = connect.properties.request_problem_information.unwrap_or(true);
        if connect.properties.authentication_method.is_some() {
            return Ok(self.begin_authentication(key, &connect, packet, now_ms));
        }
        Ok(self.advance_connect(key, &connect, now_ms))
    }

    /// Goes on with a CONNECT, to the next question about it or to its end.
    pub(crate) fn advance_connect(&mut self, key: ConnectionKey, connect: &Connect<'_>, now_ms: u64) -> Flow {
        let Some(connection) = self.connection_mut(key) else { return Flow::Stop };
        let is_mqtt = connection.is_mqtt();
        let verdict = connection.held.take_verdict();
        let refusal = match verdict {
            Some(Verdict::Deny(mut refusal)) => {
                refusal.reason.get_or_insert(Cow::Borrowed("refused by a hook"));
                Some(refusal.for_packet(PacketType::Connack))
            }
            // Answers to an authentication method, which this question was not put to.
            Some(Verdict::Continue { .. } | Verdict::Authenticated { .. }) => {
                Some(Refusal::new(ReasonCode::NotAuthorized, "refused by a hook"))
            }
            // While the hook decided, others may have come in.
            Some(verdict) => {
                connection.connect_answers += 1;
                if let Verdict::Accept(acceptance) = verdict {
                    connection.response_information = acceptance.response_information;
                }
                self.check_connect(key, connect)
            }
            None => self.check_connect(key, connect),
        };
        if let Some(refusal) = refusal {
            self.refuse(key, connect, &refusal, now_ms);
            return Flow::Stop;
        }
        if self.ask_about_connect(key, connect) {
            return Flow::Hold;
        }
        self.accept(key, connect, is_mqtt, now_ms);
        Flow::Next
    }

    /// What can be refused without asking anybody.
    pub(crate) fn check_connect(&self, key: ConnectionKey, connect: &Connect<'_>) -> Option<Refusal> {
        let limits = &self.config.limits;
        let refuse = |reason_code, reason| Some(Refusal::new(reason_code, reason));
        if let Some(refusal) = &self.draining {
            return Some(refusal.clone());
        }
        // A client that takes its own connection over is not one more.
        let holder = self.by_client_id.get(connect.client_id).and_then(|key| self.sessions.get(key.index()));
        let is_one_more = holder.and_then(Session::connection).is_none();
        if is_one_more && self.metrics.clients_connected >= u64::from(limits.maximum_connections) {
            return refuse(ReasonCode::ServerBusy, "maximumConnections is reached");
        }
        let is_durable =
            self.settle(connect, true).outlives_connection() || holder.is_some_and(Session::is_durable);
        if let Some(refusal) = self.refusal_of_session(is_durable) {
            return Some(refusal);
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
        if connect.properties.authentication_method.is_some_and(|method| !self.knows_method(method)) {
            // [MQTT-4.12.0-1]
            return refuse(ReasonCode::BadAuthenticationMethod, "no such authentication method");
        }
        if holder.is_none() && self.by_client_id.len() >= limits.maximum_sessions as usize {
            return refuse(ReasonCode::QuotaExceeded, "maximumSessions is reached");
        }
        if let Some(maximum) = connect.properties.maximum_packet_size {
            // As long as those that are assigned: a CONNACK that may not be sent would leave the client waiting.
            let assigned = if connect.client_id.is_empty() { "auto-ffff-0123456789abcdef" } else { "" };
            let is_mqtt = self.connections.get(key.index()).is_some_and(Connection::is_mqtt);
            let mut properties = self.settle(connect, is_mqtt).connack_properties(&self.config, assigned);
            properties.authentication_method = connect.properties.authentication_method;
            properties.authentication_data = self.last_words(key);
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
            return self.config.features.check_will(will).err();
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
        // Who has authenticated by a method of its own is not asked for a password.
        if self.hooks.authenticate && connect.properties.authentication_method.is_none() {
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
                is_ahead: false,
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

    /// Does not let the client in [MQTT-3.1.4-2, 3.1.3-8]: CONNACK says so, the connection is closed [MQTT-3.2.2-7], and
    /// what came behind CONNECT is not looked at [MQTT-3.1.4-6].
    /// Asked for by v3.1.1 [MQTT-3.1.3-9], v3.1.1 [MQTT-3.1.4-5], v3.1.1 [MQTT-3.2.2-5].
    pub(crate) fn refuse(
        &mut self,
        key: ConnectionKey,
        connect: &Connect<'_>,
        refusal: &Refusal,
        now_ms: u64,
    ) {
        self.metrics.connects_refused += 1;
        self.events.push_back(Event::Refused {
            connection: key,
            client_id: connect.client_id.into(),
            reason_code: refusal.reason_code,
            detail: refusal.reason.clone().unwrap_or_default().into_owned(),
        });
        self.send_refusal(key, refusal);
        self.end_connection(key, Ending::ByServer(Farewell::of(refusal)), now_ms);
    }

    /// What does not fit is left out: first the sentence, then the other server. A client that does not even take the
    /// bare refusal hears nothing.
    pub(crate) fn send_refusal(&mut self, key: ConnectionKey, refusal: &Refusal) {
        let saying = |reason_string, server_reference| {
            let properties =
                ConnackProperties { reason_string, server_reference, ..ConnackProperties::default() };
            Connack { properties, ..Connack::new(refusal.reason_code) }
        };
        let (reason, server_reference) = (refusal.reason.as_deref(), refusal.server_reference());
        self.send(key, |to, out| {
            let forms =
                [saying(reason, server_reference), saying(None, server_reference), saying(None, None)];
            to.write_fitting(out, forms, |connack, out| connack.encode(to.version, out));
        });
    }

    /// CONNACK for a CONNECT that could not be read, where its bytes show that there is a form to say it in.
    pub(crate) fn answer_bad_connect(&mut self, key: ConnectionKey, bytes: &[u8], fault: &Fault) {
        let Some(version) = form_of_answer(bytes, fault.reason_code) else { return };
        if let Some(connection) = self.connection_mut(key) {
            connection.version = version;
        }
        let mut refusal = Refusal::from(fault.clone());
        if fault.reason_code == ReasonCode::UnsupportedProtocolVersion {
            // Who speaks another protocol hears no more of ours than it takes to say so.
            refusal.reason = None;
        }
        self.send_refusal(key, &refusal);
    }

    /// Puts a question to the host; the connection waits for its answer.
    pub(crate) fn ask(&mut self, key: ConnectionKey, subject: Subject) {
        let token = self.put_question(key, subject);
        if let Some(connection) = self.connection_mut(key) {
            connection.held.ask(token);
        }
    }

    /// Puts a question to the host; what waits for its answer is the caller's affair.
    pub(crate) fn put_question(&mut self, key: ConnectionKey, subject: Subject) -> Token {
        self.last_token = self.last_token.wrapping_add(1);
        let token = self.last_token;
        self.events.push_back(Event::Question(Question { connection: key, token, subject }));
        token
    }
}

/// Topics that only the broker publishes to.
pub(crate) fn is_reserved(topic_name: &str) -> bool {
    topic_name == "$SYS" || topic_name.starts_with("$SYS/")
}
