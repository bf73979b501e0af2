//! Packet identifiers and the exchanges that hold them, in one table.
//!
//! Identifiers are given out in ascending order and wrap at 65,535, so an exchange lives at `id & mask` of a
//! power-of-two table and is found without hashing. Where a slot is still taken (an exchange that the peer has
//! left open for a whole turn of the table) the identifier is passed over. So the table is never larger than
//! twice the most exchanges that were ever open at once, however long one of them stays open, and an identifier
//! comes back as late as possible, which keeps a late acknowledgement from meeting a new exchange.

use topicwire_codec::PacketId;

const SMALLEST: usize = 8;
/// Slots that a table keeps when nothing is open.
const LARGEST_KEPT: usize = 64;

/// Open exchanges by packet identifier. At most 65,535.
#[derive(Debug)]
pub struct Inflight<T> {
    slots: Vec<Option<(PacketId, T)>>,
    count: usize,
    /// The most that were open at once since the table was last empty, and the size that a new table has for as many:
    /// a stream that fills and empties its window over and over gets its memory in one piece each time.
    peak: usize,
    first_size: usize,
    last_id: u16,
}

impl<T> Default for Inflight<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), count: 0, peak: 0, first_size: SMALLEST, last_id: 0 }
    }
}

impl<T> Inflight<T> {
    /// Opens an exchange under a free identifier; none where all 65,535 are taken [MQTT-2.2.1-3, 2.2.1-4].
    /// Asked for by v3.1.1 [MQTT-2.3.1-4].
    #[inline]
    pub fn open(&mut self, value: T) -> Option<PacketId> {
        if self.count >= usize::from(u16::MAX) {
            return None;
        }
        if self.slots.len() < SMALLEST || self.count * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len().wrapping_sub(1);
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let Some(packet_id) = PacketId::new(self.last_id) else { continue };
            if let Some(slot) = self.slots.get_mut(usize::from(self.last_id) & mask)
                && slot.is_none()
            {
                *slot = Some((packet_id, value));
                self.count += 1;
                self.peak = self.peak.max(self.count);
                return Some(packet_id);
            }
        }
    }

    /// Puts an exchange back under the identifier it had, as a store has kept it. False where it is in use.
    pub fn restore(&mut self, packet_id: PacketId, value: T) -> bool {
        loop {
            if self.slots.len() < SMALLEST || self.count * 2 >= self.slots.len() {
                self.grow();
            }
            let mask = self.slots.len().wrapping_sub(1);
            match self.slots.get_mut(usize::from(packet_id.value()) & mask) {
                Some(slot @ None) => {
                    *slot = Some((packet_id, value));
                    self.count += 1;
                    self.peak = self.peak.max(self.count);
                    // The next ones come after it, as they did before.
                    self.last_id = packet_id.value();
                    return true;
                }
                Some(Some((taken, _))) if *taken == packet_id => return false,
                // Two restored identifiers that share a slot: a table twice the size tells them apart.
                _ => self.grow(),
            }
        }
    }

    /// The exchange with this identifier.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, packet_id: PacketId) -> Option<&mut T> {
        let mask = self.slots.len().wrapping_sub(1);
        match self.slots.get_mut(usize::from(packet_id.value()) & mask) {
            Some(Some((id, value))) if *id == packet_id => Some(value),
            _ => None,
        }
    }

    /// Closes the exchange; its identifier is free again.
    #[inline]
    pub fn close(&mut self, packet_id: PacketId) -> Option<T> {
        self.close_if(packet_id, |_| true)
    }

    /// Closes the exchange where `is_over` says that it is.
    #[inline]
    pub fn close_if(&mut self, packet_id: PacketId, is_over: impl FnOnce(&T) -> bool) -> Option<T> {
        let mask = self.slots.len().wrapping_sub(1);
        let slot = self.slots.get_mut(usize::from(packet_id.value()) & mask)?;
        match slot {
            Some((id, value)) if *id == packet_id && is_over(value) => {}
            _ => return None,
        }
        let (_, value) = slot.take()?;
        self.count -= 1;
        if self.count == 0 {
            self.forget_size();
        }
        Some(value)
    }

    /// The table is empty: a large one is given back.
    fn forget_size(&mut self) {
        if self.slots.len() > LARGEST_KEPT {
            self.first_size = (self.peak * 2).next_power_of_two().max(SMALLEST);
            self.slots = Vec::new();
        }
        self.peak = 0;
    }

    /// How many exchanges are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True where none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All open exchanges, in no order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PacketId, &mut T)> {
        self.slots.iter_mut().flatten().map(|(id, value)| (*id, value))
    }

    /// All open exchanges, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, &T)> {
        self.slots.iter().flatten().map(|(id, value)| (*id, value))
    }

    #[cold]
    fn grow(&mut self) {
        let size = if self.slots.is_empty() { self.first_size } else { self.slots.len() * 2 };
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(size, || None);
        for entry in old.into_iter().flatten() {
            // Identifiers that differed below the old mask differ below the new one.
            if let Some(slot) = self.slots.get_mut(usize::from(entry.0.value()) & (size - 1)) {
                *slot = Some(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_ascend_and_are_found_again() {
        let mut inflight = Inflight::default();
        let ids: Vec<_> = (0..100).map(|n| inflight.open(n).unwrap()).collect();
        assert_eq!(ids.iter().map(|id| id.value()).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(inflight.get_mut(*id), Some(&mut n.clone()));
            assert_eq!(inflight.close(*id), Some(n));
            assert_eq!(inflight.close(*id), None);
        }
        assert!(inflight.is_empty());
    }

    #[test]
    fn an_exchange_left_open_does_not_make_the_table_grow() {
        let mut inflight = Inflight::default();
        let stuck = inflight.open(0u32).unwrap();
        for n in 1..200_000u32 {
            let id = inflight.open(n).unwrap();
            assert_ne!(id, stuck);
            assert_eq!(inflight.close(id), Some(n));
        }
        assert_eq!(inflight.slots.len(), SMALLEST);
        assert_eq!(inflight.close(stuck), Some(0));
    }

    #[test]
    fn all_identifiers_can_be_open_at_once_and_no_more() {
        let mut inflight = Inflight::default();
        let mut seen = std::collections::HashSet::new();
        for n in 0..65_535u32 {
            assert!(seen.insert(inflight.open(n).unwrap()));
        }
        assert_eq!(inflight.open(9), None);
        let id = PacketId::new(40_000).unwrap();
        assert!(inflight.close(id).is_some());
        assert_eq!(inflight.open(9), Some(id));
    }

    #[test]
    fn restored_identifiers_keep_their_numbers() {
        let mut inflight = Inflight::default();
        for value in [1u16, 9, 17, 65_535] {
            assert!(inflight.restore(PacketId::new(value).unwrap(), value));
        }
        assert!(!inflight.restore(PacketId::new(9).unwrap(), 0));
        for value in [1u16, 9, 17, 65_535] {
            assert_eq!(inflight.close(PacketId::new(value).unwrap()), Some(value));
        }
    }
}
