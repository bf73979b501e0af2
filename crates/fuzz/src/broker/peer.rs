//! One transport as its peer sees it: what it has sent, and whether what it gets is what a server may send.

use std::collections::HashSet;

use topicwire_broker::ConnectionKey;
use topicwire_codec::{Connect, Packet, PacketId, PacketType, QoS, Split, Version, split_frame};

/// The Receive Maximum that the broker uses towards a client that cannot say one.
const INFLIGHT_3X: usize = 2;
const ALIASES: u16 = 2;

pub(super) struct Peer {
    pub(super) key: ConnectionKey,
    /// Bytes that are not a whole packet yet, in both directions.
    sent: Vec<u8>,
    got: Vec<u8>,
    state: State,
    /// Identifiers of PUBLISHes that the peer has not acknowledged. It may have fewer than the broker has, never more.
    unacknowledged: HashSet<PacketId>,
    /// Those that it has acknowledged without having got them: they may be on their way.
    acknowledged_early: HashSet<PacketId>,
    aliases: HashSet<u16>,
}

enum State {
    /// It has not said CONNECT.
    New,
    /// It has said one; what the broker may send it.
    Client(Terms),
    /// It has said something else, or has heard the last word. What comes is not looked at.
    Deaf,
    /// A topic URL.
    Payloads,
}

#[derive(Clone, Copy)]
struct Terms {
    version: Version,
    receive_maximum: usize,
    maximum_packet_size: usize,
    topic_alias_maximum: u16,
    has_method: bool,
    has_connack: bool,
}

impl Terms {
    fn of(connect: &Connect<'_>) -> Self {
        let version = connect.version;
        let receive_maximum = usize::from(connect.properties.receive_maximum.unwrap_or(u16::MAX));
        Self {
            version,
            receive_maximum: if version.is_v5() { receive_maximum } else { INFLIGHT_3X },
            maximum_packet_size: connect.properties.maximum_packet_size.unwrap_or(u32::MAX) as usize,
            topic_alias_maximum: connect.properties.topic_alias_maximum.unwrap_or(0).min(ALIASES),
            has_method: connect.properties.authentication_method.is_some(),
            has_connack: false,
        }
    }
}

impl Peer {
    pub(super) fn new(key: ConnectionKey) -> Self {
        let (sent, got) = (Vec::new(), Vec::new());
        Self {
            key,
            sent,
            got,
            state: State::New,
            unacknowledged: HashSet::new(),
            acknowledged_early: HashSet::new(),
            aliases: HashSet::new(),
        }
    }

    pub(super) fn of_payloads(key: ConnectionKey) -> Self {
        Self { state: State::Payloads, ..Self::new(key) }
    }

    /// The version of its CONNECT, or 5.0.
    pub(super) fn version(&self) -> Version {
        match &self.state {
            State::Client(terms) => terms.version,
            _ => Version::V5_0,
        }
    }

    /// Notes what it sends: its CONNECT, and its acknowledgements.
    pub(super) fn sends(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Deaf | State::Payloads) {
            return;
        }
        self.sent.extend_from_slice(bytes);
        let sent = std::mem::take(&mut self.sent);
        let mut rest = sent.as_slice();
        while let Ok(Split::Frame(frame)) = split_frame(rest, u32::MAX) {
            rest = &rest[frame.length..];
            match Packet::decode(&frame, self.version()) {
                Ok(Packet::Connect(connect)) if matches!(self.state, State::New) => {
                    self.state = State::Client(Terms::of(&connect));
                }
                _ if matches!(self.state, State::New) => {
                    self.state = State::Deaf;
                    return;
                }
                Ok(Packet::Puback(ack) | Packet::Pubcomp(ack)) => self.acknowledges(ack.packet_id),
                Ok(Packet::Pubrec(ack)) if ack.reason_code.is_error() => self.acknowledges(ack.packet_id),
                _ => {}
            }
        }
        self.sent = rest.to_vec();
    }

    fn acknowledges(&mut self, packet_id: PacketId) {
        if !self.unacknowledged.remove(&packet_id) {
            self.acknowledged_early.insert(packet_id);
        }
    }

    /// Looks at what it gets.
    pub(super) fn gets(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.got.extend_from_slice(bytes);
        let got = std::mem::take(&mut self.got);
        let mut rest = got.as_slice();
        match self.state {
            State::Deaf => return,
            State::New => assert_eq!(self.sent.first(), Some(&0x10), "an answer to no CONNECT"),
            State::Payloads => {
                while let Some((head, after)) = rest.split_first_chunk::<5>() {
                    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
                    let Some((payload, after)) = after.split_at_checked(length) else { break };
                    assert_eq!(head[4], u8::from(std::str::from_utf8(payload).is_ok()));
                    rest = after;
                }
            }
            State::Client(_) => {
                while let Split::Frame(frame) = split_frame(rest, u32::MAX).expect("a broker's frame") {
                    let packet = Packet::decode(&frame, self.version()).expect("a broker's packet");
                    self.takes(&packet, frame.length);
                    rest = &rest[frame.length..];
                }
            }
        }
        self.got = rest.to_vec();
    }

    fn takes(&mut self, packet: &Packet<'_>, length: usize) {
        let State::Client(terms) = &mut self.state else { return };
        assert!(
            length <= terms.maximum_packet_size,
            "{length} bytes are more than the client takes: {packet:?}"
        );
        match packet.packet_type() {
            PacketType::Auth => {}
            PacketType::Connack => assert!(!std::mem::replace(&mut terms.has_connack, true), "{packet:?}"),
            _ => assert!(terms.has_connack, "before CONNACK: {packet:?}"),
        }
        match packet {
            Packet::Publish(publish) => {
                if let Some(alias) = publish.properties.topic_alias {
                    assert!(alias <= terms.topic_alias_maximum, "{publish:?}");
                    let is_known = self.aliases.contains(&alias);
                    assert!(is_known || !publish.topic_name.is_empty(), "{publish:?}");
                    self.aliases.insert(alias);
                }
                if let Some(packet_id) = publish.packet_id
                    && !self.acknowledged_early.remove(&packet_id)
                {
                    let is_new = self.unacknowledged.insert(packet_id);
                    assert!(
                        is_new && publish.qos != QoS::AtMostOnce,
                        "sent twice on one connection: {publish:?}"
                    );
                    assert!(self.unacknowledged.len() <= terms.receive_maximum, "{publish:?}");
                }
            }
            Packet::Disconnect(_) => assert!(terms.version.is_v5(), "a server's DISCONNECT before 5.0"),
            Packet::Auth(_) => assert!(terms.has_method, "AUTH to a client that named no method"),
            Packet::Connack(_) | Packet::Puback(_) | Packet::Pubrec(_) | Packet::Pubrel(_) => {}
            Packet::Pubcomp(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {}
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::Pingreq => {
                unreachable!("a packet that only a client sends: {packet:?}")
            }
        }
    }
}
