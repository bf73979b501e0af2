//! CONNACK: section 3.2.

use alloc::vec::Vec;
use core::fmt;

use super::connect::Redacted;
use super::{PacketType, read_reason_code};
use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError};
use crate::frame::Frame;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::qos::QoS;
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

const SESSION_PRESENT: u8 = 0b0000_0001;

/// The server accepts a connection, or refuses it.
/// Asked for by v3.1.1 [MQTT-3.2.2-4].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connack<'a> {
    /// The server has a session of that client and goes on with it. Never with a refusal [MQTT-3.2.2-6], and
    /// not said in 3.1.
    pub session_present: bool,
    /// [`ReasonCode::Success`], or why not: one of those that CONNACK may carry [MQTT-3.2.2-8]. Before 5.0 one of
    /// the six that have a Return Code.
    pub reason_code: ReasonCode,
    /// Empty before 5.0.
    pub properties: ConnackProperties<'a>,
}

/// The properties of a CONNACK. `None` is a property that is not there; the standard says what that means.
///
/// Its `Debug` shows that there is authentication data, not which.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnackProperties<'a> {
    /// The expiry that the server uses instead of the client's, in seconds.
    pub session_expiry_interval_secs: Option<u32>,
    /// How many QoS 1 and 2 messages the server takes at once, 1 to 65,535. Absent means 65,535.
    pub receive_maximum: Option<u16>,
    /// The highest QoS that the server takes. Absent means 2, and so [`QoS::ExactlyOnce`] is encoded as
    /// absence.
    pub maximum_qos: Option<QoS>,
    /// Whether the server keeps retained messages. Absent means yes.
    pub retain_available: Option<bool>,
    /// The largest packet that the server takes, in bytes, at least 1. Absent means any.
    pub maximum_packet_size: Option<u32>,
    /// The name that the server gave to a client that came without one.
    pub assigned_client_id: Option<&'a str>,
    /// The highest Topic Alias that the server takes. Absent means 0: none.
    pub topic_alias_maximum: Option<u16>,
    /// A sentence for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
    /// Whether the server takes wildcards in subscriptions. Absent means yes.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether the server takes Subscription Identifiers. Absent means yes.
    pub subscription_ids_available: Option<bool>,
    /// Whether the server takes Shared Subscriptions. Absent means yes.
    pub shared_subscription_available: Option<bool>,
    /// The Keep Alive to use instead of the client's, in seconds; 0 turns it off.
    pub server_keep_alive_secs: Option<u16>,
    /// From what the client is to make its Response Topics.
    pub response_information: Option<&'a str>,
    /// Another server to use.
    pub server_reference: Option<&'a str>,
    /// The name of the extended authentication in use.
    pub authentication_method: Option<&'a str>,
    /// What that method has to say.
    pub authentication_data: Option<&'a [u8]>,
}

impl<'a> Connack<'a> {
    /// An answer without a session and without properties.
    #[must_use]
    pub fn new(reason_code: ReasonCode) -> Self {
        Self { session_present: false, reason_code, properties: ConnackProperties::default() }
    }

    /// Decodes a CONNACK of a connection that speaks `version`. Return Codes of 3.1 and 3.1.1 become the
    /// Reason Codes that say the same.
    ///
    /// # Errors
    /// Whatever keeps it from being one.
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        frame.expect_type(PacketType::Connack)?;
        let mut reader = Reader::new(frame.body);
        let session_present = read_flags(&mut reader, version)?;
        let (reason_code, properties) = if version.is_v5() {
            (read_reason_code(&mut reader, PacketType::Connack)?, ConnackProperties::read(&mut reader)?)
        } else {
            (read_return_code(&mut reader)?, ConnackProperties::default())
        };
        reader.finish()?;
        if session_present && reason_code != ReasonCode::Success {
            return Err(ProtocolError::SessionPresentOnRefusal.into());
        }
        Ok(Self { session_present, reason_code, properties })
    }

    /// Appends the packet to `out`. Before 5.0 the Reason Code becomes a Return Code, see
    /// [`ReasonCode::connack_return_code`], and the properties are left out.
    ///
    /// # Errors
    /// [`EncodeError::SessionPresentOnRefusal`], [`EncodeError::ReasonCodeNotAllowed`], a property with a
    /// value it must not have, a field that is too long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Connack.first_byte(0), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

/// Session Present; the other bits are 0 [MQTT-3.2.2-1]. In 3.1 the byte is reserved, and says nothing.
fn read_flags(reader: &mut Reader<'_>, version: Version) -> Result<bool, Malformed> {
    match reader.u8()? {
        _ if version == Version::V3_1 => Ok(false),
        0 => Ok(false),
        SESSION_PRESENT => Ok(true),
        _ => Err(Malformed::ConnackReservedFlags),
    }
}

fn read_return_code(reader: &mut Reader<'_>) -> Result<ReasonCode, DecodeError> {
    let value = reader.u8()?;
    let packet_type = PacketType::Connack;
    ReasonCode::from_connack_return_code(value)
        .ok_or(DecodeError::ProtocolError(ProtocolError::ReasonCodeNotAllowed { packet_type, value }))
}

