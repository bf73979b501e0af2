//! Arbitrary packets, and short ways to encode and decode one.
//!
//! A packet borrows, and a strategy has to hand it out whole. So its parts are leaked: a few megabytes in the
//! life of a test binary.
#![allow(dead_code, reason = "each test binary uses its own share")]

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use topicwire_codec::*;

pub(crate) const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];

/// The bytes of a packet that can be encoded.
pub(crate) fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).unwrap();
    assert_eq!(packet.encoded_len(version), bytes.len(), "{packet:?}");
    bytes
}

/// The one packet that `bytes` are, or what is wrong with it.
pub(crate) fn decode(bytes: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    match split_frame(bytes, u32::MAX)? {
        Split::Frame(frame) => {
            assert_eq!(frame.length, bytes.len(), "more than one packet in {bytes:02X?}");
            Packet::decode(&frame, version)
        }
        Split::Partial { needed } => panic!("{needed} bytes are missing from {bytes:02X?}"),
    }
}

/// A packet of that first byte and body, with the Remaining Length between them.
pub(crate) fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    let mut length = body.len();
    loop {
        let group = (length & 0x7F) as u8;
        length >>= 7;
        bytes.push(if length == 0 { group } else { group | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub(crate) fn any_version() -> impl Strategy<Value = Version> {
    proptest::sample::select(&VERSIONS)
}

fn leak<T: Clone + Debug + 'static>(
    strategy: impl Strategy<Value = Vec<T>>,
) -> impl Strategy<Value = &'static [T]> {
    strategy.prop_map(|items| &*items.leak())
}

/// Any string that MQTT allows.
pub(crate) fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => "[^\0]{0,24}", 1 => "[a-z/]{100,300}"].prop_map(|text: String| &*text.leak())
}

fn topic() -> impl Strategy<Value = &'static str> {
    "[^\0]{1,24}".prop_map(|text: String| &*text.leak())
}

fn bytes() -> impl Strategy<Value = &'static [u8]> {
    leak(prop_oneof![8 => vec(any::<u8>(), 0..32), 1 => vec(any::<u8>(), 120..400)])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1_u16..).prop_map(id)
}

fn qos() -> impl Strategy<Value = QoS> {
    (0..=2_u8).prop_map(|qos| QoS::from_u8(qos).unwrap())
}

fn user_properties() -> impl Strategy<Value = UserProperties<'static>> {
    leak(vec((text(), text()), 0..4)).prop_map(UserProperties::from_pairs)
}

fn reason_code(packet_type: PacketType) -> impl Strategy<Value = ReasonCode> {
    let valid: Vec<_> =
        ReasonCode::ALL.iter().copied().filter(|code| code.is_valid_for(packet_type)).collect();
    proptest::sample::select(valid)
}

fn publish_properties() -> impl Strategy<Value = PublishProperties<'static>> {
    let ids = leak(vec(1..=VARINT_MAX, 0..3)).prop_map(SubscriptionIds::from_slice);
    (
        of(any::<bool>()),
        of(any::<u32>()),
        of(1_u16..),
        of(text()),
        of(bytes()),
        ids,
        of(text()),
        user_properties(),
    )
        .prop_map(
            |(
                payload_format_indicator,
                message_expiry_interval_secs,
                topic_alias,
                response_topic,
                correlation_data,
                subscription_ids,
                content_type,
                user_properties,
            )| PublishProperties {
                payload_format_indicator,
                message_expiry_interval_secs,
                topic_alias,
                response_topic,
                correlation_data,
                subscription_ids,
                content_type,
                user_properties,
            },
        )
}

fn will(v5: bool) -> impl Strategy<Value = Will<'static>> {
    (topic(), bytes(), qos(), any::<bool>(), any::<u32>(), publish_properties()).prop_map(
        move |(topic_name, payload, qos, retain, delay_interval_secs, properties)| {
            let plain = Will { topic_name, payload, qos, retain, ..Will::default() };
            let subscription_ids = SubscriptionIds::default();
            let properties = PublishProperties { topic_alias: None, subscription_ids, ..properties };
            if v5 { Will { delay_interval_secs, properties, ..plain } } else { plain }
        },
    )
}

