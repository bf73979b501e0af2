//! A transport between a client and the broker, with what is under way on it in both directions.

use std::collections::VecDeque;

use topicwire_broker::ConnectionKey;
use topicwire_codec::{Split, Version, split_frame};

use crate::model::Tag;
use crate::packet::{ClientPacket, ServerPacket};

#[derive(Debug)]
pub(crate) struct Link {
    /// Whose it is.
    pub(crate) client: usize,
    pub(crate) key: ConnectionKey,
    pub(crate) version: Version,
    /// The broker's end is open.
    pub(crate) is_open: bool,
    /// Since when it takes nothing from the broker.
    pub(crate) blocked_since_ms: Option<u64>,
    /// It takes something again.
    pub(crate) is_writable: bool,
    to_broker: VecDeque<u8>,
    /// The packets of `to_broker`, each with where it ends, counted from the first byte of the transport.
    packets: VecDeque<(u64, ClientPacket)>,
    sent: u64,
    delivered: u64,
    /// Bytes of the broker that are not a whole packet yet.
    from_broker: Vec<u8>,
    /// What the client has not read yet.
    pub(crate) inbox: VecDeque<(ServerPacket, Option<Tag>)>,
}

impl Link {
    pub(crate) fn new(client: usize, key: ConnectionKey, version: Version) -> Self {
        Self {
            client,
            key,
            version,
            is_open: true,
            blocked_since_ms: None,
            is_writable: true,
            to_broker: VecDeque::new(),
            packets: VecDeque::new(),
            sent: 0,
            delivered: 0,
            from_broker: Vec::new(),
            inbox: VecDeque::new(),
        }
    }

    /// The client sends.
    pub(crate) fn send(&mut self, packet: ClientPacket) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes);
        self.sent += bytes.len() as u64;
        self.to_broker.extend(bytes);
        self.packets.push_back((self.sent, packet));
    }

    pub(crate) fn has_bytes_for_broker(&self) -> bool {
        !self.to_broker.is_empty()
    }

    /// The next bytes that reach the broker, and the packets that are whole with them.
    pub(crate) fn take(&mut self, most: usize, one_packet: bool) -> (Vec<u8>, Vec<ClientPacket>) {
        let mut count = most.min(self.to_broker.len());
        if one_packet && let Some((end, _)) = self.packets.front() {
            count = count.min((end - self.delivered) as usize);
        }
        let bytes = self.to_broker.drain(..count).collect();
        self.delivered += count as u64;
        let mut packets = Vec::new();
        while let Some((end, _)) = self.packets.front()
            && *end <= self.delivered
        {
            packets.extend(self.packets.pop_front().map(|(_, packet)| packet));
        }
        (bytes, packets)
    }

    /// Bytes of the broker have come; the packets that are whole with them, each with its length.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<(ServerPacket, usize)>, String> {
        self.from_broker.extend_from_slice(bytes);
        let mut packets = Vec::new();
        let mut used = 0;
        while let Split::Frame(frame) =
            split_frame(&self.from_broker[used..], u32::MAX).map_err(|error| error.to_string())?
        {
            packets.push((ServerPacket::decode(&frame, self.version)?, frame.length));
            used += frame.length;
        }
        self.from_broker.drain(..used);
        Ok(packets)
    }

    /// The broker's end is gone; what it had sent may still come.
    pub(crate) fn lose_broker(&mut self, loses_output: bool) {
        self.is_open = false;
        self.to_broker.clear();
        self.packets.clear();
        if loses_output {
            self.inbox.clear();
        }
    }

    /// The transport breaks: what was under way on it is lost.
    pub(crate) fn cut(&mut self) {
        self.is_open = false;
        self.to_broker.clear();
        self.packets.clear();
        self.inbox.clear();
    }
}
