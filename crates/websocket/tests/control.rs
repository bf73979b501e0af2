//! Pings, and the ways in which a WebSocket ends.

mod common;

use common::*;
use topicwire_websocket::{End, State, Violation, WebSocket};

#[test]
fn a_ping_is_answered_with_what_it_carries_and_a_pong_is_not() {
    for length in [0, 1, 124, 125] {
        let payload = vec![0xA5; length];
        let outcome = outcome_however_cut(&[frame(PONG, b"unasked"), frame(PING, &payload)].concat());
        assert_eq!(outcome.sent, [answer(PONG, &payload)]);
        assert_eq!((outcome.state, outcome.end, outcome.payload), (State::Open, None, vec![]));
    }
}

#[test]
fn each_ping_is_answered_by_a_host_that_writes_in_between() {
    let frames = [frame(PING, b"one"), frame(PING, b"two"), frame(PING, b"")];
    let outcome = feed(frames.iter().map(Vec::as_slice));
    assert_eq!(outcome.sent, [answer(PONG, b"one"), answer(PONG, b"two"), answer(PONG, b"")]);
}

#[test]
fn of_many_pings_that_nobody_could_answer_yet_the_last_is_answered() {
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    for ping in [&b"one"[..], b"longer than the first", b"3"] {
        assert_eq!(web_socket.receive(&mut frame(PING, ping)).end, None);
        assert!(web_socket.has_control());
    }
    // Not whole.
    let _ = web_socket.receive(&mut frame(PING, b"four")[..9]);
    assert_eq!(drain(&mut web_socket), [answer(PONG, b"3")]);
    let _ = web_socket.receive(&mut frame(PING, b"four")[9..]);
    assert_eq!(drain(&mut web_socket), [answer(PONG, b"four")]);
}

#[test]
fn frames_cost_no_memory_and_a_flood_of_pings_that_of_two() {
    let mut data =
        [frame(BINARY, &[1; 90]), frame(FIRST, &[2; 300]), frame(LAST, &[3; 5])].concat().repeat(50);
    let mut pings =
        [frame(PING, &[4; 125]), frame(PING, &[5; 30]), frame(PONG, &[6; 100])].concat().repeat(1_000);
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    let cost = allocation_counter::measure(|| {
        for chunk in data.chunks_mut(1_000) {
            assert_eq!(web_socket.receive(chunk).end, None);
        }
    });
    assert_eq!(cost.count_total, 0);
    let cost = allocation_counter::measure(|| {
        for chunk in pings.chunks_mut(1_000) {
            assert_eq!(web_socket.receive(chunk).end, None);
        }
    });
    assert!(cost.bytes_current <= 250 && cost.count_total <= 4, "{cost:?}");
    assert_eq!(drain(&mut web_socket), [answer(PONG, &[5; 30])]);
}

#[test]
fn a_close_takes_the_place_of_a_pong() {
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    let _ = web_socket.receive(&mut [frame(PING, b"?"), frame(CLOSE, &close_payload(1001, ""))].concat());
    assert_eq!(drain(&mut web_socket), [answer(CLOSE, &close_payload(1001, ""))]);

    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    let _ = web_socket.receive(&mut frame(PING, b"?"));
    web_socket.close(1000, "");
    assert_eq!(drain(&mut web_socket), [answer(CLOSE, &close_payload(1000, ""))]);
}

#[test]
fn our_close_says_why_and_waits_for_the_peers() {
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    web_socket.close(4135, "This client may not connect.");
    assert_eq!(web_socket.state(), State::Closing);
    let before =
        [frame(BINARY, b"lost"), frame(FIRST, b"and"), frame(LAST, b"this"), frame(PING, b"?")].concat();
    let outcome = feed_to(&mut web_socket, [&before[..]]);
    let ours = answer(CLOSE, &close_payload(4135, "This client may not connect."));
    assert_eq!(outcome, Outcome { payload: vec![], end: None, sent: vec![ours], state: State::Closing });
    let outcome = feed_to(&mut web_socket, frame(CLOSE, &close_payload(4135, "")).chunks(1));
    let end = Some(End::Closed { code: Some(4135) });
    assert_eq!(outcome, Outcome { payload: vec![], end, sent: vec![], state: State::Closed });
}

