//! What waits for one Network Connection to take it: bytes in order, large payloads by reference.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::message::Message;

/// Pieces of one write: what systems accept at least, with room for a header in front of each.
const MOST_PIECES: usize = 512;

#[derive(Debug)]
enum Segment {
    Bytes(Vec<u8>),
    Payload(Arc<Message>),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Payload(message) => message.payload(),
        }
    }
}

/// An idle connection's holds no heap memory: see [`OutBuffer::recycle`].
#[derive(Debug, Default)]
pub(crate) struct OutBuffer {
    /// Older than `tail`; empty unless a large payload waits.
    front: VecDeque<Segment>,
    tail: Vec<u8>,
    /// How much of the oldest segment has been drained.
    head: usize,
    len: usize,
}

impl OutBuffer {
    /// Bytes that wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends what `write` writes; a buffer without memory takes a spare one first.
    #[inline]
    pub(crate) fn append<R>(&mut self, spare: &mut SpareBuffers, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        if self.tail.capacity() == 0 {
            self.tail = spare.take();
        }
        let before = self.tail.len();
        let result = write(&mut self.tail);
        self.len += self.tail.len() - before;
        result
    }

    /// Appends the payload of a message by reference.
    pub(crate) fn append_payload(&mut self, message: Arc<Message>) {
        if self.tail.len() > if self.front.is_empty() { self.head } else { 0 } {
            self.front.push_back(Segment::Bytes(std::mem::take(&mut self.tail)));
        } else if self.front.is_empty() {
            self.tail.clear();
            self.head = 0;
        }
        self.len += message.payload().len();
        self.front.push_back(Segment::Payload(message));
    }

    /// Moves the last `count` bytes before the `over` bytes that came before them. Where a payload by reference lies
    /// between, everything stays as it is.
    pub(crate) fn bring_forward(&mut self, count: usize, over: usize) {
        let start = self.tail.len().checked_sub(count + over);
        if let Some(part) = start.and_then(|start| self.tail.get_mut(start..)) {
            part.rotate_right(count);
        }
    }

    /// Lets `write` see what waits, oldest first and without a copy, as many pieces as one write takes; what it says
    /// that it took has left. Returns how much that was, and whether it was all that it saw.
    pub(crate) fn write_to(&mut self, write: impl FnOnce(&[&[u8]]) -> usize) -> (usize, bool) {
        let segments = self.front.iter().map(Segment::bytes).chain([self.tail.as_slice()]);
        let mut head = self.head;
        let mut length = 0;
        let mut pieces: SmallVec<[&[u8]; 16]> = SmallVec::new();
        for bytes in segments.take(MOST_PIECES) {
            let unread = bytes.get(std::mem::take(&mut head)..).unwrap_or_default();
            if !unread.is_empty() {
                length += unread.len();
                pieces.push(unread);
            }
        }
        let taken = write(&pieces).min(length);
        drop(pieces);
        self.consume(taken);
        (taken, taken == length)
    }

    /// The oldest `count` bytes have left.
    fn consume(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while left > 0 {
            let oldest = self.front.front().map_or(self.tail.as_slice(), Segment::bytes);
            let unread = oldest.len() - self.head;
            if left < unread {
                self.head += left;
                return;
            }
            left -= unread;
            self.head = 0;
            if self.front.pop_front().is_none() {
                self.tail.clear();
            }
        }
    }

    /// Moves as many bytes as fit to the start of `arena`, and says how many.
    #[inline]
    pub(crate) fn drain_into(&mut self, arena: &mut [u8]) -> usize {
        let mut written = 0;
        while written < arena.len() && self.len > 0 {
            let oldest = self.front.front().map_or(self.tail.as_slice(), Segment::bytes);
            let unread = oldest.get(self.head..).unwrap_or_default();
            let count = unread.len().min(arena.len() - written);
            if let (Some(from), Some(to)) = (unread.get(..count), arena.get_mut(written..written + count)) {
                to.copy_from_slice(from);
            }
            written += count;
            self.len -= count;
            if count < unread.len() {
                self.head += count;
                break;
            }
            self.head = 0;
            if self.front.pop_front().is_none() {
                self.tail.clear();
            }
        }
        written
    }

