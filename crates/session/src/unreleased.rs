//! The identifiers of QoS 2 messages that have come and await PUBREL, each with whether its PUBLISH has come on this
//! Network Connection.
//!
//! Two bits for each identifier, in pages of 512 that exist while one of theirs is in use. Peers count upwards, so there
//! are one or two of them and the last one that was made is asked first; a peer that picks its identifiers as badly as it
//! can has 128 pages, 17 KiB, and each of its packets looks through them.

use topicwire_codec::PacketId;

const WORDS: usize = 8;

#[derive(Debug)]
struct Page {
    number: u8,
    waiting_count: u16,
    waiting: [u64; WORDS],
    /// Never without the bit in `waiting`.
    current: [u64; WORDS],
}

/// A set of packet identifiers.
#[derive(Debug, Default)]
pub(crate) struct Unreleased {
    pages: Vec<Page>,
    current_count: usize,
}

/// Where an identifier is: page, word and bit.
#[inline]
fn place(packet_id: PacketId) -> (u8, usize, u64) {
    let [high, low] = packet_id.value().to_be_bytes();
    (high >> 1, usize::from(high & 1) << 2 | usize::from(low >> 6), 1 << (low & 63))
}

impl Unreleased {
    #[inline]
    fn page_mut(&mut self, number: u8) -> Option<&mut Page> {
        self.pages.iter_mut().rev().find(|page| page.number == number)
    }

    /// The page's words that hold this bit, made where there are none.
    #[inline]
    fn words(&mut self, number: u8, word: usize) -> Option<(&mut u16, &mut u64, &mut u64)> {
        if self.page_mut(number).is_none() {
            self.pages.push(Page { number, waiting_count: 0, waiting: [0; WORDS], current: [0; WORDS] });
        }
        let page = self.page_mut(number)?;
        Some((&mut page.waiting_count, page.waiting.get_mut(word)?, page.current.get_mut(word)?))
    }

    /// True where its PUBLISH has come on this connection.
    #[inline]
    pub(crate) fn is_current(&self, packet_id: PacketId) -> bool {
        let (number, word, bit) = place(packet_id);
        self.pages
            .iter()
            .rev()
            .find(|page| page.number == number)
            .and_then(|page| page.current.get(word))
            .is_some_and(|current| current & bit != 0)
    }

    /// Its PUBLISH has come on this connection. True where it was there before.
    #[inline]
    pub(crate) fn insert_current(&mut self, packet_id: PacketId) -> bool {
        let (number, word, bit) = place(packet_id);
        let Some((count, waiting, current)) = self.words(number, word) else { return false };
        let was_known = *waiting & bit != 0;
        let was_current = *current & bit != 0;
        *count += u16::from(!was_known);
        *waiting |= bit;
        *current |= bit;
        self.current_count += usize::from(!was_current);
        was_known
    }

    /// It is known from an earlier connection.
    pub(crate) fn insert(&mut self, packet_id: PacketId) {
        let (number, word, bit) = place(packet_id);
        if let Some((count, waiting, _)) = self.words(number, word) {
            *count += u16::from(*waiting & bit == 0);
            *waiting |= bit;
        }
    }

    /// False where it was not there.
    #[inline]
    pub(crate) fn remove(&mut self, packet_id: PacketId) -> bool {
        let (number, word, bit) = place(packet_id);
        let Some(position) = self.pages.iter().rposition(|page| page.number == number) else { return false };
        let Some(page) = self.pages.get_mut(position) else { return false };
        let (Some(waiting), Some(current)) = (page.waiting.get_mut(word), page.current.get_mut(word)) else {
            return false;
        };
        if *waiting & bit == 0 {
            return false;
        }
        self.current_count -= usize::from(*current & bit != 0);
        *waiting &= !bit;
        *current &= !bit;
        page.waiting_count -= 1;
        // The last one stays: the next identifier is most often in it.
        if page.waiting_count == 0 && self.pages.len() > 1 {
            self.pages.swap_remove(position);
            if self.pages.len() == 1 {
                self.pages.shrink_to(1);
            }
        }
        true
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = PacketId> {
        let words =
            self.pages.iter().flat_map(|page| (0u16..).zip(page.waiting).map(|word| (page.number, word)));
        words.flat_map(|(number, (word, bits))| {
            let first = u16::from(number) << 9 | word << 6;
            let is_set = move |bit: &u16| bits >> bit & 1 == 1;
            (0..64).filter(is_set).filter_map(move |bit| PacketId::new(first | bit))
        })
    }

    /// A new Network Connection: none has come on it.
    pub(crate) fn resume(&mut self) {
        self.current_count = 0;
        for page in &mut self.pages {
            page.current = [0; WORDS];
        }
    }

    /// How many have come on this connection.
    #[inline]
    pub(crate) fn current_count(&self) -> usize {
        self.current_count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    /// Against the map that it stands for, with identifiers that walk over all pages.
    #[test]
    fn it_holds_what_a_map_would_hold() {
        let (mut set, mut map) = (Unreleased::default(), HashMap::new());
        let mut number = 1u32;
        for step in 0..200_000u32 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let spread = if step < 100_000 { 300 } else { 65_535 };
            let packet_id = id((number >> 8).wrapping_rem(spread) as u16 + 1);
            match number >> 30 {
                0 => {
                    let was_known = map.insert(packet_id, true).is_some();
                    assert_eq!(set.insert_current(packet_id), was_known);
                }
                1 if step % 1_000 == 0 => {
                    map.values_mut().for_each(|is_current| *is_current = false);
                    set.resume();
                }
                1 if step % 3 == 0 => {
                    map.entry(packet_id).or_insert(false);
                    set.insert(packet_id);
                }
                _ => assert_eq!(set.remove(packet_id), map.remove(&packet_id).is_some()),
            }
            assert_eq!(set.is_current(packet_id), map.get(&packet_id) == Some(&true));
            if step % 1_000 == 0 {
                assert_eq!(set.current_count(), map.values().filter(|is_current| **is_current).count());
                let in_pages: usize = set.pages.iter().map(|page| usize::from(page.waiting_count)).sum();
                assert_eq!(in_pages, map.len());
            }
        }
    }

    #[test]
    fn pages_that_are_empty_go_and_the_last_one_stays() {
        let mut set = Unreleased::default();
        for value in 1..=u16::MAX {
            assert!(!set.insert_current(id(value)));
        }
        assert_eq!((set.pages.len(), set.current_count()), (128, 65_535));
        for value in 1..=u16::MAX {
            assert!(set.remove(id(value)));
        }
        assert_eq!((set.pages.len(), set.pages.capacity(), set.current_count()), (1, 1, 0));
    }
}
