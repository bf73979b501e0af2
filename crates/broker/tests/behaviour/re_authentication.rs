//! A client that authenticates once more: what goes on meanwhile, and what becomes of one that cannot.

use topicwire_broker::{AuthenticationStep, Event, Verdict};
use topicwire_codec::{Auth, Packet, QoS, ReasonCode, Version, Will};

use crate::auth::*;

/// [MQTT-4.12.1-1] [MQTT-4.12.0-5]
#[test]
fn a_client_may_authenticate_again_and_its_other_packets_go_on_meanwhile() {
    let mut bench = bench();
    let client = let_in(&mut bench, "c");
    bench.subscribe(client, "t", QoS::AtMostOnce);
    send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
    let question = bench.question();
    assert_eq!(asked(&question), (AuthenticationStep::ReAuthenticate, "again".into(), "c", Some("ann")));
    assert!(!bench.is_held(client));
    bench.publish(client, "t", "while the method thinks", QoS::AtLeastOnce);
    assert_eq!(bench.texts(client), ["while the method thinks"]);
    bench.decide(&question, question.token, ask_on("what?"));
    assert_eq!(bench.rest(client), [auth(ReasonCode::ContinueAuthentication, Some("what?"))]);
    bench.publish(client, "t", "while the client thinks", QoS::AtLeastOnce);
    assert_eq!(bench.texts(client), ["while the client thinks"]);
    go_on(&mut bench, client, "that");
    let question = bench.question();
    assert_eq!(asked(&question).0, AuthenticationStep::Continue);
    bench.take_events();
    bench.decide(&question, question.token, content(Some("ann"), Some("farewell")));
    assert_eq!(bench.rest(client), [auth(ReasonCode::Success, Some("farewell"))]);
    let told = bench.take_events();
    assert!(
        matches!(&told[..], [Event::ReAuthenticated { client_id, reason_code: ReasonCode::Success, .. }]
            if &**client_id == "c"),
        "{told:?}"
    );
    // It was in time: nothing is left to run out.
    bench.advance_secs(100);
    bench.ping(client);
    bench.disconnect(client);
    bench.assert_empty();
}

/// [MQTT-4.12.1-2]
#[test]
fn a_re_authentication_that_fails_ends_the_connection_and_its_will_is_published() {
    for (reason_code, told) in [
        (ReasonCode::NotAuthorized, ReasonCode::NotAuthorized),
        // DISCONNECT has no word for it.
        (ReasonCode::BadUserNameOrPassword, ReasonCode::NotAuthorized),
    ] {
        let mut bench = bench();
        let watcher = bench.connect(Version::V5_0, "watcher");
        bench.subscribe(watcher, "will/c", QoS::AtMostOnce);
        let client = begin(&mut bench, "c", |connect| {
            connect.will = Some(Will { topic_name: "will/c", payload: b"gone", ..Will::default() });
        });
        bench.answer(Verdict::Allow);
        bench.rest(client);
        send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
        bench.answer(deny(reason_code));
        assert_disconnected(&mut bench, client, told);
        assert_eq!(bench.texts(watcher), ["gone"]);
        let codes: Vec<_> = bench
            .take_events()
            .into_iter()
            .filter_map(|event| match event {
                Event::ReAuthenticated { reason_code, .. } => Some(reason_code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [told]);
    }
}

#[test]
fn a_re_authentication_cannot_change_who_the_client_is() {
    let mut bench = bench();
    let client = let_in(&mut bench, "c");
    send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
    bench.answer(content(Some("bob"), None));
    assert_disconnected(&mut bench, client, ReasonCode::NotAuthorized);
}

/// [MQTT-4.12.0-5] [MQTT-4.12.1-1] [MQTT-3.15.2-1]
#[test]
fn an_auth_out_of_place_on_an_open_connection_ends_it_with_the_right_code() {
    let again = Auth::new(ReasonCode::ReAuthenticate, METHOD);
    let on = Auth::new(ReasonCode::ContinueAuthentication, METHOD);
    let other = Auth::new(ReasonCode::ReAuthenticate, "RIDDLE-PLUS");
    let cases = [
        ("data after success", vec![on], ReasonCode::ProtocolError),
        ("another method", vec![other], ReasonCode::BadAuthenticationMethod),
        ("a server's code", vec![Auth::new(ReasonCode::Success, METHOD)], ReasonCode::ProtocolError),
        ("a second one while the first runs", vec![again, again], ReasonCode::ProtocolError),
        ("out of turn", vec![again, on], ReasonCode::ProtocolError),
    ];
    for (what, packets, reason_code) in cases {
        let mut bench = bench();
        let client = let_in(&mut bench, "c");
        for packet in packets {
            bench.send(client, &Packet::Auth(packet));
        }
        assert_eq!(protocol_errors(&mut bench), [reason_code], "{what}");
        assert_disconnected(&mut bench, client, reason_code);
    }
}

#[test]
fn a_re_authentication_that_is_not_completed_in_time_ends_the_connection() {
    for keep_alive_secs in [0, 60] {
        for (is_clients_turn, reason_code) in
            [(true, ReasonCode::NotAuthorized), (false, ReasonCode::ServerBusy)]
        {
            let mut bench = bench();
            let client = begin(&mut bench, "c", |connect| connect.keep_alive_secs = keep_alive_secs);
            bench.answer(Verdict::Allow);
            bench.rest(client);
            bench.advance_secs(20);
            send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
            if is_clients_turn {
                bench.answer(ask_on("what?"));
                bench.rest(client);
            }
            // Other packets do not give it more time.
            bench.advance_secs(5);
            bench.ping(client);
            bench.advance_ms(4_999);
            assert_eq!(bench.closed(client), None);
            bench.advance_ms(1);
            assert_disconnected(&mut bench, client, reason_code);
            bench.assert_empty();
        }
    }
}

#[test]
fn keep_alive_goes_on_beside_a_re_authentication() {
    let mut bench = bench();
    let client = begin(&mut bench, "c", |connect| connect.keep_alive_secs = 4);
    bench.answer(Verdict::Allow);
    bench.rest(client);
    send_auth(&mut bench, client, ReasonCode::ReAuthenticate, "again");
    bench.advance_secs(6);
    assert_disconnected(&mut bench, client, ReasonCode::KeepAliveTimeout);
}
