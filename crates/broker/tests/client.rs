//! Our client and our broker, over transports that deliver in pieces, late, or not at all, and that a client may have
//! given up while the broker has not.
//!
//! Whatever happens, in the end every QoS 1 message has arrived at least once and every QoS 2 message exactly once, each
//! in the order in which it was published, its publisher knows, and neither end has found fault with the other.
#![allow(clippy::panic, reason = "how a test fails")]

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_broker::{Broker, Config, ConnectionKey, HookFilters};
use topicwire_codec::{Connect, QoS, ReasonCode, RetainHandling, SubscribeFilter, SubscribeOptions, Version};
use topicwire_session::client::{self, Client, Closing, DeliveryKey, Event, Message, Misuse, Subscription};

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const VERSIONS: [Version; 3] = [Version::V5_0, Version::V3_1_1, Version::V3_1];
const PUBLISHER: usize = 0;
const SUBSCRIBER: usize = 1;

/// A connection as the network has it: bytes on their way, and who still believes in it.
struct Wire {
    key: ConnectionKey,
    forth: VecDeque<u8>,
    back: VecDeque<u8>,
    /// The broker closes it once `back` has been delivered.
    is_closing: bool,
}

/// A client and its application.
struct End {
    name: &'static str,
    client: Client,
    version: Version,
    receive_maximum: u16,
    wire: Option<Wire>,
    /// Connections that the client has left and the broker has not.
    abandoned: Vec<Wire>,
    received: Vec<(QoS, u32)>,
    published: Vec<u64>,
    unacknowledged: Vec<DeliveryKey>,
}

struct World {
    broker: Broker,
    ends: [End; 2],
    now_ms: u64,
    sent: Vec<(QoS, u32)>,
}

#[derive(Clone, Debug)]
enum Happening {
    Publish {
        qos: usize,
    },
    Forth {
        end: usize,
        bytes: usize,
    },
    Back {
        end: usize,
        bytes: usize,
    },
    /// An old connection's bytes arrive after all.
    Late {
        end: usize,
        bytes: usize,
    },
    /// Both ends hear of it.
    Cut {
        end: usize,
    },
    /// The client gives up a connection that the broker still has.
    Leave {
        end: usize,
    },
    Return {
        end: usize,
    },
    Acknowledge {
        place: usize,
    },
    Wait {
        ms: u64,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let end = 0..2usize;
    let bytes = prop_oneof![1..8usize, 1..200usize];
    prop_oneof![
        6 => (0..3usize).prop_map(|qos| Happening::Publish { qos }),
        8 => (end.clone(), bytes.clone()).prop_map(|(end, bytes)| Happening::Forth { end, bytes }),
        8 => (end.clone(), bytes.clone()).prop_map(|(end, bytes)| Happening::Back { end, bytes }),
        2 => (end.clone(), bytes).prop_map(|(end, bytes)| Happening::Late { end, bytes }),
        1 => end.clone().prop_map(|end| Happening::Cut { end }),
        1 => end.clone().prop_map(|end| Happening::Leave { end }),
        4 => end.prop_map(|end| Happening::Return { end }),
        6 => (0..8usize).prop_map(|place| Happening::Acknowledge { place }),
        1 => (1..100_000u64).prop_map(|ms| Happening::Wait { ms }),
    ]
}

impl End {
    fn new(name: &'static str, version: Version, receive_maximum: u16, config: client::Config) -> Self {
        Self {
            name,
            client: Client::new(config),
            version,
            receive_maximum,
            wire: None,
            abandoned: Vec::new(),
            received: Vec::new(),
            published: Vec::new(),
            unacknowledged: Vec::new(),
        }
    }

    fn connect(&mut self, key: ConnectionKey, now_ms: u64) {
        let mut connect = Connect::new(self.version, self.name);
        // Who has no Session State does not take up a Session either [MQTT-3.2.2-4].
        connect.clean_start = self.version.is_v5() && self.client.session_client_id().is_none();
        if self.version.is_v5() {
            connect.properties.session_expiry_interval_secs = Some(u32::MAX);
            connect.properties.receive_maximum = Some(self.receive_maximum);
            connect.properties.topic_alias_maximum = Some(1);
        }
        self.client.connect(&connect, now_ms).expect("there is no connection");
        let (forth, back) = (VecDeque::new(), VecDeque::new());
        self.wire = Some(Wire { key, forth, back, is_closing: false });
    }

