//! The fixed header: taking one whole packet off a stream of bytes.
//!
//! Next on the path: [`crate::Packet::decode`].

use crate::error::{DecodeError, Limit, Malformed, ProtocolError};
use crate::packet::PacketType;
use crate::varint;
use crate::version::Version;

/// Bit 3 of a fixed header: the packet is sent again.
pub(crate) const DUP: u8 = 0b1000;
/// The flags that PUBREL, SUBSCRIBE and UNSUBSCRIBE have to have [MQTT-3.6.1-1], [MQTT-3.8.1-1],
/// [MQTT-3.10.1-1].
/// Asked for by v3.1.1 [MQTT-3.6.1-1], v3.1.1 [MQTT-3.8.1-1], v3.1.1 [MQTT-3.10.1-1].
pub(crate) const REQUEST_FLAGS: u8 = 0b0010;

/// One whole packet, its fixed header checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first byte: packet type and flags.
    pub first_byte: u8,
    /// What comes after the fixed header.
    pub body: &'a [u8],
    /// The whole packet in bytes: how far the stream moves on.
    pub length: usize,
    packet_type: PacketType,
}

/// What the beginning of a stream amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// Not a whole packet yet.
    Partial {
        /// So many more bytes have to come, at the least, before another look is worth it. Exact once the
        /// fixed header is there.
        needed: usize,
    },
    /// A whole packet. The next one begins [`Frame::length`] bytes on.
    Frame(Frame<'a>),
}

/// Takes the first packet off `bytes`, which may hold less than one packet or more.
///
/// Whatever is wrong with the fixed header is said as soon as it can be seen, before the packet is there; so
/// is a packet of more than `maximum_packet_size` bytes, fixed header included. The cost does not depend on
/// the packet's size.
///
/// Flags that depend on the version are left to `decode`: 3.1 lets PUBREL, SUBSCRIBE and UNSUBSCRIBE be sent
/// again with DUP, the later versions do not.
///
/// # Errors
/// [`DecodeError::Malformed`] for the reserved type 0, flags that the kind must not have [MQTT-2.1.3-1],
/// [MQTT-3.14.1-1], [MQTT-3.15.1-1], QoS 3 [MQTT-3.3.1-4], DUP with QoS 0 [MQTT-3.3.1-2] and a Remaining Length in a wrong form [MQTT-1.5.5-1];
/// [`DecodeError::Limit`] for a packet that is too large.
#[inline(always)]
pub fn split_frame(bytes: &[u8], maximum_packet_size: u32) -> Result<Split<'_>, DecodeError> {
    // The frequent case, written out where it is needed: a small packet that is whole.
    if let [first_byte, remaining_length @ 0..=0x7F, after_header @ ..] = bytes
        && let Some(packet_type) = KINDS.get(usize::from(*first_byte)).copied().flatten()
        && let Some(body) = after_header.get(..usize::from(*remaining_length))
    {
        let length = body.len().saturating_add(2);
        if length <= maximum_packet_size as usize {
            return Ok(Split::Frame(Frame { first_byte: *first_byte, body, length, packet_type }));
        }
    }
    match find_frame(bytes, maximum_packet_size)? {
        Found::Partial { needed } => Ok(Split::Partial { needed }),
        Found::Whole { first_byte, packet_type, body, length } => {
            Ok(Split::Frame(Frame { first_byte, body, length, packet_type }))
        }
    }
}

/// A [`Split`] in another form, on purpose. Were it the same, it would be written to memory where the result of
/// [`split_frame`] goes, and the frequent case would have to write there, too, and read it again.
enum Found<'a> {
    Whole { body: &'a [u8], length: usize, first_byte: u8, packet_type: PacketType },
    Partial { needed: usize },
}

