//! As much MQTT as a load generator needs, in 3.1.1 and 5.0: written for speed and for independence.
//!
//! Encoding is copying: a PUBLISH is a [`Template`] made once per publisher, of which three numbers are patched
//! per message. Decoding borrows: [`split`] finds the end of a packet, the rest reads fields by position.
//! Next on the path: `stamp.rs`, what stands in the payload.

use crate::stamp::{self, Stamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Packet kinds, as the high half of the first byte.
pub mod kind {
    #![expect(missing_docs, reason = "they are the standard's own names")]
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
}

/// The protocol version, written as its level: 4 is 3.1.1, 5 is 5.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Version {
    /// 3.1.1
    V311,
    /// 5.0
    V5,
}

impl TryFrom<u8> for Version {
    type Error = String;
    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            4 => Ok(Self::V311),
            5 => Ok(Self::V5),
            other => Err(format!("protocol version {other} is neither 4 nor 5")),
        }
    }
}

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        match version {
            Version::V311 => 4,
            Version::V5 => 5,
        }
    }
}

/// What was wrong with bytes from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// A Remaining Length or another variable byte integer of more than four bytes.
    #[error("a variable byte integer of more than four bytes")]
    Length,
    /// A field reaches past the end of its packet.
    #[error("a packet of kind {0} that is shorter than its fields")]
    Short(u8),
    /// A kind that a server does not send, or not here.
    #[error("a packet of kind {0}, which has no place here")]
    Unexpected(u8),
    /// A packet larger than the generator's read buffer.
    #[error("a packet of {0} bytes, more than any that was published")]
    Oversized(usize),
    /// An acknowledgement for a packet id that was not in use, or in another step.
    #[error("an acknowledgement of kind {0} for packet id {1}, which does not wait for one")]
    Stray(u8, u16),
    /// A CONNACK or SUBACK property that is not in the table of 5.0.
    #[error("an unknown property {0:#04x}")]
    Property(u8),
}

/// One whole control packet, borrowed from the read buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Kind and flags.
    pub first: u8,
    /// Everything after the fixed header.
    pub body: &'a [u8],
    /// Length with the fixed header.
    pub len: usize,
}

impl Frame<'_> {
    /// The packet's kind, see [`kind`].
    #[inline]
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// The packet id of PUBACK, PUBREC, PUBREL, PUBCOMP and SUBACK.
    ///
    /// # Errors
    /// [`WireError::Short`] when there is none.
    #[inline]
    pub fn packet_id(&self) -> Result<u16, WireError> {
        match self.body {
            [high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
            _ => Err(WireError::Short(self.kind())),
        }
    }

    /// The Reason Code of an acknowledgement; 0 where it is left out, as it always is in 3.1.1.
    #[inline]
    #[must_use]
    pub fn reason_code(&self) -> u8 {
        self.body.get(2).copied().unwrap_or(0)
    }
}

/// Finds the first whole packet of `bytes`; `None` when its end has not arrived.
///
/// # Errors
/// [`WireError::Length`] for an impossible Remaining Length.
#[inline]
pub fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, WireError> {
    let (body_at, body_len) = match *bytes {
        [] | [_] => return Ok(None),
        [_, short, ..] if short < 0x80 => (2, usize::from(short)),
        _ => match varint(&bytes[1..])? {
            Some((value, size)) => (1 + size, value),
            None => return Ok(None),
        },
    };
    let len = body_at + body_len;
    if bytes.len() < len {
        return Ok(None);
    }
    Ok(Some(Frame { first: bytes[0], body: &bytes[body_at..len], len }))
}

/// A variable byte integer and its size; `None` when it goes on past the end of `bytes`.
fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() >= 4 { Err(WireError::Length) } else { Ok(None) }
}

/// The fields of a PUBLISH that the generator looks at.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// 0, 1 or 2.
    pub qos: u8,
    /// 0 for QoS 0.
    pub packet_id: u16,
    /// Topic Name.
    pub topic: &'a [u8],
    /// Application Message.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Reads a PUBLISH; `frame` must be of that kind.
    ///
    /// # Errors
    /// [`WireError::Short`] and [`WireError::Length`].
    #[inline]
    pub fn read(version: Version, frame: Frame<'a>) -> Result<Self, WireError> {
        let short = WireError::Short(kind::PUBLISH);
        let qos = frame.first >> 1 & 3;
        let (size, rest) = frame.body.split_first_chunk::<2>().ok_or(short)?;
        let (topic, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size))).ok_or(short)?;
        let mut packet_id = 0;
        if qos > 0 {
            let (id, after) = rest.split_first_chunk::<2>().ok_or(short)?;
            packet_id = u16::from_be_bytes(*id);
            rest = after;
        }
        if version == Version::V5 {
            let (properties, size) = varint(rest)?.ok_or(short)?;
            rest = rest.get(size + properties..).ok_or(short)?;
        }
        Ok(Self { qos, packet_id, topic, payload: rest })
    }
}

