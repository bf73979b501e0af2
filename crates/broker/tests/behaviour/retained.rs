//! Retained messages: kept, replaced, removed, expired, and streamed to those who subscribe.

use topicwire_broker::LocalHandle;
use topicwire_codec::{QoS, ReasonCode, RetainHandling, Version};

use crate::support::*;

#[test]
fn a_new_subscription_gets_the_last_retained_message_with_its_flag_set() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "t", QoS::AtMostOnce);
    for text in ["old", "new"] {
        assert_eq!(bench.retain(client, "t", text), ReasonCode::Success);
    }
    // Live, without RETAIN [MQTT-3.3.1-12]; later, with it [MQTT-3.3.1-8].
    assert_eq!(bench.publishes(client).iter().map(|it| it.retain).collect::<Vec<_>>(), [false, false]);
    for version in [Version::V3_1, Version::V3_1_1, Version::V5_0] {
        let late = bench.connect(version, "late");
        bench.subscribe(late, "+", QoS::AtLeastOnce);
        let publish = bench.publish_of(late);
        assert_eq!((publish.text(), publish.retain, publish.qos), ("new", true, QoS::AtLeastOnce));
    }
}

#[test]
fn a_retained_publish_that_nobody_has_subscribed_to_is_a_success() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    assert_eq!(bench.retain(client, "t", "m"), ReasonCode::Success);
}

#[test]
fn an_empty_payload_removes_the_retained_message_and_is_passed_on_itself() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.retain(client, "t", "m");
    assert_eq!(bench.broker.retained_count(), 1);
    bench.subscribe_as(client, "t", QoS::AtMostOnce, |options| {
        options.retain_handling = RetainHandling::DoNotSend;
    });
    bench.retain(client, "t", "");
    assert_eq!(bench.publish_of(client).payload, b"");
    assert_eq!((bench.broker.retained_count(), bench.broker.metrics().retained_bytes), (0, 0));
    let late = bench.connect(Version::V5_0, "late");
    bench.subscribe(late, "#", QoS::AtMostOnce);
    assert_eq!(bench.publishes(late), []);
}

#[test]
fn retain_handling_says_when_retained_messages_are_sent() {
    for (handling, first, again) in [
        (RetainHandling::SendAtSubscribe, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        let mut bench = Bench::new();
        let client = bench.connect(Version::V5_0, "c");
        bench.retain(client, "t", "m");
        for expected in [first, again] {
            bench.subscribe_as(client, "t", QoS::AtMostOnce, |options| options.retain_handling = handling);
            assert_eq!(bench.publishes(client).len(), expected, "{handling:?}");
        }
        bench.unsubscribe(client, &["t"]);
        bench.subscribe_as(client, "t", QoS::AtMostOnce, |options| options.retain_handling = handling);
        assert_eq!(bench.publishes(client).len(), first);
    }
}

#[test]
fn retain_as_published_leaves_the_flag_as_it_came() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe_as(client, "t", QoS::AtMostOnce, |options| options.retain_as_published = true);
    bench.retain(client, "t", "retained");
    bench.publish(client, "t", "not", QoS::AtMostOnce);
    bench.publish_with(client, "t", b"as it came, verbatim", QoS::AtMostOnce, |it| it.retain = true);
    assert_eq!(bench.publishes(client).iter().map(|it| it.retain).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn what_is_left_of_the_expiry_is_sent_and_what_has_expired_is_gone() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.publish_with(client, "t", b"m", QoS::AtLeastOnce, |publish| {
        publish.retain = true;
        publish.properties.message_expiry_interval_secs = Some(10);
    });
    bench.advance_secs(4);
    bench.subscribe(client, "t", QoS::AtMostOnce);
    assert_eq!(bench.publish_of(client).message_expiry_interval_secs, Some(6));
    bench.advance_secs(6);
    assert_eq!((bench.broker.retained_count(), bench.broker.metrics().retained_bytes), (0, 0));
    bench.subscribe(client, "t", QoS::AtMostOnce);
    assert_eq!(bench.publishes(client), []);
    assert_eq!(bench.broker.next_deadline_ms(), None);
}

#[test]
fn a_replaced_message_takes_its_expiry_along() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.publish_with(client, "t", b"old", QoS::AtLeastOnce, |publish| {
        publish.retain = true;
        publish.properties.message_expiry_interval_secs = Some(10);
    });
    bench.retain(client, "t", "new");
    bench.advance_secs(100);
    assert_eq!(bench.broker.retained_count(), 1);
}

