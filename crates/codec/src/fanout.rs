//! Encode once, patch per receiver: one application message for many receivers.
//!
//! What all receivers are sent alike is a [`Message`]: topic, payload, and the properties that a server
//! passes on as they came, which [`PublishProperties::encode_forwarded`] turns into bytes once. What differs
//! is a [`Delivery`]. Receivers whose deliveries differ in DUP, QoS, RETAIN and Packet Identifier only are
//! given copies of one frame, patched by [`append_patched`]: a frame with a Packet Identifier serves QoS 1
//! and 2, one without serves QoS 0.
//!
//! Nothing is scanned for U+0000 here: topic and properties come out of a packet that was decoded, or from a
//! caller who validated them.

use alloc::vec::Vec;

use crate::error::EncodeError;
use crate::packet::{PublishProperties, check_delivery, publish_first_byte};
use crate::packet_id::PacketId;
use crate::properties::{PropertyId, PropertySink};
use crate::qos::QoS;
use crate::version::Version;
use crate::writer::{self, Length, Sink};

/// The parts of an application message that every receiver is sent alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it was published to; valid, never empty.
    pub topic_name: &'a str,
    /// Encoded properties that a server passes on unaltered, without the length before them: what
    /// [`PublishProperties::encode_forwarded`] wrote. Not sent before 5.0.
    pub forwarded: &'a [u8],
    /// The message itself.
    pub payload: &'a [u8],
}

/// What differs from receiver to receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Delivery<'a> {
    /// It is sent again; never with QoS 0.
    pub dup: bool,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// Whether the receiver is told that the message was retained.
    pub retain: bool,
    /// There with QoS 1 and 2, and only with those.
    pub packet_id: Option<PacketId>,
    /// What is left of the message's life, in seconds. Not sent before 5.0.
    pub message_expiry_interval_secs: Option<u32>,
    /// The receiver's alias for the topic, 1 to 65,535. Not sent before 5.0.
    pub topic_alias: Option<u16>,
    /// The alias has been introduced, and the topic name is left out. Before 5.0 it is sent all the same.
    pub omit_topic_name: bool,
    /// The identifiers of the receiver's subscriptions that matched. Not sent before 5.0.
    pub subscription_ids: &'a [u32],
}

impl Delivery<'_> {
    /// Whether a 5.0 receiver is sent nothing of its own.
    #[inline]
    const fn has_no_properties(&self) -> bool {
        self.message_expiry_interval_secs.is_none()
            && self.topic_alias.is_none()
            && self.subscription_ids.is_empty()
            && !self.omit_topic_name
    }
}

/// Where [`append_patched`] finds what it patches. Offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishLayout {
    /// The whole packet in bytes, payload included.
    pub length: usize,
    packet_id_at: Option<usize>,
}

impl PublishLayout {
    /// Whether the frame has a place for a Packet Identifier, and so serves QoS 1 and 2 instead of QoS 0.
    #[inline]
    #[must_use]
    pub const fn has_packet_id(&self) -> bool {
        self.packet_id_at.is_some()
    }
}

/// A view of [`Message::forwarded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedProperties<'a>(pub &'a [u8]);

impl<'a> ForwardedProperties<'a> {
    /// The properties that [`PublishProperties::encode_forwarded`] wrote. Other bytes count as no properties;
    /// where that matters, [`PublishProperties::decode_forwarded`] says what is wrong.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> PublishProperties<'a> {
        PublishProperties::decode_forwarded(bytes).unwrap_or_default()
    }

    /// [`Self::decode`] of this view.
    #[must_use]
    pub fn properties(self) -> PublishProperties<'a> {
        Self::decode(self.0)
    }
}

/// The length of the whole packet in bytes, to compare with a receiver's Maximum Packet Size [MQTT-3.1.2-24].
#[inline]
#[must_use]
pub fn encoded_publish_len(version: Version, message: &Message<'_>, delivery: &Delivery<'_>) -> usize {
    writer::packet_length(Plan::new(version, message, delivery).remaining_length(message, delivery))
}

/// Appends a PUBLISH for one receiver to `out` and says where it can be patched for others.
///
/// # Errors
/// [`EncodeError::PacketIdMissing`], [`EncodeError::PacketIdWithQosZero`], [`EncodeError::DupWithQosZero`],
/// [`EncodeError::EmptyTopicName`] also for a name that is left out without an alias,
/// [`EncodeError::PropertyValue`], a name or packet that is too long. `out` is then as it was.
#[inline]
pub fn encode_publish(
    version: Version,
    message: &Message<'_>,
    delivery: &Delivery<'_>,
    out: &mut Vec<u8>,
) -> Result<PublishLayout, EncodeError> {
    let layout = encode_publish_header(version, message, delivery, out)?;
    out.extend_from_slice(message.payload);
    Ok(layout)
}

