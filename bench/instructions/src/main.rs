//! Runs one part of the hot path so many times: `topicwire-bench-instructions <part> <times>`; without arguments it names
//! the parts, each with how many units (packets, messages, deliveries) one time has.
//!
//! `scripts/instructions.mjs` runs it under valgrind, twice with different times: what lies between the two counts is the
//! part alone, without the program's start and without what a part prepares. Inputs are fixed, and so are the seeds of all
//! hash tables: the same build counts the same.

#![allow(clippy::print_stdout, clippy::panic, reason = "a program that a script runs")]

#[path = "../../../crates/broker/benches/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::process::ExitCode;

use common::{Load, Shape};
use topicwire_codec::{Ack, PacketId, PacketType, Publish, QoS, ReasonCode, Split, Version, split_frame};
use topicwire_topics::{Matches, Subscriptions, TopicFilter, TopicName};

/// A name, what a count is divided by, and what it takes so many times.
type Part = (&'static str, u64, fn(u64));

const PARTS: &[Part] = &[
    ("decode_publish", 1, |times| decode(&publish(QoS::AtMostOnce, Version::V3_1_1), Version::V3_1_1, times)),
    ("decode_publish_5_qos_1", 1, |times| {
        decode(&publish(QoS::AtLeastOnce, Version::V5_0), Version::V5_0, times);
    }),
    ("decode_puback", 1, |times| decode(&[0x40, 2, 0x12, 0x67], Version::V5_0, times)),
    ("encode_publish", 1, |times| encode_publish(QoS::AtMostOnce, Version::V3_1_1, times)),
    ("encode_publish_5_qos_1", 1, |times| encode_publish(QoS::AtLeastOnce, Version::V5_0, times)),
    ("encode_puback", 1, encode_puback),
    ("match_topic", 1, match_topic),
    ("route_qos_0", 600, |times| turns(Shape::pair(QoS::AtMostOnce), times)),
    ("route_qos_0_packet_by_packet", 600, |times| {
        turns(Shape { chunk_bytes: 0, ..Shape::pair(QoS::AtMostOnce) }, times);
    }),
    ("round_trip_qos_1", 100, |times| turns(Shape::pair(QoS::AtLeastOnce), times)),
    ("round_trip_qos_2", 100, |times| turns(Shape::pair(QoS::ExactlyOnce), times)),
    ("round_trip_qos_2_in_5", 100, |times| {
        turns(Shape { version: Version::V5_0, ..Shape::pair(QoS::ExactlyOnce) }, times);
    }),
    ("fan_out_100", 100, |times| {
        turns(Shape { subscribers: 100, messages: 1, ..Shape::pair(QoS::AtMostOnce) }, times);
    }),
    ("fan_out_100_qos_1", 100, |times| {
        turns(Shape { subscribers: 100, messages: 1, ..Shape::pair(QoS::AtLeastOnce) }, times);
    }),
    ("fan_in_100", 100, |times| {
        turns(Shape { publishers: 100, messages: 1, ..Shape::pair(QoS::AtMostOnce) }, times);
    }),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => {
            for (name, units, _) in PARTS {
                println!("{name} {units}");
            }
            ExitCode::SUCCESS
        }
        [name, times] => {
            let part = PARTS.iter().find(|(known, ..)| known == name);
            let (Some((_, _, run)), Ok(times)) = (part, times.parse()) else { return ExitCode::FAILURE };
            run(times);
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

const PAYLOAD: [u8; 64] = [b'x'; 64];

fn message(qos: QoS) -> Publish<'static> {
    let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(4711) };
    Publish { qos, packet_id, ..Publish::new("plant/7/temperature0", &PAYLOAD) }
}

fn publish(qos: QoS, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    message(qos).encode(version, &mut bytes).unwrap();
    bytes
}

fn decode(bytes: &[u8], version: Version, times: u64) {
    for _ in 0..times {
        let Ok(Split::Frame(frame)) = split_frame(black_box(bytes), 1 << 20) else { panic!("no frame") };
        match frame.packet_type() {
            PacketType::Publish => {
                let publish = Publish::decode(&frame, black_box(version));
                assert!(black_box(&publish).is_ok());
            }
            _ => {
                let ack = Ack::decode(&frame, black_box(version));
                assert!(black_box(&ack).is_ok());
            }
        }
    }
}

fn encode_publish(qos: QoS, version: Version, times: u64) {
    let publish = message(qos);
    let mut out = Vec::with_capacity(1 << 10);
    for _ in 0..times {
        out.clear();
        black_box(&publish).encode(black_box(version), &mut out).unwrap();
        black_box(&out);
    }
}

fn encode_puback(times: u64) {
    let ack = Ack::new(PacketId::MAX, ReasonCode::Success);
    let mut out = Vec::with_capacity(1 << 10);
    for _ in 0..times {
        out.clear();
        black_box(&ack).encode(PacketType::Puback, black_box(Version::V5_0), &mut out).unwrap();
        black_box(&out);
    }
}

/// One name of five levels among a thousand filters, one in five with a wildcard.
fn match_topic(times: u64) {
    let mut index = Subscriptions::with_seed(0x5eed);
    for number in 0..1_000_u32 {
        let last = match number % 10 {
            0 => "+",
            1 => "#",
            _ => "temperature",
        };
        let filter = format!("tenant{}/site{}/area/device{number}/{last}", number % 7, number % 11);
        index.insert(TopicFilter::new(&filter).unwrap(), number, [1_u32, 0]);
    }
    let name = TopicName::new("tenant5/site7/area/device502/temperature").unwrap();
    let mut matches = Matches::new();
    for _ in 0..times {
        matches.clear();
        index.match_into(black_box(name), &mut matches);
        assert_eq!(matches.plain.len(), 1);
    }
}

fn turns(shape: Shape, times: u64) {
    let mut load = Load::new(shape);
    for _ in 0..times {
        load.turn();
    }
    assert!(load.is_settled(), "{:?}", load.broker.metrics());
}
