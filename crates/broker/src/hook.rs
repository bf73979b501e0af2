//! Questions to code outside the core, and their answers.
//!
//! A packet that needs an answer stays where it is, at the front of its connection's input; when the answer
//! comes the packet is read again with the answer beside it. Nothing is copied for the wait, the connection's
//! later packets wait behind it, and other connections go on. Only the questions of an enhanced authentication hold
//! nothing up: see `auth.rs`.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use topicwire_codec::{PacketType, QoS, ReasonCode, Version};

use crate::broker::ConnectionKey;

/// Names one question; no other of the same broker has the same, so that a late answer cannot be taken for one to
/// a later question of a connection with the same key.
pub type Token = u32;

/// What is asked.
#[derive(Debug)]
pub struct Question {
    /// The connection that waits.
    pub connection: ConnectionKey,
    /// To be given back with the answer.
    pub token: Token,
    /// The subject.
    pub subject: Subject,
}

/// The subject of a question.
#[derive(Debug)]
#[non_exhaustive]
pub enum Subject {
    /// May this client connect?
    Authenticate {
        /// Its identifier; empty where one will be assigned.
        client_id: Box<str>,
        /// Its user name.
        username: Option<Box<str>>,
        /// Its password.
        password: Option<Secret>,
        /// The protocol version.
        version: Version,
        /// Whether it asks for a new Session.
        clean_start: bool,
    },
    /// What does this authentication method say to the client's words? Asked in place of `Authenticate` where CONNECT
    /// names a method, and again for each AUTH.
    EnhancedAuthentication {
        /// Where the exchange stands.
        step: AuthenticationStep,
        /// The name of the method, one of `HookFilters::enhanced_authentication`.
        method: Box<str>,
        /// What the client says in that method's own form.
        data: Option<Secret>,
        /// Its identifier; empty where one will be assigned.
        client_id: Box<str>,
        /// The user name in CONNECT, which proves nothing; in a re-authentication the one that is established.
        username: Option<Box<str>>,
    },
    /// May this message be published, and as what?
    Publish {
        /// The identifier of the publisher.
        client_id: Arc<str>,
        /// True for a Will, asked once at CONNECT.
        is_will: bool,
        /// True where messages before it still wait for their answers. It counts only when all of those have been
        /// answered at once, and is answered with them: see [`crate::Broker::decide_in_order`].
        is_ahead: bool,
        /// Whether `authorizePublish` is asked.
        authorize: bool,
        /// Whether `onPublish` is asked.
        on_publish: bool,
        /// The Topic Name.
        topic_name: Arc<str>,
        /// The payload.
        payload: Box<[u8]>,
        /// Its QoS.
        qos: QoS,
        /// Its RETAIN flag.
        retain: bool,
    },
    /// Which of these subscriptions are allowed?
    Subscribe {
        /// The identifier of the subscriber.
        client_id: Box<str>,
        /// Topic Filters and the QoS asked for. The answer has as many places.
        filters: Vec<(Box<str>, QoS)>,
    },
}

/// Where an enhanced authentication stands when its method is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationStep {
    /// CONNECT has come.
    Start,
    /// The client wants to authenticate once more, on a connection that is open.
    ReAuthenticate,
    /// The client has answered what the method said last.
    Continue,
}

/// Bytes that only whoever they are meant for should see. `Debug` shows how many there are.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} bytes>", self.0.len())
    }
}

