//! Topics that came lately, so that JavaScript need not make a string twice.
//!
//! A table of fixed size, one topic a slot; JavaScript has an array of strings with the same slots. A topic goes
//! to the one slot that its hash names and pushes out whoever was there, so a peer that sends a new topic each time,
//! or picks those that meet in a slot, makes itself slow and nothing grow. Whoever is told of a new owner has to
//! make its string before the next packet is looked at: later packets may find it, or push it out.

use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// How many topics are remembered.
const SLOTS: usize = 4096;
/// Longer ones are not remembered: a slot with its length is one cache line.
const LONGEST: usize = 63;

/// Where the string of a topic is in JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this slot, from 1 on.
    Known(u32),
    /// It has just been given this slot.
    New(u32),
    /// It is not remembered.
    Nowhere,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Slot {
    /// 0: nobody is here. The empty topic is not remembered.
    length: u8,
    bytes: [u8; LONGEST],
}

pub(crate) struct RecentTopics {
    /// Empty until the first topic comes.
    slots: Vec<Slot>,
}

impl RecentTopics {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Finds a topic, or gives it a slot.
    #[inline]
    pub(crate) fn place(&mut self, topic_name: &[u8]) -> Place {
        let length = topic_name.len();
        if length == 0 || length > LONGEST {
            return Place::Nowhere;
        }
        if self.slots.is_empty() {
            self.slots = vec![Slot { length: 0, bytes: [0; LONGEST] }; SLOTS];
        }
        let mut hasher = FoldHasher::with_seed(0, SharedSeed::global_fixed());
        hasher.write(topic_name);
        let index = hasher.finish() as usize % SLOTS;
        let Some(slot) = self.slots.get_mut(index) else { return Place::Nowhere };
        let number = index as u32 + 1;
        if usize::from(slot.length) == length && slot.bytes.get(..length) == Some(topic_name) {
            return Place::Known(number);
        }
        slot.length = length as u8;
        if let Some(place) = slot.bytes.get_mut(..length) {
            place.copy_from_slice(topic_name);
        }
        Place::New(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_new_once() {
        let mut topics = RecentTopics::new();
        let Place::New(slot) = topics.place(b"a/b") else { panic!("not new") };
        assert_eq!(topics.place(b"a/b"), Place::Known(slot));
        assert_ne!(topics.place(b"a/c"), Place::Known(slot));
        assert!((1..=SLOTS as u32).contains(&slot));
    }

    #[test]
    fn a_topic_whose_slot_was_taken_is_new_again() {
        let mut topics = RecentTopics::new();
        let Place::New(slot) = topics.place(b"0") else { panic!("not new") };
        let rival = (1..)
            .map(|number| format!("{number}"))
            .find(|topic| topics.place(topic.as_bytes()) == Place::New(slot))
            .unwrap();
        assert_eq!(topics.place(b"0"), Place::New(slot));
        assert_eq!(topics.place(rival.as_bytes()), Place::New(slot));
    }

    #[test]
    fn the_empty_topic_and_long_ones_are_not_remembered() {
        let mut topics = RecentTopics::new();
        assert_eq!(topics.place(b""), Place::Nowhere);
        assert_eq!(topics.place(&[b'a'; LONGEST + 1]), Place::Nowhere);
        assert!(matches!(topics.place(&[b'a'; LONGEST]), Place::New(_)));
        assert!(matches!(topics.place(&[b'a'; LONGEST]), Place::Known(_)));
        assert!(matches!(topics.place(&[b'a'; LONGEST - 1]), Place::New(_)));
    }
}
