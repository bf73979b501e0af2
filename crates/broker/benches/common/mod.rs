//! The loads that the benches share, and the guard of instruction counts with them (`bench/instructions`): publishers,
//! subscribers and a broker, no sockets. A turn goes from the bytes that publishers and subscribers send, their
//! acknowledgements among them, to the bytes in the arena.
#![allow(dead_code, unreachable_pub, reason = "each bench uses its part")]

use topicwire_broker::{Broker, Config, ConnectionKey, HookFilters};
use topicwire_codec::{
    Connect, PacketId, PacketType, Publish, QoS, Subscribe, SubscribeFilter, SubscribeFilters,
    SubscribeOptions, UserProperties, Version,
};

/// Messages that a publisher of QoS 1 or 2 has under way at once.
pub const WINDOW: u16 = 100;

/// Who is there, and what is sent.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub version: Version,
    pub qos: QoS,
    pub publishers: u16,
    pub subscribers: u16,
    pub payload_bytes: usize,
    /// Messages of each publisher in a turn; with QoS 1 and 2 at most [`WINDOW`].
    pub messages: u16,
    /// Bytes that are handed over at once, as from one `read`. 0: a packet at a time, each followed by a drain.
    pub chunk_bytes: usize,
}

impl Shape {
    /// One pair and chunks of 64 KiB.
    pub const fn pair(qos: QoS) -> Self {
        let messages = if matches!(qos, QoS::AtMostOnce) { 600 } else { WINDOW };
        Self {
            version: Version::V3_1_1,
            qos,
            publishers: 1,
            subscribers: 1,
            payload_bytes: 64,
            messages,
            chunk_bytes: 64 << 10,
        }
    }

    /// Deliveries in a turn.
    pub const fn deliveries(&self) -> u64 {
        self.publishers as u64 * self.subscribers as u64 * self.messages as u64
    }
}

/// The next identifier that the broker gives out towards one subscriber.
struct Ids(u16);

impl Ids {
    fn next(&mut self) -> u16 {
        self.0 = self.0.checked_add(1).unwrap_or(1);
        self.0
    }
}

/// A broker under load.
pub struct Load {
    pub broker: Broker,
    shape: Shape,
    publishers: Vec<(ConnectionKey, Vec<u8>)>,
    subscribers: Vec<(ConnectionKey, Ids)>,
    arena: Vec<u8>,
    acks: Vec<u8>,
}

impl Load {
    pub fn new(shape: Shape) -> Self {
        Self::with_config(shape, Config::default())
    }

    pub fn with_config(shape: Shape, config: Config) -> Self {
        let mut config = Config { sys_interval_ms: 0, ..config };
        config.limits.maximum_out_buffer_bytes = 1 << 30;
        let mut load = Self {
            broker: Broker::new(config, HookFilters::default(), 0),
            shape,
            publishers: Vec::new(),
            subscribers: Vec::new(),
            arena: vec![0; 256 << 10],
            acks: Vec::new(),
        };
        for number in 0..shape.subscribers {
            let key = load.connect(&format!("subscriber-{number}"));
            load.subscribe(key, if shape.publishers == 1 { "bench/0/topic" } else { "bench/+/topic" });
            load.subscribers.push((key, Ids(0)));
        }
        for number in 0..shape.publishers {
            let key = load.connect(&format!("publisher-{number}"));
            load.publishers.push((key, shape.packets(&format!("bench/{number}/topic"))));
        }
        load.drain();
        while load.broker.poll_event().is_some() {}
        load
    }

    fn connect(&mut self, client_id: &str) -> ConnectionKey {
        let mut bytes = Vec::new();
        let version = self.shape.version;
        let mut connect = Connect::new(version, client_id);
        connect.properties.receive_maximum = version.is_v5().then_some(u16::MAX);
        connect.encode(version, &mut bytes).unwrap();
        let key = self.broker.open(0);
        self.broker.receive(key, &bytes, 0);
        key
    }

    fn subscribe(&mut self, key: ConnectionKey, topic_filter: &str) {
        let filters = [SubscribeFilter { topic_filter, options: SubscribeOptions::from_qos(self.shape.qos) }];
        let subscribe = Subscribe {
            packet_id: PacketId::MIN,
            subscription_id: None,
            user_properties: UserProperties::default(),
            filters: SubscribeFilters::from_slice(&filters),
        };
        let mut bytes = Vec::new();
        subscribe.encode(self.shape.version, &mut bytes).unwrap();
        self.broker.receive(key, &bytes, 0);
    }

