//! What an operator is shown: the figures of one client, and whether anybody is there for a topic.

use topicwire_broker::{ClientStatistics, LocalHandle};
use topicwire_codec::{QoS, Version};

use crate::support::*;

#[test]
fn a_clients_figures_are_what_waits_for_it_and_what_it_holds() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_queued_messages = 3);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.subscribe(subscriber, "u/#", QoS::AtMostOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t", "under way", QoS::AtLeastOnce);
    let figures = bench.broker.client_statistics("s").unwrap();
    assert_eq!(figures, ClientStatistics { inflight_messages: 1, subscriptions: 2, ..Default::default() });

    bench.cut(subscriber);
    for n in 0..5 {
        bench.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    let figures = bench.broker.client_statistics("s").unwrap();
    assert_eq!((figures.queued_messages, figures.dropped_messages, figures.out_buffer_bytes), (3, 2, 0));
    assert_eq!(figures.queued_bytes, bench.broker.metrics().queued_bytes);
    assert_eq!(bench.broker.client_statistics("nobody"), None);
}

#[test]
fn a_frozen_client_shows_the_bytes_that_wait_for_its_connection() {
    let mut bench = Bench::new();
    let frozen = bench.connect(Version::V5_0, "frozen");
    bench.subscribe(frozen, "t", QoS::AtMostOnce);
    bench.freeze(frozen);
    let publisher = bench.connect(Version::V5_0, "p");
    for _ in 0..3 {
        bench.publish(publisher, "t", &"x".repeat(4_000), QoS::AtMostOnce);
    }
    let figures = bench.broker.client_statistics("frozen").unwrap();
    assert!(figures.out_buffer_bytes > 4_000, "{figures:?}");
    assert_eq!(figures.out_buffer_bytes, bench.broker.metrics().out_buffer_bytes);
}

#[test]
fn a_topic_has_a_listener_while_somebody_who_is_there_has_subscribed_to_it() {
    let mut bench = Bench::new();
    assert!(!bench.broker.has_listener("$SYS/x"));
    let all = bench.connect(Version::V5_0, "all");
    bench.subscribe(all, "#", QoS::AtMostOnce);
    assert!(!bench.broker.has_listener("$SYS/x"), "# does not match what begins with $");
    let (away, _) = bench.connect_durably(Version::V5_0, "away");
    bench.subscribe(away, "$SYS/#", QoS::AtMostOnce);
    assert!(bench.broker.has_listener("$SYS/x"));
    bench.cut(away);
    assert!(!bench.broker.has_listener("$SYS/x"), "its session is there, it is not");
    let member = bench.connect(Version::V5_0, "member");
    bench.subscribe(member, "$share/group/$SYS/+", QoS::AtMostOnce);
    assert!(bench.broker.has_listener("$SYS/x"));
    bench.unsubscribe(member, &["$share/group/$SYS/+"]);
    assert!(!bench.broker.has_listener("$SYS/x"));
    bench.broker.subscribe(LocalHandle(1), "$SYS/x", false, bench.now_ms).unwrap();
    assert!(bench.broker.has_listener("$SYS/x"));
    assert!(!bench.broker.has_listener("not/a/#/name"));
}
