//! Bytes that are no MQTT, in every phase of a connection: no panic, the right close, nobody else harmed.

use topicwire_broker::{Event, HookFilters, Verdict};
use topicwire_codec::{
    Ack, Connect, Disconnect, Packet, PacketId, Publish, PublishProperties, QoS, ReasonCode, Subscribe,
    SubscribeFilters, SubscribeOptions, TopicFilters, Unsubscribe, UserProperties, Version, Will,
};

use crate::support::*;

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];

/// A valid packet of every kind that a client sends, with what optional parts the version has.
fn samples(version: Version) -> Vec<Vec<u8>> {
    let id = PacketId::new(7).unwrap();
    let filters = [
        topicwire_codec::SubscribeFilter {
            topic_filter: "a/+",
            options: SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() },
        },
        line("#", QoS::AtMostOnce),
    ];
    let mut connect = Connect::new(version, "sample");
    connect.will = Some(Will { topic_name: "w", payload: b"gone", qos: QoS::AtLeastOnce, ..Will::default() });
    (connect.username, connect.password) = (Some("u"), Some(b"p".as_slice()));
    let mut properties = PublishProperties::default();
    let user_properties = UserProperties::from_pairs(&[("k", "v")]);
    let mut disconnect = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
    if version.is_v5() {
        connect.properties.session_expiry_interval_secs = Some(10);
        connect.properties.user_properties = user_properties;
        properties = PublishProperties {
            topic_alias: Some(3),
            message_expiry_interval_secs: Some(60),
            response_topic: Some("r"),
            correlation_data: Some(b"c"),
            user_properties,
            ..properties
        };
        disconnect.reason_code = ReasonCode::DisconnectWithWillMessage;
        disconnect.reason_string = Some("bye");
    }
    let publish = |qos, packet_id| Publish { qos, packet_id, properties, ..Publish::new("a/b", b"payload") };
    let ack = Ack::new(id, ReasonCode::Success);
    let packets = [
        Packet::Connect(connect),
        Packet::Publish(publish(QoS::AtMostOnce, None)),
        Packet::Publish(publish(QoS::AtLeastOnce, Some(id))),
        Packet::Publish(publish(QoS::ExactlyOnce, Some(id))),
        Packet::Puback(ack),
        Packet::Pubrec(ack),
        Packet::Pubrel(ack),
        Packet::Pubcomp(ack),
        Packet::Subscribe(Subscribe {
            packet_id: id,
            subscription_id: version.is_v5().then_some(5),
            user_properties: if version.is_v5() { user_properties } else { UserProperties::default() },
            filters: SubscribeFilters::from_slice(&filters),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id,
            user_properties: UserProperties::default(),
            topic_filters: TopicFilters::from_slice(&["a/+", "x"]),
        }),
        Packet::Pingreq,
        Packet::Disconnect(disconnect),
    ];
    packets.iter().map(|packet| encoded(packet, version)).collect()
}

/// Feeds bytes to a new connection and to one that is open, beside a bystander; all must be well afterwards.
fn feed(version: Version, bytes: &[u8]) {
    let mut bench = Bench::new();
    let bystander = bench.connect(Version::V5_0, "bystander");
    bench.subscribe(bystander, "safe", QoS::AtMostOnce);
    let (fresh, open) = (bench.open(version), bench.connect(version, "victim"));
    for client in [fresh, open] {
        bench.send_bytes_leniently(client, bytes);
    }
    bench.publish(bystander, "safe", "well", QoS::AtMostOnce);
    assert!(bench.texts(bystander).contains(&"well".to_owned()));
    bench.cut(fresh);
    bench.cut(open);
    bench.disconnect(bystander);
    bench.advance_secs(100);
    // A changed CONNECT may have asked for a Session that stays.
    bench.assert_quiet();
}

#[test]
fn every_prefix_of_every_packet_harms_nobody() {
    for version in VERSIONS {
        for sample in samples(version) {
            for length in 0..=sample.len() {
                feed(version, &sample[..length]);
            }
        }
    }
}

#[test]
fn every_packet_with_any_byte_changed_harms_nobody() {
    for version in VERSIONS {
        for sample in samples(version) {
            for at in 0..sample.len() {
                for change in [0x01, 0x80, 0xFF, 0x10] {
                    let mut bytes = sample.clone();
                    bytes[at] ^= change;
                    feed(version, &bytes);
                }
            }
        }
    }
}

