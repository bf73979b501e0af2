//! What the broker tells its host, pulled with `Broker::poll_event`.

use std::borrow::Cow;
use std::sync::Arc;

use topicwire_codec::{QoS, ReasonCode, Version};

use crate::broker::{ConnectionKey, LocalHandle};
use crate::hook::Question;
use crate::message::Message;
use crate::metrics::DropReason;

/// News for the host.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A CONNECT was accepted.
    Connected {
        /// Its Network Connection.
        connection: ConnectionKey,
        /// The client identifier, assigned or brought.
        client_id: Arc<str>,
        /// Its user name: CONNECT's, or the one that an enhanced authentication has established.
        username: Option<Box<str>>,
        /// The protocol version.
        version: Version,
        /// Whether it asked for a new Session.
        clean_start: bool,
        /// Whether it got an old one.
        session_present: bool,
        /// The Keep Alive in force, in seconds.
        keep_alive_secs: u16,
    },
    /// A CONNECT was refused.
    Refused {
        /// Its Network Connection.
        connection: ConnectionKey,
        /// The client identifier as brought.
        client_id: Box<str>,
        /// Why.
        reason_code: ReasonCode,
        /// Why, in words.
        detail: String,
    },
    /// A client has authenticated once more, or tried to: with an error its connection is being closed.
    ReAuthenticated {
        /// Its Network Connection.
        connection: ConnectionKey,
        /// Its identifier.
        client_id: Arc<str>,
        /// Success, or why not.
        reason_code: ReasonCode,
        /// Why not, in words; empty with Success.
        detail: Cow<'static, str>,
    },
    /// A client with an accepted CONNECT is gone.
    Disconnected {
        /// Its Network Connection.
        connection: ConnectionKey,
        /// Its identifier.
        client_id: Arc<str>,
        /// The Reason Code that was received or sent; none where the Network Connection was simply lost.
        reason_code: Option<ReasonCode>,
        /// Why, in words, where the broker has ended it and has any.
        detail: Option<Box<str>>,
    },
    /// A peer broke the protocol; its connection is being closed.
    ProtocolError {
        /// The Network Connection.
        connection: ConnectionKey,
        /// The client, where there is one already.
        client_id: Option<Arc<str>>,
        /// The Reason Code that tells it.
        reason_code: ReasonCode,
        /// What was wrong.
        detail: String,
    },
    /// A subscription was made or replaced.
    Subscribed {
        /// Whose.
        client_id: Arc<str>,
        /// The Topic Filter as sent, with `$share/…`.
        topic_filter: Box<str>,
        /// The QoS granted.
        qos: QoS,
    },
    /// A subscription was removed.
    Unsubscribed {
        /// Whose.
        client_id: Arc<str>,
        /// The Topic Filter as sent.
        topic_filter: Box<str>,
    },
    /// A message for an in-process subscriber.
    Message {
        /// Whose.
        handle: LocalHandle,
        /// What.
        message: Arc<Message>,
        /// The QoS of the delivery.
        qos: QoS,
        /// The RETAIN flag of the delivery.
        retain: bool,
    },
    /// Messages for a client were dropped: how many since the last such event, and why the last of them. At most
    /// once a second for each client.
    Dropped {
        /// Whose.
        client_id: Arc<str>,
        /// How many.
        count: u64,
        /// Why.
        reason: DropReason,
    },
    /// A hook is asked; answer with `Broker::decide`.
    Question(Question),
}
