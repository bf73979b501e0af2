//! The fifteen control packets, one file each; every version of a packet is in its file.

use alloc::vec::Vec;
use core::fmt;

use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError};
use crate::frame::Frame;
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod publish;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;
mod will;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::{Connack, ConnackProperties};
pub use connect::{Connect, ConnectProperties};
pub use disconnect::Disconnect;
pub use publish::{Publish, PublishProperties};
pub(crate) use publish::{check_delivery, publish_first_byte};
pub use suback::{ReasonCodes, Suback};
pub use subscribe::{RetainHandling, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions};
pub use unsuback::Unsuback;
pub use unsubscribe::{TopicFilters, Unsubscribe};
pub use will::Will;

/// The kind of a control packet: the high four bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    /// A client asks for a connection.
    Connect = 1,
    /// The server accepts or refuses it.
    Connack = 2,
    /// A message, in either direction.
    Publish = 3,
    /// Acknowledges a QoS 1 message.
    Puback = 4,
    /// Acknowledges a QoS 2 message, first step.
    Pubrec = 5,
    /// Releases a QoS 2 message, second step.
    Pubrel = 6,
    /// Completes a QoS 2 message, third step.
    Pubcomp = 7,
    /// A client subscribes.
    Subscribe = 8,
    /// The server's answer to that.
    Suback = 9,
    /// A client ends subscriptions.
    Unsubscribe = 10,
    /// The server's answer to that.
    Unsuback = 11,
    /// A client shows that it is there.
    Pingreq = 12,
    /// The server's answer to that.
    Pingresp = 13,
    /// The connection ends; in 5.0 either side may say so.
    Disconnect = 14,
    /// A step of an extended authentication, 5.0 only.
    Auth = 15,
}

impl PacketType {
    /// Every kind, in ascending order.
    pub const ALL: &'static [Self] = &[
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The kind of that number, or `None` for 0 and above 15.
    #[inline]
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Connect),
            2 => Some(Self::Connack),
            3 => Some(Self::Publish),
            4 => Some(Self::Puback),
            5 => Some(Self::Pubrec),
            6 => Some(Self::Pubrel),
            7 => Some(Self::Pubcomp),
            8 => Some(Self::Subscribe),
            9 => Some(Self::Suback),
            10 => Some(Self::Unsubscribe),
            11 => Some(Self::Unsuback),
            12 => Some(Self::Pingreq),
            13 => Some(Self::Pingresp),
            14 => Some(Self::Disconnect),
            15 => Some(Self::Auth),
            _ => None,
        }
    }

    /// The name as the standard writes it, such as `PUBLISH`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// The first byte of such a packet with those flags.
    #[inline]
    pub(crate) const fn first_byte(self, flags: u8) -> u8 {
        (self as u8) << 4 | flags
    }
}