/// Appends what [`encode_publish`] appends, but for the payload: for a large one that is kept apart and
/// written after it. [`PublishLayout::length`] counts the payload all the same.
///
/// # Errors
/// As [`encode_publish`].
#[inline]
pub fn encode_publish_header(
    version: Version,
    message: &Message<'_>,
    delivery: &Delivery<'_>,
    out: &mut Vec<u8>,
) -> Result<PublishLayout, EncodeError> {
    check_delivery(delivery.dup, delivery.qos, delivery.packet_id)?;
    if !version.is_v5() || (message.forwarded.is_empty() && delivery.has_no_properties()) {
        return encode_plain_header(version, message, delivery, out);
    }
    let plan = Plan::new(version, message, delivery);
    if plan.topic_name.is_empty() && plan.topic_alias.is_none() {
        return Err(EncodeError::EmptyTopicName);
    }
    let remaining_length = plan.remaining_length(message, delivery);
    let header = remaining_length.as_varint()?;
    let mut packet_id_at = None;
    writer::append(out, |writer| {
        writer.u8(publish_first_byte(delivery.dup, delivery.qos, delivery.retain));
        writer.varint(header);
        writer.binary(plan.topic_name.as_bytes());
        if let Some(packet_id) = delivery.packet_id {
            packet_id_at = Some(writer.written());
            writer.u16(packet_id.value());
        }
        plan.write_properties(message, delivery, writer);
    })?;
    Ok(PublishLayout { length: writer::packet_length(remaining_length), packet_id_at })
}

/// The header of a PUBLISH without properties.
#[inline]
fn encode_plain_header(
    version: Version,
    message: &Message<'_>,
    delivery: &Delivery<'_>,
    out: &mut Vec<u8>,
) -> Result<PublishLayout, EncodeError> {
    if message.topic_name.is_empty() {
        return Err(EncodeError::EmptyTopicName);
    }
    let Message { topic_name, payload, .. } = *message;
    let start = out.len();
    let first_byte = publish_first_byte(delivery.dup, delivery.qos, delivery.retain);
    writer::put_publish_header(first_byte, topic_name, delivery.packet_id, version, payload.len(), out)?;
    let header_len = out.len().saturating_sub(start);
    // The identifier is the last thing before the payload, but for a Property Length of one byte.
    let from_end = if version.is_v5() { 3 } else { 2 };
    let packet_id_at = delivery.packet_id.map(|_| header_len.saturating_sub(from_end));
    Ok(PublishLayout { length: header_len.saturating_add(payload.len()), packet_id_at })
}

/// Appends a copy of an encoded frame to `out`, patched for another receiver: DUP, QoS, RETAIN and Packet
/// Identifier.
///
/// `frame` is what [`encode_publish`] or [`encode_publish_header`] appended and `layout` what it returned.
///
/// # Errors
/// [`EncodeError::LayoutMismatch`] when the frame has a place for a Packet Identifier and the QoS has none,
/// or the other way round, or when the frame is not the layout's; [`EncodeError::PacketIdMissing`],
/// [`EncodeError::PacketIdWithQosZero`] and [`EncodeError::DupWithQosZero`]. `out` is then as it was.
#[inline]
pub fn append_patched(
    frame: &[u8],
    layout: PublishLayout,
    dup: bool,
    qos: QoS,
    retain: bool,
    packet_id: Option<PacketId>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check_delivery(dup, qos, packet_id)?;
    let start = out.len();
    out.extend_from_slice(frame);
    if patch(out.get_mut(start..), layout, publish_first_byte(dup, qos, retain), packet_id).is_none() {
        out.truncate(start);
        return Err(EncodeError::LayoutMismatch);
    }
    Ok(())
}

/// `None` when the layout does not fit.
#[inline]
fn patch(
    frame: Option<&mut [u8]>,
    layout: PublishLayout,
    first_byte: u8,
    packet_id: Option<PacketId>,
) -> Option<()> {
    let frame = frame?;
    match (layout.packet_id_at, packet_id) {
        (None, None) => {}
        (Some(at), Some(packet_id)) => {
            *frame.get_mut(at..)?.first_chunk_mut()? = packet_id.value().to_be_bytes();
        }
        _ => return None,
    }
    *frame.first_mut()? = first_byte;
    Some(())
}

/// What a version makes of a delivery.
struct Plan<'a> {
    /// Empty when the alias alone is sent.
    topic_name: &'a str,
    topic_alias: Option<u16>,
    /// The length of the property section, or `None` where there is no such section.
    properties: Option<Length>,
}

impl<'a> Plan<'a> {
    #[inline]
    fn new(version: Version, message: &Message<'a>, delivery: &Delivery<'_>) -> Self {
        if !version.is_v5() {
            return Self { topic_name: message.topic_name, topic_alias: None, properties: None };
        }
        let mut properties = Length(message.forwarded.len());
        write_own_properties(delivery, &mut properties);
        let topic_name = if delivery.omit_topic_name { "" } else { message.topic_name };
        Self { topic_name, topic_alias: delivery.topic_alias, properties: Some(properties) }
    }

    #[inline]
    fn remaining_length(&self, message: &Message<'_>, delivery: &Delivery<'_>) -> Length {
        let mut length = Length(0);
        length.binary(self.topic_name.as_bytes());
        if delivery.packet_id.is_some() {
            length.u16(0);
        }
        if let Some(properties) = self.properties {
            length.section_length(properties);
            length.add(properties);
        }
        length.put(message.payload);
        length
    }

    #[inline]
    fn write_properties<S: Sink>(&self, message: &Message<'_>, delivery: &Delivery<'_>, sink: &mut S) {
        if let Some(properties) = self.properties {
            sink.section_length(properties);
            write_own_properties(delivery, sink);
            sink.put(message.forwarded);
        }
    }
}

/// The properties that are this receiver's alone.
#[inline]
fn write_own_properties<S: Sink>(delivery: &Delivery<'_>, sink: &mut S) {
    sink.property_u32(PropertyId::MessageExpiryInterval, delivery.message_expiry_interval_secs);
    sink.property_non_zero_u16(PropertyId::TopicAlias, delivery.topic_alias);
    for &subscription_id in delivery.subscription_ids {
        sink.property_subscription_id(subscription_id);
    }
}
