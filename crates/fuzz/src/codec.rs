//! Bytes that may be packets.

use std::fmt::{self, Write};

use topicwire_codec::{
    Delivery, Frame, Message, Packet, Publish, Split, Version, encode_publish, encoded_publish_len,
    split_frame,
};

pub(crate) const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];

/// No bytes make the decoder panic, in any version and from either end: what it gives can be printed, and so can what
/// it complains about.
pub fn decode(data: &[u8]) {
    for version in VERSIONS {
        for_each_frame(data, |frame| match Packet::decode(&frame, version) {
            Ok(packet) => print(format_args!("{packet:?}")),
            Err(error) => {
                print(format_args!("{error} {error:?}"));
                assert!(error.reason_code().is_error(), "{error:?} tells the peer of no error");
            }
        });
    }
}

/// What is decoded can be encoded and is decoded to the same again, and the bytes of the second time are those of the
/// first.
pub fn round_trip(data: &[u8]) {
    for version in VERSIONS {
        for_each_frame(data, |frame| {
            let Ok(packet) = Packet::decode(&frame, version) else { return };
            let bytes = encode(&packet, version);
            let again = decode_one(&bytes, version);
            assert_eq!(again, packet, "not the same after {bytes:02X?}");
            assert_eq!(encode(&again, version), bytes, "another encoding of {packet:?}");
            if let Packet::Publish(publish) = &packet {
                forward(publish, version, &bytes);
            }
        });
    }
}

/// The path of a message that is encoded once for many gives the same bytes as the packet's own encoder.
fn forward(publish: &Publish<'_>, version: Version, bytes: &[u8]) {
    let mut forwarded = Vec::new();
    publish.properties.encode_forwarded(&mut forwarded).expect("properties that came in can go out");
    let message = Message { topic_name: publish.topic_name, forwarded: &forwarded, payload: publish.payload };
    let subscription_ids: Vec<u32> = publish.properties.subscription_ids.iter().collect();
    let delivery = Delivery {
        dup: publish.dup,
        qos: publish.qos,
        retain: publish.retain,
        packet_id: publish.packet_id,
        message_expiry_interval_secs: publish.properties.message_expiry_interval_secs,
        topic_alias: publish.properties.topic_alias,
        omit_topic_name: publish.topic_name.is_empty(),
        subscription_ids: &subscription_ids,
    };
    let mut out = Vec::new();
    let layout = encode_publish(version, &message, &delivery, &mut out).expect("what came in can go out");
    assert_eq!(layout.length, out.len());
    assert_eq!(encoded_publish_len(version, &message, &delivery), out.len());
    // The properties may stand in another order, which means the same.
    assert_eq!(out.len(), bytes.len());
    assert_eq!(decode_one(&out, version), Packet::Publish(*publish));
}

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("what was accepted could have been sent");
    assert_eq!(packet.encoded_len(version), bytes.len(), "{packet:?}");
    bytes
}

fn decode_one(bytes: &[u8], version: Version) -> Packet<'_> {
    let Ok(Split::Frame(frame)) = split_frame(bytes, u32::MAX) else {
        unreachable!("our own bytes are no frame: {bytes:02X?}")
    };
    assert_eq!(frame.length, bytes.len());
    Packet::decode(&frame, version).expect("our own bytes are a packet")
}

fn for_each_frame<'a>(mut rest: &'a [u8], mut visit: impl FnMut(Frame<'a>)) {
    loop {
        match split_frame(rest, u32::MAX) {
            Ok(Split::Frame(frame)) => {
                visit(frame);
                rest = &rest[frame.length..];
            }
            Ok(Split::Partial { needed }) => return assert!(needed > 0),
            Err(error) => return print(format_args!("{error} {error:?}")),
        }
    }
}

/// Formats into nothing: whatever is referred to is read.
fn print(arguments: fmt::Arguments<'_>) {
    Nowhere.write_fmt(arguments).expect("nowhere takes everything");
}

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
