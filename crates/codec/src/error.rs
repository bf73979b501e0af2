//! What can be wrong with a packet, sorted by culprit.
//!
//! [`DecodeError`] is the peer's fault and knows the Reason Code that tells the peer so. [`EncodeError`] is
//! our caller's: it was asked for a packet that no peer could accept. Too few bytes is neither, see
//! [`crate::Split`].

use thiserror::Error;

use crate::packet::PacketType;
use crate::properties::PropertyId;
use crate::reason_code::ReasonCode;

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not a control packet of this version.
    #[error("malformed packet: {0}")]
    Malformed(#[from] Malformed),
    /// The bytes can be read, and say what the protocol does not allow.
    #[error("protocol error: {0}")]
    ProtocolError(#[from] ProtocolError),
    /// A protocol or version that this codec does not speak.
    #[error("unsupported: {0}")]
    Unsupported(#[from] Unsupported),
    /// Well formed, but more than the caller was ready to take.
    #[error("limit exceeded: {0}")]
    Limit(#[from] Limit),
}

impl DecodeError {
    /// The Reason Code that a 5.0 CONNACK or DISCONNECT gives as the cause. For what 3.1 and 3.1.1 are told,
    /// see [`ReasonCode::connack_return_code`].
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        match self {
            Self::Malformed(_) => ReasonCode::MalformedPacket,
            Self::ProtocolError(ProtocolError::TopicAliasZero) => ReasonCode::TopicAliasInvalid,
            Self::ProtocolError(_) => ReasonCode::ProtocolError,
            Self::Unsupported(_) => ReasonCode::UnsupportedProtocolVersion,
            Self::Limit(Limit::PacketTooLarge { .. }) => ReasonCode::PacketTooLarge,
        }
    }
}

/// The packet cannot be parsed: Reason Code 0x81.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A field goes on past the end of the packet, or of the property section it is in.
    #[error("a field runs past the end of the packet")]
    UnexpectedEnd,
    /// Bytes are left over after the last field.
    #[error("bytes are left over after the last field")]
    TrailingBytes,
    /// A Variable Byte Integer that does not end with its fourth byte.
    #[error("a variable byte integer of more than four bytes")]
    VarintTooLong,
    /// A Variable Byte Integer in more bytes than it needs [MQTT-1.5.5-1].
    #[error("a variable byte integer that is longer than needed")]
    VarintOverlong,
    /// A string that is not UTF-8, or encodes a surrogate [MQTT-1.5.4-1].
    #[error("a string is not well-formed UTF-8")]
    InvalidUtf8,
    /// A string with the character U+0000 in it [MQTT-1.5.4-2].
    #[error("a string contains U+0000")]
    NulInString,
    /// Packet type 0, which is reserved.
    #[error("packet type 0 is reserved")]
    PacketTypeZero,
    /// Packet type 15, which is AUTH in 5.0 and reserved before.
    #[error("AUTH does not exist before MQTT 5.0")]
    AuthBeforeV5,
    /// Flags of the fixed header that this kind of packet must not have [MQTT-2.1.3-1].
    #[error("the fixed header of {packet_type} has flags {flags:#06b}")]
    FixedHeaderFlags {
        /// The kind that the header names.
        packet_type: PacketType,
        /// The low four bits of the first byte.
        flags: u8,
    },
    /// A PUBLISH of QoS 3 [MQTT-3.3.1-4].
    #[error("PUBLISH with QoS 3")]
    PublishQosThree,
    /// A PUBLISH of QoS 0 that claims to be sent again [MQTT-3.3.1-2].
    #[error("PUBLISH with DUP and QoS 0")]
    DupWithQosZero,
    /// Bit 0 of the Connect Flags is set [MQTT-3.1.2-3].
    #[error("the reserved connect flag is set")]
    ConnectReservedFlag,
    /// A Will QoS or Will Retain without a Will [MQTT-3.1.2-11], [MQTT-3.1.2-13].
    #[error("will flags are set without a will")]
    WillFlagsWithoutWill,
    /// A Will of QoS 3 [MQTT-3.1.2-12].
    #[error("will with QoS 3")]
    WillQosThree,
    /// A password without a user name, which only 5.0 allows: v3.1.1 [MQTT-3.1.2-22].
    #[error("a password without a user name")]
    PasswordWithoutUsername,
    /// A reserved bit of the Connect Acknowledge Flags is set [MQTT-3.2.2-1].
    #[error("reserved connect acknowledge flags are set")]
    ConnackReservedFlags,
    /// Reserved bits of a subscription's options are set [MQTT-3.8.3-5].
    #[error("reserved subscription option bits are set")]
    SubscribeOptionsReserved,
    /// A property identifier that the standard does not have.
    #[error("unknown property {id:#04x}")]
    UnknownProperty {
        /// The identifier as it was read.
        id: u32,
    },
    /// A property that this kind of packet, or a Will, may not carry.
    #[error("property {property} is not allowed here")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
    },
}

