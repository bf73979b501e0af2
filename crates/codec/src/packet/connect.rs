//! CONNECT: section 3.1. The one packet that says which version it is.

use alloc::vec::Vec;
use core::fmt;

use super::{PacketType, Will};
use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError, Unsupported};
use crate::frame::Frame;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::qos::QoS;
use crate::reader::Reader;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// The bit of the protocol level by which Mosquitto's bridges make themselves known.
const BRIDGE: u8 = 0x80;

const RESERVED: u8 = 0b0000_0001;
const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS_SHIFT: u32 = 3;
const WILL_RETAIN: u8 = 0b0010_0000;
const WILL_DETAILS: u8 = 0b0011_1000;
const PASSWORD: u8 = 0b0100_0000;
const USERNAME: u8 = 0b1000_0000;

/// A client asks for a connection.
///
/// Its `Debug` shows that there is a password, not which.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that the connection is to speak.
    pub version: Version,
    /// The client calls itself a bridge to another broker: bit 7 of the protocol level, which the standard
    /// does not define and which brokers agree on.
    pub bridge: bool,
    /// Begin with a new session. Before 5.0 this is Clean Session, which also ends the session with the
    /// connection.
    pub clean_start: bool,
    /// The longest silence of the client, in seconds; 0 turns it off.
    pub keep_alive_secs: u16,
    /// May be empty. Whether an empty one or one of more than 23 characters is welcome is the server's
    /// policy.
    pub client_id: &'a str,
    /// What to publish should the client vanish.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub username: Option<&'a str>,
    /// The password, which before 5.0 needs a user name beside it.
    pub password: Option<&'a [u8]>,
    /// Empty before 5.0.
    pub properties: ConnectProperties<'a>,
}

/// The properties of a CONNECT. `None` is a property that is not there; the standard says what that means.
///
/// Its `Debug` shows that there is authentication data, not which.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectProperties<'a> {
    /// How long the session outlives the connection, in seconds; 0xFFFF_FFFF for ever. Absent means 0.
    pub session_expiry_interval_secs: Option<u32>,
    /// How many QoS 1 and 2 messages the client takes at once, 1 to 65,535. Absent means 65,535.
    pub receive_maximum: Option<u16>,
    /// The largest packet that the client takes, in bytes, at least 1. Absent means any.
    pub maximum_packet_size: Option<u32>,
    /// The highest Topic Alias that the client takes. Absent means 0: none.
    pub topic_alias_maximum: Option<u16>,
    /// The client wants Response Information. Absent means no.
    pub request_response_information: Option<bool>,
    /// Reason Strings and User Properties are welcome on every packet. Absent means yes.
    pub request_problem_information: Option<bool>,
    /// The name of the extended authentication to use.
    pub authentication_method: Option<&'a str>,
    /// What that method has to say; never without a method.
    pub authentication_data: Option<&'a [u8]>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
}

