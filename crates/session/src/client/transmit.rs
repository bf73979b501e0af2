//! What leaves: the out-buffer, how packets get into it, and how it is emptied.

use topicwire_codec::{Ack, EncodeError, PacketId, PacketType, ReasonCode, Version};

use super::Client;
use super::fault::Fault;
use super::link::Phase;
use super::misuse::Misuse;

/// A piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// How many bytes at the start of the arena.
    pub length: usize,
    /// Nothing follows: write these, then close the transport [MQTT-3.14.4-2].
    pub is_last: bool,
}

/// Bytes that wait for the transport.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    head: usize,
}

impl Out {
    /// Capacity that is kept when the buffer runs empty; more than that is given back.
    const KEPT_BYTES: usize = 1 << 16;

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    pub(super) fn clear(&mut self) {
        self.head = 0;
        if self.bytes.capacity() > Self::KEPT_BYTES {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Moves as much as fits to the start of `arena`.
    fn drain_into(&mut self, arena: &mut [u8]) -> usize {
        let waiting = self.bytes.get(self.head..).unwrap_or_default();
        let length = waiting.len().min(arena.len());
        if let (Some(to), Some(from)) = (arena.get_mut(..length), waiting.get(..length)) {
            to.copy_from_slice(from);
        }
        self.head += length;
        if self.head == self.bytes.len() {
            self.clear();
        } else if self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        length
    }
}

impl Client {
    /// The next bytes for the transport, written to the start of `arena`: as much as fits, the rest comes with a later
    /// call. None where there is nothing, or where `arena` is empty.
    ///
    /// What is returned counts as sent: Keep Alive is measured from here [MQTT-3.1.2-20],
    /// v3.1.1 [MQTT-3.1.2-23].
    #[must_use]
    pub fn poll_transmit(&mut self, arena: &mut [u8], now_ms: u64) -> Option<Transmit> {
        if arena.is_empty() {
            return None;
        }
        let mut length = 0;
        loop {
            let drained = self.out.drain_into(arena.get_mut(length..).unwrap_or_default());
            length += drained;
            if self.out.len() < self.config.maximum_out_buffer_bytes / 2 {
                self.pump(now_ms);
            }
            if self.out.len() == 0 || length == arena.len() {
                break;
            }
        }
        if length > 0 {
            self.link.keep_alive.touch(now_ms);
        }
        let is_last = self.link.phase == Phase::Over && self.out.len() == 0 && !self.link.is_closing_told;
        self.link.is_closing_told |= is_last;
        (length > 0 || is_last).then_some(Transmit { length, is_last })
    }

    /// Whether [`Client::poll_transmit`] has something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.out.len() > 0 || (self.link.phase == Phase::Over && !self.link.is_closing_told)
    }

    /// True where the out-buffer takes another message.
    pub(super) fn has_out_room(&self) -> bool {
        self.out.len() < self.config.maximum_out_buffer_bytes
    }

    /// Writes a packet, unless it is larger than the server takes [MQTT-3.2.2-15].
    pub(super) fn write(
        &mut self,
        encode: impl FnOnce(Version, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), Misuse> {
        let out = &mut self.out.bytes;
        let start = out.len();
        encode(self.link.version, out)?;
        let length = out.len() - start;
        let maximum = self.link.server.maximum_packet_size;
        if length > maximum as usize {
            out.truncate(start);
            return Err(Misuse::PacketTooLarge { length, maximum });
        }
        Ok(())
    }

    /// Writes PUBACK, PUBREC, PUBREL or PUBCOMP.
    ///
    /// # Errors
    /// A server that takes no packet of that size, or that makes us answer and does not read the answers.
    pub(super) fn write_ack(
        &mut self,
        packet_type: PacketType,
        packet_id: PacketId,
        reason_code: ReasonCode,
    ) -> Result<(), Fault> {
        if self.out.len() > self.config.maximum_out_buffer_bytes.saturating_mul(2) {
            return Err(Fault::new(
                ReasonCode::QuotaExceeded,
                "the server does not read what it is answered",
            ));
        }
        let ack = Ack::new(packet_id, reason_code);
        self.write(|version, out| ack.encode(packet_type, version, out)).map_err(|_| {
            Fault::new(
                ReasonCode::PacketTooLarge,
                "the server takes no packet as large as an acknowledgement",
            )
        })
    }
}
