//! Publishers and subscribers that lose their connections, freeze, come back and acknowledge when they like.
//!
//! Whatever happens, in the end every subscriber has every QoS 1 message at least once and every QoS 2 message exactly
//! once, in the order in which its publisher sent them, and nothing is left over.

use std::collections::{BTreeMap, HashSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_codec::{Connect, Packet, PacketType, Publish, QoS, ReasonCode, Version};

use crate::support::*;

const PUBLISHERS: usize = 3;
const SUBSCRIBERS: usize = 3;
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// One thing that happens, to whom, and how much of it.
#[derive(Clone, Debug)]
enum Happening {
    Publish { publisher: usize, qos: usize, count: usize },
    Answer { actor: usize, count: usize },
    Cut { actor: usize },
    Return { actor: usize },
    Freeze { subscriber: usize },
    Thaw { subscriber: usize },
    Wait { ms: u64 },
    Commit,
}

fn happening() -> impl Strategy<Value = Happening> {
    let actor = 0..PUBLISHERS + SUBSCRIBERS;
    prop_oneof![
        4 => (0..PUBLISHERS, 0..3usize, 1..6usize)
            .prop_map(|(publisher, qos, count)| Happening::Publish { publisher, qos, count }),
        6 => (actor.clone(), 1..8usize).prop_map(|(actor, count)| Happening::Answer { actor, count }),
        1 => actor.clone().prop_map(|actor| Happening::Cut { actor }),
        2 => actor.prop_map(|actor| Happening::Return { actor }),
        1 => (0..SUBSCRIBERS).prop_map(|subscriber| Happening::Freeze { subscriber }),
        1 => (0..SUBSCRIBERS).prop_map(|subscriber| Happening::Thaw { subscriber }),
        1 => (1..20_000u64).prop_map(|ms| Happening::Wait { ms }),
        2 => Just(Happening::Commit),
    ]
}

/// The state of a client that keeps its promises, across its connections.
struct Actor {
    client_id: String,
    version: Version,
    client: Option<Client>,
    /// CONNACK has come.
    is_in: bool,
    is_frozen: bool,
    /// As a publisher: identifier, QoS, payload and whether PUBREC has come, in the order sent.
    open: VecDeque<(u16, QoS, String, bool)>,
    sent: BTreeMap<&'static str, Vec<String>>,
    next_id: u16,
    /// As a subscriber: QoS 2 identifiers that await PUBREL, and what was passed on.
    awaiting_pubrel: HashSet<u16>,
    received: Vec<(QoS, String)>,
}

struct World {
    bench: Bench,
    actors: Vec<Actor>,
}

impl World {
    fn new(mut bench: Bench) -> Self {
        let actors = (0..PUBLISHERS + SUBSCRIBERS)
            .map(|n| Actor {
                client_id: format!("{}{n}", if n < PUBLISHERS { 'p' } else { 's' }),
                version: [Version::V5_0, Version::V3_1_1, Version::V3_1][n % 3],
                client: None,
                is_in: false,
                is_frozen: false,
                open: VecDeque::new(),
                sent: BTreeMap::new(),
                next_id: 0,
                awaiting_pubrel: HashSet::new(),
                received: Vec::new(),
            })
            .collect();
        for n in 0..SUBSCRIBERS {
            let version = [Version::V5_0, Version::V3_1_1, Version::V3_1][(PUBLISHERS + n) % 3];
            let (client, _) = bench.connect_durably(version, &format!("s{}", PUBLISHERS + n));
            bench.subscribe(client, "t/#", QoS::ExactlyOnce);
            bench.cut(client);
        }
        let mut world = Self { bench, actors };
        for actor in 0..PUBLISHERS + SUBSCRIBERS {
            world.come_back(actor);
        }
        world
    }

    fn come_back(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        if actor.client.is_some_and(|client| self.bench.closed(client).is_none()) {
            return;
        }
        let mut connect = Connect::new(actor.version, &actor.client_id);
        keep_session(&mut connect);
        if actor.version.is_v5() {
            connect.properties.receive_maximum = Some(3);
            connect.properties.topic_alias_maximum = Some(4);
        }
        let client = self.bench.open(actor.version);
        self.bench.send(client, &Packet::Connect(connect));
        (actor.client, actor.is_in, actor.is_frozen) = (Some(client), false, false);
    }

    /// CONNACK has come: what is not acknowledged is sent again, in its order.
    fn resume(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        let Some(client) = actor.client else { return };
        actor.is_in = true;
        for (id, qos, payload, has_pubrec) in &actor.open {
            if *has_pubrec {
                self.bench.send_ack(client, PacketType::Pubrel, *id);
            } else {
                let publish = Publish {
                    dup: true,
                    qos: *qos,
                    packet_id: Some(packet_id(*id)),
                    ..Publish::new("t/x", payload.as_bytes())
                };
                self.bench.send(client, &Packet::Publish(publish));
            }
        }
    }

    /// What was acknowledged to its publisher has reached every subscriber or is in the store for it.
    fn assert_safe(&self, payload: &str) {
        let Some(store) = &self.bench.store else { return };
        for actor in &self.actors[PUBLISHERS..] {
            let is_received = actor.received.iter().any(|(_, text)| text == payload);
            let session = store.session(&actor.client_id).expect("a durable session");
            let is_stored =
                session.deliveries.values().any(|it| it.delivery.message.payload() == payload.as_bytes());
            assert!(is_received || is_stored, "{payload} for {}", actor.client_id);
        }
    }

    fn publish(&mut self, at: usize, qos: QoS) {
        let actor = &mut self.actors[at];
        let Some(client) = actor.client.filter(|_| actor.is_in) else { return };
        // Within what the broker takes at once.
        if actor.open.len() >= 8 {
            return;
        }
        let count = actor.sent.values().map(Vec::len).sum::<usize>();
        let payload = format!("{} {count}", actor.client_id);
        let mut publish = Publish { qos, ..Publish::new("t/x", payload.as_bytes()) };
        if qos != QoS::AtMostOnce {
            actor.next_id = actor.next_id % 500 + 1;
            publish.packet_id = Some(packet_id(actor.next_id));
            actor.open.push_back((actor.next_id, qos, payload.clone(), false));
        }
        self.bench.send(client, &Packet::Publish(publish));
        let class = if qos == QoS::AtMostOnce { "once" } else { "surely" };
        actor.sent.entry(class).or_default().push(payload);
    }

    /// Takes up to so many packets and answers them; true where there was one.
    fn answer(&mut self, at: usize, count: usize) -> bool {
        let Some(client) = self.actors[at].client else { return false };
        let mut did_something = false;
        for got in self.bench.take_some(client, count) {
            did_something = true;
            let actor = &mut self.actors[at];
            match got {
                Got::Publish(publish) => {
                    let is_new = match publish.qos {
                        QoS::ExactlyOnce => actor.awaiting_pubrel.insert(publish.id()),
                        _ => true,
                    };
                    if is_new {
                        actor.received.push((publish.qos, publish.text().to_owned()));
                    }
                    let answer = match publish.qos {
                        QoS::AtMostOnce => continue,
                        QoS::AtLeastOnce => PacketType::Puback,
                        QoS::ExactlyOnce => PacketType::Pubrec,
                    };
                    self.bench.send_ack(client, answer, publish.id());
                }
                Got::Pubrel(id, _) => {
                    actor.awaiting_pubrel.remove(&id);
                    self.bench.send_ack(client, PacketType::Pubcomp, id);
                }
                Got::Connack(_) => self.resume(at),
                Got::Puback(id, reason_code) => {
                    assert!(!reason_code.is_error());
                    let place = actor.open.iter().position(|open| open.0 == id).expect("an open exchange");
                    let (_, _, payload, _) = actor.open.remove(place).unwrap();
                    self.assert_safe(&payload);
                }
                Got::Pubrec(id, reason_code) => {
                    assert!(!reason_code.is_error());
                    let open = actor.open.iter_mut().find(|open| open.0 == id).expect("an open exchange");
                    open.3 = true;
                    let payload = open.2.clone();
                    self.bench.send_ack(client, PacketType::Pubrel, id);
                    self.assert_safe(&payload);
                }
                Got::Pubcomp(id, _) => actor.open.retain(|open| open.0 != id),
                Got::Disconnect(reason_code) => assert_eq!(reason_code, ReasonCode::SessionTakenOver),
                other => panic!("{other:?}"),
            }
        }
        did_something
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Publish { publisher, qos, count } => {
                for _ in 0..count {
                    self.publish(publisher, QOS[qos]);
                }
            }
            Happening::Answer { actor, count } => {
                self.answer(actor, count);
            }
            Happening::Cut { actor } => {
                if let Some(client) = self.actors[actor].client.take() {
                    self.bench.cut(client);
                }
            }
            Happening::Return { actor } => self.come_back(actor),
            Happening::Freeze { subscriber } => {
                let actor = &mut self.actors[PUBLISHERS + subscriber];
                if let Some(client) = actor.client {
                    actor.is_frozen = true;
                    self.bench.freeze(client);
                }
            }
            Happening::Thaw { subscriber } => self.thaw(PUBLISHERS + subscriber),
            Happening::Wait { ms } => self.bench.advance_ms(ms),
            Happening::Commit => self.commit(),
        }
    }

    fn thaw(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        if let Some(client) = actor.client
            && std::mem::take(&mut actor.is_frozen)
        {
            self.bench.thaw(client);
        }
    }

    /// The store does what it has been given so far, and what follows from that happens.
    fn commit(&mut self) {
        self.bench.commit();
        self.bench.run();
    }

    /// Everybody comes back and answers until all is quiet.
    fn heal(&mut self) {
        self.bench.commits = Commits::AtOnce;
        self.bench.run();
        for at in 0..self.actors.len() {
            self.thaw(at);
            self.come_back(at);
        }
        let mut is_busy = true;
        while is_busy {
            is_busy = false;
            for at in 0..self.actors.len() {
                is_busy |= self.answer(at, usize::MAX);
            }
        }
    }

    fn check(&mut self) {
        assert!(self.actors.iter().all(|actor| actor.open.is_empty() && actor.awaiting_pubrel.is_empty()));
        for subscriber in &self.actors[PUBLISHERS..] {
            for publisher in &self.actors[..PUBLISHERS] {
                let of = |is_sure: bool| {
                    let mut seen = HashSet::new();
                    let prefix = format!("{} ", publisher.client_id);
                    let mine = subscriber.received.iter().filter(move |(qos, text)| {
                        text.starts_with(&prefix) && (*qos != QoS::AtMostOnce) == is_sure
                    });
                    let exactly: Vec<_> = mine
                        .clone()
                        .filter(|(qos, _)| *qos != QoS::AtLeastOnce)
                        .map(|(_, text)| text.clone())
                        .collect();
                    let distinct: HashSet<_> = exactly.iter().collect();
                    assert_eq!(distinct.len(), exactly.len(), "twice: {exactly:?}");
                    mine.filter(|(_, text)| seen.insert(text.clone()))
                        .map(|it| it.1.clone())
                        .collect::<Vec<_>>()
                };
                // All of them, each for the first time in the order it was sent in.
                assert_eq!(of(true), publisher.sent.get("surely").cloned().unwrap_or_default());
                // QoS 0: in order, with gaps.
                let mut sent = publisher.sent.get("once").into_iter().flatten();
                assert!(of(false).iter().all(|text| sent.any(|it| it == text)));
            }
        }
        let metrics = self.bench.broker.metrics();
        assert_eq!((metrics.queued_messages, metrics.queued_bytes, metrics.out_buffer_bytes), (0, 0, 0));
        assert_eq!(metrics.clients_connected as usize, PUBLISHERS + SUBSCRIBERS);
        if let Some(store) = &self.bench.store {
            for (client_id, session) in store.sessions() {
                let left = (session.deliveries.len(), session.exchanges.len(), session.inbound.len());
                assert_eq!(left, (0, 0, 0), "{client_id}");
            }
        }
        for at in 0..self.actors.len() {
            let actor = &self.actors[at];
            let (client, _) = self.bench.connect_with(actor.version, &actor.client_id, |_| {});
            self.bench.disconnect(client);
        }
        self.bench.assert_empty();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_lost_doubled_or_reordered(
        happenings in vec(happening(), 1..250),
        arena in prop_oneof![Just(1usize), Just(7), Just(64 << 10)],
        window in prop_oneof![Just(None), Just(Some(1usize)), Just(Some(4)), Just(Some(1000))],
        is_slow in any::<bool>(),
    ) {
        let bench = match window {
            None => Bench::new(),
            Some(window) => Bench::durable(Commits::AtOnce, |config| config.queue_window_messages = window),
        };
        let mut world = World::new(bench.arena(arena));
        if is_slow {
            world.bench.commits = Commits::ByHand;
        }
        for happening in &happenings {
            world.happen(happening);
        }
        world.heal();
        world.check();
    }
}
