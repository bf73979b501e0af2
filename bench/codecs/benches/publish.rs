//! PUBLISH with a payload of 64 bytes, decoded from and encoded into chunks of 64 packets: ours and rumqttc's in one run.
//!
//! Both are used as their owners use them. rumqttc takes packets off a `BytesMut` and gives each a topic of its own and a
//! payload that shares the buffer; filling the buffer is not timed, dropping the packets is. Ours reads a slice and
//! borrows from it. `Packet` is the general entry of either, `Publish` the one our broker uses, which knows the kind.
//!
//! *encode* starts from a packet that is there, and *make and encode* from what a caller has, a topic and a payload: that is
//! what each message costs that is published. rumqttc's packet owns both, ours borrows them. *copied* is what is left when all
//! is known beforehand: the finished packet, appended with one copy.
//!
//! Ours checks what rumqttc does not: U+0000 in strings, flags that contradict each other, Remaining Lengths longer than
//! needed, and in 5.0 the topic's UTF-8.

#![allow(missing_docs, clippy::panic, reason = "criterion's macros make a public function; a bench may stop")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use topicwire_bench_codecs::{COUNT, FORMS, PAYLOAD, TOPIC, publish};
use topicwire_codec::{
    Delivery, Frame, Message, Packet, Publish, QoS, Split, Version, append_patched, encode_publish,
    split_frame,
};

const MOST: u32 = 1 << 20;

fn chunk(qos: QoS, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..COUNT {
        publish(qos).encode(version, &mut bytes).unwrap();
    }
    bytes
}

