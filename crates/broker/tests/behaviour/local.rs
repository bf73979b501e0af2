//! What does not come from an MQTT client: in-process publishers and subscribers, topic URLs, `$SYS`.

use topicwire_broker::{
    Broker, Event, HookFilters, LocalError, LocalHandle, LocalPublish, Refusal, TopicUrlRequest, Verdict,
};
use topicwire_codec::{PublishProperties, QoS, ReasonCode, Version};

use crate::support::*;

fn message<'a>(topic_name: &'a str, payload: &'a [u8], qos: QoS) -> LocalPublish<'a> {
    LocalPublish { topic_name, payload, qos, retain: false, properties: PublishProperties::default() }
}

fn url(topic_filter: &str) -> TopicUrlRequest<'_> {
    TopicUrlRequest {
        topic_filter,
        qos: QoS::AtMostOnce,
        retained: false,
        client_id: "",
        username: None,
        password: None,
    }
}

fn text(payload: &str) -> (bool, Vec<u8>) {
    (true, payload.as_bytes().to_vec())
}

#[test]
fn in_process_publishers_reach_clients_and_in_process_subscribers() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "t/+", QoS::AtLeastOnce);
    bench.broker.subscribe(LocalHandle(7), "t/#", false, bench.now_ms).unwrap();
    let publish = LocalPublish {
        retain: true,
        properties: PublishProperties { content_type: Some("text/plain"), ..PublishProperties::default() },
        ..message("t/x", b"m", QoS::AtLeastOnce)
    };
    let outcome = bench.broker.publish(&publish, bench.now_ms).unwrap();
    assert_eq!((outcome.receivers, outcome.is_over_quota), (2, false));
    bench.run();
    let got = bench.publish_of(client);
    assert_eq!(
        (got.text(), got.qos, got.content_type.as_deref()),
        ("m", QoS::AtLeastOnce, Some("text/plain"))
    );
    assert_eq!(bench.local_messages(), [(LocalHandle(7), "t/x".into(), "m".into(), true)]);
    assert_eq!(bench.broker.retained_count(), 1);
    assert!(bench.broker.unsubscribe(LocalHandle(7), bench.now_ms));
    assert!(!bench.broker.unsubscribe(LocalHandle(7), bench.now_ms));
    bench.disconnect(client);
    bench.assert_empty();
}

#[test]
fn in_process_calls_that_make_no_sense_are_refused_and_change_nothing() {
    let mut bench = Bench::with_limits(|limits| {
        limits.maximum_topic_levels = 2;
        limits.maximum_packet_size_bytes = 100;
    });
    let now_ms = bench.now_ms;
    let broker: &mut Broker = &mut bench.broker;
    assert!(matches!(
        broker.publish(&message("a/#", b"", QoS::AtMostOnce), now_ms),
        Err(LocalError::TopicName(_))
    ));
    assert!(matches!(
        broker.publish(&message("a/b/c", b"", QoS::AtMostOnce), now_ms),
        Err(LocalError::TooManyLevels)
    ));
    assert!(matches!(
        broker.publish(&message("t", &[0; 101], QoS::AtMostOnce), now_ms),
        Err(LocalError::TooLarge)
    ));
    assert!(matches!(
        broker.subscribe(LocalHandle(1), "a/#/b", false, now_ms),
        Err(LocalError::TopicFilter(_))
    ));
    assert!(matches!(
        broker.subscribe(LocalHandle(1), "a/b/c", false, now_ms),
        Err(LocalError::TooManyLevels)
    ));
    broker.subscribe(LocalHandle(1), "a", false, now_ms).unwrap();
    assert!(matches!(broker.subscribe(LocalHandle(1), "b", false, now_ms), Err(LocalError::HandleInUse)));
    assert_eq!(broker.subscription_count(), 1);
}

#[test]
fn an_in_process_member_of_a_group_has_its_turns() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "$share/g/t", QoS::AtMostOnce);
    bench.broker.subscribe(LocalHandle(1), "$share/g/t", false, bench.now_ms).unwrap();
    for n in 0..10 {
        bench.publish(client, "t", &n.to_string(), QoS::AtMostOnce);
    }
    assert_eq!((bench.publishes(client).len(), bench.local_messages().len()), (5, 5));
}