/// What [`split_frame`] does, for packets of every size and for what is not one.
#[inline(never)]
fn find_frame(bytes: &[u8], maximum_packet_size: u32) -> Result<Found<'_>, DecodeError> {
    let Some((&first_byte, after_first)) = bytes.split_first() else {
        return Ok(Found::Partial { needed: 2 });
    };
    let packet_type = check_first_byte(first_byte)?;
    let Some((remaining_length, after_header)) = varint::decode(after_first)? else {
        return Ok(Found::Partial { needed: 1 });
    };
    let header_length = bytes.len().saturating_sub(after_header.len());
    // At most five and 2^28: it cannot overflow where a usize has 32 bits.
    let length = (remaining_length as usize).saturating_add(header_length);
    if length > maximum_packet_size as usize {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        return Err(Limit::PacketTooLarge { length, maximum: maximum_packet_size }.into());
    }
    match after_header.get(..remaining_length as usize) {
        Some(body) => Ok(Found::Whole { body, length, first_byte, packet_type }),
        None => Ok(Found::Partial { needed: length.saturating_sub(bytes.len()) }),
    }
}

/// [`check_first_byte`] of every byte, without what is wrong with it.
static KINDS: [Option<PacketType>; 256] = {
    let mut kinds = [None; 256];
    let mut first_byte = 0u8;
    let mut rest: &mut [Option<PacketType>] = &mut kinds;
    while let [kind, others @ ..] = rest {
        if let Ok(packet_type) = check_first_byte(first_byte) {
            *kind = Some(packet_type);
        }
        first_byte = first_byte.wrapping_add(1);
        rest = others;
    }
    kinds
};

/// The packet type, if the flags may go with it in some version.
/// Asked for by v3.1.1 [MQTT-2.2.2-1], v3.1.1 [MQTT-2.2.2-2], v3.1.1 [MQTT-3.3.1-4],
/// v3.1.1 [MQTT-3.14.1-1].
#[inline]
const fn check_first_byte(first_byte: u8) -> Result<PacketType, Malformed> {
    let flags = first_byte & 0x0F;
    let Some(packet_type) = PacketType::from_u8(first_byte >> 4) else {
        return Err(Malformed::PacketTypeZero);
    };
    match packet_type {
        PacketType::Publish => match flags {
            _ if flags & 0b0110 == 0b0110 => Err(Malformed::PublishQosThree),
            _ if flags & 0b1110 == DUP => Err(Malformed::DupWithQosZero),
            _ => Ok(packet_type),
        },
        PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe
            if flags & !DUP == REQUEST_FLAGS =>
        {
            Ok(packet_type)
        }
        PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => {
            Err(Malformed::FixedHeaderFlags { packet_type, flags })
        }
        _ if flags == 0 => Ok(packet_type),
        _ => Err(Malformed::FixedHeaderFlags { packet_type, flags }),
    }
}

impl Frame<'_> {
    /// The kind of packet.
    #[inline]
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// Refuses another kind than the one that is to be decoded.
    #[inline]
    pub(crate) fn expect_type(&self, expected: PacketType) -> Result<(), ProtocolError> {
        match self.packet_type {
            found if found == expected => Ok(()),
            found => Err(ProtocolError::UnexpectedPacketType { expected, found }),
        }
    }

    /// Refuses DUP on a packet other than PUBLISH: only 3.1 knows that.
    #[inline]
    pub(crate) const fn check_dup(&self, version: Version) -> Result<(), Malformed> {
        if self.first_byte & DUP != 0 && !matches!(version, Version::V3_1) {
            let flags = self.first_byte & 0x0F;
            return Err(Malformed::FixedHeaderFlags { packet_type: self.packet_type, flags });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way and the one for every packet, with each first byte, cut at each place and at each limit.
    #[test]
    fn a_small_packet_is_split_like_every_other() {
        for first_byte in 0..=255 {
            for remaining_length in [0, 1, 2, 50, 127, 128, 200] {
                let mut bytes = [0; 140];
                bytes[..2].copy_from_slice(&[first_byte, remaining_length]);
                for end in [0, 1, 2, 3, 4, 51, 52, 53, 128, 129, 130, 140] {
                    for maximum in [0, 1, 2, 3, 4, 51, 52, 53, 128, 129, 1000] {
                        let bytes = &bytes[..end];
                        let expected = match find_frame(bytes, maximum) {
                            Ok(Found::Whole { first_byte, packet_type, body, length }) => {
                                Ok(Split::Frame(Frame { first_byte, body, length, packet_type }))
                            }
                            Ok(Found::Partial { needed }) => Ok(Split::Partial { needed }),
                            Err(error) => Err(error),
                        };
                        assert_eq!(split_frame(bytes, maximum), expected);
                    }
                }
            }
        }
    }
}
