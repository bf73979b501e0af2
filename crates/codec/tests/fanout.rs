//! What `fanout` writes is what `Publish` reads and would have written itself.
#![allow(clippy::panic, reason = "how a test fails")]

use proptest::prelude::*;
use topicwire_codec::*;

fn decode(bytes: &[u8], version: Version) -> Publish<'_> {
    let Split::Frame(frame) = split_frame(bytes, u32::MAX).unwrap() else { panic!("partial") };
    assert_eq!(frame.length, bytes.len());
    Publish::decode(&frame, version).unwrap()
}

const MESSAGE: Message<'_> = Message { topic_name: "a/b", forwarded: &[0x01, 0x01], payload: b"21.5" };

#[test]
fn a_frame_has_the_bytes_that_the_standard_describes() {
    let mut out = b"before".to_vec();
    let delivery = Delivery {
        qos: QoS::AtLeastOnce,
        retain: true,
        packet_id: PacketId::new(0x1234),
        message_expiry_interval_secs: Some(7),
        subscription_ids: &[1, 200],
        ..Delivery::default()
    };
    let layout = encode_publish(Version::V5_0, &MESSAGE, &delivery, &mut out).unwrap();
    let frame = &out[6..];
    let expected = [
        0x33, 24, 0, 3, b'a', b'/', b'b', 0x12, 0x34, 12, 0x02, 0, 0, 0, 7, 0x0B, 1, 0x0B, 0xC8, 0x01, 0x01,
        0x01, b'2', b'1', b'.', b'5',
    ];
    assert_eq!(frame, expected);
    assert_eq!(layout.length, expected.len());
    assert_eq!(encoded_publish_len(Version::V5_0, &MESSAGE, &delivery), expected.len());
}

#[test]
fn the_header_is_the_frame_without_its_payload() {
    for version in [Version::V3_1, Version::V3_1_1, Version::V5_0] {
        let (mut whole, mut header) = (Vec::new(), Vec::new());
        let layout = encode_publish(version, &MESSAGE, &Delivery::default(), &mut whole).unwrap();
        let header_layout =
            encode_publish_header(version, &MESSAGE, &Delivery::default(), &mut header).unwrap();
        assert_eq!(layout, header_layout);
        header.extend_from_slice(MESSAGE.payload);
        assert_eq!(whole, header);
    }
}

#[test]
fn before_5_0_the_topic_name_is_sent_and_nothing_else_that_only_5_0_has() {
    let delivery = Delivery {
        message_expiry_interval_secs: Some(1),
        topic_alias: Some(2),
        omit_topic_name: true,
        subscription_ids: &[3],
        ..Delivery::default()
    };
    for version in [Version::V3_1, Version::V3_1_1] {
        let mut out = Vec::new();
        encode_publish(version, &MESSAGE, &delivery, &mut out).unwrap();
        assert_eq!(decode(&out, version), Publish::new("a/b", b"21.5"));
    }
}

#[test]
fn an_alias_stands_for_the_topic_name_and_nothing_stands_for_neither() {
    let mut out = Vec::new();
    let delivery = Delivery { topic_alias: Some(9), omit_topic_name: true, ..Delivery::default() };
    encode_publish(Version::V5_0, &MESSAGE, &delivery, &mut out).unwrap();
    let publish = decode(&out, Version::V5_0);
    assert_eq!((publish.topic_name, publish.properties.topic_alias), ("", Some(9)));

    let delivery = Delivery { omit_topic_name: true, ..Delivery::default() };
    out.clear();
    let error = encode_publish(Version::V5_0, &MESSAGE, &delivery, &mut out).unwrap_err();
    assert_eq!((error, out.len()), (EncodeError::EmptyTopicName, 0));
}