    /// Hears what there is to hear of a chunk, and moves what the client sends onto its wire.
    fn settle(&mut self, chunk: &[u8], now_ms: u64) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Message(received) => {
                    let publish = self.client.publish_packet(chunk, &received).expect("what was received");
                    assert_eq!(publish.topic_name, "the/topic");
                    let number = u32::from_be_bytes(publish.payload.try_into().expect("four bytes"));
                    self.received.push((publish.qos, number));
                    self.unacknowledged.extend(received.delivery);
                }
                Event::Published { ticket, reason_code, .. } => {
                    assert!(!reason_code.is_error(), "{reason_code}");
                    self.published.push(ticket.0);
                }
                Event::Abandoned { ticket, cause } if self.name == "publisher" => {
                    panic!("{ticket:?} is abandoned: {cause:?}")
                }
                Event::Closed(Closing::TransportClosed)
                | Event::Connected { .. }
                | Event::Subscribed { .. } => {}
                other => panic!("{}: {other:?}", self.name),
            }
        }
        let mut arena = [0; 256];
        while let Some(transmit) = self.client.poll_transmit(&mut arena, now_ms) {
            if let Some(wire) = &mut self.wire {
                wire.forth.extend(&arena[..transmit.length]);
            }
        }
    }

    fn acknowledge(&mut self, place: usize, now_ms: u64) {
        if !self.unacknowledged.is_empty() {
            let key = self.unacknowledged.remove(place % self.unacknowledged.len());
            match self.client.acknowledge(key, ReasonCode::Success, now_ms) {
                // QoS 1, and its connection is gone.
                Ok(()) | Err(Misuse::UnknownDelivery) => {}
                Err(misuse) => panic!("{misuse}"),
            }
            self.settle(&[], now_ms);
        }
    }
}

impl World {
    fn new(versions: [usize; 2], windows: [u16; 2], acknowledges_manually: bool) -> Self {
        let mut config = Config { sys_interval_ms: 0, ..Config::default() };
        config.limits.receive_maximum = windows[0];
        let now_ms = 1;
        let taking = client::Config { acknowledges_manually, ..client::Config::default() };
        let ends = [
            End::new("publisher", VERSIONS[versions[0]], 10, client::Config::default()),
            End::new("subscriber", VERSIONS[versions[1]], windows[1], taking),
        ];
        let broker = Broker::new(config, HookFilters::default(), now_ms);
        let mut world = Self { broker, ends, now_ms, sent: Vec::new() };
        world.come_back(SUBSCRIBER);
        world.run_dry();
        let filter = SubscribeFilter {
            topic_filter: "the/+",
            options: SubscribeOptions {
                qos: QoS::ExactlyOnce,
                retain_handling: RetainHandling::SendAtSubscribe,
                ..SubscribeOptions::default()
            },
        };
        let subscription = Subscription { filters: &[filter], ..Subscription::default() };
        world.ends[SUBSCRIBER].client.subscribe(&subscription).expect("connected");
        world.ends[SUBSCRIBER].settle(&[], now_ms);
        world.run_dry();
        world.come_back(PUBLISHER);
        world
    }

    fn publish(&mut self, qos: QoS) {
        let number = u32::try_from(self.sent.len()).expect("not that many");
        let payload = number.to_be_bytes();
        let message = Message { topic_name: "the/topic", payload: &payload, qos, ..Message::default() };
        let publisher = &mut self.ends[PUBLISHER];
        match publisher.client.publish(&message, self.now_ms) {
            Ok(ticket) => {
                assert_eq!(ticket.is_some(), qos != QoS::AtMostOnce);
                self.sent.push((qos, number));
            }
            Err(Misuse::NotConnected) => assert_eq!(qos, QoS::AtMostOnce),
            Err(misuse) => panic!("{misuse}"),
        }
        publisher.settle(&[], self.now_ms);
    }

    fn come_back(&mut self, end: usize) {
        if self.ends[end].wire.is_none() {
            let key = self.broker.open(self.now_ms);
            self.ends[end].connect(key, self.now_ms);
            self.ends[end].settle(&[], self.now_ms);
        }
    }

    fn forth(&mut self, end: usize, bytes: usize) {
        if let Some(wire) = &mut self.ends[end].wire {
            let count = bytes.min(wire.forth.len());
            let chunk: Vec<u8> = wire.forth.drain(..count).collect();
            self.broker.receive(wire.key, &chunk, self.now_ms);
        }
        self.settle_broker();
    }

    fn late(&mut self, end: usize, bytes: usize) {
        if let Some(wire) = self.ends[end].abandoned.first_mut() {
            let count = bytes.min(wire.forth.len());
            let chunk: Vec<u8> = wire.forth.drain(..count).collect();
            self.broker.receive(wire.key, &chunk, self.now_ms);
        }
        self.settle_broker();
    }

    fn back(&mut self, end: usize, bytes: usize) {
        let it = &mut self.ends[end];
        let Some(wire) = &mut it.wire else { return };
        let count = bytes.min(wire.back.len());
        let chunk: Vec<u8> = wire.back.drain(..count).collect();
        let is_over = wire.is_closing && wire.back.is_empty();
        it.client.handle_input(&chunk, self.now_ms);
        it.settle(&chunk, self.now_ms);
        if is_over {
            self.cut(end);
        }
    }

    fn cut(&mut self, end: usize) {
        if let Some(wire) = self.ends[end].wire.take() {
            self.broker.close(wire.key, self.now_ms);
            self.ends[end].client.handle_closed(self.now_ms);
            self.ends[end].settle(&[], self.now_ms);
        }
        self.settle_broker();
    }

