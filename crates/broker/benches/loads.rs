//! What a message costs inside the core, from the bytes of publishers and subscribers, acknowledgements among them, to
//! the bytes in the arena: in chunks of 64 KiB, as from a busy socket, and packet by packet, each drained at once.

#![allow(missing_docs, reason = "criterion's macros make public items")]

mod common;

use common::{Load, Shape};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use topicwire_codec::{QoS, Version};

fn bench(criterion: &mut Criterion, group: &str, loads: &[(&str, Shape)]) {
    let mut group = criterion.benchmark_group(group);
    for (name, shape) in loads {
        for (how, chunk_bytes) in [("64 KiB chunks", 64 << 10), ("packet by packet", 0)] {
            let mut load = Load::new(Shape { chunk_bytes, ..*shape });
            group.throughput(Throughput::Elements(shape.deliveries()));
            group.bench_function(format!("{name}, {how}"), |bencher| bencher.iter(|| load.turn()));
            assert!(load.is_settled(), "{:?}", load.broker.metrics());
        }
    }
    group.finish();
}

fn qos_0(criterion: &mut Criterion) {
    let pair = Shape::pair(QoS::AtMostOnce);
    let loads = [
        ("pair", pair),
        ("pair, 5.0", Shape { version: Version::V5_0, ..pair }),
        ("1 to 100", Shape { subscribers: 100, messages: 10, ..pair }),
        ("100 to 1", Shape { publishers: 100, messages: 10, ..pair }),
    ];
    bench(criterion, "QoS 0, 64 B", &loads);
}

/// A window of 100 messages, and everything that acknowledges them.
fn qos_1_and_2(criterion: &mut Criterion) {
    for (name, qos) in [("QoS 1, 64 B", QoS::AtLeastOnce), ("QoS 2, 64 B", QoS::ExactlyOnce)] {
        let pair = Shape::pair(qos);
        let loads = [
            ("pair", pair),
            ("pair, 5.0", Shape { version: Version::V5_0, ..pair }),
            ("1 to 100", Shape { subscribers: 100, messages: 10, ..pair }),
        ];
        bench(criterion, name, &loads);
    }
}

fn large(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("QoS 0, large payloads");
    for (name, payload_bytes) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10)] {
        let shape = Shape { payload_bytes, messages: 16, ..Shape::pair(QoS::AtMostOnce) };
        let mut load = Load::new(shape);
        group.throughput(Throughput::Bytes(16 * payload_bytes as u64));
        group.bench_function(name, |bencher| bencher.iter(|| load.turn()));
        assert!(load.is_settled());
    }
    group.finish();
}

criterion_group!(benches, qos_0, qos_1_and_2, large);
criterion_main!(benches);
