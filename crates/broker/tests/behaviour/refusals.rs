//! What those are told who are refused or sent away: by hooks, by the host, by the broker that goes down; and what those
//! are told who are let in.

use topicwire_broker::{Acceptance, Event, Farewell, HookFilters, Refusal, Verdict};
use topicwire_codec::{Connect, Packet, QoS, ReasonCode, Version, Will};

use crate::support::*;

const ELSEWHERE: &str = "mqtt2.example.org:1883";

fn asking() -> Bench {
    let all = vec![Box::from("#")];
    Bench::with_hooks(HookFilters {
        authenticate: true,
        authorize_publish: all.clone(),
        authorize_subscribe: all,
        ..HookFilters::default()
    })
}

fn refusal(reason_code: ReasonCode, reason: &str) -> Refusal {
    Refusal { reason: Some(reason.to_owned().into()), ..Refusal::from_code(reason_code) }
}

fn moved(reason_code: ReasonCode) -> Refusal {
    Refusal { server_reference: Some(ELSEWHERE.into()), ..refusal(reason_code, "see there") }
}

/// Sends a CONNECT that waits for the hook.
fn dial<'a>(bench: &mut Bench, version: Version, set: impl FnOnce(&mut Connect<'a>)) -> Client {
    let client = bench.open(version);
    let mut connect = Connect::new(version, "c");
    set(&mut connect);
    bench.send(client, &Packet::Connect(connect));
    client
}

/// A client that the hook lets in.
fn let_in<'a>(bench: &mut Bench, set: impl FnOnce(&mut Connect<'a>)) -> Client {
    let client = dial(bench, Version::V5_0, set);
    bench.answer(Verdict::Allow);
    assert!(matches!(bench.next(client), Got::Connack(_)));
    client
}

fn connack_code(bench: &mut Bench, client: Client) -> ReasonCode {
    match bench.next(client) {
        Got::Connack(connack) => connack.reason_code,
        other => panic!("{other:?}"),
    }
}

fn said(reason: &str) -> Words {
    Words { reason: Some(reason.into()), ..Words::default() }
}

#[test]
fn a_hooks_reason_reaches_the_refused_client_and_the_log() {
    let mut bench = asking();
    let client = dial(&mut bench, Version::V5_0, |_| {});
    bench.answer(Verdict::Deny(refusal(ReasonCode::Banned, "banned until Monday")));
    assert_eq!(connack_code(&mut bench, client), ReasonCode::Banned);
    assert_eq!(bench.words(client), said("banned until Monday"));
    let logged = bench.take_events().into_iter().find_map(|event| match event {
        Event::Refused { detail, .. } => Some(detail),
        _ => None,
    });
    assert_eq!(logged.as_deref(), Some("banned until Monday"));
    assert!(bench.closed(client).is_some());
}

/// [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.9.2-1] [MQTT-3.1.2-29]
#[test]
fn a_hooks_reason_goes_into_puback_pubrec_and_suback_unless_the_client_wants_none() {
    for wants_reasons in [true, false] {
        let mut bench = asking();
        let client = let_in(&mut bench, |connect| {
            connect.properties.request_problem_information = Some(wants_reasons);
        });
        let expected = if wants_reasons { said("not here") } else { Words::default() };
        let deny = || Verdict::Deny(refusal(ReasonCode::NotAuthorized, "not here"));
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            bench.send_publish(client, "t", b"m", qos, |_| {});
            bench.answer(deny());
            assert_eq!(bench.words(client), expected, "{qos:?}");
        }
        bench.send_subscribe(client, &[line("a", QoS::AtMostOnce)], None);
        bench.answer(Verdict::Filters(vec![Some(refusal(ReasonCode::NotAuthorized, "not here"))]));
        assert_eq!(bench.words(client), expected);
        let codes: Vec<_> = bench.rest(client);
        assert_eq!(
            codes,
            [
                Got::Puback(1, ReasonCode::NotAuthorized),
                Got::Pubrec(2, ReasonCode::NotAuthorized),
                Got::Suback(3, vec![ReasonCode::NotAuthorized]),
            ]
        );
    }
}

