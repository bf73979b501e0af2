//! What is encoded is decoded again, whole, in pieces and in a row; and no input does more than be refused.
#![allow(clippy::panic, reason = "how a test fails")]

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_codec::*;

mod common;
use common::*;

/// Feeds a stream byte by byte and collects the packets, each encoded again.
fn packets_of(stream: &[u8], version: Version) -> Vec<Vec<u8>> {
    let (mut start, mut end, mut packets) = (0, 0, Vec::new());
    while start < stream.len() {
        match split_frame(&stream[start..end], u32::MAX).unwrap() {
            Split::Frame(frame) => {
                packets.push(encode(&Packet::decode(&frame, version).unwrap(), version));
                start += frame.length;
            }
            Split::Partial { needed } => {
                assert!(needed > 0);
                end += 1;
            }
        }
    }
    packets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_packet_survives_encoding_and_decoding((packet, version) in any_packet_and_version()) {
        let bytes = encode(&packet, version);
        prop_assert_eq!(decode(&bytes, version), Ok(packet));
    }

    #[test]
    fn every_prefix_of_a_packet_is_partial_and_knows_a_lower_bound(
        (packet, version) in any_packet_and_version(),
    ) {
        let bytes = encode(&packet, version);
        let header = 1 + bytes[1..].iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
        for end in 0..bytes.len() {
            match split_frame(&bytes[..end], u32::MAX) {
                Ok(Split::Partial { needed }) if end < header => {
                    prop_assert!((1..=bytes.len() - end).contains(&needed));
                }
                Ok(Split::Partial { needed }) => prop_assert_eq!(needed, bytes.len() - end),
                other => prop_assert!(false, "{:?} at {} of {:02X?}", other, end, bytes),
            }
        }
    }

    #[test]
    fn a_packet_whose_body_is_cut_short_is_refused_or_another_packet(
        (packet, version) in any_packet_and_version(),
    ) {
        let bytes = encode(&packet, version);
        let Split::Frame(frame) = split_frame(&bytes, u32::MAX).unwrap() else { panic!("partial") };
        for end in 0..frame.body.len() {
            let cut = common::packet(frame.first_byte, &frame.body[..end]);
            if let Ok(decoded) = decode(&cut, version) {
                prop_assert_ne!(decoded, packet.clone());
            }
        }
    }

    #[test]
    fn a_byte_behind_the_last_field_is_refused_where_nothing_may_follow(
        (packet, version) in any_packet_and_version(),
    ) {
        let bytes = encode(&packet, version);
        let Split::Frame(frame) = split_frame(&bytes, u32::MAX).unwrap() else { panic!("partial") };
        let mut body = frame.body.to_vec();
        body.push(0);
        let longer = common::packet(frame.first_byte, &body);
        match decode(&longer, version) {
            // The payload goes on to the end, and so do lists; a lone Reason Code and the property length may
            // be left out.
            Ok(decoded) => prop_assert!(
                matches!(decoded, Packet::Publish(_) | Packet::Suback(_) | Packet::Unsuback(_))
                    || decoded == packet,
                "{:?} became {:?}", packet, decoded
            ),
            Err(error) => prop_assert!(matches!(error, DecodeError::Malformed(_)), "{error:?}"),
        }
    }

    #[test]
    fn one_packet_ends_where_the_next_begins(
        (packets, version) in
            any_version().prop_flat_map(|version| (vec(any_packet(version), 1..4), Just(version))),
    ) {
        let encoded: Vec<_> = packets.iter().map(|packet| encode(packet, version)).collect();
        prop_assert_eq!(packets_of(&encoded.concat(), version), encoded);
    }

    #[test]
    fn a_packet_is_too_large_from_one_byte_above_the_maximum_on_and_as_soon_as_that_can_be_seen(
        (packet, version) in any_packet_and_version(),
    ) {
        let bytes = encode(&packet, version);
        let length = u32::try_from(bytes.len()).unwrap();
        prop_assert!(matches!(split_frame(&bytes, length), Ok(Split::Frame(_))));
        let maximum = length - 1;
        let header = 1 + bytes[1..].iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
        let expected = Err(DecodeError::Limit(Limit::PacketTooLarge { length, maximum }));
        prop_assert_eq!(split_frame(&bytes[..header], maximum), expected);
        prop_assert_eq!(split_frame(&bytes, maximum), expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..64), version in any_version()) {
        if let Ok(Split::Frame(frame)) = split_frame(&bytes, u32::MAX) {
            prop_assert!(frame.length <= bytes.len());
            let _ = format!("{:?}", Packet::decode(&frame, version));
        }
    }

    #[test]
    fn arbitrary_bodies_of_every_kind_never_panic(
        kind in 1..=15_u8, flags in 0..16_u8, body in vec(any::<u8>(), 0..64), version in any_version(),
    ) {
        for flags in [flags, 0, 0b0010] {
            if let Ok(Split::Frame(frame)) = split_frame(&packet(kind << 4 | flags, &body), u32::MAX) {
                let _ = format!("{:?}", Packet::decode(&frame, version));
            }
        }
    }

    /// Whatever is accepted is something that we could have sent ourselves, and views are safe to read.
    #[test]
    fn a_damaged_packet_is_refused_or_means_the_same_after_another_round(
        (packet, version) in any_packet_and_version(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let bytes = encode(&packet, version);
        let Split::Frame(frame) = split_frame(&bytes, u32::MAX).unwrap() else { panic!("partial") };
        let mut body = frame.body.to_vec();
        for (at, byte, how) in damage {
            let at = at.index(body.len() + 1);
            match how {
                0 if at < body.len() => body[at] = byte,
                1 if at < body.len() => drop(body.remove(at)),
                _ => body.insert(at, byte),
            }
        }
        let damaged = common::packet(frame.first_byte, &body);
        if let Ok(accepted) = decode(&damaged, version) {
            // A damaged CONNECT may have become one of another version.
            let version = if let Packet::Connect(connect) = &accepted { connect.version } else { version };
            let again = encode(&accepted, version);
            prop_assert_eq!(decode(&again, version), Ok(accepted));
        }
    }
}

#[test]
fn every_two_byte_packet_of_every_version_is_decoded_or_refused() {
    for (first, second) in (0..=255_u8).flat_map(|first| (0..=255_u8).map(move |second| (first, second))) {
        for version in VERSIONS {
            for body in [&[][..], &[second], &[0, second], &[second, 0, 1]] {
                if let Ok(Split::Frame(frame)) = split_frame(&packet(first, body), u32::MAX) {
                    let _ = Packet::decode(&frame, version);
                }
            }
        }
    }
}
