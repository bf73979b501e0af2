//! A topic name or filter cut into its levels once, for all shapes that it is looked up under.
//!
//! Each level is hashed by a function of its place, and the hashes are added up from the left, so that those of any
//! run of levels are the difference of two sums. A name of five levels is read once, whether it is looked up under
//! one shape or under ten.

use crate::hash::Seed;
use crate::level::slashes;

/// Filters of more levels than this have no shape, and levels past it are not looked at.
pub(crate) const MOST_LEVELS: usize = 16;

/// The functions that hash a level, one for each place that it may have.
///
/// They are as good as independent. Were they one function, two levels that change places would collide, and equal
/// levels cancel each other out, whatever the seed is.
#[derive(Clone, Debug)]
pub(crate) struct LevelHashes {
    seed: Seed,
    starts: [u64; MOST_LEVELS],
}

impl LevelHashes {
    pub(crate) fn new(seed: Seed) -> Self {
        let mut starts = [0; MOST_LEVELS];
        for (place, start) in (0_u64..).zip(&mut starts) {
            *start = seed.words(0, place, 0);
        }
        Self { seed, starts }
    }
}

/// See the head of this file.
pub(crate) struct Cut<'a> {
    text: &'a [u8],
    /// Where each level ends. A text has at most 65,535 bytes.
    ends: [u16; MOST_LEVELS],
    /// The sum of the hashes of all levels before this one.
    sums: [u64; MOST_LEVELS + 1],
    count: usize,
}

impl<'a> Cut<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str, hashes: &LevelHashes) -> Self {
        let mut cut = Self::uncut(text);
        cut.cut(hashes);
        cut
    }

    /// To be cut in its place: it is large enough for a move to cost.
    #[inline]
    pub(crate) fn uncut(text: &'a str) -> Self {
        Self { text: text.as_bytes(), ends: [0; MOST_LEVELS], sums: [0; MOST_LEVELS + 1], count: 0 }
    }

    #[inline]
    pub(crate) fn cut(&mut self, hashes: &LevelHashes) {
        if self.text.len() <= USUAL_BYTES { self.cut_usual(hashes) } else { self.cut_any(hashes) }
    }

    /// The plain way, for texts of any length.
    #[cold]
    #[inline(never)]
    fn cut_any(&mut self, hashes: &LevelHashes) {
        let mut begin = 0;
        for level in self.text.split(|byte| *byte == b'/') {
            let end = begin + level.len();
            self.push(hashes, end, |start| match level.len() {
                0..=LONGEST_WORDS => {
                    let mut words = [0; LONGEST_WORDS];
                    words.iter_mut().zip(level).for_each(|(place, byte)| *place = *byte);
                    hash_words(&hashes.seed, start, u128::from_le_bytes(words))
                }
                _ => hashes.seed.bytes_from(start, level),
            });
            begin = end + 1;
        }
    }

    /// The same for texts of which all slashes fit in one word. They are found at once, and a level is two words of the
    /// text without what is behind its end, so that nothing depends on what is in the text but how many levels there
    /// are.
    #[inline]
    fn cut_usual(&mut self, hashes: &LevelHashes) {
        let text = self.text;
        let mut ends = slash_bits(text) | 1 << text.len();
        let mut begin = 0;
        while ends != 0 {
            let end = ends.trailing_zeros() as usize;
            ends &= ends - 1;
            self.push(hashes, end, |start| match MASKS.get(end - begin) {
                Some(mask) => hash_words(&hashes.seed, start, words_at(text, begin) & mask),
                None => hashes.seed.bytes_from(start, text.get(begin..end).unwrap_or_default()),
            });
            begin = end + 1;
        }
    }

    #[inline]
    fn push(&mut self, hashes: &LevelHashes, end: usize, hash: impl FnOnce(u64) -> u64) {
        let at = self.count;
        let (Some(start), Some(place)) = (hashes.starts.get(at), self.ends.get_mut(at)) else {
            self.count = MOST_LEVELS + 1;
            return;
        };
        #[expect(clippy::cast_possible_truncation, reason = "a text has at most 65,535 bytes")]
        let end = end as u16;
        *place = end;
        let sum = self.sums.get(at).copied().unwrap_or_default();
        if let Some(next) = self.sums.get_mut(at + 1) {
            *next = sum.wrapping_add(hash(*start));
        }
        self.count += 1;
    }

    /// The number of levels; one more than [`MOST_LEVELS`] stands for any number past it.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The sum of the hashes of some levels that are there.
    #[inline]
    pub(crate) fn hash_of(&self, from: usize, to: usize) -> u64 {
        let sum = |at: usize| self.sums.get(at).copied().unwrap_or_default();
        sum(to).wrapping_sub(sum(from))
    }

    /// Some levels that are there, at least one, with the slashes between them.
    #[inline]
    pub(crate) fn text_of(&self, from: usize, to: usize) -> &'a [u8] {
        let end_before = |at: usize| Some(usize::from(*self.ends.get(at.checked_sub(1)?)?));
        let begin = end_before(from).map_or(0, |end| end + 1);
        self.text.get(begin..end_before(to).unwrap_or_default()).unwrap_or_default()
    }
}

