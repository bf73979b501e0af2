//! Enhanced authentication, section 4.12: the method that a CONNECT names, asked step by step.
//!
//! The host knows the methods; what is kept here is whose turn it is. A CONNECT that names a method is remembered, the
//! method is asked, and AUTH packets go back and forth until it is content: then CONNECT goes on where it stopped
//! (`connect.rs`), to the question about its Will and to CONNACK. Later the client may authenticate once more.
//!
//! These questions hold no input up. Before CONNACK nothing but DISCONNECT may come while the method thinks
//! [MQTT-3.1.2-30], and in a re-authentication the other packets go on with what was established before. The time that
//! the host takes is part of the time that an exchange may take.

use std::borrow::Cow;
use std::sync::Arc;

use topicwire_codec::{
    Auth, Connect, Disconnect, Frame, PacketType, ReasonCode, Split, Version, split_frame,
};

use crate::broker::{Broker, ConnectionKey, TimerKey};
use crate::connection::{Connection, Phase};
use crate::end::{Ending, Farewell};
use crate::event::Event;
use crate::fault::Fault;
use crate::hook::{AuthenticationStep, Refusal, Secret, Subject, Token, Verdict};
use crate::input::Flow;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The method decides about what the client has said.
    Method(Token),
    /// The method has asked the client on.
    Client,
    /// Nothing runs: the method is content.
    Nobody,
}

/// What a connection remembers of the method that its CONNECT named.
#[derive(Debug)]
pub(crate) struct Authentication {
    method: Box<str>,
    turn: Turn,
    /// How often the method has asked the client on in this exchange.
    rounds: u16,
    /// When a re-authentication must be complete.
    deadline_ms: Option<u64>,
    /// The whole CONNECT, until it is accepted.
    connect: Option<Secret>,
    /// Whom the method has established, or CONNECT has named where it left that open.
    username: Option<Box<str>>,
    /// What the method says in CONNACK.
    last_words: Option<Secret>,
}

impl Authentication {
    /// True where this is the question that the method has been asked.
    pub(crate) fn awaits(&self, token: Token) -> bool {
        self.turn == Turn::Method(token)
    }

    /// Bytes that are remembered of CONNECT.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.connect.as_ref().map_or(0, |connect| connect.len())
    }
}

impl Connection {
    /// When an open connection is next looked at: the end of the Keep Alive or of a re-authentication.
    pub(crate) fn open_deadline_ms(&self) -> Option<u64> {
        let keep_alive = self.keep_alive.server_deadline_ms();
        let authentication = self.authentication.as_ref().and_then(|it| it.deadline_ms);
        match (keep_alive, authentication) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// True where an authentication, the first or another, has taken too long.
    pub(crate) fn is_authentication_late(&self, now_ms: u64) -> bool {
        self.phase == Phase::Authenticating
            || self.authentication.as_ref().and_then(|it| it.deadline_ms).is_some_and(|at_ms| at_ms <= now_ms)
    }
}

impl Broker {
    pub(crate) fn knows_method(&self, method: &str) -> bool {
        self.hooks.enhanced_authentication.iter().any(|known| **known == *method)
    }

    /// What CONNACK will say in the method's own form.
    pub(crate) fn last_words(&self, key: ConnectionKey) -> Option<&[u8]> {
        self.connections.get(key.index())?.authentication.as_ref()?.last_words.as_deref()
    }

    pub(crate) fn take_last_words(&mut self, key: ConnectionKey) -> Option<Secret> {
        self.connection_mut(key)?.authentication.as_mut()?.last_words.take()
    }

    /// A CONNECT that names a method: refused at once, as where the method is not known [MQTT-4.12.0-1], or remembered
    /// while its method is asked.
    pub(crate) fn begin_authentication(
        &mut self,
        key: ConnectionKey,
        connect: &Connect<'_>,
        packet: &[u8],
        now_ms: u64,
    ) -> Flow {
        if let Some(refusal) = self.check_connect(key, connect) {
            self.refuse(key, connect, &refusal, now_ms);
            return Flow::Stop;
        }
        let method = connect.properties.authentication_method.unwrap_or_default();
        let subject = Subject::EnhancedAuthentication {
            step: AuthenticationStep::Start,
            method: method.into(),
            data: connect.properties.authentication_data.map(Secret::from),
            client_id: connect.client_id.into(),
            username: connect.username.map(Into::into),
        };
        let turn = Turn::Method(self.put_question(key, subject));
        let Some(connection) = self.connection_mut(key) else { return Flow::Stop };
        connection.phase = Phase::Authenticating;
        connection.authentication = Some(Box::new(Authentication {
            method: method.into(),
            turn,
            rounds: 0,
            deadline_ms: None,
            connect: Some(packet.into()),
            username: connect.username.map(Into::into),
            last_words: None,
        }));
        Flow::Next
    }

