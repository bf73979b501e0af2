//! The store on a disk holds what the one in memory holds, through closing and opening again.

mod support;

use proptest::prelude::*;
use topicwire_broker::store::{Store, StoreBatch, StoreError};
use topicwire_store::{DiskStore, Durability, MemoryStore};

use support::{Batches, assert_same, contents};

fn open(directory: &std::path::Path) -> DiskStore {
    DiskStore::open(directory, Durability::Process).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_the_store_in_memory_holds(seed in any::<u64>(), most in 1_u64..200) {
        let directory = tempfile::tempdir().unwrap();
        let (mut disk, mut memory) = (open(directory.path()), MemoryStore::new());
        let mut batches = Batches::new(seed);
        let client_ids = batches.client_ids();
        for _ in 0..20 {
            let batch = batches.next(most);
            disk.commit(&batch).unwrap();
            memory.commit(&batch).unwrap();
            if batches.chance.one_in(5) {
                drop(disk);
                disk = open(directory.path());
            }
            if batches.chance.one_in(3) {
                assert_same(&mut disk, &mut memory, &client_ids, &mut batches.chance);
            }
        }
        drop(disk);
        assert_same(&mut open(directory.path()), &mut memory, &client_ids, &mut batches.chance);
    }
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
    batch.operations.push(topicwire_broker::store::StoreOperation::DeleteWill { client_id: "nobody".into() });
    assert!(matches!(store.commit(&batch), Err(StoreError::Failed(_))));
    assert_eq!(contents(&mut store), ["sequence 0"]);
    store.commit(&good).unwrap();
    assert_eq!(store.last_sequence(), 1);
}
