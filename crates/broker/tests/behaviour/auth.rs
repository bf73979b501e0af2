//! Enhanced authentication up to CONNACK: whose turn it is, what ends it, and who is let in. `re_authentication.rs` goes on.

use topicwire_broker::{
    Acceptance, AuthenticationStep, Event, HookFilters, Question, Refusal, Secret, Subject, Verdict,
};
use topicwire_codec::{Auth, Connect, Disconnect, Packet, Publish, ReasonCode, Version, Will};

use crate::support::*;

pub(crate) const METHOD: &str = "RIDDLE";

fn riddles() -> HookFilters {
    HookFilters { enhanced_authentication: vec![METHOD.into()], ..HookFilters::default() }
}

pub(crate) fn bench() -> Bench {
    Bench::with_hooks(riddles())
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::from(text.as_bytes()))
}

pub(crate) fn ask_on(data: &str) -> Verdict {
    Verdict::Continue { data: secret(data) }
}

pub(crate) fn content(username: Option<&str>, data: Option<&str>) -> Verdict {
    let (username, data) = (username.map(Into::into), data.and_then(secret));
    Verdict::Authenticated { username, data, acceptance: Acceptance::default() }
}

pub(crate) fn deny(reason_code: ReasonCode) -> Verdict {
    Verdict::Deny(Refusal::from_code(reason_code))
}

/// Sends a CONNECT that names the method.
pub(crate) fn begin<'a>(bench: &mut Bench, client_id: &'a str, set: impl FnOnce(&mut Connect<'a>)) -> Client {
    let client = bench.open(Version::V5_0);
    let mut connect = Connect::new(Version::V5_0, client_id);
    connect.properties.authentication_method = Some(METHOD);
    connect.properties.authentication_data = Some(b"hello");
    set(&mut connect);
    bench.send(client, &Packet::Connect(connect));
    client
}

pub(crate) fn send_auth(bench: &mut Bench, client: Client, reason_code: ReasonCode, data: &str) {
    let auth = Auth { authentication_data: Some(data.as_bytes()), ..Auth::new(reason_code, METHOD) };
    bench.send(client, &Packet::Auth(auth));
}

pub(crate) fn go_on(bench: &mut Bench, client: Client, data: &str) {
    send_auth(bench, client, ReasonCode::ContinueAuthentication, data);
}

/// A client that the method has let in after one step.
pub(crate) fn let_in(bench: &mut Bench, client_id: &str) -> Client {
    let client = begin(bench, client_id, |_| {});
    bench.answer(content(Some("ann"), None));
    assert_eq!(connack(bench, client).reason_code, ReasonCode::Success);
    bench.take_events();
    client
}