/// The packet can be parsed and breaks a rule: Reason Code 0x82 or a more exact one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Another kind of packet than the one that was to be decoded, as when a connection does not begin with
    /// CONNECT [MQTT-3.1.0-1].
    #[error("{found} where {expected} was expected")]
    UnexpectedPacketType {
        /// The kind that was asked for.
        expected: PacketType,
        /// The kind that came.
        found: PacketType,
    },
    /// A Packet Identifier of 0 [MQTT-2.2.1-3].
    #[error("packet identifier 0")]
    PacketIdZero,
    /// A property that may be there once is there again.
    #[error("property {property} is given twice")]
    DuplicateProperty {
        /// The property.
        property: PropertyId,
    },
    /// A property whose value may be 0 or 1 has another.
    #[error("property {property} is neither 0 nor 1")]
    NeitherZeroNorOne {
        /// The property.
        property: PropertyId,
    },
    /// A property whose value must not be 0 is 0. The Topic Alias has its own: [`Self::TopicAliasZero`].
    #[error("property {property} is 0")]
    ZeroValue {
        /// The property.
        property: PropertyId,
    },
    /// A Topic Alias of 0 [MQTT-3.3.2-8]: Reason Code 0x94.
    #[error("topic alias 0")]
    TopicAliasZero,
    /// An empty Topic Name without a Topic Alias that stands for it, or an empty Will Topic [MQTT-4.7.3-1].
    #[error("an empty topic name")]
    EmptyTopicName,
    /// SUBSCRIBE or UNSUBSCRIBE without a Topic Filter [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    #[error("no topic filter")]
    NoTopicFilters,
    /// SUBACK or UNSUBACK without a Reason Code.
    #[error("no reason code")]
    NoReasonCodes,
    /// A subscription that asks for QoS 3.
    #[error("subscription with QoS 3")]
    SubscribeQosThree,
    /// A subscription with Retain Handling 3.
    #[error("subscription with retain handling 3")]
    RetainHandlingThree,
    /// A Reason Code, or a Return Code of 3.1.1, that this kind of packet may not carry.
    #[error("{packet_type} with reason code {value:#04x}")]
    ReasonCodeNotAllowed {
        /// The kind of packet.
        packet_type: PacketType,
        /// The code as it was read.
        value: u8,
    },
    /// A CONNACK that refuses and yet has Session Present [MQTT-3.2.2-6].
    #[error("session present on a refused connection")]
    SessionPresentOnRefusal,
    /// Authentication Data without the Authentication Method that it belongs to.
    #[error("authentication data without an authentication method")]
    AuthenticationDataWithoutMethod,
    /// An AUTH that leaves out the Authentication Method.
    #[error("AUTH without an authentication method")]
    AuthenticationMethodMissing,
}

