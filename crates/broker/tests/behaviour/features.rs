//! Parts of the protocol that are switched off, where no packet of a client shows it: the host's own messages, hooks,
//! topic URLs, `$SYS`, and what a store has kept. What clients meet is in `__test__/vectors/exchanges/features.toml`.

use topicwire_broker::{
    Event, Features, HookFilters, LocalError, LocalHandle, LocalPublish, Replacement, TopicUrlRequest,
    Verdict,
};
use topicwire_codec::{PublishProperties, QoS, ReasonCode, Version};

use crate::support::*;

const WITHOUT: Features = Features {
    maximum_qos: QoS::AtLeastOnce,
    retain: false,
    wildcard_subscriptions: false,
    subscription_identifiers: false,
    shared_subscriptions: false,
};

fn bench_without(hooks: HookFilters) -> Bench {
    let mut config = quiet_config();
    config.features = WITHOUT;
    Bench::build(config, hooks)
}

fn message(qos: QoS, retain: bool) -> LocalPublish<'static> {
    LocalPublish { topic_name: "t", payload: b"m", qos, retain, properties: PublishProperties::default() }
}

fn request(topic_filter: &str, qos: QoS) -> TopicUrlRequest<'_> {
    TopicUrlRequest { topic_filter, qos, retained: true, client_id: "", username: None, password: None }
}

#[test]
fn the_hosts_own_messages_keep_to_them() {
    let mut bench = bench_without(HookFilters::default());
    let now_ms = bench.now_ms;
    assert!(bench.broker.publish(&message(QoS::AtLeastOnce, false), now_ms).is_ok());
    let too_high = bench.broker.publish(&message(QoS::ExactlyOnce, false), now_ms);
    assert!(matches!(too_high, Err(LocalError::QoSNotSupported)), "{too_high:?}");
    let retained = bench.broker.publish(&message(QoS::AtMostOnce, true), now_ms);
    assert!(matches!(retained, Err(LocalError::RetainNotSupported)), "{retained:?}");
}

#[test]
fn the_host_subscribes_as_it_likes() {
    let mut bench = bench_without(HookFilters::default());
    let now_ms = bench.now_ms;
    for (number, topic_filter) in ["#", "$share/g/t"].into_iter().enumerate() {
        bench.broker.subscribe(LocalHandle(number as u32), topic_filter, true, now_ms).unwrap();
    }
    bench.broker.publish(&message(QoS::AtMostOnce, false), now_ms).unwrap();
    bench.run();
    assert_eq!(bench.local_messages().len(), 2);
}

/// [MQTT-3.2.2-11] binds the client; what a hook makes of its message is not its fault.
#[test]
fn what_a_hook_asks_for_beyond_them_is_lowered() {
    let hooks = HookFilters { on_publish: vec!["#".into()], ..HookFilters::default() };
    let mut bench = bench_without(hooks);
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    let id = bench.send_publish(publisher, "t", b"m", QoS::AtLeastOnce, |_| {});
    bench.answer(Verdict::Replace(Replacement {
        qos: Some(QoS::ExactlyOnce),
        retain: Some(true),
        ..Replacement::default()
    }));
    assert_eq!(bench.expect_puback(publisher, id), ReasonCode::Success);
    assert_eq!(bench.publish_of(subscriber).qos, QoS::AtLeastOnce);
    assert_eq!(bench.broker.retained_count(), 0);
}

#[test]
fn a_topic_url_gets_the_qos_that_there_is_and_is_closed_where_its_filter_is_not_allowed() {
    let mut bench = bench_without(HookFilters::default());
    let page = bench.open_topic_url(&request("t", QoS::ExactlyOnce));
    bench.send_bytes(page, b"from the page");
    assert_eq!(bench.frames(page), [(true, b"from the page".to_vec())]);
    for (topic_filter, expected) in [
        ("a/+", ReasonCode::WildcardSubscriptionsNotSupported),
        ("$share/g/a", ReasonCode::SharedSubscriptionsNotSupported),
    ] {
        let page = bench.open_topic_url(&request(topic_filter, QoS::AtMostOnce));
        assert_eq!(bench.closed(page), Some(expected));
        let is_told = |event: &Event| {
            matches!(event, Event::Refused { reason_code, detail, .. }
                if *reason_code == expected && detail.contains("switched off"))
        };
        assert!(bench.take_events().iter().any(is_told));
    }
}

#[test]
fn without_retained_messages_sys_topics_are_said_each_time_and_not_kept() {
    let mut config = quiet_config();
    config.features = Features { retain: false, ..Features::default() };
    config.sys_interval_ms = 1_000;
    let mut bench = Bench::build(config, HookFilters::default());
    assert_eq!(bench.broker.retained_count(), 0);
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "$SYS/broker/version", QoS::AtMostOnce);
    assert_eq!(bench.publishes(client), []);
    bench.advance_secs(2);
    let versions = bench.publishes(client);
    assert_eq!(versions.iter().map(|publish| publish.retain).collect::<Vec<_>>(), [false, false]);
}