fn connect_properties() -> impl Strategy<Value = ConnectProperties<'static>> {
    let numbers =
        (of(any::<u32>()), of(1_u16..), of(1_u32..), of(any::<u16>()), of(any::<bool>()), of(any::<bool>()));
    (numbers, of((text(), of(bytes()))), user_properties()).prop_map(
        |(numbers, authentication, user_properties)| ConnectProperties {
            session_expiry_interval_secs: numbers.0,
            receive_maximum: numbers.1,
            maximum_packet_size: numbers.2,
            topic_alias_maximum: numbers.3,
            request_response_information: numbers.4,
            request_problem_information: numbers.5,
            authentication_method: authentication.map(|(method, _)| method),
            authentication_data: authentication.and_then(|(_, data)| data),
            user_properties,
        },
    )
}

fn connect(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    let flags = (any::<bool>(), any::<bool>(), any::<u16>());
    (flags, text(), of(will(v5)), of(text()), of(bytes()), connect_properties()).prop_map(
        move |((bridge, clean_start, keep_alive_secs), client_id, will, username, password, properties)| {
            Packet::Connect(Connect {
                version,
                bridge,
                clean_start,
                keep_alive_secs,
                client_id,
                will,
                username,
                password: password.filter(|_| v5 || username.is_some()),
                properties: if v5 { properties } else { ConnectProperties::default() },
            })
        },
    )
}

