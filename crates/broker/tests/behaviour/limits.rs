//! Limits, each with what the peer hears and which counter moves; and slow subscribers, who cost only themselves.

use topicwire_broker::{DropReason, Event, QueueFullPolicy};
use topicwire_codec::{PacketType, QoS, ReasonCode, Version};

use crate::support::*;

/// A broker whose queues hold three messages, an offline subscriber to `t`, and a publisher.
fn full_queue(policy: QueueFullPolicy) -> (Bench, Client) {
    let mut bench = Bench::with_limits(|limits| {
        limits.maximum_queued_messages = 3;
        limits.queue_full_policy = policy;
    });
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V5_0, "p");
    (bench, publisher)
}

fn queue_of(bench: &mut Bench) -> Vec<String> {
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.texts(subscriber)
}

#[test]
fn a_full_queue_is_told_to_the_publisher_and_not_acknowledged_as_taken() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (mut bench, publisher) = full_queue(QueueFullPolicy::Reject);
        for n in 0..5 {
            let expected = if n < 3 { ReasonCode::Success } else { ReasonCode::QuotaExceeded };
            assert_eq!(bench.publish(publisher, "t", &n.to_string(), qos), expected);
        }
        assert_eq!(bench.broker.metrics().dropped, [0, 2, 0, 0, 0]);
        assert_eq!(bench.broker.metrics().queued_messages, 3);
        bench.advance_ms(0);
        let drops: Vec<_> = bench
            .take_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Dropped { client_id, count, reason } => Some((client_id.to_string(), count, reason)),
                _ => None,
            })
            .collect();
        assert_eq!(drops.iter().map(|it| it.1).sum::<u64>(), 2);
        assert!(drops.iter().all(|it| it.0 == "s" && it.2 == DropReason::QueueFull));
        assert_eq!(queue_of(&mut bench), ["0", "1", "2"]);
    }
}

#[test]
fn drops_are_told_at_most_once_a_second_with_their_sum() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_out_buffer_bytes = 4_096);
    let frozen = bench.connect(Version::V5_0, "frozen");
    bench.subscribe(frozen, "t", QoS::AtMostOnce);
    bench.freeze(frozen);
    let publisher = bench.connect(Version::V5_0, "p");
    let drops_told = |bench: &mut Bench| -> Vec<u64> {
        let events = bench.take_events().into_iter();
        events
            .filter_map(|event| if let Event::Dropped { count, .. } = event { Some(count) } else { None })
            .collect()
    };
    let payload = "x".repeat(4_000);
    bench.publish(publisher, "t", &payload, QoS::AtMostOnce);
    bench.publish(publisher, "t", &payload, QoS::AtMostOnce);
    bench.advance_ms(0);
    assert_eq!(drops_told(&mut bench), [1]);
    for _ in 0..9 {
        bench.publish(publisher, "t", &payload, QoS::AtMostOnce);
        bench.advance_ms(100);
        assert!(drops_told(&mut bench).is_empty());
    }
    bench.advance_ms(100);
    assert_eq!(drops_told(&mut bench), [9]);
    // What was dropped last is told with the end of the Session, and the clock has nothing left to do.
    bench.publish(publisher, "t", &payload, QoS::AtMostOnce);
    bench.cut(frozen);
    assert_eq!(drops_told(&mut bench), [1]);
}

#[test]
fn an_identifier_of_a_refused_qos_2_message_is_free_again() {
    let (mut bench, publisher) = full_queue(QueueFullPolicy::Reject);
    for _ in 0..3 {
        bench.publish(publisher, "t", "fill", QoS::AtLeastOnce);
    }
    for text in ["refused", "taken"] {
        let id = bench.send_publish(
            publisher,
            if text == "taken" { "nobody" } else { "t" },
            b"m",
            QoS::ExactlyOnce,
            |it| {
                it.packet_id = Some(packet_id(77));
            },
        );
        assert_ne!(id, 77);
        let expected =
            if text == "taken" { ReasonCode::NoMatchingSubscribers } else { ReasonCode::QuotaExceeded };
        assert_eq!(bench.expect_pubrec(publisher, 77), expected);
    }
}

#[test]
fn a_3_1_1_publisher_goes_on_although_it_cannot_be_told() {
    let (mut bench, _) = full_queue(QueueFullPolicy::Reject);
    let old = bench.connect(Version::V3_1_1, "old");
    for n in 0..5 {
        bench.publish(old, "t", &n.to_string(), QoS::ExactlyOnce);
    }
    assert_eq!(bench.broker.metrics().dropped, [0, 2, 0, 0, 0]);
    assert_eq!(queue_of(&mut bench), ["0", "1", "2"]);
}

