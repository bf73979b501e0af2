//! What a PUBLISH carries besides its payload: aliases, expiry, and the properties that are passed on.

use topicwire_codec::{QoS, ReasonCode, SubscriptionIds, UserProperties, Version};

use crate::support::*;

#[test]
fn properties_are_passed_on_unaltered_at_every_qos() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut bench = Bench::new();
        let publisher = bench.connect(Version::V5_0, "p");
        let (plain, with_id) = (bench.connect(Version::V5_0, "plain"), bench.connect(Version::V5_0, "id"));
        bench.subscribe_to(plain, &[line("t", qos)], None);
        bench.subscribe_to(with_id, &[line("t", qos)], Some(3));
        let old = bench.connect(Version::V3_1_1, "old");
        bench.subscribe(old, "t", qos);
        bench.publish_with(publisher, "t", b"m", qos, |publish| {
            publish.properties.payload_format_indicator = Some(true);
            publish.properties.content_type = Some("text/plain");
            publish.properties.response_topic = Some("answers/1");
            publish.properties.correlation_data = Some(b"\0\xff");
            publish.properties.message_expiry_interval_secs = Some(30);
            publish.properties.user_properties =
                UserProperties::from_pairs(&[("b", "1"), ("a", "2"), ("b", "3")]);
        });
        for client in [plain, with_id] {
            let got = bench.publish_of(client);
            assert_eq!(got.payload_format_indicator, Some(true));
            assert_eq!(got.content_type.as_deref(), Some("text/plain"));
            assert_eq!(got.response_topic.as_deref(), Some("answers/1"));
            assert_eq!(got.correlation_data.as_deref(), Some(&b"\0\xff"[..]));
            assert_eq!(got.message_expiry_interval_secs, Some(30));
            let pairs: Vec<_> = got.user_properties.iter().map(|(k, v)| format!("{k}{v}")).collect();
            assert_eq!(pairs, ["b1", "a2", "b3"]);
        }
        assert_eq!(bench.publish_of(old).text(), "m");
    }
}

#[test]
fn a_response_topic_with_a_wildcard_ends_the_connection() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.send_publish(client, "t", b"m", QoS::AtMostOnce, |publish| {
        publish.properties.response_topic = Some("answers/#");
    });
    assert_eq!(bench.closed(client), Some(ReasonCode::TopicNameInvalid));
}

#[test]
fn a_publish_with_a_subscription_identifier_ends_the_connection() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.send_publish(client, "t", b"m", QoS::AtMostOnce, |publish| {
        publish.properties.subscription_ids = SubscriptionIds::from_slice(&[1]);
    });
    assert_eq!(bench.closed(client), Some(ReasonCode::ProtocolError));
}

#[test]
fn an_alias_of_the_publisher_is_resolved_and_stripped() {
    let mut bench = Bench::new();
    let publisher = bench.connect(Version::V5_0, "p");
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "#", QoS::AtLeastOnce);
    bench.acknowledging(subscriber);
    for (topic_name, text) in [("first", "1"), ("", "2"), ("second", "3"), ("", "4")] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            bench.publish_with(publisher, topic_name, text.as_bytes(), qos, |publish| {
                publish.properties.topic_alias = Some(32);
            });
        }
    }
    let got = bench.publishes(subscriber);
    assert!(got.iter().all(|publish| publish.topic_alias.is_none()));
    let seen: Vec<_> = got.iter().map(|it| format!("{} {}", it.topic_name, it.text())).collect();
    assert_eq!(
        seen,
        ["first 1", "first 1", "first 2", "first 2", "second 3", "second 3", "second 4", "second 4"]
    );
}

#[test]
fn an_alias_above_the_maximum_or_without_a_name_ends_the_connection() {
    for (topic_name, alias, expected) in [
        ("t", 33, ReasonCode::TopicAliasInvalid),
        ("", 33, ReasonCode::TopicAliasInvalid),
        ("", 1, ReasonCode::ProtocolError),
    ] {
        let mut bench = Bench::new();
        let client = bench.connect(Version::V5_0, "c");
        bench.send_publish(client, topic_name, b"m", QoS::AtMostOnce, |publish| {
            publish.properties.topic_alias = Some(alias);
        });
        assert_eq!(bench.closed(client), Some(expected));
        assert_eq!(bench.rest(client), [Got::Disconnect(expected)]);
    }
}

#[test]
fn aliases_end_with_their_connection() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect_durably(Version::V5_0, "c");
    bench.publish_with(client, "t", b"m", QoS::AtMostOnce, |it| it.properties.topic_alias = Some(1));
    bench.cut(client);
    let (client, _) = bench.connect_durably(Version::V5_0, "c");
    bench.send_publish(client, "", b"m", QoS::AtMostOnce, |it| it.properties.topic_alias = Some(1));
    assert_eq!(bench.closed(client), Some(ReasonCode::ProtocolError));
}

