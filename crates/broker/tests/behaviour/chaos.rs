//! Anything that peers, hooks and the host can do, in any order, under limits small enough to be met.
//!
//! No panic (arithmetic is checked in these builds), and when everybody has gone the gauges say so.

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_broker::{
    Farewell, HookFilters, LocalHandle, LocalPublish, QueueFullPolicy, Refusal, Replacement, Subject,
    TopicUrlRequest, Verdict,
};
use topicwire_codec::{
    Ack, Auth, Connect, Disconnect, Packet, PacketType, Publish, PublishProperties, QoS, ReasonCode,
    RetainHandling, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions, TopicFilters,
    Unsubscribe, UserProperties, Version, Will,
};

use crate::support::*;

const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "$mine/a", "x", "hooked"];
const FILTERS: [&str; 9] =
    ["#", "a/#", "+/b", "a/b", "$share/g/a/#", "$share/h/#", "$mine/#", "hooked", "a/#/bad"];
const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];
const CODES: [ReasonCode; 3] =
    [ReasonCode::NORMAL_DISCONNECTION, ReasonCode::DisconnectWithWillMessage, ReasonCode::UnspecifiedError];

/// What happens, with numbers whose meaning depends on it.
type Step = (u8, usize, usize, usize);

struct Chaos {
    bench: Bench,
    clients: Vec<(Client, Version)>,
}

fn qos(n: usize) -> QoS {
    QoS::from_u8((n % 3) as u8).unwrap()
}

impl Chaos {
    fn connect(&mut self, who: usize, how: usize, more: usize) {
        let version = VERSIONS[more % 3];
        let client_id = ["", "one", "two", "three", "four"][who % 5];
        let mut connect = Connect::new(version, client_id);
        connect.clean_start = how & 1 == 0;
        connect.keep_alive_secs = (how % 7) as u16;
        if how & 2 != 0 {
            let topic_name = TOPICS[more % TOPICS.len()];
            let delay_interval_secs = (how % 3) as u32 * 5;
            let retain = how & 4 != 0;
            connect.will = Some(Will {
                topic_name,
                payload: b"will",
                qos: qos(more),
                retain,
                delay_interval_secs,
                ..Will::default()
            });
        }
        if version.is_v5() {
            connect.properties.session_expiry_interval_secs =
                [None, Some(3), Some(30), Some(u32::MAX)][how % 4];
            connect.properties.receive_maximum = [None, Some(1), Some(2)][more % 3];
            connect.properties.maximum_packet_size = [None, None, Some(60), Some(12)][who % 4];
            connect.properties.topic_alias_maximum = [None, Some(2)][how % 2];
            connect.properties.authentication_method = [None, None, Some("RIDDLE")][how % 3];
        }
        let client = self.bench.open(version);
        self.clients.push((client, version));
        self.send(client, version, &Packet::Connect(connect));
    }

    fn send(&mut self, client: Client, version: Version, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        if packet.encode(version, &mut bytes).is_ok() {
            self.bench.send_bytes_leniently(client, &bytes);
        }
    }

    fn publish(&mut self, client: Client, version: Version, how: usize, more: usize) {
        let payload = vec![b'x'; [0, 1, 20, 200, 9_000][how % 5]];
        let qos = qos(more);
        let mut properties = PublishProperties::default();
        if version.is_v5() {
            properties.message_expiry_interval_secs = [None, Some(0), Some(2), Some(20)][more % 4];
            properties.topic_alias = [None, None, Some(1), Some(9)][how % 4];
        }
        let topic_name = if how.is_multiple_of(11) { "" } else { TOPICS[more % TOPICS.len()] };
        let packet_id = (qos != QoS::AtMostOnce).then(|| packet_id((how % 6) as u16 + 1));
        let publish = Publish {
            qos,
            packet_id,
            retain: how & 8 != 0,
            properties,
            ..Publish::new(topic_name, &payload)
        };
        self.send(client, version, &Packet::Publish(publish));
    }

