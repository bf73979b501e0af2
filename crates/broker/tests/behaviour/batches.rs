//! What is in a batch: nothing that has come and gone meanwhile, and not more than may wait for the store.

use topicwire_broker::store::{Store, StoreOperation, StoreWork};
use topicwire_codec::{PacketType, QoS, ReasonCode, Version};

use crate::support::*;

fn by_hand() -> Bench {
    Bench::durable(Commits::ByHand, |_| {})
}

fn commit(bench: &mut Bench) {
    while bench.commit() {
        bench.run();
    }
}

/// A durable subscriber to `t` at QoS 2 whose Session is stored.
fn subscriber(bench: &mut Bench) -> Client {
    let (client, _) = bench.try_connect(Version::V5_0, "s", keep_session);
    bench.send_subscribe(client, &[line("t", QoS::ExactlyOnce)], None);
    commit(bench);
    bench.rest(client);
    client
}

/// The operations so far, which are stored and answered.
fn taken(bench: &mut Bench) -> Vec<StoreOperation> {
    let batch = bench.broker.poll_store_batch().expect("a batch");
    bench.broker.stored(batch.sequence, bench.now_ms);
    bench.run();
    batch.operations
}

/// A turn of the host, without its store.
fn settle(bench: &mut Bench) {
    let _ = bench.broker.settle_store(bench.now_ms);
    bench.run();
}

#[test]
fn a_delivery_that_is_over_within_a_batch_never_reaches_the_store() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V5_0, "p");
    let first = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    let second = bench.send_publish(publisher, "t", b"2", QoS::AtLeastOnce, |_| {});
    let id = bench.publishes(subscriber)[0].id();
    bench.send_ack(subscriber, PacketType::Puback, id);
    // The acknowledgements wait all the same: the second message is only in this batch.
    assert_eq!(bench.rest(publisher), []);
    let operations = taken(&mut bench);
    assert!(
        matches!(
            &operations[..],
            [
                StoreOperation::PutDelivery { delivery, .. },
                StoreOperation::PutExchange { position, .. }
            ] if delivery.message.payload() == b"2" && *position == delivery.position
        ),
        "{operations:?}"
    );
    let success = ReasonCode::Success;
    assert_eq!(bench.rest(publisher), [Got::Puback(first, success), Got::Puback(second, success)]);
}

#[test]
fn a_batch_of_which_nothing_is_left_frees_what_waits_for_it() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    bench.acknowledging(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    let id = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    assert_eq!(bench.rest(publisher), []);
    assert!(taken(&mut bench).is_empty());
    assert_eq!(bench.rest(publisher), [Got::Puback(id, ReasonCode::Success)]);
}

#[test]
fn a_delivery_that_the_store_knows_is_deleted_there() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V3_1_1, "p");
    bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    commit(&mut bench);
    let id = bench.publish_of(subscriber).id();
    bench.send_ack(subscriber, PacketType::Puback, id);
    assert_eq!(bench.broker.ended_operations(), (0, 1));
    let operations = taken(&mut bench);
    assert!(matches!(&operations[..], [StoreOperation::DeleteDelivery { .. }]), "{operations:?}");
}

#[test]
fn the_two_halves_of_qos_2_within_a_batch_leave_one_deletion() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V3_1_1, "p");
    bench.send_publish(publisher, "t", b"1", QoS::ExactlyOnce, |_| {});
    commit(&mut bench);
    let id = bench.publish_of(subscriber).id();
    bench.send_ack(subscriber, PacketType::Pubrec, id);
    // A client that does not wait for PUBREL.
    bench.send_ack(subscriber, PacketType::Pubcomp, id);
    let batch = bench.broker.poll_store_batch().expect("a batch");
    assert!(
        matches!(
            &batch.operations[..],
            [StoreOperation::DeleteDelivery { position, packet_id: Some(of), .. }]
                if *position > 0 && of.value() == id
        ),
        "{batch:?}"
    );
    let store = bench.store.as_mut().unwrap();
    store.commit(&batch).unwrap();
    let session = store.session("s").unwrap();
    assert_eq!((session.deliveries.len(), session.exchanges.len()), (0, 0));
}

#[test]
fn a_topic_is_in_a_batch_once_and_a_session_with_its_last_properties() {
    let mut bench = by_hand();
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..10 {
        bench.send_publish(publisher, "t", &[b'0' + n], QoS::AtMostOnce, |it| it.retain = true);
    }
    bench.send_publish(publisher, "u", b"x", QoS::AtMostOnce, |it| it.retain = true);
    bench.send_publish(publisher, "u", b"", QoS::AtMostOnce, |it| it.retain = true);
    let (client, _) = bench.try_connect(Version::V5_0, "c", keep_session);
    bench.cut(client);
    let operations = taken(&mut bench);
    assert!(
        matches!(
            &operations[..],
            [
                StoreOperation::PutRetained { message },
                StoreOperation::DeleteRetained { .. },
                StoreOperation::PutSession { closed_at_ms: Some(_), .. }
            ] if message.payload() == b"9"
        ),
        "{operations:?}"
    );
}

