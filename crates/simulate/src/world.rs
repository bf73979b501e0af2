//! One broker, its store, its clients and the wires between them, and the model that watches: what each operation does.
//!
//! How bytes move is in `wires.rs`, what the store does in `host.rs`.

use std::collections::{HashMap, VecDeque};

use topicwire_broker::{Broker, ConnectionKey, Farewell, HookFilters};
use topicwire_codec::ReasonCode;
use topicwire_store::MemoryStore;

use crate::client::Client;
use crate::host::{News, Work};
use crate::link::Link;
use crate::model::{LinkId, Model, Snapshot, Verdict, violation};
use crate::op::{ConnectOp, Goodbye, Op, PublishOp};
use crate::packet::ClientPacket;
use crate::setup::Setup;

/// What has happened, to see that a run reached what it should reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations.
    pub steps: u64,
    /// Packets that reached the broker.
    pub packets_in: u64,
    /// Packets that left it.
    pub packets_out: u64,
    /// PUBLISHes among the latter.
    pub publishes_out: u64,
    /// Of those, with DUP.
    pub repeated: u64,
    /// CONNACKs with Session Present.
    pub resumed: u64,
    /// Messages that the broker says it has dropped.
    pub dropped: u64,
    /// Batches that were committed.
    pub commits: u64,
    /// Times that the broker crashed.
    pub crashes: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.packets_in += other.packets_in;
        self.packets_out += other.packets_out;
        self.publishes_out += other.publishes_out;
        self.repeated += other.repeated;
        self.resumed += other.resumed;
        self.dropped += other.dropped;
        self.commits += other.commits;
        self.crashes += other.crashes;
    }
}

pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) now_ms: u64,
    pub(crate) broker: Broker,
    pub(crate) model: Model,
    pub(crate) clients: Vec<Client>,
    /// All there have been; a [`LinkId`] is an index.
    pub(crate) links: Vec<Link>,
    /// Those that are open.
    pub(crate) live: HashMap<ConnectionKey, LinkId>,
    pub(crate) store: MemoryStore,
    /// What the store has been given and not done.
    pub(crate) work: VecDeque<Work>,
    /// What it has done and the broker has not been told.
    pub(crate) news: VecDeque<News>,
    /// What would survive, after each batch that was taken and not committed, and after the last that was.
    pub(crate) snapshots: VecDeque<(u64, Snapshot)>,
    pub(crate) arena: Vec<u8>,
    last_message: u32,
    pub(crate) counts: Counts,
    /// What has happened, for a person; kept only when somebody asks for it.
    pub(crate) log: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Self {
        let now_ms = 1_000_000;
        Self {
            now_ms,
            broker: Broker::new(setup.config(), HookFilters::default(), now_ms),
            model: Model::new(setup),
            clients: (0..setup.clients)
                .map(|number| Client::new(number.into(), setup.receive_maximum))
                .collect(),
            links: Vec::new(),
            live: HashMap::new(),
            store: MemoryStore::new(),
            work: VecDeque::new(),
            news: VecDeque::new(),
            snapshots: VecDeque::new(),
            arena: vec![0; setup.arena_bytes],
            last_message: 0,
            counts: Counts::default(),
            log: None,
            setup: setup.clone(),
        }
    }

    fn client(&mut self, actor: u8) -> (usize, &mut Client) {
        let at = usize::from(actor) % self.clients.len();
        (at, &mut self.clients[at])
    }

    /// This client, or the next one of which it is true.
    fn first_from(&self, actor: u8, is_it: impl Fn(&Self, usize) -> bool) -> usize {
        let count = self.clients.len();
        let at = usize::from(actor) % count;
        (at..at + count).map(|at| at % count).find(|at| is_it(self, *at)).unwrap_or(at)
    }

    fn next_message(&mut self) -> u32 {
        self.last_message += 1;
        self.last_message
    }

    pub(crate) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.log.is_some() {
            let line = line(self);
            self.log.get_or_insert_default().push(line);
        }
    }

    /// The name of a transport, for a person.
    pub(crate) fn name_of(&self, link: LinkId) -> String {
        format!("{}/{link}", self.clients[self.links[link].client].client_id)
    }

    /// Does it, and whatever follows from it without further input, and looks at the result.
    pub(crate) fn step(&mut self, op: &Op) -> Verdict {
        self.counts.steps += 1;
        self.note(|world| format!("at {} ms: {op:?}", world.now_ms));
        self.apply(op)?;
        self.run()?;
        self.check_now()
    }

    fn apply(&mut self, op: &Op) -> Verdict {
        match op {
            Op::Connect { actor, with } => self.connect(*actor, with),
            Op::Disconnect { actor, goodbye } => self.disconnect(*actor, *goodbye),
            Op::Cut { actor, forgotten } => {
                let (at, _) = self.client(*actor);
                if let Some(link) = self.link_of(at, *forgotten) {
                    self.cut(link);
                }
            }
            Op::Publish { actor, with } => {
                let number = self.next_message();
                let at = self.first_from(*actor, |world, at| world.clients[at].is_in);
                let packet = self.clients[at].publish(*with, number);
                self.send(at, packet);
            }
            Op::Subscribe { actor, filters, id } => {
                let (at, client) = self.client(*actor);
                let packet = client.subscribe(filters, *id);
                self.send(at, packet);
            }
            Op::Unsubscribe { actor, filters } => {
                let (at, client) = self.client(*actor);
                let packet = client.unsubscribe(filters);
                self.send(at, packet);
            }
            Op::Ping { actor } => {
                let (at, _) = self.client(*actor);
                self.send(at, Some(ClientPacket::Ping));
            }
            Op::Garbage { actor, kind } => {
                let (at, client) = self.client(*actor);
                let packet = garbage(*kind, client.is_v5());
                self.send(at, Some(packet));
            }
            Op::Refuse { actor } => self.client(*actor).1.refuses_next = true,
            Op::Deliver { actor, bytes, forgotten } => {
                let has_bytes = |world: &Self, at| {
                    world.link_of(at, *forgotten).is_some_and(|link| world.links[link].has_bytes_for_broker())
                };
                let at = self.first_from(*actor, has_bytes);
                if let Some(link) = self.link_of(at, *forgotten) {
                    self.deliver(link, usize::from(*bytes))?;
                }
            }
            Op::Read { actor, count } => {
                let has_news = |world: &Self, at: usize| {
                    world.clients[at].link.is_some_and(|link| !world.links[link].inbox.is_empty())
                };
                let at = self.first_from(*actor, has_news);
                self.read(at, usize::from(*count))?;
            }
            Op::Block { actor } => {
                let (at, _) = self.client(*actor);
                if let Some(link) = self.link_of(at, false) {
                    self.broker.blocked(self.links[link].key);
                    self.links[link].is_writable = false;
                    self.links[link].blocked_since_ms.get_or_insert(self.now_ms);
                }
            }
            Op::Unblock { actor } => {
                let (at, _) = self.client(*actor);
                if let Some(link) = self.link_of(at, false) {
                    self.unblock(link);
                }
            }
            Op::Kick { actor } => {
                let reason_code = ReasonCode::AdministrativeAction;
                let client_id = self.client(*actor).1.client_id.clone();
                self.broker.disconnect_client(&client_id, Farewell::new(reason_code), self.now_ms);
                self.model.kick(&client_id, reason_code, self.now_ms);
            }
            Op::Wait { ms } => self.wait(u64::from(*ms))?,
            Op::Sleep { ms } => self.now_ms += u64::from(*ms),
            Op::Tick => self.tick(),
            Op::TakeBatch => self.take_batch(),
            Op::Commit => self.commit_next()?,
            Op::Tell => self.tell_next(),
            Op::Crash { down_ms, loses_output } => self.crash(u64::from(*down_ms), *loses_output)?,
            Op::Settle => self.settle()?,
        }
        Ok(())
    }

    fn unblock(&mut self, link: LinkId) {
        self.links[link].is_writable = true;
        self.broker.writable(self.links[link].key);
    }

    fn connect(&mut self, actor: u8, op: &ConnectOp) {
        let number = self.next_message();
        let (at, _) = self.client(actor);
        let key = self.broker.open(self.now_ms);
        let id = self.links.len();
        self.model.open(id, self.now_ms);
        let mut op = *op;
        if self.setup.has_few_retained()
            && let Some(will) = &mut op.will
        {
            // Of several Wills that are published in one tick, any could be the one that is one too many.
            will.retain = false;
        }
        let packet = self.clients[at].connect(id, &op, number);
        let ClientPacket::Connect(spec) = &packet else { return };
        self.links.push(Link::new(at, key, spec.version));
        self.live.insert(key, id);
        self.send(at, Some(packet));
    }

    fn disconnect(&mut self, actor: u8, goodbye: Goodbye) {
        let (at, client) = self.client(actor);
        let (reason_code, expiry_secs) = match goodbye {
            _ if !client.is_v5() => (ReasonCode::NORMAL_DISCONNECTION, None),
            Goodbye::Normal => (ReasonCode::NORMAL_DISCONNECTION, None),
            Goodbye::WithWill => (ReasonCode::DisconnectWithWillMessage, None),
            Goodbye::Error => (ReasonCode::UnspecifiedError, None),
            Goodbye::Expiry(secs) => (ReasonCode::NORMAL_DISCONNECTION, Some(secs)),
        };
        self.send(at, Some(ClientPacket::Disconnect { reason_code, expiry_secs }));
        let (_, client) = self.client(actor);
        client.link = None;
        client.is_in = false;
    }

    fn send(&mut self, client: usize, packet: Option<ClientPacket>) {
        if let (Some(link), Some(packet)) = (self.clients[client].link, packet)
            && self.links[link].is_open
        {
            self.links[link].send(packet);
        }
    }

    /// The transport that a client uses, or the oldest of those that it has forgotten.
    fn link_of(&self, client: usize, forgotten: bool) -> Option<LinkId> {
        let used = self.clients[client].link;
        if forgotten {
            let mut mine = self.live.values().filter(|link| self.links[**link].client == client);
            mine.by_ref().filter(|link| Some(**link) != used).min().copied()
        } else {
            used.filter(|link| self.links[*link].is_open)
        }
    }

    /// Time passes, and the broker is told of it whenever it wants to be.
    fn wait(&mut self, ms: u64) -> Verdict {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.broker.next_deadline_ms()
            && deadline_ms <= end_ms
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.tick();
            if self.broker.next_deadline_ms().is_some_and(|next_ms| next_ms <= self.now_ms) {
                return violation("a tick leaves something undone");
            }
            self.run()?;
        }
        self.now_ms = end_ms;
        Ok(())
    }

    fn tick(&mut self) {
        self.broker.tick(self.now_ms);
        self.model.tick(self.now_ms);
    }

    /// Everything that is under way arrives and is answered, in both directions and in the store.
    fn settle(&mut self) -> Verdict {
        loop {
            let before = self.counts;
            for link in self.live_links() {
                self.unblock(link);
            }
            self.run()?;
            for link in self.live_links() {
                self.deliver(link, usize::MAX)?;
                self.run()?;
            }
            for link in self.live_links() {
                let is_forgotten = self.clients[self.links[link].client].link != Some(link);
                if is_forgotten && !self.links[link].has_bytes_for_broker() {
                    self.cut(link);
                }
            }
            for client in 0..self.clients.len() {
                self.read(client, usize::MAX)?;
            }
            let store_has_worked = self.finish_work()?;
            self.run()?;
            let is_read = self.clients.iter().all(|client| {
                client.link.is_none_or(|link| {
                    self.links[link].inbox.is_empty() && !self.links[link].has_bytes_for_broker()
                })
            });
            let is_quiet = before.packets_in == self.counts.packets_in
                && before.packets_out == self.counts.packets_out
                && before.commits == self.counts.commits
                && !store_has_worked;
            if is_quiet && is_read {
                break;
            }
        }
        self.model.check_quiet(self.now_ms)?;
        for client in &self.clients {
            client.check_quiet()?;
        }
        if self.setup.durable { self.model.check_store(&self.store) } else { Ok(()) }
    }

    fn live_links(&self) -> Vec<LinkId> {
        let mut links: Vec<_> = self.live.values().copied().collect();
        links.sort_unstable();
        links
    }

    /// What can be seen of the broker at any time.
    fn check_now(&self) -> Verdict {
        let metrics = self.broker.metrics();
        let (broker, model) = (&self.broker, &self.model);
        let counts = [
            ("sessions", broker.session_count(), model.sessions.len()),
            ("subscriptions", broker.subscription_count(), model.subscription_count()),
            ("retained messages", broker.retained_count(), model.retained_count()),
            ("connected clients", metrics.clients_connected as usize, model.connected_count()),
            ("connections", metrics.connections as usize, model.conns.len()),
        ];
        for (what, is, should_be) in counts {
            if is != should_be {
                return violation(format!("{is} {what} in place of {should_be}"));
            }
        }
        let deadline_ms = broker.next_deadline_ms().unwrap_or(u64::MAX);
        if deadline_ms > model.next_deadline_ms() {
            return violation(format!(
                "wants to be called at {deadline_ms} where something is due at {}",
                model.next_deadline_ms()
            ));
        }
        let most_queued = model.sessions.len() as u64 * u64::from(self.setup.maximum_queued_messages);
        if metrics.queued_messages > most_queued {
            return violation(format!("{} messages in all queues", metrics.queued_messages));
        }
        Ok(())
    }

    /// Everybody comes back once more for what is theirs, then everybody leaves for good, and nothing may be left.
    pub(crate) fn finish(&mut self) -> Verdict {
        self.step(&Op::Settle)?;
        for link in self.live_links() {
            self.cut(link);
        }
        for actor in 0..self.setup.clients {
            let client_id = self.client(actor).1.client_id.clone();
            // Once is enough, but where answers that nobody has read yet end a connection.
            for _ in 0..8 {
                self.step(&Op::Connect { actor, with: ConnectOp::STAYING })?;
                self.step(&Op::Settle)?;
                self.step(&Op::Disconnect { actor, goodbye: Goodbye::Expiry(0) })?;
                self.step(&Op::Settle)?;
                if !self.model.sessions.contains_key(&client_id) {
                    break;
                }
            }
        }
        self.step(&Op::Connect { actor: 0, with: ConnectOp::PLAIN })?;
        for topic_name in self.model.retained_topics() {
            let nothing = PublishOp { retain: true, size: PublishOp::EMPTY, ..PublishOp::plain(0) };
            let packet = self.clients[0].publish_to(&topic_name, nothing, 0);
            self.send(0, packet);
        }
        self.step(&Op::Settle)?;
        self.step(&Op::Disconnect { actor: 0, goodbye: Goodbye::Normal })?;
        self.step(&Op::Settle)?;
        self.step(&Op::Wait { ms: 100_000 })?;
        self.step(&Op::Settle)?;
        let metrics = self.broker.metrics();
        self.counts.dropped += metrics.dropped_count();
        let left = [
            ("connections", metrics.connections),
            ("clients", metrics.clients_connected),
            ("bytes of input", metrics.input_bytes),
            ("bytes of output", metrics.out_buffer_bytes),
            ("queued bytes", metrics.queued_bytes),
            ("queued messages", metrics.queued_messages),
            ("retained bytes", metrics.retained_bytes),
            ("sessions", self.broker.session_count() as u64),
            ("stored sessions", self.store.sessions().count() as u64),
            ("stored retained messages", self.store.retained_count() as u64),
            ("deadlines", u64::from(self.broker.next_deadline_ms().is_some())),
        ];
        match left.iter().find(|(_, count)| *count > 0) {
            Some((what, count)) => violation(format!("{count} {what} are left")),
            None if !self.model.is_empty() => violation("the model has something left"),
            None => Ok(()),
        }
    }
}

/// What no client may send, and what the broker says to it.
fn garbage(kind: u8, is_v5: bool) -> ClientPacket {
    let too_large = Setup::MAXIMUM_PACKET_SIZE_BYTES;
    let (bytes, reason_code) = match kind {
        // Known by its first byte.
        0 => (vec![0], ReasonCode::MalformedPacket),
        // More than the broker reads, said by the length alone.
        1 => {
            let length = too_large + 1;
            let varint =
                [(length & 0x7F) as u8 | 0x80, (length >> 7 & 0x7F) as u8 | 0x80, (length >> 14) as u8];
            ([&[0x30][..], &varint[..]].concat(), ReasonCode::PacketTooLarge)
        }
        2 if is_v5 => {
            (b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00".to_vec(), ReasonCode::ProtocolError)
        }
        2 => (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00".to_vec(), ReasonCode::ProtocolError),
        3 => (vec![0xD0, 0], ReasonCode::ProtocolError),
        _ if is_v5 => (b"\x30\x06\x00\x03a/+\x00".to_vec(), ReasonCode::TopicNameInvalid),
        _ => (b"\x30\x05\x00\x03a/+".to_vec(), ReasonCode::TopicNameInvalid),
    };
    ClientPacket::Garbage { bytes, reason_code }
}
