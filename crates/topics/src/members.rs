//! A set of subscribers with what each asked for, in one vector.
//!
//! Matching wants the subscribers side by side; subscribing wants to find one among a hundred thousand. So
//! a set that has grown past a scan gets a table of positions beside its vector, and loses it when it has
//! shrunk. No operation costs more than a short scan or a look-up, however many subscribe to one filter.

use core::hash::Hash;

use hashbrown::HashTable;

use crate::hash::Seed;

/// Up to here a scan is as fast as a look-up, and takes no memory.
const SCANNED: usize = 32;

#[derive(Clone, Debug)]
pub(crate) struct Members<K, V> {
    entries: Vec<(K, V)>,
    /// Positions in `entries` by the hash of the key. Boxed: most sets are small and there are many.
    positions: Option<Box<HashTable<u32>>>,
}

impl<K: Copy + Eq + Hash, V> Members<K, V> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), positions: None }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[(K, V)] {
        &self.entries
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn position(&self, seed: &Seed, key: K) -> Option<usize> {
        match &self.positions {
            None => self.entries.iter().position(|(other, _)| *other == key),
            Some(positions) => positions
                .find(seed.key(key), |at| {
                    self.entries.get(*at as usize).is_some_and(|(other, _)| *other == key)
                })
                .map(|at| *at as usize),
        }
    }

    pub(crate) fn get(&self, seed: &Seed, key: K) -> Option<&V> {
        self.entries.get(self.position(seed, key)?).map(|(_, value)| value)
    }

    /// Adds a member at the end, or replaces its value where it is and returns the one before.
    pub(crate) fn insert(&mut self, seed: &Seed, key: K, value: V) -> Option<V> {
        if let Some((_, old)) = self.position(seed, key).and_then(|at| self.entries.get_mut(at)) {
            return Some(core::mem::replace(old, value));
        }
        self.entries.push((key, value));
        let entries = &self.entries;
        match &mut self.positions {
            Some(positions) => {
                positions
                    .insert_unique(seed.key(key), index(entries.len() - 1), |at| hash_at(entries, seed, *at));
            }
            None if entries.len() > SCANNED => {
                let mut positions = HashTable::with_capacity(entries.len() * 2);
                for (at, (key, _)) in entries.iter().enumerate() {
                    positions.insert_unique(seed.key(key), index(at), |at| hash_at(entries, seed, *at));
                }
                self.positions = Some(Box::new(positions));
            }
            None => {}
        }
        None
    }

    /// Takes out the member at this position; the last one moves to its place.
    pub(crate) fn swap_remove(&mut self, seed: &Seed, at: usize) -> Option<(K, V)> {
        let last = self.entries.len().checked_sub(1)?;
        self.swap(seed, at, last);
        let (key, value) = self.entries.pop()?;
        if let Some(positions) = &mut self.positions {
            if let Ok(found) = positions.find_entry(seed.key(key), |at| *at == index(last)) {
                found.remove();
            }
            if last <= SCANNED / 2 {
                self.positions = None;
            } else if last < positions.capacity() / 8 {
                let entries = &self.entries;
                positions.shrink_to(last * 2, |at| hash_at(entries, seed, *at));
            }
        }
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
        Some((key, value))
    }

    /// Exchanges two members' positions.
    pub(crate) fn swap(&mut self, seed: &Seed, left: usize, right: usize) {
        if left == right || left.max(right) >= self.entries.len() {
            return;
        }
        if let Some(positions) = &mut self.positions {
            let of = |at: usize| {
                let hash = hash_at(&self.entries, seed, index(at));
                positions.find_bucket_index(hash, |other| *other == index(at))
            };
            let (left_bucket, right_bucket) = (of(left), of(right));
            for (bucket, at) in [(left_bucket, right), (right_bucket, left)] {
                if let Some(slot) = bucket.and_then(|bucket| positions.get_bucket_mut(bucket)) {
                    *slot = index(at);
                }
            }
        }
        self.entries.swap(left, right);
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let positions = self
            .positions
            .as_ref()
            .map_or(0, |positions| positions.allocation_size() + size_of::<HashTable<u32>>());
        self.entries.capacity() * size_of::<(K, V)>() + positions
    }
}

/// Positions are kept in four bytes.
#[expect(clippy::expect_used, reason = "2^32 members of at least 4 bytes each would be 16 GiB in one filter")]
fn index(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^32 members")
}

fn hash_at<K: Hash, V>(entries: &[(K, V)], seed: &Seed, at: u32) -> u64 {
    entries.get(at as usize).map_or(0, |(key, _)| seed.key(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Sizes on both sides of where the table comes and goes.
        #[test]
        fn a_set_behaves_like_a_map(steps in proptest::collection::vec((0_u8..2, 0_u32..60, 0_u16..9), 0..400)) {
            let (seed, mut members, mut model) = (Seed::new(7), Members::new(), BTreeMap::new());
            for (operation, key, value) in steps {
                if operation == 0 {
                    prop_assert_eq!(members.insert(&seed, key, value), model.insert(key, value));
                } else {
                    let removed = members.position(&seed, key).and_then(|at| members.swap_remove(&seed, at));
                    prop_assert_eq!(removed, model.remove_entry(&key));
                }
                prop_assert_eq!(members.len(), model.len());
                for key in 0..60 {
                    prop_assert_eq!(members.get(&seed, key), model.get(&key));
                }
            }
        }
    }

    #[test]
    fn positions_follow_a_swap() {
        let (seed, mut members) = (Seed::new(7), Members::new());
        for key in 0..100_u32 {
            members.insert(&seed, key, key);
        }
        members.swap(&seed, 3, 96);
        assert_eq!((members.position(&seed, 3), members.position(&seed, 96)), (Some(96), Some(3)));
        assert_eq!(members.get(&seed, 3), Some(&3));
    }

    #[test]
    fn a_set_that_shrank_gives_memory_back() {
        let (seed, mut members) = (Seed::new(7), Members::new());
        for key in 0..10_000_u32 {
            members.insert(&seed, key, 0_u64);
        }
        let full = members.heap_bytes();
        while members.len() > 3 {
            members.swap_remove(&seed, 0);
        }
        assert!(members.heap_bytes() < full / 100, "{} of {full}", members.heap_bytes());
    }
}