/// What a CONNACK grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// How many QoS 1 and 2 messages the broker takes before it has acknowledged one.
    pub receive_maximum: u16,
    /// The highest QoS that may be published.
    pub maximum_qos: u8,
    /// The broker has kept the session.
    pub session_present: bool,
}

impl Default for Welcome {
    fn default() -> Self {
        Self { receive_maximum: u16::MAX, maximum_qos: 2, session_present: false }
    }
}

/// Reads a CONNACK: its code, and what it grants.
///
/// # Errors
/// [`WireError::Short`], [`WireError::Length`], [`WireError::Property`].
pub fn connack(version: Version, frame: Frame<'_>) -> Result<(u8, Welcome), WireError> {
    let short = WireError::Short(kind::CONNACK);
    let &[flags, code, ref rest @ ..] = frame.body else { return Err(short) };
    let mut welcome = Welcome { session_present: flags & 1 != 0, ..Welcome::default() };
    if version == Version::V5 && !rest.is_empty() {
        let (length, size) = varint(rest)?.ok_or(short)?;
        let mut properties = rest.get(size..size + length).ok_or(short)?;
        while let Some((&id, after)) = properties.split_first() {
            let width = property_width(id, after)?;
            let (value, after) = after.split_at_checked(width).ok_or(short)?;
            match (id, value) {
                (0x21, &[high, low]) => welcome.receive_maximum = u16::from_be_bytes([high, low]),
                (0x24, &[qos]) => welcome.maximum_qos = qos,
                _ => {}
            }
            properties = after;
        }
    }
    Ok((code, welcome))
}

/// The codes of a SUBACK.
///
/// # Errors
/// [`WireError::Short`], [`WireError::Length`].
pub fn suback(version: Version, frame: Frame<'_>) -> Result<&[u8], WireError> {
    let short = WireError::Short(kind::SUBACK);
    let mut rest = frame.body.get(2..).ok_or(short)?;
    if version == Version::V5 {
        let (length, size) = varint(rest)?.ok_or(short)?;
        rest = rest.get(size + length..).ok_or(short)?;
    }
    Ok(rest)
}

/// How many bytes the value of a CONNACK property takes at the front of `value`.
fn property_width(id: u8, value: &[u8]) -> Result<usize, WireError> {
    let string = |at: usize| match value.get(at..at + 2) {
        Some(&[high, low]) => Ok(at + 2 + usize::from(u16::from_be_bytes([high, low]))),
        _ => Err(WireError::Short(kind::CONNACK)),
    };
    match id {
        0x24 | 0x25 | 0x28 | 0x29 | 0x2a => Ok(1),
        0x13 | 0x21 | 0x22 => Ok(2),
        0x11 | 0x27 => Ok(4),
        0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => string(0),
        0x26 => string(string(0)?),
        other => Err(WireError::Property(other)),
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a string with its length. All strings here are the generator's own and short.
fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    put_varint(out, body.len());
    out.extend_from_slice(body);
}

/// Appends a CONNECT with a clean start and without keep alive.
pub fn put_connect(out: &mut Vec<u8>, version: Version, client_id: &str) {
    put_connect_with(out, version, client_id, true);
}

/// Appends a CONNECT for a session that outlives its connection, by an hour at least.
pub fn put_persistent_connect(out: &mut Vec<u8>, version: Version, client_id: &str) {
    put_connect_with(out, version, client_id, false);
}

fn put_connect_with(out: &mut Vec<u8>, version: Version, client_id: &str, is_clean: bool) {
    let mut body = Vec::with_capacity(32 + client_id.len());
    put_string(&mut body, "MQTT");
    body.extend_from_slice(&[version.into(), if is_clean { 0x02 } else { 0 }, 0, 0]);
    match (version, is_clean) {
        (Version::V311, _) => {}
        (Version::V5, true) => body.push(0),
        // Session Expiry Interval
        (Version::V5, false) => body.extend_from_slice(&[5, 0x11, 0, 0, 0x0e, 0x10]),
    }
    put_string(&mut body, client_id);
    put_packet(out, kind::CONNECT << 4, &body);
}

/// Appends a SUBSCRIBE for some filters.
pub fn put_subscribe(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: u16,
    filters: &[impl AsRef<str>],
    qos: u8,
) {
    let mut body = Vec::new();
    body.extend_from_slice(&packet_id.to_be_bytes());
    if version == Version::V5 {
        body.push(0);
    }
    for filter in filters {
        put_string(&mut body, filter.as_ref());
        body.push(qos);
    }
    put_packet(out, kind::SUBSCRIBE << 4 | 2, &body);
}

/// Appends PUBACK, PUBREC, PUBREL or PUBCOMP in the short form, which both versions share.
#[inline]
pub fn put_ack(out: &mut Vec<u8>, ack: u8, packet_id: u16) {
    let flags = if ack == kind::PUBREL { 2 } else { 0 };
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[ack << 4 | flags, 2, high, low]);
}

