//! A Client whose Session is in a store: what it tells the store, and what becomes of messages when the process is killed
//! between any two steps.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_codec::{
    Ack, Connack, Connect, Packet, PacketId, PacketType, Publish, QoS, ReasonCode, Split, Version,
    split_frame,
};
use topicwire_session::Stage;
use topicwire_session::client::{ChangesWork, Client, ClientChange, Closing, Config, Event, Message, Stored};

/// What survives: the changes of the batches that were committed.
#[derive(Default)]
struct Store {
    messages: BTreeMap<u64, (QoS, Arc<Stored>)>,
    exchanges: BTreeMap<PacketId, (u64, Stage)>,
    inbound: BTreeSet<PacketId>,
    last_sequence: u64,
}

impl Store {
    fn commit(&mut self, changes: Vec<ClientChange>, sequence: u64) {
        assert_eq!(sequence, self.last_sequence + 1);
        self.last_sequence = sequence;
        for change in changes {
            match change {
                ClientChange::PutMessage { position, qos, message } => {
                    assert!(self.messages.insert(position, (qos, message)).is_none());
                }
                ClientChange::PutExchange { packet_id, position, stage } => {
                    if stage == Stage::AwaitPubcomp {
                        self.messages.remove(&position);
                    }
                    self.exchanges.insert(packet_id, (position, stage));
                }
                ClientChange::DeleteExchange { packet_id } => {
                    self.exchanges.remove(&packet_id);
                }
                ClientChange::DeleteMessage { position, packet_id } => {
                    self.messages.remove(&position);
                    if let Some(packet_id) = packet_id {
                        self.exchanges.remove(&packet_id);
                    }
                }
                ClientChange::PutInbound { packet_id } => {
                    self.inbound.insert(packet_id);
                }
                ClientChange::DeleteInbound { packet_id } => {
                    self.inbound.remove(&packet_id);
                }
                _ => unreachable!("every change is above"),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.exchanges.is_empty() && self.inbound.is_empty()
    }

    /// A client of the next process.
    fn client(&self, config: &Config) -> Client {
        let mut client = Client::with_store(config.clone(), self.last_sequence);
        let copy = |position: u64, message: &Stored| {
            Stored::restored(position, &message.parts(), message.retain(), message.expires_at_ms())
        };
        for packet_id in &self.inbound {
            client.restore_inbound(*packet_id);
        }
        let mut exchanges: Vec<_> = self.exchanges.iter().collect();
        exchanges.sort_by_key(|(_, (position, _))| *position);
        let mut under_way = BTreeSet::new();
        for (packet_id, (position, stage)) in exchanges {
            under_way.insert(*position);
            let message = self.messages.get(position).map(|(_, message)| copy(*position, message));
            assert!(client.restore_exchange(*packet_id, *position, *stage, message));
        }
        for (position, (qos, message)) in &self.messages {
            if !under_way.contains(position) {
                client.restore_queued(*qos, copy(*position, message));
            }
        }
        assert!(client.restore_session("c"));
        client
    }
}

/// A server that follows the rules, with a Session that outlives everything here.
#[derive(Default)]
struct Server {
    /// QoS 2 messages that have been taken and not released.
    taken: BTreeSet<PacketId>,
    received: Vec<(QoS, u32)>,
    /// What it sends, and how far each has come.
    sending: BTreeMap<PacketId, (u32, bool)>,
    next: u32,
    next_id: u16,
}

struct World {
    config: Config,
    client: Client,
    store: Store,
    /// A batch that has been taken and not committed.
    taken: Option<(u64, Vec<ClientChange>)>,
    server: Server,
    is_connected: bool,
    forth: VecDeque<Vec<u8>>,
    back: VecDeque<Vec<u8>>,
    published: u32,
    /// Messages of the store that it was known to have, each as it was published.
    kept: BTreeMap<u32, QoS>,
    handed_over: Vec<u32>,
    session_present: bool,
}

impl World {
    fn new(config: Config) -> Self {
        let store = Store::default();
        Self {
            client: store.client(&config),
            config,
            store,
            taken: None,
            server: Server { next_id: 1, ..Server::default() },
            is_connected: false,
            forth: VecDeque::new(),
            back: VecDeque::new(),
            published: 0,
            kept: BTreeMap::new(),
            handed_over: Vec::new(),
            session_present: true,
        }
    }

    fn publish(&mut self, qos: QoS) {
        let payload = self.published.to_be_bytes();
        self.published += 1;
        let message = Message { topic_name: "t", payload: &payload, qos, ..Message::default() };
        self.client.publish(&message, 0).unwrap();
        self.settle(&[]);
    }

    /// Takes what the client has to say and to send.
    fn settle(&mut self, chunk: &[u8]) {
        while let Some(event) = self.client.poll_event() {
            if let Event::Message(received) = event {
                let payload = self.client.bytes(chunk, received.payload).unwrap();
                self.handed_over.push(u32::from_be_bytes(payload.try_into().unwrap()));
            }
        }
        let mut arena = [0; 4096];
        while let Some(transmit) = self.client.poll_transmit(&mut arena, 0) {
            let mut bytes = &arena[..transmit.length];
            while let Ok(Split::Frame(frame)) = split_frame(bytes, u32::MAX) {
                self.forth.push_back(bytes[..frame.length].to_vec());
                bytes = &bytes[frame.length..];
            }
            assert!(bytes.is_empty());
        }
    }

    fn connect(&mut self) {
        if self.is_connected {
            return;
        }
        let mut connect = Connect::new(Version::V5_0, "c");
        connect.clean_start = false;
        connect.properties.session_expiry_interval_secs = Some(u32::MAX);
        self.client.connect(&connect, 0).unwrap();
        self.settle(&[]);
        self.forth.clear();
        let mut connack = Connack::new(ReasonCode::Success);
        connack.session_present = self.session_present;
        connack.properties.receive_maximum = Some(3);
        let mut bytes = Vec::new();
        connack.encode(Version::V5_0, &mut bytes).unwrap();
        self.is_connected = true;
        if !self.session_present {
            self.server.taken.clear();
            self.server.sending.clear();
        }
        self.session_present = true;
        self.client.handle_input(&bytes, 0);
        self.settle(&bytes);
        for (packet_id, (message, is_released)) in self.server.sending.clone() {
            if is_released {
                self.back.push_back(ack(PacketType::Pubrel, packet_id));
            } else {
                self.back.push_back(publish(packet_id, message, true));
            }
        }
    }

    fn cut(&mut self) {
        if self.is_connected {
            self.forth.clear();
            self.back.clear();
            self.is_connected = false;
            self.client.handle_closed(0);
            self.settle(&[]);
        }
    }

    /// The process is killed, and another one begins with what the store has.
    fn kill(&mut self) {
        self.forth.clear();
        self.back.clear();
        self.is_connected = false;
        self.taken = None;
        self.client = self.store.client(&self.config);
    }

    fn take_batch(&mut self) {
        if self.taken.is_none() {
            self.taken = self.client.poll_changes().map(|batch| (batch.sequence, batch.changes));
        }
    }

    fn commit(&mut self) {
        let Some((sequence, changes)) = self.taken.take() else { return };
        self.store.commit(changes, sequence);
        for (qos, message) in self.store.messages.values() {
            let payload = message.parts().payload.try_into().unwrap();
            self.kept.insert(u32::from_be_bytes(payload), *qos);
        }
        self.client.stored(sequence, 0);
        self.settle(&[]);
    }

    fn server_publishes(&mut self) {
        if !self.is_connected || self.server.sending.len() >= 5 {
            return;
        }
        while self.server.sending.contains_key(&PacketId::new(self.server.next_id).unwrap()) {
            self.server.next_id = self.server.next_id % 6 + 1;
        }
        let packet_id = PacketId::new(self.server.next_id).unwrap();
        self.server.next_id = self.server.next_id % 6 + 1;
        self.server.sending.insert(packet_id, (self.server.next, false));
        self.back.push_back(publish(packet_id, self.server.next, false));
        self.server.next += 1;
    }

    /// A packet arrives at the server.
    fn arrive_forth(&mut self) -> bool {
        let Some(bytes) = self.forth.pop_front() else { return false };
        let Ok(Split::Frame(frame)) = split_frame(&bytes, u32::MAX) else { unreachable!() };
        let server = &mut self.server;
        match Packet::decode(&frame, Version::V5_0).unwrap() {
            Packet::Publish(publish) => {
                let packet_id = publish.packet_id.unwrap();
                let message = u32::from_be_bytes(publish.payload.try_into().unwrap());
                if publish.qos == QoS::AtLeastOnce {
                    server.received.push((publish.qos, message));
                    self.back.push_back(ack(PacketType::Puback, packet_id));
                } else {
                    if server.taken.insert(packet_id) {
                        server.received.push((publish.qos, message));
                    }
                    self.back.push_back(ack(PacketType::Pubrec, packet_id));
                }
            }
            Packet::Pubrel(ack_of) => {
                server.taken.remove(&ack_of.packet_id);
                self.back.push_back(ack(PacketType::Pubcomp, ack_of.packet_id));
            }
            Packet::Pubrec(ack_of) => {
                if let Some((_, is_released)) = server.sending.get_mut(&ack_of.packet_id) {
                    *is_released = true;
                }
                self.back.push_back(ack(PacketType::Pubrel, ack_of.packet_id));
            }
            Packet::Pubcomp(ack_of) => {
                server.sending.remove(&ack_of.packet_id);
            }
            packet => unreachable!("the client does not send {packet:?}"),
        }
        true
    }

    fn arrive_back(&mut self) -> bool {
        let Some(bytes) = self.back.pop_front() else { return false };
        self.client.handle_input(&bytes, 0);
        assert!(self.client.is_connected());
        self.settle(&bytes);
        true
    }

    fn finish(&mut self) {
        self.connect();
        loop {
            self.take_batch();
            let is_busy = self.taken.is_some();
            self.commit();
            if !(self.arrive_forth() | self.arrive_back() | is_busy) {
                break;
            }
        }
    }
}

fn ack(packet_type: PacketType, packet_id: PacketId) -> Vec<u8> {
    let mut bytes = Vec::new();
    Ack::new(packet_id, ReasonCode::Success).encode(packet_type, Version::V5_0, &mut bytes).unwrap();
    bytes
}

fn publish(packet_id: PacketId, message: u32, dup: bool) -> Vec<u8> {
    let payload = message.to_be_bytes();
    let packet = Publish {
        dup,
        qos: QoS::ExactlyOnce,
        retain: false,
        topic_name: "s",
        packet_id: Some(packet_id),
        properties: topicwire_codec::PublishProperties::default(),
        payload: &payload,
    };
    let mut bytes = Vec::new();
    packet.encode(Version::V5_0, &mut bytes).unwrap();
    bytes
}

fn step(world: &mut World, step: u8) {
    match step {
        0..3 => world.publish(QoS::AtLeastOnce),
        3..7 => world.publish(QoS::ExactlyOnce),
        7..9 => world.server_publishes(),
        9..14 => drop(world.arrive_forth()),
        14..20 => drop(world.arrive_back()),
        20..23 => world.take_batch(),
        23..27 => world.commit(),
        27..29 => world.connect(),
        29 => world.cut(),
        _ => world.kill(),
    }
}

proptest! {
    #[test]
    fn what_was_stored_arrives_and_qos_2_only_once_wherever_the_process_is_killed(
        steps in vec(0u8..31, 1..700),
    ) {
        let mut world = World::new(Config::default());
        for number in steps {
            step(&mut world, number);
        }
        world.finish();
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for (qos, message) in &world.server.received {
            let count = counts.entry(*message).or_default();
            *count += 1;
            prop_assert!(*count == 1 || *qos == QoS::AtLeastOnce, "message {} came twice", message);
        }
        for message in world.kept.keys() {
            prop_assert!(counts.contains_key(message), "message {} is lost", message);
        }
        for message in 0..world.server.next {
            prop_assert!(world.handed_over.contains(&message), "message {} was not handed over", message);
        }
        prop_assert!(world.store.is_empty());
        prop_assert_eq!((world.client.queued_count(), world.client.inflight_count()), (0, 0));
        prop_assert!(world.server.sending.is_empty() && world.server.taken.is_empty());
    }

    #[test]
    fn without_a_kill_what_the_server_sends_is_handed_over_once(steps in vec(0u8..30, 1..500)) {
        let mut world = World::new(Config::default());
        for number in steps {
            step(&mut world, number);
        }
        world.finish();
        world.handed_over.sort_unstable();
        prop_assert_eq!(world.handed_over, (0..world.server.next).collect::<Vec<_>>());
    }
}

#[test]
fn qos_2_leaves_when_it_is_stored_and_qos_1_at_once() {
    let mut world = World::new(Config::default());
    world.connect();
    world.publish(QoS::AtLeastOnce);
    assert_eq!(world.forth.len(), 1);
    world.publish(QoS::ExactlyOnce);
    assert_eq!((world.forth.len(), world.client.changes_work()), (1, ChangesWork::Awaited));
    world.publish(QoS::AtLeastOnce);
    assert_eq!(world.forth.len(), 1, "it does not overtake");
    world.take_batch();
    assert_eq!(world.forth.len(), 1);
    world.commit();
    assert_eq!(world.forth.len(), 3);
}

#[test]
fn pubrec_leaves_when_its_identifier_is_stored() {
    let mut world = World::new(Config::default());
    world.connect();
    world.server_publishes();
    world.arrive_back();
    assert_eq!((world.handed_over.len(), world.forth.len()), (1, 0));
    world.take_batch();
    world.commit();
    assert_eq!((world.store.inbound.len(), world.forth.len()), (1, 1));
    // What was not handed over twice without a store is not with one.
    world.kill();
    world.connect();
    world.finish();
    assert_eq!(world.handed_over, [0]);
}

#[test]
fn what_is_acknowledged_before_its_batch_is_taken_is_not_stored() {
    let mut world = World::new(Config::default());
    world.connect();
    world.publish(QoS::AtLeastOnce);
    world.arrive_forth();
    world.arrive_back();
    world.take_batch();
    assert!(world.taken.take().is_some_and(|(_, changes)| changes.is_empty()));
}

#[test]
fn a_session_that_the_server_has_lost_is_lost_in_the_store_and_qos_1_goes_on() {
    let mut world = World::new(Config { resends_lost: true, ..Config::default() });
    world.connect();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtLeastOnce] {
        world.publish(qos);
    }
    world.take_batch();
    world.commit();
    assert_eq!((world.store.exchanges.len(), world.store.messages.len()), (3, 4));
    world.kill();
    world.session_present = false;
    world.connect();
    world.finish();
    let messages: Vec<_> = world.server.received.iter().map(|(_, message)| *message).collect();
    assert_eq!(messages, [0, 2, 3]);
    assert!(world.store.is_empty());
}

#[test]
fn a_message_that_is_taken_back_is_gone_from_the_store() {
    let mut world = World::new(Config::default());
    let message = Message { topic_name: "t", payload: b"1234", qos: QoS::AtLeastOnce, ..Message::default() };
    let ticket = world.client.publish(&message, 0).unwrap().unwrap();
    world.take_batch();
    world.commit();
    assert_eq!(world.store.messages.len(), 1);
    assert!(world.client.withdraw(ticket));
    world.take_batch();
    world.commit();
    assert!(world.store.is_empty());
}

#[test]
fn what_expired_while_the_process_was_down_is_not_sent() {
    let mut world = World::new(Config::default());
    let mut message =
        Message { topic_name: "t", payload: b"1234", qos: QoS::AtLeastOnce, ..Message::default() };
    message.properties.message_expiry_interval_secs = Some(1);
    world.client.publish(&message, 0).unwrap();
    world.take_batch();
    world.commit();
    world.kill();
    assert_eq!(world.client.queued_count(), 1);
    let restored = world.client.restored_tickets();
    let mut connect = Connect::new(Version::V5_0, "c");
    connect.clean_start = false;
    world.client.connect(&connect, 1_500).unwrap();
    let mut bytes = Vec::new();
    let mut connack = Connack::new(ReasonCode::Success);
    connack.session_present = true;
    connack.encode(Version::V5_0, &mut bytes).unwrap();
    world.client.handle_input(&bytes, 1_500);
    let is_abandoned = |event| matches!(event, Event::Abandoned { ticket, .. } if ticket == restored);
    assert!(std::iter::from_fn(|| world.client.poll_event()).any(is_abandoned));
    world.take_batch();
    world.commit();
    assert!(world.store.is_empty());
}

#[test]
fn a_server_that_repeats_itself_while_the_store_is_stuck_is_given_up() {
    let mut world = World::new(Config::default());
    world.connect();
    let packet_id = PacketId::new(1).unwrap();
    let repeated = publish(packet_id, 0, true);
    let mut count = 0_u32;
    while world.client.is_connected() {
        world.client.handle_input(&repeated, 0);
        count += 1;
        assert!(count < 300_000, "what waits for the store has a bound");
    }
    assert!(count > 4 * 65_535, "all that a server may have under way fits");
    let reason = std::iter::from_fn(|| world.client.poll_event()).find_map(|event| match event {
        Event::Closed(Closing::Fault { reason_code, .. }) => Some(reason_code),
        _ => None,
    });
    assert_eq!(reason, Some(ReasonCode::QuotaExceeded));
}
