//! A broker, whatever peers, hooks, stores and its host do to it, under limits small enough to be met.
//!
//! What is asserted: no panic, and arithmetic is checked in these builds; all that leaves a connection is what a server
//! may send to that client (`broker/peer.rs`); the gauges agree with what is there after every operation; and when
//! everybody has gone nothing is left.

mod made;
mod peer;

use std::borrow::Cow;
use std::collections::VecDeque;

use topicwire_broker::store::Store;
use topicwire_broker::{
    Acceptance, Broker, Config, Event, Farewell, HookFilters, LocalHandle, LocalPublish, Question,
    QueueFullPolicy, Refusal, Replacement, Subject, TopicUrlRequest, Verdict,
};
use topicwire_codec::{PublishProperties, QoS, ReasonCode, Version};
use topicwire_store::MemoryStore;

use crate::input::Input;
use made::{CLIENT_IDS, FILTERS, TOPICS};
use peer::Peer;

const LONGEST_WAIT_MS: u64 = 100_000;

/// Any bytes from several connections, between anything else that can happen to a broker.
pub fn broker(data: &[u8]) {
    let mut input = Input::new(data);
    let mut host = Host::new(&mut input);
    while !input.is_empty() {
        host.step(&mut input);
        host.check();
    }
    host.end();
}

/// What stands around a broker: its transports, its store, whoever answers its questions, and the clock.
struct Host {
    broker: Broker,
    now_ms: u64,
    arena: Vec<u8>,
    store: Option<MemoryStore>,
    /// `$SYS` is on: its messages are retained, and not the store's to keep.
    has_sys: bool,
    /// Everything that can happen after an operation happens before the next.
    is_prompt: bool,
    peers: Vec<Peer>,
    questions: VecDeque<Question>,
    local_count: usize,
}

/// Limits that a few operations reach.
fn small_config(is_durable: bool, policy: QueueFullPolicy, sys_interval_ms: u64) -> Config {
    let mut config = Config {
        seed: 0x5eed,
        sys_interval_ms,
        durable: is_durable,
        queue_window_messages: 2,
        apart_bytes: 100,
        ..Config::default()
    };
    let limits = &mut config.limits;
    limits.maximum_packet_size_bytes = 1_000;
    limits.maximum_connect_packet_bytes = 300;
    limits.receive_maximum = 3;
    limits.topic_alias_maximum = 2;
    limits.maximum_connections = 5;
    limits.maximum_sessions = 6;
    limits.maximum_subscriptions_per_session = 3;
    limits.maximum_topic_levels = 8;
    limits.maximum_inflight_messages = 2;
    limits.maximum_queued_messages = 4;
    limits.maximum_queued_bytes = 1_000;
    limits.maximum_out_buffer_bytes = 600;
    limits.maximum_buffered_bytes = 20_000;
    limits.maximum_retained_messages = 8;
    limits.maximum_retained_bytes = 1_000;
    limits.connect_timeout_ms = 5_000;
    limits.queue_full_policy = policy;
    config
}

