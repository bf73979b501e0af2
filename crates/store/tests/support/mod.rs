//! Valid batches at random, and what a store holds as text that can be compared.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod power;

use std::collections::BTreeMap;
use std::sync::Arc;

use topicwire_broker::store::{Fetch, Store, StoreBatch, StoreOperation};
use topicwire_broker::{Delivery, Message, SubscriptionOptions};
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;

/// A source of numbers that is the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len() as u64) as usize) }
    }
}

#[derive(Clone, Debug, Default)]
struct Session {
    last_position: u64,
    queued: BTreeMap<u64, QoS>,
    exchanges: BTreeMap<PacketId, (u64, Stage)>,
    inbound: Vec<PacketId>,
    filters: Vec<Box<str>>,
}

/// Makes batches as a broker makes them: each operation fits what came before.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    pub(crate) chance: Chance,
    /// How long a payload may be.
    pub(crate) payload_lens: Vec<usize>,
    sequence: u64,
    sessions: BTreeMap<Arc<str>, Session>,
    topics: Vec<Arc<str>>,
}

impl Batches {
    pub(crate) fn new(seed: u64) -> Self {
        let topics = ["a", "a/b", "ü/€", "a/much/longer/topic/name/than/the/others"].map(Arc::from).to_vec();
        let payload_lens = vec![0, 1, 20, 200, 200, 200, 200, 5_000];
        Self { chance: Chance::new(seed), payload_lens, sequence: 0, sessions: BTreeMap::new(), topics }
    }

    pub(crate) fn client_ids(&self) -> Vec<Arc<str>> {
        ["", "c", "client-2", "client-1", "nobody"].map(Arc::from).to_vec()
    }

    pub(crate) fn next(&mut self, most: u64) -> StoreBatch {
        self.sequence += 1;
        let count = 1 + self.chance.below(most);
        let mut operations = Vec::new();
        while (operations.len() as u64) < count {
            operations.extend(self.operation());
        }
        StoreBatch { sequence: self.sequence, operations }
    }

    fn operation(&mut self) -> Option<StoreOperation> {
        let client_ids = ["", "c", "client-2", "client-1"];
        let client_id: Arc<str> = Arc::from(*self.chance.pick(&client_ids)?);
        if !self.sessions.contains_key(&client_id) || self.chance.one_in(30) {
            self.sessions.entry(Arc::clone(&client_id)).or_default();
            let versions = [Version::V3_1, Version::V3_1_1, Version::V5_0];
            return Some(StoreOperation::PutSession {
                client_id,
                expiry_interval_secs: self.chance.next() as u32,
                version: *self.chance.pick(&versions)?,
                closed_at_ms: if self.chance.one_in(2) { Some(self.chance.next()) } else { None },
            });
        }
        if self.chance.one_in(40) {
            self.sessions.remove(&client_id);
            return Some(StoreOperation::DeleteSession { client_id });
        }
        match self.chance.below(20) {
            0 => self.put_subscription(client_id),
            1 => {
                let filters = &mut self.sessions.get_mut(&client_id)?.filters;
                let topic_filter = filters.pop()?;
                Some(StoreOperation::DeleteSubscription { client_id, topic_filter })
            }
            2 => Some(StoreOperation::PutRetained { message: self.message() }),
            3 => Some(StoreOperation::DeleteRetained {
                topic_name: Arc::clone(self.chance.pick(&self.topics)?),
            }),
            4 => Some(StoreOperation::PutWill {
                client_id,
                message: self.message(),
                delay_interval_secs: self.chance.next() as u32,
                expiry_interval_secs: if self.chance.one_in(2) {
                    Some(self.chance.next() as u32)
                } else {
                    None
                },
            }),
            5 => Some(StoreOperation::DeleteWill { client_id }),
            6 => {
                let packet_id = PacketId::new(1 + self.chance.below(65_535) as u16)?;
                self.sessions.get_mut(&client_id)?.inbound.push(packet_id);
                Some(StoreOperation::PutInbound { client_id, packet_id })
            }
            7 => {
                let packet_id = self.sessions.get_mut(&client_id)?.inbound.pop()?;
                Some(StoreOperation::DeleteInbound { client_id, packet_id })
            }
            8..=13 => self.put_delivery(client_id),
            14..=15 => self.open_exchange(client_id),
            16 => self.drop_queued(client_id),
            _ => self.advance_exchange(client_id),
        }
    }

