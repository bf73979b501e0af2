//! How long Sessions live, and what is in them.

use topicwire_codec::{QoS, ReasonCode, Version};

use crate::support::*;

fn expiring(bench: &mut Bench, secs: u32) -> (Client, bool) {
    let (client, connack) = bench.connect_with(Version::V5_0, "c", |connect| {
        connect.clean_start = false;
        connect.properties.session_expiry_interval_secs = Some(secs);
    });
    (client, connack.session_present)
}

#[test]
fn a_session_is_there_until_it_expires() {
    let mut bench = Bench::new();
    let (client, present) = expiring(&mut bench, 10);
    assert!(!present);
    bench.subscribe(client, "t", QoS::AtLeastOnce);
    bench.advance_secs(1_000);
    bench.cut(client);
    bench.advance_ms(9_999);
    let (client, present) = expiring(&mut bench, 10);
    assert!(present);
    bench.publish(client, "t", "still subscribed", QoS::AtLeastOnce);
    assert_eq!(bench.texts(client), ["still subscribed"]);
    bench.cut(client);
    bench.advance_ms(10_000);
    assert_eq!(bench.broker.metrics().sessions_expired, 1);
    bench.assert_empty();
    assert!(!expiring(&mut bench, 10).1);
}

#[test]
fn a_session_whose_time_is_up_is_over_although_no_tick_has_said_so() {
    let mut bench = Bench::new();
    let (client, _) = expiring(&mut bench, 10);
    bench.cut(client);
    bench.now_ms += 10_000;
    assert!(!expiring(&mut bench, 10).1);
}

#[test]
fn a_session_that_never_expires_is_there_after_a_century() {
    let mut bench = Bench::new();
    let (client, _) = expiring(&mut bench, u32::MAX);
    bench.cut(client);
    bench.advance_secs(100 * 365 * 86_400);
    assert!(expiring(&mut bench, u32::MAX).1);
}

#[test]
fn a_session_that_ends_early_takes_its_deadline_along() {
    let mut bench = Bench::new();
    let (client, _) = expiring(&mut bench, 1_000);
    bench.cut(client);
    let client = bench.connect(Version::V5_0, "c");
    bench.disconnect(client);
    bench.assert_empty();
}

#[test]
fn clean_start_forgets_the_session_and_its_queue() {
    let mut bench = Bench::new();
    let (client, _) = expiring(&mut bench, 100);
    bench.subscribe(client, "t", QoS::AtLeastOnce);
    bench.cut(client);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t", "queued", QoS::AtLeastOnce);
    assert_eq!(bench.broker.metrics().queued_messages, 1);
    let (client, connack) = bench.connect_with(Version::V5_0, "c", |_| {});
    assert!(!connack.session_present);
    assert_eq!((bench.broker.metrics().queued_messages, bench.broker.metrics().queued_bytes), (0, 0));
    bench.publish(publisher, "t", "not subscribed", QoS::AtLeastOnce);
    assert_eq!(bench.rest(client), []);
}

#[test]
fn disconnect_changes_the_expiry() {
    let mut bench = Bench::new();
    let (client, _) = expiring(&mut bench, 100);
    bench.disconnect_with(client, ReasonCode::NORMAL_DISCONNECTION, Some(5));
    bench.advance_ms(4_999);
    let (client, present) = expiring(&mut bench, 100);
    assert!(present);
    bench.disconnect_with(client, ReasonCode::NORMAL_DISCONNECTION, Some(0));
    bench.assert_empty();
}

#[test]
fn disconnect_cannot_keep_a_session_that_connect_did_not() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.disconnect_with(client, ReasonCode::NORMAL_DISCONNECTION, Some(5));
    assert_eq!(bench.rest(client), [Got::Disconnect(ReasonCode::ProtocolError)]);
    bench.assert_empty();
}

#[test]
fn the_limit_on_the_expiry_holds_for_connect_disconnect_and_3_1_1() {
    let mut bench = Bench::with_limits(|limits| limits.session_expiry_interval_maximum_secs = 10);
    let (client, _) = expiring(&mut bench, 100);
    bench.disconnect_with(client, ReasonCode::NORMAL_DISCONNECTION, Some(u32::MAX));
    bench.advance_secs(10);
    assert_eq!(bench.broker.session_count(), 0);
    let (client, _) = bench.connect_durably(Version::V3_1_1, "old");
    bench.cut(client);
    bench.advance_secs(10);
    assert_eq!(bench.broker.session_count(), 0);
}

#[test]
fn a_3_1_1_clean_session_ends_with_its_connection_and_another_one_stays() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect_durably(Version::V3_1_1, "c");
    bench.subscribe(client, "t", QoS::AtLeastOnce);
    bench.disconnect(client);
    bench.advance_secs(1_000_000);
    let publisher = bench.connect(Version::V3_1_1, "p");
    bench.publish(publisher, "t", "kept", QoS::AtLeastOnce);
    let (client, present) = bench.connect_durably(Version::V3_1_1, "c");
    assert!(present);
    assert_eq!(bench.texts(client), ["kept"]);
    bench.disconnect(client);
    // A clean session discards the old one and leaves none itself.
    let client = bench.connect(Version::V3_1_1, "c");
    bench.disconnect(client);
    assert!(!bench.connect_durably(Version::V3_1_1, "c").1);
}

#[test]
fn a_session_goes_on_in_another_version() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect_durably(Version::V3_1_1, "c");
    bench.subscribe(client, "t", QoS::AtLeastOnce);
    bench.cut(client);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish_with(publisher, "t", b"m", QoS::AtLeastOnce, |publish| {
        publish.properties.content_type = Some("text/plain");
    });
    let (client, present) = bench.connect_durably(Version::V5_0, "c");
    assert!(present);
    assert_eq!(bench.publish_of(client).content_type.as_deref(), Some("text/plain"));
    bench.cut(client);
    let (client, _) = bench.connect_durably(Version::V3_1_1, "c");
    assert!(bench.publish_of(client).dup);
}

#[test]
fn an_offline_session_gets_qos_1_and_2_in_order_and_no_qos_0() {
    let mut bench = Bench::new();
    let (client, _) = expiring(&mut bench, 1_000);
    bench.subscribe(client, "#", QoS::ExactlyOnce);
    bench.disconnect(client);
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..300 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3];
        bench.publish(publisher, "t", &n.to_string(), qos);
    }
    let (client, _) = expiring(&mut bench, 1_000);
    bench.acknowledging(client);
    let expected: Vec<_> = (0..300).filter(|n| n % 3 != 0).map(|n| n.to_string()).collect();
    assert_eq!(bench.texts(client), expected);
    assert_eq!(bench.broker.metrics().queued_messages, 0);
}

#[test]
fn a_session_of_a_year_that_reconnects_for_ever_leaves_no_timers_behind() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        let (client, _) = expiring(&mut bench, 365 * 86_400);
        bench.advance_ms(10);
        bench.cut(client);
    }
    let due_ms = bench.now_ms + 365 * 86_400_000;
    assert_eq!(bench.broker.next_deadline_ms(), Some(due_ms));
    bench.advance_secs(365 * 86_400);
    assert_eq!(bench.broker.next_deadline_ms(), None);
    bench.assert_empty();
}
