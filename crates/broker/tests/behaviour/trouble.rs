//! While the store cannot do its work nobody is told of a success that is none, and what needs no store goes on.

use topicwire_broker::store::{Store, StoreBatch, StoreError};
use topicwire_broker::{Config, LocalError, LocalPublish};
use topicwire_codec::{PacketType, PublishProperties, QoS, ReasonCode, Version};

use crate::support::*;

const FULL: fn() -> StoreError = || StoreError::Full("no space left on device".to_owned());
const BROKEN: fn() -> StoreError = || StoreError::Failed("input/output error".to_owned());

/// A durable subscriber `s` to `t`, and a store that is up to date.
fn bench() -> (Bench, Client) {
    let mut bench = Bench::durable(Commits::ByHand, |_| {});
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    bench.send_subscribe(subscriber, &[line("t", QoS::ExactlyOnce)], None);
    settle(&mut bench);
    bench.rest(subscriber);
    (bench, subscriber)
}

fn settle(bench: &mut Bench) {
    while bench.commit() {
        bench.run();
    }
}

/// The store fails for the batch so far, which is to be tried again.
fn fail(bench: &mut Bench, error: &StoreError) -> Option<StoreBatch> {
    let batch = bench.broker.poll_store_batch();
    bench.broker.store_failed(error, bench.now_ms);
    bench.run();
    batch
}

/// The store does its work again.
fn mend(bench: &mut Bench, batch: Option<StoreBatch>) {
    let store = bench.store.as_mut().unwrap();
    if let Some(batch) = batch {
        store.commit(&batch).unwrap();
    }
    let sequence = store.last_sequence();
    bench.broker.stored(sequence, bench.now_ms);
    bench.run();
    settle(bench);
    assert!(!bench.broker.is_store_in_trouble());
}

#[test]
fn who_waits_for_the_store_is_told_that_it_failed() {
    for (error, code) in
        [(FULL(), ReasonCode::QuotaExceeded), (BROKEN(), ReasonCode::ImplementationSpecificError)]
    {
        let (mut bench, subscriber) = bench();
        let publisher = bench.connect(Version::V5_0, "p");
        let first = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
        let second = bench.send_publish(publisher, "t", b"2", QoS::ExactlyOnce, |_| {});
        let old = bench.connect(Version::V3_1_1, "old");
        bench.send_publish(old, "t", b"3", QoS::AtLeastOnce, |_| {});
        let batch = fail(&mut bench, &error);
        assert!(bench.broker.is_store_in_trouble());
        assert_eq!(bench.rest(publisher), [Got::Puback(first, code), Got::Pubrec(second, code)]);
        // Before 5.0 there is no such answer.
        assert_eq!(bench.rest(old), []);
        assert!(bench.closed(old).is_some());

        mend(&mut bench, batch);
        bench.acknowledging(subscriber);
        let fourth = bench.send_publish(publisher, "t", b"4", QoS::AtLeastOnce, |_| {});
        settle(&mut bench);
        assert_eq!(bench.expect_puback(publisher, fourth), ReasonCode::Success);
        // What was refused late is not taken back.
        let mut texts = bench.texts(subscriber);
        texts.sort();
        assert_eq!(texts, ["1", "2", "3", "4"]);
    }
}