impl<'a> Connect<'a> {
    /// A client that starts clean, without Keep Alive, Will, user name or properties.
    #[must_use]
    pub fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            bridge: false,
            clean_start: true,
            keep_alive_secs: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: ConnectProperties::default(),
        }
    }

    /// Decodes a CONNECT of whatever version it says it is. The second argument is there because every kind
    /// has it; nothing is decoded by it.
    ///
    /// The payload begins with the Client Identifier, a string that is always there [MQTT-3.1.3-3, 3.1.3-4]. The
    /// flags say which fields follow in their fixed order [MQTT-3.1.3-1]: a Will [MQTT-3.1.2-9], a user name
    /// [MQTT-3.1.2-17, 3.1.3-12], a password [MQTT-3.1.2-19]. A field that no flag has promised is left over at
    /// the end, and refused [MQTT-3.1.2-16, 3.1.2-18].
    ///
    /// # Errors
    /// [`DecodeError::Unsupported`] for a protocol name or level that is none of ours; that much is said
    /// before anything else is looked at. Then whatever keeps the packet from being a CONNECT of its version.
    /// Asked for by v3.1.1 [MQTT-3.1.2-14], v3.1.1 [MQTT-3.1.2-18], v3.1.1 [MQTT-3.1.2-19],
    /// v3.1.1 [MQTT-3.1.2-20], v3.1.1 [MQTT-3.1.2-21], v3.1.1 [MQTT-3.1.3-1], v3.1.1 [MQTT-3.1.3-3],
    /// v3.1.1 [MQTT-3.1.3-4], v3.1.1 [MQTT-3.1.3-11].
    pub fn decode(frame: &Frame<'a>, _: Version) -> Result<Self, DecodeError> {
        frame.expect_type(PacketType::Connect)?;
        let mut reader = Reader::new(frame.body);
        let (version, bridge) = read_version(&mut reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive_secs = reader.u16()?;
        let properties = if version.is_v5() {
            ConnectProperties::read(&mut reader)?
        } else {
            ConnectProperties::default()
        };
        let client_id = reader.string()?;
        let will = if flags & WILL == 0 {
            None
        } else {
            let qos = QoS::from_u8(flags >> WILL_QOS_SHIFT & 0b11).ok_or(Malformed::WillQosThree)?;
            Some(Will::read(&mut reader, version, qos, flags & WILL_RETAIN != 0)?)
        };
        // In 3.1 the Remaining Length has the last word: a flag may promise a field that the packet ends
        // before.
        let ends_early = |reader: &Reader<'_>| version == Version::V3_1 && reader.is_empty();
        let username =
            if flags & USERNAME == 0 || ends_early(&reader) { None } else { Some(reader.string()?) };
        let password =
            if flags & PASSWORD == 0 || ends_early(&reader) { None } else { Some(reader.binary()?) };
        reader.finish()?;
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self {
            version,
            bridge,
            clean_start,
            keep_alive_secs,
            client_id,
            will,
            username,
            password,
            properties,
        })
    }

    /// Appends the packet to `out`, as its own version has it: the one in [`Self::version`], not the
    /// argument.
    ///
    /// # Errors
    /// [`EncodeError::PasswordWithoutUsername`] before 5.0, [`EncodeError::EmptyTopicName`] for the Will,
    /// [`EncodeError::AuthenticationDataWithoutMethod`], a property with a value it must not have, a field or
    /// packet that is too long. `out` is then as it was.
    pub fn encode(&self, _: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Connect.first_byte(0), self, self.version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, _: Version) -> usize {
        writer::encoded_len(self, self.version)
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= WILL | will.qos.value() << WILL_QOS_SHIFT;
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        if self.username.is_some() {
            flags |= USERNAME;
        }
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        flags
    }
}

/// Protocol name and level [MQTT-3.1.2-1, 3.1.2-2], and whether a bridge says them.
fn read_version(reader: &mut Reader<'_>) -> Result<(Version, bool), DecodeError> {
    let name = reader.string()?;
    if !matches!(name, "MQTT" | "MQIsdp") {
        return Err(Unsupported::ProtocolName.into());
    }
    let level = reader.u8()?;
    let version = match (name, level & !BRIDGE) {
        ("MQIsdp", 3) => Version::V3_1,
        ("MQTT", 4) => Version::V3_1_1,
        ("MQTT", 5) => Version::V5_0,
        _ => return Err(Unsupported::ProtocolVersion { level }.into()),
    };
    Ok((version, level & BRIDGE != 0))
}

/// What flags may not say: the reserved one is 0 [MQTT-3.1.2-3], and without a Will it has neither a QoS
/// [MQTT-3.1.2-11] nor RETAIN [MQTT-3.1.2-13]. A Will QoS of 3 [MQTT-3.1.2-12] is found where the Will is read.
/// Asked for by v3.1.1 [MQTT-3.1.2-3], v3.1.1 [MQTT-3.1.2-11], v3.1.1 [MQTT-3.1.2-13],
/// v3.1.1 [MQTT-3.1.2-15], v3.1.1 [MQTT-3.1.2-22].
fn check_flags(flags: u8, version: Version) -> Result<(), Malformed> {
    // 3.1 leaves the bit unused and does not say that it has to be 0.
    if flags & RESERVED != 0 && version != Version::V3_1 {
        return Err(Malformed::ConnectReservedFlag);
    }
    if flags & WILL == 0 && flags & WILL_DETAILS != 0 {
        return Err(Malformed::WillFlagsWithoutWill);
    }
    if flags & PASSWORD != 0 && flags & USERNAME == 0 && !version.is_v5() {
        return Err(Malformed::PasswordWithoutUsername);
    }
    Ok(())
}

