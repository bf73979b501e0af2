//! The store on a disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use topicwire_broker::store::{Fetch, Record, Store, StoreBatch, StoreError};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::QoS;

use crate::check::{Report, Stats, TableStats};
use crate::fence::{self, Callback, fenced};
use crate::keys::Table;
use crate::open::{self, OpenError, Opened, StoreFiles};
use crate::plan::Changes;
use crate::tree::{Snapshot, io_error, store_error};
use crate::{check, contents, plan};

/// What a batch survives, once [`Store::commit`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The process being killed: it has reached the operating system.
    Process,
    /// A power loss as well: it has reached the disk.
    Power,
}

/// So much is kept in the journal before the tables are written out, and read at a start after a crash.
pub const JOURNAL_BYTES: u64 = 64 << 20;

/// Keeps Sessions and retained messages in a directory.
///
/// A commit that fails leaves things so that the same batch can be committed later; one that turns out to have been committed
/// after all counts as committed.
///
/// Dropping it writes the tables out, so that the next start has nothing to do; [`DiskStore::close`] says whether that worked.
/// Nothing that was committed depends on it.
pub struct DiskStore {
    directory: PathBuf,
    files: StoreFiles,
    durability: Durability,
    /// None after the engine has failed, until it is opened again.
    opened: Option<Opened>,
    last_sequence: u64,
    /// Batches with nothing in them, which are not written: the files number the others.
    skipped: u64,
    journal_bytes: u64,
    /// The length of the journal that asks for the next checkpoint.
    checkpoint_at: u64,
}

impl DiskStore {
    /// Opens the store in this directory, or makes one where there is nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, OpenError> {
        Self::open_on(directory, open::open_files(directory)?, durability, JOURNAL_BYTES)
    }

    /// The same on files of the caller's, with a journal of that length. The directory is for messages only.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        directory: &Path,
        files: StoreFiles,
        durability: Durability,
        journal_bytes: u64,
    ) -> Result<Self, OpenError> {
        let opened = open::open(directory, &files, durability)?;
        Ok(Self {
            directory: directory.to_path_buf(),
            files,
            durability,
            last_sequence: opened.last_sequence,
            opened: Some(opened),
            skipped: 0,
            journal_bytes,
            checkpoint_at: journal_bytes,
        })
    }

    /// The directory it is in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The sequence of the last batch; 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Reads all that there is, and reports the counts and the first damage. Calls `progress` with the number of rows read,
    /// now and then. Takes as long as reading the whole file twice.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read at all.
    pub fn check(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Report, StoreError> {
        let Opened { tree, journal, last_sequence } = self.opened()?;
        let (tree, is_whole) = fenced(|| tree.check().map_err(store_error))?;
        let opened = Opened { tree, journal, last_sequence };
        let result = fenced(|| check::check(&opened.tree.read(), progress));
        let mut report = self.keep(opened, result)?;
        if !is_whole {
            report.damage.get_or_insert_with(|| "a page of the tables was not what it should be".to_owned());
        }
        Ok(report)
    }

    /// Reads the tables.
    pub(crate) fn read_rows<T, E: From<StoreError>>(
        &mut self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let opened = self.opened()?;
        let result = fenced(|| read(&opened.tree.read()));
        self.keep(opened, result)
    }

    /// How much of everything there is. Reads the whole file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stats(&mut self) -> Result<Stats, StoreError> {
        let opened = self.opened()?;
        let result = fenced(|| self.stats_of(&opened));
        self.keep(opened, result)
    }

    fn stats_of(&self, opened: &Opened) -> Result<Stats, StoreError> {
        let rows = opened.tree.read();
        let mut tables = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            let (count, bytes, overhead_bytes) = rows.size(table)?;
            tables.push(TableStats { name: table.name(), rows: count, bytes, overhead_bytes });
        }
        let tables_file_bytes = self.files.tables.len().map_err(|error| io_error(&error))?;
        let journal_bytes = opened.journal.frames_bytes();
        Ok(Stats { last_sequence: self.last_sequence, tables, tables_file_bytes, journal_bytes })
    }

    /// Writes the tables out and closes the files.
    ///
    /// # Errors
    /// [`StoreError`]. What was committed is safe all the same, in the journal.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.shut()
    }

    fn shut(&mut self) -> Result<(), StoreError> {
        let Some(Opened { tree, mut journal, .. }) = self.opened.take() else { return Ok(()) };
        fenced(|| tree.close().map_err(store_error))?;
        journal.restart(0);
        Ok(())
    }

    /// What is open, opened again where it has failed.
    fn opened(&mut self) -> Result<Opened, StoreError> {
        if let Some(opened) = self.opened.take() {
            return Ok(opened);
        }
        let opened = open::open(&self.directory, &self.files, self.durability)?;
        self.last_sequence = opened.last_sequence + self.skipped;
        Ok(opened)
    }

    /// After an error of the engine the tables in memory are not to be trusted; those on the disk and the journal are.
    fn keep<T, E>(&mut self, opened: Opened, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() {
            self.opened = Some(opened);
        } else {
            fence::dropped(opened);
        }
        result
    }

    /// Makes a committed batch seen, and writes the tables out when it is time. Where one of the two fails, the batch is
    /// safe in the journal, and the tables follow when they are opened again.
    fn follow(&mut self, mut opened: Opened, changes: &Changes) {
        if fenced(|| opened.tree.apply(changes).map_err(store_error)).is_err() {
            fence::dropped(opened);
            return;
        }
        let length = opened.journal.frames_bytes();
        if length < self.checkpoint_at {
            self.opened = Some(opened);
            return;
        }
        let Opened { tree, mut journal, last_sequence } = opened;
        self.checkpoint_at = length + self.journal_bytes / 4;
        if let Ok(tree) = fenced(|| tree.checkpoint().map_err(store_error)) {
            journal.restart(self.journal_bytes);
            self.checkpoint_at = self.journal_bytes;
            self.opened = Some(Opened { tree, journal, last_sequence });
        }
    }
}

