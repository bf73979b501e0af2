//! Writing properties. One that is `None` is not written: its absence says what the standard's default says.

use super::{PropertyId, SubscriptionIds, UserProperties};
use crate::error::EncodeError;
use crate::varint;
use crate::writer::Sink;

/// The writing of properties, for every [`Sink`].
pub(crate) trait PropertySink: Sink {
    #[inline]
    fn property_bool(&mut self, property: PropertyId, value: Option<bool>) {
        if let Some(value) = value {
            self.u8(property.value());
            self.u8(u8::from(value));
        }
    }

    #[inline]
    fn property_u16(&mut self, property: PropertyId, value: Option<u16>) {
        if let Some(value) = value {
            self.u8(property.value());
            self.u16(value);
        }
    }

    fn property_non_zero_u16(&mut self, property: PropertyId, value: Option<u16>) {
        if value == Some(0) {
            self.fail(EncodeError::PropertyValue { property });
        }
        self.property_u16(property, value);
    }

    #[inline]
    fn property_u32(&mut self, property: PropertyId, value: Option<u32>) {
        if let Some(value) = value {
            self.u8(property.value());
            self.u32(value);
        }
    }

    fn property_non_zero_u32(&mut self, property: PropertyId, value: Option<u32>) {
        if value == Some(0) {
            self.fail(EncodeError::PropertyValue { property });
        }
        self.property_u32(property, value);
    }

    #[inline]
    fn property_string(&mut self, property: PropertyId, value: Option<&str>) {
        if let Some(value) = value {
            self.u8(property.value());
            self.string(value);
        }
    }

    #[inline]
    fn property_binary(&mut self, property: PropertyId, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.u8(property.value());
            self.binary(value);
        }
    }

    fn property_subscription_id(&mut self, value: u32) {
        let property = PropertyId::SubscriptionIdentifier;
        if value == 0 || value > varint::MAX {
            return self.fail(EncodeError::PropertyValue { property });
        }
        self.u8(property.value());
        self.varint(value);
    }

    fn property_subscription_ids(&mut self, values: SubscriptionIds<'_>) {
        if !values.is_empty() {
            values.iter().for_each(|value| self.property_subscription_id(value));
        }
    }

    fn property_user(&mut self, pairs: UserProperties<'_>) {
        if !pairs.is_empty() {
            for (name, value) in pairs.iter() {
                self.u8(PropertyId::UserProperty.value());
                self.string(name);
                self.string(value);
            }
        }
    }
}

impl<S: Sink> PropertySink for S {}