#[test]
fn drop_newest_and_drop_oldest_do_as_they_say_and_count() {
    for (policy, expected) in
        [(QueueFullPolicy::DropNewest, ["0", "1", "2"]), (QueueFullPolicy::DropOldest, ["3", "4", "5"])]
    {
        let (mut bench, publisher) = full_queue(policy);
        for n in 0..6 {
            assert_eq!(bench.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce), ReasonCode::Success);
        }
        assert_eq!(bench.broker.metrics().dropped, [0, 3, 0, 0, 0]);
        assert_eq!(queue_of(&mut bench), expected);
    }
}

#[test]
fn a_queue_is_bounded_in_bytes_and_takes_one_message_of_any_size() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_queued_bytes = 10_000);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V5_0, "p");
    let large = "x".repeat(20_000);
    assert_eq!(bench.publish(publisher, "t", &large, QoS::AtLeastOnce), ReasonCode::Success);
    assert_eq!(bench.publish(publisher, "t", "small", QoS::AtLeastOnce), ReasonCode::QuotaExceeded);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.publishes(subscriber).len(), 1);
}

#[test]
fn qos_0_is_dropped_and_counted_when_the_out_buffer_is_full() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_out_buffer_bytes = 10_000);
    let frozen = bench.connect(Version::V5_0, "frozen");
    bench.subscribe(frozen, "t", QoS::AtMostOnce);
    bench.freeze(frozen);
    let publisher = bench.connect(Version::V5_0, "p");
    let payload = "x".repeat(990);
    for _ in 0..1_000 {
        bench.publish(publisher, "t", &payload, QoS::AtMostOnce);
    }
    let metrics = bench.broker.metrics();
    assert!(metrics.out_buffer_bytes <= 10_000, "{}", metrics.out_buffer_bytes);
    bench.thaw(frozen);
    let received = bench.publishes(frozen).len() as u64;
    assert!(received >= 9);
    assert_eq!(received + metrics.dropped[DropReason::OutBufferFull as usize], 1_000);
    bench.publish(publisher, "t", "after", QoS::AtMostOnce);
    assert_eq!(bench.texts(frozen), ["after"]);
}

#[test]
fn a_frozen_subscriber_costs_only_itself() {
    let mut bench = Bench::with_limits(|limits| {
        limits.maximum_out_buffer_bytes = 100_000;
        limits.maximum_queued_messages = 100;
        limits.queue_full_policy = QueueFullPolicy::DropOldest;
    });
    let frozen = bench.connect(Version::V5_0, "frozen");
    let healthy = bench.connect(Version::V5_0, "healthy");
    for client in [frozen, healthy] {
        bench.subscribe(client, "t/#", QoS::AtLeastOnce);
    }
    bench.acknowledging(healthy);
    bench.freeze(frozen);
    let publisher = bench.connect(Version::V5_0, "p");
    let payload = "x".repeat(1_000);
    let large = "y".repeat(20_000);
    for n in 0..3_000 {
        let payload = if n % 100 == 0 { &large } else { &payload };
        bench.publish(publisher, "t/1", payload, [QoS::AtMostOnce, QoS::AtLeastOnce][n % 2]);
        let metrics = bench.broker.metrics();
        assert!(metrics.out_buffer_bytes < 400_000, "{} at {n}", metrics.out_buffer_bytes);
        assert!(metrics.queued_bytes < 2_200_000 && metrics.queued_messages <= 100, "{metrics:?}");
    }
    assert_eq!(bench.publishes(healthy).len(), 3_000);
    bench.cut(frozen);
    bench.disconnect(healthy);
    bench.disconnect(publisher);
    bench.assert_empty();
}

#[test]
fn a_frozen_client_that_stays_silent_is_closed_when_its_keep_alive_is_over() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect_with(Version::V5_0, "c", |connect| connect.keep_alive_secs = 10);
    bench.freeze(client);
    bench.advance_secs(15);
    assert_eq!(bench.closed(client), None);
    bench.advance_secs(5);
    assert_eq!(bench.closed(client), Some(ReasonCode::KeepAliveTimeout));
    bench.assert_empty();
}

