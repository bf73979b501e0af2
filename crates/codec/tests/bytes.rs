//! Packets as the standards lay them out, byte by byte: each is what its packet encodes to, and decodes to
//! its packet.
#![allow(clippy::panic, reason = "how a test fails")]

use topicwire_codec::*;

mod common;
use common::*;

use Version::{V3_1, V3_1_1, V5_0};

/// Checks that `packet` and `bytes` are the same thing in `version`.
#[track_caller]
fn is(version: Version, packet: &Packet<'_>, bytes: &[u8]) {
    assert_eq!(encode(packet, version), bytes, "{version}");
    assert_eq!(decode(bytes, version).as_ref(), Ok(packet), "{version}");
}

const PAIRS: UserProperties<'_> = UserProperties::from_pairs(&[("k", "v")]);

#[test]
fn connect_with_nothing() {
    let name: &[u8] = &[0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 0x02, 0, 60, 0, 1, b'c'];
    let connect = |version| Packet::Connect(Connect { keep_alive_secs: 60, ..Connect::new(version, "c") });
    is(V3_1, &connect(V3_1), &[&[0x10, 15], name].concat());
    is(V3_1_1, &connect(V3_1_1), b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01c");
    is(V5_0, &connect(V5_0), b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01c");
}

#[test]
fn connect_with_everything_3_1_1_has() {
    let connect = Connect {
        clean_start: false,
        keep_alive_secs: 0xFFFF,
        will: Some(Will {
            topic_name: "w",
            payload: &[0, 1],
            qos: QoS::ExactlyOnce,
            retain: true,
            ..Will::default()
        }),
        username: Some("u"),
        password: Some(&[0xFF]),
        ..Connect::new(V3_1_1, "")
    };
    let bytes = b"\x10\x19\x00\x04MQTT\x04\xF4\xFF\xFF\x00\x00\x00\x01w\x00\x02\x00\x01\x00\x01u\x00\x01\xFF";
    is(V3_1_1, &Packet::Connect(connect), bytes);
}

#[test]
fn connect_with_everything_5_0_has() {
    let connect = Connect {
        bridge: true,
        clean_start: false,
        will: Some(Will {
            topic_name: "w",
            delay_interval_secs: 5,
            properties: PublishProperties {
                payload_format_indicator: Some(true),
                message_expiry_interval_secs: Some(6),
                content_type: Some("c"),
                response_topic: Some("r"),
                correlation_data: Some(&[7]),
                user_properties: PAIRS,
                ..PublishProperties::default()
            },
            ..Will::default()
        }),
        password: Some(b"p"),
        properties: ConnectProperties {
            session_expiry_interval_secs: Some(u32::MAX),
            receive_maximum: Some(1),
            maximum_packet_size: Some(2),
            topic_alias_maximum: Some(3),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            authentication_method: Some("m"),
            authentication_data: Some(&[9]),
            user_properties: PAIRS,
        },
        ..Connect::new(V5_0, "id")
    };
    let expected = [
        &b"\x10\x5A\x00\x04MQTT\x85\x44\x00\x00"[..],
        b"\x23\x11\xFF\xFF\xFF\xFF\x21\x00\x01\x27\x00\x00\x00\x02\x22\x00\x03\x19\x01\x17\x00",
        b"\x15\x00\x01m\x16\x00\x01\x09\x26\x00\x01k\x00\x01v",
        b"\x00\x02id",
        b"\x1F\x18\x00\x00\x00\x05\x02\x00\x00\x00\x06\x01\x01\x03\x00\x01c\x08\x00\x01r\x09\x00\x01\x07",
        b"\x26\x00\x01k\x00\x01v",
        b"\x00\x01w\x00\x00\x00\x01p",
    ]
    .concat();
    is(V5_0, &Packet::Connect(connect), &expected);
}

#[test]
fn connack() {
    let accepted = Connack { session_present: true, ..Connack::new(ReasonCode::Success) };
    is(V3_1_1, &Packet::Connack(accepted.clone()), &[0x20, 2, 1, 0]);
    is(V5_0, &Packet::Connack(accepted.clone()), &[0x20, 3, 1, 0, 0]);
    // 3.1 has no bit for it.
    assert_eq!(encode(&Packet::Connack(accepted), V3_1), [0x20, 2, 0, 0]);
    let refused = Packet::Connack(Connack::new(ReasonCode::NotAuthorized));
    is(V3_1, &refused, &[0x20, 2, 0, 5]);
    is(V3_1_1, &refused, &[0x20, 2, 0, 5]);
    is(V5_0, &refused, &[0x20, 3, 0, 0x87, 0]);
}

#[test]
fn connack_with_every_property() {
    let properties = ConnackProperties {
        session_expiry_interval_secs: Some(1),
        receive_maximum: Some(2),
        maximum_qos: Some(QoS::AtLeastOnce),
        retain_available: Some(false),
        maximum_packet_size: Some(3),
        assigned_client_id: Some("a"),
        topic_alias_maximum: Some(4),
        reason_string: Some("r"),
        user_properties: PAIRS,
        wildcard_subscription_available: Some(true),
        subscription_ids_available: Some(true),
        shared_subscription_available: Some(false),
        server_keep_alive_secs: Some(5),
        response_information: Some("i"),
        server_reference: Some("s"),
        authentication_method: Some("m"),
        authentication_data: Some(&[6]),
    };
    let expected = [
        &b"\x20\x3F\x00\x00\x3C"[..],
        b"\x11\x00\x00\x00\x01\x21\x00\x02\x24\x01\x25\x00\x27\x00\x00\x00\x03\x12\x00\x01a\x22\x00\x04",
        b"\x1F\x00\x01r\x26\x00\x01k\x00\x01v\x28\x01\x29\x01\x2A\x00\x13\x00\x05",
        b"\x1A\x00\x01i\x1C\x00\x01s\x15\x00\x01m\x16\x00\x01\x06",
    ]
    .concat();
    is(V5_0, &Packet::Connack(Connack { properties, ..Connack::new(ReasonCode::Success) }), &expected);
}

#[test]
fn a_maximum_qos_of_2_is_said_by_saying_nothing() {
    let properties =
        ConnackProperties { maximum_qos: Some(QoS::ExactlyOnce), ..ConnackProperties::default() };
    let connack = Packet::Connack(Connack { properties, ..Connack::new(ReasonCode::Success) });
    assert_eq!(encode(&connack, V5_0), [0x20, 3, 0, 0, 0]);
}

#[test]
fn publish() {
    let publish = Publish::new("a/b", b"hi");
    is(V3_1, &Packet::Publish(publish), b"\x30\x07\x00\x03a/bhi");
    is(V5_0, &Packet::Publish(publish), b"\x30\x08\x00\x03a/b\x00hi");
    let publish = Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        packet_id: PacketId::new(0xABCD),
        payload: b"",
        ..publish
    };
    is(V3_1_1, &Packet::Publish(publish), b"\x3D\x07\x00\x03a/b\xAB\xCD");
    is(V5_0, &Packet::Publish(publish), b"\x3D\x08\x00\x03a/b\xAB\xCD\x00");
}

#[test]
fn publish_with_every_property() {
    let properties = PublishProperties {
        payload_format_indicator: Some(false),
        message_expiry_interval_secs: Some(1),
        topic_alias: Some(2),
        response_topic: Some("r"),
        correlation_data: Some(&[3]),
        subscription_ids: SubscriptionIds::from_slice(&[4, VARINT_MAX]),
        content_type: Some("c"),
        user_properties: PAIRS,
    };
    let expected = [
        &b"\x30\x28\x00\x00\x24"[..],
        b"\x02\x00\x00\x00\x01\x23\x00\x02\x0B\x04\x0B\xFF\xFF\xFF\x7F\x01\x00\x03\x00\x01c",
        b"\x08\x00\x01r\x09\x00\x01\x03\x26\x00\x01k\x00\x01v",
        b"!",
    ]
    .concat();
    is(V5_0, &Packet::Publish(Publish { properties, ..Publish::new("", b"!") }), &expected);
}

#[test]
fn acknowledgements_are_as_short_as_they_can_be() {
    type Wrap = fn(Ack<'static>) -> Packet<'static>;
    let kinds: [(Wrap, u8, ReasonCode); 4] = [
        (Packet::Puback, 0x40, ReasonCode::QuotaExceeded),
        (Packet::Pubrec, 0x50, ReasonCode::QuotaExceeded),
        (Packet::Pubrel, 0x62, ReasonCode::PacketIdentifierNotFound),
        (Packet::Pubcomp, 0x70, ReasonCode::PacketIdentifierNotFound),
    ];
    for (wrap, first_byte, code) in kinds {
        let done = Ack::new(id(0x0102), ReasonCode::Success);
        for version in VERSIONS {
            is(version, &wrap(done), &[first_byte, 2, 1, 2]);
        }
        is(V5_0, &wrap(Ack::new(id(1), code)), &[first_byte, 3, 0, 1, code.value()]);
        let full = Ack { reason_string: Some("r"), user_properties: PAIRS, ..done };
        let expected = [&[first_byte, 15, 1, 2, 0][..], b"\x0B\x1F\x00\x01r\x26\x00\x01k\x00\x01v"].concat();
        is(V5_0, &wrap(full), &expected);
        // A property length of 0 may be said, and need not be.
        assert_eq!(decode(&[first_byte, 4, 1, 2, 0, 0], V5_0), Ok(wrap(done)));
    }
}

#[test]
fn before_5_0_an_acknowledgement_cannot_say_more_than_that_it_is_one() {
    let refused = Ack { reason_string: Some("full"), ..Ack::new(id(1), ReasonCode::QuotaExceeded) };
    assert_eq!(encode(&Packet::Puback(refused), V3_1_1), [0x40, 2, 0, 1]);
}

#[test]
fn subscribe() {
    let options = SubscribeOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let lines = [
        SubscribeFilter { topic_filter: "a/+", options: SubscribeOptions::from_qos(QoS::ExactlyOnce) },
        SubscribeFilter { topic_filter: "#", options },
    ];
    let subscribe = Subscribe::new(id(10), &lines);
    let full = Subscribe { subscription_id: Some(200), user_properties: PAIRS, ..subscribe };
    is(
        V5_0,
        &Packet::Subscribe(full),
        b"\x82\x17\x00\x0A\x0A\x0B\xC8\x01\x26\x00\x01k\x00\x01v\x00\x03a/+\x02\x00\x01#\x2D",
    );
    is(V3_1_1, &Packet::Subscribe(Subscribe::new(id(10), &lines[..1])), b"\x82\x08\x00\x0A\x00\x03a/+\x02");
    // What 3.1.1 has no bits for is left out.
    let bytes = encode(&Packet::Subscribe(full), V3_1_1);
    assert_eq!(bytes, b"\x82\x0C\x00\x0A\x00\x03a/+\x02\x00\x01#\x01");
}

#[test]
fn suback() {
    let codes = [
        ReasonCode::GRANTED_QOS_0,
        ReasonCode::GrantedQoS1,
        ReasonCode::GrantedQoS2,
        ReasonCode::UnspecifiedError,
    ];
    let suback = Suback::new(id(1), &codes);
    is(V3_1_1, &Packet::Suback(suback), &[0x90, 6, 0, 1, 0, 1, 2, 0x80]);
    is(V5_0, &Packet::Suback(suback), &[0x90, 7, 0, 1, 0, 0, 1, 2, 0x80]);
    let full = Suback { reason_string: Some("r"), user_properties: PAIRS, ..suback };
    is(
        V5_0,
        &Packet::Suback(full),
        b"\x90\x12\x00\x01\x0B\x1F\x00\x01r\x26\x00\x01k\x00\x01v\x00\x01\x02\x80",
    );
    // Before 5.0 there is one refusal.
    let refused = Suback::new(id(1), &[ReasonCode::NotAuthorized]);
    assert_eq!(encode(&Packet::Suback(refused), V3_1), [0x90, 3, 0, 1, 0x80]);
}

#[test]
fn unsubscribe() {
    let unsubscribe = Unsubscribe::new(id(1), &["a", "b/#"]);
    is(V3_1, &Packet::Unsubscribe(unsubscribe), b"\xA2\x0A\x00\x01\x00\x01a\x00\x03b/#");
    is(V5_0, &Packet::Unsubscribe(unsubscribe), b"\xA2\x0B\x00\x01\x00\x00\x01a\x00\x03b/#");
    let full = Unsubscribe { user_properties: PAIRS, ..unsubscribe };
    is(V5_0, &Packet::Unsubscribe(full), b"\xA2\x12\x00\x01\x07\x26\x00\x01k\x00\x01v\x00\x01a\x00\x03b/#");
}

#[test]
fn unsuback() {
    is(V3_1_1, &Packet::Unsuback(Unsuback::new(id(1), &[])), &[0xB0, 2, 0, 1]);
    let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
    let unsuback = Unsuback::new(id(1), &codes);
    is(V5_0, &Packet::Unsuback(unsuback), &[0xB0, 5, 0, 1, 0, 0, 0x11]);
    let full = Unsuback { reason_string: Some("r"), user_properties: PAIRS, ..unsuback };
    is(V5_0, &Packet::Unsuback(full), b"\xB0\x10\x00\x01\x0B\x1F\x00\x01r\x26\x00\x01k\x00\x01v\x00\x11");
    // Before 5.0 the codes are left out.
    assert_eq!(encode(&Packet::Unsuback(unsuback), V3_1_1), [0xB0, 2, 0, 1]);
}

#[test]
fn pings() {
    for version in VERSIONS {
        is(version, &Packet::Pingreq, &[0xC0, 0]);
        is(version, &Packet::Pingresp, &[0xD0, 0]);
    }
}

#[test]
fn disconnect_is_as_short_as_it_can_be() {
    for version in VERSIONS {
        is(version, &Packet::Disconnect(Disconnect::default()), &[0xE0, 0]);
    }
    let down = Disconnect::new(ReasonCode::ServerShuttingDown);
    is(V5_0, &Packet::Disconnect(down), &[0xE0, 1, 0x8B]);
    assert_eq!(encode(&Packet::Disconnect(down), V3_1_1), [0xE0, 0]);
    let full = Disconnect {
        session_expiry_interval_secs: Some(1),
        reason_string: Some("r"),
        user_properties: PAIRS,
        server_reference: Some("s"),
        ..Disconnect::default()
    };
    let expected = b"\xE0\x16\x00\x14\x11\x00\x00\x00\x01\x1F\x00\x01r\x26\x00\x01k\x00\x01v\x1C\x00\x01s";
    is(V5_0, &Packet::Disconnect(full), expected);
}

#[test]
fn auth() {
    let step = Auth {
        authentication_data: Some(&[1]),
        reason_string: Some("r"),
        user_properties: PAIRS,
        ..Auth::new(ReasonCode::ContinueAuthentication, "m")
    };
    let expected = b"\xF0\x15\x18\x13\x15\x00\x01m\x16\x00\x01\x01\x1F\x00\x01r\x26\x00\x01k\x00\x01v";
    is(V5_0, &Packet::Auth(step), expected);
    let bare = Auth {
        reason_code: ReasonCode::Success,
        authentication_method: None,
        authentication_data: None,
        reason_string: None,
        user_properties: UserProperties::default(),
    };
    is(V5_0, &Packet::Auth(bare), &[0xF0, 0]);
}

#[test]
fn one_property_alone_is_enough_for_a_section() {
    let none = PublishProperties::default();
    assert!(none.is_empty());
    let publish = [
        PublishProperties { payload_format_indicator: Some(false), ..none },
        PublishProperties { message_expiry_interval_secs: Some(0), ..none },
        PublishProperties { topic_alias: Some(1), ..none },
        PublishProperties { response_topic: Some(""), ..none },
        PublishProperties { correlation_data: Some(&[]), ..none },
        PublishProperties { subscription_ids: SubscriptionIds::from_slice(&[1]), ..none },
        PublishProperties { content_type: Some(""), ..none },
        PublishProperties { user_properties: PAIRS, ..none },
    ];
    for properties in publish {
        assert!(!properties.is_empty());
        let packet = Packet::Publish(Publish { properties, ..Publish::new("t", b"") });
        assert_eq!(decode(&encode(&packet, V5_0), V5_0), Ok(packet));
    }
    let none = Disconnect::default();
    let disconnect = [
        Disconnect { session_expiry_interval_secs: Some(0), ..none },
        Disconnect { reason_string: Some(""), ..none },
        Disconnect { user_properties: PAIRS, ..none },
        Disconnect { server_reference: Some(""), ..none },
    ];
    for packet in disconnect.map(Packet::Disconnect) {
        assert_eq!(decode(&encode(&packet, V5_0), V5_0), Ok(packet));
    }
    let none = Ack::new(id(1), ReasonCode::Success);
    let acks = [Ack { reason_string: Some(""), ..none }, Ack { user_properties: PAIRS, ..none }];
    for packet in acks.map(Packet::Puback) {
        assert_eq!(decode(&encode(&packet, V5_0), V5_0), Ok(packet));
    }
}

#[test]
fn a_zero_is_a_value_where_the_standard_does_not_forbid_it() {
    let properties = ConnectProperties {
        session_expiry_interval_secs: Some(0),
        topic_alias_maximum: Some(0),
        ..ConnectProperties::default()
    };
    let connect = Packet::Connect(Connect { properties, ..Connect::new(V5_0, "") });
    is(V5_0, &connect, b"\x10\x15\x00\x04MQTT\x05\x02\x00\x00\x08\x11\x00\x00\x00\x00\x22\x00\x00\x00\x00");
    let properties = ConnackProperties {
        session_expiry_interval_secs: Some(0),
        topic_alias_maximum: Some(0),
        server_keep_alive_secs: Some(0),
        ..ConnackProperties::default()
    };
    let connack = Packet::Connack(Connack { properties, ..Connack::new(ReasonCode::Success) });
    is(V5_0, &connack, b"\x20\x0E\x00\x00\x0B\x11\x00\x00\x00\x00\x22\x00\x00\x13\x00\x00");
}

#[test]
fn repeated_properties_are_found_wherever_they_stand_among_others() {
    let bytes = [
        &b"\x30\x36\x00\x01t\x32\x03\x00\x01c\x0B\x01\x26\x00\x01a\x00\x011\x01\x01\x0B\x80\x01"[..],
        b"\x02\x00\x00\x00\x09\x26\x00\x01b\x00\x012\x08\x00\x01r\x23\x00\x05\x0B\x01\x09\x00\x01d",
        b"\x26\x00\x01a\x00\x013",
    ]
    .concat();
    let Ok(Packet::Publish(publish)) = decode(&bytes, V5_0) else { panic!("refused") };
    let properties = publish.properties;
    assert!(properties.subscription_ids.iter().eq([1, 128, 1]));
    assert!(properties.user_properties.iter().eq([("a", "1"), ("b", "2"), ("a", "3")]));
    // Views are equal by what they hold.
    let pairs = [("a", "1"), ("b", "2"), ("a", "3")];
    assert_eq!(properties.user_properties, UserProperties::from_pairs(&pairs));
    assert_ne!(properties.user_properties, UserProperties::from_pairs(&pairs[..2]));
    assert_eq!(properties.subscription_ids, SubscriptionIds::from_slice(&[1, 128, 1]));
    assert_eq!(format!("{:?}", properties.subscription_ids), "[1, 128, 1]");
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let connect = Connect {
        username: Some("user"),
        password: Some(b"SECRET"),
        properties: ConnectProperties {
            authentication_method: Some("m"),
            authentication_data: Some(b"SECRET"),
            ..ConnectProperties::default()
        },
        ..Connect::new(V5_0, "c")
    };
    let auth = Auth { authentication_data: Some(b"SECRET"), ..Auth::new(ReasonCode::Success, "m") };
    let properties = ConnackProperties {
        authentication_method: Some("m"),
        authentication_data: Some(b"SECRET"),
        ..ConnackProperties::default()
    };
    let connack = Connack { properties, ..Connack::new(ReasonCode::Success) };
    let shown = format!("{connect:?} {auth:?} {connack:?}");
    assert!(!shown.contains("SECRET") && !shown.contains("83, 69"), "{shown}");
    assert_eq!(shown.matches("<6 bytes>").count(), 4, "{shown}");
}
