//! The book of deliveries: for each stream (one publisher as one subscriber sees it), was every message
//! delivered, once, and in order?
//!
//! In the good case one number per stream is compared and raised. Gaps are kept as ranges, so that even a
//! broker that drops most of what it gets costs little memory here.

use serde::Serialize;
use std::{collections::BTreeMap, ops::Add};

/// What became of the messages. All zero but `delivered` is a good run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Messages that arrived, each counted once.
    pub delivered: u64,
    /// Published and subscribed to, and never arrived.
    pub lost: u64,
    /// Arrived again.
    pub doubled: u64,
    /// Arrived after a later message of the same stream [MQTT-4.6.0-6].
    pub reordered: u64,
    /// Arrived with a wrong length, pattern or publisher, or with a sequence number not yet published.
    pub corrupt: u64,
    /// Arrived at a subscriber that did not ask for it, or under another topic or QoS.
    pub misrouted: u64,
}

impl Tally {
    /// Everything arrived, once, in order and whole.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        Self { delivered: 0, ..*self } == Self::default()
    }
}

impl Add for Tally {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            reordered: self.reordered + other.reordered,
            corrupt: self.corrupt + other.corrupt,
            misrouted: self.misrouted + other.misrouted,
        }
    }
}

/// Counts deliveries per stream.
#[derive(Debug)]
pub struct Ledger {
    /// Per stream, the sequence number that should come next.
    next: Vec<u64>,
    /// (stream, first missing) to the end of that gap (exclusive).
    gaps: BTreeMap<(usize, u64), u64>,
    tally: Tally,
}

impl Ledger {
    /// A ledger for `streams` streams, each beginning with sequence number 0.
    #[must_use]
    pub fn new(streams: usize) -> Self {
        Self { next: vec![0; streams], gaps: BTreeMap::new(), tally: Tally::default() }
    }

    /// Enters one delivery; false when this message had been delivered before.
    #[inline]
    pub fn record(&mut self, stream: usize, sequence: u64) -> bool {
        let next = &mut self.next[stream];
        if sequence == *next {
            *next += 1;
            self.tally.delivered += 1;
            return true;
        }
        self.record_out_of_turn(stream, sequence)
    }

    #[cold]
    fn record_out_of_turn(&mut self, stream: usize, sequence: u64) -> bool {
        let next = self.next[stream];
        if sequence > next {
            self.gaps.insert((stream, next), sequence);
            self.next[stream] = sequence + 1;
            self.tally.delivered += 1;
            return true;
        }
        let gap = self.gaps.range(..=(stream, sequence)).next_back().map(|(key, end)| (*key, *end));
        match gap {
            Some(((of, start), end)) if of == stream && sequence < end => {
                self.gaps.remove(&(stream, start));
                if start < sequence {
                    self.gaps.insert((stream, start), sequence);
                }
                if sequence + 1 < end {
                    self.gaps.insert((stream, sequence + 1), end);
                }
                self.tally.delivered += 1;
                self.tally.reordered += 1;
                true
            }
            _ => {
                self.tally.doubled += 1;
                false
            }
        }
    }

    /// Whether a message has been delivered.
    #[must_use]
    pub fn has(&self, stream: usize, sequence: u64) -> bool {
        let gap = self.gaps.range(..=(stream, sequence)).next_back();
        let is_missing = gap.is_some_and(|(&(of, _), &end)| of == stream && sequence < end);
        sequence < self.next[stream] && !is_missing
    }

    /// Enters a delivery that was not as it was sent.
    pub fn record_corrupt(&mut self) {
        self.tally.corrupt += 1;
    }

    /// Enters a delivery that should have gone elsewhere.
    pub fn record_misrouted(&mut self) {
        self.tally.misrouted += 1;
    }

