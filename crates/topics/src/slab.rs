//! Numbered slots: what the indexes keep their nodes and leaves in, so that a link is four bytes.

use core::num::NonZeroU32;

/// The number of a slot. `Option<Id>` is four bytes as well.
pub(crate) type Id = NonZeroU32;

/// What an emptied slab keeps, so that one item that comes and goes does not allocate each time.
const KEPT_SLOTS: usize = 64;

/// A vector with holes; a hole is filled again before the vector grows.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<Id>,
    /// The first so many items are never removed: the roots of a trie.
    permanent: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), permanent: 0 }
    }

    /// A slab with items that are numbered from one on and stay.
    pub(crate) fn with_permanent<const N: usize>(items: [T; N]) -> Self {
        Self { slots: items.map(Some).into(), free: Vec::new(), permanent: N }
    }

    /// The items that may be removed.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len() - self.permanent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn insert(&mut self, item: T) -> Id {
        if let Some(id) = self.free.pop() {
            if let Some(slot) = self.slots.get_mut(position(id)) {
                *slot = Some(item);
            }
            return id;
        }
        self.slots.push(Some(item));
        #[expect(clippy::expect_used, reason = "2^32 slots of at least 24 bytes are more than memory holds")]
        u32::try_from(self.slots.len()).ok().and_then(Id::new).expect("fewer than 2^32 slots")
    }

    /// Takes an item out; its number may be given to another one from now on.
    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let item = self.slots.get_mut(position(id))?.take()?;
        self.free.push(id);
        if self.is_empty() {
            // What a storm of subscriptions grew is given back, and numbers start afresh.
            self.slots.truncate(self.permanent);
            self.slots.shrink_to(KEPT_SLOTS);
            self.free.clear();
            self.free.shrink_to(KEPT_SLOTS);
        }
        Some(item)
    }

    #[inline]
    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        self.slots.get(position(id))?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.slots.get_mut(position(id))?.as_mut()
    }

    /// The item behind a link of the same index.
    #[inline]
    #[expect(clippy::expect_used, reason = "an index removes the last link to an item before the item")]
    pub(crate) fn at(&self, id: Id) -> &T {
        self.get(id).expect("a link leads to an item")
    }

    /// As [`Slab::at`].
    #[inline]
    #[expect(clippy::expect_used, reason = "an index removes the last link to an item before the item")]
    pub(crate) fn at_mut(&mut self, id: Id) -> &mut T {
        self.get_mut(id).expect("a link leads to an item")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Option<T>>() + self.free.capacity() * size_of::<Id>()
    }
}

#[inline]
fn position(id: Id) -> usize {
    // Ids fit in `usize` on every target that Rust's standard library has: they were made from a length.
    id.get() as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_before_the_slab_grows() {
        let mut slab = Slab::new();
        let (first, second) = (slab.insert("a"), slab.insert("b"));
        assert_eq!(slab.remove(first), Some("a"));
        assert_eq!((slab.len(), slab.get(first)), (1, None));
        assert_eq!(slab.insert("c"), first);
        assert_eq!((slab.at(first), slab.at(second)), (&"c", &"b"));
    }

    #[test]
    fn an_item_is_removed_once() {
        let mut slab = Slab::new();
        let (first, _second) = (slab.insert(1), slab.insert(2));
        assert_eq!((slab.remove(first), slab.remove(first)), (Some(1), None));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn an_emptied_slab_numbers_like_a_new_one() {
        let mut slab = Slab::new();
        let ids = [slab.insert(1), slab.insert(2), slab.insert(3)];
        for id in ids {
            slab.remove(id);
        }
        assert!(slab.is_empty());
        assert_eq!(slab.insert(4), ids[0]);
    }
}
