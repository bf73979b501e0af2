//! Topic levels: cutting a text into them, and keys of a fixed size for each.
//!
//! A level of up to 16 bytes *is* its key: its first and its last eight bytes (or four, or fewer) and its
//! length say all of it, because the two ends meet or overlap. Comparing two levels is then comparing three
//! numbers, and the trie holds no text. Longer levels, rare but for UUIDs, are interned: their key is the
//! number of the text. A lookup for a long level that nobody holds ends right there.

use crate::hash::Seed;
use crate::slab::{Id, Slab};
use crate::table::IdTable;

/// Marks a key that is the number of an interned text; no short level is as long.
const INTERNED: u32 = u32::MAX;

/// One topic level. Keys of one [`LongLevels`] are equal exactly where the levels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LevelKey {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) length: u32,
}

impl LevelKey {
    /// `None` for a level of more than 16 bytes.
    #[inline]
    pub(crate) fn short(level: &[u8]) -> Option<Self> {
        let (first, last) = if level.len() > 16 {
            return None;
        } else if let (Some(first), Some(last)) = (level.first_chunk(), level.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (level.first_chunk(), level.last_chunk()) {
            (u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)))
        } else {
            match *level {
                [a] => (u64::from(a), 0),
                [a, b] => (u64::from(a), u64::from(b)),
                [a, b, c] => (u64::from(a), u64::from(u16::from_le_bytes([b, c]))),
                _ => (0, 0),
            }
        };
        let length = u32::try_from(level.len()).ok()?;
        Some(Self { first, last, length })
    }

    fn interned(id: Id) -> Self {
        Self { first: u64::from(id.get()), last: 0, length: INTERNED }
    }

    fn interned_id(self) -> Option<Id> {
        (self.length == INTERNED).then(|| u32::try_from(self.first).ok().and_then(Id::new)).flatten()
    }

    #[inline]
    pub(crate) fn hash(self, seed: &Seed) -> u64 {
        seed.words(self.length, self.first, self.last)
    }
}

/// The levels of a name or filter, cut at each `/`.
///
/// Levels are a few bytes long, so a search that starts anew for each of them is mostly start. This one looks
/// at eight bytes at a time and keeps what it saw of the slashes behind the next one.
#[derive(Clone, Debug)]
pub(crate) struct Levels<'a> {
    /// Where the next level begins; `None` behind the last one.
    rest: Option<&'a [u8]>,
    /// What is left of the text from the eight bytes on that `slashes` is about.
    window: &'a [u8],
    /// The upper bit of each byte of the window that is a slash.
    slashes: u64,
}

impl<'a> Levels<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str) -> Self {
        let text = text.as_bytes();
        Self { rest: Some(text), window: text, slashes: first_slashes(text) }
    }
}

impl<'a> Iterator for Levels<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        while self.slashes == 0 {
            let Some(window) = self.window.get(8..) else {
                self.rest = None;
                return Some(rest);
            };
            self.window = window;
            self.slashes = first_slashes(window);
        }
        let slash = (self.slashes.trailing_zeros() / 8) as usize;
        self.slashes &= self.slashes - 1;
        // Both end where the text does; the window may begin before the level, the slash does not.
        let (level, rest) = rest.split_at_checked(rest.len() + slash - self.window.len())?;
        self.rest = rest.get(1..);
        Some(level)
    }
}

/// The upper bit of each of the first eight bytes that is a slash.
#[inline]
fn first_slashes(window: &[u8]) -> u64 {
    match window.first_chunk() {
        Some(word) => slashes(*word),
        None => {
            let mut word = [0; 8];
            word.iter_mut().zip(window).for_each(|(place, byte)| *place = *byte);
            slashes(word)
        }
    }
}

/// The upper bit of each byte that is a slash.
#[inline]
pub(crate) fn slashes(word: [u8; 8]) -> u64 {
    const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);
    let zero_where_slash = u64::from_le_bytes(word) ^ u64::from_le_bytes([b'/'; 8]);
    !((zero_where_slash & LOW_BITS).wrapping_add(LOW_BITS) | zero_where_slash | LOW_BITS)
}