/// Every frame of a chunk.
#[inline]
fn each_frame(bytes: &[u8], mut take: impl FnMut(&Frame<'_>)) {
    let mut rest = bytes;
    while let Ok(Split::Frame(frame)) = split_frame(rest, MOST) {
        take(&frame);
        rest = &rest[frame.length..];
    }
    assert!(rest.is_empty());
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode PUBLISH 64 B");
    group.throughput(Throughput::Elements(COUNT as u64));
    for (form, qos, version) in FORMS {
        let bytes = chunk(qos, version);
        group.bench_function(BenchmarkId::new("rumqttc", form), |bencher| {
            bencher.iter_batched_ref(
                || BytesMut::from(bytes.as_slice()),
                |stream| {
                    while !stream.is_empty() {
                        if version.is_v5() {
                            drop(black_box(v5::Packet::read(stream, Some(MOST)).unwrap()));
                        } else {
                            drop(black_box(v4::Packet::read(stream, MOST as usize).unwrap()));
                        }
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("topicwire Packet", form), |bencher| {
            bencher.iter(|| {
                each_frame(black_box(&bytes), |frame| {
                    let packet = Packet::decode(frame, black_box(version));
                    assert!(black_box(&packet).is_ok());
                });
            });
        });
        group.bench_function(BenchmarkId::new("topicwire Publish", form), |bencher| {
            bencher.iter(|| {
                each_frame(black_box(&bytes), |frame| {
                    let publish = Publish::decode(frame, black_box(version));
                    assert!(black_box(&publish).is_ok());
                });
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode PUBLISH 64 B");
    group.throughput(Throughput::Elements(COUNT as u64));
    for (form, qos, version) in FORMS {
        let ours = publish(qos);
        let expected = chunk(qos, version);
        group.bench_function(BenchmarkId::new("rumqttc", form), |bencher| {
            let mut stream = BytesMut::with_capacity(1 << 16);
            if version.is_v5() {
                let mut packet = v5::Publish::new(TOPIC, v5_qos(qos), PAYLOAD.to_vec(), None);
                packet.pkid = ours.packet_id.map_or(0, topicwire_codec::PacketId::value);
                let packet = v5::Packet::Publish(packet);
                bencher.iter(|| {
                    stream.clear();
                    for _ in 0..COUNT {
                        black_box(&packet).write(&mut stream, Some(MOST)).unwrap();
                    }
                });
            } else {
                let mut packet = v4::Publish::new(TOPIC, v4_qos(qos), PAYLOAD);
                packet.pkid = ours.packet_id.map_or(0, topicwire_codec::PacketId::value);
                let packet = v4::Packet::Publish(packet);
                bencher.iter(|| {
                    stream.clear();
                    for _ in 0..COUNT {
                        black_box(&packet).write(&mut stream, MOST as usize).unwrap();
                    }
                });
            }
            assert_eq!(stream, expected);
        });
        let mut out = Vec::with_capacity(1 << 16);
        let packet = Packet::Publish(ours);
        group.bench_function(BenchmarkId::new("topicwire Packet", form), |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..COUNT {
                    black_box(&packet).encode(black_box(version), &mut out).unwrap();
                }
            });
            assert_eq!(out, expected);
        });
        group.bench_function(BenchmarkId::new("topicwire Publish", form), |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..COUNT {
                    black_box(&ours).encode(black_box(version), &mut out).unwrap();
                }
            });
            assert_eq!(out, expected);
        });
        group.bench_function(BenchmarkId::new("copied", form), |bencher| {
            let packet = &expected[..expected.len() / COUNT];
            bencher.iter(|| {
                out.clear();
                for _ in 0..COUNT {
                    out.extend_from_slice(black_box(packet));
                }
            });
            assert_eq!(out, expected);
        });
        // How our broker sends a message on: the encoded frame, with the receiver's own flags and identifier.
        let message = Message { topic_name: TOPIC, forwarded: &[], payload: &PAYLOAD };
        let delivery = Delivery { qos, packet_id: ours.packet_id, ..Delivery::default() };
        let mut frame = Vec::new();
        let layout = encode_publish(version, &message, &delivery, &mut frame).unwrap();
        group.bench_function(BenchmarkId::new("topicwire patched", form), |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..COUNT {
                    let (frame, packet_id) = (black_box(&frame), black_box(ours.packet_id));
                    append_patched(frame, layout, false, qos, false, packet_id, &mut out).unwrap();
                }
            });
            assert_eq!(out, expected);
        });
    }
    group.finish();
}

fn make_and_encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("make and encode PUBLISH 64 B");
    group.throughput(Throughput::Elements(COUNT as u64));
    for (form, qos, version) in FORMS {
        let expected = chunk(qos, version);
        let packet_id = publish(qos).packet_id;
        let identifier = packet_id.map_or(0, topicwire_codec::PacketId::value);
        group.bench_function(BenchmarkId::new("rumqttc", form), |bencher| {
            let mut stream = BytesMut::with_capacity(1 << 16);
            bencher.iter(|| {
                stream.clear();
                for _ in 0..COUNT {
                    let (topic, payload) = (black_box(TOPIC), black_box(&PAYLOAD));
                    if version.is_v5() {
                        let mut packet = v5::Publish::new(topic, v5_qos(qos), payload.to_vec(), None);
                        packet.pkid = identifier;
                        v5::Packet::Publish(packet).write(&mut stream, Some(MOST)).unwrap();
                    } else {
                        let mut packet = v4::Publish::new(topic, v4_qos(qos), payload);
                        packet.pkid = identifier;
                        v4::Packet::Publish(packet).write(&mut stream, MOST as usize).unwrap();
                    }
                }
            });
            assert_eq!(stream, expected);
        });
        group.bench_function(BenchmarkId::new("topicwire Packet", form), |bencher| {
            let mut out = Vec::with_capacity(1 << 16);
            bencher.iter(|| {
                out.clear();
                for _ in 0..COUNT {
                    let (topic, payload) = (black_box(TOPIC), black_box(&PAYLOAD));
                    let packet = Publish { qos, packet_id, ..Publish::new(topic, payload) };
                    Packet::Publish(packet).encode(black_box(version), &mut out).unwrap();
                }
            });
            assert_eq!(out, expected);
        });
    }
    group.finish();
}

fn v4_qos(qos: QoS) -> rumqttc::QoS {
    if qos == QoS::AtMostOnce { rumqttc::QoS::AtMostOnce } else { rumqttc::QoS::AtLeastOnce }
}

fn v5_qos(qos: QoS) -> rumqttc::v5::mqttbytes::QoS {
    if qos == QoS::AtMostOnce {
        rumqttc::v5::mqttbytes::QoS::AtMostOnce
    } else {
        rumqttc::v5::mqttbytes::QoS::AtLeastOnce
    }
}

criterion_group!(benches, decode, encode, make_and_encode);
criterion_main!(benches);
