//! A broker and clients of raw bytes under virtual time.
//!
//! [`Bench`] does what a host does: hands chunks in, drains into an arena of whatever size, closes transports when
//! told to, commits to a store where there is one. A [`Client`] names one transport; all that the broker sends to
//! it is decoded with the version it speaks and kept until the test asks (`client.rs`).

mod client;
mod got;

use std::collections::{HashMap, VecDeque};

use topicwire_broker::store::Store;
use topicwire_broker::{
    Broker, Closing, Config, ConnectionKey, Event, HookFilters, InputStatus, Limits, Restore, TopicUrlRequest,
};
use topicwire_codec::{Ack, Packet, PacketId, ReasonCode, Split, Version, split_frame};
use topicwire_store::MemoryStore;

pub(crate) use client::*;
pub(crate) use got::*;

/// Names one transport of a [`Bench`], also after it has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(usize);

struct Wire {
    key: ConnectionKey,
    version: Version,
    /// Bytes that are not a whole packet yet.
    bytes: Vec<u8>,
    got: VecDeque<Got>,
    /// Of the last packet.
    words: Words,
    aliases: HashMap<u16, String>,
    /// Frames of a topic URL in place of packets.
    frames: Option<VecDeque<(bool, Vec<u8>)>>,
    status: InputStatus,
    closing: Option<Closing>,
    is_open: bool,
    /// What a client that acknowledges by itself has not sent yet.
    answers: Vec<u8>,
    acknowledges: bool,
    /// What comes is not decoded.
    is_deaf: bool,
    last_packet_id: u16,
    received_bytes: usize,
}

/// What happens to store batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Each is committed at once and the broker told.
    AtOnce,
    /// Nothing until the test says so.
    ByHand,
}

pub(crate) struct Bench {
    pub(crate) broker: Broker,
    pub(crate) now_ms: u64,
    pub(crate) store: Option<MemoryStore>,
    pub(crate) commits: Commits,
    pub(crate) fetches: usize,
    /// `$SYS` is on, and always has a deadline.
    has_sys: bool,
    arena: Vec<u8>,
    chunk: usize,
    wires: Vec<Wire>,
    events: VecDeque<Event>,
}

