//! A store in a directory on a disk, and the batches of a broker for it.
#![allow(dead_code, reason = "each bench uses a part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use topicwire_broker::store::{Store, StoreBatch, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;
use topicwire_store::{DiskStore, Durability};

/// Messages go to that many Sessions, in no order.
pub(crate) const SESSIONS: u64 = 1_000;
pub(crate) const PAYLOAD_BYTES: usize = 200;
pub(crate) const MODES: [(&str, Durability); 2] =
    [("process", Durability::Process), ("power", Durability::Power)];

/// Beside the build, for a temporary directory may be in memory, where a sync costs nothing.
pub(crate) fn directory(name: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/store-bench");
    let root = std::env::var_os("TOPICWIRE_BENCH_DIRECTORY").map_or(default, PathBuf::from);
    let path = root.join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// `TOPICWIRE_BENCH_QUEUED` messages, or a million.
pub(crate) fn queued_count() -> u64 {
    std::env::var("TOPICWIRE_BENCH_QUEUED").map_or(1_000_000, |count| count.parse().unwrap())
}

pub(crate) fn client_id(session: u64) -> Arc<str> {
    format!("device-{session}").into()
}

/// A store and what a broker would know of it.
pub(crate) struct Load {
    pub(crate) path: PathBuf,
    pub(crate) store: DiskStore,
    clients: Vec<Arc<str>>,
    topics: Vec<Arc<str>>,
    positions: Vec<u64>,
    puts: u64,
}

impl Load {
    pub(crate) fn new(name: &str, durability: Durability) -> Self {
        let path = directory(name);
        let store = DiskStore::open(&path, durability).unwrap();
        let clients: Vec<_> = (0..SESSIONS).map(client_id).collect();
        let topics = (0..SESSIONS).map(|session| format!("devices/{session}/commands").into()).collect();
        let mut load = Self { path, store, clients, topics, positions: vec![0; SESSIONS as usize], puts: 0 };
        let put_session = |client_id: &Arc<str>| StoreOperation::PutSession {
            client_id: Arc::clone(client_id),
            expiry_interval_secs: u32::MAX,
            version: Version::V5_0,
            closed_at_ms: None,
        };
        let sessions = load.clients.iter().map(put_session).collect();
        load.commit(sessions);
        load
    }

    /// Returns how long it took.
    pub(crate) fn commit(&mut self, operations: Vec<StoreOperation>) -> Duration {
        let batch = StoreBatch { sequence: self.store.last_sequence() + 1, operations };
        let begin = Instant::now();
        self.store.commit(&batch).unwrap();
        begin.elapsed()
    }

    fn next_place(&mut self) -> (usize, u64) {
        self.puts += 1;
        let session = ((self.puts.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % SESSIONS) as usize;
        self.positions[session] += 1;
        (session, self.positions[session])
    }

    fn put(&self, session: usize, position: u64) -> StoreOperation {
        let topic = Arc::clone(&self.topics[session]);
        let payload = [position as u8; PAYLOAD_BYTES];
        let message = Message::new(topic, b"", &payload, QoS::AtLeastOnce, false, u64::MAX).into();
        let delivery = Delivery { message, retain: false, subscription_ids: Default::default(), position };
        StoreOperation::PutDelivery {
            client_id: Arc::clone(&self.clients[session]),
            delivery,
            qos: QoS::AtLeastOnce,
        }
    }

    /// So many messages for Sessions whose clients are away.
    pub(crate) fn puts(&mut self, count: u64) -> Vec<StoreOperation> {
        let mut operations = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let (session, position) = self.next_place();
            operations.push(self.put(session, position));
        }
        operations
    }

    /// So many messages that are sent at once, and their acknowledgements, which come a batch later.
    pub(crate) fn exchanges(&mut self, count: u64) -> (Vec<StoreOperation>, Vec<StoreOperation>) {
        let (mut sent, mut over) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (session, position) = self.next_place();
            let client_id = || Arc::clone(&self.clients[session]);
            let packet_id = PacketId::new((position % 65_535) as u16 + 1).unwrap();
            let stage = Stage::AwaitPuback;
            sent.push(self.put(session, position));
            sent.push(StoreOperation::PutExchange { client_id: client_id(), packet_id, position, stage });
            let packet_id = Some(packet_id);
            over.push(StoreOperation::DeleteDelivery { client_id: client_id(), position, packet_id });
        }
        (sent, over)
    }

    pub(crate) fn retained(&mut self, topics: std::ops::Range<u64>) -> Vec<StoreOperation> {
        let message = |topic: u64| {
            let topic = format!("devices/{topic}/state").into();
            Message::new(topic, b"", &[7; PAYLOAD_BYTES], QoS::AtLeastOnce, true, u64::MAX).into()
        };
        topics.map(|topic| StoreOperation::PutRetained { message: message(topic) }).collect()
    }
}
