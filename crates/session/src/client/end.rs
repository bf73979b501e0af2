//! How connections end: DISCONNECT, faults, silence, lost transports; and what becomes of the Session then.

use topicwire_codec::{Disconnect, PacketType, PropertyId, ReasonCode};

use super::Client;
use super::event::{Abandonment, Closing, Event};
use super::fault::Fault;
use super::link::Phase;
use super::misuse::Misuse;
use crate::lifetime::Lifetime;

const PINGREQ: [u8; 2] = [0xC0, 0x00];

impl Client {
    /// Leaves in good order: writes DISCONNECT, after which nothing is sent [MQTT-3.14.4-1],
    /// v3.1.1 [MQTT-3.14.4-2], and the host closes the transport [MQTT-3.14.4-2], v3.1.1 [MQTT-3.14.4-1]. Allowed from
    /// CONNECT on. Before 5.0 there is only the plain DISCONNECT.
    ///
    /// # Errors
    /// [`Misuse::NotConnected`]; [`Misuse::ReasonCodeNotAllowed`] for a code that only a server sends;
    /// [`Misuse::SessionExpiryAfterZero`]; [`Misuse::NeedsV5`] for anything but a normal end before 5.0.
    pub fn disconnect(&mut self, disconnect: &Disconnect<'_>, now_ms: u64) -> Result<(), Misuse> {
        if !self.link.is_live() {
            return Err(Misuse::NotConnected);
        }
        let reason_code = disconnect.reason_code;
        if self.link.version.is_v5() {
            if !is_a_clients(reason_code) {
                let packet_type = PacketType::Disconnect;
                return Err(Misuse::ReasonCodeNotAllowed { packet_type, reason_code });
            }
            if disconnect.server_reference.is_some() {
                let property = PropertyId::ServerReference;
                return Err(Misuse::PropertyNotAllowed { property });
            }
            if self.link.requested_expiry_secs == 0
                && disconnect.session_expiry_interval_secs.is_some_and(|secs| secs != 0)
            {
                return Err(Misuse::SessionExpiryAfterZero);
            }
        } else if reason_code != ReasonCode::NORMAL_DISCONNECTION {
            return Err(Misuse::NeedsV5 { what: "a DISCONNECT that is not a normal end" });
        } else if disconnect.session_expiry_interval_secs.is_some() {
            return Err(Misuse::NeedsV5 { what: "a new Session Expiry Interval" });
        }
        self.write(|version, out| disconnect.encode(version, out))?;
        if let Some(secs) = disconnect.session_expiry_interval_secs
            && self.link.phase == Phase::Open
        {
            self.session.lifetime = Lifetime::from_interval_secs(secs);
        }
        self.end(Closing::Requested, now_ms);
        Ok(())
    }

    /// The transport is gone, whoever closed it. Commands that need a connection fail until the next
    /// [`Client::connect`]; the Session is kept as long as it was agreed.
    pub fn handle_closed(&mut self, now_ms: u64) {
        self.end(Closing::TransportClosed, now_ms);
        self.link.phase = Phase::Idle;
        self.out.clear();
    }