/// A protocol that is not ours: Reason Code 0x84.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// CONNECT names neither `MQTT` nor `MQIsdp` [MQTT-3.1.2-1].
    #[error("unknown protocol name")]
    ProtocolName,
    /// CONNECT has a protocol level that does not exist under that name [MQTT-3.1.2-2].
    #[error("protocol level {level} is not supported")]
    ProtocolVersion {
        /// The level as it was read.
        level: u8,
    },
}

/// More than the caller allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Limit {
    /// A packet above the Maximum Packet Size: Reason Code 0x95.
    #[error("a packet of {length} bytes, where {maximum} are allowed")]
    PacketTooLarge {
        /// The whole packet in bytes, as its fixed header has it.
        length: u32,
        /// What the caller allowed.
        maximum: u32,
    },
}

/// Why a packet was not encoded: it would have been refused by whoever receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A string or binary field of more than 65,535 bytes.
    #[error("a field of {length} bytes, where 65535 fit")]
    FieldTooLong {
        /// The length of the field in bytes.
        length: usize,
    },
    /// A string with the character U+0000 in it [MQTT-1.5.4-2].
    #[error("a string contains U+0000")]
    NulInString,
    /// More than a Remaining Length can say.
    #[error("a packet with {remaining_length} bytes after its fixed header, where 268435455 fit")]
    PacketTooLarge {
        /// The bytes after the fixed header.
        remaining_length: usize,
    },
    /// A PUBLISH of QoS 1 or 2 without a Packet Identifier [MQTT-2.2.1-3].
    #[error("a packet identifier is missing")]
    PacketIdMissing,
    /// A PUBLISH of QoS 0 with a Packet Identifier [MQTT-2.2.1-2].
    #[error("a packet identifier with QoS 0")]
    PacketIdWithQosZero,
    /// A PUBLISH of QoS 0 that claims to be sent again [MQTT-3.3.1-2].
    #[error("DUP with QoS 0")]
    DupWithQosZero,
    /// An empty Topic Name without a Topic Alias, or an empty Will Topic [MQTT-4.7.3-1].
    #[error("an empty topic name")]
    EmptyTopicName,
    /// SUBSCRIBE or UNSUBSCRIBE without a Topic Filter [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    #[error("no topic filter")]
    NoTopicFilters,
    /// SUBACK or UNSUBACK without a Reason Code.
    #[error("no reason code")]
    NoReasonCodes,
    /// A Reason Code that this kind of packet may not carry.
    #[error("{packet_type} with reason code {reason_code}")]
    ReasonCodeNotAllowed {
        /// The kind of packet.
        packet_type: PacketType,
        /// The code.
        reason_code: ReasonCode,
    },
    /// A property value that the standard does not allow, such as a Receive Maximum of 0.
    #[error("property {property} has a value that is not allowed")]
    PropertyValue {
        /// The property.
        property: PropertyId,
    },
    /// A property that does not belong there, such as a Topic Alias in a Will.
    #[error("property {property} is not allowed here")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
    },
    /// A CONNACK that refuses and yet has Session Present [MQTT-3.2.2-6].
    #[error("session present on a refused connection")]
    SessionPresentOnRefusal,
    /// A password without a user name before 5.0: v3.1.1 [MQTT-3.1.2-22].
    #[error("a password without a user name")]
    PasswordWithoutUsername,
    /// Authentication Data without the Authentication Method that it belongs to.
    #[error("authentication data without an authentication method")]
    AuthenticationDataWithoutMethod,
    /// An AUTH that says anything but plain success has to name its Authentication Method.
    #[error("AUTH without an authentication method")]
    AuthenticationMethodMissing,
    /// AUTH for 3.1 or 3.1.1.
    #[error("AUTH does not exist before MQTT 5.0")]
    AuthBeforeV5,
    /// [`crate::Ack`] was asked to be something else than PUBACK, PUBREC, PUBREL or PUBCOMP.
    #[error("{packet_type} is not an acknowledgement")]
    NotAnAck {
        /// What it was asked to be.
        packet_type: PacketType,
    },
    /// A frame and a layout that do not belong together.
    #[error("the layout does not fit the frame")]
    LayoutMismatch,
}