impl Body for Connack<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        let Self { session_present, reason_code, properties } = self;
        if *session_present && *reason_code != ReasonCode::Success {
            sink.fail(EncodeError::SessionPresentOnRefusal);
        }
        let packet_type = PacketType::Connack;
        if version.is_v5() && !reason_code.is_valid_for(packet_type) {
            sink.fail(EncodeError::ReasonCodeNotAllowed { packet_type, reason_code: *reason_code });
        }
        sink.u8(if *session_present && version != Version::V3_1 { SESSION_PRESENT } else { 0 });
        sink.u8(reason_code.connack_return_code(version));
        if version.is_v5() {
            sink.section(properties);
        }
    }
}

impl<'a> ConnackProperties<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut section = Section::read(reader)?;
        let mut own = Self::default();
        while let Some(property) = section.next()? {
            match property {
                PropertyId::SessionExpiryInterval => own.session_expiry_interval_secs = Some(section.u32()?),
                PropertyId::ReceiveMaximum => own.receive_maximum = Some(section.non_zero_u16(property)?),
                PropertyId::MaximumQoS => {
                    let qos = if section.bool(property)? { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                    own.maximum_qos = Some(qos);
                }
                PropertyId::RetainAvailable => own.retain_available = Some(section.bool(property)?),
                PropertyId::MaximumPacketSize => {
                    own.maximum_packet_size = Some(section.non_zero_u32(property)?);
                }
                PropertyId::AssignedClientIdentifier => own.assigned_client_id = Some(section.string()?),
                PropertyId::TopicAliasMaximum => own.topic_alias_maximum = Some(section.u16()?),
                PropertyId::ReasonString => own.reason_string = Some(section.string()?),
                PropertyId::UserProperty => section.user_property()?,
                PropertyId::WildcardSubscriptionAvailable => {
                    own.wildcard_subscription_available = Some(section.bool(property)?);
                }
                PropertyId::SubscriptionIdentifierAvailable => {
                    own.subscription_ids_available = Some(section.bool(property)?);
                }
                PropertyId::SharedSubscriptionAvailable => {
                    own.shared_subscription_available = Some(section.bool(property)?);
                }
                PropertyId::ServerKeepAlive => own.server_keep_alive_secs = Some(section.u16()?),
                PropertyId::ResponseInformation => own.response_information = Some(section.string()?),
                PropertyId::ServerReference => own.server_reference = Some(section.string()?),
                PropertyId::AuthenticationMethod => own.authentication_method = Some(section.string()?),
                PropertyId::AuthenticationData => own.authentication_data = Some(section.binary()?),
                _ => return Err(not_allowed(property)),
            }
        }
        own.user_properties = section.user_properties();
        Ok(own)
    }
}

impl PropertyList for ConnackProperties<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        // The property can say 0 and 1; 2 is what its absence says.
        let maximum_qos = match self.maximum_qos {
            None | Some(QoS::ExactlyOnce) => None,
            Some(qos) => Some(qos == QoS::AtLeastOnce),
        };
        sink.property_u32(PropertyId::SessionExpiryInterval, self.session_expiry_interval_secs);
        sink.property_non_zero_u16(PropertyId::ReceiveMaximum, self.receive_maximum);
        sink.property_bool(PropertyId::MaximumQoS, maximum_qos);
        sink.property_bool(PropertyId::RetainAvailable, self.retain_available);
        sink.property_non_zero_u32(PropertyId::MaximumPacketSize, self.maximum_packet_size);
        sink.property_string(PropertyId::AssignedClientIdentifier, self.assigned_client_id);
        sink.property_u16(PropertyId::TopicAliasMaximum, self.topic_alias_maximum);
        sink.property_string(PropertyId::ReasonString, self.reason_string);
        sink.property_user(self.user_properties);
        sink.property_bool(PropertyId::WildcardSubscriptionAvailable, self.wildcard_subscription_available);
        sink.property_bool(PropertyId::SubscriptionIdentifierAvailable, self.subscription_ids_available);
        sink.property_bool(PropertyId::SharedSubscriptionAvailable, self.shared_subscription_available);
        sink.property_u16(PropertyId::ServerKeepAlive, self.server_keep_alive_secs);
        sink.property_string(PropertyId::ResponseInformation, self.response_information);
        sink.property_string(PropertyId::ServerReference, self.server_reference);
        sink.property_string(PropertyId::AuthenticationMethod, self.authentication_method);
        sink.property_binary(PropertyId::AuthenticationData, self.authentication_data);
    }
}

impl fmt::Debug for ConnackProperties<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnackProperties")
            .field("session_expiry_interval_secs", &self.session_expiry_interval_secs)
            .field("receive_maximum", &self.receive_maximum)
            .field("maximum_qos", &self.maximum_qos)
            .field("retain_available", &self.retain_available)
            .field("maximum_packet_size", &self.maximum_packet_size)
            .field("assigned_client_id", &self.assigned_client_id)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("reason_string", &self.reason_string)
            .field("user_properties", &self.user_properties)
            .field("wildcard_subscription_available", &self.wildcard_subscription_available)
            .field("subscription_ids_available", &self.subscription_ids_available)
            .field("shared_subscription_available", &self.shared_subscription_available)
            .field("server_keep_alive_secs", &self.server_keep_alive_secs)
            .field("response_information", &self.response_information)
            .field("server_reference", &self.server_reference)
            .field("authentication_method", &self.authentication_method)
            .field("authentication_data", &Redacted::option(self.authentication_data))
            .finish()
    }
}
