//! Reading a property section, one property at a time.

use super::{PropertyId, SubscriptionIds, UserProperties};
use crate::error::{DecodeError, Malformed, ProtocolError};
use crate::reader::Reader;

/// A property section that is being read: [`Section::next`] names a property, then one of the other methods
/// takes its value.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    reader: Reader<'a>,
    /// The section from the identifier of the property at hand on.
    current: &'a [u8],
    /// A bit for each identifier that has been read.
    seen: u64,
    user_properties: &'a [u8],
    subscription_ids: &'a [u8],
}

impl<'a> Section<'a> {
    /// A section that `packet` comes to next: its length, then as many bytes.
    pub(crate) fn read(packet: &mut Reader<'a>) -> Result<Self, Malformed> {
        let length = packet.varint()?;
        Ok(Self::new(packet.bytes(length as usize)?))
    }

    /// A section without the length before it.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(bytes),
            current: &[],
            seen: 0,
            user_properties: &[],
            subscription_ids: &[],
        }
    }

    /// The next property, or `None` at the end of the section.
    ///
    /// # Errors
    /// An identifier that does not exist, and one that was there before and may not be there twice. For the
    /// Subscription Identifier the caller decides: PUBLISH may have several, SUBSCRIBE may not.
    pub(crate) fn next(&mut self) -> Result<Option<PropertyId>, DecodeError> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        self.current = self.reader.peek();
        let id = self.reader.varint()?;
        let known = u8::try_from(id).ok().and_then(PropertyId::from_u8);
        let Some(property) = known else { return Err(Malformed::UnknownProperty { id }.into()) };
        let bit = 1u64.wrapping_shl(id);
        let repeats = matches!(property, PropertyId::UserProperty | PropertyId::SubscriptionIdentifier);
        if self.seen & bit != 0 && !repeats {
            return Err(ProtocolError::DuplicateProperty { property }.into());
        }
        self.seen |= bit;
        Ok(Some(property))
    }

    /// 0 or 1, nothing else.
    pub(crate) fn bool(&mut self, property: PropertyId) -> Result<bool, DecodeError> {
        match self.reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ProtocolError::NeitherZeroNorOne { property }.into()),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(self.reader.u16()?)
    }

    pub(crate) fn non_zero_u16(&mut self, property: PropertyId) -> Result<u16, DecodeError> {
        match self.reader.u16()? {
            0 => Err(ProtocolError::ZeroValue { property }.into()),
            value => Ok(value),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(self.reader.u32()?)
    }

    pub(crate) fn non_zero_u32(&mut self, property: PropertyId) -> Result<u32, DecodeError> {
        match self.reader.u32()? {
            0 => Err(ProtocolError::ZeroValue { property }.into()),
            value => Ok(value),
        }
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, DecodeError> {
        Ok(self.reader.string()?)
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        Ok(self.reader.binary()?)
    }

    /// One Subscription Identifier. All of them are in [`Section::subscription_ids`] when the section is
    /// done.
    pub(crate) fn subscription_id(&mut self) -> Result<u32, DecodeError> {
        if self.subscription_ids.is_empty() {
            self.subscription_ids = self.current;
        }
        match self.reader.varint()? {
            0 => Err(ProtocolError::ZeroValue { property: PropertyId::SubscriptionIdentifier }.into()),
            value => Ok(value),
        }
    }

    /// One User Property, which is two strings [MQTT-1.5.7-1]. All of them are in [`Section::user_properties`] when the section is done.
    pub(crate) fn user_property(&mut self) -> Result<(), DecodeError> {
        if self.user_properties.is_empty() {
            self.user_properties = self.current;
        }
        self.reader.string()?;
        self.reader.string()?;
        Ok(())
    }

    /// The User Properties of a section that has been read to its end without an error.
    pub(crate) const fn user_properties(&self) -> UserProperties<'a> {
        UserProperties::from_section(self.user_properties)
    }

    /// The Subscription Identifiers of a section that has been read to its end without an error.
    pub(crate) const fn subscription_ids(&self) -> SubscriptionIds<'a> {
        SubscriptionIds::from_section(self.subscription_ids)
    }
}

/// The answer to a property that the packet at hand may not carry.
#[cold]
pub(crate) fn not_allowed(property: PropertyId) -> DecodeError {
    Malformed::PropertyNotAllowed { property }.into()
}
