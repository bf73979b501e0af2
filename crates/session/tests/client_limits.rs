//! What a server or an application can make grow has an end, and the path of QoS 0 asks the allocator for nothing.

use topicwire_codec::{
    Connect, PacketId, Publish, PublishProperties, QoS, ReasonCode, UserProperties, Version,
};
use topicwire_session::QueueLimits;
use topicwire_session::client::{Client, Closing, Config, Event, Message, Misuse, Subscription};

const NOW_MS: u64 = 1_000;
const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// A client that has been let in, everything drained.
fn connected(config: Config, connack: &[u8], topic_alias_maximum: u16) -> Client {
    let mut client = Client::new(config);
    let mut connect = Connect::new(Version::V5_0, "c");
    connect.properties.topic_alias_maximum = Some(topic_alias_maximum);
    client.connect(&connect, NOW_MS).unwrap();
    client.handle_input(connack, NOW_MS);
    assert!(client.is_connected());
    drain(&mut client);
    client
}

fn drain(client: &mut Client) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut arena = [0; 4096];
    while let Some(transmit) = client.poll_transmit(&mut arena, NOW_MS) {
        sent.extend_from_slice(&arena[..transmit.length]);
    }
    while client.poll_event().is_some() {}
    sent
}

fn publish(topic_name: &str, qos: QoS, topic_alias: Option<u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let publish = Publish {
        qos,
        packet_id: (qos != QoS::AtMostOnce).then_some(PacketId::MIN),
        properties: PublishProperties { topic_alias, ..PublishProperties::default() },
        ..Publish::new(topic_name, b"payload")
    };
    publish.encode(Version::V5_0, &mut bytes).unwrap();
    bytes
}

fn message(qos: QoS) -> Message<'static> {
    Message { topic_name: "a/topic", payload: &[0; 100], qos, ..Message::default() }
}

