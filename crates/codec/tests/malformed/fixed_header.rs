//! First byte, flags and Remaining Length.

use crate::*;

fn split(bytes: &[u8]) -> Result<Split<'_>, DecodeError> {
    split_frame(bytes, u32::MAX)
}

#[test]
fn packet_type_0_is_reserved() {
    for flags in 0..16 {
        assert_eq!(split(&[flags]), Err(Malformed::PacketTypeZero.into()));
    }
}

#[test]
fn type_15_is_auth_in_5_0_and_reserved_before() {
    accepted(V5_0, AUTH, &[]);
    refused(V3_1_1, AUTH, &[], Malformed::AuthBeforeV5);
    refused(V3_1, AUTH, &[], Malformed::AuthBeforeV5);
}

#[test]
fn flags_other_than_those_of_the_kind_are_refused_with_the_first_byte() {
    for &packet_type in PacketType::ALL.iter().filter(|&&kind| kind != PacketType::Publish) {
        let right = match packet_type {
            PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => [0b0010, 0b1010],
            _ => [0, 0],
        };
        for flags in (0..16).filter(|flags| !right.contains(flags)) {
            let expected = Malformed::FixedHeaderFlags { packet_type, flags };
            assert_eq!(split(&[(packet_type as u8) << 4 | flags]), Err(expected.into()));
        }
    }
}

#[test]
fn dup_on_pubrel_subscribe_and_unsubscribe_is_3_1s_alone() {
    let requests: [(u8, &[u8], PacketType); 3] = [
        (0x6A, &[0, 1], PacketType::Pubrel),
        (0x8A, &[0, 1, 0, 1, b'f', 0], PacketType::Subscribe),
        (0xAA, &[0, 1, 0, 1, b'f'], PacketType::Unsubscribe),
    ];
    for (first_byte, body, packet_type) in requests {
        accepted(V3_1, first_byte, body);
        for version in [V3_1_1, V5_0] {
            refused(version, first_byte, body, Malformed::FixedHeaderFlags { packet_type, flags: 0b1010 });
        }
    }
}

#[test]
fn qos_3_in_publish_is_refused_with_the_first_byte() {
    for first_byte in [0x36, 0x37, 0x3E, 0x3F] {
        assert_eq!(split(&[first_byte]), Err(Malformed::PublishQosThree.into()));
    }
}

#[test]
fn dup_with_qos_0_is_refused_with_the_first_byte() {
    for first_byte in [0x38, 0x39] {
        assert_eq!(split(&[first_byte]), Err(Malformed::DupWithQosZero.into()));
    }
    for first_byte in [0x3A, 0x3B, 0x3C, 0x3D] {
        assert_eq!(split(&[first_byte]), Ok(Split::Partial { needed: 1 }));
    }
}

#[test]
fn a_remaining_length_of_five_bytes_is_refused_at_the_fourth() {
    assert_eq!(split(&[0x30, 0xFF, 0xFF, 0xFF]), Ok(Split::Partial { needed: 1 }));
    assert_eq!(split(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF]), Err(Malformed::VarintTooLong.into()));
}

#[test]
fn a_remaining_length_that_is_longer_than_needed_is_refused() {
    assert_eq!(split(&[0x30, 0x80, 0x00]), Err(Malformed::VarintOverlong.into()));
    assert_eq!(split(&[0xC0, 0x80, 0x80, 0x00]), Err(Malformed::VarintOverlong.into()));
}

#[test]
fn the_largest_remaining_length_is_waited_for_where_it_is_allowed_and_refused_where_not() {
    let header = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    assert_eq!(split(&header), Ok(Split::Partial { needed: 268_435_455 }));
    let expected = Limit::PacketTooLarge { length: 268_435_460, maximum: 1024 };
    assert_eq!(split_frame(&header, 1024), Err(expected.into()));
}

#[test]
fn a_tls_hello_and_an_http_request_are_no_packets() {
    assert!(split(&[0x16, 0x03, 0x01]).is_err());
    assert!(split(b"GET / HTTP/1.1\r\n").is_err());
}

#[test]
fn another_kind_than_the_expected_one_is_named() {
    let bytes = packet(0xC0, &[]);
    let Ok(Split::Frame(frame)) = split(&bytes) else { panic!("not a packet") };
    let error = |expected| -> DecodeError {
        ProtocolError::UnexpectedPacketType { expected, found: PacketType::Pingreq }.into()
    };
    assert_eq!(Connect::decode(&frame, V5_0).unwrap_err(), error(PacketType::Connect));
    assert_eq!(Connack::decode(&frame, V5_0).unwrap_err(), error(PacketType::Connack));
    assert_eq!(Publish::decode(&frame, V5_0).unwrap_err(), error(PacketType::Publish));
    assert_eq!(Ack::decode(&frame, V5_0).unwrap_err(), error(PacketType::Puback));
    assert_eq!(Subscribe::decode(&frame, V5_0).unwrap_err(), error(PacketType::Subscribe));
    assert_eq!(Suback::decode(&frame, V5_0).unwrap_err(), error(PacketType::Suback));
    assert_eq!(Unsubscribe::decode(&frame, V5_0).unwrap_err(), error(PacketType::Unsubscribe));
    assert_eq!(Unsuback::decode(&frame, V5_0).unwrap_err(), error(PacketType::Unsuback));
    assert_eq!(Disconnect::decode(&frame, V5_0).unwrap_err(), error(PacketType::Disconnect));
    assert_eq!(Auth::decode(&frame, V5_0).unwrap_err(), error(PacketType::Auth));
}
