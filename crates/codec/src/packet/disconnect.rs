//! DISCONNECT: section 3.14.

use alloc::vec::Vec;

use super::{PacketType, read_reason_code};
use crate::error::{DecodeError, EncodeError};
use crate::frame::Frame;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// The connection ends. Before 5.0 only a client says so, and says no more than that.
///
/// Which side may send which Reason Code or property is not checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why. Before 5.0 always [`ReasonCode::NORMAL_DISCONNECTION`].
    pub reason_code: ReasonCode,
    /// A new expiry for the session, in seconds; only from a client [MQTT-3.14.2-2].
    pub session_expiry_interval_secs: Option<u32>,
    /// A sentence for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
    /// Another server to use; only from a server.
    pub server_reference: Option<&'a str>,
}

impl<'a> Disconnect<'a> {
    /// An end without properties.
    #[must_use]
    pub fn new(reason_code: ReasonCode) -> Self {
        Self {
            reason_code,
            session_expiry_interval_secs: None,
            reason_string: None,
            user_properties: UserProperties::default(),
            server_reference: None,
        }
    }

    /// Decodes a DISCONNECT of a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one, such as a code that DISCONNECT does not have [MQTT-3.14.2-1].
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        frame.expect_type(PacketType::Disconnect)?;
        let mut reader = Reader::new(frame.body);
        let mut own = Self::new(ReasonCode::NORMAL_DISCONNECTION);
        if !version.is_v5() {
            reader.finish()?;
            return Ok(own);
        }
        // The Reason Code may be left out when it is 0, the property length when there are no properties.
        if !reader.is_empty() {
            own.reason_code = read_reason_code(&mut reader, PacketType::Disconnect)?;
        }
        if !reader.is_empty() {
            own.read_properties(Section::read(&mut reader)?)?;
        }
        reader.finish()?;
        Ok(own)
    }

    fn read_properties(&mut self, mut section: Section<'a>) -> Result<(), DecodeError> {
        while let Some(property) = section.next()? {
            match property {
                PropertyId::SessionExpiryInterval => self.session_expiry_interval_secs = Some(section.u32()?),
                PropertyId::ReasonString => self.reason_string = Some(section.string()?),
                PropertyId::UserProperty => section.user_property()?,
                PropertyId::ServerReference => self.server_reference = Some(section.string()?),
                _ => return Err(not_allowed(property)),
            }
        }
        self.user_properties = section.user_properties();
        Ok(())
    }

    /// Appends the packet to `out` in its shortest form. Before 5.0 the Reason Code and the properties are
    /// left out.
    ///
    /// # Errors
    /// [`EncodeError::ReasonCodeNotAllowed`], or a field that is too long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Disconnect.first_byte(0), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }

    const fn has_properties(&self) -> bool {
        self.session_expiry_interval_secs.is_some()
            || self.reason_string.is_some()
            || self.server_reference.is_some()
            || !self.user_properties.is_empty()
    }
}

/// A normal end.
impl Default for Disconnect<'_> {
    fn default() -> Self {
        Self::new(ReasonCode::NORMAL_DISCONNECTION)
    }
}

impl Body for Disconnect<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        if !version.is_v5() {
            return;
        }
        let packet_type = PacketType::Disconnect;
        if !self.reason_code.is_valid_for(packet_type) {
            sink.fail(EncodeError::ReasonCodeNotAllowed { packet_type, reason_code: self.reason_code });
        }
        let has_properties = self.has_properties();
        if has_properties || self.reason_code != ReasonCode::NORMAL_DISCONNECTION {
            sink.u8(self.reason_code.value());
        }
        if has_properties {
            sink.section(self);
        }
    }
}

impl PropertyList for Disconnect<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_u32(PropertyId::SessionExpiryInterval, self.session_expiry_interval_secs);
        sink.property_string(PropertyId::ReasonString, self.reason_string);
        sink.property_user(self.user_properties);
        sink.property_string(PropertyId::ServerReference, self.server_reference);
    }
}
