//! The path that a stream of QoS 0 messages takes asks the allocator for nothing.
//!
//! Counted on a broker that has warmed up: buffers, routes and tables have the size they keep.

use topicwire_broker::{Broker, Config, ConnectionKey, HookFilters, Limits, ReceiveMaximumPolicy};
use topicwire_codec::{
    Connect, PacketId, Publish, QoS, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions,
    UserProperties, Version,
};

const NOW_MS: u64 = 1_000;

struct Stage {
    broker: Broker,
    arena: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        let config = Config { sys_interval_ms: 0, ..Config::default() };
        Self { broker: Broker::new(config, HookFilters::default(), NOW_MS), arena: vec![0; 1 << 20] }
    }

    fn client(&mut self, version: Version, client_id: &str, topic_filter: Option<&str>) -> ConnectionKey {
        self.subscriber(version, client_id, topic_filter, QoS::AtMostOnce)
    }

    fn subscriber(
        &mut self,
        version: Version,
        client_id: &str,
        topic_filter: Option<&str>,
        qos: QoS,
    ) -> ConnectionKey {
        let key = self.broker.open(NOW_MS);
        let mut bytes = Vec::new();
        Connect::new(version, client_id).encode(version, &mut bytes).unwrap();
        if let Some(topic_filter) = topic_filter {
            let filters = [SubscribeFilter { topic_filter, options: SubscribeOptions::from_qos(qos) }];
            let subscribe = Subscribe {
                packet_id: PacketId::MIN,
                subscription_id: None,
                user_properties: UserProperties::default(),
                filters: SubscribeFilters::from_slice(&filters),
            };
            subscribe.encode(version, &mut bytes).unwrap();
        }
        self.broker.receive(key, &bytes, NOW_MS);
        self.drain();
        while self.broker.poll_event().is_some() {}
        key
    }

    fn drain(&mut self) -> usize {
        let mut bytes = 0;
        while let Some(transmit) = self.broker.poll_transmit(&mut self.arena, NOW_MS) {
            bytes += transmit.length;
        }
        bytes
    }

    /// Allocations in a hundred turns, each with this chunk, after as many to warm up.
    fn allocations(&mut self, publisher: ConnectionKey, chunk: &[u8]) -> u64 {
        let turn = |stage: &mut Self| {
            stage.broker.receive(publisher, chunk, NOW_MS);
            assert!(stage.drain() > 0);
        };
        (0..100).for_each(|_| turn(self));
        allocation_counter::measure(|| (0..100).for_each(|_| turn(self))).count_total
    }
}

