//! Whatever a server sends and an application asks, in any order: the client does not panic, and what it sends is
//! well formed, within what the server said that it takes, and ends with a DISCONNECT where there is one.
#![allow(clippy::panic, reason = "how a test fails")]

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_codec::{
    Ack, Auth, Connack, ConnackProperties, Connect, Disconnect, Packet, PacketId, PacketType, Publish,
    PublishProperties, QoS, ReasonCode, Split, Suback, SubscribeFilter, SubscribeOptions, Unsuback,
    UserProperties, Version, split_frame,
};
use topicwire_session::client::{AuthStep, Client, Config, DeliveryKey, Event, Message, Subscription};

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const NAMES: [&str; 3] = ["a", "a/long/name", "another/name"];

#[derive(Clone, Debug)]
enum Step {
    Connect {
        clean: bool,
        with_method: bool,
    },
    Lose,
    Wait {
        ms: u64,
    },
    Publish {
        name: usize,
        qos: usize,
        retain: bool,
        length: usize,
    },
    Subscribe,
    Unsubscribe,
    Ping,
    Acknowledge {
        place: usize,
    },
    Authenticate,
    Leave {
        code: u8,
    },
    /// What the server sends, in chunks of so many bytes.
    Serve {
        packets: Vec<Served>,
        chunk: usize,
    },
}

#[derive(Clone, Debug)]
enum Served {
    Connack { present: bool, receive_maximum: u16, qos: usize, retain: bool, size: Option<u32>, aliases: u16 },
    Publish { name: usize, qos: usize, id: u16, alias: Option<u16>, dup: bool },
    Ack { kind: u8, id: u16, code: u8 },
    Suback { id: u16, count: usize },
    Unsuback { id: u16 },
    Pingresp,
    Disconnect,
    Auth { code: u8 },
    Garbage(Vec<u8>),
}

fn served() -> impl Strategy<Value = Served> {
    let id = 1..6u16;
    prop_oneof![
        3 => (any::<bool>(), 1..4u16, 0..3usize, any::<bool>(), proptest::option::weighted(0.3, 3..60u32), 0..3u16)
            .prop_map(|(present, receive_maximum, qos, retain, size, aliases)| {
                Served::Connack { present, receive_maximum, qos, retain, size, aliases }
            }),
        4 => (0..3usize, 0..3usize, id.clone(), proptest::option::weighted(0.3, 1..4u16), any::<bool>())
            .prop_map(|(name, qos, id, alias, dup)| Served::Publish { name, qos, id, alias, dup }),
        8 => (4..8u8, id.clone(), prop_oneof![Just(0), Just(0x80u8)])
            .prop_map(|(kind, id, code)| Served::Ack { kind, id, code }),
        2 => (id.clone(), 1..3usize).prop_map(|(id, count)| Served::Suback { id, count }),
        1 => id.prop_map(|id| Served::Unsuback { id }),
        1 => Just(Served::Pingresp),
        1 => Just(Served::Disconnect),
        1 => prop_oneof![Just(0u8), Just(0x18u8)].prop_map(|code| Served::Auth { code }),
        1 => vec(any::<u8>(), 1..12).prop_map(Served::Garbage),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), proptest::bool::weighted(0.2))
            .prop_map(|(clean, with_method)| Step::Connect { clean, with_method }),
        1 => Just(Step::Lose),
        1 => (1..70_000u64).prop_map(|ms| Step::Wait { ms }),
        6 => (0..3usize, 0..3usize, any::<bool>(), 0..40usize)
            .prop_map(|(name, qos, retain, length)| Step::Publish { name, qos, retain, length }),
        1 => Just(Step::Subscribe),
        1 => Just(Step::Unsubscribe),
        1 => Just(Step::Ping),
        2 => (0..4usize).prop_map(|place| Step::Acknowledge { place }),
        1 => Just(Step::Authenticate),
        1 => prop_oneof![Just(0u8), Just(4), Just(0x8E)].prop_map(|code| Step::Leave { code }),
        9 => (vec(served(), 1..5), 1..40usize).prop_map(|(packets, chunk)| Step::Serve { packets, chunk }),
    ]
}