#[test]
fn what_a_receiver_would_refuse_is_not_written() {
    let id = PacketId::new(1);
    let long = "x".repeat(65_536);
    let base = Delivery::default();
    let property = PropertyId::TopicAlias;
    let cases = [
        (MESSAGE, Delivery { packet_id: id, ..base }, EncodeError::PacketIdWithQosZero),
        (MESSAGE, Delivery { qos: QoS::AtLeastOnce, ..base }, EncodeError::PacketIdMissing),
        (MESSAGE, Delivery { qos: QoS::ExactlyOnce, ..base }, EncodeError::PacketIdMissing),
        (MESSAGE, Delivery { dup: true, ..base }, EncodeError::DupWithQosZero),
        (MESSAGE, Delivery { topic_alias: Some(0), ..base }, EncodeError::PropertyValue { property }),
        (
            MESSAGE,
            Delivery { subscription_ids: &[0], ..base },
            EncodeError::PropertyValue { property: PropertyId::SubscriptionIdentifier },
        ),
        (
            MESSAGE,
            Delivery { subscription_ids: &[VARINT_MAX + 1], ..base },
            EncodeError::PropertyValue { property: PropertyId::SubscriptionIdentifier },
        ),
        (Message { topic_name: "", ..MESSAGE }, base, EncodeError::EmptyTopicName),
        (Message { topic_name: &long, ..MESSAGE }, base, EncodeError::FieldTooLong { length: 65_536 }),
    ];
    for (message, delivery, expected) in cases {
        let mut out = b"kept".to_vec();
        assert_eq!(encode_publish(Version::V5_0, &message, &delivery, &mut out), Err(expected));
        assert_eq!(out, b"kept");
    }
}

#[test]
fn a_packet_beyond_the_remaining_length_is_refused_before_anything_is_copied() {
    let payload = vec![0; 268_435_456];
    let message = Message { payload: &payload, ..MESSAGE };
    let mut out = Vec::new();
    let error = encode_publish(Version::V3_1_1, &message, &Delivery::default(), &mut out).unwrap_err();
    assert_eq!(error, EncodeError::PacketTooLarge { remaining_length: 268_435_461 });
    assert_eq!(out.capacity(), 0);
}

#[test]
fn a_frame_is_patched_only_for_receivers_that_it_serves() {
    let id = PacketId::new(7);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let at_least_once = Delivery { qos: QoS::AtLeastOnce, packet_id: id, ..Delivery::default() };
    let without_id = encode_publish(Version::V5_0, &MESSAGE, &Delivery::default(), &mut without).unwrap();
    let with_id = encode_publish(Version::V5_0, &MESSAGE, &at_least_once, &mut with).unwrap();
    assert!(!without_id.has_packet_id());
    assert!(with_id.has_packet_id());

    let refused = [
        (&without[..], without_id, false, QoS::AtLeastOnce, id, EncodeError::LayoutMismatch),
        (&with, with_id, false, QoS::AtMostOnce, None, EncodeError::LayoutMismatch),
        (&with[..8], with_id, false, QoS::AtLeastOnce, id, EncodeError::LayoutMismatch),
        (&[], without_id, false, QoS::AtMostOnce, None, EncodeError::LayoutMismatch),
        (&with, with_id, false, QoS::ExactlyOnce, None, EncodeError::PacketIdMissing),
        (&without, without_id, false, QoS::AtMostOnce, id, EncodeError::PacketIdWithQosZero),
        (&without, without_id, true, QoS::AtMostOnce, None, EncodeError::DupWithQosZero),
    ];
    for (frame, layout, dup, qos, packet_id, expected) in refused {
        let mut out = b"kept".to_vec();
        assert_eq!(append_patched(frame, layout, dup, qos, false, packet_id, &mut out), Err(expected));
        assert_eq!(out, b"kept");
    }
}

#[test]
fn forwarded_properties_are_those_that_do_not_depend_on_the_receiver() {
    let pairs = [("b", "1"), ("a", "2"), ("b", "1")];
    let properties = PublishProperties {
        payload_format_indicator: Some(true),
        message_expiry_interval_secs: Some(60),
        topic_alias: Some(3),
        response_topic: Some("answers"),
        correlation_data: Some(&[0, 1, 2]),
        subscription_ids: SubscriptionIds::from_slice(&[5]),
        content_type: Some("text/plain"),
        user_properties: UserProperties::from_pairs(&pairs),
    };
    let mut bytes = Vec::new();
    properties.encode_forwarded(&mut bytes).unwrap();
    let expected = PublishProperties {
        message_expiry_interval_secs: None,
        topic_alias: None,
        subscription_ids: SubscriptionIds::default(),
        ..properties
    };
    assert_eq!(ForwardedProperties::decode(&bytes), expected);
    assert_eq!(ForwardedProperties(&bytes).properties(), expected);
    assert_eq!(PublishProperties::decode_forwarded(&bytes), Ok(expected));
}

