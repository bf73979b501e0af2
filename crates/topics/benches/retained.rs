//! Looking retained messages up by filter among up to a million names, and retaining them.

mod common;

use std::hint::black_box;

use common::{Numbers, resident_bytes, topic};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use topicwire_topics::{Retained, TopicFilter, TopicName};

fn retained_of(count: usize) -> Retained<usize> {
    let mut retained = Retained::with_seed(0x5eed);
    for number in 0..count {
        retained.insert(TopicName::new(&topic(number)).unwrap(), number);
    }
    retained
}

fn count_matches(retained: &Retained<usize>, filter: &str) -> usize {
    let mut count = 0;
    retained.for_each_match(TopicFilter::new(filter).unwrap(), |value| {
        black_box(value);
        count += 1;
    });
    count
}

/// `+` with 10 to 1,000 children, ten of which have what is asked for, among a million other names.
fn plus(criterion: &mut Criterion) {
    let before = resident_bytes();
    let mut retained = retained_of(1_000_000);
    report_memory(&retained, before, resident_bytes());
    let mut group = criterion.benchmark_group("retained_plus");
    for children in [10, 100, 1_000] {
        for child in 0..children {
            let last = if child % (children / 10) == 0 { "wanted" } else { "other" };
            let text = format!("hall{children}/machine{child}/{last}");
            retained.insert(TopicName::new(&text).unwrap(), child);
        }
        let filter = format!("hall{children}/+/wanted");
        assert_eq!(count_matches(&retained, &filter), 10);
        group.bench_function(BenchmarkId::new("ten_of", children), |bencher| {
            bencher.iter(|| count_matches(&retained, &filter));
        });
    }
    // A million children of one node, of which ten have what is asked for; and the other end: a million nodes of the name
    // that is asked for, of which ten are where they should be.
    let mut crowd = Retained::with_seed(0x5eed);
    for child in 0..1_000_000 {
        let last = if child % 100_000 == 0 { "wanted" } else { "other" };
        crowd.insert(TopicName::new(&format!("hall/machine{child}/{last}")).unwrap(), child);
        if child < 10 {
            crowd.insert(TopicName::new(&format!("yard/machine{child}/other")).unwrap(), child);
        }
    }
    for filter in ["hall/+/wanted", "yard/+/other"] {
        assert_eq!(count_matches(&crowd, filter), 10);
        group.bench_function(BenchmarkId::new("ten_of_a_million", filter), |bencher| {
            bencher.iter(|| count_matches(&crowd, filter));
        });
    }
    drop(crowd);
    // A thousand areas, each asked for a device that one of them has.
    assert_eq!(count_matches(&retained, "+/+/+/device77/temperature"), 1);
    group.bench_function("three_levels_of_plus", |bencher| {
        bencher.iter(|| count_matches(&retained, "+/+/+/device77/temperature"));
    });
    group.finish();
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retained_hash");
    for size in [1_000, 100_000] {
        let retained = retained_of(size);
        assert_eq!(count_matches(&retained, "#"), size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| count_matches(&retained, "#"));
        });
    }
    group.finish();
}

fn exact(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("retained_exact");
    for size in [1_000, 100_000, 1_000_000] {
        let mut retained = retained_of(size);
        let mut numbers = Numbers(1);
        let topics: Vec<String> = (0..1024).map(|_| topic(numbers.below(size))).collect();
        let names: Vec<TopicName<'_>> = topics.iter().map(|text| TopicName::new(text).unwrap()).collect();
        let mut cycle = names.iter().cycle();
        group.bench_function(BenchmarkId::new("replace", size), |bencher| {
            bencher.iter(|| retained.insert(*cycle.next().unwrap(), 1));
        });
        group.bench_function(BenchmarkId::new("remove_and_insert", size), |bencher| {
            bencher.iter(|| {
                let name = *cycle.next().unwrap();
                black_box(retained.remove(name));
                retained.insert(name, 1)
            });
        });
    }
    group.bench_function("build/100000", |bencher| {
        bencher.iter_batched(|| (), |()| retained_of(100_000), BatchSize::PerIteration);
    });
    group.finish();
}

#[expect(clippy::print_stdout, reason = "criterion has no place for a figure that is not a time")]
fn report_memory(retained: &Retained<usize>, before: Option<usize>, after: Option<usize>) {
    let (names, nodes) = (retained.len(), retained.node_count());
    let resident = before.zip(after).map(|(before, after)| after.saturating_sub(before) / names);
    println!(
        "{names} names, {nodes} nodes: {} B each counted, {resident:?} B each resident",
        retained.heap_bytes() / names
    );
}

criterion_group!(benches, plus, hash, exact);
criterion_main!(benches);
