//! Frame headers: reading a client's, writing ours (RFC 6455, section 5.2).

use core::ops::Deref;

use crate::control::MAXIMUM_CONTROL_BYTES;
use crate::violation::Violation;

pub(crate) const FIN: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const MASKED: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// Two bytes, a length of eight more, a mask of four.
pub(crate) const MAXIMUM_HEADER_BYTES: usize = 14;
/// The longest [`BinaryHeader`]: what a host leaves free in front of its output.
pub const MAXIMUM_BINARY_HEADER_BYTES: usize = 10;

/// What the next frame may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// A message has begun and not ended.
    pub(crate) message_under_way: bool,
    /// So many bytes may still follow in this message.
    pub(crate) room_bytes: u64,
    pub(crate) maximum_bytes: u64,
}

/// The header of a frame that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    /// `CONTINUATION`, `BINARY`, `CLOSE`, `PING` or `PONG`.
    pub(crate) opcode: u8,
    pub(crate) payload_length: u64,
    pub(crate) mask: [u8; 4],
    /// The header's own bytes.
    pub(crate) length: usize,
}

impl Header {
    /// The header that `bytes` begin with; none where they end before it does.
    ///
    /// Fields are checked in the order in which they come, and whatever is wrong is said as soon as it can be seen, so
    /// the answer does not depend on how a stream is cut. A length in more bytes than it needs is taken, as `ws` takes
    /// it.
    #[inline]
    pub(crate) fn read(bytes: &[u8], expected: Expected) -> Result<Option<Self>, Violation> {
        let Some((&first, bytes)) = bytes.split_first() else { return Ok(None) };
        let (fin, opcode) = check_first(first, expected.message_under_way)?;
        let Some((&second, bytes)) = bytes.split_first() else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Violation::Unmasked);
        }
        let short_length = second & !MASKED;
        if opcode >= CLOSE {
            check_control(opcode, short_length)?;
        }
        let (payload_length, bytes, length) = match short_length {
            126 => {
                let Some((length, bytes)) = bytes.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*length)), bytes, 8)
            }
            127 => {
                if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
                    return Err(Violation::LengthHighestBit);
                }
                let Some((length, bytes)) = bytes.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*length), bytes, MAXIMUM_HEADER_BYTES)
            }
            short => (u64::from(short), bytes, 6),
        };
        if opcode < CLOSE && payload_length > expected.room_bytes {
            return Err(Violation::MessageTooBig { maximum_bytes: expected.maximum_bytes });
        }
        let Some(mask) = bytes.first_chunk() else { return Ok(None) };
        Ok(Some(Self { fin, opcode, payload_length, mask: *mask, length }))
    }
}

/// FIN and the opcode, if such a frame may come now.
#[inline]
fn check_first(first: u8, message_under_way: bool) -> Result<(bool, u8), Violation> {
    if first & RESERVED_BITS != 0 {
        return Err(Violation::ReservedBits);
    }
    let fin = first & FIN != 0;
    match first & 0x0F {
        CONTINUATION if !message_under_way => Err(Violation::NothingToContinue),
        TEXT | BINARY if message_under_way => Err(Violation::MessageUnderWay),
        TEXT => Err(Violation::TextFrame),
        CLOSE | PING | PONG if !fin => Err(Violation::FragmentedControl),
        opcode @ (CONTINUATION | BINARY | CLOSE | PING | PONG) => Ok((fin, opcode)),
        opcode => Err(Violation::ReservedOpcode { opcode }),
    }
}

fn check_control(opcode: u8, length: u8) -> Result<(), Violation> {
    match length {
        1 if opcode == CLOSE => Err(Violation::HalfCloseCode),
        _ if usize::from(length) > MAXIMUM_CONTROL_BYTES => Err(Violation::ControlTooLong),
        _ => Ok(()),
    }
}

/// The header of a whole binary message from the server, which does not mask: 2, 4 or 10 bytes, to which it derefs.
/// So many bytes of payload have to follow as it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryHeader {
    bytes: [u8; MAXIMUM_BINARY_HEADER_BYTES],
    length: usize,
}

impl BinaryHeader {
    /// For a payload of so many bytes.
    #[inline]
    #[must_use]
    pub const fn new(payload_length: usize) -> Self {
        const FIRST: u8 = FIN | BINARY;
        let [.., high, low] = (payload_length as u64).to_be_bytes();
        let (bytes, length) = match payload_length {
            0..=125 => ([FIRST, low, 0, 0, 0, 0, 0, 0, 0, 0], 2),
            126..=0xFFFF => ([FIRST, 126, high, low, 0, 0, 0, 0, 0, 0], 4),
            _ => {
                let [a, b, c, d, e, f, ..] = (payload_length as u64).to_be_bytes();
                ([FIRST, 127, a, b, c, d, e, f, high, low], MAXIMUM_BINARY_HEADER_BYTES)
            }
        };
        Self { bytes, length }
    }
}

impl Deref for BinaryHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
