//! Properties of 5.0: section 2.2.2 of the standard. Which packet carries which is said in `packet/`.
//!
//! The table of identifiers is here, reading a section in [`section`], writing one in [`write`], and the two
//! properties that may be given more than once, which stay views of the packet, in [`repeated`].

use core::fmt;

use crate::error::Malformed;
use crate::reader::Reader;

mod repeated;
mod section;
mod write;

pub use repeated::{SubscriptionIds, UserProperties};
pub(crate) use section::{Section, not_allowed};
pub(crate) use write::PropertySink;

/// One row each: documentation, name in Rust, identifier, type of the value, the standard's name.
macro_rules! property_ids {
    ($(#[doc = $doc:literal] $variant:ident = $value:literal, $kind:ident, $name:literal;)+) => {
        /// The identifier of a property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum PropertyId {
            $(#[doc = $doc] $variant = $value,)+
        }

        impl PropertyId {
            /// Every identifier, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The property of that identifier, or `None` where the standard has none.
            #[inline]
            #[must_use]
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name as the standard writes it, such as `Topic Alias`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            const fn kind(self) -> Kind {
                match self {
                    $(Self::$variant => Kind::$kind,)+
                }
            }
        }
    };
}

/// The type of a property's value.
#[derive(Clone, Copy)]
enum Kind {
    Byte,
    TwoBytes,
    FourBytes,
    Varint,
    /// A UTF-8 Encoded String or Binary Data: alike where they are only stepped over.
    Counted,
    Pair,
}

property_ids! {
    /// Whether the payload is UTF-8 text.
    PayloadFormatIndicator = 0x01, Byte, "Payload Format Indicator";
    /// The life of a message in seconds.
    MessageExpiryInterval = 0x02, FourBytes, "Message Expiry Interval";
    /// A description of the payload's content.
    ContentType = 0x03, Counted, "Content Type";
    /// Where an answer is to be published.
    ResponseTopic = 0x08, Counted, "Response Topic";
    /// What ties an answer to its request.
    CorrelationData = 0x09, Counted, "Correlation Data";
    /// The number that a client gave to a subscription.
    SubscriptionIdentifier = 0x0B, Varint, "Subscription Identifier";
    /// How long a session outlives its connection, in seconds.
    SessionExpiryInterval = 0x11, FourBytes, "Session Expiry Interval";
    /// The Client Identifier that the server chose.
    AssignedClientIdentifier = 0x12, Counted, "Assigned Client Identifier";
    /// The Keep Alive that the server imposes, in seconds.
    ServerKeepAlive = 0x13, TwoBytes, "Server Keep Alive";
    /// The name of the authentication method.
    AuthenticationMethod = 0x15, Counted, "Authentication Method";
    /// What the authentication method has to say.
    AuthenticationData = 0x16, Counted, "Authentication Data";
    /// Whether the server may put Reason Strings and User Properties wherever it likes.
    RequestProblemInformation = 0x17, Byte, "Request Problem Information";
    /// How long a Will waits before it is published, in seconds.
    WillDelayInterval = 0x18, FourBytes, "Will Delay Interval";
    /// Whether the client asks for Response Information.
    RequestResponseInformation = 0x19, Byte, "Request Response Information";
    /// From what a client is to make its Response Topics.
    ResponseInformation = 0x1A, Counted, "Response Information";
    /// Another server that is to be used.
    ServerReference = 0x1C, Counted, "Server Reference";
    /// A sentence about the Reason Code, for people.
    ReasonString = 0x1F, Counted, "Reason String";
    /// How many QoS 1 and 2 messages may be under way at once.
    ReceiveMaximum = 0x21, TwoBytes, "Receive Maximum";
    /// The highest Topic Alias that is accepted.
    TopicAliasMaximum = 0x22, TwoBytes, "Topic Alias Maximum";
    /// A number that stands for a Topic Name.
    TopicAlias = 0x23, TwoBytes, "Topic Alias";
    /// The highest QoS that the server takes.
    MaximumQoS = 0x24, Byte, "Maximum QoS";
    /// Whether the server keeps retained messages.
    RetainAvailable = 0x25, Byte, "Retain Available";
    /// A name and a value that MQTT gives no meaning to.
    UserProperty = 0x26, Pair, "User Property";
    /// The largest packet that is accepted, in bytes.
    MaximumPacketSize = 0x27, FourBytes, "Maximum Packet Size";
    /// Whether the server takes wildcards in subscriptions.
    WildcardSubscriptionAvailable = 0x28, Byte, "Wildcard Subscription Available";
    /// Whether the server takes Subscription Identifiers.
    SubscriptionIdentifierAvailable = 0x29, Byte, "Subscription Identifier Available";
    /// Whether the server takes Shared Subscriptions.
    SharedSubscriptionAvailable = 0x2A, Byte, "Shared Subscription Available";
}

impl PropertyId {
    /// The identifier on the wire, where it is a Variable Byte Integer of one byte.
    #[inline]
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// Steps over a value that has been checked before.
    fn skip(self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match self.kind() {
            Kind::Byte => reader.bytes(1).map(drop),
            Kind::TwoBytes => reader.bytes(2).map(drop),
            Kind::FourBytes => reader.bytes(4).map(drop),
            Kind::Varint => reader.varint().map(drop),
            Kind::Counted => reader.binary().map(drop),
            Kind::Pair => reader.binary().and_then(|_| reader.binary()).map(drop),
        }
    }
}

/// The standard's name.
impl fmt::Display for PropertyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