#[test]
fn what_would_have_to_be_stored_is_refused_before_it_has_any_effect() {
    let (mut bench, subscriber) = bench();
    let (publisher, _) = bench.try_connect(Version::V5_0, "p", keep_session);
    let live = bench.connect(Version::V5_0, "live");
    bench.subscribe(live, "#", QoS::ExactlyOnce);
    settle(&mut bench);
    bench.rest(publisher);
    let old = bench.connect(Version::V3_1_1, "old");
    let batch = fail(&mut bench, &FULL());
    let full = ReasonCode::QuotaExceeded;

    assert_eq!(bench.publish(publisher, "t", "for a durable session", QoS::AtLeastOnce), full);
    assert_eq!(bench.retain(publisher, "r", "retained"), full);
    // A QoS 2 identifier of a durable Session is stored; a refused one is free again.
    for _ in 0..2 {
        let id = bench.send_publish(publisher, "u", b"exactly once", QoS::ExactlyOnce, |_| {});
        assert_eq!(bench.expect_pubrec(publisher, id), full);
    }
    bench.send_publish(old, "t", b"x", QoS::AtLeastOnce, |_| {});
    assert_eq!(bench.rest(old), []);
    assert!(bench.closed(old).is_some());
    let local = LocalPublish {
        topic_name: "t",
        payload: b"x",
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: PublishProperties::default(),
    };
    let refused = bench.broker.publish(&local, bench.now_ms);
    assert!(matches!(refused, Err(LocalError::StoreInTrouble(_))), "{refused:?}");
    bench.run();

    assert_eq!(bench.publishes(live), []);
    assert_eq!(bench.publishes(subscriber), []);
    assert_eq!(bench.broker.retained_count(), 0);
    // A flood of what is refused leaves nothing behind.
    let unstored = bench.broker.metrics().unstored_bytes;
    for _ in 0..1000 {
        bench.send_publish(publisher, "u", b"exactly once", QoS::ExactlyOnce, |_| {});
        bench.send_publish(publisher, "t", b"at least once", QoS::AtLeastOnce, |_| {});
    }
    assert_eq!(bench.broker.metrics().unstored_bytes, unstored);
    bench.rest(publisher);
    mend(&mut bench, batch);
    assert_eq!(bench.publish(publisher, "u", "again", QoS::AtLeastOnce), ReasonCode::Success);
    assert_eq!(bench.texts(live), ["again"]);
}

#[test]
fn what_needs_no_store_goes_on() {
    let (mut bench, subscriber) = bench();
    let live = bench.connect(Version::V5_0, "live");
    bench.subscribe(live, "live/#", QoS::ExactlyOnce);
    bench.acknowledging(live);
    let publisher = bench.connect(Version::V3_1_1, "p");
    fail(&mut bench, &FULL());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(bench.publish(publisher, "live/t", "m", qos), ReasonCode::Success);
    }
    assert_eq!(bench.publishes(live).len(), 3);
    bench.publish(publisher, "t", "QoS 0", QoS::AtMostOnce);
    assert_eq!(bench.texts(subscriber), ["QoS 0"]);
    let newcomer = bench.connect(Version::V5_0, "new");
    bench.subscribe(newcomer, "t", QoS::AtLeastOnce);
    bench.ping(newcomer);
}