/// The standard's name.
impl fmt::Display for PacketType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A control packet of any kind, borrowing from the bytes it was decoded from or from its maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// CONNECT
    Connect(Connect<'a>),
    /// CONNACK
    Connack(Connack<'a>),
    /// PUBLISH
    Publish(Publish<'a>),
    /// PUBACK
    Puback(Ack<'a>),
    /// PUBREC
    Pubrec(Ack<'a>),
    /// PUBREL
    Pubrel(Ack<'a>),
    /// PUBCOMP
    Pubcomp(Ack<'a>),
    /// SUBSCRIBE
    Subscribe(Subscribe<'a>),
    /// SUBACK
    Suback(Suback<'a>),
    /// UNSUBSCRIBE
    Unsubscribe(Unsubscribe<'a>),
    /// UNSUBACK
    Unsuback(Unsuback<'a>),
    /// PINGREQ
    Pingreq,
    /// PINGRESP
    Pingresp,
    /// DISCONNECT
    Disconnect(Disconnect<'a>),
    /// AUTH
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Decodes a packet of a connection that speaks `version`. CONNECT brings its own and does not look at
    /// `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being a packet of that version; [`DecodeError::reason_code`] tells the peer.
    #[inline]
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        // The frequent case, written out where it is needed.
        match frame.packet_type() {
            PacketType::Publish => Publish::decode_as(frame, version, Self::Publish),
            _ => Self::decode_other(frame, version),
        }
    }

    /// What [`Self::decode`] does, for packets of every kind.
    #[inline(never)]
    fn decode_other(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        Ok(match frame.packet_type() {
            PacketType::Connect => Self::Connect(Connect::decode(frame, version)?),
            PacketType::Connack => Self::Connack(Connack::decode(frame, version)?),
            PacketType::Publish => Self::Publish(Publish::decode(frame, version)?),
            PacketType::Puback => Self::Puback(Ack::decode(frame, version)?),
            PacketType::Pubrec => Self::Pubrec(Ack::decode(frame, version)?),
            PacketType::Pubrel => Self::Pubrel(Ack::decode(frame, version)?),
            PacketType::Pubcomp => Self::Pubcomp(Ack::decode(frame, version)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(frame, version)?),
            PacketType::Suback => Self::Suback(Suback::decode(frame, version)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(frame, version)?),
            PacketType::Unsuback => Self::Unsuback(Unsuback::decode(frame, version)?),
            PacketType::Pingreq => decode_empty(frame, Self::Pingreq)?,
            PacketType::Pingresp => decode_empty(frame, Self::Pingresp)?,
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(frame, version)?),
            PacketType::Auth => Self::Auth(Auth::decode(frame, version)?),
        })
    }

    /// Appends the packet as `version` has it to `out`. What a version cannot say is left out: properties and
    /// most Reason Codes before 5.0. CONNECT brings its own version.
    ///
    /// # Errors
    /// A packet that its receiver would have to refuse; `out` is then as it was.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Publish(publish) => publish.encode(version, out),
            _ => self.encode_other(version, out),
        }
    }

    /// What [`Self::encode`] does, for packets of every kind.
    #[inline(never)]
    fn encode_other(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(connect) => connect.encode(version, out),
            Self::Connack(connack) => connack.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => {
                ack.encode(self.packet_type(), version, out)
            }
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::Suback(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::Unsuback(unsuback) => unsuback.encode(version, out),
            Self::Pingreq | Self::Pingresp => {
                out.extend_from_slice(&[self.packet_type().first_byte(0), 0]);
                Ok(())
            }
            Self::Disconnect(disconnect) => disconnect.encode(version, out),
            Self::Auth(auth) => auth.encode(version, out),
        }
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        match self {
            Self::Connect(connect) => connect.encoded_len(version),
            Self::Connack(connack) => connack.encoded_len(version),
            Self::Publish(publish) => publish.encoded_len(version),
            Self::Puback(ack) | Self::Pubrec(ack) | Self::Pubrel(ack) | Self::Pubcomp(ack) => {
                ack.encoded_len(version)
            }
            Self::Subscribe(subscribe) => subscribe.encoded_len(version),
            Self::Suback(suback) => suback.encoded_len(version),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encoded_len(version),
            Self::Unsuback(unsuback) => unsuback.encoded_len(version),
            Self::Pingreq | Self::Pingresp => 2,
            Self::Disconnect(disconnect) => disconnect.encoded_len(version),
            Self::Auth(auth) => auth.encoded_len(version),
        }
    }

    /// The kind of packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

fn decode_empty<'a>(frame: &Frame<'_>, packet: Packet<'a>) -> Result<Packet<'a>, Malformed> {
    Reader::new(frame.body).finish()?;
    Ok(packet)
}

/// A Reason Code, if that kind of packet may carry it.
#[inline]
fn read_reason_code(reader: &mut Reader<'_>, packet_type: PacketType) -> Result<ReasonCode, DecodeError> {
    let value = reader.u8()?;
    match ReasonCode::from_u8(value) {
        Some(reason_code) if reason_code.is_valid_for(packet_type) => Ok(reason_code),
        _ => Err(ProtocolError::ReasonCodeNotAllowed { packet_type, value }.into()),
    }
}