#[test]
fn our_close_is_sent_once_though_the_peers_comes_before_it_has_gone() {
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    web_socket.close(1001, "ours");
    let outcome = feed_to(&mut web_socket, [&frame(CLOSE, &close_payload(1000, "theirs"))[..]]);
    assert_eq!(outcome.sent, [answer(CLOSE, &close_payload(1001, "ours"))]);
    assert_eq!((outcome.state, outcome.end), (State::Closed, Some(End::Closed { code: Some(1000) })));
}

#[test]
fn a_frame_under_way_when_we_close_is_read_to_its_end_and_dropped() {
    for under_way in [frame(BINARY, b"payload"), frame(PING, b"payload")] {
        for at in 0..under_way.len() {
            let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
            let (begun, rest) = under_way.split_at(at);
            let before = feed_to(&mut web_socket, [begun]).payload;
            assert!(b"payload".starts_with(&before));
            web_socket.close(1000, "");
            let outcome = feed_to(&mut web_socket, [rest, &frame(CLOSE, b"")]);
            let ours = answer(CLOSE, &close_payload(1000, ""));
            let end = Some(End::Closed { code: None });
            assert_eq!(outcome, Outcome { payload: vec![], end, sent: vec![ours], state: State::Closed });
        }
    }
}

#[test]
fn a_rule_broken_while_closing_ends_it_and_is_not_answered_again() {
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    web_socket.close(1000, "");
    assert_eq!(drain(&mut web_socket).len(), 1);
    for wrong in [frame(TEXT, b"text"), frame(CLOSE, b"\x03\xED")] {
        let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
        web_socket.close(1000, "");
        let outcome = feed_to(&mut web_socket, [&wrong[..], &frame(BINARY, b"more")]);
        assert_eq!(outcome.sent, [answer(CLOSE, &close_payload(1000, ""))]);
        assert_eq!(outcome.state, State::Closed);
        assert!(matches!(
            outcome.end,
            Some(End::Violated(Violation::TextFrame | Violation::CloseCode { .. }))
        ));
    }
}

#[test]
fn only_the_first_close_counts() {
    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    web_socket.close(1000, "first");
    web_socket.close(1001, "second");
    assert_eq!(drain(&mut web_socket), [answer(CLOSE, &close_payload(1000, "first"))]);
    web_socket.close(1001, "third");
    assert!(!web_socket.has_control());

    let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
    let _ = web_socket.receive(&mut frame(CLOSE, b""));
    web_socket.close(1001, "late");
    assert_eq!(web_socket.state(), State::Closed);
    assert_eq!(drain(&mut web_socket), [answer(CLOSE, b"")]);
}

#[test]
fn a_reason_is_cut_between_two_characters() {
    for (reason, kept) in [
        ("x".repeat(123), "x".repeat(123)),
        ("x".repeat(124), "x".repeat(123)),
        ("é".repeat(62), "é".repeat(61)),
        (format!("x{}", "é".repeat(62)), format!("x{}", "é".repeat(61))),
        (format!("xxx{}", "🦀".repeat(31)), format!("xxx{}", "🦀".repeat(30))),
        (format!("xx{}", "🦀".repeat(31)), format!("xx{}", "🦀".repeat(30))),
        ("🦀".repeat(31), "🦀".repeat(30)),
    ] {
        let mut web_socket = WebSocket::new(MAXIMUM_BYTES);
        web_socket.close(4135, &reason);
        assert_eq!(drain(&mut web_socket), [answer(CLOSE, &close_payload(4135, &kept))]);
    }
}
