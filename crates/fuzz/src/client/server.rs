//! The server as the client knows it: what it has said that it takes, and whether what it gets is that.

use std::collections::HashSet;

use topicwire_codec::{Packet, PacketId, PacketType, Publish, Split, Version, split_frame};

/// What the client knows of its server, and what it still waits for.
#[derive(Default)]
pub(super) struct Server {
    has_connect: bool,
    pub(super) has_connack: bool,
    /// Something was sent before it could say what it takes.
    was_early: bool,
    pub(super) receive_maximum: Option<u16>,
    pub(super) maximum_packet_size: Option<u32>,
    /// What it has sent and is not a whole packet yet.
    sent: Vec<u8>,
    /// Identifiers of PUBLISHes that it has not acknowledged.
    unacknowledged: HashSet<PacketId>,
    /// Those that it has acknowledged without having got them: they may be on their way.
    acknowledged_early: HashSet<PacketId>,
}

impl Server {
    /// Notes the acknowledgements among what it sends.
    pub(super) fn sends(&mut self, bytes: &[u8], version: Version) {
        let mut sent = std::mem::take(&mut self.sent);
        sent.extend_from_slice(bytes);
        let mut rest = sent.as_slice();
        while let Ok(Split::Frame(frame)) = split_frame(rest, u32::MAX) {
            match Packet::decode(&frame, version) {
                Ok(Packet::Puback(ack) | Packet::Pubcomp(ack)) => self.acknowledges(ack.packet_id),
                Ok(Packet::Pubrec(ack)) if ack.reason_code.is_error() => self.acknowledges(ack.packet_id),
                _ => {}
            }
            rest = &rest[frame.length..];
        }
        self.sent = rest.to_vec();
    }

    fn acknowledges(&mut self, packet_id: PacketId) {
        if !self.unacknowledged.remove(&packet_id) {
            self.acknowledged_early.insert(packet_id);
        }
    }

    pub(super) fn takes(&mut self, packet: &Packet<'_>, length: usize) {
        let is_connect = packet.packet_type() == PacketType::Connect;
        assert_eq!(is_connect, !self.has_connect, "{packet:?}");
        self.was_early |= !is_connect && !self.has_connack;
        self.has_connect = true;
        if let Some(maximum) = self.maximum_packet_size {
            assert!(length <= maximum as usize, "{length} bytes are too large: {packet:?}");
        }
        match packet {
            Packet::Publish(Publish { packet_id: Some(packet_id), .. }) => {
                if !self.acknowledged_early.remove(packet_id) {
                    self.unacknowledged.insert(*packet_id);
                }
                let most = usize::from(self.receive_maximum.unwrap_or(u16::MAX));
                let count = self.unacknowledged.len();
                assert!(count <= most || self.was_early, "{count} are under way: {packet:?}");
            }
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                unreachable!("a packet that only a server sends: {packet:?}")
            }
            _ => {}
        }
    }
}