impl Store for DiskStore {
    fn commit(&mut self, batch: &StoreBatch) -> Result<(), StoreError> {
        let mut opened = self.opened()?;
        let last = self.last_sequence;
        if batch.sequence == last {
            return self.keep(opened, Ok(()));
        }
        if batch.sequence != last + 1 {
            self.opened = Some(opened);
            return Err(StoreError::Failed(format!("batch {} after batch {last}", batch.sequence)));
        }
        if batch.operations.is_empty() {
            // All that was in it has ended meanwhile.
            self.skipped += 1;
            self.last_sequence = batch.sequence;
            return self.keep(opened, Ok(()));
        }
        let sequence = batch.sequence - self.skipped;
        let changes = match fenced(|| plan::plan(&batch.operations, sequence, &opened.tree.read())) {
            Ok(changes) => changes,
            // Even where it was the batch that is wrong: who knows.
            Err(error) => return self.keep(opened, Err(error)),
        };
        if let Err(error) = opened.journal.append(sequence, &changes) {
            self.opened = Some(opened);
            return Err(error);
        }
        self.last_sequence = batch.sequence;
        self.follow(opened, &changes);
        Ok(())
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<Vec<(QoS, Delivery)>, StoreError> {
        self.read_rows(|rows| contents::fetch(rows, fetch))
    }

    fn fetch_retained(&mut self, topic_names: &[Arc<str>]) -> Result<Vec<Option<Arc<Message>>>, StoreError> {
        self.read_rows(|rows| contents::retained(rows, topic_names))
    }

    fn contents(&mut self, each: &mut dyn FnMut(Record)) -> Result<u64, StoreError> {
        let mut callback = Callback::default();
        let result =
            self.read_rows(|rows| contents::tell(rows, &mut |record| callback.call(|| each(record))));
        callback.pass_on();
        result.map(|()| self.last_sequence)
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        // The next start does what is left to do.
        let _ = self.shut();
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DiskStore")
            .field("directory", &self.directory)
            .field("durability", &self.durability)
            .field("last_sequence", &self.last_sequence)
            .finish_non_exhaustive()
    }
}