/// Appends a DISCONNECT.
pub fn put_disconnect(out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::DISCONNECT << 4, 0]);
}

/// A PUBLISH of one publisher, ready but for packet id and stamp.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
    payload_at: usize,
}

impl Template {
    /// `payload_bytes` is at least [`stamp::BYTES`].
    #[must_use]
    pub fn new(version: Version, topic: &str, qos: u8, payload_bytes: usize) -> Self {
        let mut body = Vec::with_capacity(topic.len() + payload_bytes + 8);
        put_string(&mut body, topic);
        let packet_id_in_body = (qos > 0).then_some(body.len());
        if qos > 0 {
            body.extend_from_slice(&[0, 0]);
        }
        if version == Version::V5 {
            body.push(0);
        }
        let payload_in_body = body.len();
        stamp::put_blank(&mut body, payload_bytes);
        let mut bytes = Vec::with_capacity(body.len() + 5);
        put_packet(&mut bytes, kind::PUBLISH << 4 | qos << 1, &body);
        let header = bytes.len() - body.len();
        Self {
            bytes,
            packet_id_at: packet_id_in_body.map(|at| at + header),
            payload_at: payload_in_body + header,
        }
    }

    /// Size of the packet on the wire.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a PUBLISH has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends one PUBLISH; `packet_id` is ignored at QoS 0. Allocates only when `out` has to grow.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>, packet_id: u16, stamp: Stamp) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.packet_id_at {
            out[start + at..start + at + 2].copy_from_slice(&packet_id.to_be_bytes());
        }
        stamp.write(&mut out[start + self.payload_at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_reads_back_as_the_publish_it_was_made_for() {
        for version in [Version::V311, Version::V5] {
            for qos in 0..=2 {
                for payload_bytes in [24, 64, 200, 20_000] {
                    let template = Template::new(version, "load/7/3", qos, payload_bytes);
                    let stamp = Stamp { publisher: 9, sequence: 1 << 40, sent_ns: 77 };
                    let mut out = vec![0xee];
                    template.put(&mut out, 0x1234, stamp);
                    let frame = split(&out[1..]).unwrap().unwrap();
                    assert_eq!(frame.len, out.len() - 1);
                    assert_eq!(frame.kind(), kind::PUBLISH);
                    let publish = Publish::read(version, frame).unwrap();
                    assert_eq!(publish.topic, b"load/7/3");
                    assert_eq!(publish.qos, qos);
                    assert_eq!(publish.packet_id, if qos > 0 { 0x1234 } else { 0 });
                    assert_eq!(publish.payload.len(), payload_bytes);
                    assert_eq!(Stamp::read(publish.payload, payload_bytes), Some(stamp));
                }
            }
        }
    }

    #[test]
    fn a_publish_is_encoded_to_the_bytes_that_the_standard_describes() {
        let mut out = Vec::new();
        Template::new(Version::V311, "a/b", 1, 24).put(
            &mut out,
            10,
            Stamp { publisher: 0, sequence: 0, sent_ns: 0 },
        );
        assert_eq!(out[..9], [0x32, 31, 0, 3, b'a', b'/', b'b', 0, 10]);
        out.clear();
        Template::new(Version::V5, "a/b", 0, 24).put(
            &mut out,
            0,
            Stamp { publisher: 0, sequence: 0, sent_ns: 0 },
        );
        assert_eq!(out[..8], [0x30, 30, 0, 3, b'a', b'/', b'b', 0]);
    }

    #[test]
    fn no_prefix_of_a_packet_is_taken_for_a_whole_one() {
        let mut out = Vec::new();
        Template::new(Version::V5, "load/0/0", 2, 300).put(
            &mut out,
            1,
            Stamp { publisher: 0, sequence: 0, sent_ns: 0 },
        );
        for end in 0..out.len() {
            assert!(split(&out[..end]).unwrap().is_none(), "{end} bytes");
        }
        assert!(split(&out).unwrap().is_some());
    }

    #[test]
    fn a_remaining_length_of_five_bytes_is_an_error() {
        assert_eq!(split(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01]).unwrap_err(), WireError::Length);
    }

    #[test]
    fn connect_and_subscribe_have_the_bytes_that_the_standard_describes() {
        let mut out = Vec::new();
        put_connect(&mut out, Version::V311, "x");
        assert_eq!(out, [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'x']);
        out.clear();
        put_connect(&mut out, Version::V5, "x");
        assert_eq!(out, [0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 1, b'x']);
        out.clear();
        put_persistent_connect(&mut out, Version::V311, "x");
        assert_eq!(out, [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 1, b'x']);
        out.clear();
        put_persistent_connect(&mut out, Version::V5, "x");
        let session_expiry = [5, 0x11, 0, 0, 0x0e, 0x10];
        assert_eq!(out[..12], [0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0]);
        assert_eq!(out[12..], [&session_expiry[..], &[0, 1, b'x']].concat());
        out.clear();
        put_subscribe(&mut out, Version::V311, 7, &["a/+"], 2);
        assert_eq!(out, [0x82, 8, 0, 7, 0, 3, b'a', b'/', b'+', 2]);
        out.clear();
        put_subscribe(&mut out, Version::V5, 7, &["a/+"], 2);
        assert_eq!(out, [0x82, 9, 0, 7, 0, 0, 3, b'a', b'/', b'+', 2]);
        out.clear();
        put_subscribe(&mut out, Version::V311, 7, &["a", "b"], 0);
        assert_eq!(out, [0x82, 10, 0, 7, 0, 1, b'a', 0, 0, 1, b'b', 0]);
        out.clear();
        put_ack(&mut out, kind::PUBREL, 0x0102);
        assert_eq!(out, [0x62, 2, 1, 2]);
    }

    #[test]
    fn a_connack_tells_its_limits_from_between_other_properties() {
        let bytes = [
            0x20, 22, 0, 0, 19, // 19 bytes of properties
            0x12, 0, 2, b'i', b'd', // Assigned Client Identifier
            0x21, 0, 20, // Receive Maximum
            0x26, 0, 1, b'k', 0, 1, b'v', // User Property
            0x24, 1, // Maximum QoS
            0x25, 0, // Retain Available
        ];
        let frame = split(&bytes).unwrap().unwrap();
        let welcome = Welcome { receive_maximum: 20, maximum_qos: 1, session_present: false };
        assert_eq!(connack(Version::V5, frame), Ok((0, welcome)));
        let refused = split(&[0x20, 2, 0, 5]).unwrap().unwrap();
        assert_eq!(connack(Version::V311, refused).unwrap().0, 5);
        let kept = split(&[0x20, 2, 1, 0]).unwrap().unwrap();
        assert!(connack(Version::V311, kept).unwrap().1.session_present);
    }

    #[test]
    fn a_suback_shows_its_codes_in_both_versions() {
        let frame = split(&[0x90, 3, 0, 1, 0x80]).unwrap().unwrap();
        assert_eq!(suback(Version::V311, frame), Ok(&[0x80][..]));
        let frame = split(&[0x90, 4, 0, 1, 0, 2]).unwrap().unwrap();
        assert_eq!(suback(Version::V5, frame), Ok(&[2][..]));
        assert_eq!(frame.packet_id(), Ok(1));
    }

    #[test]
    fn fields_past_the_end_of_a_publish_are_errors_and_not_panics() {
        for body in [&[][..], &[0], &[0, 9, b'a'], &[0, 1, b'a'], &[0, 1, b'a', 0, 1, 9]] {
            let frame = Frame { first: 0x32, body, len: body.len() + 2 };
            assert!(Publish::read(Version::V5, frame).is_err(), "{body:?}");
        }
    }
}
