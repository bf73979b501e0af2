//! AUTH: section 3.15. 5.0 only.

use alloc::vec::Vec;
use core::fmt;

use super::connect::Redacted;
use super::{PacketType, read_reason_code};
use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError};
use crate::frame::Frame;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::reader::Reader;
use crate::reason_code::ReasonCode;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// A step of an extended authentication, from either side.
///
/// Its `Debug` shows that there is authentication data, not which.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, Continue authentication or Re-authenticate [MQTT-3.15.2-1].
    pub reason_code: ReasonCode,
    /// The name of the method. Left out only where the whole packet says nothing but Success.
    pub authentication_method: Option<&'a str>,
    /// What that method has to say.
    pub authentication_data: Option<&'a [u8]>,
    /// A sentence for people.
    pub reason_string: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
}

impl<'a> Auth<'a> {
    /// A step of that method that says no more.
    #[must_use]
    pub fn new(reason_code: ReasonCode, authentication_method: &'a str) -> Self {
        Self { reason_code, authentication_method: Some(authentication_method), ..Self::SUCCESS }
    }

    /// What an AUTH of two bytes says.
    const SUCCESS: Self = Self {
        reason_code: ReasonCode::Success,
        authentication_method: None,
        authentication_data: None,
        reason_string: None,
        user_properties: UserProperties::from_pairs(&[]),
    };

    /// Decodes an AUTH.
    ///
    /// # Errors
    /// [`Malformed::AuthBeforeV5`] in 3.1 and 3.1.1, [`ProtocolError::AuthenticationMethodMissing`], or
    /// whatever else keeps it from being one.
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        frame.expect_type(PacketType::Auth)?;
        if !version.is_v5() {
            return Err(Malformed::AuthBeforeV5.into());
        }
        let mut reader = Reader::new(frame.body);
        let mut own = Self::SUCCESS;
        if reader.is_empty() {
            return Ok(own);
        }
        own.reason_code = read_reason_code(&mut reader, PacketType::Auth)?;
        own.read_properties(Section::read(&mut reader)?)?;
        reader.finish()?;
        if own.authentication_method.is_none() {
            return Err(ProtocolError::AuthenticationMethodMissing.into());
        }
        Ok(own)
    }

    fn read_properties(&mut self, mut section: Section<'a>) -> Result<(), DecodeError> {
        while let Some(property) = section.next()? {
            match property {
                PropertyId::AuthenticationMethod => self.authentication_method = Some(section.string()?),
                PropertyId::AuthenticationData => self.authentication_data = Some(section.binary()?),
                PropertyId::ReasonString => self.reason_string = Some(section.string()?),
                PropertyId::UserProperty => section.user_property()?,
                _ => return Err(not_allowed(property)),
            }
        }
        self.user_properties = section.user_properties();
        Ok(())
    }

    /// Appends the packet to `out`.
    ///
    /// # Errors
    /// [`EncodeError::AuthBeforeV5`], [`EncodeError::AuthenticationMethodMissing`],
    /// [`EncodeError::ReasonCodeNotAllowed`], or a field that is too long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Auth.first_byte(0), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

impl Body for Auth<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        let packet_type = PacketType::Auth;
        if !version.is_v5() {
            sink.fail(EncodeError::AuthBeforeV5);
        }
        if !self.reason_code.is_valid_for(packet_type) {
            sink.fail(EncodeError::ReasonCodeNotAllowed { packet_type, reason_code: self.reason_code });
        }
        if *self == Self::SUCCESS {
            return;
        }
        if self.authentication_method.is_none() {
            sink.fail(EncodeError::AuthenticationMethodMissing);
        }
        sink.u8(self.reason_code.value());
        sink.section(self);
    }
}

impl PropertyList for Auth<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_string(PropertyId::AuthenticationMethod, self.authentication_method);
        sink.property_binary(PropertyId::AuthenticationData, self.authentication_data);
        sink.property_string(PropertyId::ReasonString, self.reason_string);
        sink.property_user(self.user_properties);
    }
}

impl fmt::Debug for Auth<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Auth")
            .field("reason_code", &self.reason_code)
            .field("authentication_method", &self.authentication_method)
            .field("authentication_data", &Redacted::option(self.authentication_data))
            .field("reason_string", &self.reason_string)
            .field("user_properties", &self.user_properties)
            .finish()
    }
}
