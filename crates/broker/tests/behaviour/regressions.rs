//! What hurt others and fits nowhere else: docs/regressions.md has the list, with the tests of the other files.

use topicwire_broker::Config;
use topicwire_codec::{
    Packet, PacketType, QoS, ReasonCode, Subscribe, SubscribeFilters, TopicFilters, Unsubscribe,
    UserProperties, Version, Will,
};

use crate::support::*;

#[test]
fn a_client_id_used_twice_in_a_loop_loses_nothing_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let witness = bench.connect(Version::V5_0, "witness");
    bench.subscribe(witness, "will", QoS::AtMostOnce);
    let publisher = bench.connect(Version::V5_0, "publisher");
    let twin = |bench: &mut Bench| {
        let (client, _) = bench.connect_with(Version::V5_0, "twin", |connect| {
            keep_session(connect);
            connect.will = Some(Will { topic_name: "will", payload: b"taken over", ..Will::default() });
        });
        client
    };
    let mut holder = twin(&mut bench);
    bench.subscribe(holder, "t", QoS::AtLeastOnce);
    let deadlines = bench.broker.next_deadline_ms();
    for round in 0..2_000 {
        bench.publish(publisher, "t", &round.to_string(), QoS::AtLeastOnce);
        let next = twin(&mut bench);
        assert_eq!(bench.closed(holder), Some(ReasonCode::SessionTakenOver));
        // The take-over has repeated what the old connection did not acknowledge.
        let repeated = bench.publish_of(next);
        assert_eq!((repeated.text(), repeated.dup), (&*round.to_string(), true));
        bench.send_ack(next, PacketType::Puback, repeated.id());
        holder = next;
    }
    assert_eq!(bench.texts(witness).len(), 2_000);
    let metrics = bench.broker.metrics();
    assert_eq!((metrics.connections, metrics.queued_messages, bench.broker.session_count()), (3, 0, 3));
    assert_eq!(bench.broker.next_deadline_ms(), deadlines);
    bench.disconnect_with(holder, ReasonCode::NORMAL_DISCONNECTION, Some(0));
    for client in [publisher, witness] {
        bench.disconnect(client);
    }
    bench.assert_empty();
}

#[test]
fn a_storm_of_subscribe_and_unsubscribe_in_one_chunk_is_answered_in_order_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let bystander = bench.connect(Version::V5_0, "bystander");
    bench.subscribe(bystander, "a/+/c", QoS::AtMostOnce);
    let client = bench.connect(Version::V5_0, "storm");
    let names: Vec<String> = (0..97).map(|n| format!("a/{}/{}/#", n % 10, n)).collect();
    for round in 0..200u16 {
        let mut bytes = Vec::new();
        let filters: Vec<&str> =
            names.iter().skip(usize::from(round % 50)).take(40).map(|it| &**it).collect();
        let lines: Vec<_> = filters.iter().map(|filter| line(filter, QoS::AtLeastOnce)).collect();
        let subscribe = Subscribe {
            packet_id: packet_id(2 * round + 1),
            subscription_id: Some(u32::from(round) + 1),
            user_properties: UserProperties::default(),
            filters: SubscribeFilters::from_slice(&lines),
        };
        let unsubscribe = Unsubscribe {
            packet_id: packet_id(2 * round + 2),
            user_properties: UserProperties::default(),
            topic_filters: TopicFilters::from_slice(&filters),
        };
        for packet in [Packet::Subscribe(subscribe), Packet::Unsubscribe(unsubscribe)] {
            bytes.extend_from_slice(&encoded(&packet, Version::V5_0));
        }
        bench.send_bytes(client, &bytes);
        let answers = bench.rest(client);
        assert_eq!(
            answers,
            [
                Got::Suback(2 * round + 1, vec![ReasonCode::GrantedQoS1; 40]),
                Got::Unsuback(2 * round + 2, vec![ReasonCode::Success; 40]),
            ]
        );
        bench.publish(client, "a/1/c", "still here", QoS::AtMostOnce);
    }
    assert_eq!(bench.texts(bystander).len(), 200);
    assert_eq!(bench.broker.subscription_count(), 1);
    for client in [client, bystander] {
        bench.disconnect(client);
    }
    bench.assert_empty();
}

#[test]
fn the_expiry_of_a_retained_message_goes_on_while_the_broker_is_down() {
    let mut bench = Bench::durable(Commits::AtOnce, |_| {});
    let publisher = bench.connect(Version::V5_0, "publisher");
    for (topic_name, secs) in [("long", 100), ("short", 50)] {
        bench.publish_with(publisher, topic_name, b"x", QoS::AtLeastOnce, |publish| {
            publish.retain = true;
            publish.properties.message_expiry_interval_secs = Some(secs);
        });
    }
    bench.advance_secs(30);
    bench.restart(Config { durable: true, ..quiet_config() }, 30);
    bench.advance_secs(5);
    let subscriber = bench.connect(Version::V5_0, "subscriber");
    bench.subscribe(subscriber, "#", QoS::AtMostOnce);
    let left = bench.publish_of(subscriber);
    assert_eq!((&*left.topic_name, left.retain, left.message_expiry_interval_secs), ("long", true, Some(35)));
    bench.advance_secs(35);
    let late = bench.connect(Version::V5_0, "late");
    bench.subscribe(late, "#", QoS::AtMostOnce);
    assert_eq!(bench.rest(late), []);
}
