//! Where a corpus begins: packets of every kind and version with everything in them that they can carry, and short
//! texts. A fuzzer that starts from nothing takes hours to find a CONNECT.

use topicwire_codec::{
    Ack, Auth, Connack, ConnackProperties, Connect, ConnectProperties, Disconnect, Packet, PacketId,
    PacketType, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Suback, Subscribe,
    SubscribeFilter, SubscribeFilters, SubscribeOptions, SubscriptionIds, TopicFilters, Unsuback,
    Unsubscribe, UserProperties, Version, Will,
};

use crate::codec::VERSIONS;
use crate::websocket;

const USER: UserProperties<'static> = UserProperties::from_pairs(&[("name", "value"), ("name", "")]);
const EVERY_PROPERTY: PublishProperties<'static> = PublishProperties {
    payload_format_indicator: Some(true),
    message_expiry_interval_secs: Some(30),
    topic_alias: None,
    response_topic: Some("re/ply"),
    correlation_data: Some(b"\x00\x01"),
    subscription_ids: SubscriptionIds::from_slice(&[]),
    content_type: Some("text/plain"),
    user_properties: USER,
};

/// Inputs for a target, to begin with; none for a name that is no target.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "decode" | "round_trip" => each_packet(),
        "split_input" => conversations().into_iter().flat_map(split_seeds).collect(),
        "filter_validation" => TEXTS.iter().flat_map(|text| doubled(text)).collect(),
        "session_operations" => (0..16).map(|seed| noise(seed, 120)).collect(),
        "broker" => (0..16).map(|seed| noise(seed, 200)).chain(raw_conversations()).collect(),
        "client_input" => (0..16).map(|seed| noise(seed, 200)).collect(),
        "topic_matching" => vec![matching_seed(0), matching_seed(7)],
        "websocket_frames" => websocket::seeds(),
        _ => Vec::new(),
    }
}

const TEXTS: [&str; 14] = [
    "a",
    "a/b/c",
    "+",
    "#",
    "a/+/#",
    "+/+",
    "/",
    "a+/#/b",
    "$SYS/x",
    "$share/group/a/#",
    "$share/g+/a",
    "$share//a",
    "$share/g",
    "\0é",
];

fn doubled(text: &str) -> Vec<Vec<u8>> {
    [0, 1, 15].map(|doublings| [&[doublings], text.as_bytes()].concat()).to_vec()
}

/// Every operation of the topic target with a few short texts.
fn matching_seed(seed: u8) -> Vec<u8> {
    let texts: [&[u8]; 5] = [&[0, 6, 1], &[3, 6], &[4], &[5, 14, 11], &[9, 11, 10, 2]];
    let mut bytes = vec![seed];
    for (who, text) in (0..).zip(texts) {
        for operation in [0, 2, 6, 5, 4, 1, 3, 7] {
            bytes.extend_from_slice(&[operation, who * 37]);
            bytes.push(u8::try_from(text.len()).unwrap_or(0));
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

/// Choices without a plan, the same each time.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// One client, whose bytes a broker gets in pieces as long as the broker target takes them.
fn raw_conversations() -> impl Iterator<Item = Vec<u8>> {
    conversations().into_iter().zip([0, 2, 3]).map(|((_, stream), choices)| {
        let mut bytes = vec![choices, 100, 0];
        for piece in stream.chunks(200) {
            bytes.extend_from_slice(&[3, u8::try_from(piece.len()).unwrap_or(0), 0]);
            bytes.extend_from_slice(piece);
        }
        bytes
    })
}

fn split_seeds((version, stream): (u8, Vec<u8>)) -> Vec<Vec<u8>> {
    let lengths: [&[u8]; 3] = [&[1], &[2, 3], &[1, 7, 30]];
    let with = |lengths: &[u8]| {
        let count = u8::try_from(lengths.len()).unwrap_or(0);
        [&[version, count], lengths, stream.as_slice()].concat()
    };
    lengths.map(with).to_vec()
}

/// Every packet of every version, each by itself.
fn each_packet() -> Vec<Vec<u8>> {
    let of = |version: Version| packets(version).iter().map(|packet| bytes_of(packet, version)).collect();
    VERSIONS.into_iter().flat_map(|version| -> Vec<Vec<u8>> { of(version) }).collect()
}

/// For each version what a client may say after its CONNECT, in one stream.
fn conversations() -> Vec<(u8, Vec<u8>)> {
    let is_from_client = |packet: &Packet<'_>| {
        !matches!(packet.packet_type(), PacketType::Connack | PacketType::Suback | PacketType::Unsuback)
            && !matches!(packet.packet_type(), PacketType::Pingresp | PacketType::Auth)
    };
    let stream = |version: Version| {
        packets(version)
            .iter()
            .filter(|packet| is_from_client(packet))
            .flat_map(|packet| bytes_of(packet, version))
            .collect()
    };
    (0..).zip(VERSIONS).map(|(number, version)| (number, stream(version))).collect()
}

pub(crate) fn bytes_of(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("a seed is a packet");
    bytes
}

/// One or two of every kind, in an order in which a conversation may have them.
pub(crate) fn packets(version: Version) -> Vec<Packet<'static>> {
    let id = PacketId::new(1).expect("not zero");
    let code = |code| if version.is_v5() { code } else { ReasonCode::Success };
    let ack =
        |code| Ack { packet_id: id, reason_code: code, reason_string: Some("why"), user_properties: USER };
    let mut packets = vec![
        connect(version),
        Packet::Connect(Connect::new(version, "plain")),
        Packet::Connack(Connack {
            session_present: version != Version::V3_1,
            reason_code: ReasonCode::Success,
            properties: CONNACK_PROPERTIES,
        }),
        subscribe(version, id),
        Packet::Suback(Suback {
            reason_string: Some("why"),
            user_properties: USER,
            ..Suback::new(id, &[ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError])
        }),
        publish(QoS::AtMostOnce, None, version),
        publish(QoS::AtLeastOnce, Some(id), version),
        publish(QoS::ExactlyOnce, Some(id), version),
        Packet::Publish(Publish::new("a", b"")),
        Packet::Puback(ack(code(ReasonCode::NoMatchingSubscribers))),
        Packet::Pubrec(ack(code(ReasonCode::QuotaExceeded))),
        Packet::Pubrel(ack(code(ReasonCode::PacketIdentifierNotFound))),
        Packet::Pubrel(Ack::new(id, ReasonCode::Success)),
        Packet::Pubcomp(ack(code(ReasonCode::PacketIdentifierNotFound))),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id,
            user_properties: USER,
            topic_filters: TopicFilters::from_slice(&["a/+", "$share/g/a/#"]),
        }),
        Packet::Unsuback(Unsuback {
            reason_string: Some("why"),
            user_properties: USER,
            ..Unsuback::new(id, &[ReasonCode::Success, ReasonCode::NoSubscriptionExisted])
        }),
        Packet::Pingreq,
        Packet::Pingresp,
    ];
    if version.is_v5() {
        packets.push(Packet::Auth(Auth {
            authentication_data: Some(b"data"),
            reason_string: Some("why"),
            user_properties: USER,
            ..Auth::new(ReasonCode::ContinueAuthentication, "METHOD")
        }));
    }
    packets.push(Packet::Disconnect(Disconnect {
        reason_code: code(ReasonCode::DisconnectWithWillMessage),
        session_expiry_interval_secs: Some(5),
        reason_string: Some("why"),
        user_properties: USER,
        server_reference: Some("elsewhere"),
    }));
    packets
}

