//! Property sections, in whatever packet they stand.

use crate::*;

/// A property with the smallest value that is allowed.
fn smallest(property: PropertyId) -> Vec<u8> {
    let value: &[u8] = match property {
        PropertyId::SubscriptionIdentifier => &[1],
        PropertyId::PayloadFormatIndicator
        | PropertyId::RequestProblemInformation
        | PropertyId::RequestResponseInformation
        | PropertyId::MaximumQoS
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => &[0],
        PropertyId::ServerKeepAlive
        | PropertyId::ReceiveMaximum
        | PropertyId::TopicAliasMaximum
        | PropertyId::TopicAlias => &[0, 1],
        PropertyId::MessageExpiryInterval
        | PropertyId::SessionExpiryInterval
        | PropertyId::WillDelayInterval
        | PropertyId::MaximumPacketSize => &[0, 0, 0, 1],
        PropertyId::UserProperty => &[0, 1, b'k', 0, 1, b'v'],
        _ => &[0, 1, b's'],
    };
    [&[property.value()], value].concat()
}

/// Which kinds of packet may carry a property, as table 2-4 of the standard has it (0: a Will).
fn carriers(property: PropertyId) -> &'static [u8] {
    match property {
        PropertyId::PayloadFormatIndicator
        | PropertyId::MessageExpiryInterval
        | PropertyId::ContentType
        | PropertyId::ResponseTopic
        | PropertyId::CorrelationData => &[3, 0],
        PropertyId::SubscriptionIdentifier => &[3, 8],
        PropertyId::SessionExpiryInterval => &[1, 2, 14],
        PropertyId::AuthenticationMethod | PropertyId::AuthenticationData => &[1, 2, 15],
        PropertyId::RequestProblemInformation | PropertyId::RequestResponseInformation => &[1],
        PropertyId::WillDelayInterval => &[0],
        PropertyId::ServerReference => &[2, 14],
        PropertyId::ReasonString => &[2, 4, 5, 6, 7, 9, 11, 14, 15],
        PropertyId::ReceiveMaximum | PropertyId::TopicAliasMaximum | PropertyId::MaximumPacketSize => &[1, 2],
        PropertyId::TopicAlias => &[3],
        PropertyId::UserProperty => &[1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15],
        PropertyId::AssignedClientIdentifier
        | PropertyId::ServerKeepAlive
        | PropertyId::ResponseInformation
        | PropertyId::MaximumQoS
        | PropertyId::RetainAvailable
        | PropertyId::WildcardSubscriptionAvailable
        | PropertyId::SubscriptionIdentifierAvailable
        | PropertyId::SharedSubscriptionAvailable => &[2],
    }
}

fn will_with(properties: &[u8]) -> Vec<u8> {
    let will = section(properties, &[0, 1, b't', 0, 0]);
    connect_body("MQTT", 5, 0x04, &[&[0, 0, 0], &will[..]].concat())
}

#[test]
fn every_property_is_taken_where_table_2_4_has_it_and_refused_elsewhere() {
    for &property in PropertyId::ALL {
        let value = smallest(property);
        let mut bodies = bodies_with(&value);
        bodies.push((0, will_with(&value)));
        for (first_byte, body) in bodies {
            let kind = first_byte >> 4;
            let first_byte = if kind == 0 { CONNECT } else { first_byte };
            match (property, kind) {
                (PropertyId::AuthenticationMethod, 15) => {
                    refused(V5_0, first_byte, &body, ProtocolError::DuplicateProperty { property });
                }
                (PropertyId::AuthenticationData, 1) => {
                    refused(V5_0, first_byte, &body, ProtocolError::AuthenticationDataWithoutMethod);
                }
                _ if carriers(property).contains(&kind) => accepted(V5_0, first_byte, &body),
                _ => refused(V5_0, first_byte, &body, Malformed::PropertyNotAllowed { property }),
            }
        }
    }
}

#[test]
fn a_property_that_is_given_twice_is_refused_but_for_the_two_that_may_be() {
    for &property in PropertyId::ALL {
        let value = smallest(property);
        let twice = [&value[..], &value].concat();
        let mut bodies = bodies_with(&twice);
        bodies.push((0, will_with(&twice)));
        for (first_byte, body) in bodies {
            let kind = first_byte >> 4;
            if !carriers(property).contains(&kind) {
                continue;
            }
            let first_byte = if kind == 0 { CONNECT } else { first_byte };
            match (property, kind) {
                (PropertyId::UserProperty, _) | (PropertyId::SubscriptionIdentifier, 3) => {
                    accepted(V5_0, first_byte, &body);
                }
                _ => refused(V5_0, first_byte, &body, ProtocolError::DuplicateProperty { property }),
            }
        }
    }
}

#[test]
fn an_identifier_that_does_not_exist_is_refused_everywhere() {
    let known: Vec<_> = PropertyId::ALL.iter().map(|property| property.value()).collect();
    for id in (0..=0x7F).filter(|id| !known.contains(id)) {
        for (first_byte, body) in bodies_with(&[id, 0, 0, 0, 0]) {
            refused(V5_0, first_byte, &body, Malformed::UnknownProperty { id: u32::from(id) });
        }
    }
    refused(V5_0, DISCONNECT, &[0, 2, 0xA6, 0x02], Malformed::UnknownProperty { id: 0x126 });
}