    /// When [`Client::handle_timeout`] wants to be called; none where nothing waits for time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        match self.link.phase {
            Phase::Connecting => {
                let ping_ms = self.link.keep_alive.client_deadline_ms().filter(|_| self.pings_early());
                [self.link.connack_deadline_ms, ping_ms].into_iter().flatten().min()
            }
            Phase::Open => {
                self.link.pingresp_deadline_ms.or_else(|| self.link.keep_alive.client_deadline_ms())
            }
            Phase::Idle | Phase::Over => self.session.expires_at_ms,
        }
    }

    /// Time has passed: whatever is due happens. PINGREQ where nothing has been sent for the Keep Alive
    /// [MQTT-3.1.2-20]; the end of a connection whose server is silent; the end of a Session.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        if self.poll_timeout().is_none_or(|deadline_ms| deadline_ms > now_ms) {
            return;
        }
        match self.link.phase {
            Phase::Connecting if self.link.connack_deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) => {
                self.end(Closing::ConnackTimeout, now_ms);
            }
            Phase::Connecting => {
                // It will not be answered before CONNACK, and so has no deadline.
                self.write_ping();
                self.link.keep_alive.touch(now_ms);
            }
            Phase::Open if self.link.pingresp_deadline_ms.is_some() => {
                self.end(Closing::PingrespTimeout, now_ms);
            }
            Phase::Open => self.begin_ping(now_ms),
            Phase::Idle | Phase::Over => self.discard_session(),
        }
    }

    /// Asks the server whether it is there: PINGREQ, answered by [`Event::Pong`]. One that is under way already will do.
    ///
    /// # Errors
    /// [`Misuse::NotConnected`].
    pub fn ping(&mut self, now_ms: u64) -> Result<(), Misuse> {
        if self.link.phase != Phase::Open {
            return Err(Misuse::NotConnected);
        }
        if self.link.pingresp_deadline_ms.is_none() {
            self.begin_ping(now_ms);
        }
        Ok(())
    }

    /// Keep Alive counts from CONNECT on. With an authentication method nothing but AUTH may be sent before CONNACK
    /// [MQTT-3.1.2-30], and a server that takes longer has to be given up by the application.
    fn pings_early(&self) -> bool {
        self.link.authentication_method.is_none()
    }

    fn write_ping(&mut self) {
        // A server that takes no packet of two bytes hears nothing, and is silent.
        let _ = self.write(|_, out| {
            out.extend_from_slice(&PINGREQ);
            Ok(())
        });
    }

    fn begin_ping(&mut self, now_ms: u64) {
        self.write_ping();
        let keep_alive_ms = u64::from(self.link.keep_alive_secs) * 1000;
        let most_ms = if keep_alive_ms == 0 { u64::MAX } else { keep_alive_ms };
        let timeout_ms = self.config.pingresp_timeout_ms.min(most_ms);
        self.link.pingresp_deadline_ms = Some(now_ms.saturating_add(timeout_ms));
    }

    /// The server broke the protocol: in 5.0 it is told why, before there is no way to, and a DISCONNECT would take the
    /// Will back. Then the connection is ended [MQTT-4.13.1-1], v3.1.1 [MQTT-4.8.0-1].
    pub(super) fn fail(&mut self, fault: Fault, now_ms: u64) {
        if !self.link.is_live() {
            return;
        }
        if self.link.version.is_v5() {
            let disconnect = Disconnect::new(fault.reason_code);
            // A server that takes no packet of three bytes is not told.
            let _ = self.write(|version, out| disconnect.encode(version, out));
        }
        self.end(Closing::Fault { reason_code: fault.reason_code, detail: fault.detail }, now_ms);
    }

    /// The connection is over.
    pub(super) fn end(&mut self, closing: Closing, now_ms: u64) {
        if !self.link.is_live() {
            return;
        }
        let was_open = self.link.phase == Phase::Open;
        self.link.phase = Phase::Over;
        if let Some(journal) = &mut self.journal {
            journal.drop_held();
        }
        for (packet_id, request) in std::mem::take(&mut self.link.requests) {
            self.session.outbound.close_request(packet_id);
            let cause = Abandonment::ConnectionLost;
            self.events.push_back(Event::Abandoned { ticket: request.ticket, cause });
        }
        if !was_open && !matches!(closing, Closing::Refused { .. }) {
            self.adopt_session();
        }
        if was_open || self.session.expires_at_ms.is_none() {
            self.session.expires_at_ms = self.session.lifetime.deadline_ms(now_ms);
        }
        let has_session = self.session.client_id.is_some() && !self.session.is_expired(now_ms);
        if !has_session {
            self.discard_session();
        }
        self.events.push_back(Event::Closed(closing));
    }
}

/// The Reason Codes of DISCONNECT that a client sends [MQTT-3.14.2-1].
fn is_a_clients(reason_code: ReasonCode) -> bool {
    matches!(
        reason_code,
        ReasonCode::Success
            | ReasonCode::DisconnectWithWillMessage
            | ReasonCode::UnspecifiedError
            | ReasonCode::MalformedPacket
            | ReasonCode::ProtocolError
            | ReasonCode::ImplementationSpecificError
            | ReasonCode::TopicNameInvalid
            | ReasonCode::ReceiveMaximumExceeded
            | ReasonCode::TopicAliasInvalid
            | ReasonCode::PacketTooLarge
            | ReasonCode::MessageRateTooHigh
            | ReasonCode::QuotaExceeded
            | ReasonCode::AdministrativeAction
            | ReasonCode::PayloadFormatInvalid
    )
}