#[test]
fn the_one_reason_of_a_suback_is_about_the_first_filter_that_was_refused() {
    let mut bench = asking();
    let client = let_in(&mut bench, |_| {});
    let filters = ["a", "b", "c"].map(|filter| line(filter, QoS::AtMostOnce));
    bench.send_subscribe(client, &filters, None);
    let refused = |reason| Some(refusal(ReasonCode::NotAuthorized, reason));
    bench.answer(Verdict::Filters(vec![None, refused("not yours"), refused("not his")]));
    assert_eq!(bench.words(client), said("filter 2: not yours"));
}

/// [MQTT-3.2.2-19]
#[test]
fn what_makes_a_connack_too_large_is_left_out_the_sentence_first() {
    // Header, codes and property length; the Server Reference; the Reason String.
    let (bare, with_reference, whole) = (5, 5 + 25, 5 + 25 + 12);
    for maximum in 1..60 {
        let mut bench = asking();
        let client = dial(&mut bench, Version::V5_0, |connect| {
            connect.properties.maximum_packet_size = Some(100);
        });
        bench.answer(Verdict::Deny(moved(ReasonCode::ServerMoved)));
        assert_eq!(bench.received_bytes(client), whole);

        let client = dial(&mut bench, Version::V5_0, |connect| {
            connect.properties.maximum_packet_size = Some(maximum);
        });
        // A client that could not even be let in is refused before the hook is asked.
        if bench.has_question() {
            bench.answer(Verdict::Deny(moved(ReasonCode::ServerMoved)));
            let received = bench.received_bytes(client);
            let expected =
                [whole, with_reference, bare].into_iter().find(|length| *length <= maximum as usize);
            assert_eq!(received, expected.unwrap_or(0), "{maximum}");
            assert_eq!(bench.words(client).server_reference.is_some(), received >= with_reference);
        }
        assert!(bench.received_bytes(client) <= maximum as usize);
        assert!(bench.closed(client).is_some());
    }
}

#[test]
fn a_hook_sends_clients_to_another_server_as_far_as_their_version_has_words() {
    for (reason_code, has_reference) in
        [(ReasonCode::UseAnotherServer, true), (ReasonCode::ServerMoved, true), (ReasonCode::Banned, false)]
    {
        let mut bench = asking();
        let client = dial(&mut bench, Version::V5_0, |_| {});
        bench.answer(Verdict::Deny(moved(reason_code)));
        assert_eq!(connack_code(&mut bench, client), reason_code);
        let expected = has_reference.then(|| ELSEWHERE.to_owned());
        assert_eq!(bench.words(client).server_reference, expected);
        assert_eq!(bench.closed(client), Some(reason_code));
    }
    let mut bench = asking();
    let client = dial(&mut bench, Version::V3_1_1, |_| {});
    bench.answer(Verdict::Deny(moved(ReasonCode::UseAnotherServer)));
    assert_eq!(connack_code(&mut bench, client), ReasonCode::ServerUnavailable);
}

/// [MQTT-3.14.2-3]
#[test]
fn the_host_sends_a_connected_client_to_another_server() {
    // The code; the Server Reference; the Reason String.
    for (maximum, has_reason, has_reference) in
        [(u32::MAX, true, true), (41, true, true), (40, false, true), (29, false, true), (28, false, false)]
    {
        let mut bench = Bench::new();
        let (client, _) = bench.connect_with(Version::V5_0, "c", |connect| {
            connect.properties.maximum_packet_size = Some(maximum);
        });
        let farewell = Farewell {
            reason_code: ReasonCode::UseAnotherServer,
            reason: Some("see there"),
            server_reference: Some(ELSEWHERE),
        };
        assert!(bench.disconnect_by_host("c", farewell));
        assert_eq!(bench.rest(client), [Got::Disconnect(ReasonCode::UseAnotherServer)]);
        let words = bench.words(client);
        assert_eq!((words.reason.is_some(), words.server_reference.is_some()), (has_reason, has_reference));
        assert_eq!(bench.closed(client), Some(ReasonCode::UseAnotherServer));
    }
}

