//! SUBACK: section 3.9.

use alloc::vec::Vec;
use core::fmt;

use super::{PacketType, read_reason_code};
use crate::error::{DecodeError, EncodeError, ProtocolError};
use crate::frame::Frame;
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// The server's answer to a SUBSCRIBE.
/// Asked for by v3.1.1 [MQTT-3.9.3-1], v3.1.1 [MQTT-3.9.3-2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suback<'a> {
    /// The Packet Identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// A sentence for people. 5.0 only.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to. 5.0 only.
    pub user_properties: UserProperties<'a>,
    /// One for each line of the SUBSCRIBE, in its order [MQTT-3.9.3-1]: the QoS that was granted or why not.
    pub reason_codes: ReasonCodes<'a>,
}

/// The Reason Codes of a SUBACK or UNSUBACK in their order: a checked view of the packet, or a slice to
/// encode.
///
/// Two are equal when they hold the same codes in the same order, wherever those come from.
#[derive(Clone, Copy)]
pub struct ReasonCodes<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Payload(&'a [u8]),
    Slice(&'a [ReasonCode]),
}

impl<'a> ReasonCodes<'a> {
    /// The codes to encode.
    #[must_use]
    pub const fn from_slice(reason_codes: &'a [ReasonCode]) -> Self {
        Self(Source::Slice(reason_codes))
    }

    /// Checks every code of a packet's payload.
    pub(super) fn read(mut payload: Reader<'a>, packet_type: PacketType) -> Result<Self, DecodeError> {
        let bytes = payload.peek();
        if bytes.is_empty() {
            return Err(ProtocolError::NoReasonCodes.into());
        }
        while !payload.is_empty() {
            read_reason_code(&mut payload, packet_type)?;
        }
        Ok(Self(Source::Payload(bytes)))
    }

    /// How many there are. Costs nothing.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Payload(bytes) => bytes.len(),
            Source::Slice(reason_codes) => reason_codes.len(),
        }
    }

    /// Whether there are none, as in an UNSUBACK before 5.0.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The codes in their order.
    pub fn iter(&self) -> impl Iterator<Item = ReasonCode> + Clone + use<'a> {
        let (bytes, reason_codes) = match self.0 {
            Source::Payload(bytes) => (bytes, &[][..]),
            Source::Slice(reason_codes) => (&[][..], reason_codes),
        };
        bytes.iter().filter_map(|&byte| ReasonCode::from_u8(byte)).chain(reason_codes.iter().copied())
    }

    /// Refuses a list that is empty or has a code of another kind of packet in it.
    pub(super) fn check(&self, packet_type: PacketType) -> Result<(), EncodeError> {
        if self.is_empty() {
            return Err(EncodeError::NoReasonCodes);
        }
        match self.iter().find(|reason_code| !reason_code.is_valid_for(packet_type)) {
            Some(reason_code) => Err(EncodeError::ReasonCodeNotAllowed { packet_type, reason_code }),
            None => Ok(()),
        }
    }
}

/// No codes.
impl Default for ReasonCodes<'_> {
    fn default() -> Self {
        Self(Source::Slice(&[]))
    }
}

impl PartialEq for ReasonCodes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ReasonCodes<'_> {}

impl fmt::Debug for ReasonCodes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Suback<'a> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reason_codes: &'a [ReasonCode]) -> Self {
        Self {
            packet_id,
            reason_string: None,
            user_properties: UserProperties::default(),
            reason_codes: ReasonCodes::from_slice(reason_codes),
        }
    }

    /// Decodes a SUBACK of a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one; [`ProtocolError::ReasonCodeNotAllowed`] for a code that SUBACK does
    /// not have [MQTT-3.9.3-2], and before 5.0 for any but 0, 1, 2 and 0x80.
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        let packet_type = PacketType::Suback;
        frame.expect_type(packet_type)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let (reason_string, user_properties) =
            if version.is_v5() { read_properties(&mut reader)? } else { (None, UserProperties::default()) };
        let reason_codes = ReasonCodes::read(reader, packet_type)?;
        let unknown =
            |reason_code: &ReasonCode| reason_code.suback_return_code(version) != reason_code.value();
        if let Some(reason_code) = reason_codes.iter().find(unknown) {
            return Err(
                ProtocolError::ReasonCodeNotAllowed { packet_type, value: reason_code.value() }.into()
            );
        }
        Ok(Self { packet_id, reason_string, user_properties, reason_codes })
    }

    /// Appends the packet to `out`. Before 5.0 the properties are left out and every refusal is 0x80.
    ///
    /// # Errors
    /// [`EncodeError::NoReasonCodes`], [`EncodeError::ReasonCodeNotAllowed`], a field or packet that is too
    /// long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Suback.first_byte(0), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

/// The properties that SUBACK and UNSUBACK have in common, and have no others.
pub(super) fn read_properties<'a>(
    reader: &mut Reader<'a>,
) -> Result<(Option<&'a str>, UserProperties<'a>), DecodeError> {
    let mut section = Section::read(reader)?;
    let mut reason_string = None;
    while let Some(property) = section.next()? {
        match property {
            PropertyId::ReasonString => reason_string = Some(section.string()?),
            PropertyId::UserProperty => section.user_property()?,
            _ => return Err(not_allowed(property)),
        }
    }
    Ok((reason_string, section.user_properties()))
}

impl Body for Suback<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        if let Err(error) = self.reason_codes.check(PacketType::Suback) {
            sink.fail(error);
        }
        sink.u16(self.packet_id.value());
        if version.is_v5() {
            sink.section(self);
        }
        for reason_code in self.reason_codes.iter() {
            sink.u8(reason_code.suback_return_code(version));
        }
    }
}

impl PropertyList for Suback<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_string(PropertyId::ReasonString, self.reason_string);
        sink.property_user(self.user_properties);
    }
}
