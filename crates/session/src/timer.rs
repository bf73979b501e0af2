//! Deadlines in order: the one clockwork of a broker or a client.
//!
//! Each owner (a Network Connection, a Session) has at most one deadline at a time and keeps an [`Armed`] record
//! of it, so that re-arming removes the old entry exactly: a peer that reconnects for ever with a session expiry
//! of a year cannot leave a year of stale entries behind.

use std::collections::BTreeSet;

/// What an owner remembers of its deadline. Starts disarmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Armed(Option<u64>);

impl Armed {
    /// The deadline in milliseconds, where one is set.
    #[must_use]
    pub fn deadline_ms(self) -> Option<u64> {
        self.0
    }
}

/// A set of deadlines, each with the key of its owner. Every operation is O(log n).
#[derive(Debug, Default)]
pub struct Timers<K> {
    by_deadline: BTreeSet<(u64, K)>,
}

impl<K: Copy + Ord> Timers<K> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self { by_deadline: BTreeSet::new() }
    }

    /// Sets the owner's deadline, in place of the one it had.
    pub fn arm(&mut self, key: K, armed: &mut Armed, deadline_ms: u64) {
        if armed.0 == Some(deadline_ms) {
            return;
        }
        self.disarm(key, armed);
        self.by_deadline.insert((deadline_ms, key));
        armed.0 = Some(deadline_ms);
    }

    /// Takes the owner's deadline back.
    pub fn disarm(&mut self, key: K, armed: &mut Armed) {
        if let Some(deadline_ms) = armed.0.take() {
            self.by_deadline.remove(&(deadline_ms, key));
        }
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.by_deadline.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Removes and returns the owner of the earliest deadline that is not after `now_ms`. The owner then calls
    /// [`Timers::fired`] on its record before it arms anew.
    #[must_use]
    pub fn poll_due(&mut self, now_ms: u64) -> Option<K> {
        let first = *self.by_deadline.first()?;
        if first.0 > now_ms {
            return None;
        }
        self.by_deadline.remove(&first);
        Some(first.1)
    }

    /// Tells a record that its deadline has been taken by [`Timers::poll_due`].
    pub fn fired(armed: &mut Armed) {
        armed.0 = None;
    }

    /// How many deadlines are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_deadline.len()
    }

    /// True where no deadline is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_deadline.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_only_when_due() {
        let mut timers = Timers::new();
        let (mut a, mut b) = (Armed::default(), Armed::default());
        timers.arm(1, &mut a, 200);
        timers.arm(2, &mut b, 100);
        assert_eq!(timers.next_deadline_ms(), Some(100));
        assert_eq!(timers.poll_due(99), None);
        assert_eq!(timers.poll_due(250), Some(2));
        assert_eq!(timers.poll_due(250), Some(1));
        assert_eq!(timers.poll_due(250), None);
    }

    #[test]
    fn arming_again_leaves_nothing_behind() {
        let mut timers = Timers::new();
        let mut armed = Armed::default();
        for deadline_ms in 0..1000 {
            timers.arm(7, &mut armed, deadline_ms);
        }
        assert_eq!(timers.len(), 1);
        timers.disarm(7, &mut armed);
        assert!(timers.is_empty());
        assert_eq!(armed.deadline_ms(), None);
    }
}