fn connack_properties() -> impl Strategy<Value = ConnackProperties<'static>> {
    let numbers = (of(any::<u32>()), of(1_u16..), of(1_u32..), of(any::<u16>()), of(any::<u16>()));
    let switches =
        (of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>()));
    let texts = (of(text()), of(text()), of(text()), of(text()), of(text()), of(bytes()), user_properties());
    (numbers, switches, texts).prop_map(|(numbers, switches, texts)| ConnackProperties {
        session_expiry_interval_secs: numbers.0,
        receive_maximum: numbers.1,
        maximum_packet_size: numbers.2,
        topic_alias_maximum: numbers.3,
        server_keep_alive_secs: numbers.4,
        maximum_qos: switches.0.map(|one| if one { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
        retain_available: switches.1,
        wildcard_subscription_available: switches.2,
        subscription_ids_available: switches.3,
        shared_subscription_available: switches.4,
        assigned_client_id: texts.0,
        reason_string: texts.1,
        response_information: texts.2,
        server_reference: texts.3,
        authentication_method: texts.4,
        authentication_data: texts.5,
        user_properties: texts.6,
    })
}

fn connack(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    let codes = if v5 {
        reason_code(PacketType::Connack).boxed()
    } else {
        (0..=5_u8).prop_map(|code| ReasonCode::from_connack_return_code(code).unwrap()).boxed()
    };
    (any::<bool>(), codes, connack_properties()).prop_map(move |(present, reason_code, properties)| {
        Packet::Connack(Connack {
            session_present: present && reason_code == ReasonCode::Success && version != Version::V3_1,
            reason_code,
            properties: if v5 { properties } else { ConnackProperties::default() },
        })
    })
}

fn publish(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    (any::<(bool, bool)>(), qos(), of(topic()), packet_id(), publish_properties(), bytes()).prop_map(
        move |((dup, retain), qos, topic_name, packet_id, properties, payload)| {
            let properties = if v5 { properties } else { PublishProperties::default() };
            Packet::Publish(Publish {
                dup: dup && qos != QoS::AtMostOnce,
                qos,
                retain,
                topic_name: topic_name.unwrap_or(if properties.topic_alias.is_some() { "" } else { "t" }),
                packet_id: Some(packet_id).filter(|_| qos != QoS::AtMostOnce),
                properties,
                payload,
            })
        },
    )
}

fn ack(
    packet_type: PacketType,
    version: Version,
    wrap: fn(Ack<'static>) -> Packet<'static>,
) -> impl Strategy<Value = Packet<'static>> {
    let full = (packet_id(), reason_code(packet_type), of(text()), user_properties());
    full.prop_map(move |(packet_id, reason_code, reason_string, user_properties)| {
        wrap(if version.is_v5() {
            Ack { packet_id, reason_code, reason_string, user_properties }
        } else {
            Ack::new(packet_id, ReasonCode::Success)
        })
    })
}

fn subscribe(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    let filter = (text(), qos(), any::<(bool, bool)>(), 0..=2_u8).prop_map(
        move |(topic_filter, qos, flags, retain)| {
            let full = SubscribeOptions {
                qos,
                no_local: flags.0,
                retain_as_published: flags.1,
                retain_handling: RetainHandling::from_u8(retain).unwrap(),
            };
            SubscribeFilter { topic_filter, options: if v5 { full } else { SubscribeOptions::from_qos(qos) } }
        },
    );
    (packet_id(), of(1..=VARINT_MAX), user_properties(), leak(vec(filter, 1..4))).prop_map(
        move |(packet_id, subscription_id, user_properties, filters)| {
            let plain = Subscribe::new(packet_id, filters);
            Packet::Subscribe(if v5 {
                Subscribe { subscription_id, user_properties, ..plain }
            } else {
                plain
            })
        },
    )
}

fn suback(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    let codes = reason_code(PacketType::Suback)
        .prop_map(move |code| ReasonCode::from_u8(code.suback_return_code(version)).unwrap());
    (packet_id(), of(text()), user_properties(), leak(vec(codes, 1..5))).prop_map(
        move |(packet_id, reason_string, user_properties, codes)| {
            let plain = Suback::new(packet_id, codes);
            Packet::Suback(if v5 { Suback { reason_string, user_properties, ..plain } } else { plain })
        },
    )
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    (packet_id(), user_properties(), leak(vec(text(), 1..4))).prop_map(
        move |(packet_id, user_properties, topic_filters)| {
            let plain = Unsubscribe::new(packet_id, topic_filters);
            Packet::Unsubscribe(if v5 { Unsubscribe { user_properties, ..plain } } else { plain })
        },
    )
}

fn unsuback(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let v5 = version.is_v5();
    (packet_id(), of(text()), user_properties(), leak(vec(reason_code(PacketType::Unsuback), 1..5))).prop_map(
        move |(packet_id, reason_string, user_properties, codes)| {
            Packet::Unsuback(if v5 {
                Unsuback { reason_string, user_properties, ..Unsuback::new(packet_id, codes) }
            } else {
                Unsuback::new(packet_id, &[])
            })
        },
    )
}

fn disconnect(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let full =
        (reason_code(PacketType::Disconnect), of(any::<u32>()), of(text()), user_properties(), of(text()));
    full.prop_map(
        move |(
            reason_code,
            session_expiry_interval_secs,
            reason_string,
            user_properties,
            server_reference,
        )| {
            Packet::Disconnect(if version.is_v5() {
                Disconnect {
                    reason_code,
                    session_expiry_interval_secs,
                    reason_string,
                    user_properties,
                    server_reference,
                }
            } else {
                Disconnect::default()
            })
        },
    )
}

fn auth() -> impl Strategy<Value = Packet<'static>> {
    (reason_code(PacketType::Auth), text(), of(bytes()), of(text()), user_properties()).prop_map(
        |(reason_code, method, authentication_data, reason_string, user_properties)| {
            let plain = Auth::new(reason_code, method);
            Packet::Auth(Auth { authentication_data, reason_string, user_properties, ..plain })
        },
    )
}

/// Any packet that a version has, each kind as often as another.
pub(crate) fn any_packet(version: Version) -> impl Strategy<Value = Packet<'static>> {
    let mut kinds = vec![
        connect(version).boxed(),
        connack(version).boxed(),
        publish(version).boxed(),
        ack(PacketType::Puback, version, Packet::Puback).boxed(),
        ack(PacketType::Pubrec, version, Packet::Pubrec).boxed(),
        ack(PacketType::Pubrel, version, Packet::Pubrel).boxed(),
        ack(PacketType::Pubcomp, version, Packet::Pubcomp).boxed(),
        subscribe(version).boxed(),
        suback(version).boxed(),
        unsubscribe(version).boxed(),
        unsuback(version).boxed(),
        Just(Packet::Pingreq).boxed(),
        Just(Packet::Pingresp).boxed(),
        disconnect(version).boxed(),
    ];
    if version.is_v5() {
        kinds.push(auth().boxed());
    }
    proptest::strategy::Union::new(kinds)
}

/// Any packet of any version.
pub(crate) fn any_packet_and_version() -> impl Strategy<Value = (Packet<'static>, Version)> {
    any_version().prop_flat_map(|version| (any_packet(version), Just(version)))
}
