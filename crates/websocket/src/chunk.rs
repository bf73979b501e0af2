//! A chunk on its way from frames to what the frames carried, in the same memory.

use crate::mask::unmask_down;

/// What has been read of a chunk, and what of it is kept: the payload bytes so far, moved together.
///
/// `start <= end <= at <= bytes.len()`. The first payload stays where it is, each later one moves down by the
/// headers between them.
pub(crate) struct Chunk<'a> {
    bytes: &'a mut [u8],
    start: usize,
    end: usize,
    at: usize,
}

impl<'a> Chunk<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, start: 0, end: 0, at: 0 }
    }

    /// What has not been read.
    #[inline]
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Passes over the next `count` bytes.
    #[inline]
    pub(crate) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    /// The next `count` bytes, or as many as there are, unmasked; they are not kept.
    pub(crate) fn take(&mut self, count: usize, mask: [u8; 4]) -> &[u8] {
        let from = self.at;
        self.skip(count);
        let taken = self.bytes.get_mut(from..self.at).unwrap_or_default();
        unmask_down(taken, 0, mask);
        taken
    }

    /// Keeps the next `count` bytes, or as many as there are, unmasked.
    #[inline]
    pub(crate) fn keep(&mut self, count: usize, mask: [u8; 4]) {
        if self.start == self.end {
            self.start = self.at;
            self.end = self.at;
        }
        let gap = self.at.saturating_sub(self.end);
        let count = count.min(self.rest().len());
        self.skip(count);
        if let Some(region) = self.bytes.get_mut(self.end..self.at) {
            unmask_down(region, gap, mask);
        }
        self.end = self.end.saturating_add(count);
    }

    /// All that was kept.
    #[inline]
    pub(crate) fn into_kept(self) -> &'a [u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }
}