#[test]
fn an_identifier_in_more_bytes_than_it_needs_is_refused() {
    refused(V5_0, DISCONNECT, &[0, 7, 0x91, 0x00, 0, 0, 0, 0, 1], Malformed::VarintOverlong);
}

#[test]
fn a_property_length_past_the_packet_is_refused() {
    for (first_byte, body) in [(PUBLISH, &[0, 1, b't', 1][..]), (CONNACK, &[0, 0, 9]), (DISCONNECT, &[0, 1])]
    {
        refused(V5_0, first_byte, body, Malformed::UnexpectedEnd);
    }
}

#[test]
fn a_property_length_in_a_wrong_form_is_refused() {
    refused(V5_0, PUBLISH, &[0, 1, b't', 0x80, 0], Malformed::VarintOverlong);
    refused(V5_0, PUBLISH, &[0, 1, b't', 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], Malformed::VarintTooLong);
    refused(V5_0, PUBLISH, &[0, 1, b't', 0x80], Malformed::UnexpectedEnd);
    refused(V5_0, PUBLISH, &[0, 1, b't'], Malformed::UnexpectedEnd);
}

#[test]
fn a_value_that_goes_on_past_the_section_is_refused_though_the_packet_goes_on() {
    for &property in PropertyId::ALL {
        let value = smallest(property);
        let cut = &value[..value.len() - 1];
        let carrier = carriers(property)[0];
        let (first_byte, body) = match carrier {
            0 => (CONNECT, will_with(cut)),
            _ => bodies_with(cut).into_iter().find(|(first_byte, _)| first_byte >> 4 == carrier).unwrap(),
        };
        refused(V5_0, first_byte, &body, Malformed::UnexpectedEnd);
    }
}

#[test]
fn a_switch_that_is_neither_0_nor_1_is_refused() {
    let of_connack = [
        PropertyId::MaximumQoS,
        PropertyId::RetainAvailable,
        PropertyId::WildcardSubscriptionAvailable,
        PropertyId::SubscriptionIdentifierAvailable,
        PropertyId::SharedSubscriptionAvailable,
    ];
    for property in of_connack {
        accepted(V5_0, CONNACK, &[0, 0, 2, property.value(), 1]);
        let expected = ProtocolError::NeitherZeroNorOne { property };
        refused(V5_0, CONNACK, &[0, 0, 2, property.value(), 2], expected);
    }
    for property in [PropertyId::RequestProblemInformation, PropertyId::RequestResponseInformation] {
        let body = connect_body("MQTT", 5, 0, &[2, property.value(), 2, 0, 0]);
        refused(V5_0, CONNECT, &body, ProtocolError::NeitherZeroNorOne { property });
    }
    let property = PropertyId::PayloadFormatIndicator;
    refused(V5_0, PUBLISH, &[0, 1, b't', 2, 0x01, 0xFF], ProtocolError::NeitherZeroNorOne { property });
}

#[test]
fn a_zero_where_none_is_allowed_is_refused() {
    let property = PropertyId::ReceiveMaximum;
    refused(V5_0, CONNACK, &[0, 0, 3, 0x21, 0, 0], ProtocolError::ZeroValue { property });
    let body = connect_body("MQTT", 5, 0, &[3, 0x21, 0, 0, 0, 0]);
    refused(V5_0, CONNECT, &body, ProtocolError::ZeroValue { property });

    let property = PropertyId::MaximumPacketSize;
    refused(V5_0, CONNACK, &[0, 0, 5, 0x27, 0, 0, 0, 0], ProtocolError::ZeroValue { property });
    let body = connect_body("MQTT", 5, 0, &[5, 0x27, 0, 0, 0, 0, 0, 0]);
    refused(V5_0, CONNECT, &body, ProtocolError::ZeroValue { property });

    let property = PropertyId::SubscriptionIdentifier;
    refused(V5_0, PUBLISH, &[0, 1, b't', 2, 0x0B, 0], ProtocolError::ZeroValue { property });
    let body = [0, 1, 2, 0x0B, 0, 0, 1, b'f', 0];
    refused(V5_0, SUBSCRIBE, &body, ProtocolError::ZeroValue { property });
}

#[test]
fn topic_alias_0_is_refused_with_its_own_reason_code() {
    refused(V5_0, PUBLISH, &[0, 1, b't', 3, 0x23, 0, 0], ProtocolError::TopicAliasZero);
    let error = DecodeError::from(ProtocolError::TopicAliasZero);
    assert_eq!(error.reason_code(), ReasonCode::TopicAliasInvalid);
}

#[test]
fn authentication_data_needs_its_method() {
    let body = connect_body("MQTT", 5, 0, &[4, 0x16, 0, 1, 9, 0, 0]);
    refused(V5_0, CONNECT, &body, ProtocolError::AuthenticationDataWithoutMethod);
    refused(V5_0, AUTH, &[0x18, 4, 0x16, 0, 1, 9], ProtocolError::AuthenticationMethodMissing);
    refused(V5_0, AUTH, &[0, 0], ProtocolError::AuthenticationMethodMissing);
}
