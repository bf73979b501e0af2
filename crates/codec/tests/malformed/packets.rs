//! The other packets, each about what is its own.

mod connack_packet {
    use crate::*;

    #[test]
    fn reserved_acknowledge_flags_are_refused_but_in_3_1_where_the_byte_says_nothing() {
        for flags in [0x02, 0x80, 0xFF] {
            refused(V5_0, CONNACK, &[flags, 0, 0], Malformed::ConnackReservedFlags);
            refused(V3_1_1, CONNACK, &[flags, 0], Malformed::ConnackReservedFlags);
            let bytes = packet(CONNACK, &[flags, 0]);
            assert_eq!(decode(&bytes, V3_1), Ok(Packet::Connack(Connack::new(ReasonCode::Success))));
        }
    }

    #[test]
    fn session_present_on_a_refusal_is_refused() {
        refused(V5_0, CONNACK, &[1, 0x87, 0], ProtocolError::SessionPresentOnRefusal);
        refused(V3_1_1, CONNACK, &[1, 5], ProtocolError::SessionPresentOnRefusal);
    }

    #[test]
    fn return_codes_above_5_are_reserved() {
        let packet_type = PacketType::Connack;
        for value in 6..=255 {
            for version in [V3_1, V3_1_1] {
                refused(
                    version,
                    CONNACK,
                    &[0, value],
                    ProtocolError::ReasonCodeNotAllowed { packet_type, value },
                );
            }
        }
    }

    #[test]
    fn bytes_behind_the_last_field_are_refused() {
        refused(V3_1_1, CONNACK, &[0, 0, 0], Malformed::TrailingBytes);
        refused(V5_0, CONNACK, &[0, 0, 0, 0], Malformed::TrailingBytes);
    }
}

mod publish_packet {
    use crate::*;

    #[test]
    fn an_empty_topic_name_needs_an_alias_and_5_0() {
        for version in [V3_1, V3_1_1] {
            refused(version, PUBLISH, &[0, 0, b'x'], ProtocolError::EmptyTopicName);
        }
        refused(V5_0, PUBLISH, &[0, 0, 0, b'x'], ProtocolError::EmptyTopicName);
        accepted(V5_0, PUBLISH, &[0, 0, 3, 0x23, 0, 1, b'x']);
    }

    #[test]
    fn packet_identifier_0_is_refused() {
        for first_byte in [PUBLISH_QOS_1, 0x34] {
            refused(V3_1_1, first_byte, &[0, 1, b't', 0, 0], ProtocolError::PacketIdZero);
        }
    }

    #[test]
    fn a_missing_packet_identifier_is_refused() {
        refused(V3_1_1, PUBLISH_QOS_1, &[0, 1, b't'], Malformed::UnexpectedEnd);
        refused(V3_1_1, PUBLISH_QOS_1, &[0, 1, b't', 1], Malformed::UnexpectedEnd);
    }
}

mod acknowledgements {
    use crate::*;

    #[test]
    fn packet_identifier_0_is_refused() {
        for version in VERSIONS {
            for first_byte in ACKS {
                refused(version, first_byte, &[0, 0], ProtocolError::PacketIdZero);
            }
        }
        let codes: [(u8, &[u8]); 4] = [
            (SUBSCRIBE, &[0, 0, 0, 1, b'f', 0]),
            (SUBACK, &[0, 0, 0]),
            (UNSUBSCRIBE, &[0, 0, 0, 1, b'f']),
            (UNSUBACK, &[0, 0]),
        ];
        for (first_byte, body) in codes {
            refused(V3_1_1, first_byte, body, ProtocolError::PacketIdZero);
        }
    }

    #[test]
    fn a_reason_code_before_5_0_is_refused() {
        for version in [V3_1, V3_1_1] {
            for first_byte in ACKS {
                refused(version, first_byte, &[0, 1, 0], Malformed::TrailingBytes);
            }
        }
    }

    #[test]
    fn bytes_behind_the_properties_are_refused() {
        for first_byte in ACKS {
            refused(V5_0, first_byte, &[0, 1, 0, 0, 0], Malformed::TrailingBytes);
        }
    }

    #[test]
    fn a_packet_of_one_byte_is_refused() {
        for first_byte in ACKS {
            refused(V5_0, first_byte, &[1], Malformed::UnexpectedEnd);
            refused(V5_0, first_byte, &[], Malformed::UnexpectedEnd);
        }
    }
}

mod reason_codes {
    use crate::*;

