//! A CONNECT that is let in: the Session it gets, what both sides agree on, and CONNACK. Who is let in is decided in
//! `connect.rs`.

use std::sync::Arc;

use topicwire_codec::{Connack, ConnackProperties, Connect, ReasonCode};
use topicwire_session::{InboundAliases, KeepAlive, Lifetime, OutboundAliases};

use crate::broker::{Broker, ConnectionKey, SessionKey, TimerKey, slab_key};
use crate::config::{Config, ReceiveMaximumPolicy};
use crate::connection::{AckEffect, Phase};
use crate::end::Ending;
use crate::event::Event;
use crate::message::Message;
use crate::session::{Endpoint, Session, Will};
use crate::store::StoreOperation;

/// What was settled at CONNECT.
pub(crate) struct Agreed {
    asked_expiry_secs: u32,
    expiry_interval_secs: u32,
    expiry_was_changed: bool,
    keep_alive_secs: u16,
    keep_alive_was_changed: bool,
    receive_maximum: u16,
    /// What the client takes at once.
    peer_receive_maximum: u16,
}

impl Agreed {
    /// True where the Session is to be there when its connection is not.
    pub(crate) fn outlives_connection(&self) -> bool {
        self.expiry_interval_secs > 0
    }

    /// What CONNACK tells a 5.0 client; `assigned` is empty where it brought an identifier of its own.
    pub(crate) fn connack_properties<'a>(&self, config: &Config, assigned: &'a str) -> ConnackProperties<'a> {
        let limits = &config.limits;
        let mut properties = ConnackProperties {
            session_expiry_interval_secs: self.expiry_was_changed.then_some(self.expiry_interval_secs),
            receive_maximum: (limits.receive_maximum != u16::MAX).then_some(limits.receive_maximum),
            maximum_packet_size: Some(limits.maximum_packet_size_bytes),
            assigned_client_id: (!assigned.is_empty()).then_some(assigned),
            topic_alias_maximum: (limits.topic_alias_maximum != 0).then_some(limits.topic_alias_maximum),
            server_keep_alive_secs: self.keep_alive_was_changed.then_some(self.keep_alive_secs),
            ..ConnackProperties::default()
        };
        config.features.announce(&mut properties);
        properties
    }
}

impl Broker {
    /// Lets the client in and tells it so [MQTT-3.1.4-5]. One without an identifier gets a new one, which CONNACK names
    /// [MQTT-3.1.3-7, 3.2.2-16]; all else is as if it had brought it.
    /// Asked for by v3.1.1 [MQTT-3.1.4-4], v3.1.1 [MQTT-3.2.0-1].
    pub(crate) fn accept(&mut self, key: ConnectionKey, connect: &Connect<'_>, is_mqtt: bool, now_ms: u64) {
        let is_assigned = connect.client_id.is_empty();
        let client_id = if is_assigned { self.assign_client_id() } else { Arc::from(connect.client_id) };
        let mark = self.journal.mark();
        let (session_key, session_present) = self.claim_session(&client_id, connect, now_ms);
        let agreed = self.settle(connect, is_mqtt);
        self.attach(key, session_key, connect, &agreed, now_ms);
        if let Some(connection) = self.connection_mut(key) {
            connection.is_recovering = session_present;
        }
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
        let last_words = self.take_last_words(key);
        let mut properties = agreed.connack_properties(&self.config, assigned);
        // [MQTT-4.12.0-5]
        properties.authentication_method = connect.properties.authentication_method;
        properties.authentication_data = last_words.as_deref();
        // 3.1 has no Session Present flag; the codec leaves it out there.
        let connack = Connack { session_present, reason_code: ReasonCode::Success, properties };
        let response_information = self.response_information(key, connect, &client_id);
        // That there is no earlier Session must stay true, also where its end was recorded before this.
        let sequence = self.journal.sequence_since(mark).max(self.journal.sequence_of_end(&client_id));
        self.acknowledge(key, sequence, AckEffect::Connack, now_ms, |to, out| {
            let response_information = response_information.as_deref();
            let properties = ConnackProperties { response_information, ..connack.properties };
            // It is the server's to give, and so to leave out where it makes CONNACK too large.
            let forms = [Connack { properties, ..connack.clone() }, connack];
            to.write_fitting(out, forms, |connack, out| connack.encode(to.version, out));
        });
    }

