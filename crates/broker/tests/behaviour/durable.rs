//! With a store: what waits for it, what does not, and queues that are longer than memory.

use topicwire_broker::{Config, LocalHandle};
use topicwire_codec::{PacketType, QoS, ReasonCode, Version};

use crate::support::*;

fn by_hand() -> Bench {
    Bench::durable(Commits::ByHand, |_| {})
}

/// Commits what there is and lets everything follow.
fn commit(bench: &mut Bench) {
    while bench.commit() {
        bench.run();
    }
}

/// A durable client that is in, whatever it took.
fn settled(bench: &mut Bench, client_id: &str) -> Client {
    let (client, _) = bench.try_connect(Version::V5_0, client_id, keep_session);
    commit(bench);
    assert!(matches!(bench.next(client), Got::Connack(connack) if !connack.reason_code.is_error()));
    client
}

#[test]
fn connack_of_a_session_just_created_waits_and_comes_first() {
    let mut bench = by_hand();
    let (client, connack) = bench.try_connect(Version::V5_0, "c", keep_session);
    assert_eq!(connack, None);
    // The client does not wait: nothing may overtake CONNACK.
    bench.send_bytes(client, &[0xC0, 0]);
    let id = bench.send_subscribe(client, &[line("t", QoS::AtLeastOnce)], None);
    assert_eq!(bench.rest(client), []);
    commit(&mut bench);
    let seen = bench.rest(client);
    assert!(
        matches!(&seen[..], [Got::Connack(_), Got::Pingresp, Got::Suback(of, _)] if *of == id),
        "{seen:?}"
    );
    assert!(bench.store.as_ref().unwrap().session("c").unwrap().subscriptions.contains_key("t"));
}

#[test]
fn a_client_whose_session_is_not_kept_waits_for_nothing() {
    let mut bench = by_hand();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "t", QoS::ExactlyOnce);
    bench.acknowledging(client);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(bench.publish(client, "t", "m", qos), ReasonCode::Success);
    }
    assert_eq!(bench.publishes(client).len(), 3);
    bench.disconnect(client);
    assert!(bench.broker.poll_store_batch().is_none());
}

