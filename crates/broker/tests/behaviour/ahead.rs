//! Messages that are put to the host together: which, and what becomes of them when answers are missing.

use topicwire_broker::{HookFilters, LocalHandle, Question, Refusal, Subject, Verdict};
use topicwire_codec::{Packet, Publish, QoS, ReasonCode, Version};

use crate::support::*;

fn guarded() -> Bench {
    Bench::with_hooks(HookFilters { authorize_publish: vec!["#".into()], ..HookFilters::default() })
}

/// A bench with a client that publishes and one that watches all of it.
fn pair(version: Version) -> (Bench, Client, Client) {
    let mut bench = guarded();
    let (client, watcher) = (bench.connect(version, "c"), bench.connect(Version::V5_0, "watcher"));
    bench.subscribe(watcher, "#", QoS::AtMostOnce);
    (bench, client, watcher)
}

fn message(topic_name: &str, payload: &str) -> Vec<u8> {
    encoded(&Packet::Publish(Publish::new(topic_name, payload.as_bytes())), Version::V3_1_1)
}

fn messages(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|number| message("t", &number.to_string())).collect()
}

fn texts_of(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// All questions that stand open, as payload and whether each was asked ahead.
fn asked(questions: &[Question]) -> Vec<(String, bool)> {
    let of = |question: &Question| match &question.subject {
        Subject::Publish { payload, is_ahead, .. } => {
            (String::from_utf8(payload.to_vec()).unwrap(), *is_ahead)
        }
        other => panic!("{other:?}"),
    };
    questions.iter().map(of).collect()
}

fn allow(bench: &mut Bench, questions: &[Question]) {
    bench.decide_in_order(&questions[0], questions.iter().map(|_| Verdict::Allow));
}

/// Sends messages and answers until so many are asked about together, of which it returns the questions.
fn warmed(bench: &mut Bench, client: Client, bytes: &[u8], count: usize) -> Vec<Question> {
    bench.send_bytes(client, bytes);
    loop {
        let questions = bench.questions();
        if questions.len() >= count {
            return questions;
        }
        allow(bench, &questions);
    }
}

#[test]
fn as_answers_come_together_more_messages_are_asked_about_at_once() {
    let (mut bench, client, watcher) = pair(Version::V3_1_1);
    bench.send_bytes(client, &messages(0..1000));
    let mut counts = Vec::new();
    let mut all = Vec::new();
    loop {
        let questions = bench.questions();
        if questions.is_empty() {
            break;
        }
        let asked = asked(&questions);
        assert!(asked.iter().enumerate().all(|(at, (_, is_ahead))| *is_ahead == (at > 0)), "{asked:?}");
        all.extend(asked.into_iter().map(|(payload, _)| payload));
        counts.push(questions.len());
        assert!(bench.is_held(client));
        allow(&mut bench, &questions);
    }
    assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 233]);
    assert_eq!(all, texts_of(0..1000));
    assert_eq!(bench.texts(watcher), texts_of(0..1000));
    assert!(!bench.is_held(client));
}

#[test]
fn each_answer_is_for_its_own_message() {
    let (mut bench, client, watcher) = pair(Version::V3_1_1);
    let questions = warmed(&mut bench, client, &messages(0..7), 4);
    assert_eq!(asked(&questions).len(), 4);
    bench.decide_in_order(
        &questions[0],
        [
            Verdict::Deny(Refusal::from_code(ReasonCode::NotAuthorized)),
            Verdict::Allow,
            Verdict::Discard,
            Verdict::Allow,
        ],
    );
    assert_eq!(bench.texts(watcher), ["0", "1", "2", "4", "6"]);
}

#[test]
fn the_first_question_without_an_answer_waits_and_those_behind_it_have_not_been_asked() {
    let (mut bench, client, watcher) = pair(Version::V3_1_1);
    let questions = warmed(&mut bench, client, &messages(0..20), 8);
    bench.decide_in_order(&questions[0], [Verdict::Allow, Verdict::Allow]);
    assert!(bench.is_held(client));
    assert!(!bench.has_question());
    bench.forget_publishes(watcher);
    // Answers to what has not been asked are none.
    bench.decide_in_order(&questions[3], [Verdict::Allow]);
    bench.decide(&questions[4], questions[4].token, Verdict::Allow);
    assert_eq!(bench.texts(watcher), Vec::<String>::new());
    bench.decide(&questions[2], questions[2].token, Verdict::Allow);
    assert_eq!(bench.texts(watcher), ["9"]);
    // One by one again.
    let next = bench.questions();
    assert_eq!(asked(&next), [("10".to_owned(), false)]);
    allow(&mut bench, &next);
    assert_eq!(asked(&bench.questions()).len(), 2);
}

