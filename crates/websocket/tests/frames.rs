//! Bytes of clients, right and wrong, and what becomes of them.

mod common;

use common::*;
use topicwire_websocket::{BinaryHeader, End, State, Violation, WebSocket};

/// A header with any bits and any length field, and a mask.
fn header(first_byte: u8, second_byte: u8, length: &[u8]) -> Vec<u8> {
    [&[first_byte, second_byte], length, &MASK].concat()
}

fn open(payload: &[u8]) -> Outcome {
    Outcome { payload: payload.to_vec(), end: None, sent: vec![], state: State::Open }
}

#[test]
fn the_payloads_of_binary_frames_are_one_stream() {
    let long: Vec<u8> = (0..=255).cycle().take(700).collect();
    let table: [(&[Vec<u8>], &[u8]); 8] = [
        (&[], b""),
        (&[frame(BINARY, b"")], b""),
        (&[frame(BINARY, b"\xC0\x00")], b"\xC0\x00"),
        (
            &[frame(BINARY, b"one"), frame(BINARY, b""), frame(BINARY, b"two"), frame(BINARY, b"three")],
            b"onetwothree",
        ),
        (
            &[frame(FIRST, b"fr"), frame(MIDDLE, b""), frame(MIDDLE, b"agmen"), frame(LAST, b"ts")],
            b"fragments",
        ),
        (&[frame(FIRST, b"a"), frame(LAST, b""), frame(FIRST, b""), frame(LAST, b"b")], b"ab"),
        (&[frame(BINARY, &long)], &long),
        (&[frame(BINARY, &long[..126]), frame(BINARY, &long[126..131]), frame(BINARY, &long[131..])], &long),
    ];
    for (frames, payload) in table {
        assert_eq!(outcome_however_cut(&frames.concat()), open(payload));
    }
}

#[test]
fn a_frame_of_the_longest_form_is_taken() {
    let payload: Vec<u8> = (0..=250).cycle().take(70_000).collect();
    let stream = frame(BINARY, &payload);
    for size in [1, 13, 14, 15, 4_096, 65_536, stream.len()] {
        let mut web_socket = WebSocket::new(70_000);
        assert_eq!(feed_to(&mut web_socket, stream.chunks(size)), open(&payload));
    }
}