#[test]
fn sessions_and_subscriptions_that_cannot_be_stored_are_refused() {
    let (mut bench, subscriber) = bench();
    let (old, _) = bench.try_connect(Version::V3_1_1, "old", keep_session);
    settle(&mut bench);
    bench.rest(old);
    let batch = fail(&mut bench, &FULL());
    for (version, code) in
        [(Version::V5_0, ReasonCode::QuotaExceeded), (Version::V3_1_1, ReasonCode::ServerUnavailable)]
    {
        let (client, refused) = bench.try_connect(version, "c", keep_session);
        assert_eq!(refused.map(|connack| connack.reason_code), Some(code));
        assert!(bench.closed(client).is_some());
    }
    // Its own Session would have to be deleted.
    let (again, refused) = bench.try_connect(Version::V5_0, "s", |_| {});
    assert_eq!(refused.map(|connack| connack.reason_code), Some(ReasonCode::QuotaExceeded));
    assert!(bench.closed(again).is_some());
    assert!(bench.closed(subscriber).is_none());

    let id = bench.send_subscribe(subscriber, &[line("u", QoS::AtLeastOnce)], None);
    assert_eq!(bench.rest(subscriber), [Got::Suback(id, vec![ReasonCode::QuotaExceeded])]);
    assert_eq!(bench.unsubscribe(subscriber, &["t"]), [ReasonCode::ImplementationSpecificError]);
    let id = bench.send_subscribe(old, &[line("u", QoS::AtLeastOnce)], None);
    assert_eq!(bench.rest(old), [Got::Suback(id, vec![ReasonCode::UnspecifiedError])]);
    bench.send_unsubscribe(old, &["t"]);
    assert_eq!(bench.rest(old), []);
    assert!(bench.closed(old).is_some());

    mend(&mut bench, batch);
    let session = bench.store.as_ref().unwrap().session("s").unwrap();
    assert_eq!(session.subscriptions.keys().map(|filter| &**filter).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn a_connack_that_waits_turns_into_a_refusal_and_a_suback_into_an_end() {
    let (mut bench, subscriber) = bench();
    let (client, connack) = bench.try_connect(Version::V5_0, "c", keep_session);
    assert_eq!(connack, None);
    bench.send_subscribe(subscriber, &[line("u", QoS::AtLeastOnce)], None);
    let batch = fail(&mut bench, &FULL());
    let seen = bench.rest(client);
    assert!(
        matches!(&seen[..], [Got::Connack(connack)] if connack.reason_code == ReasonCode::QuotaExceeded),
        "{seen:?}"
    );
    assert!(bench.closed(client).is_some());
    assert_eq!(bench.closed(subscriber), Some(ReasonCode::QuotaExceeded));
    mend(&mut bench, batch);
    // The batch was kept: the Session and the subscription are there.
    let store = bench.store.as_ref().unwrap();
    assert!(store.session("c").is_some());
    assert!(store.session("s").unwrap().subscriptions.contains_key("u"));
}

#[test]
fn the_other_half_of_an_exchange_waits_and_a_queue_goes_on_afterwards() {
    let mut bench = Bench::durable(Commits::ByHand, |config| config.queue_window_messages = 2);
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    let (publisher, _) = bench.try_connect(Version::V5_0, "p", keep_session);
    settle(&mut bench);
    bench.rest(publisher);
    bench.cut(subscriber);
    for n in 0..10 {
        bench.send_publish(publisher, "t", n.to_string().as_bytes(), QoS::AtLeastOnce, |_| {});
    }
    let exact = bench.send_publish(publisher, "nobody", b"x", QoS::ExactlyOnce, |_| {});
    settle(&mut bench);
    bench.rest(publisher);
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", |connect| {
        keep_session(connect);
        connect.properties.receive_maximum = Some(1);
    });
    settle(&mut bench);
    bench.rest(subscriber);

    bench.send_ack(publisher, PacketType::Pubrel, exact);
    let batch = fail(&mut bench, &BROKEN());
    assert_eq!(bench.rest(publisher), []);
    assert!(bench.closed(publisher).is_none());
    // A refusal does not wait behind it.
    let refused = bench.publish(publisher, "t", "x", QoS::AtLeastOnce);
    assert_eq!(refused, ReasonCode::ImplementationSpecificError);
    mend(&mut bench, batch);
    assert_eq!(bench.rest(publisher), [Got::Pubcomp(exact, ReasonCode::Success)]);
    bench.acknowledging(subscriber);
    bench.run();
    settle(&mut bench);
    let store = bench.store.as_ref().unwrap();
    assert!(store.session("p").unwrap().inbound.is_empty());
}

#[test]
fn publishers_that_were_held_back_are_answered_when_the_store_fails() {
    let mut bench = Bench::durable(Commits::ByHand, |config| config.limits.maximum_unstored_bytes = 5_000);
    let (subscriber, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    bench.send_subscribe(subscriber, &[line("t", QoS::AtLeastOnce)], None);
    settle(&mut bench);
    let publisher = bench.connect(Version::V5_0, "p");
    for _ in 0..20 {
        bench.send_publish(publisher, "t", &[0; 1000], QoS::AtLeastOnce, |_| {});
    }
    assert!(bench.is_held(publisher));
    let batch = fail(&mut bench, &FULL());
    let answers = bench.rest(publisher);
    assert_eq!(answers.len(), 20);
    assert!(answers.iter().all(|it| matches!(it, Got::Puback(_, ReasonCode::QuotaExceeded))));
    assert_eq!(bench.broker.poll_resumed(), Some(bench.key_of(publisher)));
    mend(&mut bench, batch);
}

#[test]
fn retained_messages_that_had_to_be_fetched_come_when_the_store_works_again() {
    let mut bench = Bench::durable(Commits::AtOnce, |_| {});
    let (publisher, _) = bench.connect_durably(Version::V5_0, "p");
    bench.retain(publisher, "r", "kept");
    bench.restart(Config { durable: true, ..quiet_config() }, 0);
    bench.commits = Commits::ByHand;
    let live = bench.connect(Version::V5_0, "live");
    let batch = fail(&mut bench, &FULL());
    bench.subscribe(live, "r", QoS::AtMostOnce);
    assert_eq!(bench.publishes(live), []);
    mend(&mut bench, batch);
    assert_eq!(bench.texts(live), ["kept"]);
}
