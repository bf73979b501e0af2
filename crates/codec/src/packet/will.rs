//! The Will of a CONNECT: sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2 to 3.1.3.4.

use super::PublishProperties;
use crate::error::{DecodeError, EncodeError, ProtocolError};
use crate::properties::{PropertyId, PropertySink, Section};
use crate::qos::QoS;
use crate::reader::Reader;
use crate::version::Version;
use crate::writer::{PropertyList, Sink};

/// The message that the server publishes for a client that goes without saying goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Will<'a> {
    /// Where to; never empty.
    pub topic_name: &'a str,
    /// The message, at most 65,535 bytes.
    pub payload: &'a [u8],
    /// The QoS to publish it with.
    pub qos: QoS,
    /// Whether to publish it as a retained message.
    pub retain: bool,
    /// How long the server waits before it publishes the Will, in seconds. 0 before 5.0.
    pub delay_interval_secs: u32,
    /// The properties to publish it with. Topic Alias and Subscription Identifiers are not among them.
    pub properties: PublishProperties<'a>,
}

impl<'a> Will<'a> {
    /// Reads the Will out of a CONNECT's payload; its topic is a string [MQTT-3.1.3-11].
    /// Asked for by v3.1.1 [MQTT-3.1.2-9], v3.1.1 [MQTT-3.1.3-10].
    pub(super) fn read(
        reader: &mut Reader<'a>,
        version: Version,
        qos: QoS,
        retain: bool,
    ) -> Result<Self, DecodeError> {
        let mut will = Will { qos, retain, ..Self::default() };
        if version.is_v5() {
            will.read_properties(Section::read(reader)?)?;
        }
        will.topic_name = reader.string()?;
        if will.topic_name.is_empty() {
            return Err(ProtocolError::EmptyTopicName.into());
        }
        will.payload = reader.binary()?;
        Ok(will)
    }

    fn read_properties(&mut self, mut section: Section<'a>) -> Result<(), DecodeError> {
        while let Some(property) = section.next()? {
            match property {
                PropertyId::WillDelayInterval => self.delay_interval_secs = section.u32()?,
                _ => self.properties.take(property, &mut section)?,
            }
        }
        self.properties.user_properties = section.user_properties();
        Ok(())
    }

    /// Writes the Will into a CONNECT's payload.
    pub(super) fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        if version.is_v5() {
            sink.section(self);
        }
        if self.topic_name.is_empty() {
            sink.fail(EncodeError::EmptyTopicName);
        }
        sink.string(self.topic_name);
        sink.binary(self.payload);
    }
}

impl PropertyList for Will<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        let properties = &self.properties;
        if properties.topic_alias.is_some() {
            sink.fail(EncodeError::PropertyNotAllowed { property: PropertyId::TopicAlias });
        }
        if !properties.subscription_ids.is_empty() {
            sink.fail(EncodeError::PropertyNotAllowed { property: PropertyId::SubscriptionIdentifier });
        }
        let delay = Some(self.delay_interval_secs).filter(|&delay| delay != 0);
        sink.property_u32(PropertyId::WillDelayInterval, delay);
        sink.property_u32(PropertyId::MessageExpiryInterval, properties.message_expiry_interval_secs);
        properties.write_forwarded(sink);
    }
}
