//! QoS 1 and 2 in both directions, windows, and what is sent again on a resume.

use topicwire_codec::{PacketType, QoS, ReasonCode, Version};

use crate::support::*;

#[test]
fn each_qos_arrives_once_with_the_lower_of_both_qos() {
    let all = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    for published in all {
        for granted in all {
            let mut bench = Bench::new();
            let subscriber = bench.connect(Version::V5_0, "s");
            bench.subscribe(subscriber, "t", granted);
            bench.acknowledging(subscriber);
            let publisher = bench.connect(Version::V3_1_1, "p");
            bench.publish(publisher, "t", "m", published);
            let publish = bench.publish_of(subscriber);
            assert_eq!((publish.qos, publish.dup, publish.text()), (published.min(granted), false, "m"));
            assert_eq!(publish.packet_id.is_some(), publish.qos != QoS::AtMostOnce);
        }
    }
}

#[test]
fn puback_and_pubrec_say_whether_anybody_subscribed() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    assert_eq!(bench.publish(client, "t", "m", QoS::AtLeastOnce), ReasonCode::NoMatchingSubscribers);
    assert_eq!(bench.publish(client, "t", "m", QoS::ExactlyOnce), ReasonCode::NoMatchingSubscribers);
    bench.subscribe(client, "t", QoS::AtMostOnce);
    assert_eq!(bench.publish(client, "t", "m", QoS::AtLeastOnce), ReasonCode::Success);
    assert_eq!(bench.publish(client, "t", "m", QoS::ExactlyOnce), ReasonCode::Success);
    let old = bench.connect(Version::V3_1_1, "old");
    assert_eq!(bench.publish(old, "nobody", "m", QoS::AtLeastOnce), ReasonCode::Success);
}

#[test]
fn a_repeated_qos_2_publish_is_acknowledged_and_not_passed_on_again() {
    let mut bench = Bench::new();
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtMostOnce);
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    let id = bench.send_publish(publisher, "t", b"m", QoS::ExactlyOnce, |_| {});
    bench.expect_pubrec(publisher, id);
    // The PUBREC got lost with the connection.
    bench.cut(publisher);
    let (publisher, session_present) = bench.connect_durably(Version::V5_0, "p");
    assert!(session_present);
    for _ in 0..2 {
        bench.send_publish(publisher, "t", b"m", QoS::ExactlyOnce, |publish| {
            publish.dup = true;
            publish.packet_id = Some(packet_id(id));
        });
        assert_eq!(bench.expect_pubrec(publisher, id), ReasonCode::Success);
    }
    for expected in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
        bench.send_ack(publisher, PacketType::Pubrel, id);
        assert_eq!(bench.next(publisher), Got::Pubcomp(id, expected));
    }
    assert_eq!(bench.texts(subscriber), ["m"]);
}

#[test]
fn a_pubrel_that_is_repeated_because_its_pubcomp_was_lost_is_no_error() {
    let mut bench = Bench::new();
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    for _ in 0..3 {
        bench.publish(publisher, "t", "m", QoS::ExactlyOnce);
    }
    let open = bench.send_publish(publisher, "t", b"m", QoS::ExactlyOnce, |_| {});
    bench.cut(publisher);
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    for id in 1..=open {
        bench.send_ack(publisher, PacketType::Pubrel, id);
        assert_eq!(bench.next(publisher), Got::Pubcomp(id, ReasonCode::Success));
    }
    // Once the client is where the broker is, and in a new Session, it is a mismatch.
    let stranger = bench.connect(Version::V5_0, "stranger");
    for client in [publisher, stranger] {
        bench.send_ack(client, PacketType::Pubrel, 1);
        assert_eq!(bench.next(client), Got::Pubcomp(1, ReasonCode::PacketIdentifierNotFound));
    }
}