    fn subscribe(&mut self, client: Client, version: Version, how: usize, more: usize) {
        let options = SubscribeOptions {
            qos: qos(how),
            no_local: how.is_multiple_of(13),
            retain_as_published: how & 2 != 0,
            retain_handling: RetainHandling::from_u8((more % 3) as u8).unwrap(),
        };
        let filters: Vec<_> = (0..=more % 3)
            .map(|n| SubscribeFilter { topic_filter: FILTERS[(how + n) % FILTERS.len()], options })
            .collect();
        let subscribe = Subscribe {
            packet_id: packet_id(1),
            subscription_id: [None, Some(7)][how % 2].filter(|_| version.is_v5()),
            user_properties: UserProperties::default(),
            filters: SubscribeFilters::from_slice(&filters),
        };
        self.send(client, version, &Packet::Subscribe(subscribe));
    }

    fn answer_a_hook(&mut self, how: usize) {
        if !self.bench.has_question() {
            return;
        }
        let question = self.bench.question();
        let verdict = match (how % 6, &question.subject) {
            (0, _) => Verdict::Deny(Refusal::from_code(ReasonCode::ALL[how % ReasonCode::ALL.len()])),
            (1..4, Subject::EnhancedAuthentication { .. }) => Verdict::Continue { data: None },
            (1, _) => Verdict::Discard,
            (2, _) => Verdict::Replace(Replacement {
                topic_name: Some(TOPICS[how % TOPICS.len()].into()),
                qos: Some(qos(how)),
                retain: Some(how & 1 == 0),
                payload: None,
            }),
            (3, Subject::Subscribe { .. }) => {
                Verdict::Filters(vec![None, Some(Refusal::from_code(ReasonCode::NotAuthorized))])
            }
            _ => Verdict::Allow,
        };
        self.bench.decide(&question, question.token, verdict);
    }

    fn step(&mut self, (kind, who, how, more): Step) {
        let now_ms = self.bench.now_ms;
        match kind {
            0 | 1 => return self.connect(who, how, more),
            2 => {
                let request = TopicUrlRequest {
                    topic_filter: FILTERS[how % FILTERS.len()],
                    qos: qos(more),
                    retained: how & 1 == 0,
                    client_id: ["", "one", "url"][who % 3],
                    username: None,
                    password: None,
                };
                let client = self.bench.open_topic_url(&request);
                self.clients.push((client, Version::V5_0));
            }
            3 => self.bench.advance_ms((how * more) as u64 % 8_000),
            4 => self.answer_a_hook(how),
            5 => {
                let handle = LocalHandle((who % 2) as u32);
                if how & 1 == 0 {
                    let _ = self.bench.broker.subscribe(
                        handle,
                        FILTERS[more % FILTERS.len()],
                        how & 2 == 0,
                        now_ms,
                    );
                } else {
                    self.bench.broker.unsubscribe(handle, now_ms);
                }
            }
            6 => {
                let publish = LocalPublish {
                    topic_name: TOPICS[how % TOPICS.len()],
                    payload: &b"local"[..more % 6],
                    qos: qos(how),
                    retain: more & 1 == 0,
                    properties: PublishProperties::default(),
                };
                let _ = self.bench.broker.publish(&publish, now_ms);
            }
            7 => {
                let client_id = ["one", "two", "three"][who % 3];
                self.bench.broker.disconnect_client(
                    client_id,
                    Farewell::new(ReasonCode::AdministrativeAction),
                    now_ms,
                );
            }
            _ => {}
        }
        if self.clients.is_empty() {
            return self.bench.run();
        }
        let (client, version) = self.clients[who % self.clients.len()];
        match kind {
            8..13 => self.publish(client, version, how, more),
            13..16 => self.subscribe(client, version, how, more),
            16..22 => {
                let kinds = [PacketType::Puback, PacketType::Pubrec, PacketType::Pubrel, PacketType::Pubcomp];
                let code = if version.is_v5() && how.is_multiple_of(5) {
                    ReasonCode::UnspecifiedError
                } else {
                    ReasonCode::Success
                };
                let mut bytes = Vec::new();
                if Ack::new(packet_id((more % 9) as u16 + 1), code)
                    .encode(kinds[how % 4], version, &mut bytes)
                    .is_ok()
                {
                    self.bench.send_bytes_leniently(client, &bytes);
                }
            }
            22 => {
                let mut disconnect = Disconnect::new(CODES[how % 3]);
                disconnect.session_expiry_interval_secs = [None, Some(0), Some(2)][more % 3];
                self.send(client, version, &Packet::Disconnect(disconnect));
            }
            23 => {
                let unsubscribe = Unsubscribe {
                    packet_id: packet_id(2),
                    user_properties: UserProperties::default(),
                    topic_filters: TopicFilters::from_slice(&FILTERS[..how % 8 + 1]),
                };
                self.send(client, version, &Packet::Unsubscribe(unsubscribe));
            }
            24 => self.bench.freeze(client),
            25 => self.bench.thaw(client),
            26 => self.bench.cut(client),
            27 => self.bench.send_bytes_leniently(client, &[how as u8, more as u8, who as u8]),
            28 => self.send(client, version, &Packet::Pingreq),
            29 | 30 => {
                let codes = [ReasonCode::ContinueAuthentication, ReasonCode::ReAuthenticate];
                self.send(client, version, &Packet::Auth(Auth::new(codes[how % 2], "RIDDLE")));
            }
            _ => {}
        }
        self.bench.run();
    }

