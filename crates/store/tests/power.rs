//! The power goes, the process is killed, or the disk fails at every step of a scenario: what has been committed is there, and
//! of the batch in flight all or nothing.

mod support;

use std::io::ErrorKind;
use std::path::Path;

use topicwire_broker::store::{Store, StoreBatch, StoreError};
use topicwire_store::{DiskStore, Durability, MemoryStore, OpenError};

use support::power::{Disk, Failure};
use support::{Batches, Chance, assert_same, contents};

/// Small, so that a scenario of a few batches goes through several checkpoints.
const JOURNAL_BYTES: u64 = 3_000;

/// Batches, and what is held after each.
struct Scenario {
    batches: Vec<StoreBatch>,
    held: Vec<Vec<String>>,
}

impl Scenario {
    fn new(seed: u64, count: usize, most: u64) -> Self {
        let mut source = Batches::new(seed);
        source.payload_lens = vec![0, 1, 20, 200, 900];
        let batches: Vec<_> = (0..count).map(|_| source.next(most)).collect();
        let mut memory = MemoryStore::new();
        let mut held = vec![contents(&mut memory)];
        for batch in &batches {
            memory.commit(batch).unwrap();
            held.push(contents(&mut memory));
        }
        Self { batches, held }
    }

    /// How many steps it takes where nothing happens.
    fn steps(&self, durability: Durability) -> u64 {
        let disk = Disk::new(0);
        assert_eq!(self.run(&disk, durability), self.batches.len());
        disk.steps()
    }

    /// Commits until the disk is gone. Returns how many batches were committed.
    fn run(&self, disk: &Disk, durability: Durability) -> usize {
        let Ok(mut store) = open(disk, durability) else { return 0 };
        self.batches.iter().take_while(|batch| store.commit(batch).is_ok()).count()
    }

    /// What is on this disk is what was held after one of these batches, and the rest can be committed.
    fn check(&self, disk: &Disk, durability: Durability, after: std::ops::RangeInclusive<usize>) {
        let mut store = open(disk, durability).unwrap();
        let sequence = store.last_sequence() as usize;
        assert!(after.contains(&sequence), "{after:?} were committed, and {sequence} are there");
        assert_eq!(contents(&mut store), self.held[sequence]);
        assert_eq!(store.check(&mut |_| {}).unwrap().damage, None);
        for batch in &self.batches[sequence..] {
            store.commit(batch).unwrap();
        }
        assert_eq!(&contents(&mut store), self.held.last().unwrap());
    }

    /// How far a disk may be, of which so many batches were committed.
    fn from(&self, committed: usize) -> std::ops::RangeInclusive<usize> {
        committed..=self.batches.len().min(committed + 1)
    }
}

fn open(disk: &Disk, durability: Durability) -> Result<DiskStore, OpenError> {
    DiskStore::open_on(Path::new("simulated"), disk.files(), durability, JOURNAL_BYTES)
}

fn random_scenarios() -> u64 {
    std::env::var("TOPICWIRE_POWER_SCENARIOS").map_or(12, |count| count.parse().unwrap())
}

#[test]
fn power_lost_at_any_step_loses_nothing_that_was_committed() {
    let scenario = Scenario::new(1, 12, 12);
    for step in 0..scenario.steps(Durability::Power) {
        let disk = Disk::new(step);
        disk.end_at(step);
        let committed = scenario.run(&disk, Durability::Power);
        for seed in 0..4 {
            let found = disk.after_power_loss(seed);
            scenario.check(&found, Durability::Power, scenario.from(committed));
        }
    }
}

#[test]
fn power_lost_again_and_again_loses_nothing_that_was_committed() {
    for seed in 0..random_scenarios() {
        let mut chance = Chance::new(seed);
        let scenario = Scenario::new(seed, 30, 1 + chance.below(40));
        let mut disk = Disk::new(seed);
        let mut committed = 0;
        loop {
            disk.end_at(chance.below(60));
            if let Ok(mut store) = open(&disk, Durability::Power) {
                assert!(scenario.from(committed).contains(&(store.last_sequence() as usize)));
                committed = store.last_sequence() as usize;
                let rest = scenario.batches[committed..].iter();
                committed += rest.take_while(|batch| store.commit(batch).is_ok()).count();
                if committed == scenario.batches.len() {
                    break;
                }
            }
            disk = disk.after_power_loss(chance.next());
        }
        scenario.check(&disk.after_power_loss(seed), Durability::Power, scenario.from(committed));
    }
}

#[test]
fn a_process_killed_at_any_step_loses_nothing_that_was_committed() {
    let scenario = Scenario::new(2, 12, 12);
    for durability in [Durability::Process, Durability::Power] {
        for step in 0..scenario.steps(durability) {
            let disk = Disk::new(step);
            disk.end_at(step);
            let committed = scenario.run(&disk, durability);
            scenario.check(&disk.after_kill(), durability, scenario.from(committed));
        }
    }
}

#[test]
fn power_lost_where_only_a_killed_process_was_to_be_survived_leaves_an_earlier_state() {
    let scenario = Scenario::new(3, 12, 12);
    for step in 0..scenario.steps(Durability::Process) {
        let disk = Disk::new(step);
        disk.end_at(step);
        let committed = scenario.run(&disk, Durability::Process);
        for seed in 0..4 {
            let found = disk.after_power_loss(seed);
            scenario.check(&found, Durability::Process, 0..=*scenario.from(committed).end());
        }
    }
}

/// Commits each batch again and again until it is there.
fn run_through(store: &mut DiskStore, scenario: &Scenario, disk: &Disk, kind: ErrorKind) -> u32 {
    let mut errors = 0;
    for batch in &scenario.batches {
        while let Err(error) = store.commit(batch) {
            let expected = match kind {
                ErrorKind::StorageFull => matches!(error, StoreError::Full(_)),
                _ => matches!(error, StoreError::Failed(_)),
            };
            assert!(expected, "{error:?}");
            errors += 1;
            assert!(errors < 1_000, "{error} for ever");
            // What was committed before is still there as soon as the disk is.
            if errors % 3 == 0 {
                disk.fail(None);
            }
        }
    }
    errors
}

#[test]
fn a_batch_that_failed_is_committed_when_the_disk_works_again() {
    let scenario = Scenario::new(4, 12, 12);
    let mut memory = MemoryStore::new();
    for batch in &scenario.batches {
        memory.commit(batch).unwrap();
    }
    let mut errors = 0;
    let kinds = [ErrorKind::StorageFull, ErrorKind::Other, ErrorKind::ReadOnlyFilesystem];
    for (steps, of_kinds) in [(1, 0), (4, 1), (200, 2)] {
        for first_step in 0..scenario.steps(Durability::Power) {
            for kind in [kinds[(of_kinds + first_step as usize) % kinds.len()]] {
                let disk = Disk::new(first_step);
                disk.fail(Some(Failure { first_step, steps, kind }));
                let Ok(mut store) = open(&disk, Durability::Power) else { continue };
                errors += run_through(&mut store, &scenario, &disk, kind);
                let mut batches = Batches::new(0);
                assert_same(&mut store, &mut memory, &batches.client_ids(), &mut batches.chance);
                let all = scenario.batches.len();
                scenario.check(&disk.after_power_loss(first_step), Durability::Power, all..=all);
            }
        }
    }
    assert!(errors > 100);
}