    /// The Response Information of a client that has asked for it [MQTT-3.1.2-28].
    fn response_information(
        &mut self,
        key: ConnectionKey,
        connect: &Connect<'_>,
        client_id: &str,
    ) -> Option<Box<str>> {
        let of_hook = self.connections.get_mut(key.index())?.response_information.take();
        connect.properties.request_response_information.filter(|is_asked| *is_asked)?;
        of_hook.or_else(|| {
            let template = self.config.response_information.as_deref()?;
            Some(fill_in(template, client_id, connect.username.unwrap_or_default()).into())
        })
    }

    /// The Session of this client, found by its identifier [MQTT-3.1.3-2] as Clean Start says [MQTT-3.1.4-4]: an old
    /// one resumed [MQTT-3.1.2-5], or a new one [MQTT-3.1.2-4, 3.1.2-6]; and Session Present, which is what became of
    /// it [MQTT-3.2.2-2, 3.2.2-3]. A connection that still holds the identifier is told and ended [MQTT-3.1.4-3].
    /// Asked for by v3.1.1 [MQTT-3.1.2-4], v3.1.1 [MQTT-3.1.2-6], v3.1.1 [MQTT-3.1.3-2],
    /// v3.1.1 [MQTT-3.1.4-2], v3.1.1 [MQTT-3.1.4-3], v3.1.1 [MQTT-3.2.2-1], v3.1.1 [MQTT-3.2.2-2],
    /// v3.1.1 [MQTT-3.2.2-3].
    fn claim_session(
        &mut self,
        client_id: &Arc<str>,
        connect: &Connect<'_>,
        now_ms: u64,
    ) -> (SessionKey, bool) {
        let holder = self.by_client_id.get(client_id).and_then(|key| self.sessions.get(key.index()));
        if let Some(old) = holder.and_then(Session::connection) {
            let reason = "another connection has come with this client identifier";
            self.end_connection(old, Ending::by_server(ReasonCode::SessionTakenOver, reason), now_ms);
        }
        if let Some(existing) = self.by_client_id.get(client_id).copied() {
            // Its time may be up without a tick having said so yet.
            self.session_due(existing, now_ms);
        }
        if let Some(existing) = self.by_client_id.get(client_id).copied() {
            if !connect.clean_start {
                // It is back before its Will was due [MQTT-3.1.3-9].
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

    /// Settles what CONNECT asks for against the limits. Where we announce no Keep Alive of our own, the client's
    /// counts [MQTT-3.2.2-22].
    pub(crate) fn settle(&self, connect: &Connect<'_>, is_mqtt: bool) -> Agreed {
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
            let receive_maximum = match limits.receive_maximum_policy {
                ReceiveMaximumPolicy::Strict => limits.receive_maximum,
                ReceiveMaximumPolicy::Tolerant => u16::MAX,
            };
            (receive_maximum, connect.properties.receive_maximum.unwrap_or(u16::MAX))
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
        self.journal.put_session(session, None);
        if let Some(will) = &session.will {
            self.journal.record(|| StoreOperation::PutWill {
                client_id: Arc::clone(&session.client_id),
                message: Arc::clone(&will.message),
                delay_interval_secs: will.delay_interval_secs,
                expiry_interval_secs: will.expiry_interval_secs,
            });
        }
    }
}

/// Puts the client identifier in the place of `%c` and the user name in that of `%u`. What they bring with them is not
/// looked at again.
fn fill_in(template: &str, client_id: &str, username: &str) -> String {
    let mut text = String::with_capacity(template.len() + client_id.len() + username.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (value, used) = match after.as_bytes().first() {
            Some(b'c') => (client_id, 1),
            Some(b'u') => (username, 1),
            _ => ("%", 0),
        };
        text.push_str(value);
        rest = after.get(used..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::fill_in;

    #[test]
    fn placeholders_are_filled_in_once() {
        assert_eq!(fill_in("replies/%c/%u", "ann", "%c"), "replies/ann/%c");
        assert_eq!(fill_in("%%c 100% é%", "x", "y"), "%x 100% é%");
        assert_eq!(fill_in("", "x", "y"), "");
    }
}