#[test]
fn an_answer_by_itself_asks_again_about_what_was_asked_ahead() {
    let (mut bench, client, watcher) = pair(Version::V3_1_1);
    let questions = warmed(&mut bench, client, &messages(0..20), 8);
    bench.forget_publishes(watcher);
    bench.decide(&questions[0], questions[0].token, Verdict::Allow);
    assert_eq!(bench.texts(watcher), ["7"]);
    assert_eq!(asked(&bench.questions()), [("8".to_owned(), false)]);
}

#[test]
fn more_answers_than_questions_are_for_nobody() {
    let (mut bench, client, watcher) = pair(Version::V3_1_1);
    bench.send_bytes(client, &messages(0..3));
    let question = bench.question();
    bench.decide_in_order(&question, [Verdict::Allow, Verdict::Allow, Verdict::Allow]);
    assert_eq!(bench.texts(watcher), ["0"]);
    assert!(bench.is_held(client));
    let questions = bench.questions();
    bench.decide_in_order(&questions[0], std::iter::empty());
    assert!(bench.is_held(client));
    allow(&mut bench, &questions);
    assert_eq!(bench.texts(watcher), ["1", "2"]);
    bench.send_bytes(client, &messages(3..4));
    assert!(bench.is_held(client), "an answer was left over");
}

#[test]
fn answers_come_too_late_for_a_connection_that_has_ended() {
    let (mut bench, client, watcher) = pair(Version::V5_0);
    let mut bytes = Vec::new();
    for number in 0..20 {
        let text = format!("{number}");
        let publish = Publish::new("t", text.as_bytes());
        bytes.extend(encoded(&Packet::Publish(publish), Version::V5_0));
    }
    let questions = warmed(&mut bench, client, &bytes, 8);
    bench.forget_publishes(watcher);
    bench.cut(client);
    // The same number again.
    let other = bench.connect(Version::V5_0, "d");
    allow(&mut bench, &questions);
    assert_eq!(bench.texts(watcher), Vec::<String>::new());
    bench.send_publish(other, "t", b"x", QoS::AtMostOnce, |_| {});
    assert!(bench.is_held(other), "an answer was left over");
}

#[test]
fn nothing_is_asked_ahead_that_hangs_on_what_comes_before() {
    let with_alias = |topic_name: &str| {
        let mut publish = Publish::new(topic_name, b"x");
        publish.properties.topic_alias = Some(1);
        encoded(&Packet::Publish(publish), Version::V5_0)
    };
    let plain = |topic_name: &str| encoded(&Packet::Publish(Publish::new(topic_name, b"x")), Version::V5_0);
    let deep = "l/".repeat(300);
    for (what, bytes, count) in [
        ("a message", plain("t"), 2),
        ("another topic", plain("u"), 2),
        ("a topic alias", with_alias("t"), 1),
        ("the use of one", with_alias(""), 1),
        ("no topic name", vec![0x30, 4, 0, 0, 0, b'x'], 1),
        ("$SYS", plain("$SYS/x"), 1),
        ("too many levels", plain(&deep), 1),
        ("another packet", vec![0xC0, 0], 1),
        ("half a message", plain("t")[..4].to_vec(), 1),
        ("what is no packet", vec![0x00, 0x00], 1),
    ] {
        let (mut bench, client, _) = pair(Version::V5_0);
        let mut all = plain("t");
        for _ in 0..3 {
            all.extend(plain("t"));
        }
        all.extend(bytes);
        all.extend(plain("t"));
        bench.send_bytes(client, &all);
        for count in [1, 2] {
            let questions = bench.questions();
            assert_eq!(questions.len(), count);
            allow(&mut bench, &questions);
        }
        let questions = bench.questions();
        assert_eq!(questions.len() > 1, count > 1, "{what}: {:?}", asked(&questions));
    }
}

#[test]
fn nothing_is_asked_behind_a_message_for_this_process() {
    let (mut bench, client, _) = pair(Version::V3_1_1);
    bench.broker.subscribe(LocalHandle(7), "heard", false, bench.now_ms).unwrap();
    let mut bytes = messages(0..10);
    bytes.extend(message("heard", "a"));
    bytes.extend(message("heard", "b"));
    bytes.extend(message("heard", "c"));
    bytes.extend(messages(10..12));
    bench.send_bytes(client, &bytes);
    let mut rounds = Vec::new();
    while bench.has_question() {
        let questions = bench.questions();
        rounds.push(asked(&questions).into_iter().map(|(payload, _)| payload).collect::<String>());
        allow(&mut bench, &questions);
    }
    assert_eq!(rounds, ["0", "12", "3456", "789", "a", "b", "c", "1011"]);
}

#[test]
fn payloads_that_are_asked_about_together_are_bounded() {
    let (mut bench, client, _) = pair(Version::V3_1_1);
    let large = "x".repeat(20 << 10);
    let bytes: Vec<u8> = (0..40).flat_map(|_| message("t", &large)).collect();
    let mut most = 0;
    bench.send_bytes(client, &bytes);
    while bench.has_question() {
        let questions = bench.questions();
        most = most.max(questions.len());
        allow(&mut bench, &questions);
    }
    assert_eq!(most, 4);
}