/// [MQTT-3.14.2-1]
#[test]
fn a_farewell_that_disconnect_has_no_words_for_is_told_without_them() {
    let mut bench = Bench::new();
    for (reason_code, told) in [
        (ReasonCode::ServerBusy, ReasonCode::ServerBusy),
        (ReasonCode::BadUserNameOrPassword, ReasonCode::UnspecifiedError),
    ] {
        let client = bench.connect(Version::V5_0, "c");
        let farewell = Farewell {
            reason: Some("a\0b"),
            server_reference: Some(ELSEWHERE),
            ..Farewell::new(reason_code)
        };
        assert!(bench.disconnect_by_host("c", farewell));
        assert_eq!(bench.rest(client), [Got::Disconnect(told)]);
        assert_eq!(bench.words(client), Words::default());
    }
}

#[test]
fn a_broker_that_goes_down_sends_everybody_to_the_other_server_also_those_who_come_now() {
    let mut bench = Bench::new();
    let (five, three) = (bench.connect(Version::V5_0, "5"), bench.connect(Version::V3_1_1, "3"));
    bench.shut_down_with(Farewell {
        server_reference: Some(ELSEWHERE),
        ..Farewell::new(ReasonCode::UseAnotherServer)
    });
    assert_eq!(bench.rest(five), [Got::Disconnect(ReasonCode::UseAnotherServer)]);
    assert_eq!(bench.words(five).server_reference.as_deref(), Some(ELSEWHERE));
    assert_eq!((bench.rest(three), bench.closed(three)), (vec![], Some(ReasonCode::UseAnotherServer)));
    let (late, connack) = bench.try_connect(Version::V5_0, "late", |_| {});
    assert_eq!(connack.unwrap().reason_code, ReasonCode::UseAnotherServer);
    assert_eq!(bench.words(late).server_reference.as_deref(), Some(ELSEWHERE));
}

/// [MQTT-3.1.2-28]
#[test]
fn a_hook_gives_a_client_that_asks_response_information_of_its_own() {
    for (asks, of_hook, expected) in [
        (Some(true), Some("own/%c"), Some("own/%c")),
        (Some(true), None, Some("all/c")),
        (Some(false), Some("own/%c"), None),
        (None, Some("own/%c"), None),
    ] {
        let mut config = quiet_config();
        config.response_information = Some("all/%c".to_owned());
        let mut bench = Bench::build(config, HookFilters { authenticate: true, ..HookFilters::default() });
        let client = dial(&mut bench, Version::V5_0, |connect| {
            connect.properties.request_response_information = asks;
        });
        bench.answer(Verdict::Accept(Acceptance { response_information: of_hook.map(Into::into) }));
        assert_eq!(connack_code(&mut bench, client), ReasonCode::Success);
        assert_eq!(bench.words(client).response_information.as_deref(), expected);
    }
}

#[test]
fn response_information_outlasts_the_question_about_the_will() {
    let mut bench = asking();
    let client = dial(&mut bench, Version::V5_0, |connect| {
        connect.properties.request_response_information = Some(true);
        connect.will = Some(Will { topic_name: "w", ..Will::default() });
    });
    bench.answer(Verdict::Accept(Acceptance { response_information: Some("own".into()) }));
    bench.answer(Verdict::Allow);
    assert_eq!(connack_code(&mut bench, client), ReasonCode::Success);
    assert_eq!(bench.words(client).response_information.as_deref(), Some("own"));
}
