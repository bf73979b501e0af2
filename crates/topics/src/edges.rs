//! The literal edges of a trie, all of them in one hash table keyed by (parent, level).
//!
//! The table holds nothing but the numbers of the children: each node carries the key it hangs by, and the
//! walk is about to look at the node anyway. Used by the wildcard trie and by the retained index alike.

use crate::hash::Seed;
use crate::level::{LevelKey, LongLevels};
use crate::slab::Id;
use crate::table::IdTable;

/// What a node hangs by. Fields and not a [`LevelKey`], so that it packs into 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EdgeKey {
    first: u64,
    last: u64,
    length: u32,
    parent: Id,
}

impl EdgeKey {
    #[inline]
    fn new(parent: Id, level: LevelKey) -> Self {
        Self { first: level.first, last: level.last, length: level.length, parent }
    }

    /// For a node that hangs by something else than a literal level: a root, or the child at `+`.
    pub(crate) fn without_level(parent: Id) -> Self {
        Self { first: 0, last: 0, length: 0, parent }
    }

    #[inline]
    pub(crate) fn parent(&self) -> Id {
        self.parent
    }

    /// Whether it is an edge of this level, whatever the parent.
    pub(crate) fn has_name(&self, level: &Level) -> bool {
        self.level() == level.key
    }

    /// Whether both are edges of the same level.
    pub(crate) fn is_namesake(&self, other: &Self) -> bool {
        self.level() == other.level()
    }

    fn level(&self) -> LevelKey {
        LevelKey { first: self.first, last: self.last, length: self.length }
    }
}

/// A level of the topic at hand, hashed once however many nodes it is looked up under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    key: LevelKey,
    hash: u64,
}

impl Level {
    /// The hash of the level alone, whatever the parent.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Edges {
    seed: Seed,
    children: IdTable,
    long_levels: LongLevels,
}

impl Edges {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self { seed, children: IdTable::new(), long_levels: LongLevels::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.children.len()
    }

    pub(crate) fn long_level_count(&self) -> usize {
        self.long_levels.len()
    }

    /// Prepares a level for look-ups; `None` where no edge of any node has it.
    #[inline]
    pub(crate) fn level(&self, text: &[u8]) -> Option<Level> {
        let key = self.long_levels.key(&self.seed, text)?;
        Some(Level { key, hash: key.hash(&self.seed) })
    }

    /// The child of `parent` at `level`. `hangs_by` tells what a node hangs by.
    #[inline]
    pub(crate) fn find<'n>(
        &self,
        parent: Id,
        level: &Level,
        hangs_by: impl Fn(Id) -> &'n EdgeKey,
    ) -> Option<Id> {
        let wanted = EdgeKey::new(parent, level.key);
        let hash = self.seed.extend(level.hash, parent.get());
        self.children.find(hash, |child| *hangs_by(child) == wanted)
    }

    /// The key for a new edge. It counts as used until [`Edges::remove`].
    pub(crate) fn acquire(&mut self, parent: Id, text: &[u8]) -> EdgeKey {
        EdgeKey::new(parent, self.long_levels.acquire(&self.seed, text))
    }

    pub(crate) fn insert(&mut self, key: &EdgeKey, child: Id) {
        self.children.insert(self.hash(key), child);
    }

    pub(crate) fn remove(&mut self, key: &EdgeKey, child: Id) {
        self.children.remove(self.hash(key), child);
        self.long_levels.release(&self.seed, key.level());
    }

    /// As [`Level::hash`] of the level of an edge.
    pub(crate) fn level_hash(&self, key: &EdgeKey) -> u64 {
        key.level().hash(&self.seed)
    }

    fn hash(&self, key: &EdgeKey) -> u64 {
        self.seed.extend(key.level().hash(&self.seed), key.parent.get())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.children.heap_bytes() + self.long_levels.heap_bytes()
    }
}
