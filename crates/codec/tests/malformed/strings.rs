//! Strings, in whatever packet they stand.

use crate::*;

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let wrong: [&[u8]; 5] = [&[0x80], &[0xC0, 0x80], &[0xF4, 0x90, 0x80, 0x80], &[0xE2, 0x82], &[b'a', 0xFF]];
    for text in wrong {
        let body = [&[0, text.len() as u8], text].concat();
        for version in VERSIONS {
            refused(version, PUBLISH, &body, Malformed::InvalidUtf8);
        }
    }
}

#[test]
fn surrogates_are_refused() {
    refused(V5_0, PUBLISH, &[0, 3, 0xED, 0xA0, 0x80], Malformed::InvalidUtf8);
    refused(V3_1_1, PUBLISH, &[0, 3, 0xED, 0xBF, 0xBF], Malformed::InvalidUtf8);
}

#[test]
fn u_0000_is_refused_wherever_it_stands() {
    for topic in [&[0, b'a', b'b'], &[b'a', 0, b'b'], &[b'a', b'b', 0]] {
        refused(V3_1_1, PUBLISH, &[&[0, 3], &topic[..]].concat(), Malformed::NulInString);
    }
    let long = [&[0, 100][..], &[b'x'; 99], &[0]].concat();
    refused(V3_1_1, PUBLISH, &long, Malformed::NulInString);
}

#[test]
fn a_byte_order_mark_and_other_control_characters_are_text() {
    let bytes = packet(PUBLISH, &[0, 4, 0xEF, 0xBB, 0xBF, 0x01]);
    let Ok(Packet::Publish(publish)) = decode(&bytes, V3_1_1) else { panic!("refused") };
    assert_eq!(publish.topic_name, "\u{FEFF}\u{1}");
}

#[test]
fn a_string_that_goes_on_past_the_packet_is_refused() {
    refused(V3_1_1, PUBLISH, &[0, 5, b'a'], Malformed::UnexpectedEnd);
    refused(V3_1_1, PUBLISH, &[0], Malformed::UnexpectedEnd);
    refused(V3_1_1, PUBLISH, &[], Malformed::UnexpectedEnd);
}

#[test]
fn a_nul_is_refused_in_every_kind_of_string() {
    refused(V5_0, CONNECT, &connect_body("MQTT", 5, 0, &[0, 0, 1, 0]), Malformed::NulInString);
    refused(V3_1_1, CONNECT, &connect_body("MQTT", 4, 0x80, &[0, 0, 0, 1, 0]), Malformed::NulInString);
    refused(V3_1_1, CONNECT, &connect_body("MQTT", 4, 0x04, &[0, 0, 0, 1, 0, 0, 0]), Malformed::NulInString);
    refused(V5_0, SUBSCRIBE, &[0, 1, 0, 0, 1, 0, 0], Malformed::NulInString);
    refused(V5_0, UNSUBSCRIBE, &[0, 1, 0, 0, 1, 0], Malformed::NulInString);
    refused(V5_0, DISCONNECT, &[0, 4, 0x1F, 0, 1, 0], Malformed::NulInString);
    refused(V5_0, DISCONNECT, &[0, 6, 0x26, 0, 1, 0, 0, 0], Malformed::NulInString);
    refused(V5_0, DISCONNECT, &[0, 6, 0x26, 0, 0, 0, 1, 0], Malformed::NulInString);
}