fn connect(version: Version) -> Packet<'static> {
    Packet::Connect(Connect {
        keep_alive_secs: 30,
        will: Some(Will {
            topic_name: "will",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: true,
            delay_interval_secs: 5,
            properties: EVERY_PROPERTY,
        }),
        username: Some("user"),
        password: Some(b"secret"),
        properties: ConnectProperties {
            session_expiry_interval_secs: Some(60),
            receive_maximum: Some(2),
            maximum_packet_size: Some(200),
            topic_alias_maximum: Some(3),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            authentication_method: None,
            authentication_data: None,
            user_properties: USER,
        },
        ..Connect::new(version, "client")
    })
}

const CONNACK_PROPERTIES: ConnackProperties<'static> = ConnackProperties {
    session_expiry_interval_secs: Some(60),
    receive_maximum: Some(10),
    maximum_packet_size: Some(1000),
    topic_alias_maximum: Some(4),
    server_keep_alive_secs: Some(30),
    maximum_qos: Some(QoS::AtLeastOnce),
    retain_available: Some(false),
    wildcard_subscription_available: Some(true),
    subscription_ids_available: Some(false),
    shared_subscription_available: Some(true),
    assigned_client_id: Some("auto"),
    reason_string: Some("why"),
    response_information: Some("re/"),
    server_reference: Some("elsewhere"),
    authentication_method: Some("METHOD"),
    authentication_data: Some(b"data"),
    user_properties: USER,
};

fn subscribe(version: Version, packet_id: PacketId) -> Packet<'static> {
    const EVERY_OPTION: SubscribeOptions = SubscribeOptions {
        qos: QoS::ExactlyOnce,
        no_local: false,
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
    };
    const NO_OPTION: SubscribeOptions = SubscribeOptions {
        qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    const FULL: [SubscribeFilter<'static>; 2] = [
        SubscribeFilter { topic_filter: "a/+", options: EVERY_OPTION },
        SubscribeFilter { topic_filter: "$share/g/a/#", options: NO_OPTION },
    ];
    const PLAIN: [SubscribeFilter<'static>; 1] =
        [SubscribeFilter { topic_filter: "a/#", options: NO_OPTION }];
    let filters = if version.is_v5() { &FULL[..] } else { &PLAIN[..] };
    Packet::Subscribe(Subscribe {
        packet_id,
        subscription_id: version.is_v5().then_some(200),
        user_properties: USER,
        filters: SubscribeFilters::from_slice(filters),
    })
}

fn publish(qos: QoS, packet_id: Option<PacketId>, version: Version) -> Packet<'static> {
    let topic_alias = version.is_v5().then_some(1);
    let properties = PublishProperties { topic_alias, ..EVERY_PROPERTY };
    Packet::Publish(Publish { qos, packet_id, retain: true, properties, ..Publish::new("a/b", b"payload") })
}
