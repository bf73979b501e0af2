//! Seeded hashing.

use core::hash::{Hash, Hasher};

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// The hash functions of one index, all of them drawn from one seed.
///
/// foldhash's `FixedState` mixes its seed with constants that everybody knows, and a peer whose input
/// cancels such a constant collides whatever the seed is. Here the constants come from the seed as well.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    constants: SharedSeed,
    start: u64,
}

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { constants: SharedSeed::from_u64(seed), start: seed.rotate_left(32) }
    }

    #[inline]
    fn hasher(&self, start: u64) -> FoldHasher<'_> {
        FoldHasher::with_seed(start, &self.constants)
    }

    #[inline]
    pub(crate) fn bytes(&self, bytes: &[u8]) -> u64 {
        self.bytes_from(self.start, bytes)
    }

    /// Another function for each `start`.
    #[inline]
    pub(crate) fn bytes_from(&self, start: u64, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher(start);
        hasher.write(bytes);
        hasher.finish()
    }

    /// The hash of two words; another function for each `domain`.
    #[inline]
    pub(crate) fn words(&self, domain: u32, first: u64, second: u64) -> u64 {
        self.words_from(self.start.rotate_right(domain), first, second)
    }

    /// Another function for each `start`.
    #[inline]
    pub(crate) fn words_from(&self, start: u64, first: u64, second: u64) -> u64 {
        let mut hasher = self.hasher(start);
        hasher.write_u64(first);
        hasher.write_u64(second);
        hasher.finish()
    }

    /// Folds a number into a hash that another function of the same seed gave.
    #[inline]
    pub(crate) fn extend(&self, hash: u64, number: u32) -> u64 {
        let mut hasher = self.hasher(hash);
        hasher.write_u32(number);
        hasher.finish()
    }

    #[inline]
    pub(crate) fn key(&self, key: impl Hash) -> u64 {
        let mut hasher = self.hasher(self.start);
        key.hash(&mut hasher);
        hasher.finish()
    }
}
