//! UNSUBSCRIBE: section 3.10.

use alloc::vec::Vec;
use core::fmt;

use super::PacketType;
use crate::error::{DecodeError, EncodeError, ProtocolError};
use crate::frame::{Frame, REQUEST_FLAGS};
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink, Section, UserProperties, not_allowed};
use crate::reader::Reader;
use crate::version::Version;
use crate::writer::{self, Body, PropertyList, Sink};

/// A client ends subscriptions.
/// Asked for by v3.1.1 [MQTT-3.10.3-1], v3.1.1 [MQTT-3.10.3-2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// What the UNSUBACK will answer to.
    pub packet_id: PacketId,
    /// Names and values that MQTT gives no meaning to. 5.0 only.
    pub user_properties: UserProperties<'a>,
    /// The filters to drop, as they were subscribed to; at least one [MQTT-3.10.3-2].
    pub topic_filters: TopicFilters<'a>,
}

/// The Topic Filters of an UNSUBSCRIBE in their order: a checked view of the packet, or a slice to encode.
///
/// Two are equal when they hold the same filters in the same order, wherever those come from.
#[derive(Clone, Copy)]
pub struct TopicFilters<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Payload { bytes: &'a [u8], count: usize },
    Slice(&'a [&'a str]),
}

impl<'a> TopicFilters<'a> {
    /// The filters to encode, at least one.
    #[must_use]
    pub const fn from_slice(topic_filters: &'a [&'a str]) -> Self {
        Self(Source::Slice(topic_filters))
    }

    /// Checks every filter of a packet's payload: a string [MQTT-3.10.3-1], and there is at least one.
    fn read(mut payload: Reader<'a>) -> Result<Self, DecodeError> {
        let bytes = payload.peek();
        let mut count = 0_usize;
        while !payload.is_empty() {
            payload.string()?;
            count = count.saturating_add(1);
        }
        if count == 0 {
            return Err(ProtocolError::NoTopicFilters.into());
        }
        Ok(Self(Source::Payload { bytes, count }))
    }

    /// How many there are. Costs nothing.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Payload { count, .. } => count,
            Source::Slice(topic_filters) => topic_filters.len(),
        }
    }

    /// Whether there are none, which no decoded packet has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The filters in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let (bytes, topic_filters) = match self.0 {
            Source::Payload { bytes, .. } => (bytes, &[][..]),
            Source::Slice(topic_filters) => (&[][..], topic_filters),
        };
        let mut payload = Reader::new(bytes);
        core::iter::from_fn(move || payload.string().ok()).chain(topic_filters.iter().copied())
    }
}

impl PartialEq for TopicFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for TopicFilters<'_> {}

impl fmt::Debug for TopicFilters<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Unsubscribe<'a> {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, topic_filters: &'a [&'a str]) -> Self {
        Self {
            packet_id,
            user_properties: UserProperties::default(),
            topic_filters: TopicFilters::from_slice(topic_filters),
        }
    }

    /// Decodes an UNSUBSCRIBE of a connection that speaks `version`.
    ///
    /// # Errors
    /// Whatever keeps it from being one.
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        frame.expect_type(PacketType::Unsubscribe)?;
        frame.check_dup(version)?;
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let user_properties =
            if version.is_v5() { read_properties(&mut reader)? } else { UserProperties::default() };
        Ok(Self { packet_id, user_properties, topic_filters: TopicFilters::read(reader)? })
    }

    /// Appends the packet to `out`. Before 5.0 the properties are left out.
    ///
    /// # Errors
    /// [`EncodeError::NoTopicFilters`], a field or packet that is too long. `out` is then as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        writer::encode_packet(PacketType::Unsubscribe.first_byte(REQUEST_FLAGS), self, version, out)
    }

    /// The length in bytes that [`Self::encode`] appends when it succeeds.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        writer::encoded_len(self, version)
    }
}

fn read_properties<'a>(reader: &mut Reader<'a>) -> Result<UserProperties<'a>, DecodeError> {
    let mut section = Section::read(reader)?;
    while let Some(property) = section.next()? {
        match property {
            PropertyId::UserProperty => section.user_property()?,
            _ => return Err(not_allowed(property)),
        }
    }
    Ok(section.user_properties())
}

impl Body for Unsubscribe<'_> {
    fn write<S: Sink>(&self, version: Version, sink: &mut S) {
        sink.u16(self.packet_id.value());
        if version.is_v5() {
            sink.section(self);
        }
        if self.topic_filters.is_empty() {
            sink.fail(EncodeError::NoTopicFilters);
        }
        for topic_filter in self.topic_filters.iter() {
            sink.string(topic_filter);
        }
    }
}

impl PropertyList for Unsubscribe<'_> {
    fn write_properties<S: Sink>(&self, sink: &mut S) {
        sink.property_user(self.user_properties);
    }
}