impl Served {
    fn write(&self, version: Version, out: &mut Vec<u8>) {
        let id = |id: u16| PacketId::new(id).expect("not 0");
        let packet = match self {
            Self::Connack { present, receive_maximum, qos, retain, size, aliases } => {
                let properties = ConnackProperties {
                    receive_maximum: Some(*receive_maximum),
                    maximum_qos: Some(QOS[*qos]),
                    retain_available: Some(*retain),
                    maximum_packet_size: *size,
                    topic_alias_maximum: Some(*aliases),
                    ..ConnackProperties::default()
                };
                Packet::Connack(Connack {
                    session_present: *present,
                    reason_code: ReasonCode::Success,
                    properties,
                })
            }
            Self::Publish { name, qos, id: packet_id, alias, dup } => Packet::Publish(Publish {
                qos: QOS[*qos],
                dup: *dup && *qos > 0,
                packet_id: (*qos > 0).then(|| id(*packet_id)),
                properties: PublishProperties { topic_alias: *alias, ..PublishProperties::default() },
                ..Publish::new(if alias.is_some() && *name == 0 { "" } else { NAMES[*name] }, b"payload")
            }),
            Self::Ack { kind, id: packet_id, code } => {
                let kind = PacketType::from_u8(*kind).expect("an acknowledgement");
                let code = ReasonCode::from_u8(*code).filter(|code| code.is_valid_for(kind));
                let ack = Ack::new(id(*packet_id), code.unwrap_or(ReasonCode::Success));
                ack.encode(kind, version, out).expect("well formed");
                return;
            }
            Self::Suback { id: packet_id, count } => {
                let codes = vec![ReasonCode::GrantedQoS1; *count];
                Suback::new(id(*packet_id), &codes).encode(version, out).expect("well formed");
                return;
            }
            Self::Unsuback { id: packet_id } => {
                Packet::Unsuback(Unsuback::new(id(*packet_id), &[ReasonCode::Success]))
            }
            Self::Pingresp => Packet::Pingresp,
            Self::Disconnect => Packet::Disconnect(Disconnect::new(ReasonCode::ServerBusy)),
            Self::Auth { code } if version.is_v5() => {
                Packet::Auth(Auth::new(ReasonCode::from_u8(*code).expect("a code"), "method"))
            }
            Self::Auth { .. } => return,
            Self::Garbage(bytes) => return out.extend_from_slice(bytes),
        };
        // An alias alone has no form before 5.0.
        let _ = packet.encode(version, out);
    }
}

/// A client, and what its server knows of it.
struct World {
    client: Client,
    version: Version,
    now_ms: u64,
    is_first: bool,
    is_over: bool,
    has_method: bool,
    /// Identifiers of messages that this connection's server has not answered.
    open: HashSet<PacketId>,
    /// Answers that are in one chunk with what makes the client send the message.
    answered_early: HashSet<PacketId>,
    deliveries: Vec<DeliveryKey>,
    closed_count: usize,
    connect_count: usize,
}

impl World {
    fn new(version: Version, config: Config) -> Self {
        Self {
            client: Client::new(config),
            version,
            now_ms: 1,
            is_first: true,
            is_over: true,
            has_method: false,
            open: HashSet::new(),
            answered_early: HashSet::new(),
            deliveries: Vec::new(),
            closed_count: 0,
            connect_count: 0,
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Connect { clean, with_method } => {
                let mut connect = Connect::new(self.version, "c");
                connect.clean_start = *clean;
                connect.keep_alive_secs = 20;
                if self.version.is_v5() {
                    connect.properties.session_expiry_interval_secs = Some(50);
                    connect.properties.receive_maximum = Some(2);
                    connect.properties.topic_alias_maximum = Some(2);
                    connect.properties.authentication_method = with_method.then_some("method");
                }
                if self.client.connect(&connect, self.now_ms).is_ok() {
                    (self.is_first, self.is_over, self.has_method) =
                        (true, false, self.version.is_v5() && *with_method);
                    self.open.clear();
                    self.connect_count += 1;
                }
            }
            Step::Lose => self.lose(),
            Step::Wait { ms } => {
                self.now_ms += ms;
                self.client.handle_timeout(self.now_ms);
            }
            Step::Publish { name, qos, retain, length } => {
                let payload = vec![b'x'; *length];
                let message = Message {
                    topic_name: NAMES[*name],
                    payload: &payload,
                    qos: QOS[*qos],
                    retain: *retain,
                    ..Message::default()
                };
                let _ = self.client.publish(&message, self.now_ms);
            }
            Step::Subscribe => {
                let options = SubscribeOptions::from_qos(QoS::AtLeastOnce);
                let filters = [SubscribeFilter { topic_filter: "a/#", options }];
                let _ = self.client.subscribe(&Subscription { filters: &filters, ..Subscription::default() });
            }
            Step::Unsubscribe => {
                let _ = self.client.unsubscribe(&["a/#"], UserProperties::default());
            }
            Step::Ping => {
                let _ = self.client.ping(self.now_ms);
            }
            Step::Acknowledge { place } => {
                if let Some(key) = self.deliveries.get(*place).copied() {
                    self.deliveries.remove(*place);
                    let _ = self.client.acknowledge(key, ReasonCode::Success, self.now_ms);
                }
            }
            Step::Authenticate => {
                let step = AuthStep { authentication_data: Some(b"data"), ..AuthStep::default() };
                let _ = self
                    .client
                    .authenticate(&step, self.now_ms)
                    .or_else(|_| self.client.reauthenticate(&step));
            }
            Step::Leave { code } => {
                let disconnect = Disconnect::new(ReasonCode::from_u8(*code).expect("a code"));
                let _ = self.client.disconnect(&disconnect, self.now_ms);
            }
            Step::Serve { packets, chunk } => self.serve(packets, *chunk),
        }
        self.settle(&[]);
    }