#[test]
fn a_client_that_gets_its_own_message_hears_first_that_it_was_taken() {
    for version in [Version::V3_1_1, Version::V5_0] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut bench = Bench::new();
            let client = bench.connect(version, "c");
            bench.subscribe(client, "a", QoS::ExactlyOnce);
            let mut answers = Vec::new();
            for _ in 0..3 {
                bench.send_publish(client, "a", b"echo", qos, |_| {});
                answers.extend(bench.rest(client));
            }
            for (turn, pair) in answers.chunks(2).enumerate() {
                let id = turn as u16 + 2;
                let taken = if qos == QoS::AtLeastOnce {
                    Got::Puback(id, ReasonCode::Success)
                } else {
                    Got::Pubrec(id, ReasonCode::Success)
                };
                assert_eq!(pair[0], taken);
                assert!(matches!(&pair[1], Got::Publish(publish) if publish.text() == "echo"));
            }
            assert_eq!(answers.len(), 6);
        }
    }
}

#[test]
fn an_identifier_is_free_again_after_pubrel() {
    let mut bench = Bench::new();
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtMostOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..3 {
        let payload = format!("{n}");
        bench.send_publish(publisher, "t", payload.as_bytes(), QoS::ExactlyOnce, |publish| {
            publish.packet_id = Some(packet_id(9));
        });
        bench.expect_pubrec(publisher, 9);
        bench.send_ack(publisher, PacketType::Pubrel, 9);
        assert_eq!(bench.next(publisher), Got::Pubcomp(9, ReasonCode::Success));
    }
    assert_eq!(bench.texts(subscriber), ["0", "1", "2"]);
}

#[test]
fn qos_2_towards_a_client_goes_through_its_four_steps() {
    let mut bench = Bench::new();
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t", "m", QoS::ExactlyOnce);
    let id = bench.publish_of(subscriber).id();
    bench.send_ack(subscriber, PacketType::Pubrec, id);
    assert_eq!(bench.next(subscriber), Got::Pubrel(id, ReasonCode::Success));
    // A repeated PUBREC is answered again.
    bench.send_ack(subscriber, PacketType::Pubrec, id);
    assert_eq!(bench.next(subscriber), Got::Pubrel(id, ReasonCode::Success));
    bench.send_ack(subscriber, PacketType::Pubcomp, id);
    bench.send_ack(subscriber, PacketType::Pubrec, id);
    assert_eq!(bench.next(subscriber), Got::Pubrel(id, ReasonCode::PacketIdentifierNotFound));
    assert_eq!(bench.rest(subscriber), []);
}

#[test]
fn acknowledgements_of_nothing_are_let_pass() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.send_ack(client, PacketType::Puback, 5);
    bench.send_ack(client, PacketType::Pubcomp, 5);
    bench.send_ack_as(client, PacketType::Pubrec, 5, ReasonCode::UnspecifiedError);
    assert_eq!(bench.rest(client), []);
    bench.ping(client);
}

#[test]
fn a_pubrec_with_an_error_ends_the_delivery_for_good() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.receive_maximum = Some(1);
    });
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    for text in ["refused", "next"] {
        bench.publish(publisher, "t", text, QoS::ExactlyOnce);
    }
    let refused = bench.publish_of(subscriber);
    bench.send_ack_as(subscriber, PacketType::Pubrec, refused.id(), ReasonCode::QuotaExceeded);
    assert_eq!(bench.texts(subscriber), ["next"]);
    bench.cut(subscriber);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.texts(subscriber), ["next"]);
}

#[test]
fn a_resume_repeats_open_exchanges_with_dup_in_their_order_and_then_the_queue() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "#", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    for (text, qos) in
        [("a", QoS::AtLeastOnce), ("b", QoS::ExactlyOnce), ("c", QoS::ExactlyOnce), ("d", QoS::AtLeastOnce)]
    {
        bench.publish(publisher, "t", text, qos);
    }
    let first: Vec<_> = bench.publishes(subscriber);
    bench.send_ack(subscriber, PacketType::Pubrec, first[1].id());
    assert_eq!(bench.next(subscriber), Got::Pubrel(first[1].id(), ReasonCode::Success));
    bench.cut(subscriber);
    bench.publish(publisher, "t", "lost", QoS::AtMostOnce);
    bench.publish(publisher, "t", "e", QoS::AtLeastOnce);

    let (subscriber, session_present) = bench.connect_durably(Version::V5_0, "s");
    assert!(session_present);
    let again = bench.rest(subscriber);
    let seen: Vec<_> = again
        .iter()
        .map(|got| match got {
            Got::Publish(publish) => (publish.text().to_owned(), publish.dup, publish.id()),
            Got::Pubrel(id, _) => ("pubrel".to_owned(), false, *id),
            other => panic!("{other:?}"),
        })
        .collect();
    let id = |n: usize| first[n].id();
    assert_eq!(
        seen[..4],
        [
            ("a".to_owned(), true, id(0)),
            ("pubrel".to_owned(), false, id(1)),
            ("c".to_owned(), true, id(2)),
            ("d".to_owned(), true, id(3)),
        ]
    );
    assert_eq!((seen[4].0.as_str(), seen[4].1), ("e", false));
    assert_eq!(seen.len(), 5);
    // What is acknowledged is not sent a third time.
    bench.send_ack(subscriber, PacketType::Puback, id(0));
    bench.send_ack(subscriber, PacketType::Pubcomp, id(1));
    bench.cut(subscriber);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.texts(subscriber), ["c", "d", "e"]);
}