#[test]
fn a_frame_that_is_not_whole_gives_what_there_is_of_it() {
    let stream = frame(BINARY, b"payload");
    for length in 0..stream.len() {
        assert_eq!(feed([&stream[..length]]), open(&b"payload"[..length.saturating_sub(6)]));
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_taken() {
    let masked = &frame(BINARY, b"five!")[6..];
    for length in [&[0, 5][..], &[0, 0, 0, 0, 0, 0, 0, 5]] {
        let second_byte = if length.len() == 2 { 0xFE } else { 0xFF };
        let stream = [&header(BINARY, second_byte, length), masked].concat();
        assert_eq!(outcome_however_cut(&stream), open(b"five!"));
    }
}

#[test]
fn control_frames_may_come_between_the_fragments_of_a_message() {
    let stream =
        [frame(FIRST, b"a"), frame(PING, b"?"), frame(MIDDLE, b"b"), frame(PONG, b"!"), frame(LAST, b"c")];
    let expected = Outcome { sent: vec![answer(PONG, b"?")], ..open(b"abc") };
    assert_eq!(outcome_however_cut(&stream.concat()), expected);
}

#[test]
fn what_a_client_must_not_send_ends_it_with_a_code_and_a_sentence() {
    let reserved = |opcode| Violation::ReservedOpcode { opcode };
    let too_big = Violation::MessageTooBig { maximum_bytes: MAXIMUM_BYTES };
    let mut table = vec![
        (frame(0x92, b""), Violation::ReservedBits, 1002),
        (frame(0xA2, b""), Violation::ReservedBits, 1002),
        (frame(0xC2, b""), Violation::ReservedBits, 1002),
        (frame(0xC9, b""), Violation::ReservedBits, 1002),
        (vec![0xF1], Violation::ReservedBits, 1002),
        (frame(0x08, b""), Violation::FragmentedControl, 1002),
        (frame(0x09, b""), Violation::FragmentedControl, 1002),
        (frame(0x0A, b""), Violation::FragmentedControl, 1002),
        (frame(PING, &[0; 126]), Violation::ControlTooLong, 1002),
        (frame(PONG, &[0; 126]), Violation::ControlTooLong, 1002),
        (header(PONG, 0xFF, &[0; 8]), Violation::ControlTooLong, 1002),
        // Short, in the form of a long one.
        (header(PING, 0xFE, &[0, 3]), Violation::ControlTooLong, 1002),
        (frame(LAST, b""), Violation::NothingToContinue, 1002),
        (frame(MIDDLE, b"a"), Violation::NothingToContinue, 1002),
        (
            [frame(FIRST, b"a"), frame(LAST, b"b"), frame(LAST, b"")].concat(),
            Violation::NothingToContinue,
            1002,
        ),
        ([frame(FIRST, b"a"), frame(BINARY, b"")].concat(), Violation::MessageUnderWay, 1002),
        ([frame(FIRST, b"a"), frame(FIRST, b"")].concat(), Violation::MessageUnderWay, 1002),
        ([frame(FIRST, b"a"), frame(TEXT, b"")].concat(), Violation::MessageUnderWay, 1002),
        (frame(TEXT, b"text"), Violation::TextFrame, 1003),
        (frame(0x01, b"te"), Violation::TextFrame, 1003),
        (vec![BINARY, 0x00], Violation::Unmasked, 1002),
        (vec![PING, 0x7F], Violation::Unmasked, 1002),
        (vec![BINARY, 0x7E, 0, 126], Violation::Unmasked, 1002),
        (header(BINARY, 0xFF, &[0x80, 0, 0, 0, 0, 0, 0, 1]), Violation::LengthHighestBit, 1002),
        (vec![BINARY, 0xFF, 0xFF], Violation::LengthHighestBit, 1002),
        (header(BINARY, 0xFF, &[0x7F; 8]), too_big, 1009),
        (header(BINARY, 0xFE, &[3, 233]), too_big, 1009),
        (frame(CLOSE, b"\x03"), Violation::HalfCloseCode, 1002),
        (frame(CLOSE, b"\x03\xED"), Violation::CloseCode { code: 1005 }, 1002),
        (frame(CLOSE, b"\x03\xE8\xFF"), Violation::CloseReasonNotUtf8, 1007),
        (frame(CLOSE, b"\x03\xE8caf\xC3"), Violation::CloseReasonNotUtf8, 1007),
        (frame(CLOSE, b"\x03\xE8\xED\xA0\x80"), Violation::CloseReasonNotUtf8, 1007),
    ];
    table.extend(
        [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|opcode| (vec![0x80 | opcode], reserved(opcode), 1002)),
    );
    for (bytes, violation, code) in table {
        assert_eq!(violation.code(), code);
        let before = [frame(BINARY, b"be"), frame(BINARY, b"fore")].concat();
        let stream = [before, bytes, frame(BINARY, b"behind"), frame(CLOSE, b"")].concat();
        let outcome = outcome_however_cut(&stream);
        assert_eq!(outcome.end, Some(End::Violated(violation)), "{stream:02X?}");
        assert_eq!(outcome.payload.strip_prefix(b"before"), Some(&b"ab"[..outcome.payload.len() - 6]));
        assert_eq!(outcome.sent, [answer(CLOSE, &close_payload(code, &violation.to_string()))]);
        assert_eq!(outcome.state, State::Closed);
    }
}

#[test]
fn every_reason_fits_a_close_frame() {
    for violation in [
        Violation::ReservedBits,
        Violation::ReservedOpcode { opcode: 15 },
        Violation::FragmentedControl,
        Violation::ControlTooLong,
        Violation::NothingToContinue,
        Violation::MessageUnderWay,
        Violation::TextFrame,
        Violation::Unmasked,
        Violation::LengthHighestBit,
        Violation::MessageTooBig { maximum_bytes: u64::MAX },
        Violation::HalfCloseCode,
        Violation::CloseCode { code: u16::MAX },
        Violation::CloseReasonNotUtf8,
    ] {
        assert!(violation.to_string().len() <= 123, "{violation}");
    }
}

#[test]
fn a_message_may_be_as_big_as_allowed_in_one_frame_or_many() {
    let payload = [7; 1_000];
    let (first, last) = payload.split_at(400);
    let stream =
        [frame(BINARY, &payload), frame(FIRST, first), frame(LAST, last), frame(BINARY, &payload)].concat();
    assert_eq!(feed(stream.chunks(97)), open(&[7; 3_000]));
}

#[test]
fn a_message_that_grows_too_big_is_told_so_with_the_header_that_makes_it_so() {
    let too_big = Some(End::Violated(Violation::MessageTooBig { maximum_bytes: MAXIMUM_BYTES }));
    // No byte of the payload, and no mask either.
    assert_eq!(feed([&[BINARY, 0xFE, 3, 233][..]]).end, too_big);
    let outcome = outcome_however_cut(&[&frame(FIRST, &[7; 600])[..], &[LAST, 0xFE, 1, 145]].concat());
    assert_eq!((outcome.end, outcome.payload), (too_big, vec![7; 600]));
}

#[test]
fn a_close_frame_is_answered_by_what_it_says() {
    let table = [
        (vec![], None),
        (close_payload(1000, ""), Some(1000)),
        (close_payload(1001, "leaving, grüße"), Some(1001)),
        (close_payload(4999, &"x".repeat(123)), Some(4999)),
    ];
    for (payload, code) in table {
        let stream = [frame(BINARY, b"before"), frame(CLOSE, &payload), frame(BINARY, b"behind"), vec![0xFF]];
        let expected = Outcome {
            payload: b"before".to_vec(),
            end: Some(End::Closed { code }),
            sent: vec![answer(CLOSE, &payload)],
            state: State::Closed,
        };
        assert_eq!(outcome_however_cut(&stream.concat()), expected);
    }
}

#[test]
fn a_close_code_is_one_that_a_peer_may_send() {
    for code in 0..=u16::MAX {
        let outcome = feed([&frame(CLOSE, &code.to_be_bytes())[..]]);
        // RFC 6455, section 7.4, and what was registered since: 1012 to 1014.
        let reserved = matches!(code, 1004..=1006 | 1015);
        let expected = if (1000..1016).contains(&code) && !reserved || (3000..5000).contains(&code) {
            End::Closed { code: Some(code) }
        } else {
            End::Violated(Violation::CloseCode { code })
        };
        assert_eq!(outcome.end, Some(expected));
    }
}

#[test]
fn a_header_says_the_length_in_the_shortest_form() {
    let table: [(usize, &[u8]); 7] = [
        (0, &[0x82, 0]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (0x0102, &[0x82, 126, 1, 2]),
        (0xFFFF, &[0x82, 126, 0xFF, 0xFF]),
        (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        (0x0102_0304, &[0x82, 127, 0, 0, 0, 0, 1, 2, 3, 4]),
    ];
    for (length, bytes) in table {
        assert_eq!(*BinaryHeader::new(length), *bytes);
    }
}