#[test]
fn puback_and_pubrec_wait_where_a_durable_session_needs_the_message() {
    let mut bench = by_hand();
    let subscriber = settled(&mut bench, "s");
    bench.send_subscribe(subscriber, &[line("t", QoS::ExactlyOnce)], None);
    commit(&mut bench);
    bench.rest(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    let first = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    // This one nobody needs; it would be acknowledged at once, but acknowledgements keep their order.
    let second = bench.send_publish(publisher, "nobody", b"2", QoS::AtLeastOnce, |_| {});
    let third = bench.send_publish(publisher, "t", b"3", QoS::ExactlyOnce, |_| {});
    assert_eq!(bench.rest(publisher), []);
    // Delivery does not wait, only the promise does; but at QoS 2 the promise is one to the subscriber, too.
    assert_eq!(bench.texts(subscriber), ["1"]);
    commit(&mut bench);
    assert_eq!(bench.texts(subscriber), ["3"]);
    assert_eq!(
        bench.rest(publisher),
        [
            Got::Puback(first, ReasonCode::Success),
            Got::Puback(second, ReasonCode::Success),
            Got::Pubrec(third, ReasonCode::Success),
        ]
    );
    // With nothing before it, it waits for nothing.
    bench.publish(publisher, "nobody", "4", QoS::AtLeastOnce);
    bench.publish(publisher, "t", "QoS 0", QoS::AtMostOnce);
    assert!(bench.broker.poll_store_batch().is_none());
}

#[test]
fn each_batch_frees_what_belongs_to_it() {
    let mut bench = by_hand();
    let subscriber = settled(&mut bench, "s");
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    commit(&mut bench);
    let publisher = bench.connect(Version::V3_1_1, "p");
    let mut batches = Vec::new();
    for n in 0..3 {
        bench.send_publish(publisher, "t", n.to_string().as_bytes(), QoS::AtLeastOnce, |_| {});
        batches.push(bench.broker.poll_store_batch().unwrap());
    }
    for (n, batch) in batches.iter().enumerate() {
        bench.broker.stored(batch.sequence, bench.now_ms);
        bench.run();
        assert_eq!(bench.rest(publisher), [Got::Puback(n as u16 + 1, ReasonCode::Success)]);
    }
}

#[test]
fn a_retained_message_is_stored_before_it_is_acknowledged_and_sys_never_is() {
    let mut config = quiet_config();
    (config.durable, config.sys_interval_ms) = (true, 1_000);
    let mut bench = Bench::durable(Commits::ByHand, |it| *it = config);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for topic_name in ["t", "$mine/t"] {
        let id = bench.send_publish(publisher, topic_name, b"m", QoS::AtLeastOnce, |it| it.retain = true);
        assert_eq!(bench.rest(publisher), []);
        commit(&mut bench);
        assert_eq!(bench.rest(publisher), [Got::Puback(id, ReasonCode::Success)]);
    }
    bench.advance_secs(5);
    commit(&mut bench);
    let store = bench.store.as_ref().unwrap();
    assert_eq!(store.retained_count(), 2);
    assert_eq!(store.retained("$mine/t").unwrap().payload(), b"m");
    bench.send_publish(publisher, "t", b"", QoS::AtLeastOnce, |it| it.retain = true);
    commit(&mut bench);
    assert_eq!(bench.store.as_ref().unwrap().retained_count(), 1);
}

#[test]
fn the_store_follows_a_delivery_from_the_queue_to_its_end() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut bench = Bench::durable(Commits::AtOnce, |_| {});
        let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
        bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
        bench.cut(subscriber);
        let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
        let held = |bench: &Bench| {
            let session = bench.store.as_ref().unwrap().session("s").unwrap();
            (session.deliveries.len(), session.exchanges.len())
        };
        let id = bench.send_publish(publisher, "t", b"m", qos, |_| {});
        if qos == QoS::ExactlyOnce {
            let inbound = |bench: &Bench| bench.store.as_ref().unwrap().session("p").unwrap().inbound.len();
            assert_eq!(inbound(&bench), 1);
            bench.send_ack(publisher, PacketType::Pubrel, id);
            assert_eq!(inbound(&bench), 0);
        }
        assert_eq!(held(&bench), (1, 0));
        let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
        let id = bench.publish_of(subscriber).id();
        assert_eq!(held(&bench), (1, 1));
        if qos == QoS::AtLeastOnce {
            bench.send_ack(subscriber, PacketType::Puback, id);
        } else {
            bench.send_ack(subscriber, PacketType::Pubrec, id);
            assert_eq!(held(&bench), (0, 1));
            assert_eq!(bench.next(subscriber), Got::Pubrel(id, ReasonCode::Success));
            bench.send_ack(subscriber, PacketType::Pubcomp, id);
        }
        assert_eq!(held(&bench), (0, 0));
        bench.disconnect_with(subscriber, ReasonCode::NORMAL_DISCONNECTION, Some(0));
        assert!(bench.store.as_ref().unwrap().session("s").is_none());
    }
}