fn connack(bench: &mut Bench, client: Client) -> GotConnack {
    let mut seen = bench.rest(client);
    assert_eq!(seen.len(), 1, "{seen:?}");
    match seen.remove(0) {
        Got::Connack(connack) => connack,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn auth(reason_code: ReasonCode, data: Option<&str>) -> Got {
    Got::Auth(GotAuth {
        reason_code,
        method: Some(METHOD.to_owned()),
        data: data.map(|data| data.as_bytes().to_vec()),
    })
}

/// What the method is asked, in the order step, data, client identifier, user name.
pub(crate) fn asked(question: &Question) -> (AuthenticationStep, String, &str, Option<&str>) {
    let Subject::EnhancedAuthentication { step, method, data, client_id, username } = &question.subject
    else {
        panic!("{question:?}")
    };
    assert_eq!(&**method, METHOD);
    let data = String::from_utf8(data.as_deref().unwrap_or_default().to_vec()).unwrap();
    (*step, data, client_id, username.as_deref())
}

/// Refused before CONNECT was accepted: CONNACK with the code, nothing else, and the end.
fn assert_refused(bench: &mut Bench, client: Client, reason_code: ReasonCode) {
    assert_eq!(connack(bench, client).reason_code, reason_code);
    assert_eq!(bench.closed(client), Some(reason_code));
    bench.assert_empty();
}

/// Ended after CONNECT was accepted: DISCONNECT with the code.
pub(crate) fn assert_disconnected(bench: &mut Bench, client: Client, reason_code: ReasonCode) {
    assert_eq!(bench.rest(client), [Got::Disconnect(reason_code)]);
    assert_eq!(bench.closed(client), Some(reason_code));
}

pub(crate) fn protocol_errors(bench: &mut Bench) -> Vec<ReasonCode> {
    let events = bench.take_events().into_iter().filter_map(|event| match event {
        Event::ProtocolError { reason_code, .. } => Some(reason_code),
        _ => None,
    });
    events.collect()
}

/// [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-3.15.2-1]
#[test]
fn auth_goes_back_and_forth_until_the_method_is_content_and_connack_has_its_last_words() {
    let mut bench = bench();
    let client = begin(&mut bench, "c", |connect| connect.username = Some("claimed"));
    let question = bench.question();
    assert_eq!(asked(&question), (AuthenticationStep::Start, "hello".into(), "c", Some("claimed")));
    assert!(!bench.is_held(client));
    assert_eq!(bench.rest(client), []);
    bench.decide(&question, question.token, ask_on("what?"));
    assert_eq!(bench.rest(client), [auth(ReasonCode::ContinueAuthentication, Some("what?"))]);
    go_on(&mut bench, client, "that");
    let question = bench.question();
    assert_eq!(asked(&question), (AuthenticationStep::Continue, "that".into(), "c", Some("claimed")));
    bench.decide(&question, question.token, ask_on("and?"));
    assert_eq!(bench.rest(client), [auth(ReasonCode::ContinueAuthentication, Some("and?"))]);
    go_on(&mut bench, client, "this");
    bench.answer(content(Some("ann"), Some("farewell")));
    let connack = connack(&mut bench, client);
    assert_eq!(connack.reason_code, ReasonCode::Success);
    assert_eq!(connack.authentication_method.as_deref(), Some(METHOD));
    assert_eq!(connack.authentication_data.as_deref(), Some(&b"farewell"[..]));
    let connected = bench.take_events().into_iter().find_map(|event| match event {
        Event::Connected { username, .. } => Some(username),
        _ => None,
    });
    assert_eq!(connected, Some(Some("ann".into())));
    bench.ping(client);
    bench.disconnect(client);
    bench.assert_empty();
}

#[test]
fn a_connect_is_accepted_as_it_was_sent_however_the_bytes_were_cut() {
    for chunk in [1, 2, 7] {
        let mut bench = bench().chunks(chunk);
        let client = begin(&mut bench, "", |connect| connect.keep_alive_secs = 7);
        bench.answer(ask_on("what?"));
        bench.rest(client);
        go_on(&mut bench, client, "that");
        let question = bench.question();
        assert_eq!(asked(&question).2, "");
        bench.decide(&question, question.token, Verdict::Allow);
        assert!(connack(&mut bench, client).assigned_client_id.is_some());
        bench.advance_secs(10);
        assert_eq!(bench.closed(client), None);
        bench.advance_secs(1);
        assert_eq!(bench.closed(client), Some(ReasonCode::KeepAliveTimeout));
        bench.assert_quiet();
    }
}

/// [MQTT-4.12.0-1]
#[test]
fn a_method_that_the_host_does_not_know_is_refused_without_a_question() {
    for known in [HookFilters::default(), riddles()] {
        let mut bench = Bench::with_hooks(known);
        let client = begin(&mut bench, "c", |connect| {
            connect.properties.authentication_method = Some("riddle");
        });
        assert!(!bench.has_question());
        assert_refused(&mut bench, client, ReasonCode::BadAuthenticationMethod);
    }
}

/// [MQTT-4.12.0-4]
#[test]
fn the_method_may_refuse_at_any_point_and_names_the_code() {
    for (reason_code, told) in [
        (ReasonCode::NotAuthorized, ReasonCode::NotAuthorized),
        (ReasonCode::BadAuthenticationMethod, ReasonCode::BadAuthenticationMethod),
        // What CONNACK cannot say is still a refusal.
        (ReasonCode::Success, ReasonCode::NotAuthorized),
        (ReasonCode::KeepAliveTimeout, ReasonCode::NotAuthorized),
    ] {
        for steps in 0..3 {
            let mut bench = bench();
            let client = begin(&mut bench, "c", |_| {});
            for _ in 0..steps {
                bench.answer(ask_on("more"));
                bench.rest(client);
                go_on(&mut bench, client, "no");
            }
            bench.answer(deny(reason_code));
            let refused = bench.take_events().into_iter().any(|event| matches!(event, Event::Refused { .. }));
            assert!(refused);
            assert_refused(&mut bench, client, told);
        }
    }
}

#[test]
fn an_answer_to_another_kind_of_question_lets_nobody_in() {
    for verdict in [Verdict::Discard, Verdict::Filters(vec![None]), Verdict::Replace(<_>::default())] {
        let mut bench = bench();
        let client = begin(&mut bench, "c", |_| {});
        bench.answer(verdict);
        assert_refused(&mut bench, client, ReasonCode::NotAuthorized);
    }
    for verdict in [ask_on("more"), content(Some("ann"), None)] {
        let mut bench = Bench::with_hooks(HookFilters { authenticate: true, ..HookFilters::default() });
        let client = bench.open(Version::V5_0);
        bench.send(client, &Packet::Connect(Connect::new(Version::V5_0, "c")));
        bench.answer(verdict);
        assert_refused(&mut bench, client, ReasonCode::NotAuthorized);
    }
}

/// [MQTT-3.1.2-30]
#[test]
fn nothing_but_auth_and_disconnect_may_come_before_connack() {
    let others = [
        Packet::Pingreq,
        Packet::Publish(Publish::new("t", b"m")),
        Packet::Connect(Connect::new(Version::V5_0, "c")),
    ];
    for other in &others {
        for is_methods_turn in [true, false] {
            let mut bench = bench();
            let client = begin(&mut bench, "c", |_| {});
            if !is_methods_turn {
                bench.answer(ask_on("what?"));
                bench.rest(client);
            }
            bench.send(client, other);
            assert_eq!(protocol_errors(&mut bench), [ReasonCode::ProtocolError]);
            assert_refused(&mut bench, client, ReasonCode::ProtocolError);
        }
    }
}

/// [MQTT-3.1.2-30]
#[test]
fn a_packet_that_is_pipelined_behind_connect_is_too_early_also_while_the_store_is_waited_for() {
    let mut bench = bench();
    let client = bench.open(Version::V5_0);
    let mut connect = Connect::new(Version::V5_0, "c");
    connect.properties.authentication_method = Some(METHOD);
    let mut bytes = encoded(&Packet::Connect(connect), Version::V5_0);
    bytes.extend(encoded(&Packet::Pingreq, Version::V5_0));
    bench.send_bytes(client, &bytes);
    assert_refused(&mut bench, client, ReasonCode::ProtocolError);

    for (packet, reason_code) in [
        (Packet::Pingreq, ReasonCode::ProtocolError),
        (Packet::Auth(Auth::new(ReasonCode::ReAuthenticate, METHOD)), ReasonCode::ProtocolError),
        (
            Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)),
            ReasonCode::NORMAL_DISCONNECTION,
        ),
    ] {
        let mut bench = Bench::durable_with_hooks(Commits::ByHand, riddles());
        let client = begin(&mut bench, "c", keep_session);
        bench.answer(Verdict::Allow);
        assert_eq!(bench.rest(client), []);
        bench.send(client, &packet);
        assert_eq!(bench.rest(client), []);
        assert_eq!(bench.closed(client), Some(reason_code));
    }
}

