//! Subscribing and unsubscribing: among many filters, and among many subscribers of one filter.

mod common;

use std::hint::black_box;

use common::{filter, index_of};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use topicwire_topics::{Subscriptions, TopicFilter};

/// One new filter comes and goes, of each kind in turn.
fn insert_and_remove(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("insert_and_remove");
    group.throughput(Throughput::Elements(1));
    for size in [100, 10_000, 1_000_000] {
        let mut index = index_of(size);
        let texts: Vec<String> = (size..size + 1_000).map(filter).collect();
        let filters: Vec<TopicFilter<'_>> =
            texts.iter().map(|text| TopicFilter::new(text).unwrap()).collect();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let mut filters = filters.iter().cycle();
            bencher.iter(|| {
                let filter = *filters.next().unwrap();
                index.insert(filter, 1, [1, 0]);
                black_box(index.remove(filter, 1))
            });
        });
    }
    group.finish();
}

/// One subscriber comes and goes where others are subscribed to the same filter.
fn popular_filter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join_and_leave_popular");
    group.throughput(Throughput::Elements(1));
    for size in [1_u32, 30, 1_000, 100_000] {
        let filter = TopicFilter::new("news/#").unwrap();
        let mut index = Subscriptions::with_seed(0x5eed);
        for subscriber in 0..size {
            index.insert(filter, subscriber, [1_u32, 0]);
        }
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let mut subscriber = size;
            bencher.iter(|| {
                index.insert(filter, subscriber, [1, 0]);
                // Leave in another order than joined: an old member goes, the new one stays.
                subscriber = (subscriber + 7) % (size + 1);
                black_box(index.remove(filter, subscriber))
            });
        });
    }
    group.finish();
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    for size in [10_000, 100_000] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| bencher.iter(|| index_of(size)));
    }
    group.finish();
}

criterion_group!(benches, insert_and_remove, popular_filter, build);
criterion_main!(benches);