    fn leave(&mut self, end: usize) {
        let it = &mut self.ends[end];
        if !it.client.is_connected() {
            // A CONNECT that arrives after later ones takes the Session from them, and may even end it.
            return self.cut(end);
        }
        if let Some(wire) = it.wire.take() {
            it.abandoned.push(wire);
            it.client.handle_closed(self.now_ms);
            it.settle(&[], self.now_ms);
        }
    }

    fn settle_broker(&mut self) {
        let mut arena = [0; 512];
        while let Some(transmit) = self.broker.poll_transmit(&mut arena, self.now_ms) {
            for end in &mut self.ends {
                if let Some(wire) = end.wire.as_mut().filter(|wire| wire.key == transmit.connection) {
                    wire.back.extend(&arena[..transmit.length]);
                    wire.is_closing |= transmit.closing.is_some();
                }
                // Taken over: nobody reads what it still got.
                let is_over = |wire: &Wire| wire.key == transmit.connection && transmit.closing.is_some();
                if let Some(at) = end.abandoned.iter().position(is_over) {
                    let wire = end.abandoned.remove(at);
                    self.broker.close(wire.key, self.now_ms);
                }
            }
        }
        while self.broker.poll_event().is_some() {}
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Publish { qos } => self.publish(QOS[qos]),
            Happening::Forth { end, bytes } => self.forth(end, bytes),
            Happening::Back { end, bytes } => self.back(end, bytes),
            Happening::Late { end, bytes } => self.late(end, bytes),
            Happening::Cut { end } => self.cut(end),
            Happening::Leave { end } => self.leave(end),
            Happening::Return { end } => self.come_back(end),
            Happening::Acknowledge { place } => self.ends[SUBSCRIBER].acknowledge(place, self.now_ms),
            Happening::Wait { ms } => self.wait(ms),
        }
    }

    /// Time passes for the broker and for clients that wait for nothing. A client that is kept waiting for its CONNACK
    /// would leave, which `Leave` does well enough.
    fn wait(&mut self, ms: u64) {
        let earliest = self.ends.iter().filter_map(|end| end.client.poll_timeout()).min();
        self.now_ms = (self.now_ms + ms).min(earliest.map_or(u64::MAX, |deadline_ms| deadline_ms - 1));
        self.broker.tick(self.now_ms);
        self.settle_broker();
    }

    /// Everything that is on its way arrives, and whatever follows from it.
    fn run_dry(&mut self) {
        let is_moving = |world: &Self| {
            let wires = world.ends.iter().filter_map(|end| end.wire.as_ref());
            wires.into_iter().any(|wire| !wire.forth.is_empty() || !wire.back.is_empty() || wire.is_closing)
        };
        while is_moving(self) {
            for end in [PUBLISHER, SUBSCRIBER] {
                self.forth(end, usize::MAX);
                self.back(end, usize::MAX);
            }
        }
    }

    fn finish(&mut self) {
        self.run_dry();
        for end in [PUBLISHER, SUBSCRIBER] {
            self.come_back(end);
            for wire in std::mem::take(&mut self.ends[end].abandoned) {
                self.broker.close(wire.key, self.now_ms);
            }
        }
        self.run_dry();
        while !self.ends[SUBSCRIBER].unacknowledged.is_empty() {
            self.ends[SUBSCRIBER].acknowledge(0, self.now_ms);
            self.run_dry();
        }
    }
}

/// In the order of their first arrival.
fn first_arrivals(received: &[(QoS, u32)], qos: QoS) -> Vec<u32> {
    let mut first = Vec::new();
    for (_, number) in received.iter().filter(|(of, _)| *of == qos) {
        if !first.contains(number) {
            first.push(*number);
        }
    }
    first
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    // [MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT-4.6.0-1] and theirs of 3.1.1
    #[test]
    fn qos_1_arrives_at_least_once_and_qos_2_exactly_once(
        versions in [0..3usize, 0..3usize],
        windows in [1..5u16, 1..5u16],
        acknowledges_manually: bool,
        happenings in vec(happening(), 1..400),
    ) {
        let mut world = World::new(versions, windows, acknowledges_manually);
        for happening in &happenings {
            world.happen(happening);
        }
        world.finish();
        let World { ends: [publisher, subscriber], sent, .. } = &world;
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let wanted: Vec<_> = sent.iter().filter(|(of, _)| *of == qos).map(|(_, number)| *number).collect();
            prop_assert_eq!(first_arrivals(&subscriber.received, qos), wanted);
        }
        for once in [QoS::AtMostOnce, QoS::ExactlyOnce] {
            let all = subscriber.received.iter().filter(|(of, _)| *of == once).count();
            prop_assert_eq!(all, first_arrivals(&subscriber.received, once).len());
        }
        let answered = sent.iter().filter(|(qos, _)| *qos != QoS::AtMostOnce).count();
        prop_assert_eq!(publisher.published.len(), answered);
        prop_assert_eq!((publisher.client.inflight_count(), publisher.client.queued_count()), (0, 0));
    }
}
