//! Hooks: what is asked, what waits meanwhile, and what each answer does.

use topicwire_broker::{HookFilters, Refusal, Replacement, Subject, Verdict};
use topicwire_codec::{Connect, Packet, PublishProperties, QoS, ReasonCode, Version, Will};

use crate::support::*;

fn filters(filters: &[&str]) -> Vec<Box<str>> {
    filters.iter().map(|filter| Box::from(*filter)).collect()
}

fn authenticating() -> Bench {
    Bench::with_hooks(HookFilters { authenticate: true, ..HookFilters::default() })
}

fn deny(reason_code: ReasonCode) -> Verdict {
    Verdict::Deny(Refusal::from_code(reason_code))
}

/// Sends a CONNECT and does not expect an answer yet.
fn ask_in(bench: &mut Bench, client_id: &str) -> Client {
    let client = bench.open(Version::V5_0);
    bench.send(client, &Packet::Connect(Connect::new(Version::V5_0, client_id)));
    client
}

#[test]
fn authenticate_sees_what_connect_says_and_lets_in_or_refuses() {
    let mut bench = authenticating();
    let mut connect = Connect::new(Version::V5_0, "c");
    (connect.username, connect.password) = (Some("user"), Some(b"secret".as_slice()));
    let client = bench.open(Version::V5_0);
    bench.send(client, &Packet::Connect(connect));
    assert!(bench.is_held(client));
    assert_eq!(bench.rest(client), []);
    let question = bench.question();
    let Subject::Authenticate { client_id, username, password, clean_start, .. } = &question.subject else {
        panic!("{question:?}")
    };
    assert_eq!((&**client_id, username.as_deref(), *clean_start), ("c", Some("user"), true));
    assert_eq!(password.as_deref(), Some(&b"secret"[..]));
    bench.decide(&question, question.token, Verdict::Allow);
    assert!(!bench.is_held(client));
    assert!(
        matches!(bench.next(client), Got::Connack(connack) if connack.reason_code == ReasonCode::Success)
    );

    let refused = ask_in(&mut bench, "d");
    bench.answer(deny(ReasonCode::BadUserNameOrPassword));
    assert!(
        matches!(bench.next(refused), Got::Connack(it) if it.reason_code == ReasonCode::BadUserNameOrPassword)
    );
    assert_eq!(bench.closed(refused), Some(ReasonCode::BadUserNameOrPassword));
    assert_eq!(bench.broker.session_count(), 1);
}

#[test]
fn a_refusal_that_its_packet_cannot_say_becomes_not_authorized_and_never_silence() {
    for reason_code in [ReasonCode::Success, ReasonCode::KeepAliveTimeout] {
        let mut bench = Bench::with_hooks(HookFilters {
            authenticate: true,
            authorize_publish: filters(&["#"]),
            authorize_subscribe: filters(&["#"]),
            ..HookFilters::default()
        });
        let refused = ask_in(&mut bench, "c");
        bench.answer(deny(reason_code));
        assert!(
            matches!(bench.next(refused), Got::Connack(it) if it.reason_code == ReasonCode::NotAuthorized)
        );
        let client = ask_in(&mut bench, "c");
        bench.answer(Verdict::Allow);
        bench.rest(client);
        let id = bench.send_subscribe(client, &[line("t", QoS::AtMostOnce)], None);
        bench.answer(deny(reason_code));
        assert_eq!(bench.rest(client), [Got::Suback(id, vec![ReasonCode::NotAuthorized])]);
        let id = bench.send_publish(client, "t", b"m", QoS::AtLeastOnce, |_| {});
        bench.answer(deny(reason_code));
        assert_eq!(bench.expect_puback(client, id), ReasonCode::NotAuthorized);
    }
}

#[test]
fn later_packets_wait_behind_a_question_and_other_connections_go_on() {
    let mut bench = authenticating();
    let slow = ask_in(&mut bench, "slow");
    let first = bench.question();
    // Pipelined behind the CONNECT.
    bench.send(slow, &Packet::Publish(topicwire_codec::Publish::new("t", b"1")));
    bench.send(slow, &Packet::Pingreq);
    let quick = ask_in(&mut bench, "quick");
    bench.answer(Verdict::Allow);
    bench.rest(quick);
    bench.subscribe(quick, "t", QoS::AtMostOnce);
    bench.ping(quick);
    assert_eq!(bench.texts(quick), Vec::<String>::new());
    bench.decide(&first, first.token, Verdict::Allow);
    assert_eq!(bench.texts(quick), ["1"]);
    let seen = bench.rest(slow);
    assert!(matches!(seen[..], [Got::Connack(_), Got::Pingresp]), "{seen:?}");
}

#[test]
fn an_answer_to_another_question_is_ignored() {
    let mut bench = authenticating();
    let first = ask_in(&mut bench, "a");
    let stale = bench.question();
    bench.cut(first);
    // The same key again, and its first question as well.
    let second = ask_in(&mut bench, "b");
    let question = bench.question();
    assert_eq!(question.connection, stale.connection);
    bench.decide(&stale, stale.token, Verdict::Allow);
    assert!(bench.is_held(second));
    assert_eq!(bench.rest(second), []);
    bench.decide(&question, question.token, Verdict::Allow);
    assert!(!bench.is_held(second));
    bench.decide(&question, question.token, deny(ReasonCode::Banned));
    bench.rest(second);
    bench.ping(second);
}