fn chunk(version: Version, publish: &Publish<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..100 {
        publish.encode(version, &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn ten_thousand_messages_to_one_subscriber_allocate_nothing() {
    for (from, to) in [
        (Version::V3_1_1, Version::V3_1_1),
        (Version::V5_0, Version::V5_0),
        (Version::V3_1_1, Version::V5_0),
        (Version::V5_0, Version::V3_1_1),
    ] {
        let mut stage = Stage::new();
        stage.client(to, "s", Some("a/+/c"));
        let publisher = stage.client(from, "p", None);
        let bytes = chunk(from, &Publish::new("a/b/c", &[b'x'; 64]));
        assert_eq!(stage.allocations(publisher, &bytes), 0, "{from:?} to {to:?}");
    }
}

#[test]
fn a_fan_out_to_a_hundred_allocates_nothing() {
    let mut stage = Stage::new();
    for n in 0..100 {
        let version = [Version::V3_1_1, Version::V5_0][n % 2];
        stage.client(version, &n.to_string(), Some("t"));
    }
    let publisher = stage.client(Version::V5_0, "p", None);
    let bytes = chunk(Version::V5_0, &Publish::new("t", &[b'x'; 64]));
    assert_eq!(stage.allocations(publisher, &bytes), 0);
}

#[test]
fn properties_that_are_passed_on_allocate_nothing() {
    let mut stage = Stage::new();
    stage.client(Version::V5_0, "s", Some("t"));
    let publisher = stage.client(Version::V5_0, "p", None);
    let mut publish = Publish::new("t", &[b'x'; 64]);
    publish.properties.content_type = Some("text/plain");
    publish.properties.message_expiry_interval_secs = Some(60);
    let bytes = chunk(Version::V5_0, &publish);
    assert_eq!(stage.allocations(publisher, &bytes), 0);
}

#[test]
fn acknowledgements_of_success_allocate_nothing() {
    for version in [Version::V3_1_1, Version::V5_0] {
        let mut stage = Stage::new();
        stage.client(version, "s", Some("t"));
        let publisher = stage.client(version, "p", None);
        let publish =
            Publish { qos: QoS::AtLeastOnce, packet_id: Some(PacketId::MIN), ..Publish::new("t", b"m") };
        assert_eq!(stage.allocations(publisher, &chunk(version, &publish)), 0, "{version:?}");
    }
}

/// What `docs/limits.md` says of a client that overruns the Receive Maximum where that is tolerated.
#[test]
fn all_the_packet_identifiers_of_a_tolerated_client_take_20_kib() {
    let limits = Limits {
        receive_maximum: 1,
        receive_maximum_policy: ReceiveMaximumPolicy::Tolerant,
        ..Limits::default()
    };
    let config = Config { limits, sys_interval_ms: 0, ..Config::default() };
    let mut stage =
        Stage { broker: Broker::new(config, HookFilters::default(), NOW_MS), arena: vec![0; 1 << 20] };
    let publisher = stage.client(Version::V5_0, "p", None);
    let mut bytes = Vec::new();
    let mut publish = |stage: &mut Stage, id: u16| {
        bytes.clear();
        let message =
            Publish { qos: QoS::ExactlyOnce, packet_id: PacketId::new(id), ..Publish::new("t", b"m") };
        message.encode(Version::V5_0, &mut bytes).unwrap();
        stage.broker.receive(publisher, &bytes, NOW_MS);
        assert_eq!(stage.drain(), 5, "a PUBREC with No matching subscribers");
    };
    publish(&mut stage, 1);
    let held = allocation_counter::measure(|| (2..=u16::MAX).for_each(|id| publish(&mut stage, id)));
    assert!((16 << 10..=20 << 10).contains(&held.bytes_current), "{}", held.bytes_current);
}

/// Twenty messages under way at once and acknowledged by their subscriber, over and over.
#[test]
fn a_stream_of_qos_1_or_2_with_its_acknowledgements_allocates_nothing() {
    const WINDOW: u16 = 20;
    for (version, qos) in [
        (Version::V3_1_1, QoS::AtLeastOnce),
        (Version::V5_0, QoS::AtLeastOnce),
        (Version::V3_1_1, QoS::ExactlyOnce),
        (Version::V5_0, QoS::ExactlyOnce),
    ] {
        let mut stage = Stage::new();
        let subscriber = stage.subscriber(version, "s", Some("t"), qos);
        let publisher = stage.client(version, "p", None);
        let mut bytes = Vec::new();
        let mut last_id = 0u16;
        let mut turn = |stage: &mut Stage| {
            bytes.clear();
            for number in 1..=WINDOW {
                let packet_id = PacketId::new(number);
                let publish = Publish { qos, packet_id, ..Publish::new("t", &[b'x'; 64]) };
                publish.encode(version, &mut bytes).unwrap();
            }
            stage.broker.receive(publisher, &bytes, NOW_MS);
            let mut acknowledge = |stage: &mut Stage, from: ConnectionKey, first_byte: u8, first_id: u16| {
                bytes.clear();
                for number in 0..WINDOW {
                    let [high, low] = (first_id + number).to_be_bytes();
                    bytes.extend_from_slice(&[first_byte, 2, high, low]);
                }
                stage.broker.receive(from, &bytes, NOW_MS);
                stage.drain();
            };
            stage.drain();
            if qos == QoS::AtLeastOnce {
                acknowledge(stage, subscriber, 0x40, last_id + 1);
            } else {
                acknowledge(stage, subscriber, 0x50, last_id + 1);
                acknowledge(stage, subscriber, 0x70, last_id + 1);
                acknowledge(stage, publisher, 0x62, 1);
            }
            last_id += WINDOW;
        };
        (0..100).for_each(|_| turn(&mut stage));
        let counted = allocation_counter::measure(|| (0..100).for_each(|_| turn(&mut stage)));
        assert_eq!(counted.count_total, 0, "{version:?} {qos:?}");
        let metrics = stage.broker.metrics();
        assert_eq!((metrics.publish_sent, metrics.protocol_errors), (200 * u64::from(WINDOW), 0));
    }
}

#[test]
fn the_counter_counts() {
    assert!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8; 100]))).count_total > 0);
}