#[test]
fn every_pair_of_header_bytes_harms_nobody() {
    for first in 0..=255u8 {
        for second in [0, 1, 2, 3, 5, 10, 127, 128, 255] {
            for version in [Version::V3_1_1, Version::V5_0] {
                feed(version, &[first, second, 0, 1, b't', 0, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
    }
}

#[test]
fn a_conversation_is_the_same_however_its_bytes_are_cut() {
    for version in VERSIONS {
        let mut conversation = Vec::new();
        for sample in samples(version) {
            conversation.extend_from_slice(&sample);
        }
        let outcome = |chunk: usize, at: usize, arena: usize| {
            let mut bench = Bench::new().chunks(chunk).arena(arena);
            let client = bench.open(version);
            bench.send_bytes(client, &conversation[..at]);
            bench.send_bytes(client, &conversation[at..]);
            (bench.rest(client), bench.closed(client), bench.broker.metrics().bytes_sent)
        };
        let whole = outcome(usize::MAX, 0, 64 << 10);
        assert_eq!(whole.0.len(), 8, "{whole:?}");
        assert!(whole.1.is_some());
        for at in 0..conversation.len() {
            assert_eq!(outcome(usize::MAX, at, 64 << 10), whole, "cut at {at}");
        }
        for (chunk, arena) in [(1, 1), (1, 64 << 10), (2, 7), (3, 1)] {
            assert_eq!(outcome(chunk, 0, arena), whole, "chunks of {chunk}, an arena of {arena}");
        }
    }
}

/// What a client that sends these bytes gets, however they are cut.
fn answer_to(bytes: &[u8]) -> (Vec<Got>, Option<ReasonCode>) {
    let outcome = |chunk: usize| {
        let mut bench = Bench::with_limits(|limits| limits.maximum_connect_packet_bytes = 100).chunks(chunk);
        let client = bench.open(Version::V5_0);
        bench.send_bytes(client, bytes);
        (bench.rest(client), bench.closed(client))
    };
    for chunk in 1..bytes.len() {
        assert_eq!(outcome(chunk), outcome(usize::MAX), "chunks of {chunk} of {bytes:02X?}");
    }
    outcome(usize::MAX)
}

#[test]
fn a_connect_that_is_too_large_gets_the_answer_of_its_version_however_it_is_cut() {
    let (code, too_large) = (ReasonCode::PacketTooLarge, Some(ReasonCode::PacketTooLarge));
    let (got, closed) = answer_to(b"\x10\xE8\x07\x00\x04MQTT\x05\x02\x00\x00");
    assert!(matches!(&got[..], [Got::Connack(connack)] if connack.reason_code == code), "{got:?}");
    assert_eq!(closed, too_large);
    assert_eq!(answer_to(b"\x10\xE8\x07\x00\x04MQTT\x04\x02\x00\x00"), (vec![], too_large));
    assert_eq!(answer_to(b"\x10\xE8\x07\x00\x04MQTX\x05"), (vec![], too_large));
}

#[test]
fn what_follows_a_bad_connect_is_not_taken_for_its_protocol_level() {
    let malformed = Some(ReasonCode::MalformedPacket);
    assert_eq!(answer_to(b"\x10\x00\x00\x04MQTT\x05"), (vec![], malformed));
    assert_eq!(answer_to(b"\x10\xFF\xFF\xFF\xFF\x7F\x00\x04MQTT\x05"), (vec![], malformed));
    assert_eq!(answer_to(b"\x10\x8D\x00\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00"), (vec![], malformed));
}

#[test]
fn each_malformation_has_its_reason() {
    let cases: [(&str, &[u8], ReasonCode); 12] = [
        ("type 0", &[0x00, 0], ReasonCode::MalformedPacket),
        ("QoS 3", &[0x36, 5, 0, 1, b't', 0, 1], ReasonCode::MalformedPacket),
        ("overlong length", &[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], ReasonCode::MalformedPacket),
        ("length of 256 MiB", &[0x30, 0xFF, 0xFF, 0xFF, 0x7F], ReasonCode::PacketTooLarge),
        ("SUBSCRIBE with flags 0", &[0x80, 2, 0, 1], ReasonCode::MalformedPacket),
        ("packet identifier 0", &[0x32, 6, 0, 1, b't', 0, 0, 0], ReasonCode::ProtocolError),
        ("an empty topic", &[0x30, 3, 0, 0, 0], ReasonCode::ProtocolError),
        ("a wildcard in a topic", &[0x30, 4, 0, 1, b'#', 0], ReasonCode::TopicNameInvalid),
        ("not UTF-8", &[0x30, 4, 0, 1, 0xFF, 0], ReasonCode::MalformedPacket),
        ("a property twice", &[0x30, 8, 0, 1, b't', 4, 1, 0, 1, 0], ReasonCode::ProtocolError),
        ("CONNACK from a client", &[0x20, 3, 0, 0, 0], ReasonCode::ProtocolError),
        ("AUTH out of the blue", &[0xF0, 0], ReasonCode::ProtocolError),
    ];
    for (what, bytes, expected) in cases {
        let mut bench = Bench::new();
        let client = bench.connect(Version::V5_0, "c");
        bench.send_bytes(client, bytes);
        assert_eq!(bench.closed(client), Some(expected), "{what}");
        assert_eq!(bench.rest(client), [Got::Disconnect(expected)], "{what}");
        let errors =
            bench.take_events().iter().filter(|event| matches!(event, Event::ProtocolError { .. })).count();
        assert_eq!((errors, bench.broker.metrics().protocol_errors), (1, 1), "{what}");
    }
}

#[test]
fn a_3_1_1_client_is_closed_without_a_disconnect_packet() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V3_1_1, "c");
    bench.send_bytes(client, &[0x00, 0]);
    assert!(bench.closed(client).is_some());
    assert_eq!(bench.rest(client), []);
}

#[test]
fn what_follows_the_end_is_not_read() {
    let mut bench = Bench::new();
    let watcher = bench.connect(Version::V5_0, "watcher");
    bench.subscribe(watcher, "#", QoS::AtMostOnce);
    for end in [&[0xE0, 0][..], &[0x00, 0][..]] {
        let client = bench.connect(Version::V5_0, "c");
        let mut bytes = end.to_vec();
        Publish::new("t", b"too late").encode(Version::V5_0, &mut bytes).unwrap();
        bench.receive(client, &bytes);
        bench.receive(client, &bytes);
        bench.run();
        assert!(bench.closed(client).is_some());
    }
    assert_eq!(bench.publishes(watcher), []);
}

#[test]
fn a_tls_hello_and_an_http_request_are_closed_at_once() {
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        let mut bench = Bench::new();
        let client = bench.open(Version::V5_0);
        bench.send_bytes(client, bytes);
        assert!(bench.closed(client).is_some());
        assert_eq!(bench.received_bytes(client), 0);
        assert_eq!(bench.broker.metrics().protocol_errors, 1);
    }
}

#[test]
fn rubbish_behind_a_held_packet_is_found_when_the_answer_comes() {
    let mut bench = Bench::with_hooks(HookFilters { authenticate: true, ..HookFilters::default() });
    for length in [1, 2, 5, 300] {
        let client = bench.open(Version::V5_0);
        bench.send(client, &Packet::Connect(Connect::new(Version::V5_0, "c")));
        bench.send_bytes(client, &vec![0; length]);
        assert_eq!(bench.closed(client), None);
        bench.answer(Verdict::Allow);
        assert_eq!(bench.closed(client), Some(ReasonCode::MalformedPacket));
    }
    bench.assert_empty();
}

#[test]
fn a_connection_that_is_closed_twice_or_written_to_afterwards_is_nothing_to_worry_about() {
    let mut bench = Bench::new();
    let key = bench.broker.open(bench.now_ms);
    bench.broker.close(key, bench.now_ms);
    bench.broker.close(key, bench.now_ms);
    assert!(!bench.broker.receive(key, &[0x10], bench.now_ms).is_held);
    bench.broker.blocked(key);
    bench.broker.writable(key);
    assert!(!bench.broker.decide(key, 1, Verdict::Allow, bench.now_ms).is_held);
    bench.broker.tick(bench.now_ms + 1_000_000);
    assert!(bench.broker.poll_transmit(&mut [], bench.now_ms).is_none());
    bench.assert_empty();
}
