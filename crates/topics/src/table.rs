//! The hash table of ids that everything in this crate is found through.
//!
//! A slot is eight bytes, an id and half of its hash, and eight slots are a cache line. A hash names a line, and an id
//! lies in that line or, where it was full, in the next one that was not; a look-up reads on until it meets the id or a
//! line with room. Where a table of control bytes and a table of values would be two cache misses one behind the other,
//! this is one, and the walk of a trie is a chain of look-ups that each wait for the one before. All hashes of a line are
//! compared at once, without a branch for each, so that the processor has nothing to guess before the line is there.
//! Because half of the hash is in the slot, a comparison that fails hardly ever looks at what an id stands for, and
//! growing never does.
//!
//! Removal brings back what had to go on to another line, so there are no tombstones, and a table that thousands come to
//! and leave again is as good as new.

use crate::slab::Id;

/// The slots of a line.
const SLOTS: usize = 8;

/// A set of ids by hash. What an id stands for is looked at by the caller, in the slab that it numbers.
#[derive(Clone, Debug)]
pub(crate) struct IdTable {
    /// None at all, or a power of two of them in which a quarter of the slots or more is vacant.
    lines: Vec<Line>,
    len: usize,
    /// How far a tag is shifted to the right to name a line.
    shift: u32,
}

/// What the line that a hash names has to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// The bits of the slots with this half of the hash.
    with_tag: u8,
    /// Then the id may be in another line.
    is_full: bool,
}

impl Look {
    /// Whether an id with this hash may be in the table: hardly ever said in vain.
    #[inline]
    pub(crate) fn is_hopeful(self) -> bool {
        (self.with_tag != 0) | self.is_full
    }
}

/// Filled from the front, without gaps.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line {
    /// Halves of hashes; their upper bits name the line that the id would like to be in.
    tags: [u32; SLOTS],
    ids: [Option<Id>; SLOTS],
}

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    /// The bits of the slots that have this tag, vacant ones among them.
    #[inline]
    fn with_tag(&self, tag: u32) -> u32 {
        self.tags.iter().enumerate().fold(0, |found, (at, other)| found | u32::from(*other == tag) << at)
    }

    #[inline]
    fn has_room(&self) -> bool {
        let [.., last] = self.ids;
        last.is_none()
    }

    fn len(&self) -> usize {
        self.ids.iter().take_while(|id| id.is_some()).count()
    }

    fn set(&mut self, at: usize, tag: u32, id: Option<Id>) {
        if let (Some(tag_place), Some(id_place)) = (self.tags.get_mut(at), self.ids.get_mut(at)) {
            (*tag_place, *id_place) = (tag, id);
        }
    }

    fn slots(&self) -> impl Iterator<Item = (u32, Id)> {
        self.tags.into_iter().zip(self.ids).map_while(|(tag, id)| Some((tag, id?)))
    }
}

