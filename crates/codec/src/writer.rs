//! Writing packets: the body says once what it consists of, and is asked twice.
//!
//! The Remaining Length stands before what it measures. So a body is written against a [`Sink`], first into a
//! [`Length`] that only counts, then into a [`Writer`] that appends. The two cannot disagree.

use alloc::vec::Vec;

use crate::error::EncodeError;
use crate::packet_id::PacketId;
use crate::version::Version;
use crate::{utf8, varint};

/// The part of a packet after its fixed header.
pub(crate) trait Body {
    fn write<S: Sink>(&self, version: Version, sink: &mut S);
}

/// The properties of a packet, or of a Will, without the length that goes before them.
pub(crate) trait PropertyList {
    fn write_properties<S: Sink>(&self, sink: &mut S);
}

/// Where the bytes of a body go.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    /// Notes what is wrong with the packet. The first report counts; what is written after it is thrown away.
    fn fail(&mut self, error: EncodeError);

    /// A UTF-8 Encoded String.
    fn string(&mut self, text: &str);

    #[inline]
    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    #[inline]
    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    #[inline]
    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// A Variable Byte Integer of at most [`varint::MAX`]: the caller has checked.
    #[inline]
    fn varint(&mut self, value: u32) {
        let (bytes, length) = varint::encode(value);
        self.put(bytes.get(..length).unwrap_or_default());
    }

    /// Binary Data.
    #[inline]
    fn binary(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(length) => self.u16(length),
            Err(_) => self.fail(EncodeError::FieldTooLong { length: bytes.len() }),
        }
        self.put(bytes);
    }

    /// A property section: its length, which is 0 where there are none [MQTT-2.2.2-1], then the properties.
    #[inline]
    fn section<P: PropertyList>(&mut self, properties: &P)
    where
        Self: Sized,
    {
        let mut length = Length(0);
        properties.write_properties(&mut length);
        self.section_length(length);
        properties.write_properties(self);
    }

    /// The length that goes before a property section.
    #[inline]
    fn section_length(&mut self, length: Length) {
        match length.as_varint() {
            Ok(length) => self.varint(length),
            Err(error) => self.fail(error),
        }
    }
}

/// Counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length(pub(crate) usize);

impl Length {
    #[inline]
    pub(crate) const fn add(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }

    /// The count as a Remaining Length or Property Length.
    #[inline]
    pub(crate) fn as_varint(self) -> Result<u32, EncodeError> {
        match u32::try_from(self.0) {
            Ok(length) if length <= varint::MAX => Ok(length),
            _ => Err(EncodeError::PacketTooLarge { remaining_length: self.0 }),
        }
    }
}

impl Sink for Length {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }

    fn fail(&mut self, _: EncodeError) {}

    #[inline]
    fn string(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }
}

/// Appends, and remembers the first thing that was wrong.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    error: Option<EncodeError>,
}

impl Writer<'_> {
    /// How many bytes it has appended.
    #[inline]
    pub(crate) const fn written(&self) -> usize {
        self.out.len().saturating_sub(self.start)
    }
}

impl Sink for Writer<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    #[inline]
    fn string(&mut self, text: &str) {
        if utf8::contains_nul(text.as_bytes()) {
            self.fail(EncodeError::NulInString);
        }
        self.binary(text.as_bytes());
    }
}

/// Appends what `write` writes to `out`, or leaves `out` as it was.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), EncodeError> {
    let start = out.len();
    let mut writer = Writer { out, start, error: None };
    write(&mut writer);
    match writer.error {
        None => Ok(()),
        Some(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Appends a whole packet to `out`, or leaves `out` as it was.
#[inline]
pub(crate) fn encode_packet<B: Body>(
    first_byte: u8,
    body: &B,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let remaining_length = body_length(body, version);
    let header = remaining_length.as_varint()?;
    out.reserve(packet_length(remaining_length));
    append(out, |writer| {
        writer.u8(first_byte);
        writer.varint(header);
        body.write(version, writer);
    })
}

/// Appends the first `count` of some bytes, at most all of them. To append them all and cut off what is too much costs less
/// than a copy of a length that is not known beforehand.
#[inline(always)]
pub(crate) fn put_first<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N], count: usize) {
    let end = out.len().wrapping_add(count);
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

/// Appends what goes before the payload of a PUBLISH without properties: fixed header, Topic Name, Packet Identifier and,
/// in 5.0, a Property Length of 0. Makes room for the payload, too.
#[inline(always)]
pub(crate) fn put_publish_header(
    first_byte: u8,
    topic_name: &str,
    packet_id: Option<PacketId>,
    version: Version,
    payload_len: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let Ok(topic_len) = u16::try_from(topic_name.len()) else {
        return Err(EncodeError::FieldTooLong { length: topic_name.len() });
    };
    let identifier = packet_id.map_or(0, PacketId::value);
    let after_topic = (usize::from(packet_id.is_some()) << 1).wrapping_add(usize::from(version.is_v5()));
    // No slice is longer than half of what a usize counts: nothing here wraps.
    let remaining_length =
        Length(usize::from(topic_len).wrapping_add(after_topic).wrapping_add(payload_len).wrapping_add(2));
    let remaining_length = remaining_length.as_varint()?;
    let (varint, varint_len) = varint::encode(remaining_length);
    // At most eight bytes before the name and four after it.
    out.reserve((remaining_length as usize).wrapping_add(12));
    let varint_bits = (varint_len as u32).wrapping_mul(8);
    let header = u64::from(first_byte)
        | u64::from(u32::from_le_bytes(varint)) << 8
        | (u64::from(topic_len.swap_bytes()) << 8).wrapping_shl(varint_bits);
    put_first(out, header.to_le_bytes(), varint_len.wrapping_add(3));
    out.extend_from_slice(topic_name.as_bytes());
    let [high, low] = identifier.to_be_bytes();
    put_first(out, [high, low, 0, 0], after_topic);
    Ok(())
}

/// The length of the whole packet in bytes.
#[inline]
pub(crate) fn encoded_len<B: Body>(body: &B, version: Version) -> usize {
    packet_length(body_length(body, version))
}

#[inline]
fn body_length<B: Body>(body: &B, version: Version) -> Length {
    let mut length = Length(0);
    body.write(version, &mut length);
    length
}

/// The length with the fixed header before it: one byte, and the Remaining Length.
#[inline]
pub(crate) fn packet_length(remaining_length: Length) -> usize {
    let header = u32::try_from(remaining_length.0).map_or(4, varint::encoded_len);
    remaining_length.0.saturating_add(header).saturating_add(1)
}
