//! What no peer could accept is not written, and nothing of it is left behind.
#![allow(clippy::panic, reason = "how a test fails")]

use topicwire_codec::*;

mod common;
use common::id;

use Version::{V3_1, V3_1_1, V5_0};

#[track_caller]
fn refused(version: Version, packet: &Packet<'_>, expected: EncodeError) {
    let mut out = b"kept".to_vec();
    assert_eq!(packet.encode(version, &mut out), Err(expected));
    assert_eq!(out, b"kept");
}

#[test]
fn a_string_or_binary_field_above_65_535_bytes() {
    let text = "x".repeat(65_536);
    let length = text.len();
    let expected = EncodeError::FieldTooLong { length };
    refused(V3_1_1, &Packet::Publish(Publish::new(&text, b"")), expected);
    refused(V5_0, &Packet::Unsubscribe(Unsubscribe::new(id(1), &[&text])), expected);
    let connect =
        Connect { username: Some(""), password: Some(text.as_bytes()), ..Connect::new(V3_1_1, "c") };
    refused(V3_1_1, &Packet::Connect(connect), expected);
    let pairs = [("k", text.as_str())];
    let user_properties = UserProperties::from_pairs(&pairs);
    refused(V5_0, &Packet::Disconnect(Disconnect { user_properties, ..Disconnect::default() }), expected);

    let mut out = Vec::new();
    Publish::new(&text[1..], b"").encode(V3_1_1, &mut out).unwrap();
    assert_eq!(out.len(), 1 + 3 + 2 + 65_535);
}

#[test]
fn a_string_with_u_0000() {
    refused(V3_1_1, &Packet::Publish(Publish::new("a\0b", b"")), EncodeError::NulInString);
    refused(V3_1_1, &Packet::Connect(Connect::new(V3_1_1, "\0")), EncodeError::NulInString);
    let properties = PublishProperties { content_type: Some("\0"), ..PublishProperties::default() };
    refused(
        V5_0,
        &Packet::Publish(Publish { properties, ..Publish::new("t", b"") }),
        EncodeError::NulInString,
    );
    let mut out = b"kept".to_vec();
    assert_eq!(properties.encode_forwarded(&mut out), Err(EncodeError::NulInString));
    assert_eq!(out, b"kept");
}

#[test]
fn more_than_a_remaining_length_can_say() {
    let payload = vec![0; 268_435_455];
    let publish = Publish::new("t", &payload);
    let remaining_length = 3 + payload.len();
    refused(V3_1_1, &Packet::Publish(publish), EncodeError::PacketTooLarge { remaining_length });
}

#[test]
fn a_publish_whose_packet_identifier_or_dup_does_not_go_with_its_qos() {
    let publish = Publish::new("t", b"");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        refused(V3_1_1, &Packet::Publish(Publish { qos, ..publish }), EncodeError::PacketIdMissing);
    }
    let packet_id = PacketId::new(1);
    refused(V3_1_1, &Packet::Publish(Publish { packet_id, ..publish }), EncodeError::PacketIdWithQosZero);
    refused(V3_1_1, &Packet::Publish(Publish { dup: true, ..publish }), EncodeError::DupWithQosZero);
}

#[test]
fn an_empty_topic_name() {
    refused(V5_0, &Packet::Publish(Publish::new("", b"")), EncodeError::EmptyTopicName);
    let properties = PublishProperties { topic_alias: Some(1), ..PublishProperties::default() };
    // 3.1.1 has no alias that could stand for it.
    refused(
        V3_1_1,
        &Packet::Publish(Publish { properties, ..Publish::default() }),
        EncodeError::EmptyTopicName,
    );
    for version in [V3_1, V3_1_1, V5_0] {
        let connect = Connect { will: Some(Will::default()), ..Connect::new(version, "c") };
        refused(version, &Packet::Connect(connect), EncodeError::EmptyTopicName);
    }
}

#[test]
fn a_property_value_that_is_not_allowed() {
    let refused_value = |packet: Packet<'_>, property| {
        refused(V5_0, &packet, EncodeError::PropertyValue { property });
    };
    let publish = |properties| Packet::Publish(Publish { properties, ..Publish::new("t", b"") });
    let none = PublishProperties::default();
    refused_value(publish(PublishProperties { topic_alias: Some(0), ..none }), PropertyId::TopicAlias);
    for ids in [&[0][..], &[1, VARINT_MAX + 1]] {
        let subscription_ids = SubscriptionIds::from_slice(ids);
        let properties = PublishProperties { subscription_ids, ..none };
        refused_value(publish(properties), PropertyId::SubscriptionIdentifier);
    }

    let filters = [SubscribeFilter { topic_filter: "f", options: SubscribeOptions::default() }];
    let subscribe = Subscribe { subscription_id: Some(0), ..Subscribe::new(id(1), &filters) };
    refused_value(Packet::Subscribe(subscribe), PropertyId::SubscriptionIdentifier);

    let connect = |properties| Packet::Connect(Connect { properties, ..Connect::new(V5_0, "c") });
    let none = ConnectProperties::default();
    refused_value(
        connect(ConnectProperties { receive_maximum: Some(0), ..none }),
        PropertyId::ReceiveMaximum,
    );
    refused_value(
        connect(ConnectProperties { maximum_packet_size: Some(0), ..none }),
        PropertyId::MaximumPacketSize,
    );

    let connack = |properties| Packet::Connack(Connack { properties, ..Connack::new(ReasonCode::Success) });
    let none = ConnackProperties::default();
    refused_value(
        connack(ConnackProperties { receive_maximum: Some(0), ..none }),
        PropertyId::ReceiveMaximum,
    );
    refused_value(
        connack(ConnackProperties { maximum_packet_size: Some(0), ..none }),
        PropertyId::MaximumPacketSize,
    );
}