#[test]
fn what_is_dropped_refused_or_expired_leaves_the_store_as_well() {
    let mut bench = Bench::durable(Commits::AtOnce, |config| config.limits.maximum_queued_messages = 5);
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.maximum_packet_size = Some(100);
    });
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    bench.publish(publisher, "t", &"too large".repeat(50), QoS::AtLeastOnce);
    bench.publish(publisher, "t", "refused", QoS::ExactlyOnce);
    let id = bench.publish_of(subscriber).id();
    bench.send_ack_as(subscriber, PacketType::Pubrec, id, ReasonCode::UnspecifiedError);
    bench.cut(subscriber);
    for _ in 0..5 {
        bench.publish_with(publisher, "t", b"expires", QoS::AtLeastOnce, |publish| {
            publish.properties.message_expiry_interval_secs = Some(1);
        });
    }
    assert_eq!(bench.publish(publisher, "t", "full", QoS::ExactlyOnce), ReasonCode::QuotaExceeded);
    bench.advance_secs(2);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    assert_eq!(bench.publishes(subscriber), []);
    let store = bench.store.as_ref().unwrap();
    let (s, p) = (store.session("s").unwrap(), store.session("p").unwrap());
    assert_eq!((s.deliveries.len(), s.exchanges.len(), p.inbound.len()), (0, 0, 0));
}

#[test]
fn a_will_is_in_the_store_for_as_long_as_it_may_be_published() {
    let mut bench = Bench::durable(Commits::AtOnce, |_| {});
    let connect = |bench: &mut Bench, will: bool| {
        bench
            .connect_with(Version::V5_0, "c", |connect| {
                keep_session(connect);
                connect.will = will.then(|| topicwire_codec::Will {
                    topic_name: "will",
                    payload: b"gone",
                    delay_interval_secs: 10,
                    ..topicwire_codec::Will::default()
                });
            })
            .0
    };
    let stored = |bench: &Bench| bench.store.as_ref().unwrap().session("c").unwrap().will.is_some();
    let client = connect(&mut bench, true);
    assert!(stored(&bench));
    bench.cut(client);
    bench.advance_secs(5);
    // Cancelled: it must not come back from the store.
    let client = connect(&mut bench, false);
    assert!(!stored(&bench));
    bench.cut(client);
    let client = connect(&mut bench, true);
    bench.cut(client);
    bench.advance_secs(10);
    assert!(!stored(&bench));
    let client = connect(&mut bench, true);
    bench.disconnect(client);
    assert!(!stored(&bench));
}

#[test]
fn a_connection_that_goes_before_its_answers_takes_them_along() {
    let mut bench = by_hand();
    for _ in 0..3 {
        let (client, _) = bench.try_connect(Version::V5_0, "c", keep_session);
        bench.send_bytes(client, &[0xC0, 0]);
        bench.cut(client);
    }
    let (other, _) = bench.try_connect(Version::V5_0, "other", |_| {});
    commit(&mut bench);
    assert_eq!(bench.rest(other), []);
    bench.ping(other);
}

#[test]
fn what_was_withheld_does_not_follow_the_end_of_its_connection() {
    let mut bench = by_hand();
    let client = bench.open(Version::V5_0);
    bench.freeze(client);
    let mut connect = topicwire_codec::Connect::new(Version::V5_0, "c");
    keep_session(&mut connect);
    bench.send(client, &topicwire_codec::Packet::Connect(connect));
    bench.send_bytes(client, &[0, 0]);
    commit(&mut bench);
    bench.thaw(client);
    assert_eq!(bench.closed(client), Some(ReasonCode::MalformedPacket));
    assert_eq!(bench.rest(client), []);
}

#[test]
fn qos_0_passes_a_client_by_that_is_not_in_yet() {
    let mut bench = by_hand();
    let client = settled(&mut bench, "c");
    bench.send_subscribe(client, &[line("t", QoS::AtLeastOnce)], None);
    commit(&mut bench);
    bench.cut(client);
    commit(&mut bench);
    let (client, _) = bench.try_connect(Version::V5_0, "c", keep_session);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t", "missed", QoS::AtMostOnce);
    bench.send_publish(publisher, "t", b"kept", QoS::AtLeastOnce, |_| {});
    commit(&mut bench);
    assert_eq!(bench.texts(client), ["kept"]);
    assert_eq!(bench.broker.metrics().dropped_count(), 0);
}