#[test]
fn a_topic_url_gets_bare_payloads_and_publishes_its_frames() {
    for arena in [1, 3, 64 << 10] {
        let mut bench = Bench::new().arena(arena);
        let client = bench.connect(Version::V5_0, "c");
        bench.subscribe(client, "chat/#", QoS::AtMostOnce);
        let browser = bench.open_topic_url(&url("chat/room"));
        let large = "x".repeat(20_000);
        for payload in ["hello", "", &large] {
            bench.publish(client, "chat/room", payload, QoS::AtLeastOnce);
        }
        bench.publish_with(client, "chat/room", b"\xff\x00", QoS::AtMostOnce, |_| {});
        assert_eq!(bench.frames(browser), [text("hello"), text(""), text(&large), (false, vec![0xFF, 0])]);
        bench.forget_publishes(client);
        bench.send_bytes(browser, b"from the browser");
        assert_eq!(bench.publish_of(client).text(), "from the browser");
        // It hears itself, as it hears everybody.
        assert_eq!(bench.frames(browser), [text("from the browser")]);
        bench.cut(browser);
        bench.disconnect(client);
        bench.assert_empty();
    }
}

#[test]
fn a_topic_url_asks_for_retained_messages_and_qos() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.retain(client, "t/a", "kept");
    let without = bench.open_topic_url(&url("t/+"));
    let with = bench.open_topic_url(&TopicUrlRequest { retained: true, qos: QoS::ExactlyOnce, ..url("t/+") });
    assert_eq!((bench.frames(without), bench.frames(with)), (vec![], vec![text("kept")]));
    for n in 0..2_000 {
        bench.publish(client, "t/a", &n.to_string(), QoS::AtLeastOnce);
    }
    assert_eq!(bench.frames(with).len(), 2_000);
    assert_eq!(bench.broker.metrics().queued_messages, 0);
}

#[test]
fn a_frozen_topic_url_of_qos_1_gets_everything_when_it_reads_again() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    let browser = bench.open_topic_url(&TopicUrlRequest { qos: QoS::AtLeastOnce, ..url("t") });
    bench.freeze(browser);
    let payload = "x".repeat(1_000);
    for _ in 0..2_000 {
        bench.publish(client, "t", &payload, QoS::AtLeastOnce);
    }
    assert!(bench.broker.metrics().out_buffer_bytes < 400_000);
    bench.thaw(browser);
    assert_eq!(bench.frames(browser).len(), 2_000);
    assert_eq!(bench.broker.metrics().queued_messages, 0);
}

#[test]
fn a_topic_url_runs_into_no_window_and_out_of_no_identifiers() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut bench = Bench::new();
        let browser = bench.open_topic_url(&TopicUrlRequest { qos, ..url("t") });
        for _ in 0..70_000 {
            bench.send_bytes(browser, b"m");
        }
        assert_eq!(bench.frames(browser).len(), 70_000);
        assert_eq!(bench.closed(browser), None);
    }
    // Not even while the acknowledgements, which it does not see, wait for a store.
    let mut bench = Bench::durable(Commits::ByHand, |config| config.limits.receive_maximum = 10);
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    bench.commit();
    let browser = bench.open_topic_url(&TopicUrlRequest { qos: QoS::AtLeastOnce, ..url("t") });
    for _ in 0..100 {
        bench.send_bytes(browser, b"m");
    }
    assert!(bench.broker.poll_store_batch().is_some());
    assert_eq!(bench.frames(browser).len(), 100);
    assert_eq!(bench.closed(browser), None);
}

#[test]
fn a_topic_url_with_a_wildcard_that_publishes_is_closed() {
    let mut bench = Bench::new();
    for filter in ["t/#", "+", "$share/g/t"] {
        let browser = bench.open_topic_url(&url(filter));
        assert_eq!(bench.closed(browser), None);
        bench.send_bytes(browser, b"m");
        assert_eq!(bench.closed(browser), Some(ReasonCode::TopicNameInvalid), "{filter}");
    }
    bench.assert_empty();
}

