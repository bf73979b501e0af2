//! A bounded reader over one packet's bytes. It never looks past them, and what it returns borrows from them.

use crate::error::{DecodeError, Malformed, ProtocolError};
use crate::packet_id::PacketId;
use crate::{utf8, varint};

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left, without taking it.
    #[inline]
    pub(crate) const fn peek(&self) -> &'a [u8] {
        self.bytes
    }

    /// What is left, all of it.
    #[inline]
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// Refuses bytes that nothing asked for.
    #[inline]
    pub(crate) const fn finish(self) -> Result<(), Malformed> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }

    /// Takes the next byte if it is 0: a property section without properties, without the cost of one.
    #[inline]
    pub(crate) const fn take_zero(&mut self) -> bool {
        match self.bytes {
            [0, rest @ ..] => {
                self.bytes = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(Malformed::UnexpectedEnd)?;
        self.bytes = rest;
        Ok(*array)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.bytes.split_at_checked(length).ok_or(Malformed::UnexpectedEnd)?;
        self.bytes = rest;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A Variable Byte Integer.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u32, Malformed> {
        let (value, rest) = varint::decode(self.bytes)?.ok_or(Malformed::UnexpectedEnd)?;
        self.bytes = rest;
        Ok(value)
    }

    /// Binary Data: two bytes of length, then as many bytes.
    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// A UTF-8 Encoded String.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a str, Malformed> {
        utf8::check(self.binary()?)
    }

    /// A Packet Identifier, which is never 0.
    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.u16()?).ok_or(DecodeError::ProtocolError(ProtocolError::PacketIdZero))
    }
}
