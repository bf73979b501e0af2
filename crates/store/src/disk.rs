//! The store on a disk.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use topicwire_broker::Delivery;
use topicwire_broker::store::{Fetch, Record, Store, StoreBatch, StoreError};
use topicwire_codec::QoS;

use crate::open::{self, OpenError};
use crate::tree::{Tree, store_error};
use crate::{StoreFile, contents, plan};

/// What a batch survives, once [`Store::commit`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The process being killed: it has reached the operating system.
    Process,
    /// A power loss as well: it has reached the disk.
    Power,
}

/// Keeps Sessions and retained messages in a directory.
///
/// A commit that fails leaves things so that the same batch can be committed later; one that turns out to have been committed
/// after all counts as committed.
pub struct DiskStore {
    directory: PathBuf,
    file: Arc<dyn StoreFile>,
    durability: Durability,
    /// None after the engine has failed, until it is opened again.
    tree: Option<Tree>,
    last_sequence: u64,
}

impl DiskStore {
    /// Opens the store in this directory, or makes one where there is nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, OpenError> {
        Self::open_on(directory, open::open_files(directory)?, durability)
    }

    /// The same on a file of the caller's. The directory is for messages only.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        directory: &Path,
        file: Arc<dyn StoreFile>,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        let (tree, last_sequence) = open::open_tree(directory, &file, durability)?;
        Ok(Self { directory: directory.to_path_buf(), file, durability, tree: Some(tree), last_sequence })
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

    /// The engine, opened again where it has failed.
    fn tree(&mut self) -> Result<&Tree, StoreError> {
        let tree = match self.tree.take() {
            Some(tree) => tree,
            None => {
                let (tree, last_sequence) = open::open_tree(&self.directory, &self.file, self.durability)
                    .map_err(StoreError::from)?;
                // A batch with nothing in it has not been written.
                self.last_sequence = self.last_sequence.max(last_sequence);
                tree
            }
        };
        Ok(self.tree.insert(tree))
    }
}

impl Store for DiskStore {
    fn commit(&mut self, batch: &StoreBatch) -> Result<(), StoreError> {
        self.tree()?;
        if batch.sequence == self.last_sequence {
            return Ok(());
        }
        if batch.sequence != self.last_sequence + 1 {
            let last = self.last_sequence;
            return Err(StoreError::Failed(format!("batch {} after batch {last}", batch.sequence)));
        }
        if batch.operations.is_empty() {
            // All that was in it has ended meanwhile.
            self.last_sequence = batch.sequence;
            return Ok(());
        }
        let tree = self.tree()?;
        let changes = plan::plan(batch, &tree.read()?)?;
        if let Err(error) = tree.commit(&changes) {
            self.tree = None;
            return Err(store_error(error));
        }
        self.last_sequence = batch.sequence;
        Ok(())
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<Vec<(QoS, Delivery)>, StoreError> {
        contents::fetch(&self.tree()?.read()?, fetch)
    }

    fn contents(&mut self, each: &mut dyn FnMut(Record)) -> Result<u64, StoreError> {
        contents::tell(&self.tree()?.read()?, each)?;
        Ok(self.last_sequence)
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
