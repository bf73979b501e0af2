//! The store on a disk under the load of a broker, with a bare sync of the same disk beside it.
//!
//! ```text
//! cargo bench -p topicwire-store --bench disk
//! TOPICWIRE_BENCH_QUEUED=10000000 cargo bench -p topicwire-store --bench disk -- start
//! ```
//!
//! A time is that of one batch; the throughput is in messages.

mod common;

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use common::{Load, MODES, SESSIONS, client_id, directory, queued_count};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use topicwire_broker::store::{Fetch, Store};
use topicwire_store::{DiskStore, Durability};

const BATCHES: [u64; 4] = [1, 100, 1_000, 10_000];
/// What a broker asks for at once.
const STRETCH: usize = 64;

/// Messages for clients that are away.
fn put(criterion: &mut Criterion) {
    for (mode, durability) in MODES {
        let mut group = criterion.benchmark_group(format!("put_{mode}"));
        group.sample_size(10).measurement_time(Duration::from_secs(4));
        for count in BATCHES {
            let mut load = Load::new("put", durability);
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter_custom(|times| {
                    (0..times)
                        .map(|_| {
                            let operations = load.puts(count);
                            load.commit(operations)
                        })
                        .sum()
                });
            });
        }
        group.finish();
    }
}

/// Messages that are sent at once and acknowledged while the next batch is made.
fn put_and_acknowledge(criterion: &mut Criterion) {
    for (mode, durability) in MODES {
        let mut group = criterion.benchmark_group(format!("put_and_acknowledge_{mode}"));
        group.sample_size(10).measurement_time(Duration::from_secs(4));
        for count in BATCHES {
            let mut load = Load::new("put_and_acknowledge", durability);
            let mut over = Vec::new();
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter_custom(|times| {
                    (0..times)
                        .map(|_| {
                            let (mut operations, next) = load.exchanges(count);
                            operations.extend(std::mem::replace(&mut over, next));
                            load.commit(operations)
                        })
                        .sum()
                });
            });
        }
        group.finish();
    }
}

/// Retained messages that replace others.
fn put_retained(criterion: &mut Criterion) {
    for (mode, durability) in MODES {
        let mut group = criterion.benchmark_group(format!("put_retained_{mode}"));
        group.sample_size(10).measurement_time(Duration::from_secs(4));
        let mut load = Load::new("put_retained", durability);
        let mut first = 0;
        group.throughput(Throughput::Elements(100));
        group.bench_function(BenchmarkId::from_parameter(100), |bencher| {
            bencher.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        first = (first + 7_919) % 100_000;
                        let operations = load.retained(first..first + 100);
                        load.commit(operations)
                    })
                    .sum()
            });
        });
        group.finish();
    }
}

/// The queues of all Sessions, a stretch after the other.
fn drain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drain");
    let mut load = Load::new("drain", Durability::Process);
    for _ in 0..queued_count() / 10_000 {
        let operations = load.puts(10_000);
        load.commit(operations);
    }
    group.sample_size(10).throughput(Throughput::Elements(STRETCH as u64));
    let (mut session, mut after_position) = (0, 0);
    group.bench_function(BenchmarkId::from_parameter(queued_count()), |bencher| {
        bencher.iter(|| {
            let client_id = client_id(session);
            let fetch = Fetch { serial: 1, client_id, after_position, most: STRETCH };
            let found = load.store.fetch(&fetch).unwrap();
            match found.last() {
                Some((_, last)) if found.len() == STRETCH => after_position = last.position,
                _ => (session, after_position) = ((session + 1) % SESSIONS, 0),
            }
            black_box(found)
        });
    });
    group.finish();
}

/// A client comes back to a queue, and to exchanges that are open: the first stretch of what waits for it.
fn resume(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resume");
    let mut load = Load::new("resume", Durability::Process);
    for _ in 0..20 {
        let (sent, _) = load.exchanges(SESSIONS);
        load.commit(sent);
    }
    for _ in 0..100 {
        let operations = load.puts(SESSIONS);
        load.commit(operations);
    }
    group.sample_size(10).throughput(Throughput::Elements(1));
    let mut session = 0;
    group.bench_function("first_stretch", |bencher| {
        bencher.iter(|| {
            session = (session + 1) % SESSIONS;
            let fetch = Fetch { serial: 1, client_id: client_id(session), after_position: 0, most: STRETCH };
            black_box(load.store.fetch(&fetch).unwrap())
        });
    });
    group.finish();
}

/// Opens a store and tells its contents: long queues, or many retained messages.
fn start(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start");
    group.sample_size(10);
    for what in ["queued", "retained"] {
        let mut load = Load::new(&format!("start_{what}"), Durability::Process);
        for batch in 0..queued_count() / 10_000 {
            let operations = match what {
                "queued" => load.puts(10_000),
                _ => load.retained(batch * 10_000..(batch + 1) * 10_000),
            };
            load.commit(operations);
        }
        let Load { path, store, .. } = load;
        report(&mut std::io::stderr(), what, &path);
        store.close().unwrap();
        group.throughput(Throughput::Elements(queued_count()));
        group.bench_function(BenchmarkId::new(what, queued_count()), |bencher| {
            bencher.iter(|| {
                let mut store = DiskStore::open(&path, Durability::Process).unwrap();
                let mut records = 0_u64;
                store.contents(&mut |_| records += 1).unwrap();
                black_box(records)
            });
        });
    }
    group.finish();
}

/// The space that is taken, and the most memory that this process has had.
fn report(out: &mut dyn Write, what: &str, path: &std::path::Path) {
    let files = std::fs::read_dir(path).unwrap();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown");
    writeln!(out, "{what}: {} MiB in files, {peak}", bytes >> 20).unwrap();
}

/// What the disk itself takes for a write and a sync.
fn fdatasync(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fdatasync");
    let mut file = std::fs::File::create(directory("fdatasync").join("file")).unwrap();
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    group.bench_function("append_300_bytes", |bencher| {
        bencher.iter(|| {
            file.write_all(&[7; 300]).unwrap();
            file.sync_data().unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, fdatasync, put, put_and_acknowledge, put_retained, drain, resume, start);
criterion_main!(benches);