#[test]
fn a_queue_longer_than_its_window_arrives_in_order_and_once() {
    let mut bench = Bench::durable(Commits::AtOnce, |config| {
        config.queue_window_messages = 16;
        config.limits.maximum_queued_messages = 20_000;
    });
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::ExactlyOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    let publish = |bench: &mut Bench, n: usize| {
        bench.publish(publisher, "t", &n.to_string(), [QoS::AtLeastOnce, QoS::ExactlyOnce][n % 2]);
    };
    for n in 0..10_000 {
        publish(&mut bench, n);
    }
    assert_eq!(bench.broker.metrics().queued_messages, 16);
    assert_eq!(bench.fetches, 0);
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.receive_maximum = Some(5);
    });
    let first = bench.publishes(subscriber);
    assert_eq!(first.len(), 5);
    // New ones come while the old ones leave.
    let mut seen: Vec<_> = first.iter().map(|it| it.text().to_owned()).collect();
    for publish in &first {
        let kind = if publish.qos == QoS::AtLeastOnce { PacketType::Puback } else { PacketType::Pubrec };
        bench.send_ack(subscriber, kind, publish.id());
    }
    for got in bench.rest(subscriber) {
        match got {
            Got::Publish(publish) => seen.push(publish.text().to_owned()),
            Got::Pubrel(id, _) => bench.send_ack(subscriber, PacketType::Pubcomp, id),
            other => panic!("{other:?}"),
        }
    }
    for n in 10_000..10_100 {
        publish(&mut bench, n);
    }
    bench.cut(subscriber);
    let (subscriber, _) = bench.connect_with(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.receive_maximum = Some(5);
    });
    bench.acknowledging(subscriber);
    // The automatic client begins with what comes next; what is open already it answers by hand.
    for publish in bench.publishes(subscriber) {
        if !seen.contains(&publish.text().to_owned()) {
            seen.push(publish.text().to_owned());
        }
        let kind = if publish.qos == QoS::AtLeastOnce { PacketType::Puback } else { PacketType::Pubrec };
        bench.send_ack(subscriber, kind, publish.id());
    }
    for publish in bench.publishes(subscriber) {
        assert!(!publish.dup);
        seen.push(publish.text().to_owned());
    }
    let expected: Vec<_> = (0..10_000).chain(10_000..10_100).map(|n| n.to_string()).collect();
    assert_eq!(seen.len(), expected.len());
    assert_eq!(seen, expected);
    assert!(bench.fetches > 600, "{}", bench.fetches);
    assert_eq!(bench.store.as_ref().unwrap().session("s").unwrap().deliveries.len(), 0);
    assert_eq!(bench.broker.metrics().queued_messages, 0);
}

#[test]
fn the_limits_of_a_queue_count_what_is_in_the_store() {
    let limited = |set: fn(&mut topicwire_broker::Limits)| {
        let mut bench = Bench::durable(Commits::AtOnce, |config| {
            config.queue_window_messages = 4;
            set(&mut config.limits);
        });
        let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
        bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
        bench.cut(subscriber);
        let publisher = bench.connect(Version::V5_0, "p");
        let codes: Vec<_> = (0..100)
            .map(|n| bench.publish(publisher, "t", &format!("{n:0>1000}"), QoS::AtLeastOnce))
            .collect();
        (bench, codes.iter().filter(|code| !code.is_error()).count())
    };
    let (_, taken) = limited(|limits| limits.maximum_queued_messages = 20);
    assert_eq!(taken, 20);
    let (_, taken) = limited(|limits| limits.maximum_queued_bytes = 20_000);
    assert!((15..=20).contains(&taken), "{taken}");
    let (mut bench, taken) = limited(|limits| {
        limits.maximum_queued_messages = 20;
        limits.queue_full_policy = topicwire_broker::QueueFullPolicy::DropOldest;
    });
    assert_eq!(taken, 100);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.acknowledging(subscriber);
    for publish in bench.publishes(subscriber) {
        bench.send_ack(subscriber, PacketType::Puback, publish.id());
    }
    assert_eq!(bench.broker.metrics().dropped, [0, 80, 0, 0, 0]);
    assert_eq!(bench.store.as_ref().unwrap().session("s").unwrap().deliveries.len(), 0);
}