    /// One turn; returns the bytes that left.
    pub fn turn(&mut self) -> usize {
        let mut left = 0;
        let publishers = std::mem::take(&mut self.publishers);
        for (key, packets) in &publishers {
            left += self.hand_over(*key, packets);
        }
        if self.shape.chunk_bytes > 0 {
            left += self.drain();
        }
        match self.shape.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => left += self.acknowledge(PacketType::Puback),
            QoS::ExactlyOnce => {
                left += self.acknowledge(PacketType::Pubrec);
                for (key, _) in &publishers {
                    left += self.send_acks(*key, PacketType::Pubrel, 1, self.shape.messages);
                }
                left += self.drain() + self.acknowledge(PacketType::Pubcomp);
            }
        }
        self.publishers = publishers;
        left
    }

    /// What each subscriber answers to the messages of this turn.
    fn acknowledge(&mut self, packet_type: PacketType) -> usize {
        let count = self.shape.messages * self.shape.publishers;
        let is_last = packet_type != PacketType::Pubrec;
        let mut left = 0;
        for index in 0..self.subscribers.len() {
            let (key, ids) = &mut self.subscribers[index];
            let key = *key;
            let first = Ids(ids.0).next();
            if is_last {
                for _ in 0..count {
                    ids.next();
                }
            }
            left += self.send_acks(key, packet_type, first, count);
        }
        left + self.drain()
    }

    fn send_acks(&mut self, key: ConnectionKey, packet_type: PacketType, first: u16, count: u16) -> usize {
        let first_byte = (packet_type as u8) << 4 | if packet_type == PacketType::Pubrel { 2 } else { 0 };
        let mut acks = std::mem::take(&mut self.acks);
        acks.clear();
        let mut ids = Ids(first - 1);
        for _ in 0..count {
            let [high, low] = ids.next().to_be_bytes();
            acks.extend_from_slice(&[first_byte, 2, high, low]);
        }
        let left = self.hand_over(key, &acks);
        self.acks = acks;
        left
    }

    fn hand_over(&mut self, key: ConnectionKey, packets: &[u8]) -> usize {
        if self.shape.chunk_bytes > 0 {
            for chunk in packets.chunks(self.shape.chunk_bytes) {
                self.broker.receive(key, chunk, 0);
            }
            return 0;
        }
        let mut left = 0;
        let mut rest = packets;
        while !rest.is_empty() {
            let (packet, others) = rest.split_at(whole_length(rest));
            self.broker.receive(key, packet, 0);
            left += self.drain();
            rest = others;
        }
        left
    }

    /// Takes everything out, as the host does once a turn.
    pub fn drain(&mut self) -> usize {
        let mut total = 0;
        while let Some(transmit) = self.broker.poll_transmit(&mut self.arena, 0) {
            total += transmit.length;
        }
        total
    }

    /// True where nothing waits and nothing was dropped: a bench that measured something else has to say so.
    pub fn is_settled(&self) -> bool {
        let metrics = self.broker.metrics();
        metrics.queued_messages == 0
            && metrics.out_buffer_bytes == 0
            && metrics.protocol_errors == 0
            && metrics.publish_sent == metrics.publish_received * u64::from(self.shape.subscribers)
    }
}

impl Shape {
    /// What one publisher sends in a turn.
    fn packets(&self, topic_name: &str) -> Vec<u8> {
        let payload = vec![b'x'; self.payload_bytes];
        let mut bytes = Vec::new();
        for number in 1..=self.messages {
            let packet_id = if self.qos == QoS::AtMostOnce { None } else { PacketId::new(number) };
            Publish { qos: self.qos, packet_id, ..Publish::new(topic_name, &payload) }
                .encode(self.version, &mut bytes)
                .unwrap();
        }
        bytes
    }
}

/// The length of the first packet of a stream.
fn whole_length(bytes: &[u8]) -> usize {
    match topicwire_codec::split_frame(bytes, u32::MAX) {
        Ok(topicwire_codec::Split::Frame(frame)) => frame.length,
        _ => bytes.len(),
    }
}
