use super::*;

fn compare_all(text: &str, all: &[(&[u8], Outcome)]) -> Variables {
    let mut variables = Variables::new();
    for (bytes, expected) in all {
        let pattern = Pattern::parse(text, Version::V5_0).unwrap();
        assert_eq!(pattern.compare(bytes, &mut variables), *expected, "{text}: {}", hex(bytes));
    }
    variables
}

#[test]
fn a_name_takes_two_bytes_the_first_time_and_has_them_from_then_on() {
    let variables = compare_all(
        "32 [ \"t\" $id {} ]",
        &[
            // Not of a packet that is something else after all.
            (b"\x32\x06\x00\x01t\x09\x09\x01", Outcome::Mismatch { at: 8 }),
            (b"\x32\x06\x00\x01t\x00\x07\x00", Outcome::Matched(8)),
            (b"\x32\x06\x00\x01t\x00\x08\x00", Outcome::Mismatch { at: 6 }),
        ],
    );
    let ack = Pattern::parse("40 [ $id ]", Version::V5_0).unwrap();
    assert_eq!(ack.bytes(&variables).unwrap(), b"\x40\x02\x00\x07");
    assert_eq!(ack.bytes(&Variables::new()), None);
}

#[test]
fn what_is_not_settled_cannot_be_sent() {
    for text in ["20 [ ? ]", "20 [ ~ ]"] {
        assert_eq!(Pattern::parse(text, Version::V5_0).unwrap().bytes(&Variables::new()), None);
    }
}

#[test]
fn a_packet_is_as_long_as_it_says() {
    assert_eq!(packet_length(b"\xD0\x00\xD0"), Some(2));
    assert_eq!(packet_length(b"\x30\x80\x01"), None);
    assert_eq!(packet_length(&[&b"\x30\x80\x01"[..], &[0; 128]].concat()), Some(131));
    assert_eq!(packet_length(b"\x30"), None);
}

#[test]
fn bytes_are_shown_in_hex_and_many_are_cut() {
    assert_eq!(hex(b"\x01\xAB"), "01 ab");
    assert!(hex(&[0; 200]).ends_with("00 … (200 bytes)"));
}
