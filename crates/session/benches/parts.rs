//! The parts of a conversation that each message of QoS 1 or 2 goes through, in windows of 100; and timers.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use topicwire_codec::{PacketId, QoS};
use topicwire_session::inflight::Inflight;
use topicwire_session::{Armed, Inbound, Outbound, Timers};

const WINDOW: u16 = 100;

fn outbound(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    group.throughput(Throughput::Elements(u64::from(WINDOW)));
    let message: Arc<[u8]> = Arc::from([b'x'; 64]);
    let mut sent = Vec::with_capacity(usize::from(WINDOW));

    let mut window = Outbound::new(u16::MAX);
    group.bench_function("outbound QoS 1: begin, PUBACK", |bencher| {
        bencher.iter(|| {
            sent.clear();
            for _ in 0..WINDOW {
                sent.push(window.begin(QoS::AtLeastOnce, Arc::clone(&message)).unwrap());
            }
            for packet_id in &sent {
                black_box(window.handle_puback(*packet_id));
            }
        });
        assert_eq!(window.inflight_count(), 0);
    });
    group.bench_function("outbound QoS 2: begin, PUBREC, PUBCOMP", |bencher| {
        bencher.iter(|| {
            sent.clear();
            for _ in 0..WINDOW {
                sent.push(window.begin(QoS::ExactlyOnce, Arc::clone(&message)).unwrap());
            }
            for packet_id in &sent {
                black_box(window.handle_pubrec(*packet_id, false));
            }
            for packet_id in &sent {
                assert!(window.handle_pubcomp(*packet_id));
            }
        });
        assert_eq!(window.inflight_count(), 0);
    });

    let mut ids = Inflight::default();
    group.bench_function("packet identifiers: given out, given back", |bencher| {
        bencher.iter(|| {
            sent.clear();
            sent.extend((0..WINDOW).filter_map(|number| ids.open(number)));
            for packet_id in &sent {
                black_box(ids.close(*packet_id));
            }
        });
        assert!(ids.is_empty());
    });
    group.finish();
}

fn inbound(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    group.throughput(Throughput::Elements(u64::from(WINDOW)));
    let mut inbound = Inbound::new(u16::MAX);
    let mut first = 1u16;
    group.bench_function("inbound QoS 2: PUBLISH, PUBREL", |bencher| {
        bencher.iter(|| {
            let ids = || (first..first + WINDOW).filter_map(PacketId::new);
            for packet_id in ids() {
                black_box(inbound.handle_publish(QoS::ExactlyOnce, packet_id)).unwrap();
            }
            for packet_id in ids() {
                assert!(inbound.release(packet_id));
            }
            first = if first > 60_000 { 1 } else { first + WINDOW };
        });
        assert_eq!(inbound.in_flight_count(), 0);
    });
    group.finish();
}

/// Ten thousand owners, each armed anew for later as its peer is heard of.
fn timers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    let mut timers = Timers::new();
    let mut owners = vec![Armed::default(); 10_000];
    let mut now_ms = 0;
    group.throughput(Throughput::Elements(owners.len() as u64));
    group.bench_function("timers: 10,000 armed anew", |bencher| {
        bencher.iter(|| {
            now_ms += 1;
            for (key, armed) in owners.iter_mut().enumerate() {
                timers.arm(key, armed, now_ms + (key as u64 % 977));
            }
        });
        assert_eq!(timers.len(), 10_000);
    });
    group.finish();
}

criterion_group!(benches, outbound, inbound, timers);
criterion_main!(benches);