/// The configuration of most tests: no `$SYS`, a fixed seed.
pub(crate) fn quiet_config() -> Config {
    Config { seed: 0x5eed, sys_interval_ms: 0, ..Config::default() }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::build(quiet_config(), HookFilters::default())
    }

    pub(crate) fn with_limits(set: impl FnOnce(&mut Limits)) -> Self {
        let mut config = quiet_config();
        set(&mut config.limits);
        Self::build(config, HookFilters::default())
    }

    pub(crate) fn with_hooks(hooks: HookFilters) -> Self {
        Self::build(quiet_config(), hooks)
    }

    /// With a store whose commits are answered at once, or when the test says so.
    pub(crate) fn durable(commits: Commits, set: impl FnOnce(&mut Config)) -> Self {
        let mut config = quiet_config();
        set(&mut config);
        Self::build_durable(commits, config, HookFilters::default())
    }

    pub(crate) fn durable_with_hooks(commits: Commits, hooks: HookFilters) -> Self {
        Self::build_durable(commits, quiet_config(), hooks)
    }

    fn build_durable(commits: Commits, config: Config, hooks: HookFilters) -> Self {
        let mut bench = Self::build(Config { durable: true, ..config }, hooks);
        bench.store = Some(MemoryStore::new());
        bench.commits = commits;
        bench
    }

    pub(crate) fn build(config: Config, hooks: HookFilters) -> Self {
        let now_ms = 1_000_000;
        Self {
            has_sys: config.sys_interval_ms > 0,
            broker: Broker::new(config, hooks, now_ms),
            now_ms,
            store: None,
            commits: Commits::AtOnce,
            fetches: 0,
            arena: vec![0; 64 << 10],
            chunk: usize::MAX,
            wires: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Drains through an arena of so many bytes.
    pub(crate) fn arena(mut self, bytes: usize) -> Self {
        self.arena = vec![0; bytes];
        self
    }

    /// Cuts what clients send into chunks of so many bytes.
    pub(crate) fn chunks(mut self, bytes: usize) -> Self {
        self.chunk = bytes;
        self
    }

    /// The process ends without a word and begins again `down_secs` later, with what its store holds.
    pub(crate) fn restart(&mut self, config: Config, down_secs: u64) {
        let store = self.store.as_mut().expect("a store");
        self.now_ms += down_secs * 1000;
        let mut restore = Restore::new(config, HookFilters::default(), self.now_ms);
        let last_sequence = store.contents(&mut |record| restore.take(record)).unwrap();
        self.broker = restore.finish(last_sequence, self.now_ms);
        self.wires.clear();
        self.events.clear();
        self.run();
    }

    pub(crate) fn open(&mut self, version: Version) -> Client {
        let key = self.broker.open(self.now_ms);
        self.add_wire(key, version)
    }

    pub(crate) fn open_topic_url(&mut self, request: &TopicUrlRequest<'_>) -> Client {
        let (key, status) = self.broker.open_topic_url(request, self.now_ms);
        let client = self.add_wire(key, Version::V5_0);
        self.wire(client).frames = Some(VecDeque::new());
        self.wire(client).status = status;
        self.run();
        client
    }

    fn add_wire(&mut self, key: ConnectionKey, version: Version) -> Client {
        self.wires.push(Wire {
            key,
            version,
            bytes: Vec::new(),
            got: VecDeque::new(),
            words: Words::default(),
            aliases: HashMap::new(),
            frames: None,
            status: InputStatus::default(),
            closing: None,
            is_open: true,
            answers: Vec::new(),
            acknowledges: false,
            is_deaf: false,
            last_packet_id: 0,
            received_bytes: 0,
        });
        Client(self.wires.len() - 1)
    }

    /// The client sends bytes, cut as the bench cuts, and everything that follows happens.
    pub(crate) fn send_bytes(&mut self, client: Client, bytes: &[u8]) {
        for chunk in bytes.chunks(self.chunk) {
            self.receive(client, chunk);
            self.run();
        }
    }

    /// The client sends bytes that may make it speak another version than it was opened with: what it gets is only
    /// counted.
    pub(crate) fn send_bytes_leniently(&mut self, client: Client, bytes: &[u8]) {
        self.wire(client).is_deaf = true;
        self.send_bytes(client, bytes);
    }

    /// Hands bytes in and does not drain anything yet.
    pub(crate) fn receive(&mut self, client: Client, bytes: &[u8]) {
        let key = self.wire(client).key;
        if self.wire(client).is_open {
            let status = self.broker.receive(key, bytes, self.now_ms);
            self.wire(client).status = status;
        }
    }

    pub(crate) fn send(&mut self, client: Client, packet: &Packet<'_>) {
        let bytes = encoded(packet, self.wire(client).version);
        self.send_bytes(client, &bytes);
    }

    /// The transport is gone without a word.
    pub(crate) fn cut(&mut self, client: Client) {
        let key = self.wire(client).key;
        if std::mem::take(&mut self.wire(client).is_open) {
            self.broker.close(key, self.now_ms);
        }
        self.run();
    }

    /// The client stops reading: the transport is full.
    pub(crate) fn freeze(&mut self, client: Client) {
        let key = self.wire(client).key;
        self.broker.blocked(key);
    }

    pub(crate) fn thaw(&mut self, client: Client) {
        let key = self.wire(client).key;
        self.broker.writable(key);
        self.run();
    }

    /// Lets time pass, stopping wherever the broker asked for it.
    pub(crate) fn advance_ms(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.broker.next_deadline_ms()
            && deadline_ms <= end_ms
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.broker.tick(self.now_ms);
            self.run();
        }
        self.now_ms = end_ms;
        self.run();
    }

    pub(crate) fn advance_secs(&mut self, secs: u64) {
        self.advance_ms(secs * 1000);
    }

    /// Everything that can happen without new input or time happens.
    pub(crate) fn run(&mut self) {
        loop {
            let mut arena = std::mem::take(&mut self.arena);
            let mut is_quiet = true;
            while let Some(transmit) = self.broker.poll_transmit(&mut arena, self.now_ms) {
                is_quiet = false;
                let at = self.wires.iter().rposition(|wire| wire.is_open && wire.key == transmit.connection);
                let client = Client(at.expect("output for a connection that is open"));
                self.take_output(client, &arena[..transmit.length], transmit.closing);
            }
            self.arena = arena;
            while let Some(event) = self.broker.poll_event() {
                self.events.push_back(event);
            }
            if self.commits == Commits::AtOnce {
                is_quiet &= !self.commit();
            }
            is_quiet &= !self.acknowledge();
            if is_quiet {
                return;
            }
        }
    }

    /// Commits what the broker has for its store and answers its fetches; true where there was something.
    pub(crate) fn commit(&mut self) -> bool {
        let Some(mut store) = self.store.take() else { return false };
        let mut did_something = false;
        while let Some(batch) = self.broker.poll_store_batch() {
            store.commit(&batch).unwrap();
            self.broker.stored(batch.sequence, self.now_ms);
            did_something = true;
        }
        while let Some(fetch) = self.broker.poll_fetch() {
            let deliveries = store.fetch(&fetch).unwrap();
            assert!(deliveries.len() <= fetch.most);
            self.fetches += 1;
            self.broker.handle_fetched(&fetch, deliveries, self.now_ms);
            did_something = true;
        }
        while let Some(fetch) = self.broker.poll_retained_fetch() {
            let messages = store.fetch_retained(&fetch.topic_names).unwrap();
            self.fetches += 1;
            self.broker.handle_retained(&fetch, messages, self.now_ms);
            did_something = true;
        }
        self.store = Some(store);
        did_something
    }

    fn take_output(&mut self, client: Client, bytes: &[u8], closing: Option<Closing>) {
        let now_ms = self.now_ms;
        let wire = self.wire(client);
        assert!(wire.closing.is_none(), "output after the end");
        wire.received_bytes += bytes.len();
        wire.bytes.extend_from_slice(bytes);
        if !wire.is_deaf {
            wire.decode();
        }
        if closing.is_some() {
            wire.closing = closing;
            wire.is_open = false;
            let key = wire.key;
            self.broker.close(key, now_ms);
        }
    }

    /// Clients that acknowledge by themselves do so; true where one did.
    fn acknowledge(&mut self) -> bool {
        let mut did_something = false;
        for at in 0..self.wires.len() {
            let answers = std::mem::take(&mut self.wires[at].answers);
            if !answers.is_empty() {
                did_something = true;
                self.receive(Client(at), &answers);
            }
        }
        did_something
    }

    fn wire(&mut self, client: Client) -> &mut Wire {
        &mut self.wires[client.0]
    }
}

impl Wire {
    /// Decodes the whole packets or frames among the bytes that have come.
    fn decode(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        if let Some(frames) = &mut self.frames {
            while let Some((head, after)) = rest.split_first_chunk::<5>() {
                let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
                let Some((payload, after)) = after.split_at_checked(length) else { break };
                frames.push_back((head[4] == 1, payload.to_vec()));
                rest = after;
            }
        } else {
            while let Split::Frame(frame) = split_frame(rest, u32::MAX).expect("a broker's frame") {
                let packet = Packet::decode(&frame, self.version).expect("a broker's packet");
                rest = &rest[frame.length..];
                self.words = Words::of(&packet);
                let mut got = Got::of(&packet);
                if let Got::Publish(publish) = &mut got {
                    publish.resolve(&mut self.aliases);
                }
                if self.acknowledges
                    && let Some((packet_type, id)) = got.answer()
                {
                    let ack = Ack::new(PacketId::new(id).unwrap(), ReasonCode::Success);
                    ack.encode(packet_type, self.version, &mut self.answers).unwrap();
                }
                self.got.push_back(got);
            }
        }
        self.bytes = rest.to_vec();
    }
}

/// The bytes of a packet.
pub(crate) fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes
}