/// Texts of more bytes are cut the plain way.
const USUAL_BYTES: usize = 63;
/// Levels of up to so many bytes are hashed as two words, filled up with zeros. No level has a zero in it, so no two
/// of them are the same words.
const LONGEST_WORDS: usize = 16;
/// What keeps the first so many bytes of two words.
#[expect(clippy::indexing_slicing, reason = "made by the compiler, which would say so")]
const MASKS: [u128; LONGEST_WORDS + 1] = {
    let mut masks = [0; LONGEST_WORDS + 1];
    let mut length = 1;
    while length <= LONGEST_WORDS {
        masks[length] = u128::MAX >> (128 - 8 * length);
        length += 1;
    }
    masks
};

/// The two words of a text from one of its bytes, or its end, on; zeros behind its end.
#[inline]
fn words_at(text: &[u8], begin: usize) -> u128 {
    let rest = text.get(begin..).unwrap_or_default();
    if let Some(words) = rest.first_chunk() {
        u128::from_le_bytes(*words)
    } else if let (Some(words), 1..) = (text.last_chunk::<LONGEST_WORDS>(), rest.len()) {
        u128::from_le_bytes(*words) >> (8 * (LONGEST_WORDS - rest.len()))
    } else {
        let mut words = [0; LONGEST_WORDS];
        words.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        u128::from_le_bytes(words)
    }
}

/// Which of the first 64 bytes are slashes.
#[inline]
fn slash_bits(text: &[u8]) -> u64 {
    // One bit of each byte, pushed together.
    let bits = |word| (slashes(word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let (words, rest) = text.as_chunks::<8>();
    let (mut all, mut shift) = (0, 0);
    for word in words.iter().take(8) {
        all |= bits(*word) << shift;
        shift += 8;
    }
    if rest.is_empty() || shift > USUAL_BYTES {
        return all;
    }
    // The last word overlaps the one before, where there is one.
    match text.last_chunk() {
        Some(word) => all | bits(*word) << (shift + rest.len() - 8),
        None => {
            let mut word = [0; 8];
            word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
            bits(word)
        }
    }
}

#[inline]
fn hash_words(seed: &Seed, start: u64, words: u128) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    seed.words_from(start, words as u64, (words >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashes() -> LevelHashes {
        LevelHashes::new(Seed::new(7))
    }

    proptest! {
        #[test]
        fn a_run_of_levels_is_the_text_between_its_slashes(text in "[/aé]{0,80}", from in 0_usize..16, more in 1_usize..16) {
            let hashes = hashes();
            let cut = Cut::new(&text, &hashes);
            let levels: Vec<&str> = text.split('/').collect();
            prop_assert_eq!(cut.count(), levels.len().min(MOST_LEVELS + 1));
            let to = (from + more).min(MOST_LEVELS);
            if let Some(run) = levels.get(from..to).map(|run| run.join("/")) {
                prop_assert_eq!(cut.text_of(from, to), run.as_bytes());
            }
        }

        #[test]
        fn a_run_hashes_the_same_wherever_the_rest_differs(
            left in "[ab]{0,20}", right in "[ab]{0,20}", run in "[ab/]{0,40}",
        ) {
            let hashes = hashes();
            let (left, right) = (format!("{left}/{run}"), format!("{right}/{run}"));
            let (left, right) = (Cut::new(&left, &hashes), Cut::new(&right, &hashes));
            let to = left.count().min(MOST_LEVELS);
            prop_assert_eq!(left.hash_of(1, to), right.hash_of(1, to));
        }
    }

    #[test]
    fn a_text_that_is_cut_the_plain_way_hashes_the_same() {
        let hashes = hashes();
        for length in 0..=40 {
            let level = "abcdefghij".repeat(4).split_at(length).0.to_owned();
            let usual = format!("{level}/x/{level}").chars().take(USUAL_BYTES).collect::<String>();
            let long = format!("{usual}/{}", "y".repeat(USUAL_BYTES));
            let (usual, long) = (Cut::new(&usual, &hashes), Cut::new(&long, &hashes));
            assert_eq!((usual.count(), long.count()), (3, 4));
            for level in 0..3 {
                assert_eq!(usual.hash_of(level, level + 1), long.hash_of(level, level + 1));
            }
        }
    }

    #[test]
    fn levels_that_change_places_or_repeat_do_not_cancel_out() {
        let hashes = hashes();
        let hash = |text: &str| {
            let cut = Cut::new(text, &hashes);
            cut.hash_of(0, cut.count())
        };
        let texts = ["a/b", "b/a", "a/a", "b/b", "", "/", "//", "a", "a/", "/a", "ab", "a/b/a", "b/a/b"];
        for (at, text) in texts.iter().enumerate() {
            for other in &texts[..at] {
                assert_ne!(hash(text), hash(other), "{text} and {other}");
            }
        }
    }
}
