//! Opening a store: the directory, its files, the lock, and the version of what is in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use topicwire_broker::store::StoreError;

use crate::fence::fenced;
use crate::journal::{Journal, JournalError, Making};
use crate::keys::{self, Table};
use crate::plan::{Rows, damaged};
use crate::record;
use crate::tree::{Tree, io_error, store_error};
use crate::{Durability, StoreFile};

/// The version of the format that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

const TABLES_FILE: &str = "tables.redb";
const JOURNAL_FILE: &str = "journal";

/// The files of one store.
#[derive(Clone, Debug)]
pub struct StoreFiles {
    /// The tables, as of the last checkpoint.
    pub tables: Arc<dyn StoreFile>,
    /// What has been committed since.
    pub journal: Arc<dyn StoreFile>,
}

/// Why a store does not open. Each message is one sentence, and says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is something else at this path.
    #[error("{directory:?} is not a directory: give the store a directory of its own")]
    NotADirectory {
        /// The path.
        directory: PathBuf,
    },
    /// The directory holds other files, and no store.
    #[error(
        "{directory:?} holds other files and no store: give the store an empty directory, or one that it has made"
    )]
    NotAStore {
        /// The directory.
        directory: PathBuf,
    },
    /// The operating system does not let this process in.
    #[error("this user may not read and write {path:?}: change its owner or its permissions")]
    Denied {
        /// What it may not touch.
        path: PathBuf,
    },
    /// The file system is mounted read-only.
    #[error("{path:?} is on a read-only file system: mount it for writing, or choose another directory")]
    ReadOnly {
        /// What cannot be written.
        path: PathBuf,
    },
    /// No space is left, or a quota is used up.
    #[error("there is no space for the store in {directory:?}: free some, or choose another directory")]
    Full {
        /// The directory.
        directory: PathBuf,
    },
    /// Another process has it open.
    #[error(
        "the store in {directory:?} is in use by another process: stop that one, or choose another directory"
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// It was written by a newer version of this program.
    #[error(
        "the store in {directory:?} has format {found}, and this version reads formats up to {FORMAT_VERSION}: \
         use the version that wrote it, or a newer one"
    )]
    Newer {
        /// The directory.
        directory: PathBuf,
        /// Its version.
        found: u64,
    },
    /// What is read is not what was written.
    #[error(
        "the store in {directory:?} is damaged ({what}): restore it from a backup, or move it away to begin anew"
    )]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What was found.
        what: String,
    },
    /// Any other error of the operating system.
    #[error("the store in {directory:?} cannot be opened ({what}): look after the disk and the file system")]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the operating system said.
        what: String,
    },
}

impl OpenError {
    pub(crate) fn of_store(directory: &Path, error: StoreError) -> Self {
        let directory = directory.to_path_buf();
        match error {
            StoreError::Full(_) => Self::Full { directory },
            StoreError::Damaged(what) => Self::Damaged { directory, what },
            StoreError::Failed(what) => Self::Io { directory, what },
            other => Self::Io { directory, what: other.to_string() },
        }
    }

    pub(crate) fn of_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { directory: path },
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                Self::NotADirectory { directory: path }
            }
            _ => Self::Io { directory: path, what: error.to_string() },
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Full { .. } => Self::Full(error.to_string()),
            OpenError::Damaged { .. } => Self::Damaged(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// The files of the store in a directory, which is made if it is not there. They are locked for as long as they are open.
pub(crate) fn open_files(directory: &Path) -> Result<StoreFiles, OpenError> {
    fs::create_dir_all(directory).map_err(|error| OpenError::of_io(directory, &error))?;
    if !directory.join(JOURNAL_FILE).exists() && !is_new(directory)? {
        return Err(OpenError::NotAStore { directory: directory.to_path_buf() });
    }
    let journal = open_file(directory, JOURNAL_FILE)?;
    match journal.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse { directory: directory.to_path_buf() });
        }
        Err(TryLockError::Error(error)) => {
            return Err(OpenError::of_io(&directory.join(JOURNAL_FILE), &error));
        }
    }
    let tables = open_file(directory, TABLES_FILE)?;
    sync_directory(directory).map_err(|error| OpenError::of_io(directory, &error))?;
    Ok(StoreFiles { tables: Arc::new(tables), journal: Arc::new(journal) })
}

