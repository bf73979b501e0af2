//! Wills: published when they should be, never when they should not, and like any other message.

use topicwire_codec::{Connect, PublishProperties, QoS, ReasonCode, Version, Will};

use crate::support::*;

fn will(delay_interval_secs: u32) -> Will<'static> {
    Will {
        topic_name: "will",
        payload: b"gone",
        qos: QoS::AtLeastOnce,
        delay_interval_secs,
        ..Will::default()
    }
}

/// A watcher of everything, and a client with this Will and Session Expiry Interval.
fn scene(bench: &mut Bench, will: Will<'static>, expiry_secs: u32) -> (Client, Client) {
    let watcher = bench.connect(Version::V5_0, "watcher");
    bench.subscribe_as(watcher, "#", QoS::ExactlyOnce, |options| options.retain_as_published = true);
    bench.acknowledging(watcher);
    let (client, _) = connect(bench, Some(will), expiry_secs);
    (watcher, client)
}

fn connect(bench: &mut Bench, will: Option<Will<'static>>, expiry_secs: u32) -> (Client, bool) {
    let set = |connect: &mut Connect<'static>| {
        connect.clean_start = false;
        connect.properties.session_expiry_interval_secs = Some(expiry_secs);
        connect.keep_alive_secs = 10;
        connect.will = will;
    };
    let (client, connack) = bench.connect_with(Version::V5_0, "c", set);
    (client, connack.session_present)
}

#[test]
fn a_lost_connection_a_time_out_and_a_protocol_error_publish_the_will() {
    for how in 0..3 {
        let mut bench = Bench::new();
        let (watcher, client) = scene(&mut bench, will(0), 0);
        match how {
            0 => bench.cut(client),
            1 => bench.advance_secs(15),
            _ => bench.send_bytes(client, &[0x00, 0x00]),
        }
        let publish = bench.publish_of(watcher);
        assert_eq!(
            (publish.topic_name.as_str(), publish.text(), publish.qos),
            ("will", "gone", QoS::AtLeastOnce)
        );
        bench.advance_secs(1_000);
        assert_eq!(bench.texts(watcher), Vec::<String>::new());
    }
}

#[test]
fn a_normal_disconnect_discards_the_will_and_any_other_reason_publishes_it() {
    for (reason_code, published) in [
        (ReasonCode::NORMAL_DISCONNECTION, 0),
        (ReasonCode::DisconnectWithWillMessage, 1),
        (ReasonCode::UnspecifiedError, 1),
    ] {
        let mut bench = Bench::new();
        let (watcher, client) = scene(&mut bench, will(0), 100);
        bench.disconnect_with(client, reason_code, None);
        bench.advance_secs(1_000);
        assert_eq!(bench.publishes(watcher).len(), published, "{reason_code}");
    }
}

#[test]
fn a_3_1_1_disconnect_discards_the_will() {
    let mut bench = Bench::new();
    let watcher = bench.connect(Version::V5_0, "watcher");
    bench.subscribe(watcher, "#", QoS::AtMostOnce);
    for is_cut in [false, true] {
        let (client, _) = bench.connect_with(Version::V3_1_1, "c", |connect| connect.will = Some(will(0)));
        if is_cut {
            bench.cut(client);
        } else {
            bench.disconnect(client);
        }
        assert_eq!(bench.publishes(watcher).len(), usize::from(is_cut));
    }
}

#[test]
fn a_delayed_will_waits_and_its_delay_does_not_leak() {
    let mut bench = Bench::new();
    let (watcher, client) = scene(&mut bench, will(5), 100);
    bench.cut(client);
    bench.advance_ms(4_999);
    assert_eq!(bench.publishes(watcher), []);
    bench.advance_ms(1);
    let publish = bench.publish_of(watcher);
    assert_eq!(publish.message_expiry_interval_secs, None);
    assert_eq!(publish.user_properties, []);
    bench.advance_secs(100);
    assert_eq!(bench.publishes(watcher), []);
}

