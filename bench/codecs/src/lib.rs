//! The PUBLISHes that both codecs are given: see `benches/publish.rs`.

use topicwire_codec::{PacketId, Publish, QoS, Version};

/// As a sensor would have it.
pub const TOPIC: &str = "plant/7/temperature0";
/// 64 bytes.
pub const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Packets in one chunk, as a socket that is busy hands them over.
pub const COUNT: usize = 64;

/// What is measured: a name, the QoS, the version.
pub const FORMS: [(&str, QoS, Version); 4] = [
    ("3.1.1 QoS 0", QoS::AtMostOnce, Version::V3_1_1),
    ("3.1.1 QoS 1", QoS::AtLeastOnce, Version::V3_1_1),
    ("5.0 QoS 0", QoS::AtMostOnce, Version::V5_0),
    ("5.0 QoS 1", QoS::AtLeastOnce, Version::V5_0),
];

/// The packet without properties, with an identifier where its QoS has one.
#[must_use]
pub fn publish(qos: QoS) -> Publish<'static> {
    let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(4711) };
    Publish { qos, packet_id, ..Publish::new(TOPIC, &PAYLOAD) }
}
