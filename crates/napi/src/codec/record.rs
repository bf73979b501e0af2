//! The table that `decode` writes: a [`Head`], then [`WORDS`] for each packet.
//!
//! A record: the first byte, the length of the fixed header and the flags below, and in the high half the Packet
//! Identifier or 0; where the packet ends; two words that depend on the kind. They are the topic (its length, and in
//! the high half its slot) and where the payload begins for PUBLISH, the Reason Code for CONNACK and the
//! acknowledgements, the version for CONNECT. `src/codec/native-codec.ts` has the same.

use topicwire_codec::{Ack, Frame, Packet, PacketId, Publish, Version};

use super::topics::{Place, RecentTopics};

/// Words before the first record.
pub(super) const HEAD_WORDS: usize = 6;

/// What is said about the whole, to `decode` and by it.
pub(super) struct Head<'t> {
    /// To: where in the chunk to begin. By: where the last whole packet ends.
    pub(super) place: &'t mut u32,
    /// 3, 4 or 5, or 0 while nobody has said it.
    pub(super) version: &'t mut u32,
    /// In bytes; only to.
    pub(super) maximum_packet_size: &'t mut u32,
    /// How many records there are.
    pub(super) count: &'t mut u32,
    /// How many more bytes the next packet needs at the least; 0 where nobody looked for one.
    pub(super) needed: &'t mut u32,
    /// Of what is wrong, or 0.
    pub(super) reason_code: &'t mut u32,
}

impl<'t> Head<'t> {
    pub(super) fn of(words: &'t mut [u32; HEAD_WORDS]) -> Self {
        let [place, version, maximum_packet_size, count, needed, reason_code] = words;
        Self { place, version, maximum_packet_size, count, needed, reason_code }
    }
}

/// Words of one record.
pub(super) const WORDS: usize = 4;

const HEADER_LENGTH_SHIFT: u32 = 8;
/// There are properties.
const HAS_PROPERTIES: u32 = 1 << 11;
/// The slot of the topic has a new owner: the string of the old one is to be replaced.
const TOPIC_IS_NEW: u32 = 1 << 12;
/// The topic is ASCII.
const TOPIC_IS_ASCII: u32 = 1 << 13;
const HIGH_HALF: u32 = 16;

/// What a record says about a packet that has been checked.
#[derive(Default)]
pub(super) struct Summary {
    /// Of a CONNECT.
    pub(super) version: Option<Version>,
    /// The whole packet in bytes.
    pub(super) length: usize,
    head: u32,
    third: u32,
    fourth: u32,
}

impl Summary {
    #[inline]
    pub(super) fn of(packet: &Packet<'_>, frame: &Frame<'_>, topics: &mut RecentTopics) -> Self {
        let mut summary = Self::of_packet(packet, frame, topics);
        let header_length = (frame.length - frame.body.len()) as u32;
        summary.head |= u32::from(frame.first_byte) | header_length << HEADER_LENGTH_SHIFT;
        summary.length = frame.length;
        summary
    }

    #[inline]
    fn of_packet(packet: &Packet<'_>, frame: &Frame<'_>, topics: &mut RecentTopics) -> Self {
        match packet {
            Packet::Publish(publish) => Self::of_publish(publish, frame, topics),
            Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
                Self::of_ack(ack)
            }
            Packet::Connect(connect) => {
                let level = u32::from(connect.version.level());
                Self { version: Some(connect.version), third: level, ..Self::default() }
            }
            Packet::Connack(connack) => {
                Self { third: u32::from(connack.reason_code.value()), ..Self::default() }
            }
            Packet::Subscribe(subscribe) => Self::of_id(subscribe.packet_id),
            Packet::Suback(suback) => Self::of_id(suback.packet_id),
            Packet::Unsubscribe(unsubscribe) => Self::of_id(unsubscribe.packet_id),
            Packet::Unsuback(unsuback) => Self::of_id(unsuback.packet_id),
            Packet::Disconnect(_) | Packet::Auth(_) | Packet::Pingreq | Packet::Pingresp => Self::default(),
        }
    }

    #[inline]
    fn of_publish(publish: &Publish<'_>, frame: &Frame<'_>, topics: &mut RecentTopics) -> Self {
        let Publish { topic_name, packet_id, properties, payload, .. } = publish;
        let mut head = packet_id.map_or(0, high_half);
        if !properties.is_empty() {
            head |= HAS_PROPERTIES;
        }
        let mut third = topic_name.len() as u32;
        match topics.place(topic_name.as_bytes()) {
            Place::Known(slot) => third |= slot << HIGH_HALF,
            Place::New(slot) => {
                head |= TOPIC_IS_NEW;
                third |= slot << HIGH_HALF;
                if topic_name.is_ascii() {
                    head |= TOPIC_IS_ASCII;
                }
            }
            Place::Nowhere if topic_name.is_ascii() => head |= TOPIC_IS_ASCII,
            Place::Nowhere => {}
        }
        // Counted from the packet's first byte.
        let fourth = (frame.length - payload.len()) as u32;
        Self { head, third, fourth, ..Self::default() }
    }

    #[inline]
    fn of_ack(ack: &Ack<'_>) -> Self {
        let has_properties = ack.reason_string.is_some() || !ack.user_properties.is_empty();
        let head = high_half(ack.packet_id) | if has_properties { HAS_PROPERTIES } else { 0 };
        Self { head, third: u32::from(ack.reason_code.value()), ..Self::default() }
    }

    fn of_id(packet_id: PacketId) -> Self {
        Self { head: high_half(packet_id), ..Self::default() }
    }

    /// Writes the record of the packet, which ends at `end`.
    #[inline]
    pub(super) fn write(&self, end: u32, place: &mut [u32]) {
        if let [first, second, third, fourth] = place {
            (*first, *second, *third, *fourth) = (self.head, end, self.third, self.fourth);
        }
    }
}

#[inline]
fn high_half(packet_id: PacketId) -> u32 {
    u32::from(packet_id.value()) << HIGH_HALF
}
