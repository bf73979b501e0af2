//! Where something stands in the bytes that were read. What a packet says is not copied into events; an event has
//! spans, and who wants to look does so where the bytes are.

/// A stretch of what [`Client::handle_input`](super::Client::handle_input) was given: of the chunk itself or, for a
/// packet that began in an earlier chunk, of [`Client::carried`](super::Client::carried).
///
/// It is good until the next call of `handle_input`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Which call of `handle_input` it belongs to.
    pub(super) input: u32,
    /// Whether it stands in the carried bytes and not in the chunk.
    pub is_carried: bool,
    /// Offset of the first byte.
    pub start: usize,
    /// How many bytes.
    pub length: usize,
}

impl Span {
    /// A part of it: `length` bytes from its byte `at` on.
    pub(super) fn part(self, at: usize, length: usize) -> Self {
        Self { start: self.start.saturating_add(at), length, ..self }
    }
}

/// Bytes that do not make a whole packet yet.
#[derive(Debug, Default)]
pub(super) struct Carry {
    /// Counts the calls of `handle_input`; wraps.
    pub(super) input: u32,
    pub(super) bytes: Vec<u8>,
    /// How many of them are a packet that has been completed and handled, kept for the events that point to it.
    pub(super) used: usize,
}

impl Carry {
    /// Capacity that is kept for the next partial packet; more than that is given back.
    const KEPT_BYTES: usize = 1 << 16;

    /// A new chunk: spans of the one before are no longer good.
    pub(super) fn begin(&mut self) {
        self.input = self.input.wrapping_add(1);
        self.bytes.drain(..self.used.min(self.bytes.len()));
        self.used = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > Self::KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }

    /// The connection is over: what is not whole never will be.
    pub(super) fn cut(&mut self) {
        self.bytes.truncate(self.used);
    }

    /// The bytes of a span; none once the span is out of date, or where `chunk` is not the chunk it was made for.
    pub(super) fn view<'a>(&'a self, chunk: &'a [u8], span: Span) -> Option<&'a [u8]> {
        if span.input != self.input {
            return None;
        }
        let bytes = if span.is_carried { &self.bytes } else { chunk };
        bytes.get(span.start..span.start.checked_add(span.length)?)
    }
}
