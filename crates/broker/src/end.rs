//! How connections, Sessions and Wills end.

use std::borrow::Cow;
use std::sync::Arc;

use topicwire_codec::{Disconnect, PacketType, ReasonCode};
use topicwire_session::{Lifetime, Timers, WillTiming};
use topicwire_topics::SubscriptionFilter;

use crate::broker::{Broker, ConnectionKey, SessionKey, TimerKey};
use crate::config::Limits;
use crate::connection::{Closing, Phase};
use crate::event::Event;
use crate::hook::{Refusal, names_another_server};
use crate::message::Message;
use crate::recipient::Recipient;
use crate::session::{Endpoint, Will};
use crate::store::StoreOperation;

/// What a client is told when the server ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell<'a> {
    /// Why. One that DISCONNECT does not have is told as Unspecified error (0x80).
    pub reason_code: ReasonCode,
    /// Why, in a sentence: the Reason String. Nothing secret, and nothing that another peer wrote.
    pub reason: Option<&'a str>,
    /// Another server to use. Only with Use another server (0x9C) and Server moved (0x9D); left out elsewhere.
    pub server_reference: Option<&'a str>,
}

impl Farewell<'_> {
    /// Nothing but the code.
    #[must_use]
    pub const fn new(reason_code: ReasonCode) -> Self {
        Self { reason_code, reason: None, server_reference: None }
    }

    /// A refusal that only DISCONNECT can say.
    pub(crate) fn of(refusal: &Refusal) -> Farewell<'_> {
        Farewell {
            reason_code: refusal.reason_code,
            reason: refusal.reason.as_deref(),
            server_reference: refusal.server_reference.as_deref(),
        }
    }

    /// What a client hears that comes while the others go.
    fn to_newcomers(self) -> Refusal {
        let is_elsewhere = names_another_server(self.reason_code);
        Refusal {
            reason_code: if is_elsewhere { self.reason_code } else { ReasonCode::ServerUnavailable },
            reason: self.reason.map(|reason| Cow::Owned(reason.to_owned())),
            server_reference: self.server_reference.map(Into::into),
        }
    }

    /// DISCONNECT; what does not fit is left out, first the sentence, then the other server [MQTT-3.14.2-3].
    fn write(self, to: Recipient, out: &mut Vec<u8>) {
        let is_known = self.reason_code.is_valid_for(PacketType::Disconnect);
        let reason_code = if is_known { self.reason_code } else { ReasonCode::UnspecifiedError };
        let server_reference = self.server_reference.filter(|_| names_another_server(reason_code));
        let bare = Disconnect::new(reason_code);
        let forms = [
            Disconnect { reason_string: self.reason, server_reference, ..bare },
            Disconnect { server_reference, ..bare },
            bare,
        ];
        to.write_fitting(out, forms, |disconnect, out| disconnect.encode(to.version, out));
    }
}

/// Who ended a Network Connection, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending<'a> {
    /// DISCONNECT has arrived.
    ByPeer(ReasonCode),
    /// We close it, and tell a 5.0 client why.
    ByServer(Farewell<'a>),
    /// The transport is gone without a word.
    Lost,
}

impl<'a> Ending<'a> {
    /// Why we close it, in words.
    const fn reason(self) -> Option<&'a str> {
        match self {
            Self::ByServer(farewell) => farewell.reason,
            Self::ByPeer(_) | Self::Lost => None,
        }
    }

    pub(crate) const fn by_server(reason_code: ReasonCode, reason: &'a str) -> Self {
        Self::ByServer(Farewell { reason: Some(reason), ..Farewell::new(reason_code) })
    }
}

impl Broker {
    /// The transport is gone. The key is free for another connection from now on.
    pub fn close(&mut self, key: ConnectionKey, now_ms: u64) {
        self.end_connection(key, Ending::Lost, now_ms);
        if let Some(mut connection) = self.connections.try_remove(key.index()) {
            self.timers.disarm(TimerKey::Connection(key), &mut connection.timer);
            self.outlet.forget(&connection);
            self.kept_matches -= connection.route.take().map_or(0, |route| route.weight());
            self.metrics.connections -= 1;
        }
    }

    /// Ends a client's connection on the host's behalf. False where no such client is connected.
    pub fn disconnect_client(&mut self, client_id: &str, farewell: Farewell<'_>, now_ms: u64) -> bool {
        let session = self.by_client_id.get(client_id).and_then(|key| self.sessions.get(key.index()));
        let Some(key) = session.and_then(crate::session::Session::connection) else { return false };
        self.end_connection(key, Ending::ByServer(farewell), now_ms);
        true
    }