/// The texts of levels of more than 16 bytes, each once, with a count of who holds it.
#[derive(Clone, Debug)]
pub(crate) struct LongLevels {
    texts: Slab<LongLevel>,
    table: IdTable,
    text_bytes: usize,
}

#[derive(Clone, Debug)]
struct LongLevel {
    text: Box<[u8]>,
    holders: u32,
}

impl LongLevels {
    pub(crate) const fn new() -> Self {
        Self { texts: Slab::new(), table: IdTable::new(), text_bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The key of a level, or `None` where no edge can have it.
    #[inline]
    pub(crate) fn key(&self, seed: &Seed, level: &[u8]) -> Option<LevelKey> {
        LevelKey::short(level).or_else(|| self.interned_key(seed, level))
    }

    #[cold]
    #[inline(never)]
    fn interned_key(&self, seed: &Seed, level: &[u8]) -> Option<LevelKey> {
        if self.texts.is_empty() {
            return None;
        }
        self.find(seed.bytes(level), level).map(LevelKey::interned)
    }

    fn find(&self, hash: u64, level: &[u8]) -> Option<Id> {
        self.table.find(hash, |id| &*self.texts.at(id).text == level)
    }

    /// The key of a level for one more edge. Each call wants a [`LongLevels::release`].
    pub(crate) fn acquire(&mut self, seed: &Seed, level: &[u8]) -> LevelKey {
        if let Some(key) = LevelKey::short(level) {
            return key;
        }
        let hash = seed.bytes(level);
        let id = self.find(hash, level).unwrap_or_else(|| {
            let id = self.texts.insert(LongLevel { text: level.into(), holders: 0 });
            self.table.insert(hash, id);
            self.text_bytes += level.len();
            id
        });
        self.texts.at_mut(id).holders += 1;
        LevelKey::interned(id)
    }

    pub(crate) fn release(&mut self, seed: &Seed, key: LevelKey) {
        let Some(id) = key.interned_id() else { return };
        let level = self.texts.at_mut(id);
        level.holders -= 1;
        if level.holders == 0 {
            let hash = seed.bytes(&level.text);
            self.text_bytes -= level.text.len();
            self.table.remove(hash, id);
            self.texts.remove(id);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.texts.heap_bytes() + self.table.heap_bytes() + self.text_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn levels_are_what_lies_between_slashes(text in "[/a\u{af}\u{2f2f}é0.]{0,40}") {
            let levels: Vec<&[u8]> = Levels::new(&text).collect();
            let expected: Vec<&[u8]> = text.split('/').map(str::as_bytes).collect();
            prop_assert_eq!(levels, expected);
        }

        #[test]
        fn short_keys_are_equal_exactly_where_the_levels_are(
            left in proptest::collection::vec(0_u8..3, 0..=16),
            right in proptest::collection::vec(0_u8..3, 0..=16),
        ) {
            let (left_key, right_key) = (LevelKey::short(&left).unwrap(), LevelKey::short(&right).unwrap());
            prop_assert_eq!(left_key == right_key, left == right);
        }
    }

    #[test]
    fn each_byte_of_a_short_level_is_in_its_key() {
        for length in 1..=16_usize {
            let level = vec![b'a'; length];
            for at in 0..length {
                let mut other = level.clone();
                other[at] = b'b';
                assert_ne!(LevelKey::short(&level), LevelKey::short(&other), "byte {at} of {length}");
            }
        }
        assert_eq!(LevelKey::short(&[b'a'; 17]), None);
    }

    #[test]
    fn a_long_level_lives_as_long_as_its_last_holder() {
        let (seed, mut levels) = (Seed::new(1), LongLevels::new());
        let uuid = b"123e4567-e89b-12d3-a456-426614174000".as_slice();
        let other = b"123e4567-e89b-12d3-a456-426614174001".as_slice();
        assert_eq!(levels.key(&seed, uuid), None);
        let key = levels.acquire(&seed, uuid);
        assert_eq!(levels.acquire(&seed, uuid), key);
        assert_ne!(levels.acquire(&seed, other), key);
        levels.release(&seed, key);
        assert_eq!(levels.key(&seed, uuid), Some(key));
        levels.release(&seed, key);
        assert_eq!((levels.key(&seed, uuid), levels.len()), (None, 1));
        assert!(levels.key(&seed, other).is_some());
    }
}