#[test]
fn a_question_waits_until_what_it_depends_on_has_been_taken() {
    let mut bench = Bench::durable(Commits::ByHand, |config| config.queue_window_messages = 1);
    let subscriber = settled(&mut bench, "s");
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    commit(&mut bench);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for text in ["1", "2", "3"] {
        bench.send_publish(publisher, "t", text.as_bytes(), QoS::AtLeastOnce, |_| {});
    }
    let subscriber = settled(&mut bench, "s");
    assert_eq!(bench.texts(subscriber), ["1", "2", "3"]);
    // Now with the batch still in the broker when the question is asked.
    bench.send_ack(subscriber, PacketType::Puback, 1);
    bench.cut(subscriber);
    for text in ["4", "5", "6"] {
        bench.send_publish(publisher, "t", text.as_bytes(), QoS::AtLeastOnce, |_| {});
    }
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    let batch = bench.broker.poll_store_batch().unwrap();
    topicwire_broker::store::Store::commit(bench.store.as_mut().unwrap(), &batch).unwrap();
    bench.broker.stored(batch.sequence, bench.now_ms);
    bench.run();
    assert!(bench.broker.poll_fetch().is_none());
    commit(&mut bench);
    assert_eq!(bench.texts(subscriber), ["2", "3", "4", "5", "6"]);
}

#[test]
fn a_new_message_does_not_overtake_what_is_still_in_the_store() {
    let mut bench = Bench::durable(Commits::ByHand, |config| config.queue_window_messages = 1);
    let subscriber = settled(&mut bench, "s");
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    commit(&mut bench);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for text in ["1", "2", "3"] {
        bench.send_publish(publisher, "t", text.as_bytes(), QoS::AtLeastOnce, |_| {});
    }
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    let batch = bench.broker.poll_store_batch().unwrap();
    topicwire_broker::store::Store::commit(bench.store.as_mut().unwrap(), &batch).unwrap();
    bench.broker.stored(batch.sequence, bench.now_ms);
    bench.run();
    // The queue in memory is empty, the window is open, and the rest has not been fetched yet.
    assert_eq!(bench.texts(subscriber), ["1"]);
    bench.send_publish(publisher, "t", b"4", QoS::AtLeastOnce, |_| {});
    assert_eq!(bench.texts(subscriber), Vec::<String>::new());
    commit(&mut bench);
    assert_eq!(bench.texts(subscriber), ["2", "3", "4"]);
}

#[test]
fn a_clean_start_does_not_get_the_answer_to_the_old_sessions_question() {
    let mut bench = Bench::durable(Commits::ByHand, |config| config.queue_window_messages = 2);
    let subscriber = settled(&mut bench, "s");
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    commit(&mut bench);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for n in 0..10 {
        bench.send_publish(publisher, "t", n.to_string().as_bytes(), QoS::AtLeastOnce, |_| {});
    }
    commit(&mut bench);
    bench.try_connect(Version::V5_0, "s", keep_session);
    // Everything is committed and the question is out, but its answer takes its time.
    let mut store = bench.store.take().unwrap();
    while let Some(batch) = bench.broker.poll_store_batch() {
        topicwire_broker::store::Store::commit(&mut store, &batch).unwrap();
        bench.broker.stored(batch.sequence, bench.now_ms);
        bench.run();
    }
    let fetch = bench.broker.poll_fetch().expect("a question");
    let answer = topicwire_broker::store::Store::fetch(&mut store, &fetch).unwrap();
    assert!(!answer.is_empty());
    bench.store = Some(store);
    let (fresh, _) = bench.try_connect(Version::V5_0, "s", |connect| {
        connect.properties.session_expiry_interval_secs = Some(100);
    });
    commit(&mut bench);
    bench.broker.handle_fetched(&fetch, answer, bench.now_ms);
    commit(&mut bench);
    assert_eq!(bench.publishes(fresh), []);
    assert_eq!(bench.broker.metrics().queued_messages, 0);
}

