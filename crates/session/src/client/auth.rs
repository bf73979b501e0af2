//! Extended authentication: section 4.12. What a method says is the application's; whose turn it is, and that the
//! method stays the same, is kept here.

use std::fmt;

use topicwire_codec::{Auth, ReasonCode, UserProperties};

use super::Client;
use super::event::Event;
use super::fault::Fault;
use super::link::{AuthTurn, Phase};
use super::misuse::Misuse;
use super::span::Span;

/// What the application has to say in an authentication. Its `Debug` shows that there is data, not which.
#[derive(Clone, Copy, Default)]
pub struct AuthStep<'a> {
    /// What the method has to say.
    pub authentication_data: Option<&'a [u8]>,
    /// A sentence for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
}

impl fmt::Debug for AuthStep<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.authentication_data.map(<[u8]>::len);
        formatter
            .debug_struct("AuthStep")
            .field("authentication_data", &format_args!("<{length:?} bytes>"))
            .field("reason_string", &self.reason_string)
            .field("user_properties", &self.user_properties)
            .finish()
    }
}

impl Client {
    /// Answers [`Event::Authenticate`]: AUTH with Continue authentication [MQTT-4.12.0-3] and the method of the CONNECT
    /// [MQTT-4.12.0-5]. To give up instead, [`Client::disconnect`].
    ///
    /// # Errors
    /// [`Misuse::NotConnected`], [`Misuse::NoAuthenticationMethod`], [`Misuse::AuthenticationOutOfTurn`].
    pub fn authenticate(&mut self, step: &AuthStep<'_>, now_ms: u64) -> Result<(), Misuse> {
        if self.authentication_turn()? != AuthTurn::Application {
            return Err(Misuse::AuthenticationOutOfTurn);
        }
        self.write_auth(ReasonCode::ContinueAuthentication, step)?;
        if self.link.phase == Phase::Connecting {
            self.link.connack_deadline_ms = Some(now_ms.saturating_add(self.config.connack_timeout_ms));
        }
        Ok(())
    }

    /// Begins a new authentication on an open connection, by the method of the CONNECT [MQTT-4.12.1-1]. Everything else
    /// goes on meanwhile. Ends with [`Event::Reauthenticated`], or with the connection.
    ///
    /// # Errors
    /// As [`Client::authenticate`]; also while one is under way.
    pub fn reauthenticate(&mut self, step: &AuthStep<'_>) -> Result<(), Misuse> {
        let turn = self.authentication_turn()?;
        if self.link.phase != Phase::Open {
            return Err(Misuse::NotConnected);
        }
        if turn != AuthTurn::Nobody {
            return Err(Misuse::AuthenticationOutOfTurn);
        }
        self.write_auth(ReasonCode::ReAuthenticate, step)
    }

    /// Whose turn it is, where there is a connection with a method [MQTT-4.12.0-7].
    fn authentication_turn(&self) -> Result<AuthTurn, Misuse> {
        if !self.link.is_live() {
            return Err(Misuse::NotConnected);
        }
        if self.link.authentication_method.is_none() {
            return Err(Misuse::NoAuthenticationMethod);
        }
        Ok(self.link.auth_turn)
    }

    fn write_auth(&mut self, reason_code: ReasonCode, step: &AuthStep<'_>) -> Result<(), Misuse> {
        let method = self.link.authentication_method.take();
        let auth = Auth {
            reason_code,
            authentication_method: method.as_deref(),
            authentication_data: step.authentication_data,
            reason_string: step.reason_string,
            user_properties: step.user_properties,
        };
        let written = self.write(|version, out| auth.encode(version, out));
        self.link.authentication_method = method;
        if written.is_ok() {
            self.link.auth_turn = AuthTurn::Server;
        }
        written
    }

    /// AUTH from the server: only with the method of the CONNECT [MQTT-4.12.0-5], [MQTT-4.12.0-6], and only when it is
    /// the server's turn. CONNECT gives it the first one; CONNACK ends that authentication, AUTH a later one.
    pub(super) fn handle_auth(&mut self, auth: &Auth<'_>, packet: Span) -> Result<(), Fault> {
        self.check_problem_information(auth.reason_string, auth.user_properties)?;
        let link = &mut self.link;
        if link.authentication_method.is_none() {
            return Err(Fault::protocol_error("AUTH, though CONNECT named no authentication method"));
        }
        if auth.authentication_method != link.authentication_method.as_deref() {
            return Err(Fault::protocol_error("AUTH with another authentication method than CONNECT"));
        }
        let is_connecting = link.phase == Phase::Connecting;
        let is_servers_turn = match link.auth_turn {
            AuthTurn::Server => true,
            AuthTurn::Nobody => is_connecting,
            AuthTurn::Application => false,
        };
        match auth.reason_code {
            _ if !is_servers_turn => Err(Fault::protocol_error("AUTH that nothing asked for")),
            ReasonCode::ContinueAuthentication => {
                link.auth_turn = AuthTurn::Application;
                // The time that the application takes is its own.
                link.connack_deadline_ms = None;
                self.events.push_back(Event::Authenticate { packet });
                Ok(())
            }
            ReasonCode::Success if !is_connecting => {
                link.auth_turn = AuthTurn::Nobody;
                self.events.push_back(Event::Reauthenticated { packet });
                Ok(())
            }
            _ => Err(Fault::protocol_error("AUTH with a Reason Code that does not belong there")),
        }
    }
}
