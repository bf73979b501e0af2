//! PUBLISH: section 3.3. For a message that goes to many receivers see [`crate::fanout`].

use alloc::vec::Vec;

use super::PacketType;
use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError};
use crate::frame::{DUP, Frame};
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink, Section, SubscriptionIds, UserProperties, not_allowed};
use crate::qos::QoS;
use crate::reader::Reader;
use crate::small;
use crate::utf8;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// A message on its way, in either direction.
/// Asked for by v3.1.1 [MQTT-2.3.1-5], v3.1.1 [MQTT-3.3.1-2], v3.1.1 [MQTT-3.3.2-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Publish<'a> {
    /// It is sent again; never with QoS 0 [MQTT-3.3.1-2].
    pub dup: bool,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// To a server: keep it. To a client: it was kept.
    pub retain: bool,
    /// Where to: the first field, a string [MQTT-3.3.2-1]. Empty only where a Topic Alias stands for it. Whether
    /// it is free of wildcards [MQTT-3.3.2-2] is not checked here.
    pub topic_name: &'a str,
    /// There with QoS 1 and 2, and only with those [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// Empty before 5.0.
    pub properties: PublishProperties<'a>,
    /// The message itself, which may be empty.
    pub payload: &'a [u8],
}

/// The properties of a PUBLISH or, but for Topic Alias and Subscription Identifiers, of a Will.
///
/// Which side may send which is not checked here: a server refuses Subscription Identifiers from a client
/// [MQTT-3.3.4-6].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PublishProperties<'a> {
    /// `true` says that the payload is UTF-8, which is not checked here. Absent means `false`.
    pub payload_format_indicator: Option<bool>,
    /// How long the message lives, in seconds. Absent means for ever.
    pub message_expiry_interval_secs: Option<u32>,
    /// A number for the Topic Name, 1 to 65,535 [MQTT-3.3.2-8].
    pub topic_alias: Option<u16>,
    /// Where an answer is to be published, a string [MQTT-3.3.2-13]. Whether it is free of wildcards
    /// [MQTT-3.3.2-14] is not checked here.
    pub response_topic: Option<&'a str>,
    /// Ties the answer to its request.
    pub correlation_data: Option<&'a [u8]>,
    /// The Subscription Identifiers of the subscriptions that matched.
    pub subscription_ids: SubscriptionIds<'a>,
    /// What the payload is, often a MIME type; a string [MQTT-3.3.2-19].
    pub content_type: Option<&'a str>,
    /// Names and values that MQTT gives no meaning to.
    pub user_properties: UserProperties<'a>,
}

impl<'a> Publish<'a> {
    /// A message of QoS 0 without properties.
    #[must_use]
    pub fn new(topic_name: &'a str, payload: &'a [u8]) -> Self {
        Self { topic_name, payload, ..Self::default() }
    }