#[test]
fn a_session_that_ends_with_its_next_connection_still_gets_what_is_in_the_store() {
    let mut bench = Bench::durable(Commits::AtOnce, |config| config.queue_window_messages = 2);
    let (subscriber, _) = bench.connect_durably(Version::V5_0, "s");
    bench.subscribe(subscriber, "t", QoS::AtLeastOnce);
    bench.cut(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for n in 0..20 {
        bench.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    let (subscriber, connack) = bench.connect_with(Version::V5_0, "s", |connect| connect.clean_start = false);
    assert!(connack.session_present);
    assert_eq!(bench.texts(subscriber), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    bench.cut(subscriber);
    assert!(bench.store.as_ref().unwrap().session("s").is_none());
}

#[test]
fn after_a_restart_retained_messages_are_fetched_when_somebody_wants_them() {
    let config = || Config { durable: true, ..quiet_config() };
    let mut bench = Bench::durable(Commits::AtOnce, |_| {});
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    for n in 0..600 {
        bench.publish_with(publisher, &format!("t/{n}"), b"as it was", QoS::ExactlyOnce, |publish| {
            publish.retain = true;
            publish.properties.content_type = Some("text/plain");
        });
    }
    let bytes = bench.broker.metrics().retained_bytes;
    bench.restart(config(), 0);
    assert_eq!(bench.fetches, 0);
    assert_eq!((bench.broker.retained_count(), bench.broker.metrics().retained_bytes), (600, bytes));

    let client = bench.connect(Version::V5_0, "c");
    bench.acknowledging(client);
    bench.subscribe(client, "t/7", QoS::ExactlyOnce);
    let publish = bench.publish_of(client);
    assert_eq!((publish.text(), publish.retain, publish.qos), ("as it was", true, QoS::ExactlyOnce));
    assert_eq!(publish.content_type.as_deref(), Some("text/plain"));
    assert_eq!(bench.fetches, 1);
    // It is here now.
    bench.subscribe(client, "+/7", QoS::AtMostOnce);
    assert_eq!(bench.texts(client), ["as it was"]);
    assert_eq!(bench.fetches, 1);
    bench.subscribe(client, "t/+", QoS::AtLeastOnce);
    assert_eq!(bench.texts(client).len(), 600);
    assert!((2..=5).contains(&bench.fetches), "{}", bench.fetches);

    bench.restart(config(), 0);
    bench.broker.subscribe(LocalHandle(1), "t/+", true, bench.now_ms).unwrap();
    bench.run();
    let local = bench.local_messages();
    assert_eq!(local.len(), 600);
    assert!(local.iter().all(|(_, _, text, retain)| text == "as it was" && *retain));
}

#[test]
fn a_retained_message_that_changes_while_it_is_fetched_is_not_sent_as_it_was() {
    let mut bench = Bench::durable(Commits::AtOnce, |_| {});
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    for topic_name in ["a", "b", "c"] {
        bench.retain(publisher, topic_name, "old");
    }
    bench.restart(Config { durable: true, ..quiet_config() }, 0);
    bench.commits = Commits::ByHand;
    let client = bench.connect(Version::V3_1_1, "c");
    bench.send_subscribe(client, &[line("+", QoS::AtMostOnce)], None);
    let publisher = bench.connect(Version::V3_1_1, "p2");
    for (topic_name, payload) in [("a", "new"), ("b", "")] {
        bench.send_publish(publisher, topic_name, payload.as_bytes(), QoS::AtMostOnce, |it| it.retain = true);
    }
    assert_eq!(bench.texts(client), ["new", ""]);
    commit(&mut bench);
    assert_eq!(bench.texts(client), ["old"]);
}