#[test]
fn disconnect_ends_an_authentication_quietly_and_a_late_answer_does_nothing() {
    let mut bench = bench();
    let client = begin(&mut bench, "c", |_| {});
    let question = bench.question();
    bench.disconnect(client);
    assert_eq!(bench.rest(client), []);
    assert!(bench.closed(client).is_some());
    bench.decide(&question, question.token, Verdict::Allow);
    assert_eq!(bench.take_events().len(), 0);
    bench.assert_empty();

    // The same connection key, and another client.
    let other = begin(&mut bench, "d", |_| {});
    bench.decide(&question, question.token, Verdict::Allow);
    assert_eq!(bench.rest(other), []);
}

/// [MQTT-3.15.2-1] [MQTT-4.12.0-3] [MQTT-4.12.0-5]
#[test]
fn an_auth_out_of_place_before_connack_is_refused_with_the_right_code() {
    let cases = [
        (Auth::new(ReasonCode::ReAuthenticate, METHOD), ReasonCode::ProtocolError),
        (Auth::new(ReasonCode::Success, METHOD), ReasonCode::ProtocolError),
        (Auth::new(ReasonCode::ContinueAuthentication, "RIDDLE-PLUS"), ReasonCode::BadAuthenticationMethod),
    ];
    for (packet, reason_code) in cases {
        let mut bench = bench();
        let client = begin(&mut bench, "c", |_| {});
        bench.answer(ask_on("what?"));
        bench.rest(client);
        bench.send(client, &Packet::Auth(packet));
        assert!(!bench.has_question());
        assert_refused(&mut bench, client, reason_code);
    }
    // While the method decides, the client is not to speak; nor to say Success, which two bytes do.
    for bytes in
        [&[0xF0, 0x00][..], &[0xF0, 0x0B, 0x18, 0x09, 0x15, 0, 6, b'R', b'I', b'D', b'D', b'L', b'E']]
    {
        let mut bench = bench();
        let client = begin(&mut bench, "c", |_| {});
        bench.send_bytes(client, bytes);
        assert_refused(&mut bench, client, ReasonCode::ProtocolError);
    }
}