#[test]
fn nothing_is_sent_again_while_the_connection_lives() {
    let mut bench = Bench::new();
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.publish(subscriber, "t", "once", QoS::AtLeastOnce);
    bench.advance_secs(100_000);
    assert_eq!(bench.texts(subscriber), ["once"]);
}

#[test]
fn a_client_with_a_receive_maximum_of_one_has_one_message_under_way() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut bench = Bench::new();
        let (subscriber, _) =
            bench.connect_with(Version::V5_0, "s", |connect| connect.properties.receive_maximum = Some(1));
        bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
        let publisher = bench.connect(Version::V5_0, "p");
        for n in 0..5 {
            bench.publish(publisher, "t", &n.to_string(), qos);
        }
        bench.publish(publisher, "t", "qos 0 does not count", QoS::AtMostOnce);
        let mut seen = Vec::new();
        for n in 0..5 {
            let publish = bench.publishes(subscriber);
            if n == 0 {
                assert_eq!(publish[1].text(), "qos 0 does not count");
            }
            assert_eq!(publish.len(), if n == 0 { 2 } else { 1 });
            seen.push(publish[0].text().to_owned());
            let id = publish[0].id();
            if qos == QoS::AtLeastOnce {
                bench.send_ack(subscriber, PacketType::Puback, id);
            } else {
                bench.send_ack(subscriber, PacketType::Pubrec, id);
                assert_eq!(bench.publishes(subscriber), []);
                bench.send_ack(subscriber, PacketType::Pubcomp, id);
            }
        }
        assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    }
}

#[test]
fn a_resume_keeps_to_the_new_receive_maximum() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..4 {
        bench.publish(publisher, "t", &n.to_string(), QoS::ExactlyOnce);
    }
    let first = bench.publishes(subscriber);
    bench.send_ack(subscriber, PacketType::Pubrec, first[0].id());
    bench.cut(subscriber);
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.receive_maximum = Some(1);
    });
    assert_eq!(bench.next(subscriber), Got::Pubrel(first[0].id(), ReasonCode::Success));
    assert_eq!(bench.texts(subscriber), ["1"]);
    // The PUBREL took nothing from the window, so its PUBCOMP gives nothing back.
    bench.send_ack(subscriber, PacketType::Pubcomp, first[0].id());
    assert_eq!(bench.publishes(subscriber), []);
    bench.send_ack(subscriber, PacketType::Pubrec, first[1].id());
    bench.send_ack(subscriber, PacketType::Pubcomp, first[1].id());
    assert_eq!(bench.texts(subscriber), ["2"]);
}

