//! What a message costs inside the core: from the bytes of a PUBLISH to bytes in the arena. No sockets, no Node.
//!
//! `route` is the saturated path: chunks of 64-byte messages, QoS 0 and 1. `apart` asks from which size on a payload
//! should be shared by the out-buffers instead of copied into each; `docs/architecture.md` has the answer.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use topicwire_broker::{Broker, Config, ConnectionKey, HookFilters};
use topicwire_codec::{
    Connect, ConnectProperties, PacketId, Publish, PublishProperties, QoS, Subscribe, SubscribeFilter,
    SubscribeFilters, SubscribeOptions, UserProperties, Version,
};

struct Bench {
    broker: Broker,
    publisher: ConnectionKey,
    arena: Vec<u8>,
}

impl Bench {
    fn new(receivers: usize, qos: QoS, apart_bytes: usize) -> Self {
        let mut config = Config { apart_bytes, sys_interval_ms: 0, ..Config::default() };
        config.limits.maximum_out_buffer_bytes = 1 << 30;
        let mut bench = Self {
            broker: Broker::new(config, HookFilters::default(), 0),
            publisher: ConnectionKey(0),
            arena: vec![0; 256 << 10],
        };
        for number in 0..receivers {
            let key = bench.connect(&format!("receiver-{number}"));
            let options = SubscribeOptions::from_qos(qos);
            let filters = [SubscribeFilter { topic_filter: "bench/topic", options }];
            let subscribe = Subscribe {
                packet_id: PacketId::new(1).unwrap(),
                subscription_id: None,
                user_properties: UserProperties::default(),
                filters: SubscribeFilters::from_slice(&filters),
            };
            let mut bytes = Vec::new();
            subscribe.encode(Version::V3_1_1, &mut bytes).unwrap();
            bench.broker.receive(key, &bytes, 0);
        }
        bench.publisher = bench.connect("publisher");
        bench.drain();
        while bench.broker.poll_event().is_some() {}
        bench
    }

    fn connect(&mut self, client_id: &str) -> ConnectionKey {
        let connect = Connect {
            version: Version::V3_1_1,
            bridge: false,
            clean_start: true,
            keep_alive_secs: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: ConnectProperties::default(),
        };
        let mut bytes = Vec::new();
        connect.encode(Version::V3_1_1, &mut bytes).unwrap();
        let key = self.broker.open(0);
        self.broker.receive(key, &bytes, 0);
        key
    }

    /// Takes everything out, as the host does once a turn.
    fn drain(&mut self) -> usize {
        let mut total = 0;
        while let Some(transmit) = self.broker.poll_transmit(&mut self.arena, 0) {
            total += transmit.length;
        }
        total
    }
}

/// So many messages, one after the other.
fn chunk(payload_bytes: usize, qos: QoS, count: u16) -> Vec<u8> {
    let payload = vec![b'x'; payload_bytes];
    let mut bytes = Vec::new();
    for number in 1..=count {
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic_name: "bench/topic",
            packet_id: if qos == QoS::AtMostOnce { None } else { PacketId::new(number) },
            properties: PublishProperties::default(),
            payload: &payload,
        };
        publish.encode(Version::V3_1_1, &mut bytes).unwrap();
    }
    bytes
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    let bytes = chunk(64, QoS::AtMostOnce, 600);
    for receivers in [1, 100] {
        let mut bench = Bench::new(receivers, QoS::AtMostOnce, 8 << 10);
        group.throughput(Throughput::Elements(600 * receivers as u64));
        group.bench_function(BenchmarkId::new("qos 0, 64 B, receivers", receivers), |bencher| {
            bencher.iter(|| {
                bench.broker.receive(bench.publisher, &bytes, 0);
                bench.drain()
            });
        });
    }
    let bytes = chunk(64, QoS::AtLeastOnce, 100);
    // The receiver's acknowledgements of 100 messages, whose identifiers follow each other round and round.
    let mut next_id = 0u16;
    let mut bench = Bench::new(1, QoS::AtLeastOnce, 8 << 10);
    group.throughput(Throughput::Elements(100));
    group.bench_function("qos 1, 64 B, with both acknowledgements", |bencher| {
        let mut pubacks = Vec::new();
        bencher.iter(|| {
            bench.broker.receive(bench.publisher, &bytes, 0);
            let length = bench.drain();
            pubacks.clear();
            for _ in 0..100 {
                next_id = next_id.checked_add(1).unwrap_or(1);
                pubacks.extend_from_slice(&[0x40, 2, (next_id >> 8) as u8, next_id as u8]);
            }
            bench.broker.receive(ConnectionKey(0), &pubacks, 0);
            length
        });
        assert_eq!(bench.broker.metrics().queued_messages, 0);
    });
    group.finish();
}

fn apart(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apart");
    for receivers in [1, 100] {
        for payload_bytes in [1 << 10, 4 << 10, 8 << 10, 16 << 10, 64 << 10] {
            let bytes = chunk(payload_bytes, QoS::AtMostOnce, 1);
            group.throughput(Throughput::Bytes((payload_bytes * receivers) as u64));
            for (name, apart_bytes) in [("copied", usize::MAX), ("shared", 0)] {
                let mut bench = Bench::new(receivers, QoS::AtMostOnce, apart_bytes);
                let id = BenchmarkId::new(format!("{name}, {receivers} receivers"), payload_bytes);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        bench.broker.receive(bench.publisher, &bytes, 0);
                        bench.drain()
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, route, apart);
criterion_main!(benches);
