//! CONNACK, and everything that follows from it.

use topicwire_codec::{Connack, Version};

use super::Client;
use super::event::{Closing, Event};
use super::fault::Fault;
use super::link::{AuthTurn, Phase, ServerLimits};
use super::span::Span;
use crate::alias::OutboundAliases;
use crate::lifetime::Lifetime;

impl Client {
    pub(super) fn handle_connack(
        &mut self,
        connack: &Connack<'_>,
        packet: Span,
        now_ms: u64,
    ) -> Result<(), Fault> {
        if connack.reason_code.is_error() {
            // [MQTT-4.13.2-1]
            self.end(Closing::Refused { reason_code: connack.reason_code, packet }, now_ms);
            return Ok(());
        }
        self.check_connack(connack)?;
        self.open_session(connack);
        let properties = &connack.properties;
        let link = &mut self.link;
        link.phase = Phase::Open;
        link.auth_turn = AuthTurn::Nobody;
        link.connack_deadline_ms = None;
        link.server = ServerLimits::new(properties);
        // [MQTT-3.2.2-17], [MQTT-3.2.2-18], [MQTT-3.3.2-9]
        let alias_maximum = link.server.topic_alias_maximum.min(self.config.topic_alias_limit);
        link.outbound_aliases = OutboundAliases::new(alias_maximum);
        if let Some(keep_alive_secs) = properties.server_keep_alive_secs {
            // [MQTT-3.1.2-21], [MQTT-3.2.2-21]
            link.keep_alive_secs = keep_alive_secs;
        }
        link.keep_alive.set_interval(link.keep_alive_secs);
        let session_present = connack.session_present;
        self.events.push_back(Event::Connected { session_present, packet });
        self.pump(now_ms);
        Ok(())
    }

    fn check_connack(&self, connack: &Connack<'_>) -> Result<(), Fault> {
        let link = &self.link;
        if connack.session_present && link.clean_start {
            return Err(Fault::protocol_error("a session, though CONNECT asked for a clean start"));
        }
        if connack.session_present && self.session.client_id.is_none() && link.version.is_v5() {
            // [MQTT-3.2.2-4]. Before 5.0 the two may disagree.
            return Err(Fault::protocol_error("a session that this client knows nothing of"));
        }
        if !link.version.is_v5() {
            return Ok(());
        }
        if connack.properties.authentication_method != link.authentication_method.as_deref() {
            // [MQTT-4.12.0-5], [MQTT-4.12.0-6]
            return Err(Fault::protocol_error("CONNACK with another authentication method than CONNECT"));
        }
        if link.client_id.is_empty() && connack.properties.assigned_client_id.is_none() {
            // [MQTT-3.2.2-16]
            return Err(Fault::protocol_error("no client identifier, neither given nor assigned"));
        }
        Ok(())
    }

    /// Whether the server goes on with our Session. A server of 3.1 has no way to say so and is taken to.
    fn goes_on(&self, session_present: bool) -> bool {
        session_present || (self.link.version == Version::V3_1 && !self.link.clean_start)
    }

    /// The Session goes on, or a new one begins [MQTT-3.2.2-5].
    fn open_session(&mut self, connack: &Connack<'_>) {
        let receive_maximum = connack.properties.receive_maximum.unwrap_or(u16::MAX);
        self.link.is_recovering = self.goes_on(connack.session_present);
        if !self.link.is_recovering {
            if self.link.sends_early {
                // What is under way has been sent on this connection.
                self.discard_inbound();
            } else {
                self.discard_session();
            }
        }
        let session = &mut self.session;
        session.inbound.resume(self.link.receive_maximum);
        if self.link.sends_early {
            session.outbound.limit(receive_maximum);
        } else {
            session.outbound.resume(receive_maximum);
        }
        let client_id = connack.properties.assigned_client_id.filter(|_| self.link.client_id.is_empty());
        session.client_id = Some(client_id.map_or_else(|| self.link.client_id.clone(), Box::from));
        let interval_secs = connack.properties.session_expiry_interval_secs;
        session.lifetime =
            Lifetime::from_interval_secs(interval_secs.unwrap_or(self.link.requested_expiry_secs));
        session.expires_at_ms = None;
    }
}