#[test]
fn a_message_of_qos_0_allocates_nothing_on_its_way_in() {
    let mut client = connected(Config::default(), &CONNACK, 1);
    let mut chunk = publish("a/topic", QoS::AtMostOnce, Some(1));
    for _ in 0..20 {
        chunk.extend(publish("a/topic", QoS::AtMostOnce, None));
        chunk.extend(publish("", QoS::AtMostOnce, Some(1)));
    }
    let turn = |client: &mut Client| {
        client.handle_input(&chunk, NOW_MS);
        let mut count = 0;
        while let Some(event) = client.poll_event() {
            let Event::Message(received) = event else { panic!("{event:?}") };
            let publish = client.publish_packet(&chunk, &received).unwrap();
            assert_eq!((publish.topic_name, publish.payload), ("a/topic", &b"payload"[..]));
            count += 1;
        }
        assert_eq!(count, 41);
    };
    turn(&mut client);
    let allocations = allocation_counter::measure(|| (0..100).for_each(|_| turn(&mut client)));
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn a_message_of_qos_0_allocates_nothing_on_its_way_out() {
    // With a Topic Alias Maximum of 5.
    let mut client = connected(Config::default(), &[0x20, 6, 0, 0, 3, 0x22, 0, 5], 0);
    let mut arena = [0; 4096];
    let mut turn = |client: &mut Client| {
        for _ in 0..20 {
            client.publish(&message(QoS::AtMostOnce), NOW_MS).unwrap();
        }
        while client.poll_transmit(&mut arena, NOW_MS).is_some() {}
    };
    turn(&mut client);
    let allocations = allocation_counter::measure(|| (0..100).for_each(|_| turn(&mut client)));
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn a_full_out_buffer_refuses_qos_0_and_requests_and_queues_the_rest() {
    let mut client = connected(Config { maximum_out_buffer_bytes: 500, ..Config::default() }, &CONNACK, 0);
    while client.publish(&message(QoS::AtMostOnce), NOW_MS).is_ok() {}
    assert_eq!(client.publish(&message(QoS::AtMostOnce), NOW_MS), Err(Misuse::OutBufferFull));
    let subscription = Subscription::default();
    assert_eq!(client.subscribe(&subscription), Err(Misuse::OutBufferFull));
    assert_eq!(client.unsubscribe(&["a"], UserProperties::default()), Err(Misuse::OutBufferFull));
    for _ in 0..20 {
        client.publish(&message(QoS::AtLeastOnce), NOW_MS).unwrap();
    }
    assert_eq!((client.queued_count(), client.inflight_count()), (20, 0));
    // Room is made, and used, piece by piece.
    let sent = drain(&mut client);
    assert_eq!((client.queued_count(), client.inflight_count()), (0, 20));
    assert!(sent.len() > 20 * 100);
}

#[test]
fn the_queue_ends_with_its_bytes() {
    let queue = QueueLimits { messages: 1_000, bytes: 1_000 };
    let mut client = Client::new(Config { queue, ..Config::default() });
    let outcomes: Vec<_> =
        (0..12).map(|_| client.publish(&message(QoS::AtLeastOnce), NOW_MS).is_ok()).collect();
    assert_eq!(outcomes.iter().filter(|is_queued| **is_queued).count(), 9);
}

#[test]
fn a_server_that_makes_the_client_answer_and_does_not_read_is_left() {
    let mut client = connected(Config { maximum_out_buffer_bytes: 500, ..Config::default() }, &CONNACK, 0);
    let chunk = publish("a/topic", QoS::AtLeastOnce, None);
    for _ in 0..1_000 {
        client.handle_input(&chunk, NOW_MS);
    }
    let mut last = None;
    while let Some(event) = client.poll_event() {
        last = Some(event);
    }
    let Some(Event::Closed(Closing::Fault { reason_code, .. })) = last else { panic!("{last:?}") };
    assert_eq!(reason_code, ReasonCode::QuotaExceeded);
    assert!(drain(&mut client).len() <= 2 * 500 + 8);
}

#[test]
fn an_unacknowledged_message_has_its_place_until_65_535_are() {
    let config = Config { acknowledges_manually: true, ..Config::default() };
    let mut client = Client::new(config);
    client.connect(&Connect::new(Version::V3_1_1, "c"), NOW_MS).unwrap();
    client.handle_input(&[0x20, 2, 0, 0], NOW_MS);
    drain(&mut client);
    let mut chunk = Vec::new();
    let publish = Publish { qos: QoS::AtLeastOnce, packet_id: Some(PacketId::MIN), ..Publish::new("a", b"") };
    publish.encode(Version::V3_1_1, &mut chunk).unwrap();
    for _ in 0..u16::MAX {
        client.handle_input(&chunk, NOW_MS);
        assert!(matches!(client.poll_event(), Some(Event::Message(_))));
    }
    client.handle_input(&chunk, NOW_MS);
    let event = client.poll_event();
    assert!(matches!(event, Some(Event::Closed(Closing::Fault { .. }))), "{event:?}");
}

#[test]
fn spans_are_good_until_the_next_chunk() {
    let mut client = connected(Config::default(), &CONNACK, 0);
    let chunk = publish("a/topic", QoS::AtMostOnce, None);
    let (first, second) = chunk.split_at(5);
    client.handle_input(first, NOW_MS);
    assert!(client.poll_event().is_none());
    client.handle_input(second, NOW_MS);
    let Some(Event::Message(received)) = client.poll_event() else { panic!("a message") };
    assert!(received.payload.is_carried);
    assert_eq!(client.bytes(second, received.payload), Some(&b"payload"[..]));
    assert_eq!(client.bytes(second, received.topic_name), Some(&b"a/topic"[..]));
    client.handle_input(&[], NOW_MS);
    assert_eq!(client.bytes(&[], received.payload), None);
    assert!(client.publish_packet(&[], &received).is_none());
}

/// Messages that were published while nothing was sent: the tickets that came to nothing, and why.
fn abandoned(client: &mut Client) -> Vec<(u64, String)> {
    let mut abandoned = Vec::new();
    while let Some(event) = client.poll_event() {
        if let Event::Abandoned { ticket, cause } = event {
            abandoned.push((ticket.0, format!("{cause:?}")));
        }
    }
    abandoned
}

#[test]
fn a_full_queue_gives_up_its_oldest_where_that_is_wanted() {
    let queue = QueueLimits { messages: 2, bytes: 10_000 };
    let mut client = Client::new(Config { queue, drops_oldest: true, ..Config::default() });
    for _ in 0..4 {
        client.publish(&message(QoS::AtLeastOnce), NOW_MS).unwrap();
    }
    assert_eq!(abandoned(&mut client), [(1, "Dropped".to_owned()), (2, "Dropped".to_owned())]);
    assert_eq!(client.queued_count(), 2);
}

#[test]
fn a_message_larger_than_the_queue_takes_its_place_when_all_others_have_gone() {
    let queue = QueueLimits { messages: 5, bytes: 50 };
    let mut client = Client::new(Config { queue, drops_oldest: true, ..Config::default() });
    client.publish(&message(QoS::AtLeastOnce), NOW_MS).unwrap();
    client.publish(&message(QoS::AtLeastOnce), NOW_MS).unwrap();
    assert_eq!(abandoned(&mut client), [(1, "Dropped".to_owned())]);
    assert_eq!(client.queued_count(), 1);
}

#[test]
fn qos_1_of_a_lost_session_is_sent_again_in_its_order_and_qos_2_is_not() {
    let mut client = connected(Config { resends_lost: true, ..Config::default() }, &CONNACK, 0);
    for (qos, payload) in [
        (QoS::AtLeastOnce, b"A"),
        (QoS::ExactlyOnce, b"B"),
        (QoS::AtLeastOnce, b"C"),
        (QoS::AtLeastOnce, b"D"),
    ] {
        client.publish(&Message { payload, ..message(qos) }, NOW_MS).unwrap();
    }
    drain(&mut client);
    client.handle_closed(NOW_MS);
    assert_eq!(abandoned(&mut client), [(2, "SessionEnded".to_owned())]);
    assert_eq!((client.queued_count(), client.inflight_count()), (3, 0));
    let mut connect = Connect::new(Version::V5_0, "c");
    connect.clean_start = true;
    client.connect(&connect, NOW_MS).unwrap();
    drain(&mut client);
    client.handle_input(&CONNACK, NOW_MS);
    let sent = drain(&mut client);
    let payloads: Vec<u8> = sent.iter().copied().filter(|byte| byte.is_ascii_uppercase()).collect();
    assert_eq!(payloads, b"ACD");
    // Without DUP: to the new session they are new.
    assert_eq!(sent.first(), Some(&0x32));
}

#[test]
fn who_acknowledges_is_decided_between_connections() {
    let mut client = connected(Config::default(), &CONNACK, 0);
    assert!(!client.acknowledge_manually(true));
    client.handle_closed(NOW_MS);
    assert!(client.acknowledge_manually(true));
    client.connect(&Connect::new(Version::V5_0, "c"), NOW_MS).unwrap();
    client.handle_input(&CONNACK, NOW_MS);
    drain(&mut client);
    client.handle_input(&publish("a", QoS::AtLeastOnce, None), NOW_MS);
    assert!(drain(&mut client).is_empty());
}

#[test]
fn a_message_that_waits_is_withdrawn_wherever_the_queue_has_it() {
    // With a Receive Maximum of 1.
    let config = Config { resends_lost: true, ..Config::default() };
    let mut client = connected(config, &[0x20, 6, 0, 0, 3, 0x21, 0, 1], 0);
    let tickets: Vec<_> =
        (0..4).map(|_| client.publish(&message(QoS::AtLeastOnce), NOW_MS).unwrap().unwrap()).collect();
    assert_eq!(client.queued_count(), 3);
    assert!(!client.withdraw(tickets[0]), "the first has been sent");
    assert!(client.withdraw(tickets[2]) && !client.withdraw(tickets[2]));
    // In a Session that the server has lost it goes back to the head of the queue.
    client.handle_closed(NOW_MS);
    assert!(!client.withdraw(tickets[2]));
    client.connect(&Connect::new(Version::V5_0, "c"), NOW_MS).unwrap();
    client.handle_input(&[0x20, 6, 0, 0, 3, 0x21, 0, 1], NOW_MS);
    drain(&mut client);
    assert_eq!(client.queued_count(), 2);
    assert!(client.withdraw(tickets[3]) && client.withdraw(tickets[1]));
    assert_eq!(client.queued_count(), 0);
}
