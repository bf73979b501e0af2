//! Packets that are well formed and mean little things: a fuzzer gets past the decoder more often with these than with
//! bytes of its own.

use topicwire_codec::{
    Ack, Auth, Connect, Disconnect, Packet, PacketId, PacketType, Publish, PublishProperties, QoS,
    ReasonCode, RetainHandling, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions, TopicFilters,
    Unsubscribe, UserProperties, Version, Will,
};

use crate::codec::VERSIONS;
use crate::input::Input;

pub(super) const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
pub(super) const CLIENT_IDS: [&str; 5] = ["", "one", "two", "three", "url"];
pub(super) const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "$mine/a", "x", "hooked"];
pub(super) const FILTERS: [&str; 10] =
    ["#", "a/#", "+/b", "a/b", "$share/g/a/#", "$share/h/#", "$mine/#", "hooked", "a/#/bad", "x"];
/// The authentication method that the broker knows.
pub(super) const METHOD: &str = "RIDDLE";
/// More than the broker publishes of itself.
pub(super) const SYS_TOPICS: usize = 64;
const USER: UserProperties<'static> = UserProperties::from_pairs(&[("name", "value")]);

/// The bytes of a packet, or none where the version cannot say it.
fn bytes_of(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be encoded is left out: a choice that this version does not have.
    let _ = packet.encode(version, &mut bytes);
    bytes
}

fn packet_id(input: &mut Input<'_>) -> PacketId {
    PacketId::new(u16::from(input.byte() % 8)).unwrap_or(PacketId::MIN)
}

pub(super) fn properties(input: &mut Input<'_>) -> PublishProperties<'static> {
    PublishProperties {
        message_expiry_interval_secs: input.pick(&[None, None, Some(0), Some(2), Some(20)]),
        topic_alias: input.pick(&[None, None, None, Some(1), Some(2), Some(3)]),
        user_properties: if input.flag() { USER } else { UserProperties::default() },
        ..PublishProperties::default()
    }
}

pub(super) fn connect(input: &mut Input<'_>) -> Vec<u8> {
    let version = input.pick(&VERSIONS);
    let mut connect = Connect::new(version, input.pick(&CLIENT_IDS));
    connect.clean_start = input.flag();
    connect.keep_alive_secs = input.pick(&[0, 1, 7]);
    if input.flag() {
        connect.will = Some(Will {
            topic_name: input.pick(&TOPICS),
            payload: b"will",
            qos: input.pick(&QOS),
            retain: input.flag(),
            delay_interval_secs: input.pick(&[0, 0, 5, 50]),
            properties: PublishProperties { topic_alias: None, ..properties(input) },
        });
    }
    if version.is_v5() {
        let properties = &mut connect.properties;
        properties.session_expiry_interval_secs = input.pick(&[None, Some(3), Some(30), Some(u32::MAX)]);
        properties.receive_maximum = input.pick(&[None, Some(1), Some(2)]);
        properties.maximum_packet_size = input.pick(&[None, None, Some(60), Some(12)]);
        properties.topic_alias_maximum = input.pick(&[None, Some(1), Some(2)]);
        properties.request_problem_information = input.pick(&[None, Some(false), Some(true)]);
        properties.request_response_information = input.pick(&[None, Some(true)]);
        properties.authentication_method = input.pick(&[None, None, Some(METHOD), Some("UNKNOWN")]);
    }
    bytes_of(&Packet::Connect(connect), version)
}

/// CONNECT with a new Session that ends with its connection, and DISCONNECT.
pub(super) fn farewell(client_id: &str) -> Vec<u8> {
    let connect = Packet::Connect(Connect::new(Version::V5_0, client_id));
    let disconnect = Packet::Disconnect(Disconnect::default());
    [bytes_of(&connect, Version::V5_0), bytes_of(&disconnect, Version::V5_0)].concat()
}

pub(super) fn publish(input: &mut Input<'_>, version: Version) -> Vec<u8> {
    let qos = input.pick(&QOS);
    let choices = input.byte();
    let payload = [b'x'; 700];
    let length = input.pick(&[0, 1, 20, 150, 700]);
    let publish = Publish {
        dup: qos != QoS::AtMostOnce && choices & 1 != 0,
        qos,
        retain: choices & 2 != 0,
        packet_id: (qos != QoS::AtMostOnce).then(|| packet_id(input)),
        properties: if choices & 4 != 0 { properties(input) } else { PublishProperties::default() },
        ..Publish::new(if choices & 24 == 24 { "" } else { input.pick(&TOPICS) }, &payload[..length])
    };
    bytes_of(&Packet::Publish(publish), version)
}

pub(super) fn subscribe(input: &mut Input<'_>, version: Version) -> Vec<u8> {
    let filters: Vec<_> = (0..=input.below(3))
        .map(|_| {
            let qos = input.pick(&QOS);
            let choices = input.byte();
            let options = SubscribeOptions {
                qos,
                no_local: choices & 1 != 0,
                retain_as_published: choices & 2 != 0,
                retain_handling: RetainHandling::from_u8(choices >> 2 & 3)
                    .unwrap_or(RetainHandling::SendAtSubscribe),
            };
            let options = if version.is_v5() { options } else { SubscribeOptions::from_qos(qos) };
            SubscribeFilter { topic_filter: input.pick(&FILTERS), options }
        })
        .collect();
    let subscribe = Subscribe {
        packet_id: packet_id(input),
        subscription_id: input.pick(&[None, Some(7), Some(300)]).filter(|_| version.is_v5()),
        user_properties: UserProperties::default(),
        filters: SubscribeFilters::from_slice(&filters),
    };
    bytes_of(&Packet::Subscribe(subscribe), version)
}

pub(super) fn ack(input: &mut Input<'_>, version: Version) -> Vec<u8> {
    let (packet_id, choices) = (packet_id(input), input.byte());
    let is_error = version.is_v5() && choices & 12 == 12;
    let (failed, unknown) = (ReasonCode::UnspecifiedError, ReasonCode::PacketIdentifierNotFound);
    let code = |code| if is_error { code } else { ReasonCode::Success };
    bytes_of(
        &match choices & 3 {
            0 => Packet::Puback(Ack::new(packet_id, code(failed))),
            1 => Packet::Pubrec(Ack::new(packet_id, code(failed))),
            2 => Packet::Pubrel(Ack::new(packet_id, code(unknown))),
            _ => Packet::Pubcomp(Ack::new(packet_id, code(unknown))),
        },
        version,
    )
}

/// UNSUBSCRIBE, PINGREQ, AUTH, DISCONNECT.
pub(super) fn rare(input: &mut Input<'_>, version: Version) -> Vec<u8> {
    let packet = match input.below(6) {
        0 | 1 => Packet::Unsubscribe(Unsubscribe {
            packet_id: packet_id(input),
            user_properties: UserProperties::default(),
            topic_filters: TopicFilters::from_slice(&FILTERS[..input.below(4) + 1]),
        }),
        2 => Packet::Pingreq,
        3 | 4 => {
            let codes = [ReasonCode::ContinueAuthentication, ReasonCode::ReAuthenticate, ReasonCode::Success];
            Packet::Auth(Auth::new(input.pick(&codes), METHOD))
        }
        _ => {
            let codes: Vec<_> =
                ReasonCode::ALL.iter().filter(|code| code.is_valid_for(PacketType::Disconnect)).collect();
            Packet::Disconnect(Disconnect {
                session_expiry_interval_secs: input.pick(&[None, Some(0), Some(2), Some(u32::MAX)]),
                ..Disconnect::new(*input.pick(&codes))
            })
        }
    };
    bytes_of(&packet, version)
}