#[test]
fn topics_that_begin_with_a_dollar_are_hidden_from_a_leading_wildcard() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.retain(client, "$mine/x", "hidden");
    bench.retain(client, "x", "seen");
    for filter in ["#", "+/x", "+/#"] {
        bench.subscribe(client, filter, QoS::AtMostOnce);
    }
    bench.publish(client, "$mine/x", "hidden too", QoS::AtMostOnce);
    let texts = bench.texts(client);
    assert!(!texts.is_empty() && texts.iter().all(|text| text == "seen"), "{texts:?}");
    bench.subscribe(client, "$mine/#", QoS::AtMostOnce);
    assert_eq!(bench.texts(client), ["hidden"]);
}

#[test]
fn a_shared_subscription_gets_no_retained_messages() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.retain(client, "t", "m");
    bench.subscribe(client, "$share/g/t", QoS::AtLeastOnce);
    assert_eq!(bench.publishes(client), []);
}

#[test]
fn two_filters_of_one_subscribe_owe_a_message_once_with_the_highest_qos() {
    for filters in [
        [line("t", QoS::AtLeastOnce), line("#", QoS::AtMostOnce)],
        [line("#", QoS::AtMostOnce), line("t", QoS::AtLeastOnce)],
    ] {
        let mut bench = Bench::new();
        let client = bench.connect(Version::V5_0, "c");
        bench.retain(client, "t", "m");
        bench.subscribe_to(client, &filters, Some(7));
        let publish = bench.publish_of(client);
        assert_eq!((publish.qos, publish.subscription_ids), (QoS::AtLeastOnce, vec![7]));
    }
}

#[test]
fn a_hundred_thousand_retained_messages_reach_a_slow_subscriber_within_its_buffer() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_out_buffer_bytes = 1 << 20);
    let client = bench.connect(Version::V5_0, "p");
    let payload = "x".repeat(50);
    for n in 0..100_000 {
        let topic_name = format!("retained/{}/{n}", n % 100);
        bench.publish_with(client, &topic_name, payload.as_bytes(), QoS::AtMostOnce, |publish| {
            publish.retain = true;
        });
    }
    let slow = bench.connect(Version::V5_0, "slow");
    bench.freeze(slow);
    bench.send_subscribe(slow, &[line("retained/#", QoS::AtMostOnce)], None);
    let most = bench.broker.metrics().out_buffer_bytes;
    assert!((1..=1 << 20).contains(&most), "{most} bytes");
    // A message of the moment still gets through, and the rest comes when the client reads.
    bench.publish(client, "retained/live", "live", QoS::AtMostOnce);
    bench.thaw(slow);
    assert_eq!(bench.publishes(slow).len(), 100_001);
    assert_eq!(bench.broker.metrics().dropped_count(), 0);
    assert_eq!(bench.broker.metrics().out_buffer_bytes, 0);
}

#[test]
fn retained_messages_of_qos_1_keep_to_the_window() {
    let mut bench = Bench::new();
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..50 {
        bench.retain(publisher, &format!("r/{n}"), &n.to_string());
    }
    let (client, _) =
        bench.connect_with(Version::V5_0, "c", |connect| connect.properties.receive_maximum = Some(4));
    bench.subscribe(client, "r/+", QoS::AtLeastOnce);
    let first = bench.publishes(client);
    assert_eq!(first.len(), 4);
    for publish in &first {
        bench.send_ack(client, topicwire_codec::PacketType::Puback, publish.id());
    }
    bench.acknowledging(client);
    assert_eq!(bench.publishes(client).len(), 4);
    bench.ping(client);
    // The rest follows as the client acknowledges.
    let (client, _) =
        bench.connect_with(Version::V5_0, "d", |connect| connect.properties.receive_maximum = Some(4));
    bench.acknowledging(client);
    bench.subscribe(client, "r/+", QoS::AtLeastOnce);
    assert_eq!(bench.publishes(client).len(), 50);
}