    /// Messages that arrived so far, each counted once.
    #[inline]
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.tally.delivered
    }

    /// Closes the book: `published` tells how many messages of a stream were sent.
    #[must_use]
    pub fn close(mut self, published: impl Fn(usize) -> u64) -> Tally {
        self.tally.lost = self.gaps.iter().map(|((_, start), end)| end - start).sum();
        for (stream, &next) in self.next.iter().enumerate() {
            self.tally.lost += published(stream).saturating_sub(next);
        }
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sequences: &[u64], published: u64) -> Tally {
        let mut ledger = Ledger::new(2);
        for &sequence in sequences {
            ledger.record(1, sequence);
        }
        ledger.close(|stream| if stream == 1 { published } else { 0 })
    }

    #[test]
    fn a_complete_ordered_stream_is_clean() {
        let tally = tally(&[0, 1, 2, 3], 4);
        assert!(tally.is_clean());
        assert_eq!(tally.delivered, 4);
    }

    #[test]
    fn losses_are_counted_at_the_start_in_the_middle_and_at_the_end() {
        assert_eq!(tally(&[1, 2], 3).lost, 1);
        assert_eq!(tally(&[0, 4], 5).lost, 3);
        assert_eq!(tally(&[0, 1], 5).lost, 3);
        assert_eq!(tally(&[], 5).lost, 5);
    }

    #[test]
    fn a_second_delivery_is_doubled_whether_old_or_new() {
        assert_eq!(tally(&[0, 0], 1), Tally { delivered: 1, doubled: 1, ..Tally::default() });
        assert_eq!(tally(&[0, 1, 2, 0], 3).doubled, 1);
        assert_eq!(
            tally(&[0, 2, 1, 1], 3),
            Tally { delivered: 3, doubled: 1, reordered: 1, ..Tally::default() }
        );
    }

    #[test]
    fn an_overtaken_message_is_reordered_and_not_lost() {
        assert_eq!(tally(&[0, 2, 1, 3], 4), Tally { delivered: 4, reordered: 1, ..Tally::default() });
        assert_eq!(
            tally(&[5, 0, 4, 2], 6),
            Tally { delivered: 4, lost: 2, reordered: 3, ..Tally::default() }
        );
    }

    #[test]
    fn the_ledger_tells_what_has_been_delivered() {
        let mut ledger = Ledger::new(2);
        for sequence in [0, 1, 5, 3] {
            ledger.record(0, sequence);
        }
        let delivered: Vec<u64> = (0..8).filter(|&sequence| ledger.has(0, sequence)).collect();
        assert_eq!(delivered, [0, 1, 3, 5]);
        assert!(!ledger.has(1, 0));
    }

    #[test]
    fn a_gap_of_one_stream_says_nothing_about_its_neighbours() {
        let mut ledger = Ledger::new(3);
        ledger.record(0, 0);
        ledger.record(1, 3);
        ledger.record(2, 0);
        assert!(!ledger.record(2, 0));
        assert!(!ledger.record(0, 0));
        assert!(ledger.record(1, 0));
        let tally = ledger.close(|stream| [1, 4, 1][stream]);
        assert_eq!(tally, Tally { delivered: 4, lost: 2, doubled: 2, reordered: 1, ..Tally::default() });
    }

    #[test]
    fn random_faults_are_counted_as_a_naive_book_counts_them() {
        // xorshift: the same faults on every run.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..200 {
            let published = 50;
            let mut sequences: Vec<u64> = (0..published).filter(|_| !random().is_multiple_of(5)).collect();
            for _ in 0..random() % 10 {
                if sequences.len() < 2 {
                    break;
                }
                let (from, to) = (random() as usize % sequences.len(), random() as usize % sequences.len());
                match random() % 2 {
                    0 => sequences.swap(from, to),
                    _ => sequences.insert(to, sequences[from]),
                }
            }
            let mut seen = std::collections::HashSet::new();
            let (mut doubled, mut reordered, mut highest) = (0, 0, None);
            for &sequence in &sequences {
                if !seen.insert(sequence) {
                    doubled += 1;
                } else if highest.is_some_and(|highest| sequence < highest) {
                    reordered += 1;
                }
                highest = highest.max(Some(sequence));
            }
            let expected = Tally {
                delivered: seen.len() as u64,
                lost: published - seen.len() as u64,
                doubled,
                reordered,
                ..Tally::default()
            };
            assert_eq!(tally(&sequences, published), expected, "{sequences:?}");
        }
    }
}