#[test]
fn a_client_that_makes_us_answer_and_never_reads_is_cut_off() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_out_buffer_bytes = 1_000);
    let client = bench.connect(Version::V5_0, "c");
    bench.freeze(client);
    for _ in 0..20 {
        bench.receive(client, &[0xC0, 0].repeat(100));
        bench.run();
    }
    assert!(bench.broker.metrics().out_buffer_bytes < 4_000);
    bench.advance_secs(5);
    assert_eq!(bench.closed(client), Some(ReasonCode::QuotaExceeded));
    bench.assert_empty();
}

/// Answers that wait for the store come all at once, and no client could have read the first of them before.
#[test]
fn answers_that_have_waited_for_the_store_are_not_taken_for_answers_that_are_not_read() {
    let mut bench = Bench::durable(Commits::ByHand, |config| {
        config.limits.maximum_out_buffer_bytes = 200;
        config.limits.maximum_queued_messages = 1;
    });
    let commit = |bench: &mut Bench| {
        while bench.commit() {
            bench.run();
        }
    };
    let (absent, _) = bench.try_connect(Version::V5_0, "absent", keep_session);
    bench.send_subscribe(absent, &[line("t", QoS::AtLeastOnce)], None);
    let (publisher, _) = bench.try_connect(Version::V5_0, "p", keep_session);
    commit(&mut bench);
    bench.cut(absent);
    bench.rest(publisher);
    // The first fills the queue; each of the others is refused, with a Reason String.
    for _ in 0..10 {
        bench.send_publish(publisher, "t", b"m", QoS::AtLeastOnce, |_| {});
    }
    assert_eq!(bench.rest(publisher), []);
    commit(&mut bench);
    assert_eq!(bench.closed(publisher), None);
    assert_eq!(bench.rest(publisher).len(), 10);
    bench.ping(publisher);
}

#[test]
fn all_buffers_together_have_a_limit_past_which_each_has_a_small_share() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_buffered_bytes = 1_000_000);
    let clients: Vec<_> = (0..20).map(|n| bench.connect(Version::V5_0, &n.to_string())).collect();
    for client in &clients {
        bench.subscribe(*client, "t", QoS::AtMostOnce);
        bench.freeze(*client);
    }
    let publisher = bench.connect(Version::V5_0, "p");
    let payload = "x".repeat(1_000);
    for _ in 0..1_000 {
        bench.publish(publisher, "t", &payload, QoS::AtMostOnce);
    }
    // A million, or for each at most 64 KiB and what it held when the limit was passed.
    let held = bench.broker.metrics().out_buffer_bytes;
    assert!(held < 20 * (64 << 10) + 100_000, "{held}");
    assert!(bench.broker.metrics().dropped[DropReason::OutBufferFull as usize] > 0);
}

#[test]
fn a_packet_above_the_maximum_size_ends_the_connection_before_it_is_there() {
    for version in [Version::V3_1_1, Version::V5_0] {
        let mut bench = Bench::with_limits(|limits| limits.maximum_packet_size_bytes = 1_000);
        let client = bench.connect(version, "c");
        bench.send_publish(client, "t", &[b'x'; 900], QoS::AtMostOnce, |_| {});
        assert_eq!(bench.closed(client), None);
        bench.send_bytes(client, &[0x30, 0xFF, 0x7F]);
        assert_eq!(bench.closed(client), Some(ReasonCode::PacketTooLarge));
        assert_eq!(bench.broker.metrics().protocol_errors, 1);
    }
}

#[test]
fn a_connect_above_its_own_limit_is_refused_before_it_is_there() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_connect_packet_bytes = 100);
    let stranger = bench.open(Version::V5_0);
    bench.send_bytes(stranger, b"\x10\xE5\x01\x00\x04MQTT\x04");
    assert_eq!(bench.closed(stranger), Some(ReasonCode::PacketTooLarge));
    let client = bench.connect(Version::V5_0, "c");
    bench.send_publish(client, "t", &[b'x'; 900], QoS::AtMostOnce, |_| {});
    assert_eq!(bench.closed(client), None);
}

#[test]
fn packets_that_never_come_whole_hold_no_more_than_all_buffers_may() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_buffered_bytes = 250_000);
    let clients: Vec<_> = (0..4).map(|n| bench.connect(Version::V5_0, &format!("c{n}"))).collect();
    // A megabyte is announced by each, a hundred thousand bytes are sent.
    let mut bytes = vec![0x30, 0xC0, 0x84, 0x3D];
    bytes.resize(100_000, b'x');
    for client in &clients {
        bench.send_bytes(*client, &bytes);
    }
    assert_eq!(clients.iter().filter(|client| bench.closed(**client).is_none()).count(), 2);
    assert_eq!(bench.broker.metrics().input_bytes, 200_000);
    for client in &clients {
        bench.cut(*client);
    }
    assert_eq!(bench.broker.metrics().input_bytes, 0);
}

