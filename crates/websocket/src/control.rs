//! Control frames on their way out.

use core::ops::Deref;

/// What a control frame may carry.
pub(crate) const MAXIMUM_CONTROL_BYTES: usize = 125;
const HEADER_BYTES: usize = 2;
const FRAME_BYTES: usize = HEADER_BYTES.saturating_add(MAXIMUM_CONTROL_BYTES);

/// A whole close or pong frame, to be written as it is. It derefs to its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlFrame {
    bytes: [u8; FRAME_BYTES],
    length: usize,
}

impl ControlFrame {
    /// `first_byte` is FIN and the opcode; of `payload` no more is taken than a control frame may carry.
    pub(crate) fn new(first_byte: u8, payload: &[u8]) -> Self {
        let mut bytes = [0; FRAME_BYTES];
        let [first, second, room @ ..] = &mut bytes;
        let mut length = HEADER_BYTES;
        *first = first_byte;
        for (target, byte) in room.iter_mut().zip(payload) {
            *target = *byte;
            *second = second.wrapping_add(1);
            length = length.wrapping_add(1);
        }
        Self { bytes, length }
    }
}

impl Deref for ControlFrame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
