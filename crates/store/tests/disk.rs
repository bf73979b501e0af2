//! The store on a disk holds what the one in memory holds, through closing and opening again.

mod support;

use std::path::Path;

use proptest::prelude::*;
use topicwire_broker::store::{Store, StoreBatch, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::{QoS, Version};
use topicwire_store::{DiskStore, Durability, MemoryStore, StoredSession};

use support::power::Disk;
use support::{Batches, assert_same, contents};

fn open(directory: &Path) -> DiskStore {
    DiskStore::open(directory, Durability::Process).unwrap()
}

/// On a simulated disk, with checkpoints every now and then.
fn open_simulated(disk: &Disk) -> DiskStore {
    DiskStore::open_on(Path::new("simulated"), disk.files(), Durability::Power, 20_000).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_the_store_in_memory_holds(seed in any::<u64>(), most in 1_u64..100) {
        let mut disk = Disk::new(seed);
        let (mut store, mut memory) = (open_simulated(&disk), MemoryStore::new());
        let mut batches = Batches::new(seed);
        let client_ids = batches.client_ids();
        for _ in 0..12 {
            let batch = batches.next(most);
            store.commit(&batch).unwrap();
            memory.commit(&batch).unwrap();
            if batches.chance.one_in(5) {
                if batches.chance.one_in(2) {
                    store.close().unwrap();
                } else {
                    disk = disk.after_kill();
                }
                store = open_simulated(&disk);
            }
            if batches.chance.one_in(3) {
                assert_same(&mut store, &mut memory, &client_ids, &mut batches.chance);
            }
        }
        drop(store);
        assert_same(&mut open_simulated(&disk), &mut memory, &client_ids, &mut batches.chance);
    }
}

#[test]
fn what_was_committed_is_in_the_directory_when_it_is_opened_again() {
    for durability in [Durability::Process, Durability::Power] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/on/the/way");
        let (mut batches, mut memory) = (Batches::new(5), MemoryStore::new());
        for _ in 0..3 {
            let mut store = DiskStore::open(&path, durability).unwrap();
            for _ in 0..5 {
                let batch = batches.next(50);
                store.commit(&batch).unwrap();
                memory.commit(&batch).unwrap();
            }
        }
        let client_ids = batches.client_ids();
        let mut store = DiskStore::open(&path, durability).unwrap();
        assert_same(&mut store, &mut memory, &client_ids, &mut batches.chance);
    }
}

#[test]
fn payloads_larger_than_a_page_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = MemoryStore::new();
    let mut batches = Batches::new(7);
    batches.payload_lens = vec![4_000, 4_096, 70_000];
    for _ in 0..2 {
        let mut store = open(directory.path());
        let batch = batches.next(30);
        store.commit(&batch).unwrap();
        memory.commit(&batch).unwrap();
        assert_eq!(contents(&mut store), contents(&mut memory));
    }
}

#[test]
fn what_is_held_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let (mut batches, mut memory) = (Batches::new(6), MemoryStore::new());
    for _ in 0..10 {
        let batch = batches.next(50);
        store.commit(&batch).unwrap();
        memory.commit(&batch).unwrap();
    }
    let report = store.check(&mut |_| {}).unwrap();
    let sum =
        |count: fn(&StoredSession) -> usize| memory.sessions().map(|(_, it)| count(it) as u64).sum::<u64>();
    let counts = report.counts;
    assert_eq!(report.damage, None);
    assert_eq!(counts.sessions, memory.sessions().count() as u64);
    assert_eq!(counts.subscriptions, sum(|session| session.subscriptions.len()));
    assert_eq!(counts.deliveries, sum(|session| session.deliveries.len()));
    assert_eq!(counts.exchanges, sum(|session| session.exchanges.len()));
    assert_eq!(counts.inbound, sum(|session| session.inbound.len()));
    assert_eq!(counts.wills, sum(|session| usize::from(session.will.is_some())));
    assert_eq!(counts.retained, memory.retained_count() as u64);
    let stats = store.stats().unwrap();
    assert_eq!(stats.last_sequence, 10);
    let rows = |name| stats.tables.iter().find(|table| table.name == name).map(|table| table.rows);
    assert_eq!(rows("deliveries"), Some(counts.deliveries));
    assert_eq!(rows("retained"), Some(counts.retained));
    assert!(stats.tables.iter().all(|table| table.rows == 0 || table.bytes > 0));
}

#[test]
fn a_queue_that_is_drained_gives_its_space_back_when_the_store_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let client_id: std::sync::Arc<str> = "c".into();
    let message = Message::new("t".into(), b"", &[7; 1_000], QoS::AtLeastOnce, false, u64::MAX).into();
    let put = |position| StoreOperation::PutDelivery {
        client_id: "c".into(),
        delivery: Delivery {
            message: std::sync::Arc::clone(&message),
            retain: false,
            subscription_ids: Default::default(),
            position,
        },
        qos: QoS::AtLeastOnce,
    };
    let session = StoreOperation::PutSession {
        client_id: "c".into(),
        expiry_interval_secs: 10,
        version: Version::V5_0,
        closed_at_ms: None,
    };
    let operations = std::iter::once(session).chain((1..=5_000).map(put)).collect();
    store.commit(&StoreBatch { sequence: 1, operations }).unwrap();
    drop(store);
    let bytes = || {
        std::fs::read_dir(directory.path())
            .unwrap()
            .map(|it| it.unwrap().metadata().unwrap().len())
            .sum::<u64>()
    };
    assert!(bytes() > 5_000_000);
    let mut store = open(directory.path());
    let over = |position| StoreOperation::DeleteDelivery {
        client_id: std::sync::Arc::clone(&client_id),
        position,
        packet_id: None,
    };
    store.commit(&StoreBatch { sequence: 2, operations: (1..=5_000).map(over).collect() }).unwrap();
    drop(store);
    assert!(bytes() < 500_000, "{}", bytes());
}

#[test]
fn a_batch_that_is_committed_already_is_a_success_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let mut batches = Batches::new(1);
    let batch = batches.next(100);
    store.commit(&batch).unwrap();
    let before = contents(&mut store);
    store.commit(&batch).unwrap();
    assert_eq!(contents(&mut store), before);
}

#[test]
fn a_batch_out_of_order_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let batch = |sequence| StoreBatch { sequence, operations: Vec::new() };
    store.commit(&batch(1)).unwrap();
    for sequence in [0, 3] {
        assert!(matches!(store.commit(&batch(sequence)), Err(StoreError::Failed(_))));
    }
    store.commit(&batch(2)).unwrap();
}

#[test]
fn a_batch_with_an_operation_on_no_session_is_refused_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let mut batches = Batches::new(2);
    let mut batch = batches.next(50);
    let good = batch.clone();
    batch.operations.push(StoreOperation::DeleteWill { client_id: "nobody".into() });
    assert!(matches!(store.commit(&batch), Err(StoreError::Failed(_))));
    assert_eq!(contents(&mut store), ["sequence 0"]);
    store.commit(&good).unwrap();
    assert_eq!(store.last_sequence(), 1);
}

#[test]
fn it_can_be_given_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    let directory = tempfile::tempdir().unwrap();
    is_send(&open(directory.path()));
}

#[test]
fn a_panic_of_the_caller_is_the_callers() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit(&Batches::new(8).next(50)).unwrap();
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.contents(&mut |_| panic!("the caller's own"));
    }));
    assert_eq!(told.unwrap_err().downcast_ref::<&str>(), Some(&"the caller's own"));
    assert!(contents(&mut store).len() > 1);
}
