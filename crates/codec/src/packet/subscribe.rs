//! SUBSCRIBE: section 3.8.

use alloc::vec::Vec;
use core::fmt;

use super::PacketType;
use crate::error::{DecodeError, EncodeError, Malformed, ProtocolError};
use crate::frame::{Frame, REQUEST_FLAGS};
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::qos::QoS;
use crate::reader::Reader;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// A client subscribes.
/// Asked for by v3.1.1 [MQTT-3.8.3-1], v3.1.1 [MQTT-3.8.3-3].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// What the SUBACK will answer to.
    pub packet_id: PacketId,
    /// A number that comes with every message of these subscriptions, 1 to 268,435,455. 5.0 only.
    pub subscription_id: Option<u32>,
    /// Names and values that MQTT gives no meaning to. 5.0 only.
    pub user_properties: UserProperties<'a>,
    /// What to subscribe to; at least one [MQTT-3.8.3-2].
    pub filters: SubscribeFilters<'a>,
}

/// One line of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeFilter<'a> {
    /// Which topics: a string [MQTT-3.8.3-1]. Whether it is a well-formed filter is not checked here, nor that a Shared Subscription
    /// goes without No Local [MQTT-3.8.3-4].
    pub topic_filter: &'a str,
    /// How to send them.
    pub options: SubscribeOptions,
}

/// How the messages of a subscription are sent. Before 5.0 there is only the QoS; the rest is as in
/// `default()`. The bits that are left over are 0 [MQTT-3.8.3-5].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SubscribeOptions {
    /// The highest QoS to send with.
    pub qos: QoS,
    /// Leave out what this very client publishes [MQTT-3.8.3-3].
    pub no_local: bool,
    /// Leave RETAIN as it was published.
    pub retain_as_published: bool,
    /// What to do with retained messages.
    pub retain_handling: RetainHandling,
}

/// Whether a new subscription is sent the retained messages that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// Each time.
    #[default]
    SendAtSubscribe = 0,
    /// Only when the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

impl RetainHandling {
    /// The handling of that number, or `None` above 2.
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::SendAtSubscribe),
            1 => Some(Self::SendIfNew),
            2 => Some(Self::DoNotSend),
            _ => None,
        }
    }

    /// The number: 0, 1 or 2.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }
}

impl SubscribeOptions {
    const QOS: u8 = 0b0000_0011;
    const NO_LOCAL: u8 = 0b0000_0100;
    const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
    const RETAIN_HANDLING_SHIFT: u32 = 4;
    const RESERVED: u8 = 0b1100_0000;

    /// The options that 3.1 and 3.1.1 know.
    #[must_use]
    pub fn from_qos(qos: QoS) -> Self {
        Self { qos, ..Self::default() }
    }

    fn from_byte(byte: u8, version: Version) -> Result<Self, DecodeError> {
        let qos = QoS::from_u8(byte & Self::QOS).ok_or(ProtocolError::SubscribeQosThree)?;
        match version {
            // 3.1 leaves the other bits unused and does not say that they have to be 0.
            Version::V3_1 => Ok(Self::from_qos(qos)),
            Version::V3_1_1 if byte & !Self::QOS == 0 => Ok(Self::from_qos(qos)),
            Version::V5_0 if byte & Self::RESERVED == 0 => Ok(Self {
                qos,
                no_local: byte & Self::NO_LOCAL != 0,
                retain_as_published: byte & Self::RETAIN_AS_PUBLISHED != 0,
                retain_handling: RetainHandling::from_u8(byte >> Self::RETAIN_HANDLING_SHIFT)
                    .ok_or(ProtocolError::RetainHandlingThree)?,
            }),
            Version::V3_1_1 | Version::V5_0 => Err(Malformed::SubscribeOptionsReserved.into()),
        }
    }

    fn to_byte(self, version: Version) -> u8 {
        let mut byte = self.qos.value();
        if version.is_v5() {
            byte |= self.retain_handling.value() << Self::RETAIN_HANDLING_SHIFT;
            if self.no_local {
                byte |= Self::NO_LOCAL;
            }
            if self.retain_as_published {
                byte |= Self::RETAIN_AS_PUBLISHED;
            }
        }
        byte
    }
}