impl IdTable {
    pub(crate) const fn new() -> Self {
        Self { lines: Vec::new(), len: 0, shift: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The id with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(Id) -> bool) -> Option<Id> {
        self.find_from(self.look(hash), hash, is_it)
    }

    /// The same where [`IdTable::look`] has been asked before.
    #[inline]
    pub(crate) fn find_from(&self, look: Look, hash: u64, mut is_it: impl FnMut(Id) -> bool) -> Option<Id> {
        let tag = tag(hash);
        let mut at = self.home(tag);
        let mut found = u32::from(look.with_tag);
        loop {
            // A table without lines ends here, any other at a line with room.
            let line = self.lines.get(at)?;
            while found != 0 {
                let id = line.ids.get(found.trailing_zeros() as usize).copied().flatten();
                if let Some(id) = id.filter(|id| is_it(*id)) {
                    return Some(id);
                }
                found &= found - 1;
            }
            if line.has_room() {
                return None;
            }
            at = self.next(at);
            found = self.lines.get(at)?.with_tag(tag);
        }
    }

    /// Looks at the line that a hash names, and decides nothing that the processor would have to wait for: it brings the
    /// lines of several tables into the cache at the same time.
    #[inline]
    pub(crate) fn look(&self, hash: u64) -> Look {
        let tag = tag(hash);
        self.lines.get(self.home(tag)).map_or(Look::default(), |line| {
            #[expect(clippy::cast_possible_truncation, reason = "a bit for each of eight slots")]
            let with_tag = line.with_tag(tag) as u8;
            Look { with_tag, is_full: !line.has_room() }
        })
    }

    /// Adds an id that is not in the table.
    pub(crate) fn insert(&mut self, hash: u64, id: Id) {
        if (self.len + 1) * 4 > self.lines.len() * SLOTS * 3 {
            self.resize((self.lines.len() * 2).max(1));
        }
        self.place(tag(hash), id);
        self.len += 1;
    }

    /// Puts another id in the place of one that was inserted under the same hash.
    pub(crate) fn replace(&mut self, hash: u64, old: Id, new: Id) {
        let Some((at, slot)) = self.position(hash, old) else { return };
        if let Some(line) = self.lines.get_mut(at) {
            line.set(slot, tag(hash), Some(new));
        }
    }

    /// Removes an id that was inserted under this hash; an id that was not is left alone.
    pub(crate) fn remove(&mut self, hash: u64, id: Id) {
        let Some((mut at, mut slot)) = self.position(hash, id) else { return };
        while let Some(line) = self.lines.get_mut(at) {
            let (was_full, last) = (!line.has_room(), line.len() - 1);
            let moved = line.slots().nth(last);
            line.set(slot, moved.map_or(0, |(tag, _)| tag), moved.map(|(_, id)| id));
            line.set(last, 0, None);
            // Others may have gone past this line because it was full. One of them comes back, and leaves a hole itself.
            let Some((from, hole, tag, id)) = was_full.then(|| self.gone_past(at)).flatten() else { break };
            if let Some(line) = self.lines.get_mut(at) {
                line.set(last, tag, Some(id));
            }
            (at, slot) = (from, hole);
        }
        self.len -= 1;
        // Shrinks late, so that a size that goes to and fro does not resize each time.
        if self.len * 8 < self.lines.len() * SLOTS && self.lines.len() > 1 {
            self.resize(self.lines.len() / 2);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// The line and the slot of an id that was inserted under this hash.
    fn position(&self, hash: u64, id: Id) -> Option<(usize, usize)> {
        let mut at = self.home(tag(hash));
        loop {
            let line = self.lines.get(at)?;
            if let Some(slot) = line.ids.iter().position(|other| *other == Some(id)) {
                return Some((at, slot));
            }
            if line.has_room() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Some id that lies in a later line although it would like to be in this one or one before it: where it lies, the
    /// line and the slot, and what is there.
    fn gone_past(&self, line: usize) -> Option<(usize, usize, u32, Id)> {
        let mask = self.lines.len() - 1;
        let mut at = self.next(line);
        // Ends at a line with room: a quarter of all slots is vacant, and the line with the hole was full.
        loop {
            let other = self.lines.get(at)?;
            let gone_past = |tag| at.wrapping_sub(self.home(tag)) & mask >= at.wrapping_sub(line) & mask;
            let found = other.slots().enumerate().find(|(_, (tag, _))| gone_past(*tag));
            if let Some((slot, (tag, id))) = found {
                return Some((at, slot, tag, id));
            }
            if other.has_room() {
                return None;
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag.checked_shr(self.shift).unwrap_or(0) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.lines.len() - 1)
    }

    /// Puts an id into the first line from its own on that has room. There is one.
    fn place(&mut self, tag: u32, id: Id) {
        let mut at = self.home(tag);
        while self.lines.get(at).is_some_and(|line| !line.has_room()) {
            at = self.next(at);
        }
        if let Some(line) = self.lines.get_mut(at) {
            line.set(line.len(), tag, Some(id));
        }
    }

    fn resize(&mut self, line_count: usize) {
        let lines = core::mem::replace(&mut self.lines, vec![Line::default(); line_count]);
        self.shift = u32::BITS - line_count.trailing_zeros();
        for (tag, id) in lines.iter().flat_map(Line::slots) {
            self.place(tag, id);
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are in the half that is kept")]
fn tag(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> Id {
        Id::new(number).unwrap()
    }

    proptest! {
        /// Hashes of few values, so that runs of slots meet, wrap around and are shifted back.
        #[test]
        fn a_table_behaves_like_a_set(
            bits in 0_u32..4,
            steps in proptest::collection::vec((any::<bool>(), 1_u32..60), 0..300),
        ) {
            let hash = |number: u32| u64::from(number << (32 - bits.max(1)) & !(u32::MAX >> bits));
            let (mut table, mut model) = (IdTable::new(), BTreeSet::new());
            for (insert, number) in steps {
                if !insert {
                    table.remove(hash(number), id(number));
                    model.remove(&number);
                } else if model.insert(number) {
                    table.insert(hash(number), id(number));
                }
                prop_assert_eq!(table.len(), model.len());
                for number in 1..60 {
                    let found = table.find(hash(number), |other| other == id(number));
                    prop_assert_eq!(found.is_some(), model.contains(&number));
                }
            }
        }
    }

    #[test]
    fn a_look_up_asks_only_about_ids_of_the_same_hash() {
        let mut table = IdTable::new();
        for number in 1..=1_000 {
            table.insert(u64::from(number) << 20, id(number));
        }
        for number in 1..=1_000 {
            let mut asked = Vec::new();
            table.find(u64::from(number) << 20, |other| {
                asked.push(other);
                false
            });
            assert_eq!(asked, [id(number)]);
        }
    }

    #[test]
    fn a_table_grows_and_shrinks_with_what_is_in_it() {
        let mut table = IdTable::new();
        assert_eq!(table.heap_bytes(), 0);
        for number in 1..=10_000_u32 {
            table.insert(u64::from(number.reverse_bits()), id(number));
        }
        let full = table.heap_bytes();
        assert!((10_000 * 8 * 4 / 3..10_000 * 8 * 4).contains(&full), "{full}");
        for number in 1..=10_000_u32 {
            table.remove(u64::from(number.reverse_bits()), id(number));
        }
        assert_eq!((table.len(), table.heap_bytes()), (0, size_of::<Line>()));
    }
}
