//! CONNECT: who is let in, what CONNACK says, and what becomes of a connection that another one replaces.

use topicwire_broker::{Event, Farewell};
use topicwire_codec::{QoS, ReasonCode, Version, Will};

use crate::support::*;

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];

#[test]
fn a_client_of_every_version_is_let_in_and_leaves_nothing_behind() {
    for version in VERSIONS {
        let mut bench = Bench::new();
        let (client, connack) = bench.connect_with(version, "c", |_| {});
        assert!(!connack.session_present);
        bench.ping(client);
        bench.disconnect(client);
        assert!(bench.closed(client).is_some());
        bench.assert_empty();
    }
}

#[test]
fn the_versions_pass_messages_to_each_other() {
    let mut bench = Bench::new();
    let clients: Vec<_> = VERSIONS
        .iter()
        .map(|version| bench.connect(*version, &format!("client of {}", version.level())))
        .collect();
    for client in &clients {
        bench.subscribe(*client, "to/all", QoS::ExactlyOnce);
        bench.acknowledging(*client);
    }
    for (n, client) in clients.iter().enumerate() {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            bench.send_publish(*client, "to/all", format!("{n}").as_bytes(), qos, |_| {});
        }
    }
    for client in clients {
        assert_eq!(bench.texts(client), ["0", "0", "1", "1", "2", "2"]);
    }
}

#[test]
fn connack_tells_a_5_0_client_the_limits() {
    let mut bench = Bench::with_limits(|limits| {
        limits.receive_maximum = 7;
        limits.maximum_packet_size_bytes = 5_000;
        limits.topic_alias_maximum = 3;
        limits.maximum_keep_alive_secs = 60;
        limits.session_expiry_interval_maximum_secs = 100;
    });
    let (_, connack) = bench.connect_with(Version::V5_0, "c", |connect| {
        connect.keep_alive_secs = 600;
        connect.properties.session_expiry_interval_secs = Some(1_000);
    });
    assert_eq!(connack.receive_maximum, Some(7));
    assert_eq!(connack.maximum_packet_size, Some(5_000));
    assert_eq!(connack.topic_alias_maximum, Some(3));
    assert_eq!(connack.server_keep_alive_secs, Some(60));
    assert_eq!(connack.session_expiry_interval_secs, Some(100));
}

#[test]
fn connack_is_silent_about_what_the_client_asked_for_and_got() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_keep_alive_secs = 60);
    let (_, connack) = bench.connect_with(Version::V5_0, "c", |connect| {
        connect.keep_alive_secs = 30;
        connect.properties.session_expiry_interval_secs = Some(5);
    });
    assert_eq!(connack.server_keep_alive_secs, None);
    assert_eq!(connack.session_expiry_interval_secs, None);
    assert_eq!(connack.assigned_client_id, None);
}

#[test]
fn a_client_without_an_identifier_is_given_one_and_told_it() {
    let mut bench = Bench::new();
    let (_, first) = bench.connect_with(Version::V5_0, "", |_| {});
    let (_, second) = bench.connect_with(Version::V5_0, "", |_| {});
    let (first, second) = (first.assigned_client_id.unwrap(), second.assigned_client_id.unwrap());
    assert_ne!(first, second);
    assert_eq!(bench.broker.session_count(), 2);
}

#[test]
fn an_empty_identifier_needs_a_clean_session_in_3_1_1_and_is_refused_in_3_1() {
    let mut bench = Bench::new();
    assert_eq!(bench.try_connect(Version::V3_1_1, "", |_| {}).1.unwrap().reason_code, ReasonCode::Success);
    for (version, clean_start) in [(Version::V3_1_1, false), (Version::V3_1, true)] {
        let (client, connack) = bench.try_connect(version, "", |connect| connect.clean_start = clean_start);
        assert_eq!(connack.unwrap().reason_code, ReasonCode::ClientIdentifierNotValid);
        assert!(bench.closed(client).is_some());
    }
}

#[test]
fn an_authentication_method_that_nobody_knows_is_refused() {
    let mut bench = Bench::new();
    let (client, connack) = bench.try_connect(Version::V5_0, "c", |connect| {
        connect.properties.authentication_method = Some("SCRAM-SHA-1");
    });
    assert_eq!(connack.unwrap().reason_code, ReasonCode::BadAuthenticationMethod);
    assert_eq!(bench.closed(client), Some(ReasonCode::BadAuthenticationMethod));
}