/// The lines of a SUBSCRIBE in their order: a checked view of the packet, or a slice to encode.
///
/// Two are equal when they hold the same lines in the same order, wherever those come from.
#[derive(Clone, Copy)]
pub struct SubscribeFilters<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Payload { bytes: &'a [u8], count: usize, version: Version },
    Slice(&'a [SubscribeFilter<'a>]),
}

impl<'a> SubscribeFilters<'a> {
    /// The lines to encode, at least one.
    #[must_use]
    pub const fn from_slice(filters: &'a [SubscribeFilter<'a>]) -> Self {
        Self(Source::Slice(filters))
    }

    /// Checks every line of a packet's payload.
    fn read(mut payload: Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let bytes = payload.peek();
        let mut count = 0_usize;
        while !payload.is_empty() {
            read_filter(&mut payload, version)?;
            count = count.saturating_add(1);
        }
        if count == 0 {
            return Err(ProtocolError::NoTopicFilters.into());
        }
        Ok(Self(Source::Payload { bytes, count, version }))
    }

    /// How many lines there are. Costs nothing.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Payload { count, .. } => count,
            Source::Slice(filters) => filters.len(),
        }
    }

    /// Whether there are none, which no decoded packet has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = SubscribeFilter<'a>> + Clone + use<'a> {
        let (bytes, version, filters) = match self.0 {
            Source::Payload { bytes, version, .. } => (bytes, version, &[][..]),
            Source::Slice(filters) => (&[][..], Version::V5_0, filters),
        };
        let mut payload = Reader::new(bytes);
        core::iter::from_fn(move || read_filter(&mut payload, version).ok()).chain(filters.iter().copied())
    }
}

fn read_filter<'a>(payload: &mut Reader<'a>, version: Version) -> Result<SubscribeFilter<'a>, DecodeError> {
    let topic_filter = payload.string()?;
    Ok(SubscribeFilter { topic_filter, options: SubscribeOptions::from_byte(payload.u8()?, version)? })
}

impl PartialEq for SubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscribeFilters<'_> {}

impl fmt::Debug for SubscribeFilters<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Subscribe<'a> {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, filters: &'a [SubscribeFilter<'a>]) -> Self {
        Self {
            packet_id,
            subscription_id: None,
            user_properties: UserProperties::default(),
            filters: SubscribeFilters::from_slice(filters),
        }
    }

    /// Decodes a SUBSCRIBE of a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one.
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        frame.expect_type(PacketType::Subscribe)?;
        frame.check_dup(version)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let (subscription_id, user_properties) =
            if version.is_v5() { read_properties(&mut reader)? } else { (None, UserProperties::default()) };
        let filters = SubscribeFilters::read(reader, version)?;
        Ok(Self { packet_id, subscription_id, user_properties, filters })
    }

    /// Appends the packet to `out`. Before 5.0 the properties are left out, and of the options all but the
    /// QoS.
    ///
    /// # Errors
    /// [`EncodeError::NoTopicFilters`], [`EncodeError::PropertyValue`] for a Subscription Identifier out of
    /// range, a field or packet that is too long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Subscribe.first_byte(REQUEST_FLAGS), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

fn read_properties<'a>(reader: &mut Reader<'a>) -> Result<(Option<u32>, UserProperties<'a>), DecodeError> {
    let mut section = Section::read(reader)?;
    let mut subscription_id = None;
    while let Some(property) = section.next()? {
        match property {
            // Here, unlike in PUBLISH, there may be only one.
            PropertyId::SubscriptionIdentifier if subscription_id.is_some() => {
                return Err(ProtocolError::DuplicateProperty { property }.into());
            }
            PropertyId::SubscriptionIdentifier => subscription_id = Some(section.subscription_id()?),
            PropertyId::UserProperty => section.user_property()?,
            _ => return Err(not_allowed(property)),
        }
    }
    Ok((subscription_id, section.user_properties()))
}

impl Body for Subscribe<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.u16(self.packet_id.value());
        if version.is_v5() {
            sink.section(self);
        }
        if self.filters.is_empty() {
            sink.fail(EncodeError::NoTopicFilters);
        }
        for filter in self.filters.iter() {
            sink.string(filter.topic_filter);
            sink.u8(filter.options.to_byte(version));
        }
    }
}

impl PropertyList for Subscribe<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        if let Some(subscription_id) = self.subscription_id {
            sink.property_subscription_id(subscription_id);
        }
        sink.property_user(self.user_properties);
    }
}