#[test]
fn a_client_that_is_back_in_time_cancels_its_will() {
    let mut bench = Bench::new();
    let (watcher, client) = scene(&mut bench, will(5), 100);
    bench.cut(client);
    bench.advance_secs(4);
    let (client, present) = connect(&mut bench, None, 100);
    assert!(present);
    bench.ping(client);
    bench.advance_secs(5);
    assert_eq!(bench.publishes(watcher), []);
    // The new connection has no Will of its own.
    bench.cut(client);
    bench.advance_secs(100);
    assert_eq!(bench.publishes(watcher), []);
}

#[test]
fn the_end_of_the_session_publishes_the_will_before_its_delay() {
    let mut bench = Bench::new();
    let (watcher, client) = scene(&mut bench, will(50), 5);
    bench.cut(client);
    bench.advance_secs(5);
    assert_eq!(bench.publishes(watcher).len(), 1);
    // A clean start ends the Session as well.
    let (watcher, client) = {
        let (client, _) = connect(&mut bench, Some(will(50)), 100);
        (watcher, client)
    };
    bench.cut(client);
    bench.connect(Version::V5_0, "c");
    assert_eq!(bench.publishes(watcher).len(), 1);
}

#[test]
fn a_take_over_publishes_the_will_unless_its_delay_goes_on() {
    for (delay_secs, clean_start, published) in [(0, false, 1), (0, true, 1), (5, false, 0), (5, true, 1)] {
        let mut bench = Bench::new();
        let (watcher, old) = scene(&mut bench, will(delay_secs), 100);
        bench.connect_with(Version::V5_0, "c", |connect| {
            connect.clean_start = clean_start;
            connect.properties.session_expiry_interval_secs = Some(100);
        });
        assert_eq!(bench.closed(old), Some(ReasonCode::SessionTakenOver));
        bench.advance_secs(1_000);
        assert_eq!(bench.publishes(watcher).len(), published, "delay {delay_secs}, clean {clean_start}");
    }
}

#[test]
fn a_will_carries_its_properties_and_is_retained_where_it_says_so() {
    let mut bench = Bench::new();
    let properties = PublishProperties {
        content_type: Some("text/plain"),
        response_topic: Some("answers"),
        correlation_data: Some(b"7"),
        payload_format_indicator: Some(true),
        message_expiry_interval_secs: Some(60),
        user_properties: topicwire_codec::UserProperties::from_pairs(&[("k", "v"), ("k", "w")]),
        ..PublishProperties::default()
    };
    let (watcher, client) = scene(&mut bench, Will { retain: true, properties, ..will(5) }, 100);
    bench.cut(client);
    bench.advance_secs(5);
    let publish = bench.publish_of(watcher);
    assert!(publish.retain);
    assert_eq!(publish.content_type.as_deref(), Some("text/plain"));
    assert_eq!(publish.response_topic.as_deref(), Some("answers"));
    assert_eq!(publish.correlation_data.as_deref(), Some(&b"7"[..]));
    assert_eq!(publish.payload_format_indicator, Some(true));
    // The message begins to age when it is published, not when it was left.
    assert_eq!(publish.message_expiry_interval_secs, Some(60));
    assert_eq!(publish.user_properties, [("k".into(), "v".into()), ("k".into(), "w".into())]);
    bench.advance_secs(20);
    let late = bench.connect(Version::V5_0, "late");
    bench.subscribe(late, "will", QoS::AtMostOnce);
    assert_eq!(bench.publish_of(late).message_expiry_interval_secs, Some(40));
}

#[test]
fn shutting_down_publishes_wills_to_nobody_in_particular_and_does_not_hang() {
    let mut bench = Bench::new();
    let (watcher, client) = scene(&mut bench, will(0), 0);
    bench.shut_down();
    assert!(bench.closed(watcher).is_some() && bench.closed(client).is_some());
    bench.assert_empty();
}
