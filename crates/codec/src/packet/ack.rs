//! PUBACK, PUBREC, PUBREL and PUBCOMP: sections 3.4 to 3.7. Four packets of one form.

use alloc::vec::Vec;

use super::{PacketType, read_reason_code};
use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError};
use crate::frame::{Frame, REQUEST_FLAGS};
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// An acknowledgement of a QoS 1 or QoS 2 message. Which of the four it is, is said by the frame when it is
/// decoded and by the caller when it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// What is acknowledged.
    pub packet_id: PacketId,
    /// How it went. Before 5.0 always [`ReasonCode::Success`]: there an acknowledgement cannot say more.
    pub reason_code: ReasonCode,
    /// A sentence for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
}

impl<'a> Ack<'a> {
    /// An acknowledgement without properties.
    #[inline]
    #[must_use]
    pub fn new(packet_id: PacketId, reason_code: ReasonCode) -> Self {
        Self { packet_id, reason_code, reason_string: None, user_properties: UserProperties::default() }
    }

    /// Decodes whichever of the four the frame is, on a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one; [`ProtocolError::ReasonCodeNotAllowed`] for a Reason Code of another
    /// kind [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1].
    #[inline(always)]
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        let packet_type = frame.packet_type();
        if !is_ack(packet_type) {
            let expected = PacketType::Puback;
            return Err(ProtocolError::UnexpectedPacketType { expected, found: packet_type }.into());
        }
        frame.check_dup(version)?;
        let mut reader = Reader::new(frame.body);
        let ack = Self::new(reader.packet_id()?, ReasonCode::Success);
        if reader.is_empty() {
            return Ok(ack);
        }
        ack.read_rest(reader, packet_type, version)
    }

    #[inline(never)]
    fn read_rest(
        mut self,
        mut reader: Reader<'a>,
        packet_type: PacketType,
        version: Version,
    ) -> Result<Self, DecodeError> {
        if !version.is_v5() {
            return Err(Malformed::TrailingBytes.into());
        }
        self.reason_code = read_reason_code(&mut reader, packet_type)?;
        if reader.is_empty() {
            return Ok(self);
        }
        let mut section = Section::read(&mut reader)?;
        while let Some(property) = section.next()? {
            match property {
                PropertyId::ReasonString => self.reason_string = Some(section.string()?),
                PropertyId::UserProperty => section.user_property()?,
                _ => return Err(not_allowed(property)),
            }
        }
        self.user_properties = section.user_properties();
        reader.finish()?;
        Ok(self)
    }

    /// Appends the packet to `out` in its shortest form: the Reason Code is left out when it is Success, the
    /// property length when there are none. Before 5.0 only the Packet Identifier is said.
    ///
    /// # Errors
    /// [`EncodeError::NotAnAck`], [`EncodeError::ReasonCodeNotAllowed`], or a field that is too long. `out`
    /// is then as it was.
    #[inline]
    pub fn encode(
        &self,
        packet_type: PacketType,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let flags = match packet_type {
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubcomp => 0,
            PacketType::Pubrel => REQUEST_FLAGS,
            _ => return Err(EncodeError::NotAnAck { packet_type }),
        };
        let first_byte = packet_type.first_byte(flags);
        let [high, low] = self.packet_id.value().to_be_bytes();
        // All four may say Success.
        if !version.is_v5() || (self.reason_code == ReasonCode::Success && !self.has_properties()) {
            out.extend_from_slice(&[first_byte, 2, high, low]);
            return Ok(());
        }
        if !self.reason_code.is_valid_for(packet_type) {
            return Err(EncodeError::ReasonCodeNotAllowed { packet_type, reason_code: self.reason_code });
        }
        writer::encode_packet(first_byte, self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }

    #[inline]
    const fn has_properties(&self) -> bool {
        self.reason_string.is_some() || !self.user_properties.is_empty()
    }
}

const fn is_ack(packet_type: PacketType) -> bool {
    matches!(packet_type, PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp)
}

impl Body for Ack<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.u16(self.packet_id.value());
        let has_properties = self.has_properties();
        if version.is_v5() && (has_properties || self.reason_code != ReasonCode::Success) {
            sink.u8(self.reason_code.value());
            if has_properties {
                sink.section(self);
            }
        }
    }
}

impl PropertyList for Ack<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_string(PropertyId::ReasonString, self.reason_string);
        sink.property_user(self.user_properties);
    }
}