    /// Decodes a PUBLISH of a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one.
    #[inline(always)]
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        Self::decode_as(frame, version, |publish| publish)
    }

    /// Decodes into what `make` makes of it. It is large: put together inside of something larger it is never moved, and
    /// to move it costs about as much as to decode it.
    #[inline(always)]
    pub(super) fn decode_as<T>(
        frame: &Frame<'a>,
        version: Version,
        make: impl FnOnce(Self) -> T,
    ) -> Result<T, DecodeError> {
        frame.expect_type(PacketType::Publish)?;
        let Some(qos) = QoS::from_u8(frame.first_byte >> 1 & 0b11) else {
            return Err(Malformed::PublishQosThree.into());
        };
        let mut reader = Reader::new(frame.body);
        let topic_name = reader.string()?;
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        // A way to the end of its own instead of one that both share, for the same reason.
        if version.is_v5() && !reader.take_zero() {
            return Self::decode_with_properties(frame.first_byte, qos, topic_name, packet_id, reader)
                .map(make);
        }
        if topic_name.is_empty() {
            return Err(ProtocolError::EmptyTopicName.into());
        }
        Ok(make(Self {
            dup: frame.first_byte & DUP != 0,
            qos,
            retain: frame.first_byte & 1 != 0,
            topic_name,
            packet_id,
            properties: PublishProperties::default(),
            payload: reader.rest(),
        }))
    }

    /// The rest of [`Self::decode`] from the property section on.
    #[inline(never)]
    fn decode_with_properties(
        first_byte: u8,
        qos: QoS,
        topic_name: &'a str,
        packet_id: Option<PacketId>,
        mut reader: Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let properties = PublishProperties::read_section(Section::read(&mut reader)?)?;
        if topic_name.is_empty() && properties.topic_alias.is_none() {
            return Err(ProtocolError::EmptyTopicName.into());
        }
        Ok(Self {
            dup: first_byte & DUP != 0,
            qos,
            retain: first_byte & 1 != 0,
            topic_name,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    /// Appends the packet to `out`. Before 5.0 the properties are left out.
    ///
    /// # Errors
    /// [`EncodeError::PacketIdMissing`], [`EncodeError::PacketIdWithQosZero`],
    /// [`EncodeError::DupWithQosZero`], [`EncodeError::EmptyTopicName`], a property with a value it must not
    /// have, a field or packet that is too long. `out` is then as it was.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The frequent case, written out where it is needed: a small packet in which nothing is wrong.
        let is_plain = !version.is_v5() || self.properties.is_empty();
        if is_plain
            && !self.topic_name.is_empty()
            && utf8::is_short_ascii_without_nul(self.topic_name.as_bytes())
            && check_delivery(self.dup, self.qos, self.packet_id).is_ok()
        {
            let first_byte = publish_first_byte(self.dup, self.qos, self.retain);
            let (topic_name, packet_id, payload) = (self.topic_name, self.packet_id, self.payload);
            if small::put_publish(first_byte, topic_name, packet_id, version, payload, out).is_some() {
                return Ok(());
            }
        }
        self.encode_any(version, out)
    }

    /// What [`Self::encode`] does, for packets of every kind.
    #[inline(never)]
    fn encode_any(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let first_byte = publish_first_byte(self.dup, self.qos, self.retain);
        if version.is_v5() && !self.properties.is_empty() {
            return writer::encode_packet(first_byte, self, version, out);
        }
        check_delivery(self.dup, self.qos, self.packet_id)?;
        if self.topic_name.is_empty() {
            return Err(EncodeError::EmptyTopicName);
        }
        if utf8::contains_nul(self.topic_name.as_bytes()) {
            return Err(EncodeError::NulInString);
        }
        let (topic_name, packet_id, payload) = (self.topic_name, self.packet_id, self.payload);
        writer::put_publish_header(first_byte, topic_name, packet_id, version, payload.len(), out)?;
        out.extend_from_slice(payload);
        Ok(())
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

/// The first byte of a PUBLISH.
#[inline]
pub(crate) const fn publish_first_byte(dup: bool, qos: QoS, retain: bool) -> u8 {
    PacketType::Publish.first_byte((dup as u8) << 3 | qos.value() << 1 | retain as u8)
}

/// What has to hold between DUP, QoS and Packet Identifier [MQTT-2.2.1-2, 4.3.1-1].
#[inline]
pub(crate) const fn check_delivery(
    dup: bool,
    qos: QoS,
    packet_id: Option<PacketId>,
) -> Result<(), EncodeError> {
    match (qos, packet_id) {
        (QoS::AtMostOnce, Some(_)) => Err(EncodeError::PacketIdWithQosZero),
        (QoS::AtMostOnce, None) if dup => Err(EncodeError::DupWithQosZero),
        (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => Err(EncodeError::PacketIdMissing),
        _ => Ok(()),
    }
}

impl Body for Publish<'_> {
    #[inline]
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        if let Err(error) = check_delivery(self.dup, self.qos, self.packet_id) {
            sink.fail(error);
        }
        if self.topic_name.is_empty() && !(version.is_v5() && self.properties.topic_alias.is_some()) {
            sink.fail(EncodeError::EmptyTopicName);
        }
        sink.string(self.topic_name);
        if let Some(packet_id) = self.packet_id {
            sink.u16(packet_id.value());
        }
        if version.is_v5() {
            if self.properties.is_empty() {
                sink.u8(0);
            } else {
                sink.section(&self.properties);
            }
        }
        sink.put(self.payload);
    }
}

impl<'a> PublishProperties<'a> {
    /// Whether there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.message_expiry_interval_secs.is_none()
            && self.topic_alias.is_none()
            && self.subscription_ids.is_empty()
            && self.payload_format_indicator.is_none()
            && self.content_type.is_none()
            && self.response_topic.is_none()
            && self.correlation_data.is_none()
            && self.user_properties.is_empty()
    }

    fn read_section(mut section: Section<'a>) -> Result<Self, DecodeError> {
        let mut properties = Self::default();
        while let Some(property) = section.next()? {
            match property {
                PropertyId::TopicAlias => match section.u16()? {
                    0 => return Err(ProtocolError::TopicAliasZero.into()),
                    alias => properties.topic_alias = Some(alias),
                },
                PropertyId::SubscriptionIdentifier => {
                    section.subscription_id()?;
                }
                _ => properties.take(property, &mut section)?,
            }
        }
        properties.subscription_ids = section.subscription_ids();
        properties.user_properties = section.user_properties();
        Ok(properties)
    }

    /// Takes a property that a PUBLISH and a Will have in common. User Properties are the section's to hand
    /// over.
    pub(super) fn take(
        &mut self,
        property: PropertyId,
        section: &mut Section<'a>,
    ) -> Result<(), DecodeError> {
        match property {
            PropertyId::PayloadFormatIndicator => {
                self.payload_format_indicator = Some(section.bool(property)?);
            }
            PropertyId::MessageExpiryInterval => self.message_expiry_interval_secs = Some(section.u32()?),
            PropertyId::ContentType => self.content_type = Some(section.string()?),
            PropertyId::ResponseTopic => self.response_topic = Some(section.string()?),
            PropertyId::CorrelationData => self.correlation_data = Some(section.binary()?),
            PropertyId::UserProperty => section.user_property()?,
            _ => return Err(not_allowed(property)),
        }
        Ok(())
    }

    /// Appends the properties that a server passes on as they came, without a length before them: payload
    /// format indicator [MQTT-3.3.2-4], content type [MQTT-3.3.2-20], response topic [MQTT-3.3.2-15],
    /// correlation data [MQTT-3.3.2-16], and user properties in their order [MQTT-3.3.2-17], [MQTT-3.3.2-18].
    ///
    /// Message Expiry Interval, Topic Alias and Subscription Identifiers differ from receiver to receiver and
    /// are not among them.
    ///
    /// # Errors
    /// A field that is too long or a string with U+0000. `out` is then as it was.
    pub fn encode_forwarded(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::append(out, |writer| self.write_forwarded(writer))
    }

    /// Reads back what [`Self::encode_forwarded`] wrote.
    ///
    /// # Errors
    /// Bytes that it did not write.
    pub fn decode_forwarded(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut section = Section::new(bytes);
        let mut properties = Self::default();
        while let Some(property) = section.next()? {
            match property {
                PropertyId::MessageExpiryInterval => return Err(not_allowed(property)),
                _ => properties.take(property, &mut section)?,
            }
        }
        properties.user_properties = section.user_properties();
        Ok(properties)
    }

    pub(super) fn write_forwarded<S: Sink>(&self, sink: &mut S) {
        sink.property_bool(PropertyId::PayloadFormatIndicator, self.payload_format_indicator);
        sink.property_string(PropertyId::ContentType, self.content_type);
        sink.property_string(PropertyId::ResponseTopic, self.response_topic);
        sink.property_binary(PropertyId::CorrelationData, self.correlation_data);
        sink.property_user(self.user_properties);
    }
}

impl PropertyList for PublishProperties<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_u32(PropertyId::MessageExpiryInterval, self.message_expiry_interval_secs);
        sink.property_non_zero_u16(PropertyId::TopicAlias, self.topic_alias);
        sink.property_subscription_ids(self.subscription_ids);
        self.write_forwarded(sink);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// The short way and the one for every packet, at each length of both fields, with and without room, behind other bytes.
    #[test]
    fn a_small_packet_is_encoded_like_every_other() {
        let (name, bytes) = ("n".repeat(130), vec![0xEE; 130]);
        let packet_id = PacketId::new(0xABCD);
        for version in [Version::V3_1_1, Version::V5_0] {
            for (qos, packet_id) in [(QoS::AtMostOnce, None), (QoS::AtLeastOnce, packet_id)] {
                for (topic_name, payload_len) in (1..=130).flat_map(|to| (0..=130).map(move |of| (to, of))) {
                    let publish = Publish {
                        qos,
                        packet_id,
                        ..Publish::new(&name[..topic_name], &bytes[..payload_len])
                    };
                    let mut expected = vec![1, 2, 3];
                    publish.encode_any(version, &mut expected).unwrap();
                    for capacity in [0, 3 + 143, 3 + 144, 1000] {
                        let mut out = Vec::with_capacity(capacity);
                        out.extend_from_slice(&[1, 2, 3]);
                        publish.encode(version, &mut out).unwrap();
                        assert_eq!(out, expected, "{publish:?}");
                    }
                }
            }
        }
    }
}