#[test]
fn queued_messages_wait_in_the_queue_and_not_in_the_out_buffer() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V5_0, "p");
    let payload = "x".repeat(10_000);
    for _ in 0..500 {
        bench.publish(publisher, "t", &payload, QoS::AtLeastOnce);
    }
    let client = bench.open(Version::V5_0);
    bench.freeze(client);
    let mut connect = topicwire_codec::Connect::new(Version::V5_0, "s");
    keep_session(&mut connect);
    bench.send(client, &topicwire_codec::Packet::Connect(connect));
    let metrics = bench.broker.metrics();
    assert!(metrics.out_buffer_bytes < 300_000, "{}", metrics.out_buffer_bytes);
    assert!(metrics.queued_messages > 400);
    bench.thaw(client);
    assert_eq!(bench.publishes(client).len(), 500);
    assert_eq!(bench.broker.metrics().queued_messages, 0);
}

#[test]
fn an_offline_session_with_a_full_queue_does_not_hold_a_live_one_up() {
    let mut bench = Bench::new();
    let (offline, _) = bench.connect_durably(Version::V5_0, "offline");
    let live = bench.connect(Version::V5_0, "live");
    for client in [offline, live] {
        bench.subscribe(client, "t", QoS::AtLeastOnce);
    }
    bench.cut(offline);
    bench.acknowledging(live);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for n in 0..12_000 {
        bench.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    assert_eq!(bench.publishes(live).len(), 12_000);
    assert_eq!(bench.broker.metrics().queued_messages, 10_000);
    assert_eq!(bench.broker.metrics().dropped[DropReason::QueueFull as usize], 2_000);
}

#[test]
fn payloads_kept_apart_arrive_whole_through_any_arena() {
    for arena in [1, 7, 4_096, 1 << 20] {
        let mut bench = Bench::new().arena(arena);
        let publisher = bench.connect(Version::V5_0, "p");
        let subscribers: Vec<_> = (0..3).map(|n| bench.connect(Version::V5_0, &n.to_string())).collect();
        for (n, subscriber) in subscribers.iter().enumerate() {
            bench.subscribe(*subscriber, "t", [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n]);
        }
        let sizes = [0, 1, 8_191, 8_192, 8_193, 30_000, 5];
        for size in sizes {
            bench.publish(publisher, "t", &"z".repeat(size), QoS::ExactlyOnce);
        }
        for subscriber in subscribers {
            let got: Vec<_> = bench.publishes(subscriber).iter().map(|it| it.payload.len()).collect();
            assert_eq!(got, sizes);
        }
    }
}

#[test]
fn a_long_out_buffer_does_not_keep_the_short_ones_waiting() {
    let mut bench = Bench::new();
    let (greedy, modest) = (bench.connect(Version::V5_0, "greedy"), bench.connect(Version::V5_0, "modest"));
    bench.subscribe(greedy, "#", QoS::AtMostOnce);
    let mut bytes = Vec::new();
    for _ in 0..100 {
        topicwire_codec::Publish::new("t", &[0; 1_000]).encode(Version::V5_0, &mut bytes).unwrap();
    }
    bench.receive(greedy, &bytes);
    bench.receive(modest, &[0xC0, 0]);
    let mut arena = [0; 1_000];
    let served: Vec<_> = std::iter::from_fn(|| bench.broker.poll_transmit(&mut arena, bench.now_ms))
        .map(|transmit| transmit.length)
        .collect();
    assert!(served.len() > 100);
    assert_eq!(served.iter().position(|length| *length == 2), Some(1));
}

#[test]
fn identifiers_run_out_neither_after_65535_messages_nor_with_one_left_open() {
    let mut bench = Bench::new();
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    let publisher = bench.connect(Version::V3_1_1, "p");
    bench.publish(publisher, "t", "never acknowledged", QoS::AtLeastOnce);
    let open = bench.publish_of(subscriber).id();
    for _ in 0..70_000 {
        bench.send_publish(publisher, "t", b"m", QoS::AtLeastOnce, |_| {});
        let id = bench.publish_of(subscriber).id();
        assert_ne!(id, open);
        bench.send_ack(subscriber, PacketType::Puback, id);
    }
}