impl Body for Connect<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.string(version.protocol_name());
        sink.u8(version.level() | if self.bridge { BRIDGE } else { 0 });
        sink.u8(self.flags());
        sink.u16(self.keep_alive_secs);
        if version.is_v5() {
            sink.section(&self.properties);
        } else if self.password.is_some() && self.username.is_none() {
            sink.fail(EncodeError::PasswordWithoutUsername);
        }
        sink.string(self.client_id);
        if let Some(will) = &self.will {
            will.write(version, sink);
        }
        if let Some(username) = self.username {
            sink.string(username);
        }
        if let Some(password) = self.password {
            sink.binary(password);
        }
    }
}

impl<'a> ConnectProperties<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut section = Section::read(reader)?;
        let mut own = Self::default();
        while let Some(property) = section.next()? {
            match property {
                PropertyId::SessionExpiryInterval => own.session_expiry_interval_secs = Some(section.u32()?),
                PropertyId::ReceiveMaximum => own.receive_maximum = Some(section.non_zero_u16(property)?),
                PropertyId::MaximumPacketSize => {
                    own.maximum_packet_size = Some(section.non_zero_u32(property)?);
                }
                PropertyId::TopicAliasMaximum => own.topic_alias_maximum = Some(section.u16()?),
                PropertyId::RequestResponseInformation => {
                    own.request_response_information = Some(section.bool(property)?);
                }
                PropertyId::RequestProblemInformation => {
                    own.request_problem_information = Some(section.bool(property)?);
                }
                PropertyId::AuthenticationMethod => own.authentication_method = Some(section.string()?),
                PropertyId::AuthenticationData => own.authentication_data = Some(section.binary()?),
                PropertyId::UserProperty => section.user_property()?,
                _ => return Err(not_allowed(property)),
            }
        }
        own.user_properties = section.user_properties();
        if own.authentication_data.is_some() && own.authentication_method.is_none() {
            return Err(ProtocolError::AuthenticationDataWithoutMethod.into());
        }
        Ok(own)
    }
}

impl PropertyList for ConnectProperties<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            sink.fail(EncodeError::AuthenticationDataWithoutMethod);
        }
        sink.property_u32(PropertyId::SessionExpiryInterval, self.session_expiry_interval_secs);
        sink.property_non_zero_u16(PropertyId::ReceiveMaximum, self.receive_maximum);
        sink.property_non_zero_u32(PropertyId::MaximumPacketSize, self.maximum_packet_size);
        sink.property_u16(PropertyId::TopicAliasMaximum, self.topic_alias_maximum);
        sink.property_bool(PropertyId::RequestResponseInformation, self.request_response_information);
        sink.property_bool(PropertyId::RequestProblemInformation, self.request_problem_information);
        sink.property_string(PropertyId::AuthenticationMethod, self.authentication_method);
        sink.property_binary(PropertyId::AuthenticationData, self.authentication_data);
        sink.property_user(self.user_properties);
    }
}

/// Stands for a secret in `Debug`: its length and nothing else.
pub(super) struct Redacted(usize);

impl Redacted {
    pub(super) fn option(secret: Option<&[u8]>) -> Option<Self> {
        secret.map(|secret| Self(secret.len()))
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{} bytes>", self.0)
    }
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connect")
            .field("version", &self.version)
            .field("bridge", &self.bridge)
            .field("clean_start", &self.clean_start)
            .field("keep_alive_secs", &self.keep_alive_secs)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("username", &self.username)
            .field("password", &Redacted::option(self.password))
            .field("properties", &self.properties)
            .finish()
    }
}

impl fmt::Debug for ConnectProperties<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectProperties")
            .field("session_expiry_interval_secs", &self.session_expiry_interval_secs)
            .field("receive_maximum", &self.receive_maximum)
            .field("maximum_packet_size", &self.maximum_packet_size)
            .field("topic_alias_maximum", &self.topic_alias_maximum)
            .field("request_response_information", &self.request_response_information)
            .field("request_problem_information", &self.request_problem_information)
            .field("authentication_method", &self.authentication_method)
            .field("authentication_data", &Redacted::option(self.authentication_data))
            .field("user_properties", &self.user_properties)
            .finish()
    }
}