#[test]
fn an_impossible_or_refused_topic_closes_its_url_and_says_why() {
    let mut bench = Bench::with_hooks(HookFilters {
        authenticate: true,
        authorize_subscribe: vec!["secret".into()],
        ..HookFilters::default()
    });
    let long = "x".repeat(70_000);
    let too_long = bench.open_topic_url(&url(&long));
    assert_eq!(bench.closed(too_long), Some(ReasonCode::TopicFilterInvalid));
    let impossible = bench.open_topic_url(&url("a/#/b"));
    bench.answer(Verdict::Allow);
    assert_eq!(bench.closed(impossible), Some(ReasonCode::TopicFilterInvalid));
    let refused = bench.open_topic_url(&url("secret"));
    bench.answer(Verdict::Allow);
    bench.answer(Verdict::Deny(Refusal::from_code(ReasonCode::NotAuthorized)));
    assert_eq!(bench.closed(refused), Some(ReasonCode::NotAuthorized));
    let stranger = bench.open_topic_url(&url("t"));
    bench.answer(Verdict::Deny(Refusal::from_code(ReasonCode::BadUserNameOrPassword)));
    assert_eq!(bench.closed(stranger), Some(ReasonCode::BadUserNameOrPassword));
    let refusals = bench.take_events().iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    assert_eq!(refusals, 4);
    bench.assert_empty();
}

#[test]
fn frames_that_come_while_a_hook_decides_wait_in_their_order() {
    let mut bench = Bench::with_hooks(HookFilters { authenticate: true, ..HookFilters::default() });
    let browser = bench.open_topic_url(&url("t"));
    assert!(bench.is_held(browser));
    for payload in ["1", "2", "3"] {
        bench.send_bytes(browser, payload.as_bytes());
    }
    bench.answer(Verdict::Allow);
    assert_eq!(bench.frames(browser), [text("1"), text("2"), text("3")]);
}

#[test]
fn sys_topics_are_retained_hidden_from_wildcards_and_up_to_date() {
    let mut config = quiet_config();
    config.sys_interval_ms = 10_000;
    config.version = "topicwire test".into();
    let mut bench = Bench::build(config, HookFilters::default());
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "#", QoS::AtMostOnce);
    assert_eq!(bench.publishes(client), []);
    bench.subscribe(client, "$SYS/broker/version", QoS::AtMostOnce);
    let version = bench.publish_of(client);
    assert_eq!((version.text(), version.retain), ("topicwire test", true));
    bench.subscribe(client, "$SYS/broker/clients/connected", QoS::AtMostOnce);
    assert_eq!(bench.texts(client), ["0"]);
    bench.advance_secs(10);
    assert_eq!(bench.texts(client), ["1"]);
    // What has not changed is not said again.
    bench.advance_secs(100);
    assert_eq!(bench.texts(client), Vec::<String>::new());
    let second = bench.connect(Version::V3_1_1, "d");
    bench.publish(second, "t", "m", QoS::AtLeastOnce);
    bench.advance_secs(10);
    bench.texts(client);
    let late = bench.connect(Version::V5_0, "late");
    bench.subscribe(late, "$SYS/broker/#", QoS::AtMostOnce);
    let values: std::collections::HashMap<_, _> =
        bench.publishes(late).iter().map(|it| (it.topic_name.clone(), it.text().to_owned())).collect();
    let value = |topic: &str| values.get(&format!("$SYS/broker/{topic}")).map(String::as_str);
    assert_eq!(value("clients/connected"), Some("2"));
    assert_eq!(value("clients/total"), Some("2"));
    assert_eq!(value("publish/messages/received"), Some("1"));
    assert_eq!(value("uptime"), Some("120 seconds"));
    assert_eq!(value("subscriptions/count"), Some("3"));
    for topic in [
        "messages/sent",
        "bytes/received",
        "load/messages/received/1min",
        "load/bytes/sent/15min",
        "store/messages/bytes",
        "retained messages/count",
    ] {
        assert!(value(topic).is_some_and(|it| it.parse::<f64>().is_ok()), "{topic}: {:?}", value(topic));
    }
}