    fn end(mut self) {
        for (client, _) in std::mem::take(&mut self.clients) {
            self.bench.cut(client);
        }
        for handle in 0..2 {
            self.bench.broker.unsubscribe(LocalHandle(handle), self.bench.now_ms);
        }
        self.bench.advance_secs(100);
        // Those whose Sessions never end come back to end them.
        for client_id in ["one", "two", "three", "four", "url"] {
            let client = self.bench.open(Version::V5_0);
            self.send(client, Version::V5_0, &Packet::Connect(Connect::new(Version::V5_0, client_id)));
            while self.bench.has_question() {
                self.bench.answer(Verdict::Allow);
            }
            self.bench.disconnect(client);
            self.bench.cut(client);
        }
        self.bench.advance_secs(100);
        for topic_name in TOPICS {
            let properties = PublishProperties::default();
            let nothing =
                LocalPublish { topic_name, payload: b"", qos: QoS::AtMostOnce, retain: true, properties };
            self.bench.broker.publish(&nothing, self.bench.now_ms).unwrap();
        }
        self.bench.run();
        let metrics = self.bench.broker.metrics();
        if self.bench.broker.session_count() == 0 {
            self.bench.assert_empty();
        }
        let gauges =
            (metrics.connections, metrics.clients_connected, metrics.out_buffer_bytes, metrics.input_bytes);
        assert_eq!(gauges, (0, 0, 0, 0));
        if self.bench.broker.retained_count() == 0 {
            assert_eq!(metrics.retained_bytes, 0);
        }
        if let Some(store) = &self.bench.store {
            assert_eq!(store.sessions().count(), self.bench.broker.session_count());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn anything_can_happen_and_nothing_is_left(
        steps in vec((0u8..31, 0usize..32, 0usize..64, 0usize..64), 1..200),
        (is_durable, has_hooks, policy, arena) in (any::<bool>(), any::<bool>(), 0usize..3, 1usize..200),
    ) {
        let mut config = quiet_config();
        config.durable = is_durable;
        config.queue_window_messages = 2;
        config.sys_interval_ms = if is_durable { 5_000 } else { 0 };
        let limits = &mut config.limits;
        limits.receive_maximum = 3;
        limits.topic_alias_maximum = 2;
        limits.maximum_connections = 6;
        limits.maximum_sessions = 8;
        limits.maximum_subscriptions_per_session = 4;
        limits.maximum_inflight_messages = 2;
        limits.maximum_queued_messages = 5;
        limits.maximum_queued_bytes = 2_000;
        limits.maximum_out_buffer_bytes = 1_000;
        limits.maximum_buffered_bytes = 20_000;
        limits.maximum_retained_messages = 60;
        limits.maximum_retained_bytes = 20_000;
        limits.connect_timeout_ms = 5_000;
        limits.maximum_authentication_rounds = 2;
        limits.queue_full_policy =
            [QueueFullPolicy::Reject, QueueFullPolicy::DropNewest, QueueFullPolicy::DropOldest][policy];
        let hooks = if has_hooks {
            let everything = vec![Box::from("hooked")];
            HookFilters {
                authenticate: true,
                enhanced_authentication: vec!["RIDDLE".into()],
                authorize_publish: everything.clone(),
                authorize_subscribe: everything.clone(),
                on_publish: everything,
            }
        } else {
            HookFilters::default()
        };
        let mut bench = Bench::build(config, hooks).arena(arena);
        bench.store = is_durable.then(topicwire_store::MemoryStore::new);
        let mut chaos = Chaos { bench, clients: Vec::new() };
        for step in steps {
            chaos.step(step);
        }
        chaos.end();
    }
}
