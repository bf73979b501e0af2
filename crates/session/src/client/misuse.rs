//! Commands that are not carried out. Nothing has been sent then, and nothing has changed.

use thiserror::Error;
use topicwire_codec::{EncodeError, PacketType, PropertyId, QoS, ReasonCode};
use topicwire_topics::TopicError;

use crate::outbound::{NoFreePacketId, QueueFull};

/// Why a command was refused. It is the caller's to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// There is no connection that has been accepted, and the command does not wait for one.
    #[error("not connected")]
    NotConnected,
    /// The connection before has not ended, or its end has not been handled.
    #[error("the connection before has not ended")]
    AlreadyConnected,
    /// A Topic Name or Topic Filter that is not well formed.
    #[error("{0}")]
    Topic(#[from] TopicError),
    /// A packet that no server could accept.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// Something that 3.1 and 3.1.1 cannot say, and that cannot be left out without changing what it means.
    #[error("{what} needs MQTT 5.0")]
    NeedsV5 {
        /// What was asked for.
        what: &'static str,
    },
    /// Before 5.0 a Session that is kept needs a Client Identifier: v3.1.1 [MQTT-3.1.3-7]. 3.1 always does.
    #[error("a client identifier is needed")]
    ClientIdMissing,
    /// A property that this client sets by itself or may not set [MQTT-3.3.4-6].
    #[error("property {property} is not the application's to set")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
    },
    /// A Reason Code that a client may not send in this packet.
    #[error("a client does not send {packet_type} with {reason_code}")]
    ReasonCodeNotAllowed {
        /// The kind of packet.
        packet_type: PacketType,
        /// The code.
        reason_code: ReasonCode,
    },
    /// The server does not take packets of this size [MQTT-3.2.2-15].
    #[error("a packet of {length} bytes, where the server takes {maximum}")]
    PacketTooLarge {
        /// The whole packet in bytes.
        length: usize,
        /// The server's Maximum Packet Size.
        maximum: u32,
    },
    /// The server does not take this QoS [MQTT-3.2.2-11].
    #[error("the server takes no more than QoS {}", maximum.value())]
    QoSNotSupported {
        /// The server's Maximum QoS.
        maximum: QoS,
    },
    /// The server does not keep retained messages [MQTT-3.2.2-14].
    #[error("the server keeps no retained messages")]
    RetainNotSupported,
    /// The server does not take wildcards in subscriptions.
    #[error("the server takes no wildcard subscriptions")]
    WildcardsNotSupported,
    /// The server does not take Subscription Identifiers.
    #[error("the server takes no subscription identifiers")]
    SubscriptionIdsNotSupported,
    /// The server does not take Shared Subscriptions.
    #[error("the server takes no shared subscriptions")]
    SharedSubscriptionsNotSupported,
    /// No Local on a Shared Subscription [MQTT-3.8.3-4].
    #[error("a shared subscription cannot be No Local")]
    NoLocalOnSharedSubscription,
    /// CONNECT asked for a Session that ends with the connection; DISCONNECT cannot keep it.
    #[error("a session that CONNECT did not keep cannot be kept by DISCONNECT")]
    SessionExpiryAfterZero,
    /// CONNECT named no authentication method [MQTT-4.12.0-7].
    #[error("no authentication method is in use")]
    NoAuthenticationMethod,
    /// It is not this end's turn in the authentication.
    #[error("the server has not asked for this step of the authentication")]
    AuthenticationOutOfTurn,
    /// No message with this key waits for its acknowledgement.
    #[error("there is nothing to acknowledge under this key")]
    UnknownDelivery,
    /// The queue has reached its limit.
    #[error("{0}")]
    QueueFull(#[from] QueueFull),
    /// The transport does not keep up.
    #[error("too much waits for the transport")]
    OutBufferFull,
    /// All packet identifiers are in use.
    #[error("{0}")]
    NoFreePacketId(#[from] NoFreePacketId),
}
