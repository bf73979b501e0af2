//! What a [`Client`](super::Client) has to tell. Events are small records; what packets say stays where the packets
//! are, see [`Span`].

use std::borrow::Cow;
use std::sync::Arc;

use topicwire_codec::{PacketId, QoS, ReasonCode};

use super::misuse::Misuse;
use super::span::Span;

/// Names a command until the event that tells how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names a message that the application has to acknowledge. No two messages have the same one.
///
/// In it are, from the lowest bit, the packet identifier (16), whether the QoS is 2 (1), and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey(pub u64);

impl DeliveryKey {
    pub(super) fn new(count: u64, qos: QoS, packet_id: PacketId) -> Self {
        let is_qos_2 = u64::from(qos == QoS::ExactlyOnce);
        Self(count << 17 | is_qos_2 << 16 | u64::from(packet_id.value()))
    }

    pub(super) fn is_qos_2(self) -> bool {
        self.0 >> 16 & 1 == 1
    }

    pub(super) fn packet_id(self) -> Option<PacketId> {
        u16::try_from(self.0 & 0xFFFF).ok().and_then(PacketId::new)
    }
}

/// A piece of news.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server has accepted the connection.
    Connected {
        /// The server goes on with the Session that it has.
        session_present: bool,
        /// The CONNACK.
        packet: Span,
    },
    /// A message has come.
    Message(Received),
    /// A QoS 1 or 2 message is the server's now, or it refused to take it.
    Published {
        /// What [`Client::publish`](super::Client::publish) returned.
        ticket: Ticket,
        /// The code of PUBACK or PUBREC; 0x80 and above for a refusal. Before 5.0 always Success.
        reason_code: ReasonCode,
        /// The packet that settled it: PUBACK, PUBCOMP or a refusing PUBREC.
        packet: Span,
    },
    /// The server has answered a SUBSCRIBE, with a Reason Code for each filter.
    Subscribed {
        /// What [`Client::subscribe`](super::Client::subscribe) returned.
        ticket: Ticket,
        /// The SUBACK.
        packet: Span,
    },
    /// The server has answered an UNSUBSCRIBE.
    Unsubscribed {
        /// What [`Client::unsubscribe`](super::Client::unsubscribe) returned.
        ticket: Ticket,
        /// The UNSUBACK.
        packet: Span,
    },
    /// A command comes to nothing.
    Abandoned {
        /// What the command returned.
        ticket: Ticket,
        /// Why.
        cause: Abandonment,
    },
    /// The server asks for the next step of the authentication:
    /// [`Client::authenticate`](super::Client::authenticate).
    Authenticate {
        /// The AUTH.
        packet: Span,
    },
    /// A re-authentication has succeeded.
    Reauthenticated {
        /// The AUTH.
        packet: Span,
    },
    /// The server has answered a PINGREQ.
    Pong,
    /// The connection is over. Nothing more comes of it.
    Closed(Closing),
}

/// Why a command comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abandonment {
    /// The connection ended before the answer to a SUBSCRIBE or UNSUBSCRIBE: it may or may not have been done.
    ConnectionLost,
    /// The Session ended, here or at the server, before the exchange did: the message may or may not have arrived.
    SessionEnded,
    /// The queue was full, and this was its oldest message.
    Dropped,
    /// The message expired before it was sent. After that it is not looked at again [MQTT-4.3.3-7].
    Expired,
    /// The server that was found after the message had been queued does not take it.
    Unsendable(Misuse),
}

/// A received message, in place.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its QoS.
    pub qos: QoS,
    /// It may have come before; only with QoS 1, for a QoS 2 message that came before is not told again.
    pub dup: bool,
    /// The server had kept it, or the subscription asked to be shown the flag.
    pub retain: bool,
    /// What to call [`Client::acknowledge`](super::Client::acknowledge) with, where the application acknowledges.
    pub delivery: Option<DeliveryKey>,
    /// The Topic Name as the packet has it. Empty where it has an alias alone.
    pub topic_name: Span,
    /// The Topic Name that an alias stands for.
    pub alias_of: Option<Arc<str>>,
    /// The message itself.
    pub payload: Span,
    /// The whole PUBLISH, for its properties.
    pub packet: Span,
}

/// Why a connection is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Closing {
    /// The application disconnected.
    Requested,
    /// The server refused the connection.
    Refused {
        /// Why.
        reason_code: ReasonCode,
        /// The CONNACK, which may name another server.
        packet: Span,
    },
    /// The server disconnected.
    ByServer {
        /// Why.
        reason_code: ReasonCode,
        /// The DISCONNECT, which may name another server.
        packet: Span,
    },
    /// The server broke the protocol [MQTT-4.13.1-1].
    Fault {
        /// What the server was told in a DISCONNECT, where it could be told.
        reason_code: ReasonCode,
        /// What is wrong, for people.
        detail: Cow<'static, str>,
    },
    /// The server took too long for its CONNACK.
    ConnackTimeout,
    /// The server took too long for a PINGRESP.
    PingrespTimeout,
    /// The transport is gone.
    TransportClosed,
}
