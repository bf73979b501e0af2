//! The tables in the engine, redb: a copy-on-write B+tree in one file.

use std::cell::OnceCell;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{
    AccessGuard, Database, ReadableTable, ReadableTableMetadata, StorageBackend, TableDefinition,
    WriteTransaction,
};
use topicwire_broker::store::StoreError;

use crate::StoreFile;
use crate::keys::{self, Key, SessionNumber, Table};
use crate::plan::{Changes, Rows, damaged};
use crate::record;

/// What the engine may keep in memory: pages it has read and pages it has yet to write.
pub(crate) const CACHE_BYTES: usize = 64 << 20;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// The open engine.
///
/// All changes go into one write transaction, which is read from, too, and is committed by a checkpoint: a place that many
/// batches change is written once.
pub(crate) struct Tree {
    /// Before the database, which has to be dropped after it.
    transaction: WriteTransaction,
    database: Database,
}

impl Tree {
    /// Opens the file, or makes one of an empty file.
    pub(crate) fn open(file: Arc<dyn StoreFile>) -> Result<Self, redb::Error> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(Backend(file))?;
        let transaction = begin(&database)?;
        Ok(Self { transaction, database })
    }

    /// Makes the tables of a new store.
    pub(crate) fn create_tables(self, format_version: u32) -> Result<Self, redb::Error> {
        for table in Table::ALL {
            self.transaction.open_table(definition(table))?;
        }
        let version = record::seal(keys::FORMAT, record::encode_number(format_version.into()));
        self.transaction.open_table(definition(Table::State))?.insert(keys::FORMAT, &*version)?;
        self.checkpoint()
    }

    /// Makes all changes, seen by what reads from now on. After an error it is of no more use.
    pub(crate) fn apply(&mut self, changes: &Changes) -> Result<(), redb::Error> {
        let mut rows = changes.rows.iter().peekable();
        while let Some(((table, _), _)) = rows.peek() {
            let table = *table;
            let mut open = self.transaction.open_table(definition(table))?;
            while let Some(((_, key), value)) = rows.next_if(|((of, _), _)| *of == table) {
                match value {
                    Some(value) => open.insert(&**key, &**value)?,
                    None => open.remove(&**key)?,
                };
            }
        }
        if !changes.ended.is_empty() {
            for table in Table::OF_SESSION {
                let mut open = self.transaction.open_table(definition(table))?;
                for number in &changes.ended {
                    let (first, end) = keys::of_session(*number);
                    open.retain_in(&*first..&*end, |_, _| false)?;
                }
            }
        }
        Ok(())
    }

    /// Writes all changes to the file and syncs it.
    pub(crate) fn checkpoint(self) -> Result<Self, redb::Error> {
        let Self { transaction, database } = self;
        transaction.commit()?;
        let transaction = begin(&database)?;
        Ok(Self { transaction, database })
    }

    /// Writes all changes to the file, and looks at every page of it.
    pub(crate) fn check(self) -> Result<(Self, bool), redb::Error> {
        let Self { transaction, mut database } = self;
        transaction.commit()?;
        let is_whole = database.check_integrity()?;
        let transaction = begin(&database)?;
        Ok((Self { transaction, database }, is_whole))
    }

    /// Writes all changes to the file and closes it.
    pub(crate) fn close(self) -> Result<(), redb::Error> {
        let Self { transaction, database } = self;
        transaction.commit()?;
        // What that one has freed is given back by the next.
        begin(&database)?.commit()?;
        database.close()?;
        Ok(())
    }

    /// What it holds now.
    pub(crate) fn read(&self) -> Snapshot<'_> {
        Snapshot { transaction: &self.transaction, tables: Default::default() }
    }
}

/// Called with key and value of a row, until it says false.
pub(crate) type EachRow<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError>;

/// The tables as they are between two batches.
pub(crate) struct Snapshot<'a> {
    transaction: &'a WriteTransaction,
    tables: [OnceCell<redb::Table<'a, &'static [u8], &'static [u8]>>; Table::ALL.len()],
}

impl<'a> Snapshot<'a> {
    fn table(&self, table: Table) -> Result<&redb::Table<'a, &'static [u8], &'static [u8]>, StoreError> {
        let Some(cell) = self.tables.get(table as usize) else { return Err(damaged(table)) };
        if let Some(open) = cell.get() {
            return Ok(open);
        }
        let open = self.transaction.open_table(definition(table)).map_err(store_error)?;
        Ok(cell.get_or_init(|| open))
    }

    /// The rows with these keys, in order.
    pub(crate) fn range(
        &self,
        table: Table,
        bounds: (Bound<&Key>, Bound<&Key>),
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        let bounds = (bounds.0.map(|key| &**key), bounds.1.map(|key| &**key));
        walk(table, self.table(table)?.range::<&[u8]>(bounds).map_err(store_error)?, each)
    }

    /// All rows of a table.
    pub(crate) fn all(&self, table: Table, each: EachRow<'_>) -> Result<(), StoreError> {
        self.range(table, (Bound::Unbounded, Bound::Unbounded), each)
    }

    /// All rows of a Session in a table of [`Table::OF_SESSION`].
    pub(crate) fn of_session(
        &self,
        table: Table,
        number: SessionNumber,
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        let (first, end) = keys::of_session(number);
        self.range(table, (Bound::Included(&first), Bound::Excluded(&end)), each)
    }

    /// The same from the last to the first.
    pub(crate) fn of_session_back(
        &self,
        table: Table,
        number: SessionNumber,
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        let (first, end) = keys::of_session(number);
        let range = self.table(table)?.range(&*first..&*end).map_err(store_error)?;
        walk(table, range.rev(), each)
    }
}

type Row<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>);

fn walk<'a>(
    table: Table,
    rows: impl Iterator<Item = Result<Row<'a>, redb::StorageError>>,
    each: EachRow<'_>,
) -> Result<(), StoreError> {
    for row in rows {
        let (key, sealed) = row.map_err(store_error)?;
        let (key, sealed) = (key.value(), sealed.value());
        let value = record::unseal(key, sealed).ok_or_else(|| damaged(table))?;
        if !each(key, value)? {
            break;
        }
    }
    Ok(())
}

impl Snapshot<'_> {
    /// Rows, bytes of keys and values, and what the engine needs beside them. Reads the whole table.
    pub(crate) fn size(&self, table: Table) -> Result<(u64, u64, u64), StoreError> {
        let open = self.table(table)?;
        let stats = open.stats().map_err(store_error)?;
        let overhead = stats.metadata_bytes() + stats.fragmented_bytes();
        Ok((open.len().map_err(store_error)?, stats.stored_bytes(), overhead))
    }
}

impl Rows for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(sealed) = self.table(table)?.get(key).map_err(store_error)? else { return Ok(None) };
        match record::unseal(key, sealed.value()) {
            Some(value) => Ok(Some(value.to_vec())),
            None => Err(damaged(table)),
        }
    }
}

/// What the engine says, sorted by what it means to a caller.
pub(crate) fn store_error(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) => io_error(&error),
        error @ redb::Error::Corrupted(_) => StoreError::Damaged(error.to_string()),
        error => StoreError::Failed(error.to_string()),
    }
}

pub(crate) fn io_error(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full(error.to_string())
        }
        io::ErrorKind::UnexpectedEof => StoreError::Damaged(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

/// A transaction whose commit leaves nothing to repair, whatever happens after it.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Lets the engine work on a [`StoreFile`].
#[derive(Debug)]
struct Backend(Arc<dyn StoreFile>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
