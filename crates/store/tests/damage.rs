//! Bytes that the disk has changed are found, and nothing of it panics.

mod support;

use std::path::Path;

use topicwire_broker::store::{Fetch, Store, StoreBatch};
use topicwire_store::{DiskStore, Durability, OpenError};

use support::power::Disk;
use support::{Batches, Chance, contents};

fn open(disk: &Disk) -> Result<DiskStore, OpenError> {
    DiskStore::open_on(Path::new("simulated"), disk.files(), Durability::Power, 50_000)
}

/// The bytes of a store with some of everything, closed or as after a crash, the next batch, and what it holds.
fn a_store(seed: u64, is_closed: bool) -> ([Vec<u8>; 2], StoreBatch, Vec<String>) {
    let disk = Disk::new(seed);
    let mut batches = Batches::new(seed);
    batches.payload_lens = vec![0, 20, 200, 3_000];
    let mut store = open(&disk).unwrap();
    for _ in 0..30 {
        store.commit(&batches.next(40)).unwrap();
    }
    let held = contents(&mut store);
    let crashed = disk.bytes();
    store.close().unwrap();
    (if is_closed { disk.bytes() } else { crashed }, batches.next(40), held)
}

/// Reads and writes all that there is; true where something was found to be wrong.
fn finds_something(disk: &Disk, next: &StoreBatch, held: &[String]) -> bool {
    let Ok(mut store) = open(disk) else { return true };
    let mut lines = Vec::new();
    let told = store.contents(&mut |record| lines.push(format!("{record:?}")));
    let mut failed = told.is_err();
    for client_id in Batches::new(0).client_ids() {
        failed |= store.fetch(&Fetch { serial: 1, client_id, after_position: 0, most: usize::MAX }).is_err();
    }
    match store.check(&mut |_| {}) {
        Ok(report) => failed |= report.damage.is_some(),
        Err(_) => failed = true,
    }
    failed |= store.commit(next).is_err();
    failed |= store.stats().is_err();
    failed |= store.close().is_err();
    assert!(failed || lines[..] == held[..lines.len()], "damage was not found");
    failed
}

#[test]
fn damage_is_found_wherever_it_is() {
    let count = std::env::var("TOPICWIRE_DAMAGE_CASES").map_or(300, |count| count.parse().unwrap());
    let mut found = 0;
    for (seed, is_closed) in [(1, true), (2, false)] {
        let (bytes, next, held) = a_store(seed, is_closed);
        assert!(!finds_something(&Disk::with_bytes(bytes.clone()), &next, &held));
        let mut chance = Chance::new(seed);
        for _ in 0..count {
            let mut bytes = bytes.clone();
            let file = &mut bytes[usize::from(chance.one_in(4))];
            let place = chance.below(file.len() as u64) as usize;
            match chance.below(3) {
                0 => file[place] ^= 1 << chance.below(8),
                1 => file.iter_mut().skip(place).take(512).for_each(|byte| *byte = 0),
                _ => file.iter_mut().skip(place).take(8).for_each(|byte| *byte = chance.next() as u8),
            }
            found += u32::from(finds_something(&Disk::with_bytes(bytes), &next, &held));
        }
    }
    assert!(found > 50, "{found}");
}

#[test]
fn a_file_that_was_cut_short_is_found() {
    let (bytes, next, held) = a_store(3, true);
    for len in [0, 1, 511, 4_096, bytes[0].len() / 2, bytes[0].len() - 1] {
        let mut bytes = bytes.clone();
        bytes[0].truncate(len);
        assert!(finds_something(&Disk::with_bytes(bytes), &next, &held), "tables of {len} bytes");
    }
    for len in [0, 1, 15] {
        let mut bytes = bytes.clone();
        bytes[1].truncate(len);
        assert!(finds_something(&Disk::with_bytes(bytes), &next, &held), "a journal of {len} bytes");
    }
}