fn open_file(directory: &Path, name: &str) -> Result<File, OpenError> {
    let path = directory.join(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(&path).map_err(|error| OpenError::of_io(&path, &error))
}

/// What is open of a store.
pub(crate) struct Opened {
    pub(crate) tree: Tree,
    pub(crate) journal: Journal,
    pub(crate) last_sequence: u64,
}

/// Opens the tables and brings them up to the end of the journal. Both are made where the files are empty.
pub(crate) fn open(
    directory: &Path,
    files: &StoreFiles,
    durability: Durability,
) -> Result<Opened, OpenError> {
    fenced(|| Ok(open_unfenced(directory, files, durability)))
        .unwrap_or_else(|error: StoreError| Err(OpenError::of_store(directory, error)))
}

fn open_unfenced(directory: &Path, files: &StoreFiles, durability: Durability) -> Result<Opened, OpenError> {
    let wrong = |error| OpenError::of_store(directory, error);
    let newer = |found| OpenError::Newer { directory: directory.to_path_buf(), found };
    create(files).map_err(wrong)?;
    let mut tree = Tree::open(Arc::clone(&files.tables)).map_err(|error| wrong(store_error(error)))?;
    let found = number(&tree, keys::FORMAT).map_err(wrong)?.ok_or_else(|| wrong(damaged(Table::State)))?;
    if found > u64::from(FORMAT_VERSION) {
        return Err(newer(found));
    }
    let in_tables = number(&tree, keys::SEQUENCE).map_err(wrong)?.unwrap_or(0);
    let mut last_sequence = in_tables;
    let journal =
        Journal::open(Arc::clone(&files.journal), durability, in_tables, &mut |sequence, changes| {
            last_sequence = sequence;
            tree.apply(changes).map_err(store_error)
        })
        .map_err(|error| match error {
            JournalError::Newer(found) => newer(found.into()),
            JournalError::Store(error) => wrong(error),
        })?;
    Ok(Opened { tree, journal, last_sequence })
}

/// Makes an empty store where there is none. The journal says how far that is, so that it is begun anew where the power goes.
fn create(files: &StoreFiles) -> Result<(), StoreError> {
    let making = Journal::making(&*files.journal)?;
    if making == Making::Done {
        return match files.tables.is_empty().map_err(|error| io_error(&error))? {
            true => Err(StoreError::Damaged("the tables are gone".to_owned())),
            false => Ok(()),
        };
    }
    if making == Making::NotBegun {
        if !files.tables.is_empty().map_err(|error| io_error(&error))? {
            return Err(StoreError::Damaged("the journal does not begin as one".to_owned()));
        }
        Journal::begin_making(&*files.journal)?;
    }
    files.tables.set_len(0).map_err(|error| io_error(&error))?;
    Tree::open(Arc::clone(&files.tables))
        .and_then(|tree| tree.create_tables(FORMAT_VERSION))
        .and_then(Tree::close)
        .map_err(store_error)?;
    Journal::end_making(&*files.journal)
}

fn number(tree: &Tree, key: &[u8]) -> Result<Option<u64>, StoreError> {
    match tree.read().get(Table::State, key)? {
        Some(value) => Ok(Some(record::decode_number(&value).ok_or_else(|| damaged(Table::State))?)),
        None => Ok(None),
    }
}

/// True where nothing is in there, or no more than an empty file of tables: the power may go before both names are safe.
fn is_new(directory: &Path) -> Result<bool, OpenError> {
    let wrong = |error: io::Error| OpenError::of_io(directory, &error);
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if entry.file_name() != TABLES_FILE || entry.metadata().map_err(wrong)?.len() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A new file is only found after a power loss once its directory has been synced.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Here the file system sees to it.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