#[test]
fn a_will_with_properties_of_a_publish_alone() {
    let connect = |properties| {
        let will = Will { topic_name: "w", properties, ..Will::default() };
        Packet::Connect(Connect { will: Some(will), ..Connect::new(V5_0, "c") })
    };
    let alias = PublishProperties { topic_alias: Some(1), ..PublishProperties::default() };
    refused(V5_0, &connect(alias), EncodeError::PropertyNotAllowed { property: PropertyId::TopicAlias });
    let ids = PublishProperties {
        subscription_ids: SubscriptionIds::from_slice(&[1]),
        ..PublishProperties::default()
    };
    let property = PropertyId::SubscriptionIdentifier;
    refused(V5_0, &connect(ids), EncodeError::PropertyNotAllowed { property });
}

#[test]
fn a_reason_code_that_the_packet_may_not_carry() {
    let wrong = |packet: Packet<'_>, reason_code| {
        let packet_type = packet.packet_type();
        refused(V5_0, &packet, EncodeError::ReasonCodeNotAllowed { packet_type, reason_code });
    };
    let [down, quota] = [ReasonCode::ServerShuttingDown, ReasonCode::QuotaExceeded];
    wrong(Packet::Connack(Connack::new(down)), down);
    wrong(Packet::Puback(Ack::new(id(1), down)), down);
    wrong(Packet::Pubrec(Ack::new(id(1), down)), down);
    wrong(Packet::Pubrel(Ack::new(id(1), quota)), quota);
    wrong(Packet::Pubcomp(Ack::new(id(1), quota)), quota);
    wrong(Packet::Suback(Suback::new(id(1), &[ReasonCode::Success, down])), down);
    wrong(Packet::Unsuback(Unsuback::new(id(1), &[quota])), quota);
    wrong(Packet::Disconnect(Disconnect::new(ReasonCode::Banned)), ReasonCode::Banned);
    wrong(Packet::Auth(Auth::new(quota, "m")), quota);
}

#[test]
fn lists_that_may_not_be_empty() {
    for version in [V3_1, V3_1_1, V5_0] {
        refused(version, &Packet::Subscribe(Subscribe::new(id(1), &[])), EncodeError::NoTopicFilters);
        refused(version, &Packet::Unsubscribe(Unsubscribe::new(id(1), &[])), EncodeError::NoTopicFilters);
        refused(version, &Packet::Suback(Suback::new(id(1), &[])), EncodeError::NoReasonCodes);
    }
    refused(V5_0, &Packet::Unsuback(Unsuback::new(id(1), &[])), EncodeError::NoReasonCodes);
}

#[test]
fn session_present_on_a_refusal() {
    let connack = Connack { session_present: true, ..Connack::new(ReasonCode::NotAuthorized) };
    for version in [V3_1, V3_1_1, V5_0] {
        refused(version, &Packet::Connack(connack.clone()), EncodeError::SessionPresentOnRefusal);
    }
}

#[test]
fn a_password_without_a_user_name_before_5_0() {
    for version in [V3_1, V3_1_1] {
        let connect = Connect { password: Some(b"p"), ..Connect::new(version, "c") };
        refused(version, &Packet::Connect(connect), EncodeError::PasswordWithoutUsername);
    }
}

#[test]
fn an_authentication_that_does_not_name_its_method() {
    let properties = ConnectProperties { authentication_data: Some(b"d"), ..ConnectProperties::default() };
    let connect = Connect { properties, ..Connect::new(V5_0, "c") };
    refused(V5_0, &Packet::Connect(connect), EncodeError::AuthenticationDataWithoutMethod);
    let auth = Auth { authentication_method: None, ..Auth::new(ReasonCode::ReAuthenticate, "") };
    refused(V5_0, &Packet::Auth(auth), EncodeError::AuthenticationMethodMissing);
}

#[test]
fn auth_before_5_0() {
    for version in [V3_1, V3_1_1] {
        refused(version, &Packet::Auth(Auth::new(ReasonCode::Success, "m")), EncodeError::AuthBeforeV5);
    }
}

#[test]
fn an_acknowledgement_of_another_kind() {
    let ack = Ack::new(id(1), ReasonCode::Success);
    for &packet_type in PacketType::ALL {
        let mut out = Vec::new();
        let acks = [PacketType::Puback, PacketType::Pubrec, PacketType::Pubrel, PacketType::Pubcomp];
        if !acks.contains(&packet_type) {
            assert_eq!(ack.encode(packet_type, V5_0, &mut out), Err(EncodeError::NotAnAck { packet_type }));
            assert!(out.is_empty());
        }
    }
}