    fn message(&mut self) -> Arc<Message> {
        let topic_name = Arc::clone(self.chance.pick(&self.topics).unwrap());
        let forwarded = if self.chance.one_in(3) { &b"\x03\x00\x01t"[..] } else { b"" };
        let len = *self.chance.pick(&self.payload_lens).unwrap();
        let payload: Vec<u8> = (0..len).map(|_| self.chance.next() as u8).collect();
        let expires_at_ms = if self.chance.one_in(2) { u64::MAX } else { self.chance.next() };
        let qos = *self.chance.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]).unwrap();
        let retain = self.chance.one_in(2);
        Arc::new(Message::new(topic_name, forwarded, &payload, qos, retain, expires_at_ms))
    }

    fn put_subscription(&mut self, client_id: Arc<str>) -> Option<StoreOperation> {
        let topic_filter: Box<str> = Box::from(*self.chance.pick(&["#", "a/+", "$share/g/ü/#", "$SYS/x"])?);
        let options = SubscriptionOptions {
            subscription_id: self.chance.below(268_435_456) as u32,
            qos: *self.chance.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])?,
            no_local: self.chance.one_in(2),
            retain_as_published: self.chance.one_in(2),
        };
        self.sessions.get_mut(&client_id)?.filters.push(topic_filter.clone());
        Some(StoreOperation::PutSubscription { client_id, topic_filter, options })
    }

    fn put_delivery(&mut self, client_id: Arc<str>) -> Option<StoreOperation> {
        let message = self.message();
        let qos = *self.chance.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce])?;
        let ids = self.chance.below(4);
        let subscription_ids = (0..ids).map(|_| self.chance.next() as u32).collect();
        let retain = self.chance.one_in(2);
        let session = self.sessions.get_mut(&client_id)?;
        session.last_position += 1 + self.chance.below(3);
        let position = session.last_position;
        session.queued.insert(position, qos);
        let delivery = Delivery { message, retain, subscription_ids, position };
        Some(StoreOperation::PutDelivery { client_id, delivery, qos })
    }

    /// The oldest, or now and then another one.
    fn take_queued(&mut self, client_id: &Arc<str>) -> Option<(u64, QoS)> {
        let positions: Vec<u64> = self.sessions.get(client_id)?.queued.keys().copied().collect();
        let position =
            if self.chance.one_in(4) { *self.chance.pick(&positions)? } else { *positions.first()? };
        self.sessions.get_mut(client_id)?.queued.remove_entry(&position)
    }

    fn open_exchange(&mut self, client_id: Arc<str>) -> Option<StoreOperation> {
        let (position, qos) = self.take_queued(&client_id)?;
        let session = self.sessions.get_mut(&client_id)?;
        let packet_id = (1..).filter_map(PacketId::new).find(|id| !session.exchanges.contains_key(id))?;
        let stage = if qos == QoS::AtLeastOnce { Stage::AwaitPuback } else { Stage::AwaitPubrec };
        session.exchanges.insert(packet_id, (position, stage));
        Some(StoreOperation::PutExchange { client_id, packet_id, position, stage })
    }

    fn drop_queued(&mut self, client_id: Arc<str>) -> Option<StoreOperation> {
        let (position, _) = self.take_queued(&client_id)?;
        Some(StoreOperation::DeleteDelivery { client_id, position, packet_id: None })
    }

    fn advance_exchange(&mut self, client_id: Arc<str>) -> Option<StoreOperation> {
        let open: Vec<PacketId> = self.sessions.get(&client_id)?.exchanges.keys().copied().collect();
        let packet_id = *self.chance.pick(&open)?;
        let exchanges = &mut self.sessions.get_mut(&client_id)?.exchanges;
        let (position, stage) = *exchanges.get(&packet_id)?;
        if stage == Stage::AwaitPubrec && !self.chance.one_in(5) {
            let stage = Stage::AwaitPubcomp;
            exchanges.insert(packet_id, (position, stage));
            return Some(StoreOperation::PutExchange { client_id, packet_id, position, stage });
        }
        exchanges.remove(&packet_id);
        let position = if stage == Stage::AwaitPubcomp { 0 } else { position };
        Some(StoreOperation::DeleteDelivery { client_id, position, packet_id: Some(packet_id) })
    }
}

/// All that `contents` tells, a line each, and the sequence.
pub(crate) fn contents(store: &mut dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    let last = store.contents(&mut |record| lines.push(format!("{record:?}"))).unwrap();
    lines.push(format!("sequence {last}"));
    lines
}

/// Every queue from a position on, so many at most.
pub(crate) fn fetched(
    store: &mut dyn Store,
    client_id: &Arc<str>,
    after_position: u64,
    most: usize,
) -> Vec<String> {
    let fetch = Fetch { serial: 1, client_id: Arc::clone(client_id), after_position, most };
    store.fetch(&fetch).unwrap().iter().map(|delivery| format!("{delivery:?}")).collect()
}

/// Fails where the two do not hold the same.
pub(crate) fn assert_same(
    one: &mut dyn Store,
    other: &mut dyn Store,
    client_ids: &[Arc<str>],
    chance: &mut Chance,
) {
    assert_eq!(contents(one), contents(other));
    for client_id in client_ids {
        let (after, most) = (chance.below(20), chance.below(20) as usize);
        assert_eq!(fetched(one, client_id, after, most), fetched(other, client_id, after, most));
        assert_eq!(fetched(one, client_id, 0, usize::MAX), fetched(other, client_id, 0, usize::MAX));
    }
}