#[test]
fn publishers_wait_while_the_store_is_behind_and_lose_nothing() {
    let mut bench = Bench::durable(Commits::ByHand, |config| config.limits.maximum_unstored_bytes = 10_000);
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V3_1_1, "p");
    for n in 0..50_u8 {
        bench.send_publish(publisher, "t", &[n; 1000], QoS::AtLeastOnce, |_| {});
    }
    assert!(bench.is_held(publisher));
    let metrics = bench.broker.metrics();
    assert!((10_000..13_000).contains(&metrics.unstored_bytes), "{metrics:?}");
    assert_eq!(metrics.store_stalls, 1);
    // QoS 0 and those who only receive are in nobody's way.
    let other = bench.connect(Version::V5_0, "o");
    bench.publish(other, "t", "QoS 0", QoS::AtMostOnce);
    assert_eq!(bench.texts(subscriber).last().map(String::as_str), Some("QoS 0"));
    // A Session that has to be stored can wait for a better time.
    let (late, refused) = bench.try_connect(Version::V5_0, "late", keep_session);
    assert!(matches!(refused, Some(connack) if connack.reason_code == ReasonCode::ServerBusy));
    assert!(bench.closed(late).is_some());

    let mut rounds = 0;
    let mut acknowledged = 0;
    while let Some(batch) = bench.broker.poll_store_batch() {
        bench.store.as_mut().unwrap().commit(&batch).unwrap();
        bench.broker.stored(batch.sequence, bench.now_ms);
        bench.run();
        while let Some(key) = bench.broker.poll_resumed() {
            assert_eq!(key, bench.key_of(publisher));
        }
        acknowledged += bench.rest(publisher).len();
        rounds += 1;
    }
    assert!(rounds > 4, "{rounds}");
    assert_eq!(acknowledged, 50);
    assert_eq!(bench.broker.metrics().unstored_bytes, 0);
    assert_eq!(bench.store.as_ref().unwrap().session("s").unwrap().deliveries.len(), 50);
}

#[test]
fn a_turn_of_which_nothing_is_left_waits_for_no_store() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    bench.acknowledging(subscriber);
    let publisher = bench.connect(Version::V3_1_1, "p");
    let id = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    assert_eq!(bench.rest(publisher), []);
    settle(&mut bench);
    assert_eq!(bench.rest(publisher), [Got::Puback(id, ReasonCode::Success)]);
    assert_eq!(bench.broker.store_work(), StoreWork::None);
    assert!(bench.broker.poll_store_batch().is_none());
}

#[test]
fn a_turn_that_is_over_waits_for_those_before_it() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V5_0, "p");
    let first = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    settle(&mut bench);
    let second = bench.send_publish(publisher, "t", b"2", QoS::AtLeastOnce, |_| {});
    settle(&mut bench);
    let ids: Vec<_> = bench.publishes(subscriber).iter().map(|publish| publish.id()).collect();
    bench.send_ack(subscriber, PacketType::Puback, ids[1]);
    settle(&mut bench);
    assert_eq!(bench.rest(publisher), []);
    bench.send_ack(subscriber, PacketType::Puback, ids[0]);
    settle(&mut bench);
    let success = ReasonCode::Success;
    assert_eq!(bench.rest(publisher), [Got::Puback(first, success), Got::Puback(second, success)]);
}

#[test]
fn a_turn_that_is_over_waits_for_a_batch_that_the_store_has() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V5_0, "p");
    let first = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |_| {});
    let batch = bench.broker.poll_store_batch().expect("a batch");
    let second = bench.send_publish(publisher, "t", b"2", QoS::AtLeastOnce, |_| {});
    let ids: Vec<_> = bench.publishes(subscriber).iter().map(|publish| publish.id()).collect();
    bench.send_ack(subscriber, PacketType::Puback, ids[1]);
    settle(&mut bench);
    assert_eq!(bench.rest(publisher), []);
    bench.broker.stored(batch.sequence, bench.now_ms);
    bench.run();
    let success = ReasonCode::Success;
    assert_eq!(bench.rest(publisher), [Got::Puback(first, success), Got::Puback(second, success)]);
}

#[test]
fn what_a_later_operation_stands_for_is_not_over() {
    let mut bench = by_hand();
    let publisher = bench.connect(Version::V5_0, "p");
    let first = bench.send_publish(publisher, "t", b"1", QoS::AtLeastOnce, |it| it.retain = true);
    settle(&mut bench);
    let second = bench.send_publish(publisher, "t", b"2", QoS::AtLeastOnce, |it| it.retain = true);
    settle(&mut bench);
    // Were the first acknowledged now, a crash would bring back what was there before it.
    assert_eq!(bench.rest(publisher), []);
    assert_eq!(taken(&mut bench).len(), 1);
    let success = ReasonCode::Success;
    assert_eq!(bench.rest(publisher), [Got::Puback(first, success), Got::Puback(second, success)]);
}

#[test]
fn operations_that_are_over_are_counted_and_their_places_are_not_mistaken_for_others() {
    let mut bench = by_hand();
    let subscriber = subscriber(&mut bench);
    let publisher = bench.connect(Version::V3_1_1, "p");
    let (before, _) = bench.broker.ended_operations();
    for round in 0..100_u8 {
        bench.send_publish(publisher, "t", &[round, 1], QoS::AtLeastOnce, |_| {});
        bench.send_publish(publisher, "t", &[round, 2], QoS::AtLeastOnce, |_| {});
        let ids: Vec<_> = bench.publishes(subscriber).iter().map(|publish| publish.id()).collect();
        bench.send_ack(subscriber, PacketType::Puback, ids[1]);
        bench.send_ack(subscriber, PacketType::Puback, ids[0]);
        settle(&mut bench);
        assert_eq!(bench.rest(publisher).len(), 2);
    }
    assert_eq!(bench.broker.ended_operations().0 - before, 400);
    bench.send_publish(publisher, "t", b"last", QoS::AtLeastOnce, |_| {});
    let operations = taken(&mut bench);
    assert!(
        matches!(
            &operations[..],
            [StoreOperation::PutDelivery { delivery, .. }, StoreOperation::PutExchange { .. }]
                if delivery.message.payload() == b"last"
        ),
        "{operations:?}"
    );
}