/// [MQTT-3.15.1-1]
#[test]
fn a_malformed_auth_is_refused_before_connack_and_disconnected_after_it() {
    let bytes = [0xF1, 0x00];
    let mut fresh = bench();
    let client = begin(&mut fresh, "c", |_| {});
    fresh.answer(ask_on("what?"));
    fresh.rest(client);
    fresh.send_bytes(client, &bytes);
    assert_refused(&mut fresh, client, ReasonCode::MalformedPacket);

    let mut open = bench();
    let client = let_in(&mut open, "c");
    open.send_bytes(client, &bytes);
    assert_disconnected(&mut open, client, ReasonCode::MalformedPacket);
}

/// [MQTT-4.12.0-6] [MQTT-4.12.0-7]
#[test]
fn without_a_method_in_connect_there_is_no_auth_in_either_direction() {
    let mut bench = bench();
    let (client, connack) = bench.connect_with(Version::V5_0, "c", |_| {});
    assert_eq!((connack.authentication_method, connack.authentication_data), (None, None));
    assert!(!bench.has_question());
    send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "hello");
    assert!(!bench.has_question());
    assert_disconnected(&mut bench, client, ReasonCode::ProtocolError);
}

#[test]
fn the_connect_timeout_covers_the_whole_exchange_whoever_is_slow() {
    let mut client_is_slow = Bench::build(quiet_config(), riddles());
    let client = begin(&mut client_is_slow, "c", |_| {});
    client_is_slow.advance_secs(5);
    client_is_slow.answer(ask_on("what?"));
    client_is_slow.rest(client);
    client_is_slow.advance_ms(4_999);
    assert_eq!(client_is_slow.closed(client), None);
    client_is_slow.advance_ms(1);
    assert_refused(&mut client_is_slow, client, ReasonCode::NotAuthorized);

    let mut host_is_slow = bench();
    let client = begin(&mut host_is_slow, "c", |_| {});
    host_is_slow.advance_secs(10);
    assert_refused(&mut host_is_slow, client, ReasonCode::ServerBusy);
}