    fn serve(&mut self, packets: &[Served], size: usize) {
        if self.is_over {
            return;
        }
        let mut bytes = Vec::new();
        // Where each answer to a message is complete.
        let mut answers = Vec::new();
        for packet in packets {
            packet.write(self.version, &mut bytes);
            if let Served::Ack { kind, id, code } = packet
                && (matches!(kind, 4 | 7) || (*kind == 5 && *code >= 0x80))
            {
                answers.push((bytes.len(), *id));
            }
        }
        let mut end = 0;
        for chunk in bytes.chunks(size) {
            if self.is_over {
                return;
            }
            end += chunk.len();
            self.client.handle_input(chunk, self.now_ms);
            for (_, id) in answers.extract_if(.., |(at, _)| *at <= end) {
                let id = PacketId::new(id).expect("not 0");
                if !self.open.remove(&id) {
                    self.answered_early.insert(id);
                }
            }
            self.settle(chunk);
            self.answered_early.clear();
        }
    }

    fn lose(&mut self) {
        self.client.handle_closed(self.now_ms);
        self.is_over = true;
    }

    fn settle(&mut self, chunk: &[u8]) {
        let limits = *self.client.server_limits();
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Message(received) => {
                    let publish =
                        self.client.publish_packet(chunk, &received).expect("it points to its packet");
                    assert_eq!(publish.payload, b"payload");
                    assert!(NAMES.contains(&publish.topic_name));
                    self.deliveries.extend(received.delivery);
                }
                Event::Connected { packet, .. } => assert!(self.client.packet(chunk, packet).is_some()),
                Event::Closed(_) => self.closed_count += 1,
                _ => {}
            }
        }
        let mut sent = Vec::new();
        let mut arena = [0; 64];
        let mut is_last = false;
        while let Some(transmit) = self.client.poll_transmit(&mut arena, self.now_ms) {
            assert!(!is_last, "something after the last");
            sent.extend_from_slice(&arena[..transmit.length]);
            is_last = transmit.is_last;
        }
        self.check(&sent, &limits);
        if is_last {
            assert!(!self.is_over);
            self.lose();
        }
    }

    fn check(&mut self, mut sent: &[u8], limits: &topicwire_session::client::ServerLimits) {
        while !sent.is_empty() {
            assert!(!self.is_over, "something without a connection");
            let Ok(Split::Frame(frame)) = split_frame(sent, u32::MAX) else {
                panic!("no packet: {sent:02x?}")
            };
            sent = &sent[frame.length..];
            let packet = Packet::decode(&frame, self.version).expect("well formed");
            let kind = frame.packet_type();
            assert_eq!(self.is_first, kind == PacketType::Connect, "CONNECT, and only first [MQTT-3.1.0-1]");
            self.is_first = false;
            if kind == PacketType::Disconnect {
                assert!(sent.is_empty(), "something after DISCONNECT [MQTT-3.14.4-1]");
            }
            if kind == PacketType::Connect {
                continue;
            }
            assert!(frame.length <= limits.maximum_packet_size as usize, "too large [MQTT-3.2.2-15]");
            assert!(
                self.client.is_connected()
                    || !self.has_method
                    || matches!(kind, PacketType::Auth | PacketType::Disconnect)
                    || self.closed_count == self.connect_count,
                "{kind} before CONNACK [MQTT-3.1.2-30]"
            );
            if let Packet::Publish(publish) = packet {
                assert!(publish.qos <= limits.maximum_qos && (!publish.retain || limits.retain_available));
                assert!(
                    publish.properties.topic_alias.is_none_or(|alias| alias <= limits.topic_alias_maximum)
                );
                assert!(publish.properties.subscription_ids.is_empty());
                if let Some(packet_id) = publish.packet_id
                    && !self.answered_early.remove(&packet_id)
                {
                    assert!(self.open.insert(packet_id), "an identifier in use [MQTT-2.2.1-3]");
                }
            }
        }
        assert!(self.open.len() <= usize::from(limits.receive_maximum), "too many [MQTT-3.3.4-7]");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_client_sends_is_right_whatever_it_gets(
        version in 0..3usize,
        acknowledges_manually: bool,
        steps in vec(step(), 1..120),
    ) {
        let config = Config { acknowledges_manually, ..Config::default() };
        let mut world = World::new(VERSIONS[version], config);
        for step in &steps {
            world.run(step);
        }
        world.lose();
        world.settle(&[]);
        prop_assert_eq!(world.closed_count, world.connect_count, "each connection ends once");
    }

    #[test]
    fn any_bytes_may_come(version in 0..3usize, is_in: bool, bytes in vec(any::<u8>(), 0..200), size in 1..50usize) {
        let mut world = World::new(VERSIONS[version], Config::default());
        world.run(&Step::Connect { clean: true, with_method: false });
        if is_in {
            let connack: &[u8] = if version == 2 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
            world.client.handle_input(connack, 1);
            world.settle(connack);
        }
        for chunk in bytes.chunks(size) {
            world.client.handle_input(chunk, 1);
            while world.client.poll_event().is_some() {}
        }
    }
}