/// A CONNECT named `MQTT` of any level, with the bytes that come after Keep Alive.
fn connect_of_level(level: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x10, 10 + rest.len() as u8, 0, 4, b'M', b'Q', b'T', b'T', level, 2, 0, 0];
    bytes.extend_from_slice(rest);
    bytes
}

#[test]
fn an_unknown_protocol_level_is_answered_in_the_form_that_the_peer_wrote() {
    let (as_v3, as_v5): (&[u8], &[u8]) = (&[0, 1, b'c'], &[0, 0, 1, b'c']);
    for level in [0, 1, 2, 3, 6, 7, 99, 127, 0x82, 0x86] {
        for (rest, answer) in [(as_v3, &[0x20, 2, 0, 1][..]), (as_v5, &[0x20, 3, 0, 0x84, 0])] {
            let mut bench = Bench::new();
            let client = bench.open(Version::V5_0);
            bench.send_bytes_leniently(client, &connect_of_level(level, rest));
            assert_eq!(bench.take_bytes(client), answer, "level {level}");
            assert_eq!(bench.closed(client), Some(ReasonCode::UnsupportedProtocolVersion));
        }
    }
}

#[test]
fn a_connect_whose_fields_run_past_its_end_is_not_answered() {
    for level in [4, 5] {
        let mut bench = Bench::new();
        let client = bench.open(Version::V5_0);
        // The client id is one byte longer than the packet.
        bench.send_bytes_leniently(client, &connect_of_level(level, &[0, 0, 2, b'c'][5 - level as usize..]));
        assert!(bench.take_bytes(client).is_empty());
        assert_eq!(bench.closed(client), Some(ReasonCode::MalformedPacket));
    }
}

#[test]
fn a_maximum_packet_size_of_zero_is_a_protocol_error_and_not_a_hang() {
    let mut bench = Bench::new();
    let client = bench.open(Version::V5_0);
    // CONNECT, 5.0, clean start, one property: Maximum Packet Size 0.
    let bytes = [0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 5, 0x27, 0, 0, 0, 0, 0, 1, b'c'];
    bench.send_bytes(client, &bytes);
    let Got::Connack(connack) = bench.next(client) else { panic!("no CONNACK") };
    assert_eq!(connack.reason_code, ReasonCode::ProtocolError);
    assert_eq!(bench.closed(client), Some(ReasonCode::ProtocolError));
}

#[test]
fn a_client_whose_maximum_packet_size_is_below_connack_is_refused_and_not_left_hanging() {
    let mut bench = Bench::new();
    let (client, connack) =
        bench.try_connect(Version::V5_0, "c", |connect| connect.properties.maximum_packet_size = Some(8));
    assert_eq!(connack.unwrap().reason_code, ReasonCode::PacketTooLarge);
    assert_eq!(bench.closed(client), Some(ReasonCode::PacketTooLarge));
    let (client, connack) =
        bench.try_connect(Version::V5_0, "c", |connect| connect.properties.maximum_packet_size = Some(2));
    assert_eq!(connack, None);
    assert_eq!(bench.closed(client), Some(ReasonCode::PacketTooLarge));
}

#[test]
fn a_second_connect_ends_the_connection() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.send(client, &topicwire_codec::Packet::Connect(topicwire_codec::Connect::new(Version::V5_0, "c")));
    assert_eq!(bench.rest(client), [Got::Disconnect(ReasonCode::ProtocolError)]);
    assert_eq!(bench.closed(client), Some(ReasonCode::ProtocolError));
}

#[test]
fn a_packet_before_connect_ends_the_connection_without_a_word() {
    for first in [0x30u8, 0xC0, 0xE0, 0x82] {
        let mut bench = Bench::new();
        let client = bench.open(Version::V5_0);
        bench.send_bytes(client, &[first, 0]);
        assert!(bench.closed(client).is_some());
        assert_eq!(bench.received_bytes(client), 0);
    }
}

