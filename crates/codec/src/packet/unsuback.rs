//! UNSUBACK: section 3.11.

use alloc::vec::Vec;

use super::{PacketType, ReasonCodes, suback};
use crate::error::{DecodeError, EncodeError};
use crate::frame::Frame;
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink, UserProperties};
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// The server's answer to an UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsuback<'a> {
    /// The Packet Identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// A sentence for people. 5.0 only.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to. 5.0 only.
    pub user_properties: UserProperties<'a>,
    /// One for each filter of the UNSUBSCRIBE, in its order [MQTT-3.11.3-1]. None before 5.0: there the
    /// packet itself says that it was done.
    pub reason_codes: ReasonCodes<'a>,
}

impl<'a> Unsuback<'a> {
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

    /// Decodes an UNSUBACK of a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one, such as a code that UNSUBACK does not have [MQTT-3.11.3-2].
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        let packet_type = PacketType::Unsuback;
        frame.expect_type(packet_type)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        if !version.is_v5() {
            reader.finish()?;
            return Ok(Self::new(packet_id, &[]));
        }
        let (reason_string, user_properties) = suback::read_properties(&mut reader)?;
        let reason_codes = ReasonCodes::read(reader, packet_type)?;
        Ok(Self { packet_id, reason_string, user_properties, reason_codes })
    }

    /// Appends the packet to `out`. Before 5.0 only the Packet Identifier is said.
    ///
    /// # Errors
    /// In 5.0 [`EncodeError::NoReasonCodes`], [`EncodeError::ReasonCodeNotAllowed`], a field or packet that
    /// is too long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Unsuback.first_byte(0), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

impl Body for Unsuback<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.u16(self.packet_id.value());
        if !version.is_v5() {
            return;
        }
        if let Err(error) = self.reason_codes.check(PacketType::Unsuback) {
            sink.fail(error);
        }
        sink.section(self);
        for reason_code in self.reason_codes.iter() {
            sink.u8(reason_code.value());
        }
    }
}

impl PropertyList for Unsuback<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_string(PropertyId::ReasonString, self.reason_string);
        sink.property_user(self.user_properties);
    }
}