#[test]
fn a_method_may_ask_the_client_on_as_often_as_the_limit_says() {
    let mut config = quiet_config();
    config.limits.maximum_authentication_rounds = 2;
    let mut bench = Bench::build(config, riddles());
    let client = begin(&mut bench, "c", |_| {});
    for _ in 0..2 {
        bench.answer(ask_on("more"));
        assert_eq!(bench.rest(client), [auth(ReasonCode::ContinueAuthentication, Some("more"))]);
        go_on(&mut bench, client, "here");
    }
    bench.answer(ask_on("more"));
    assert_refused(&mut bench, client, ReasonCode::QuotaExceeded);

    // Each re-authentication has as many again.
    let client = let_in(&mut bench, "c");
    for _ in 0..2 {
        send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
        for _ in 0..2 {
            bench.answer(ask_on("more"));
            bench.rest(client);
            go_on(&mut bench, client, "here");
        }
        bench.answer(Verdict::Allow);
        assert_eq!(bench.rest(client), [auth(ReasonCode::Success, None)]);
    }
    send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
    for _ in 0..2 {
        bench.answer(ask_on("more"));
        bench.rest(client);
        go_on(&mut bench, client, "here");
    }
    bench.answer(ask_on("more"));
    assert_disconnected(&mut bench, client, ReasonCode::QuotaExceeded);
}

#[test]
fn what_is_held_for_somebody_who_is_not_let_in_is_bounded_and_counted() {
    let mut config = quiet_config();
    config.limits.maximum_connect_packet_bytes = 200;
    let mut bench = Bench::build(config, riddles());
    let client = begin(&mut bench, "c", |connect| connect.password = Some(&[1; 100]));
    let kept = bench.broker.metrics().input_bytes;
    assert!((100..200).contains(&kept), "{kept}");
    bench.answer(ask_on("what?"));
    bench.rest(client);
    assert_eq!(bench.broker.metrics().input_bytes, kept);
    // AUTH is bounded as CONNECT is, as long as nobody has been let in.
    go_on(&mut bench, client, &"x".repeat(200));
    assert_eq!(bench.broker.metrics().input_bytes, 0);
    assert_refused(&mut bench, client, ReasonCode::PacketTooLarge);

    let client = let_in(&mut bench, "c");
    assert_eq!(bench.broker.metrics().input_bytes, 0);
    send_auth(&mut bench, client, ReasonCode::ReAuthenticate, &"x".repeat(200));
    bench.answer(Verdict::Allow);
    assert_eq!(bench.rest(client), [auth(ReasonCode::Success, None)]);
}

/// [MQTT-3.1.2-24] [MQTT-3.15.2-2] [MQTT-3.15.2-3]
#[test]
fn what_is_larger_than_the_client_takes_is_not_sent_and_the_authentication_fails() {
    let long = "x".repeat(100);
    let small = |connect: &mut Connect<'_>| connect.properties.maximum_packet_size = Some(60);
    for verdict in [ask_on(&long), content(None, Some(&long))] {
        let mut bench = bench();
        let client = begin(&mut bench, "c", small);
        bench.answer(verdict);
        assert_refused(&mut bench, client, ReasonCode::PacketTooLarge);
    }
    for verdict in [ask_on(&long), content(None, Some(&long))] {
        let mut bench = bench();
        let client = begin(&mut bench, "c", small);
        bench.answer(ask_on(&"x".repeat(30)));
        assert_eq!(bench.rest(client).len(), 1);
        go_on(&mut bench, client, "here");
        bench.answer(Verdict::Allow);
        assert_eq!(connack(&mut bench, client).reason_code, ReasonCode::Success);
        send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
        bench.answer(verdict);
        assert_disconnected(&mut bench, client, ReasonCode::PacketTooLarge);
    }
}