    /// The broker is going down: every client is told so (usually with 0x8B), no new one is let in. The connections
    /// close as the output is drained.
    pub fn shut_down(&mut self, farewell: Farewell<'_>, now_ms: u64) {
        self.draining = Some(farewell.to_newcomers());
        let keys: Vec<_> = self.connections.iter().map(|(_, connection)| connection.key).collect();
        for key in keys {
            self.end_connection(key, Ending::ByServer(farewell), now_ms);
        }
    }

    /// Ends a Network Connection once; what is in its out-buffer still leaves, unless the peer does not read. DISCONNECT
    /// is only for a client that has had its CONNACK [MQTT-3.14.0-1]. It is the last packet either way, and the transport
    /// is closed behind it [MQTT-3.14.4-1, 3.14.4-2].
    pub(crate) fn end_connection(&mut self, key: ConnectionKey, ending: Ending<'_>, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        if connection.phase == Phase::Over {
            return;
        }
        let was_open = connection.phase == Phase::Open;
        let version = connection.version;
        connection.phase = Phase::Over;
        connection.input = Vec::new();
        self.metrics.input_bytes -= std::mem::take(&mut connection.counted_input_bytes);
        connection.input_head = 0;
        connection.held = crate::hook::Held::default();
        connection.is_stalled = false;
        connection.authentication = None;
        connection.withheld.clear();
        self.kept_matches -= connection.route.take().map_or(0, |route| route.weight());
        let session = connection.session.take();
        let reason_code = match ending {
            Ending::ByPeer(reason_code) => Some(reason_code),
            Ending::ByServer(farewell) => {
                if was_open && version.is_v5() {
                    self.send(key, |to, out| farewell.write(to, out));
                }
                Some(farewell.reason_code)
            }
            Ending::Lost => None,
        };
        if let Some(connection) = self.connections.get_mut(key.index()) {
            connection.closing = Some(Closing { reason_code: reason_code.unwrap_or(ReasonCode::Success) });
            self.outlet.mark(connection);
            let linger_ms = now_ms.saturating_add(Limits::LINGER_MS);
            self.timers.arm(TimerKey::Connection(key), &mut connection.timer, linger_ms);
        }
        if let Some(session_key) = session {
            self.detach(session_key, key, reason_code, ending, now_ms);
        }
    }

    /// The Session has lost its connection: what becomes of its Will, which a normal DISCONNECT takes along
    /// [MQTT-3.14.4-3], and of itself, which stays as long as its expiry says [MQTT-3.1.2-23].
    /// Asked for by v3.1.1 [MQTT-3.1.2-8], v3.1.1 [MQTT-3.1.2-12].
    fn detach(
        &mut self,
        session_key: SessionKey,
        connection: ConnectionKey,
        reason_code: Option<ReasonCode>,
        ending: Ending<'_>,
        now_ms: u64,
    ) {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return };
        session.endpoint = Endpoint::Offline;
        // Sent again with the others, by the next connection.
        session.held.clear();
        self.metrics.clients_connected -= 1;
        self.events.push_back(Event::Disconnected {
            connection,
            client_id: Arc::clone(&session.client_id),
            reason_code,
            detail: ending.reason().map(Into::into),
        });
        if ending == Ending::ByPeer(ReasonCode::NORMAL_DISCONNECTION) {
            self.discard_will(session_key);
        }
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return };
        if !session.lifetime.outlives_connection() {
            self.end_session(session_key, now_ms);
            return;
        }
        session.ends_at_ms = session.lifetime.deadline_ms(now_ms);
        let timing = session
            .will
            .as_ref()
            .map(|will| WillTiming::after_close(will.delay_interval_secs, session.lifetime, now_ms));
        session.will_at_ms = match timing {
            Some(WillTiming::At(at_ms)) => Some(at_ms),
            _ => None,
        };
        self.journal.put_session(session, Some(now_ms));
        self.arm_session(session_key);
        if timing == Some(WillTiming::Now) {
            self.publish_will(session_key, now_ms);
        }
    }

    /// Ends a Session: its Will is published if it still has one [MQTT-3.1.2-8], all else is forgotten.
    pub(crate) fn end_session(&mut self, key: SessionKey, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(key.index()) else { return };
        // Not subscribed any more when the Will goes out: it must not wait in a queue that is about to go.
        for filter in std::mem::take(&mut session.subscriptions).keys() {
            if let Ok(filter) = SubscriptionFilter::parse(filter) {
                self.remove_from_index(filter, key);
            }
        }
        self.publish_will(key, now_ms);
        let Some(mut session) = self.sessions.try_remove(key.index()) else { return };
        self.timers.disarm(TimerKey::Session(key), &mut session.timer);
        self.report_last_drops(key, &mut session);
        self.metrics.queued_bytes -= session.outbound.queued_bytes() as u64;
        self.metrics.queued_messages -= session.outbound.queued_count() as u64;
        if !session.is_local() {
            self.by_client_id.remove(&session.client_id);
        }
        if session.is_durable() {
            self.journal.record_session_end(&session.client_id);
        }
    }

    pub(crate) fn remove_from_index(&mut self, filter: SubscriptionFilter<'_>, key: SessionKey) {
        match filter.share_name {
            Some(share_name) => self.subscriptions.remove_shared(share_name, filter.topic_filter, key),
            None => self.subscriptions.remove(filter.topic_filter, key),
        };
    }

    /// Publishes the Will, where there still is one, and forgets it [MQTT-3.1.2-10].
    /// Asked for by v3.1.1 [MQTT-3.1.2-10], v3.1.1 [MQTT-3.1.2-16], v3.1.1 [MQTT-3.1.2-17].
    pub(crate) fn publish_will(&mut self, key: SessionKey, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(key.index()) else { return };
        session.will_at_ms = None;
        let Some(Will { message, expiry_interval_secs, .. }) = session.will.take() else { return };
        if session.is_durable() {
            let client_id = &session.client_id;
            self.journal.record(|| StoreOperation::DeleteWill { client_id: Arc::clone(client_id) });
        }
        let message = match expiry_interval_secs {
            None => message,
            Some(secs) => Arc::new(Message::new(
                Arc::clone(message.topic_name()),
                message.forwarded(),
                message.payload(),
                message.qos,
                message.retain,
                now_ms.saturating_add(u64::from(secs) * 1000),
            )),
        };
        self.publish_message(Some(key), &message, now_ms);
    }

    pub(crate) fn discard_will(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.index()) else { return };
        session.will_at_ms = None;
        if session.will.take().is_some() && session.is_durable() {
            let client_id = &session.client_id;
            self.journal.record(|| StoreOperation::DeleteWill { client_id: Arc::clone(client_id) });
        }
    }

    pub(crate) fn change_lifetime(&mut self, session: Option<SessionKey>, interval_secs: u32) {
        let Some(session) = session.and_then(|key| self.sessions.get_mut(key.index())) else { return };
        session.lifetime = Lifetime::from_interval_secs(interval_secs);
    }

    /// Sets the timer to the Session's next deadline, or takes it back.
    pub(crate) fn arm_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key.index()) else { return };
        match session.next_deadline_ms() {
            Some(deadline_ms) => self.timers.arm(TimerKey::Session(key), &mut session.timer, deadline_ms),
            None => self.timers.disarm(TimerKey::Session(key), &mut session.timer),
        }
    }

    /// Does what is due of a Session, whether or not its timer has said so: it ends when its time is up
    /// [MQTT-4.1.0-2].
    pub(crate) fn session_due(&mut self, key: SessionKey, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(key.index()) else { return };
        if session.ends_at_ms.is_some_and(|end_ms| end_ms <= now_ms) {
            self.metrics.sessions_expired += 1;
            self.end_session(key, now_ms);
            return;
        }
        if session.will_at_ms.is_some_and(|will_ms| will_ms <= now_ms) {
            self.publish_will(key, now_ms);
        }
        self.arm_session(key);
    }

    /// A connection's time is up: CONNECT has not come, an authentication is not complete, or nothing has come within
    /// one and a half Keep Alives [MQTT-3.1.2-22].
    /// Asked for by v3.1.1 [MQTT-3.1.2-24].
    pub(crate) fn connection_due(&mut self, key: ConnectionKey, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        Timers::<TimerKey>::fired(&mut connection.timer);
        let deadline_ms = match connection.phase {
            Phase::Over => {
                self.outlet.give_up(connection);
                None
            }
            // While a hook decides we do not read, so that silence is our own.
            _ if connection.is_held() => Some(now_ms.saturating_add(1_000)),
            Phase::AwaitConnect | Phase::Authenticating => Some(connection.connect_deadline_ms),
            Phase::AwaitStore | Phase::Open => connection.open_deadline_ms(),
        };
        match deadline_ms {
            None => {}
            Some(deadline_ms) if deadline_ms > now_ms => {
                self.timers.arm(TimerKey::Connection(key), &mut connection.timer, deadline_ms);
            }
            Some(_) if connection.is_authentication_late(now_ms) => self.authentication_due(key, now_ms),
            Some(_) => {
                let reason = "nothing was heard for one and a half times the keep alive";
                self.end_connection(key, Ending::by_server(ReasonCode::KeepAliveTimeout, reason), now_ms);
            }
        }
    }
}