#[test]
fn a_will_to_a_topic_that_cannot_be_published_to_is_refused() {
    for (topic_name, expected) in
        [("a/#", ReasonCode::TopicNameInvalid), ("$SYS/broker/version", ReasonCode::NotAuthorized)]
    {
        let mut bench = Bench::new();
        let (_, connack) = bench.try_connect(Version::V5_0, "c", |connect| {
            connect.will = Some(Will { topic_name, ..Will::default() });
        });
        assert_eq!(connack.unwrap().reason_code, expected);
        assert_eq!(bench.broker.metrics().connects_refused, 1);
    }
}

#[test]
fn a_take_over_tells_a_5_0_client_and_closes_any() {
    for version in VERSIONS {
        let mut bench = Bench::new();
        let old = bench.connect(version, "c");
        let new = bench.connect(version, "c");
        assert_eq!(bench.closed(old), Some(ReasonCode::SessionTakenOver));
        let told = bench.rest(old);
        if version.is_v5() {
            assert_eq!(told, [Got::Disconnect(ReasonCode::SessionTakenOver)]);
        } else {
            assert_eq!(told, []);
        }
        bench.ping(new);
        assert_eq!((bench.broker.session_count(), bench.broker.metrics().clients_connected), (1, 1));
    }
}

#[test]
fn of_two_fast_take_overs_the_last_one_holds_the_session() {
    let mut bench = Bench::new();
    let (first, _) = bench.connect_durably(Version::V5_0, "c");
    bench.subscribe(first, "t", QoS::AtLeastOnce);
    let mut connect = topicwire_codec::Connect::new(Version::V5_0, "c");
    keep_session(&mut connect);
    let bytes = encoded(&topicwire_codec::Packet::Connect(connect), Version::V5_0);
    let (second, third) = (bench.open(Version::V5_0), bench.open(Version::V5_0));
    bench.receive(second, &bytes);
    bench.receive(third, &bytes);
    bench.run();
    for old in [first, second] {
        assert_eq!(bench.closed(old), Some(ReasonCode::SessionTakenOver));
    }
    let Got::Connack(connack) = bench.next(third) else { panic!("no CONNACK") };
    assert!(connack.session_present);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t", "still here", QoS::AtLeastOnce);
    assert_eq!(bench.texts(third), ["still here"]);
    assert_eq!(bench.broker.metrics().clients_connected, 2);
}

#[test]
fn a_frozen_connection_that_is_taken_over_is_closed_in_the_end() {
    let mut bench = Bench::new();
    let old = bench.connect(Version::V5_0, "c");
    bench.freeze(old);
    let new = bench.connect(Version::V5_0, "c");
    assert_eq!(bench.closed(old), None);
    bench.advance_secs(5);
    assert_eq!(bench.closed(old), Some(ReasonCode::SessionTakenOver));
    bench.disconnect(new);
    bench.assert_empty();
}

#[test]
fn a_refused_client_id_connection_or_session_has_its_reason_and_its_counter() {
    let mut bench = Bench::with_limits(|limits| {
        limits.maximum_client_id_bytes = 4;
        limits.maximum_connections = 2;
        limits.maximum_sessions = 2;
    });
    let refused = |bench: &mut Bench, client_id| {
        bench.try_connect(Version::V5_0, client_id, |_| {}).1.unwrap().reason_code
    };
    assert_eq!(refused(&mut bench, "five!"), ReasonCode::ClientIdentifierNotValid);
    let (a, _) = bench.connect_durably(Version::V5_0, "a");
    bench.connect(Version::V5_0, "b");
    assert_eq!(refused(&mut bench, "c"), ReasonCode::ServerBusy);
    bench.cut(a);
    assert_eq!(refused(&mut bench, "c"), ReasonCode::QuotaExceeded);
    assert!(bench.connect_durably(Version::V5_0, "a").1);
    assert_eq!(bench.broker.metrics().connects_refused, 3);
    let refusals = bench.take_events().iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    assert_eq!(refusals, 3);
}

#[test]
fn transports_that_never_connect_are_bounded_as_well() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_connections = 3);
    let connected = bench.connect(Version::V5_0, "c");
    let transports: Vec<_> = (0..10).map(|_| bench.open(Version::V5_0)).collect();
    bench.run();
    let closed = transports.iter().filter(|it| bench.closed(**it) == Some(ReasonCode::ServerBusy)).count();
    assert_eq!((closed, bench.broker.metrics().connects_refused), (7, 7));
    bench.ping(connected);
    bench.advance_secs(10);
    assert_eq!(bench.broker.metrics().connections, 1);
    bench.connect(Version::V5_0, "d");
}