#[test]
fn data_that_no_property_can_hold_is_the_hosts_mistake_and_a_refusal() {
    let long = "x".repeat(65_536);
    for verdict in [ask_on(&long), content(None, Some(&long))] {
        let mut bench = bench();
        let client = begin(&mut bench, "c", |_| {});
        bench.answer(verdict);
        assert_refused(&mut bench, client, ReasonCode::ImplementationSpecificError);
    }
}

#[test]
fn a_will_is_asked_about_once_the_method_is_content_and_authenticate_is_not_asked() {
    let hooks = HookFilters { authenticate: true, authorize_publish: vec!["#".into()], ..riddles() };
    for is_allowed in [true, false] {
        let mut bench = Bench::with_hooks(hooks.clone());
        let client = begin(&mut bench, "c", |connect| {
            connect.will = Some(Will { topic_name: "will/c", payload: b"gone", ..Will::default() });
        });
        bench.answer(ask_on("what?"));
        bench.rest(client);
        go_on(&mut bench, client, "that");
        bench.answer(content(None, Some("farewell")));
        assert_eq!(bench.rest(client), []);
        let question = bench.question();
        let Subject::Publish { is_will: true, authorize: true, topic_name, .. } = &question.subject else {
            panic!("{question:?}")
        };
        assert_eq!(&**topic_name, "will/c");
        let verdict = if is_allowed { Verdict::Allow } else { deny(ReasonCode::NotAuthorized) };
        bench.decide(&question, question.token, verdict);
        let connack = connack(&mut bench, client);
        assert_eq!(connack.reason_code.is_error(), !is_allowed);
        assert_eq!(connack.authentication_data.is_some(), is_allowed);
        bench.cut(client);
        assert!(!bench.has_question());
        bench.assert_empty();
    }
}

/// [MQTT-3.1.2-30]
#[test]
fn a_packet_while_the_will_is_asked_about_is_too_early() {
    let mut bench = Bench::with_hooks(HookFilters { authorize_publish: vec!["#".into()], ..riddles() });
    let client = begin(&mut bench, "c", |connect| {
        connect.will = Some(Will { topic_name: "will/c", payload: b"gone", ..Will::default() });
    });
    bench.answer(Verdict::Allow);
    let question = bench.question();
    go_on(&mut bench, client, "more");
    bench.decide(&question, question.token, Verdict::Allow);
    assert_refused(&mut bench, client, ReasonCode::ProtocolError);
}

#[test]
fn limits_are_checked_again_when_the_method_is_content() {
    let mut config = quiet_config();
    config.limits.maximum_connections = 2;
    let mut bench = Bench::build(config, riddles());
    let_in(&mut bench, "there before");
    let first = begin(&mut bench, "first", |_| {});
    let first_question = bench.question();
    let second = let_in(&mut bench, "second");
    bench.decide(&first_question, first_question.token, Verdict::Allow);
    assert_eq!(connack(&mut bench, first).reason_code, ReasonCode::ServerBusy);
    bench.ping(second);
}

#[test]
fn secrets_do_not_show_in_debug() {
    let mut bench = bench();
    begin(&mut bench, "c", |connect| connect.properties.authentication_data = Some(b"geheim"));
    let question = bench.question();
    let verdict = content(None, Some("geheim"));
    for shown in [format!("{question:?}"), format!("{verdict:?}")] {
        assert!(shown.contains("<6 bytes>"), "{shown}");
        assert!(!shown.contains("geheim") && !shown.contains("103, 101"), "{shown}");
    }
}
