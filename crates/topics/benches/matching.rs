//! Matching at 10^2 to 10^6 subscriptions: hot (256 names over and over) and cold (up to 65,536 names).

mod common;

use std::hint::black_box;

use common::{Numbers, index_of, topic};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use topicwire_topics::{Matches, Subscriptions, TopicFilter, TopicName};

const SIZES: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

fn matching(criterion: &mut Criterion) {
    for size in SIZES {
        let index = index_of(size);
        for (kind, count) in [("hot", 256), ("cold", 65_536)] {
            if kind == "cold" && size < 10_000 {
                continue;
            }
            let mut numbers = Numbers(1);
            let topics: Vec<String> = (0..count).map(|_| topic(numbers.below(size))).collect();
            let names: Vec<TopicName<'_>> = topics.iter().map(|text| TopicName::new(text).unwrap()).collect();
            let mut group = criterion.benchmark_group(format!("match_{kind}"));
            group.throughput(Throughput::Elements(1));
            group.bench_with_input(BenchmarkId::from_parameter(size), &names, |bencher, names| {
                let mut matches = Matches::new();
                let mut names = names.iter().cycle();
                bencher.iter(|| {
                    matches.clear();
                    index.match_into(*names.next().unwrap(), &mut matches);
                    black_box(matches.plain.len())
                });
            });
            group.finish();
        }
    }
}

fn no_match(criterion: &mut Criterion) {
    let index = index_of(100_000);
    let mut group = criterion.benchmark_group("match_nothing");
    for (kind, text) in
        [("other_root", "factory/1/2/3/4"), ("other_device", "tenant1/site1/area1/nobody/temperature")]
    {
        let name = TopicName::new(text).unwrap();
        group.bench_function(kind, |bencher| {
            let mut matches = Matches::new();
            bencher.iter(|| {
                index.match_into(black_box(name), &mut matches);
                black_box(matches.plain.len())
            });
        });
    }
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match_fan_out");
    for subscribers in [1_000_u32, 100_000] {
        let mut index = Subscriptions::with_seed(0x5eed);
        for subscriber in 0..subscribers {
            index.insert(TopicFilter::new("news/#").unwrap(), subscriber, [1_u32, 0]);
        }
        group.throughput(Throughput::Elements(u64::from(subscribers)));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |bencher| {
            let mut matches = Matches::new();
            bencher.iter(|| {
                matches.clear();
                index.match_into(TopicName::new("news/today").unwrap(), &mut matches);
                black_box(matches.plain.len())
            });
        });
    }
    group.finish();
}

/// The worst shape: each filter of twelve levels made of `a` and `+`, and the name that meets all nodes.
fn hostile(criterion: &mut Criterion) {
    let depth = 12;
    let mut index = Subscriptions::with_seed(0x5eed);
    for bits in 0..1_u32 << depth {
        let levels: Vec<&str> =
            (0..depth).map(|level| if bits >> level & 1 == 0 { "a" } else { "+" }).collect();
        index.insert(TopicFilter::new(&levels.join("/")).unwrap(), bits, [1_u32, 0]);
    }
    let text = vec!["a"; depth].join("/");
    let mut group = criterion.benchmark_group("match_every_branch");
    group.throughput(Throughput::Elements(index.size().nodes as u64));
    group.bench_function(BenchmarkId::from_parameter(depth), |bencher| {
        let mut matches = Matches::new();
        bencher.iter(|| {
            matches.clear();
            index.match_into(TopicName::new(&text).unwrap(), &mut matches);
            black_box(matches.plain.len())
        });
    });
    group.finish();
}

criterion_group!(benches, matching, no_match, fan_out, hostile);
criterion_main!(benches);
