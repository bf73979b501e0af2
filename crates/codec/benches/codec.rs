//! Packets in and out, with throughput. A decode takes the frame off the stream and the packet out of the
//! frame; an encode appends to a buffer that has room, as a connection's out-buffer has.
#![allow(missing_docs, clippy::panic, reason = "criterion's macros make a public function; a bench may stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use topicwire_codec::*;

const TOPIC: &str = "plant/7/temperature0";
const PAYLOAD: [u8; 64] = [b'x'; 64];
const LARGE: [u8; 1024] = [b'x'; 1024];
const PAIRS: &[(&str, &str)] = &[("unit", "celsius")];

fn packet_id() -> PacketId {
    PacketId::new(4711).unwrap()
}

fn publish(qos: QoS, payload: &[u8]) -> Publish<'_> {
    let packet_id = (qos != QoS::AtMostOnce).then(packet_id);
    Publish { qos, packet_id, ..Publish::new(TOPIC, payload) }
}

fn properties() -> PublishProperties<'static> {
    PublishProperties {
        message_expiry_interval_secs: Some(3600),
        content_type: Some("text/plain"),
        user_properties: UserProperties::from_pairs(PAIRS),
        ..PublishProperties::default()
    }
}

fn connect() -> Connect<'static> {
    Connect {
        keep_alive_secs: 60,
        username: Some("sensor"),
        password: Some(b"correct horse"),
        properties: ConnectProperties {
            session_expiry_interval_secs: Some(3600),
            receive_maximum: Some(100),
            ..ConnectProperties::default()
        },
        ..Connect::new(Version::V5_0, "sensor-000000001")
    }
}

const FILTERS: &[SubscribeFilter<'_>] = &[
    SubscribeFilter {
        topic_filter: "plant/+/temperature",
        options: SubscribeOptions {
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        },
    },
    SubscribeFilter {
        topic_filter: "plant/7/#",
        options: SubscribeOptions {
            qos: QoS::AtMostOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        },
    },
];

/// What is measured: a name, the packet, and its version.
fn subjects() -> Vec<(&'static str, Packet<'static>, Version)> {
    let with_properties = Publish { properties: properties(), ..publish(QoS::AtMostOnce, &PAYLOAD) };
    vec![
        ("publish 64 B QoS 0", Packet::Publish(publish(QoS::AtMostOnce, &PAYLOAD)), Version::V3_1_1),
        ("publish 64 B QoS 1", Packet::Publish(publish(QoS::AtLeastOnce, &PAYLOAD)), Version::V3_1_1),
        ("publish 64 B QoS 1, 5.0", Packet::Publish(publish(QoS::AtLeastOnce, &PAYLOAD)), Version::V5_0),
        ("publish 1 KiB QoS 0", Packet::Publish(publish(QoS::AtMostOnce, &LARGE)), Version::V3_1_1),
        ("publish 64 B, 3 properties", Packet::Publish(with_properties), Version::V5_0),
        ("puback", Packet::Puback(Ack::new(packet_id(), ReasonCode::Success)), Version::V5_0),
        ("connect", Packet::Connect(connect()), Version::V5_0),
        ("subscribe, 2 filters", Packet::Subscribe(Subscribe::new(packet_id(), FILTERS)), Version::V5_0),
    ]
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, packet, version) in subjects() {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Ok(Split::Frame(frame)) = split_frame(black_box(&bytes), 1 << 20) else {
                    panic!("no frame")
                };
                // As the hot path of a broker does: the frequent kinds directly.
                match frame.packet_type() {
                    PacketType::Publish => drop(black_box(Publish::decode(&frame, black_box(version)))),
                    PacketType::Puback => drop(black_box(Ack::decode(&frame, black_box(version)))),
                    _ => drop(black_box(Packet::decode(&frame, black_box(version)))),
                }
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, packet, version) in subjects() {
        let mut out = Vec::with_capacity(1 << 16);
        packet.encode(version, &mut out).unwrap();
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                match black_box(&packet) {
                    Packet::Publish(publish) => publish.encode(black_box(version), &mut out),
                    Packet::Puback(ack) => ack.encode(PacketType::Puback, black_box(version), &mut out),
                    packet => packet.encode(black_box(version), &mut out),
                }
            });
        });
    }
    group.finish();
}

fn fanout(criterion: &mut Criterion) {
    let mut forwarded = Vec::new();
    properties().encode_forwarded(&mut forwarded).unwrap();
    let plain = Message { topic_name: TOPIC, forwarded: &[], payload: &PAYLOAD };
    let at_most_once = Delivery::default();
    let at_least_once = Delivery { qos: QoS::AtLeastOnce, packet_id: Some(packet_id()), ..at_most_once };
    let full = Delivery { message_expiry_interval_secs: Some(3600), subscription_ids: &[7], ..at_least_once };
    let subjects = [
        ("64 B QoS 0", plain, at_most_once, Version::V3_1_1),
        ("64 B QoS 1", plain, at_least_once, Version::V3_1_1),
        ("64 B QoS 1, 5.0", plain, at_least_once, Version::V5_0),
        ("1 KiB QoS 0", Message { payload: &LARGE, ..plain }, at_most_once, Version::V3_1_1),
        ("64 B QoS 1, 4 properties", Message { forwarded: &forwarded, ..plain }, full, Version::V5_0),
    ];

    let mut group = criterion.benchmark_group("fanout encode_publish");
    for (name, message, delivery, version) in &subjects {
        let mut out = Vec::with_capacity(1 << 16);
        group.throughput(Throughput::Bytes(encoded_publish_len(*version, message, delivery) as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_publish(black_box(*version), black_box(message), black_box(delivery), &mut out)
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("fanout append_patched");
    for (name, message, delivery, version) in &subjects {
        let (mut frame, mut out) = (Vec::new(), Vec::with_capacity(1 << 16));
        let layout = encode_publish(*version, message, delivery, &mut frame).unwrap();
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                out.clear();
                let Delivery { dup, qos, retain, packet_id, .. } = *black_box(delivery);
                append_patched(black_box(&frame), layout, dup, qos, retain, packet_id, &mut out)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, encode, fanout);
criterion_main!(benches);