#[test]
fn bytes_that_are_not_forwarded_properties_are_named() {
    for property in
        [PropertyId::MessageExpiryInterval, PropertyId::TopicAlias, PropertyId::SubscriptionIdentifier]
    {
        let bytes = [property.value(), 0, 0, 0, 1];
        let error = PublishProperties::decode_forwarded(&bytes).unwrap_err();
        assert_eq!(error, DecodeError::Malformed(Malformed::PropertyNotAllowed { property }));
        assert!(ForwardedProperties::decode(&bytes).is_empty());
    }
}

prop_compose! {
    fn any_delivery()(
        qos in 0..=2_u8, dup: bool, retain: bool, id in 1_u16.., expiry: Option<u32>,
        alias in proptest::option::of(1_u16..), omit: bool,
        ids in proptest::collection::vec(1..=VARINT_MAX, 0..4),
    ) -> (Delivery<'static>, Vec<u32>) {
        let qos = QoS::from_u8(qos).unwrap();
        let acknowledged = qos != QoS::AtMostOnce;
        let delivery = Delivery {
            dup: dup && acknowledged,
            qos,
            retain,
            packet_id: PacketId::new(id).filter(|_| acknowledged),
            message_expiry_interval_secs: expiry,
            topic_alias: alias,
            omit_topic_name: omit && alias.is_some(),
            subscription_ids: &[],
        };
        (delivery, ids)
    }
}

proptest! {
    #[test]
    fn a_frame_is_what_publish_itself_would_have_written(
        (delivery, ids) in any_delivery(),
        topic in "[a-z/\u{E4}\u{1F600}]{1,200}",
        payload: Vec<u8>,
        content_type in proptest::option::of("[a-z]{0,20}"),
        pair: Option<(u8, u8)>,
        version in prop_oneof![Just(Version::V3_1), Just(Version::V3_1_1), Just(Version::V5_0)],
    ) {
        let pair = pair.map(|(name, value)| (name.to_string(), value.to_string()));
        let pairs: Vec<_> = pair.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let properties = PublishProperties {
            content_type: content_type.as_deref(),
            user_properties: UserProperties::from_pairs(&pairs),
            ..PublishProperties::default()
        };
        let mut forwarded = Vec::new();
        properties.encode_forwarded(&mut forwarded).unwrap();

        let delivery = Delivery { subscription_ids: &ids, ..delivery };
        let message = Message { topic_name: &topic, forwarded: &forwarded, payload: &payload };
        let mut out = Vec::new();
        let layout = encode_publish(version, &message, &delivery, &mut out).unwrap();

        let v5 = version.is_v5();
        let publish = Publish {
            dup: delivery.dup,
            qos: delivery.qos,
            retain: delivery.retain,
            topic_name: if v5 && delivery.omit_topic_name { "" } else { &topic },
            packet_id: delivery.packet_id,
            properties: if v5 {
                PublishProperties {
                    message_expiry_interval_secs: delivery.message_expiry_interval_secs,
                    topic_alias: delivery.topic_alias,
                    subscription_ids: SubscriptionIds::from_slice(&ids),
                    ..properties
                }
            } else {
                PublishProperties::default()
            },
            payload: &payload,
        };
        prop_assert_eq!(decode(&out, version), publish);
        let mut twin = Vec::new();
        publish.encode(version, &mut twin).unwrap();
        prop_assert_eq!(&out, &twin);
        prop_assert_eq!(layout.length, out.len());
        prop_assert_eq!(encoded_publish_len(version, &message, &delivery), out.len());
        prop_assert_eq!(publish.encoded_len(version), out.len());
    }

    #[test]
    fn a_patched_copy_is_the_frame_that_would_have_been_encoded(
        (first, _) in any_delivery(),
        (second, _) in any_delivery(),
        version in prop_oneof![Just(Version::V3_1_1), Just(Version::V5_0)],
    ) {
        prop_assume!(first.packet_id.is_some() == second.packet_id.is_some());
        let second = Delivery {
            dup: second.dup, qos: second.qos, retain: second.retain, packet_id: second.packet_id, ..first
        };
        let mut out = Vec::new();
        let layout = encode_publish(version, &MESSAGE, &first, &mut out).unwrap();
        let (mut patched, mut fresh) = (b"before".to_vec(), b"before".to_vec());
        let Delivery { dup, qos, retain, packet_id, .. } = second;
        append_patched(&out, layout, dup, qos, retain, packet_id, &mut patched).unwrap();
        encode_publish(version, &MESSAGE, &second, &mut fresh).unwrap();
        prop_assert_eq!(patched, fresh);
    }
}