    /// A packet of a client that has named a method and has no CONNACK yet: AUTH in its turn, or DISCONNECT
    /// [MQTT-3.1.2-30].
    pub(crate) fn handle_unaccepted(
        &mut self,
        key: ConnectionKey,
        frame: &Frame<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        match frame.packet_type() {
            PacketType::Auth => self.handle_auth(key, &Auth::decode(frame, Version::V5_0)?, now_ms),
            PacketType::Disconnect => {
                let disconnect = Disconnect::decode(frame, Version::V5_0)?;
                self.end_connection(key, Ending::ByPeer(disconnect.reason_code), now_ms);
                Ok(Flow::Stop)
            }
            _ => Err(Fault::protocol_error("a packet other than AUTH and DISCONNECT before CONNACK")),
        }
    }

    /// AUTH: the client's next words in the exchange that runs, or the first of a re-authentication.
    pub(crate) fn handle_auth(
        &mut self,
        key: ConnectionKey,
        auth: &Auth<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some(connection) = self.connection_mut(key) else { return Ok(Flow::Stop) };
        let is_open = connection.phase == Phase::Open;
        let Some(authentication) = connection.authentication.as_mut() else {
            // [MQTT-4.12.0-7]; we send none either [MQTT-4.12.0-6].
            return Err(Fault::protocol_error("AUTH without an authentication method in CONNECT"));
        };
        // [MQTT-4.12.0-5, 4.12.1-1] An AUTH without a method says Success, which no client may.
        if auth.authentication_method.is_some_and(|method| *method != *authentication.method) {
            let detail = "AUTH with another authentication method than CONNECT";
            return Err(Fault::new(ReasonCode::BadAuthenticationMethod, detail));
        }
        let step = match (auth.reason_code, authentication.turn) {
            // [MQTT-4.12.0-3]
            (ReasonCode::ContinueAuthentication, Turn::Client) => AuthenticationStep::Continue,
            (ReasonCode::ReAuthenticate, Turn::Nobody) if is_open => AuthenticationStep::ReAuthenticate,
            (ReasonCode::ContinueAuthentication, Turn::Method(_)) => {
                return Err(Fault::protocol_error("AUTH out of turn"));
            }
            (ReasonCode::ContinueAuthentication, Turn::Nobody) => {
                return Err(Fault::protocol_error("AUTH continues an authentication that is complete"));
            }
            (ReasonCode::ReAuthenticate, _) => {
                return Err(Fault::protocol_error("a re-authentication while an authentication runs"));
            }
            // [MQTT-3.15.2-1]
            _ => return Err(Fault::protocol_error("a client's AUTH with the Reason Code of a server")),
        };
        if step == AuthenticationStep::ReAuthenticate {
            self.begin_re_authentication(key, now_ms);
        }
        self.ask_method(key, step, auth.authentication_data);
        Ok(Flow::Next)
    }

    fn begin_re_authentication(&mut self, key: ConnectionKey, now_ms: u64) {
        let deadline_ms = now_ms.saturating_add(u64::from(self.config.limits.connect_timeout_ms));
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let Some(authentication) = connection.authentication.as_mut() else { return };
        authentication.rounds = 0;
        authentication.deadline_ms = Some(deadline_ms);
        let armed_ms = connection.timer.deadline_ms().unwrap_or(u64::MAX);
        self.timers.arm(TimerKey::Connection(key), &mut connection.timer, deadline_ms.min(armed_ms));
    }

    fn ask_method(&mut self, key: ConnectionKey, step: AuthenticationStep, data: Option<&[u8]>) {
        let client_id = self.client_id_of(key);
        let Some(authentication) = self.authentication_of(key) else { return };
        let subject = Subject::EnhancedAuthentication {
            step,
            method: authentication.method.clone(),
            data: data.map(Secret::from),
            client_id,
            username: authentication.username.clone(),
        };
        let token = self.put_question(key, subject);
        if let Some(authentication) = self.authentication_of(key) {
            authentication.turn = Turn::Method(token);
        }
    }

