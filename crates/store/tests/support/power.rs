//! A disk that can lose its power, fill up and fail, at a step of one's choice. A step is a write, a change of length or a
//! sync.
//!
//! Each sector remembers what it has held since the last sync: any of that, or what it held at the sync, may be what a power
//! loss leaves there, whatever became of its neighbours. A sync that fails settles each sector at one of these, and no later
//! sync changes that: so do operating systems that count pages as written once they have reported the error.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use topicwire_store::{StoreFile, StoreFiles};

use super::Chance;

const SECTOR_BYTES: usize = 512;

/// Steps that fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) first_step: u64,
    pub(crate) steps: u64,
    pub(crate) kind: io::ErrorKind,
}

/// The disk with the files of one store.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

struct State {
    chance: Chance,
    steps: u64,
    /// The step at which the power goes, or the process is killed.
    ends_at: Option<u64>,
    has_ended: bool,
    failure: Option<Failure>,
    files: [Content; 2],
}

#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    synced: Vec<u8>,
    /// What a sector has held since it was last synced.
    sectors: BTreeMap<usize, Vec<Vec<u8>>>,
    lengths: Vec<usize>,
}

impl Disk {
    /// An empty one.
    pub(crate) fn new(seed: u64) -> Self {
        Self::of([Content::default(), Content::default()], seed)
    }

    fn of(files: [Content; 2], seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self(Arc::new(Mutex::new(State {
            chance,
            steps: 0,
            ends_at: None,
            has_ended: false,
            failure: None,
            files,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn end_at(&self, step: u64) {
        self.state().ends_at = Some(step);
    }

    pub(crate) fn fail(&self, failure: Option<Failure>) {
        self.state().failure = failure;
    }

    pub(crate) fn steps(&self) -> u64 {
        self.state().steps
    }

    /// What a store works on.
    pub(crate) fn files(&self) -> StoreFiles {
        let file = |index| -> Arc<dyn StoreFile> { Arc::new(OneFile { disk: self.clone(), index }) };
        StoreFiles { tables: file(0), journal: file(1) }
    }

    /// What may be found after a power loss now.
    pub(crate) fn after_power_loss(&self, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let files = self.state().files.clone().map(|content| Content::whole(content.settled(&mut chance)));
        Self::of(files, seed)
    }

    /// What is found after the process has been killed now.
    pub(crate) fn after_kill(&self) -> Self {
        Self::of(self.state().files.clone().map(|content| Content::whole(content.live)), 0)
    }

    /// The bytes of the tables and of the journal.
    pub(crate) fn bytes(&self) -> [Vec<u8>; 2] {
        self.state().files.clone().map(|content| content.live)
    }

    /// A disk with these bytes in its files.
    pub(crate) fn with_bytes(files: [Vec<u8>; 2]) -> Self {
        Self::of(files.map(Content::whole), 0)
    }
}

impl Content {
    fn whole(bytes: Vec<u8>) -> Self {
        Self { live: bytes.clone(), synced: bytes, ..Self::default() }
    }

    fn note(&mut self, offset: usize, len: usize) {
        if len == 0 {
            return;
        }
        for sector in offset / SECTOR_BYTES..=(offset + len - 1) / SECTOR_BYTES {
            let start = sector * SECTOR_BYTES;
            let mut bytes = self.live[start..self.live.len().min(start + SECTOR_BYTES)].to_vec();
            bytes.resize(SECTOR_BYTES, 0);
            self.sectors.entry(sector).or_default().push(bytes);
        }
    }

    fn set_len(&mut self, len: usize) {
        let before = self.live.len();
        self.live.resize(len, 0);
        if len > before {
            self.note(before, len - before);
        }
        self.lengths.push(len);
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if end > self.live.len() {
            self.set_len(end);
        }
        self.live[offset..end].copy_from_slice(data);
        self.note(offset, data.len());
    }

    fn sync(&mut self) {
        // Only what has been written since: what a failed sync has settled stays as it is.
        let mut synced = std::mem::take(&mut self.synced);
        synced.resize(self.live.len(), 0);
        for sector in std::mem::take(&mut self.sectors).into_keys() {
            let start = sector * SECTOR_BYTES;
            let end = self.live.len().min(start + SECTOR_BYTES);
            if start < end {
                synced[start..end].copy_from_slice(&self.live[start..end]);
            }
        }
        self.synced = synced;
        self.lengths.clear();
    }

    /// Each sector as it was at some time since the last sync.
    fn settled(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let choice = chance.below(self.lengths.len() as u64 + 1) as usize;
        bytes.resize(self.lengths.get(choice).copied().unwrap_or(bytes.len()), 0);
        for (sector, versions) in &self.sectors {
            let choice = chance.below(versions.len() as u64 + 1) as usize;
            let start = sector * SECTOR_BYTES;
            let end = bytes.len().min(start + SECTOR_BYTES);
            if let Some(version) = versions.get(choice)
                && start < end
            {
                bytes[start..end].copy_from_slice(&version[..end - start]);
            }
        }
        bytes
    }
}

struct OneFile {
    disk: Disk,
    index: usize,
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl OneFile {
    /// Takes a step. `part` does some of the work where the power goes, or the step fails, in the middle of it.
    fn step(
        &self,
        all: impl FnOnce(&mut Content, &mut Chance),
        part: impl FnOnce(&mut Content, &mut Chance),
    ) -> io::Result<()> {
        let mut state = self.disk.state();
        let State { chance, steps, ends_at, has_ended, failure, files } = &mut *state;
        if *has_ended {
            return Err(power_is_off());
        }
        let step = *steps;
        *steps += 1;
        let content = &mut files[self.index];
        if *ends_at == Some(step) {
            *has_ended = true;
            part(content, chance);
            return Err(power_is_off());
        }
        if let Some(Failure { first_step, steps, kind }) = failure
            && (*first_step..*first_step + *steps).contains(&step)
        {
            part(content, chance);
            return Err((*kind).into());
        }
        all(content, chance);
        Ok(())
    }
}

impl fmt::Debug for OneFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "file {}", self.index)
    }
}

impl StoreFile for OneFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        if state.has_ended { Err(power_is_off()) } else { Ok(state.files[self.index].live.len() as u64) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        if state.has_ended {
            return Err(power_is_off());
        }
        let from = state.files[self.index].live.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = offset as usize;
        self.step(
            |content, _| content.write(offset, data),
            |content, chance| {
                let len = chance.below(data.len() as u64 + 1) as usize;
                content.write(offset, &data[..len]);
            },
        )
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.step(|content, _| content.set_len(len as usize), |_, _| {})
    }

    fn sync(&self) -> io::Result<()> {
        self.step(
            |content, _| content.sync(),
            |content, chance| {
                let settled = content.settled(chance);
                *content = Content { live: std::mem::take(&mut content.live), ..Content::whole(settled) };
            },
        )
    }
}