/// An answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Let the client in with what this says (`authenticate`).
    Accept(Acceptance),
    /// Refuse.
    Deny(Refusal),
    /// Publish this in place of what came (`onPublish`).
    Replace(Replacement),
    /// Acknowledge the message and pass it on to nobody (`onPublish`).
    Discard,
    /// One place per filter of a SUBSCRIBE: none allows it. A place that is missing refuses with Not authorized.
    Filters(Vec<Option<Refusal>>),
    /// The authentication method has more to say and wants an answer: AUTH with Continue authentication.
    Continue {
        /// At most 65,535 bytes.
        data: Option<Secret>,
    },
    /// The authentication method is content. `Allow` says the same of an authentication without data that leaves the
    /// user name as CONNECT has it.
    Authenticated {
        /// Whom it has established; none leaves the user name as it is. A re-authentication cannot change it.
        username: Option<Box<str>>,
        /// Its last words, at most 65,535 bytes.
        data: Option<Secret>,
        /// What it says to the client that it lets in; without a use in a re-authentication.
        acceptance: Acceptance,
    },
}

/// What a hook that lets a client in has to say to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// The Response Information for this client, in place of the configured one and as it stands. None leaves that.
    pub response_information: Option<Box<str>>,
}

/// Why something is refused. A 5.0 client is told all of it, an older one what its version has words for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In a code.
    pub reason_code: ReasonCode,
    /// In a sentence: the Reason String, and what the log says. Nothing secret, and nothing that another peer wrote.
    pub reason: Option<Cow<'static, str>>,
    /// In a CONNACK with Use another server (0x9C) or Server moved (0x9D): which one. Ignored elsewhere.
    pub server_reference: Option<Box<str>>,
}

impl Refusal {
    /// A refusal without further words.
    #[must_use]
    pub const fn from_code(reason_code: ReasonCode) -> Self {
        Self { reason_code, reason: None, server_reference: None }
    }

    /// A refusal of the broker's own.
    pub(crate) const fn new(reason_code: ReasonCode, reason: &'static str) -> Self {
        Self { reason_code, reason: Some(Cow::Borrowed(reason)), server_reference: None }
    }

    /// As a packet of this kind can say it: the hook's own code where the packet has it. A refusal never turns into an
    /// acceptance or into silence.
    pub(crate) fn for_packet(mut self, packet_type: PacketType) -> Self {
        if !self.reason_code.is_error() || !self.reason_code.is_valid_for(packet_type) {
            self.reason_code = ReasonCode::NotAuthorized;
        }
        self
    }

    /// Another server belongs to two codes and to no other (4.11).
    pub(crate) fn server_reference(&self) -> Option<&str> {
        self.server_reference.as_deref().filter(|_| names_another_server(self.reason_code))
    }
}

/// True for the two Reason Codes that a Server Reference goes with (4.11).
pub(crate) fn names_another_server(reason_code: ReasonCode) -> bool {
    matches!(reason_code, ReasonCode::UseAnotherServer | ReasonCode::ServerMoved)
}

/// What changes of a message. None leaves a part as it came.
#[derive(Debug, Default)]
pub struct Replacement {
    /// Another Topic Name.
    pub topic_name: Option<String>,
    /// Another payload.
    pub payload: Option<Vec<u8>>,
    /// Another QoS.
    pub qos: Option<QoS>,
    /// Another RETAIN flag.
    pub retain: Option<bool>,
}

/// What a connection remembers of its question.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The question that waits for its answer.
    waiting: Option<Token>,
    verdict: Option<Verdict>,
    /// Questions that have been asked with it and after it: see `ahead.rs`.
    pub(crate) ahead: u16,
    /// As many as may be.
    pub(crate) most_ahead: u16,
}

impl Held {
    /// A question was asked; the connection waits from now on.
    pub(crate) fn ask(&mut self, token: Token) {
        self.waiting = Some(token);
        self.verdict = None;
        self.ahead = 0;
    }

    /// Takes the answer in; false for one to another question.
    pub(crate) fn answer(&mut self, token: Token, verdict: Verdict) -> bool {
        if self.waiting != Some(token) {
            return false;
        }
        self.waiting = None;
        self.verdict = Some(verdict);
        true
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    pub(crate) fn awaits(&self, token: Token) -> bool {
        self.waiting == Some(token)
    }

    /// The answer to the packet that is being read again.
    pub(crate) fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }
}
