//! What is exported and imported is the same store.

mod support;

use std::path::Path;

use proptest::prelude::*;
use topicwire_broker::store::Store;
use topicwire_store::{DiskStore, Durability, TransferError};

use support::power::Disk;
use support::{Batches, contents};

fn empty() -> DiskStore {
    DiskStore::open_on(Path::new("simulated"), Disk::new(0).files(), Durability::Process, 1 << 20).unwrap()
}

fn filled(seed: u64) -> DiskStore {
    let mut store = empty();
    let mut batches = Batches::new(seed);
    for _ in 0..10 {
        store.commit(&batches.next(40)).unwrap();
    }
    store
}

fn exported(store: &mut DiskStore) -> Vec<u8> {
    let mut bytes = Vec::new();
    let lines = store.export(&mut bytes, &mut |_| {}).unwrap();
    assert_eq!(lines, bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
    bytes
}

fn import(bytes: &[u8]) -> Result<DiskStore, TransferError> {
    let mut store = empty();
    store.import(&mut &bytes[..], &mut |_| {})?;
    Ok(store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn an_import_holds_what_was_exported(seed in any::<u64>()) {
        let mut store = filled(seed);
        let bytes = exported(&mut store);
        let mut copy = import(&bytes).unwrap();
        prop_assert_eq!(exported(&mut copy), bytes);
        let (mut one, mut other) = (contents(&mut store), contents(&mut copy));
        // The sequence is the store's own.
        one.pop();
        other.pop();
        prop_assert_eq!(one, other);
    }
}

#[test]
fn a_line_says_what_it_holds() {
    use topicwire_broker::store::{StoreBatch, StoreOperation};
    let mut store = empty();
    let message = |topic: &str, payload: &[u8]| {
        let qos = topicwire_codec::QoS::AtLeastOnce;
        topicwire_broker::Message::new(topic.into(), b"", payload, qos, true, 5_000).into()
    };
    let operations = vec![
        StoreOperation::PutRetained { message: message("a", b"text") },
        StoreOperation::PutRetained { message: message("b", b"\xff") },
    ];
    store.commit(&StoreBatch { sequence: 1, operations }).unwrap();
    let text = String::from_utf8(exported(&mut store)).unwrap();
    let expected = [
        r#"{"export":{"format":1}}"#,
        r#"{"retained":{"message":{"topicName":"a","qos":1,"retain":true,"expiresAtMs":5000,"payload":"text"}}}"#,
        r#"{"retained":{"message":{"topicName":"b","qos":1,"retain":true,"expiresAtMs":5000,"payloadBase64":"/w=="}}}"#,
        r#"{"end":{"lines":4}}"#,
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn only_an_empty_store_takes_an_import() {
    let bytes = exported(&mut filled(1));
    let mut store = filled(2);
    let held = contents(&mut store);
    let refused = store.import(&mut &bytes[..], &mut |_| {});
    assert!(matches!(refused, Err(TransferError::NotEmpty)));
    assert_eq!(contents(&mut store), held);
}

#[test]
fn an_export_that_was_cut_short_or_changed_is_refused() {
    let bytes = exported(&mut filled(3));
    let text = String::from_utf8(bytes.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without_end = lines[..lines.len() - 1].join("\n");
    let expected = lines.len() as u64 - 1;
    assert!(
        matches!(import(without_end.as_bytes()), Err(TransferError::CutShort { lines }) if lines == expected)
    );
    let without_one = [&lines[..2], &lines[3..]].concat().join("\n");
    assert!(import(without_one.as_bytes()).is_err());
    let without_first = lines[1..].join("\n");
    assert!(matches!(import(without_first.as_bytes()), Err(TransferError::Line { line: 1, .. })));
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    let error = import(newer.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "line 1 of the export cannot be used: it has format 2, and this version reads 1");
}

#[test]
fn the_queues_of_an_import_go_on_as_those_of_the_store() {
    let mut batches = Batches::new(4);
    let mut store = empty();
    for _ in 0..10 {
        store.commit(&batches.next(40)).unwrap();
    }
    let mut copy = import(&exported(&mut store)).unwrap();
    let next = batches.next(100);
    store.commit(&next).unwrap();
    let sequence = copy.last_sequence() + 1;
    copy.commit(&topicwire_broker::store::StoreBatch { sequence, ..next }).unwrap();
    for client_id in batches.client_ids() {
        let all = |store: &mut DiskStore| support::fetched(store, &client_id, 0, usize::MAX);
        assert_eq!(all(&mut store), all(&mut copy));
    }
    assert_eq!(exported(&mut store), exported(&mut copy));
}