    /// The method's answer.
    pub(crate) fn decide_authentication(&mut self, key: ConnectionKey, verdict: Verdict, now_ms: u64) {
        match verdict {
            Verdict::Continue { data } => self.ask_client_on(key, data.as_deref(), now_ms),
            Verdict::Authenticated { username, data, acceptance } => {
                if let Some(connection) = self.connection_mut(key) {
                    connection.response_information = acceptance.response_information;
                }
                self.authenticated(key, username, data, now_ms);
            }
            Verdict::Allow => self.authenticated(key, None, None, now_ms),
            Verdict::Deny(mut refusal) => {
                refusal.reason.get_or_insert("refused by the authentication method".into());
                self.fail_authentication(key, refusal, now_ms);
            }
            // An answer to some other question lets nobody in.
            Verdict::Accept(_) | Verdict::Replace(_) | Verdict::Discard | Verdict::Filters(_) => {
                let reason = "the authentication method has not answered the question";
                self.fail_authentication(key, Refusal::new(ReasonCode::NotAuthorized, reason), now_ms);
            }
        }
    }

    /// AUTH with Continue authentication [MQTT-4.12.0-2].
    fn ask_client_on(&mut self, key: ConnectionKey, data: Option<&[u8]>, now_ms: u64) {
        let most = self.config.limits.maximum_authentication_rounds;
        let Some(authentication) = self.authentication_of(key) else { return };
        if authentication.rounds >= most {
            let reason = "maximumAuthenticationRounds is reached";
            self.fail_authentication(key, Refusal::new(ReasonCode::QuotaExceeded, reason), now_ms);
            return;
        }
        authentication.rounds += 1;
        authentication.turn = Turn::Client;
        self.send_auth(key, ReasonCode::ContinueAuthentication, data, now_ms);
    }

    /// The method is content: CONNECT goes on, or a re-authentication is complete.
    fn authenticated(
        &mut self,
        key: ConnectionKey,
        username: Option<Box<str>>,
        data: Option<Secret>,
        now_ms: u64,
    ) {
        let Some(connection) = self.connection_mut(key) else { return };
        let is_first = connection.phase == Phase::Authenticating;
        let Some(authentication) = connection.authentication.as_mut() else { return };
        // What the connection holds was granted to that user: another one has to connect.
        if !is_first && username.is_some() && username != authentication.username {
            let reason = "a re-authentication cannot change the user name";
            self.fail_authentication(key, Refusal::new(ReasonCode::NotAuthorized, reason), now_ms);
            return;
        }
        authentication.turn = Turn::Nobody;
        authentication.deadline_ms = None;
        authentication.username = username.or_else(|| authentication.username.take());
        if !is_first {
            if self.send_auth(key, ReasonCode::Success, data.as_deref(), now_ms) {
                self.tell_re_authentication(key, ReasonCode::Success, Cow::Borrowed(""));
            }
            return;
        }
        if data.as_ref().is_some_and(|data| data.len() > usize::from(u16::MAX)) {
            self.fail_authentication(key, TOO_LONG, now_ms);
            return;
        }
        authentication.last_words = data;
        self.resume_connect(key, now_ms);
    }

    /// Goes on with the CONNECT that was remembered, under the name that the method has established.
    pub(crate) fn resume_connect(&mut self, key: ConnectionKey, now_ms: u64) {
        let Some(authentication) = self.authentication_of(key) else { return };
        let username = authentication.username.clone();
        let Some(packet) = authentication.connect.take() else { return };
        let Some(mut connect) = decode(&packet) else { return };
        connect.username = username.as_deref();
        let flow = self.advance_connect(key, &connect, now_ms);
        if flow == Flow::Hold
            && let Some(authentication) = self.authentication_of(key)
        {
            authentication.connect = Some(packet);
        }
    }