    /// Gives the memory of an empty buffer back to the spare ones.
    pub(crate) fn recycle(&mut self, spare: &mut SpareBuffers) {
        if self.len == 0 && self.tail.capacity() > 0 {
            self.head = 0;
            spare.give(std::mem::take(&mut self.tail));
            if self.front.capacity() > 0 {
                self.front = VecDeque::new();
            }
        }
    }
}

/// Buffers without an owner, so that a connection which says little keeps no memory and one which says much
/// does not ask the allocator each turn. Bounded in count and in size.
#[derive(Debug, Default)]
pub(crate) struct SpareBuffers(Vec<Vec<u8>>);

impl SpareBuffers {
    const MOST: usize = 128;
    const LARGEST: usize = 256 << 10;

    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(512))
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < Self::MOST && buffer.capacity() <= Self::LARGEST {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topicwire_codec::QoS;

    fn message(payload: &[u8]) -> Arc<Message> {
        Arc::new(Message::new(Arc::from("t"), b"", payload, QoS::AtMostOnce, false, u64::MAX))
    }

    /// The same without a copy, at most `step` bytes each time.
    fn write_all(out: &mut OutBuffer, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !out.is_empty() {
            let mut offered = 0;
            let (taken, has_taken_all) = out.write_to(|pieces| {
                let bytes = pieces.concat();
                offered = bytes.len();
                all.extend(bytes.iter().take(step));
                bytes.len().min(step)
            });
            assert_eq!(has_taken_all, taken == offered);
        }
        all
    }

    fn drain_all(out: &mut OutBuffer, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let mut arena = vec![0; step];
        while !out.is_empty() {
            let count = out.drain_into(&mut arena);
            assert!(count > 0);
            all.extend_from_slice(&arena[..count]);
        }
        all
    }

    #[test]
    fn bytes_and_payloads_leave_in_the_order_they_came_whatever_the_arena() {
        for (step, leave) in
            (1..24).flat_map(|step| [(step, drain_all as fn(&mut _, _) -> _), (step, write_all)])
        {
            let (mut out, mut spare) = (OutBuffer::default(), SpareBuffers::default());
            out.append(&mut spare, |bytes| bytes.extend_from_slice(b"head-"));
            out.append_payload(message(b"PAYLOAD"));
            out.append_payload(message(b"NEXT"));
            out.append(&mut spare, |bytes| bytes.extend_from_slice(b"-tail"));
            assert_eq!(out.len(), 21);
            assert_eq!(leave(&mut out, step), b"head-PAYLOADNEXT-tail");
            out.recycle(&mut spare);
        }
    }

    #[test]
    fn a_payload_behind_half_drained_bytes_stays_behind_them() {
        let (mut out, mut spare) = (OutBuffer::default(), SpareBuffers::default());
        out.append(&mut spare, |bytes| bytes.extend_from_slice(b"abcdef"));
        let mut arena = [0; 4];
        assert_eq!(out.drain_into(&mut arena), 4);
        out.append_payload(message(b"XY"));
        out.append(&mut spare, |bytes| bytes.extend_from_slice(b"z"));
        assert_eq!(drain_all(&mut out, 3), b"efXYz");
    }

    #[test]
    fn the_last_bytes_are_brought_forward_unless_a_payload_is_in_the_way() {
        let (mut out, mut spare) = (OutBuffer::default(), SpareBuffers::default());
        out.append(&mut spare, |bytes| bytes.extend_from_slice(b"old-message-ack"));
        out.bring_forward(3, 8);
        out.append_payload(message(b"-PAYLOAD-"));
        out.append(&mut spare, |bytes| bytes.extend_from_slice(b"ack"));
        out.bring_forward(3, 9);
        assert_eq!(drain_all(&mut out, 64), b"old-ackmessage--PAYLOAD-ack");
    }

    #[test]
    fn an_idle_buffer_holds_no_memory() {
        let (mut out, mut spare) = (OutBuffer::default(), SpareBuffers::default());
        out.append(&mut spare, |bytes| bytes.extend_from_slice(b"abc"));
        drain_all(&mut out, 8);
        out.recycle(&mut spare);
        assert_eq!(out.tail.capacity(), 0);
        assert_eq!(spare.0.len(), 1);
    }
}