#[test]
fn a_subscriber_that_takes_aliases_gets_them_within_its_maximum() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.topic_alias_maximum = Some(2);
    });
    bench.subscribe(subscriber, "#", QoS::AtLeastOnce);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for round in 0..2 {
        for topic_name in ["topic/one", "topic/two", "topic/three"] {
            bench.publish(publisher, topic_name, &round.to_string(), QoS::AtLeastOnce);
        }
    }
    let got = bench.publishes(subscriber);
    let seen: Vec<_> =
        got.iter().map(|it| (it.topic_name.as_str(), it.topic_alias, it.is_alias_only)).collect();
    assert_eq!(
        seen,
        [
            ("topic/one", Some(1), false),
            ("topic/two", Some(2), false),
            ("topic/three", None, false),
            ("topic/one", Some(1), true),
            ("topic/two", Some(2), true),
            ("topic/three", None, false),
        ]
    );
    // What is sent again on another connection speaks that connection's aliases.
    bench.cut(subscriber);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    let again: Vec<_> = bench.publishes(subscriber).iter().map(|it| it.topic_name.clone()).collect();
    assert_eq!(again, got.iter().map(|it| it.topic_name.clone()).collect::<Vec<_>>());
}

#[test]
fn the_broker_spends_no_more_aliases_than_it_wants_to() {
    let mut bench = Bench::with_limits(|limits| limits.topic_alias_maximum = 1);
    let (client, _) =
        bench.connect_with(Version::V5_0, "c", |connect| connect.properties.topic_alias_maximum = Some(100));
    bench.subscribe(client, "#", QoS::AtMostOnce);
    for topic_name in ["topic/one", "topic/two"] {
        bench.publish(client, topic_name, "m", QoS::AtMostOnce);
    }
    let aliases: Vec<_> = bench.publishes(client).iter().map(|it| it.topic_alias).collect();
    assert_eq!(aliases, [Some(1), None]);
}

#[test]
fn an_alias_is_left_out_where_it_would_make_the_packet_too_large() {
    for room in 0..12 {
        let mut bench = Bench::new();
        let (client, _) = bench.connect_with(Version::V5_0, "c", |connect| {
            connect.properties.topic_alias_maximum = Some(1);
            // A PUBLISH of exactly this size without an alias: 2 + 2 + 5 + 1 + payload.
            connect.properties.maximum_packet_size = Some(60 + room);
        });
        bench.subscribe(client, "topic", QoS::AtMostOnce);
        bench.forget_bytes(client);
        bench.publish(client, "topic", &"x".repeat(50), QoS::AtMostOnce);
        assert_eq!(bench.publish_of(client).topic_alias.is_some(), room >= 6, "{room}");
        assert!(bench.received_bytes(client) <= 60 + room as usize);
    }
}

#[test]
fn a_message_that_waits_is_sent_with_what_is_left_and_not_after_its_time() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V5_0, "p");
    for secs in [5, 10, 20] {
        bench.publish_with(publisher, "t", secs.to_string().as_bytes(), QoS::AtLeastOnce, |publish| {
            publish.properties.message_expiry_interval_secs = Some(secs);
        });
    }
    bench.advance_ms(10_500);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    let publish = bench.publish_of(subscriber);
    assert_eq!((publish.text(), publish.message_expiry_interval_secs), ("20", Some(10)));
    assert_eq!(bench.broker.metrics().dropped, [0, 0, 2, 0, 0]);
    assert_eq!(bench.broker.metrics().queued_bytes, 0);
}

#[test]
fn a_full_queue_gives_the_places_of_expired_messages_away() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_queued_messages = 3);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V5_0, "p");
    for (text, secs) in [("short", 1), ("long", 100), ("short", 2)] {
        bench.publish_with(publisher, "t", text.as_bytes(), QoS::AtLeastOnce, |publish| {
            publish.properties.message_expiry_interval_secs = Some(secs);
        });
    }
    assert_eq!(bench.publish(publisher, "t", "too many", QoS::AtLeastOnce), ReasonCode::QuotaExceeded);
    bench.advance_secs(1);
    assert_eq!(bench.publish(publisher, "t", "fits", QoS::AtLeastOnce), ReasonCode::Success);
    assert_eq!(bench.publish(publisher, "t", "too many", QoS::AtLeastOnce), ReasonCode::QuotaExceeded);
    bench.advance_secs(1);
    assert_eq!(bench.publish(publisher, "t", "fits too", QoS::AtLeastOnce), ReasonCode::Success);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.texts(subscriber), ["long", "fits", "fits too"]);
}