    /// Sends AUTH, with the method that CONNECT named [MQTT-4.12.0-5]; without one there is nothing to send it for
    /// [MQTT-4.12.0-6]. No Reason String and no User Properties, so that there is nothing to leave out for its size
    /// [MQTT-3.15.2-2, 3.15.2-3]. False where it cannot be said to this client: the authentication has then failed.
    fn send_auth(
        &mut self,
        key: ConnectionKey,
        reason_code: ReasonCode,
        data: Option<&[u8]>,
        now_ms: u64,
    ) -> bool {
        let Some(connection) = self.connection_mut(key) else { return false };
        let maximum = connection.maximum_packet_size as usize;
        let Some(authentication) = connection.authentication.as_ref() else { return false };
        let method = authentication.method.clone();
        let auth = Auth { authentication_data: data, ..Auth::new(reason_code, &method) };
        let mut packet = std::mem::take(&mut self.scratch.packet);
        packet.clear();
        let problem = if auth.encode(Version::V5_0, &mut packet).is_err() {
            Some(TOO_LONG)
        } else if packet.len() > maximum {
            let reason = "AUTH is larger than the client's maximum packet size";
            Some(Refusal::new(ReasonCode::PacketTooLarge, reason))
        } else {
            self.send(key, |_, out| out.extend_from_slice(&packet));
            None
        };
        self.scratch.packet = packet;
        let is_sent = problem.is_none();
        if let Some(refusal) = problem {
            self.fail_authentication(key, refusal, now_ms);
        }
        is_sent
    }

    /// An authentication has taken too long: the client's fault, or the host's.
    pub(crate) fn authentication_due(&mut self, key: ConnectionKey, now_ms: u64) {
        let Some(authentication) = self.authentication_of(key) else { return };
        let refusal = match authentication.turn {
            Turn::Client => Refusal::new(
                ReasonCode::NotAuthorized,
                "the client has not completed the authentication within connectTimeoutMs",
            ),
            Turn::Method(_) | Turn::Nobody => Refusal::new(
                ReasonCode::ServerBusy,
                "the hooks have not decided about the authentication within connectTimeoutMs",
            ),
        };
        self.fail_authentication(key, refusal, now_ms);
    }

    /// CONNACK with the code before CONNECT was accepted [MQTT-4.12.0-4], DISCONNECT afterwards [MQTT-4.12.1-2].
    fn fail_authentication(&mut self, key: ConnectionKey, refusal: Refusal, now_ms: u64) {
        let Some(authentication) = self.authentication_of(key) else { return };
        if let Some(packet) = authentication.connect.take() {
            let Some(connect) = decode(&packet) else { return };
            self.refuse(key, &connect, &refusal.for_packet(PacketType::Connack), now_ms);
        } else {
            let refusal = refusal.for_packet(PacketType::Disconnect);
            self.tell_re_authentication(key, refusal.reason_code, refusal.reason.clone().unwrap_or_default());
            self.end_connection(key, Ending::ByServer(Farewell::of(&refusal)), now_ms);
        }
    }

    fn tell_re_authentication(
        &mut self,
        key: ConnectionKey,
        reason_code: ReasonCode,
        detail: Cow<'static, str>,
    ) {
        let session = self.connections.get(key.index()).and_then(|connection| connection.session);
        let Some(session) = session.and_then(|session| self.sessions.get(session.index())) else { return };
        let client_id = Arc::clone(&session.client_id);
        self.events.push_back(Event::ReAuthenticated { connection: key, client_id, reason_code, detail });
    }

    /// The identifier as far as it is known: the Session's, or CONNECT's.
    fn client_id_of(&self, key: ConnectionKey) -> Box<str> {
        let Some(connection) = self.connections.get(key.index()) else { return Box::default() };
        let session = connection.session.and_then(|session| self.sessions.get(session.index()));
        if let Some(session) = session {
            return (&*session.client_id).into();
        }
        let packet = connection.authentication.as_ref().and_then(|it| it.connect.as_deref());
        packet.and_then(decode).map(|connect| connect.client_id.into()).unwrap_or_default()
    }

    fn authentication_of(&mut self, key: ConnectionKey) -> Option<&mut Authentication> {
        self.connection_mut(key)?.authentication.as_deref_mut()
    }
}

const TOO_LONG: Refusal = Refusal::new(
    ReasonCode::ImplementationSpecificError,
    "the authentication method's data is longer than 65,535 bytes",
);

/// A CONNECT that was decoded once before.
fn decode(packet: &[u8]) -> Option<Connect<'_>> {
    let Ok(Split::Frame(frame)) = split_frame(packet, u32::MAX) else { return None };
    Connect::decode(&frame, Version::V5_0).ok()
}