#[test]
fn a_client_takes_its_own_connection_over_although_the_broker_is_full() {
    let mut bench = Bench::with_limits(|limits| limits.maximum_connections = 1);
    let old = bench.connect(Version::V5_0, "a");
    let new = bench.connect(Version::V5_0, "a");
    assert!(bench.closed(old).is_some());
    bench.ping(new);
}

#[test]
fn a_transport_that_says_nothing_is_closed_after_the_connect_time_out() {
    let mut bench = Bench::with_limits(|limits| limits.connect_timeout_ms = 3_000);
    let (silent, slow) = (bench.open(Version::V5_0), bench.open(Version::V5_0));
    bench.send_bytes(slow, &[0x10]);
    bench.advance_ms(2_999);
    assert_eq!((bench.closed(silent), bench.closed(slow)), (None, None));
    bench.advance_ms(1);
    assert!(bench.closed(silent).is_some() && bench.closed(slow).is_some());
    bench.assert_empty();
}

#[test]
fn a_silent_client_is_closed_after_one_and_a_half_keep_alives() {
    for version in VERSIONS {
        let mut bench = Bench::new();
        let (client, _) = bench.connect_with(version, "c", |connect| connect.keep_alive_secs = 10);
        bench.advance_ms(14_999);
        bench.ping(client);
        bench.advance_ms(14_999);
        assert_eq!(bench.closed(client), None);
        bench.advance_ms(1);
        assert_eq!(bench.closed(client), Some(ReasonCode::KeepAliveTimeout));
        let told = bench.rest(client);
        assert_eq!(told.len(), usize::from(version.is_v5()));
        bench.assert_empty();
    }
}

#[test]
fn half_a_packet_and_what_the_broker_sends_do_not_keep_a_client_alive() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect_with(Version::V5_0, "c", |connect| connect.keep_alive_secs = 10);
    bench.subscribe(client, "t", QoS::AtMostOnce);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.advance_secs(10);
    bench.send_bytes(client, &[0x30]);
    bench.publish(publisher, "t", "x", QoS::AtMostOnce);
    bench.advance_secs(5);
    assert_eq!(bench.closed(client), Some(ReasonCode::KeepAliveTimeout));
}

#[test]
fn keep_alive_zero_is_never_a_time_out_unless_the_broker_has_a_maximum() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.advance_secs(1_000_000);
    bench.ping(client);
    let mut bench = Bench::with_limits(|limits| limits.maximum_keep_alive_secs = 60);
    let (client, connack) = bench.connect_with(Version::V5_0, "c", |_| {});
    assert_eq!(connack.server_keep_alive_secs, Some(60));
    bench.advance_secs(90);
    assert_eq!(bench.closed(client), Some(ReasonCode::KeepAliveTimeout));
}

#[test]
fn shutting_down_tells_everybody_and_lets_nobody_in() {
    let mut bench = Bench::new();
    let (five, three) = (bench.connect(Version::V5_0, "5"), bench.connect(Version::V3_1_1, "3"));
    let half_open = bench.open(Version::V5_0);
    bench.shut_down();
    assert_eq!(bench.rest(five), [Got::Disconnect(ReasonCode::ServerShuttingDown)]);
    assert_eq!(bench.rest(three), []);
    for client in [five, three, half_open] {
        assert_eq!(bench.closed(client), Some(ReasonCode::ServerShuttingDown));
    }
    let (late, connack) = bench.try_connect(Version::V5_0, "late", |_| {});
    assert_eq!(connack.unwrap().reason_code, ReasonCode::ServerUnavailable);
    assert!(bench.closed(late).is_some());
    bench.assert_empty();
}

#[test]
fn the_host_can_end_a_client() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    assert!(!bench.disconnect_by_host("nobody", Farewell::new(ReasonCode::AdministrativeAction)));
    assert!(bench.disconnect_by_host("c", Farewell::new(ReasonCode::AdministrativeAction)));
    assert_eq!(bench.rest(client), [Got::Disconnect(ReasonCode::AdministrativeAction)]);
    assert!(!bench.disconnect_by_host("c", Farewell::new(ReasonCode::AdministrativeAction)));
}