#[test]
fn limits_are_checked_again_when_the_answer_comes() {
    let mut config = quiet_config();
    config.limits.maximum_connections = 3;
    let mut bench = Bench::build(config, HookFilters { authenticate: true, ..HookFilters::default() });
    let first = ask_in(&mut bench, "first");
    bench.answer(Verdict::Allow);
    bench.rest(first);
    let clients: Vec<_> = (0..3).map(|n| ask_in(&mut bench, &n.to_string())).collect();
    for _ in &clients {
        bench.answer(Verdict::Allow);
    }
    let codes: Vec<_> = clients
        .iter()
        .map(|client| match bench.next(*client) {
            Got::Connack(connack) => connack.reason_code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [ReasonCode::Success, ReasonCode::Success, ReasonCode::ServerBusy]);
    assert_eq!(bench.broker.metrics().clients_connected, 3);
}

#[test]
fn a_connection_that_ends_takes_its_question_along() {
    let mut bench = authenticating();
    let client = ask_in(&mut bench, "c");
    let question = bench.question();
    bench.cut(client);
    bench.decide(&question, question.token, Verdict::Allow);
    bench.assert_empty();
}

#[test]
fn a_wait_for_a_hook_is_not_the_clients_silence() {
    let mut bench = Bench::with_hooks(HookFilters { on_publish: filters(&["t"]), ..HookFilters::default() });
    let (client, _) = bench.connect_with(Version::V5_0, "c", |connect| connect.keep_alive_secs = 10);
    bench.send_publish(client, "t", b"m", QoS::AtMostOnce, |_| {});
    bench.advance_secs(100);
    assert_eq!(bench.closed(client), None);
    bench.answer(Verdict::Allow);
    bench.advance_secs(14);
    assert_eq!(bench.closed(client), None);
    bench.advance_secs(1);
    assert_eq!(bench.closed(client), Some(ReasonCode::KeepAliveTimeout));
}

#[test]
fn only_topics_that_match_a_hook_are_asked_about() {
    let mut bench = Bench::with_hooks(HookFilters {
        authorize_publish: filters(&["secret/#"]),
        on_publish: filters(&["+/changed"]),
        ..HookFilters::default()
    });
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "#", QoS::AtMostOnce);
    for (topic_name, asked) in [
        ("open", None),
        ("secret/x", Some((true, false))),
        ("a/changed", Some((false, true))),
        ("secret/changed", Some((true, true))),
    ] {
        bench.send_publish(client, topic_name, b"m", QoS::AtMostOnce, |_| {});
        assert_eq!(bench.has_question(), asked.is_some(), "{topic_name}");
        if let Some(expected) = asked {
            let question = bench.question();
            let Subject::Publish { authorize, on_publish, topic_name: name, payload, is_will, .. } =
                &question.subject
            else {
                panic!("{question:?}")
            };
            assert_eq!(
                (*authorize, *on_publish, &**name, &**payload, *is_will),
                (expected.0, expected.1, topic_name, &b"m"[..], false)
            );
            bench.decide(&question, question.token, Verdict::Allow);
        }
        assert_eq!(bench.publish_of(client).topic_name, topic_name);
    }
}

#[test]
fn a_publish_can_be_denied_discarded_and_replaced() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut bench =
            Bench::with_hooks(HookFilters { on_publish: filters(&["t"]), ..HookFilters::default() });
        let client = bench.connect(Version::V5_0, "c");
        let watcher = bench.connect(Version::V5_0, "watcher");
        bench.subscribe_as(watcher, "#", QoS::ExactlyOnce, |options| options.retain_as_published = true);
        let ask = |bench: &mut Bench, verdict: Verdict| {
            let id = bench.send_publish(client, "t", b"m", qos, |publish| {
                publish.properties.content_type = Some("text/plain");
            });
            bench.answer(verdict);
            match qos {
                QoS::ExactlyOnce => bench.expect_pubrec(client, id),
                _ => bench.expect_puback(client, id),
            }
        };
        assert_eq!(ask(&mut bench, deny(ReasonCode::PayloadFormatInvalid)), ReasonCode::PayloadFormatInvalid);
        assert_eq!(ask(&mut bench, Verdict::Discard), ReasonCode::Success);
        assert_eq!(bench.publishes(watcher), []);
        assert_eq!(bench.broker.metrics().publish_refused, 1);
        let replacement = Replacement {
            topic_name: Some("elsewhere".into()),
            payload: Some(b"other".to_vec()),
            qos: Some(QoS::AtMostOnce),
            retain: Some(true),
        };
        assert_eq!(ask(&mut bench, Verdict::Replace(replacement)), ReasonCode::Success);
        let got = bench.publish_of(watcher);
        assert_eq!(
            (got.topic_name.as_str(), got.text(), got.qos, got.retain),
            ("elsewhere", "other", QoS::AtMostOnce, true)
        );
        assert_eq!(got.content_type.as_deref(), Some("text/plain"));
        assert_eq!(ask(&mut bench, Verdict::Replace(Replacement::default())), ReasonCode::Success);
        assert_eq!(bench.publish_of(watcher).text(), "m");
        for topic_name in ["a/#", "$SYS/x", ""] {
            let replacement = Replacement { topic_name: Some(topic_name.into()), ..Replacement::default() };
            assert!(ask(&mut bench, Verdict::Replace(replacement)).is_error(), "{topic_name:?}");
        }
        assert_eq!(bench.publishes(watcher), []);
        bench.ping(client);
    }
}