#[test]
fn a_session_is_owed_the_rest_although_its_connection_was_lost() {
    let mut bench = Bench::new();
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..20 {
        bench.retain(publisher, &format!("r/{n}"), &n.to_string());
    }
    let set = |connect: &mut topicwire_codec::Connect<'_>| {
        keep_session(connect);
        connect.properties.receive_maximum = Some(2);
    };
    let (client, _) = bench.connect_with(Version::V5_0, "c", set);
    bench.subscribe(client, "r/+", QoS::AtLeastOnce);
    assert_eq!(bench.publishes(client).len(), 2);
    bench.cut(client);
    let (client, _) = bench.connect_durably(Version::V5_0, "c");
    let again = bench.publishes(client);
    assert_eq!(again.iter().filter(|it| it.dup).count(), 2);
    assert_eq!(again.len(), 20);
}

#[test]
fn a_message_that_is_replaced_while_it_is_owed_is_not_sent() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "p");
    let payload = "x".repeat(1_000);
    for n in 0..1_000 {
        bench.retain(client, &format!("r/{n}"), &payload);
    }
    let slow = bench.connect(Version::V5_0, "slow");
    bench.freeze(slow);
    bench.send_subscribe(slow, &[line("r/#", QoS::AtMostOnce)], None);
    for n in 0..1_000 {
        bench.retain(client, &format!("r/{n}"), "new");
    }
    bench.thaw(slow);
    let mut last = std::collections::HashMap::new();
    for publish in bench.publishes(slow) {
        last.insert(publish.topic_name.clone(), publish.text().to_owned());
    }
    assert_eq!(last.len(), 1_000);
    assert!(last.values().all(|text| text == "new"));
}

#[test]
fn retained_limits_have_their_reason_and_their_counter() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_retained_messages = 2);
    let client = bench.connect(Version::V5_0, "c");
    assert_eq!(bench.retain(client, "a", "1"), ReasonCode::Success);
    assert_eq!(bench.retain(client, "b", "1"), ReasonCode::Success);
    assert_eq!(bench.retain(client, "c", "1"), ReasonCode::QuotaExceeded);
    assert_eq!(bench.retain(client, "a", "replaced"), ReasonCode::Success);
    bench.retain(client, "b", "");
    assert_eq!(bench.retain(client, "c", "1"), ReasonCode::Success);
    assert_eq!(bench.broker.metrics().publish_refused, 1);

    let mut bench = Bench::with_limits(|limits| limits.maximum_retained_bytes = 10_000);
    let client = bench.connect(Version::V5_0, "c");
    assert_eq!(bench.retain(client, "a", &"x".repeat(9_000)), ReasonCode::Success);
    assert_eq!(bench.retain(client, "b", &"x".repeat(9_000)), ReasonCode::QuotaExceeded);
    assert_eq!(bench.retain(client, "a", &"y".repeat(9_000)), ReasonCode::Success);
    assert!(bench.broker.metrics().retained_bytes <= 10_000);
}

#[test]
fn an_in_process_subscriber_gets_retained_messages_where_it_asks_for_them() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.retain(client, "t", "m");
    bench.take_events();
    bench.broker.subscribe(LocalHandle(1), "#", true, bench.now_ms).unwrap();
    bench.broker.subscribe(LocalHandle(2), "#", false, bench.now_ms).unwrap();
    bench.run();
    let handles: Vec<_> = bench.local_messages().iter().map(|it| (it.0, it.2.clone(), it.3)).collect();
    assert_eq!(handles, [(LocalHandle(1), "m".to_owned(), true)]);
}