impl Host {
    fn new(input: &mut Input<'_>) -> Self {
        let choices = input.byte();
        let (is_durable, is_prompt, has_hooks) = (choices & 1 != 0, choices & 2 != 0, choices & 4 != 0);
        let sys_interval_ms = if choices & 8 != 0 { 30_000 } else { 0 };
        let policies = [QueueFullPolicy::Reject, QueueFullPolicy::DropNewest, QueueFullPolicy::DropOldest];
        let policy = policies[usize::from(choices >> 4) % policies.len()];
        let everything: Vec<Box<str>> = vec!["hooked".into()];
        let hooks = HookFilters {
            authenticate: true,
            enhanced_authentication: vec![made::METHOD.into()],
            authorize_publish: everything.clone(),
            authorize_subscribe: everything.clone(),
            on_publish: everything,
        };
        let hooks = if has_hooks { hooks } else { HookFilters::default() };
        let now_ms = 1_000_000;
        Self {
            broker: Broker::new(small_config(is_durable, policy, sys_interval_ms), hooks, now_ms),
            now_ms,
            arena: vec![0; usize::from(input.byte()) + 1],
            store: is_durable.then(MemoryStore::new),
            has_sys: sys_interval_ms > 0,
            is_prompt,
            peers: Vec::new(),
            questions: VecDeque::new(),
            local_count: 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(18) {
            0 => self.open(),
            1 => self.open_topic_url(input),
            2 => self.cut(input),
            3 | 4 => {
                let length = usize::from(input.byte());
                self.receive(input, |input, _| input.take(length).to_vec());
            }
            5 => {
                self.open();
                let bytes = made::connect(input);
                self.receive_from(self.peers.len() - 1, &bytes);
            }
            6 | 7 => self.receive(input, made::publish),
            8 => self.receive(input, made::subscribe),
            9 | 10 => self.receive(input, made::ack),
            11 => self.receive(input, made::rare),
            12 => self.drain(input),
            13 => self.wait(u64::from(input.word())),
            14 => self.answer(input),
            15 => {
                self.commit();
            }
            16 => self.act_locally(input),
            _ => {
                let who = input.byte();
                if let Some(peer) = self.peers.get(usize::from(who >> 1) % self.peers.len().max(1)) {
                    match who & 1 {
                        0 => self.broker.blocked(peer.key),
                        _ => self.broker.writable(peer.key),
                    }
                }
            }
        }
        if self.is_prompt {
            self.run();
        }
    }

    fn open(&mut self) {
        let key = self.broker.open(self.now_ms);
        self.peers.push(Peer::new(key));
    }

    fn open_topic_url(&mut self, input: &mut Input<'_>) {
        let request = TopicUrlRequest {
            topic_filter: input.pick(&FILTERS),
            qos: input.pick(&made::QOS),
            retained: input.flag(),
            client_id: input.pick(&CLIENT_IDS),
            username: None,
            password: None,
        };
        let (key, _) = self.broker.open_topic_url(&request, self.now_ms);
        self.peers.push(Peer::of_payloads(key));
    }

    fn cut(&mut self, input: &mut Input<'_>) {
        if !self.peers.is_empty() {
            let peer = self.peers.swap_remove(input.below(self.peers.len()));
            self.broker.close(peer.key, self.now_ms);
        }
    }

    /// Somebody sends something, made for the version it speaks.
    fn receive<'a>(&mut self, input: &mut Input<'a>, make: impl FnOnce(&mut Input<'a>, Version) -> Vec<u8>) {
        if !self.peers.is_empty() {
            let at = input.below(self.peers.len());
            let bytes = make(input, self.peers[at].version());
            self.receive_from(at, &bytes);
        }
    }

    fn receive_from(&mut self, at: usize, bytes: &[u8]) {
        self.peers[at].sends(bytes);
        let _ = self.broker.receive(self.peers[at].key, bytes, self.now_ms);
    }

    /// Takes what there is for anybody, or only some of it.
    fn drain(&mut self, input: &mut Input<'_>) {
        for _ in 0..=input.byte() % 8 {
            if !self.drain_one() {
                return;
            }
        }
    }

    fn drain_one(&mut self) -> bool {
        let Some(transmit) = self.broker.poll_transmit(&mut self.arena, self.now_ms) else { return false };
        let at = self.peers.iter().position(|peer| peer.key == transmit.connection);
        let at = at.expect("output for a connection that is there");
        self.peers[at].gets(&self.arena[..transmit.length]);
        if transmit.closing.is_some() {
            let peer = self.peers.swap_remove(at);
            self.broker.close(peer.key, self.now_ms);
        }
        true
    }

    /// Lets time pass, stopping wherever the broker asked for it.
    fn wait(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.broker.next_deadline_ms().filter(|it| *it <= end_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.broker.tick(self.now_ms);
            let next_ms = self.broker.next_deadline_ms();
            assert!(next_ms.is_none_or(|next_ms| next_ms > self.now_ms), "what was due is still due");
            if self.is_prompt {
                self.run();
            }
        }
        self.now_ms = end_ms;
    }

    fn answer(&mut self, input: &mut Input<'_>) {
        let Some(question) = self.questions.pop_front() else { return };
        let verdict = match (input.below(6), &question.subject) {
            (0, _) => Verdict::Deny(refusal(input)),
            (1 | 2, Subject::EnhancedAuthentication { .. }) => {
                Verdict::Continue { data: input.flag().then(|| input.take(4).into()) }
            }
            (3, Subject::EnhancedAuthentication { .. }) => Verdict::Authenticated {
                username: input.flag().then(|| "somebody".into()),
                data: None,
                acceptance: Acceptance::default(),
            },
            (3, Subject::Authenticate { .. }) => {
                Verdict::Accept(Acceptance { response_information: Some("answers/".into()) })
            }
            (1, _) => Verdict::Discard,
            (2, _) => Verdict::Replace(Replacement {
                topic_name: Some(input.pick(&TOPICS).to_owned()),
                payload: input.flag().then(|| input.take(4).to_vec()),
                qos: Some(input.pick(&made::QOS)),
                retain: Some(input.flag()),
            }),
            (3, Subject::Subscribe { .. }) => Verdict::Filters(vec![None, Some(refusal(input)), None]),
            _ => Verdict::Allow,
        };
        let token = if input.below(16) == 15 { question.token.wrapping_sub(1) } else { question.token };
        let _ = self.broker.decide(question.connection, token, verdict, self.now_ms);
    }

    fn act_locally(&mut self, input: &mut Input<'_>) {
        let handle = LocalHandle(u32::from(input.byte() & 1));
        match input.below(4) {
            0 => {
                let (filter, wants_retained) = (input.pick(&FILTERS), input.flag());
                let result = self.broker.subscribe(handle, filter, wants_retained, self.now_ms);
                self.local_count += usize::from(result.is_ok());
            }
            1 => self.local_count -= usize::from(self.broker.unsubscribe(handle, self.now_ms)),
            2 => {
                let farewell = Farewell {
                    reason_code: input.pick(ReasonCode::ALL),
                    reason: input.pick(&[None, Some("because")]),
                    server_reference: input.pick(&[None, Some("elsewhere")]),
                };
                self.broker.disconnect_client(input.pick(&CLIENT_IDS), farewell, self.now_ms);
            }
            _ => {
                let publish = LocalPublish {
                    topic_name: input.pick(&TOPICS),
                    qos: input.pick(&made::QOS),
                    retain: input.flag(),
                    payload: input.take(3),
                    properties: made::properties(input),
                };
                let _ = self.broker.publish(&publish, self.now_ms);
            }
        }
    }

    /// The store does what it was asked and says so.
    fn commit(&mut self) -> bool {
        let Some(store) = &mut self.store else { return false };
        let mut did_something = false;
        while let Some(batch) = self.broker.poll_store_batch() {
            store.commit(&batch).expect("the broker and its store agree");
            self.broker.stored(batch.sequence, self.now_ms);
            did_something = true;
        }
        while let Some(fetch) = self.broker.poll_fetch() {
            let deliveries = store.fetch(&fetch).expect("the broker and its store agree");
            self.broker.handle_fetched(&fetch, deliveries, self.now_ms);
            did_something = true;
        }
        while let Some(fetch) = self.broker.poll_retained_fetch() {
            let messages = store.fetch_retained(&fetch.topic_names).expect("the broker and its store agree");
            self.broker.handle_retained(&fetch, messages, self.now_ms);
            did_something = true;
        }
        did_something
    }

    fn take_events(&mut self) {
        while let Some(event) = self.broker.poll_event() {
            if let Event::Question(question) = event {
                self.questions.push_back(question);
            }
        }
    }

    /// Everything that can happen without news happens.
    fn run(&mut self) {
        loop {
            let mut did_something = false;
            while self.drain_one() {
                did_something = true;
            }
            self.take_events();
            if !self.commit() && !did_something {
                return;
            }
        }
    }

    fn check(&mut self) {
        self.take_events();
        let metrics = self.broker.metrics();
        assert_eq!(metrics.connections, self.peers.len() as u64);
        assert!(metrics.clients_connected <= metrics.connections);
        let sys_topics = if self.has_sys { made::SYS_TOPICS } else { 0 };
        assert!(self.broker.session_count() <= 6 && self.broker.retained_count() <= 8 + sys_topics);
        assert!(self.broker.subscription_count() <= 3 * self.broker.session_count() + self.local_count);
        let session_count = self.broker.session_count() as u64;
        assert!(metrics.queued_messages <= 4 * session_count, "{metrics:?}");
        assert!(metrics.retained_bytes <= 1_000 || self.has_sys, "{metrics:?}");
    }

    /// Everybody leaves, time passes, and what was kept for ever is fetched and thrown away.
    fn end(mut self) {
        self.is_prompt = true;
        for peer in std::mem::take(&mut self.peers) {
            self.broker.close(peer.key, self.now_ms);
        }
        self.run();
        for handle in 0..2 {
            self.broker.unsubscribe(LocalHandle(handle), self.now_ms);
        }
        self.wait(LONGEST_WAIT_MS);
        for client_id in CLIENT_IDS.iter().filter(|client_id| !client_id.is_empty()) {
            self.visit(client_id);
        }
        self.wait(LONGEST_WAIT_MS);
        let properties = PublishProperties::default();
        for topic_name in TOPICS {
            let nothing =
                LocalPublish { topic_name, payload: b"", qos: QoS::AtMostOnce, retain: true, properties };
            self.broker.publish(&nothing, self.now_ms).expect("nothing can be published");
        }
        self.run();
        let metrics = self.broker.metrics();
        let gauges =
            [metrics.connections, metrics.clients_connected, metrics.out_buffer_bytes, metrics.input_bytes];
        assert_eq!(gauges, [0; 4], "{metrics:?}");
        if self.broker.session_count() == 0 {
            assert_eq!((metrics.queued_messages, metrics.queued_bytes), (0, 0), "{metrics:?}");
            assert_eq!(self.broker.subscription_count(), 0);
        }
        if self.broker.retained_count() == 0 {
            assert_eq!(metrics.retained_bytes, 0);
        }
        if let Some(store) = &self.store {
            assert_eq!(store.sessions().count(), self.broker.session_count());
            assert!(self.has_sys || store.retained_count() == self.broker.retained_count());
        }
    }

    /// A client comes back with Clean Start and goes.
    fn visit(&mut self, client_id: &str) {
        self.open();
        self.receive_from(0, &made::farewell(client_id));
        self.run();
        while let Some(question) = self.questions.pop_front() {
            let _ = self.broker.decide(question.connection, question.token, Verdict::Allow, self.now_ms);
            self.run();
        }
        for peer in std::mem::take(&mut self.peers) {
            self.broker.close(peer.key, self.now_ms);
        }
        self.run();
    }
}

/// A refusal in any code, with or without words.
fn refusal(input: &mut Input<'_>) -> Refusal {
    Refusal {
        reason_code: input.pick(ReasonCode::ALL),
        reason: input.pick(&[None, Some("because")]).map(Cow::Borrowed),
        server_reference: input.pick(&[None, Some("elsewhere")]).map(Into::into),
    }
}