#[test]
fn a_repeated_qos_2_publish_that_was_denied_is_asked_about_again() {
    let mut bench = Bench::with_hooks(HookFilters { on_publish: filters(&["t"]), ..HookFilters::default() });
    let client = bench.connect(Version::V5_0, "c");
    for verdict in [deny(ReasonCode::NotAuthorized), Verdict::Allow] {
        let expected = if matches!(verdict, Verdict::Allow) {
            ReasonCode::NoMatchingSubscribers
        } else {
            ReasonCode::NotAuthorized
        };
        bench.send_publish(client, "t", b"m", QoS::ExactlyOnce, |publish| {
            publish.packet_id = Some(packet_id(5));
        });
        bench.answer(verdict);
        assert_eq!(bench.expect_pubrec(client, 5), expected);
    }
}

#[test]
fn a_subscribe_is_answered_filter_by_filter_and_a_missing_answer_refuses() {
    let mut bench = Bench::with_hooks(HookFilters {
        authorize_subscribe: filters(&["secret/#"]),
        ..HookFilters::default()
    });
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "open", QoS::AtMostOnce);
    let asked = [
        line("#", QoS::AtMostOnce),
        line("open/x", QoS::AtLeastOnce),
        line("$share/g/secret/a", QoS::AtLeastOnce),
    ];
    let id = bench.send_subscribe(client, &asked, None);
    let question = bench.question();
    let Subject::Subscribe { filters: seen, client_id } = &question.subject else { panic!("{question:?}") };
    assert_eq!((&**client_id, seen.len(), &*seen[2].0), ("c", 3, "$share/g/secret/a"));
    bench.decide(
        &question,
        question.token,
        Verdict::Filters(vec![Some(Refusal::from_code(ReasonCode::NotAuthorized)), None]),
    );
    let codes = vec![ReasonCode::NotAuthorized, ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized];
    assert_eq!(bench.rest(client), [Got::Suback(id, codes)]);
    assert_eq!(bench.broker.subscription_count(), 2);
}

#[test]
fn a_will_is_authorized_when_its_client_connects() {
    let hooks =
        HookFilters { authenticate: true, authorize_publish: filters(&["will/#"]), ..HookFilters::default() };
    for is_allowed in [true, false] {
        let mut bench = Bench::with_hooks(hooks.clone());
        let client = bench.open(Version::V5_0);
        let mut connect = Connect::new(Version::V5_0, "c");
        let properties = PublishProperties::default();
        connect.will = Some(Will { topic_name: "will/c", payload: b"gone", properties, ..Will::default() });
        bench.send(client, &Packet::Connect(connect));
        bench.answer(Verdict::Allow);
        let question = bench.question();
        let Subject::Publish { is_will: true, authorize: true, topic_name, .. } = &question.subject else {
            panic!("{question:?}")
        };
        assert_eq!(&**topic_name, "will/c");
        let verdict = if is_allowed { Verdict::Allow } else { deny(ReasonCode::NotAuthorized) };
        bench.decide(&question, question.token, verdict);
        let Got::Connack(connack) = bench.next(client) else { panic!("no CONNACK") };
        assert_eq!(!connack.reason_code.is_error(), is_allowed);
        // It is not asked about once more when it is published.
        bench.cut(client);
        assert!(!bench.has_question());
    }
}

#[test]
fn a_filter_of_everything_is_asked_about_dollar_topics_too() {
    let mut bench =
        Bench::with_hooks(HookFilters { authorize_publish: filters(&["#"]), ..HookFilters::default() });
    let client = bench.connect(Version::V5_0, "c");
    bench.send_publish(client, "$mine/t", b"m", QoS::AtMostOnce, |_| {});
    assert!(bench.has_question());
}

#[test]
fn nobody_but_the_broker_publishes_to_sys() {
    let mut bench =
        Bench::with_hooks(HookFilters { authorize_publish: filters(&["#"]), ..HookFilters::default() });
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "$SYS/#", QoS::AtMostOnce);
    for topic_name in ["$SYS/broker/uptime", "$SYS"] {
        assert_eq!(bench.publish(client, topic_name, "fake", QoS::AtLeastOnce), ReasonCode::NotAuthorized);
    }
    assert_eq!(bench.publishes(client), []);
    assert!(!bench.has_question());
}
