//! Questions to code outside the core, and their answers.
//!
//! A packet that needs an answer stays where it is, at the front of its connection's input; when the answer
//! comes the packet is read again with the answer beside it. Nothing is copied for the wait, the connection's
//! later packets wait behind it, and other connections go on. Only the questions of an enhanced authentication hold
//! nothing up: see `auth.rs`.

use std::fmt;
use std::ops::Deref;

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
        client_id: Box<str>,
        /// True for a Will, asked once at CONNECT.
        is_will: bool,
        /// Whether `authorizePublish` is asked.
        authorize: bool,
        /// Whether `onPublish` is asked.
        on_publish: bool,
        /// The Topic Name.
        topic_name: Box<str>,
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
    /// Refuse.
    Deny {
        /// What a 5.0 client is told.
        reason_code: ReasonCode,
    },
    /// Publish this in place of what came (`onPublish`).
    Replace(Replacement),
    /// Acknowledge the message and pass it on to nobody (`onPublish`).
    Discard,
    /// One place per filter of a SUBSCRIBE: none allows it, a Reason Code refuses it. A place that is missing
    /// refuses with Not authorized.
    Filters(Vec<Option<ReasonCode>>),
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
    },
}

/// What a packet of this kind can say of a refusal: the hook's own words where the packet has them. A refusal never
/// turns into an acceptance or into silence.
pub(crate) fn refusal_code(reason_code: ReasonCode, packet_type: PacketType) -> ReasonCode {
    if reason_code.is_error() && reason_code.is_valid_for(packet_type) {
        reason_code
    } else {
        ReasonCode::NotAuthorized
    }
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
}

impl Held {
    /// A question was asked; the connection waits from now on.
    pub(crate) fn ask(&mut self, token: Token) {
        self.waiting = Some(token);
        self.verdict = None;
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

    /// The answer to the packet that is being read again.
    pub(crate) fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }
}