#[test]
fn a_3_x_client_is_held_to_the_configured_number_of_messages() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_inflight_messages = 3);
    let subscriber = bench.connect(Version::V3_1_1, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..10 {
        bench.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    let publishes = bench.publishes(subscriber);
    assert_eq!(publishes.len(), 3);
    bench.send_ack(subscriber, PacketType::Puback, publishes[1].id());
    assert_eq!(bench.texts(subscriber), ["3"]);
}

#[test]
fn a_client_that_overruns_our_receive_maximum_is_disconnected() {
    let mut bench = Bench::with_limits(|limits| limits.receive_maximum = 2);
    let client = bench.connect(Version::V5_0, "c");
    for _ in 0..2 {
        bench.send_publish(client, "t", b"m", QoS::ExactlyOnce, |_| {});
    }
    // QoS 1 is acknowledged at once and never counts for long, but now the window is full.
    bench.send_publish(client, "t", b"m", QoS::AtLeastOnce, |_| {});
    assert_eq!(bench.closed(client), Some(ReasonCode::ReceiveMaximumExceeded));
    assert_eq!(bench.rest(client).last(), Some(&Got::Disconnect(ReasonCode::ReceiveMaximumExceeded)));
}

#[test]
fn a_receive_maximum_of_one_takes_any_number_one_after_the_other() {
    let mut bench = Bench::with_limits(|limits| limits.receive_maximum = 1);
    let client = bench.connect(Version::V5_0, "c");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        bench.publish(client, "t", "m", qos);
    }
    assert_eq!(bench.closed(client), None);
}

#[test]
fn a_flood_of_qos_2_in_one_chunk_stops_at_the_window() {
    let mut bench = Bench::with_limits(|limits| limits.receive_maximum = 10);
    let subscriber = bench.connect(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtMostOnce);
    let client = bench.connect(Version::V5_0, "c");
    let mut bytes = Vec::new();
    for id in 1..=1_000u16 {
        bytes.extend_from_slice(&[0x34, 6, 0, 1, b't', (id >> 8) as u8, id as u8, 0]);
    }
    bench.send_bytes(client, &bytes);
    assert_eq!(bench.closed(client), Some(ReasonCode::ReceiveMaximumExceeded));
    assert_eq!(bench.publishes(subscriber).len(), 10);
}

#[test]
fn a_message_larger_than_the_client_takes_is_left_out_as_if_it_had_been_sent() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.maximum_packet_size = Some(100);
        connect.properties.receive_maximum = Some(1);
    });
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    let large = "x".repeat(200);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        assert!(!bench.publish(publisher, "t", &large, qos).is_error());
    }
    bench.publish(publisher, "t", "small", QoS::AtLeastOnce);
    assert_eq!(bench.publish_of(subscriber).text(), "small");
    // At the head of a queue it holds nothing up either.
    bench.cut(subscriber);
    bench.publish(publisher, "t", &large, QoS::AtLeastOnce);
    bench.publish(publisher, "t", "behind it", QoS::AtLeastOnce);
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.maximum_packet_size = Some(100);
    });
    assert_eq!(bench.texts(subscriber), ["small", "behind it"]);
    assert_eq!(bench.broker.metrics().dropped, [0, 0, 0, 3, 0]);
}

#[test]
fn an_exchange_past_pubrec_ends_although_the_message_has_expired() {
    let mut bench = Bench::new();
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish_with(publisher, "t", b"m", QoS::ExactlyOnce, |publish| {
        publish.properties.message_expiry_interval_secs = Some(2);
    });
    let id = bench.publish_of(subscriber).id();
    bench.send_ack(subscriber, PacketType::Pubrec, id);
    bench.cut(subscriber);
    bench.advance_secs(10);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.rest(subscriber), [Got::Pubrel(id, ReasonCode::Success)]);
    bench.send_ack(subscriber, PacketType::Pubcomp, id);
    bench.cut(subscriber);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.rest(subscriber), []);
}

#[test]
fn ten_thousand_messages_keep_their_order_through_a_window_and_any_arena() {
    for (arena, chunk) in [(1, 7), (7, 1), (64 << 10, usize::MAX)] {
        let mut bench = Bench::new().arena(arena).chunks(chunk);
        let (subscriber, _) =
            bench.connect_with(Version::V5_0, "s", |connect| connect.properties.receive_maximum = Some(20));
        bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
        bench.acknowledging(subscriber);
        let publisher = bench.connect(Version::V3_1_1, "p");
        let count = if chunk == usize::MAX { 10_000 } else { 500 };
        for n in 0..count {
            bench.publish(publisher, "t", &n.to_string(), [QoS::AtLeastOnce, QoS::ExactlyOnce][n % 2]);
        }
        let expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        assert_eq!(bench.texts(subscriber), expected);
    }
}