    #[test]
    fn a_packet_takes_its_own_reason_codes_and_no_others() {
        let mut kinds: Vec<(u8, &[u8], &[u8])> = vec![
            (CONNACK, &[0], &[0]),
            (SUBACK, &[0, 1, 0], &[]),
            (UNSUBACK, &[0, 1, 0], &[]),
            (DISCONNECT, &[], &[]),
            (AUTH, &[], &[4, 0x15, 0, 1, b'm']),
        ];
        kinds.extend(ACKS.map(|first_byte| (first_byte, &[0, 1][..], &[][..])));
        for (first_byte, before, after) in kinds {
            let packet_type = PacketType::from_u8(first_byte >> 4).unwrap();
            for value in 0..=255 {
                let body = [before, &[value], after].concat();
                match ReasonCode::from_u8(value) {
                    Some(code) if code.is_valid_for(packet_type) => accepted(V5_0, first_byte, &body),
                    _ => {
                        let expected = ProtocolError::ReasonCodeNotAllowed { packet_type, value };
                        refused(V5_0, first_byte, &body, expected);
                    }
                }
            }
        }
    }

    #[test]
    fn suback_before_5_0_has_four_return_codes() {
        let packet_type = PacketType::Suback;
        for value in 0..=255 {
            match value {
                0..=2 | 0x80 => accepted(V3_1_1, SUBACK, &[0, 1, value]),
                _ => {
                    let expected = ProtocolError::ReasonCodeNotAllowed { packet_type, value };
                    refused(V3_1_1, SUBACK, &[0, 1, value], expected);
                }
            }
        }
    }

    #[test]
    fn suback_and_unsuback_have_at_least_one() {
        refused(V3_1_1, SUBACK, &[0, 1], ProtocolError::NoReasonCodes);
        refused(V5_0, SUBACK, &[0, 1, 0], ProtocolError::NoReasonCodes);
        refused(V5_0, UNSUBACK, &[0, 1, 0], ProtocolError::NoReasonCodes);
        refused(V3_1_1, UNSUBACK, &[0, 1, 0], Malformed::TrailingBytes);
    }
}

mod subscriptions {
    use crate::*;

    #[test]
    fn a_request_without_a_topic_filter_is_refused() {
        refused(V3_1_1, SUBSCRIBE, &[0, 1], ProtocolError::NoTopicFilters);
        refused(V5_0, SUBSCRIBE, &[0, 1, 0], ProtocolError::NoTopicFilters);
        refused(V3_1_1, UNSUBSCRIBE, &[0, 1], ProtocolError::NoTopicFilters);
        refused(V5_0, UNSUBSCRIBE, &[0, 1, 0], ProtocolError::NoTopicFilters);
    }

    #[test]
    fn a_filter_without_options_is_refused() {
        refused(V3_1_1, SUBSCRIBE, &[0, 1, 0, 1, b'f'], Malformed::UnexpectedEnd);
        refused(V3_1_1, SUBSCRIBE, &[0, 1, 0, 1, b'f', 0, 0], Malformed::UnexpectedEnd);
    }

    #[test]
    fn every_options_byte_is_read_or_refused_as_its_version_says() {
        for byte in 0..=255_u8 {
            let line = [0, 1, 0, 1, b'f', byte];
            let line_v5 = [0, 1, 0, 0, 1, b'f', byte];
            if byte & 3 == 3 {
                refused(V3_1, SUBSCRIBE, &line, ProtocolError::SubscribeQosThree);
                refused(V3_1_1, SUBSCRIBE, &line, ProtocolError::SubscribeQosThree);
                refused(V5_0, SUBSCRIBE, &line_v5, ProtocolError::SubscribeQosThree);
                continue;
            }
            accepted(V3_1, SUBSCRIBE, &line);
            match byte {
                0..=2 => accepted(V3_1_1, SUBSCRIBE, &line),
                _ => refused(V3_1_1, SUBSCRIBE, &line, Malformed::SubscribeOptionsReserved),
            }
            match byte >> 4 {
                0..=2 => accepted(V5_0, SUBSCRIBE, &line_v5),
                3 => refused(V5_0, SUBSCRIBE, &line_v5, ProtocolError::RetainHandlingThree),
                _ => refused(V5_0, SUBSCRIBE, &line_v5, Malformed::SubscribeOptionsReserved),
            }
        }
    }
}

mod empty_packets {
    use crate::*;

    #[test]
    fn pings_and_a_disconnect_before_5_0_have_no_body() {
        for version in VERSIONS {
            refused(version, 0xC0, &[0], Malformed::TrailingBytes);
            refused(version, 0xD0, &[0], Malformed::TrailingBytes);
        }
        refused(V3_1_1, DISCONNECT, &[0], Malformed::TrailingBytes);
        refused(V5_0, DISCONNECT, &[0, 0, 0], Malformed::TrailingBytes);
        refused(V5_0, AUTH, &[0, 4, 0x15, 0, 1, b'm', 0], Malformed::TrailingBytes);
        refused(V5_0, AUTH, &[0], Malformed::UnexpectedEnd);
    }
}
