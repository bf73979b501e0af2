//! Packets of a server that are well formed and mean little things.

use topicwire_codec::{
    Ack, Auth, Connack, Disconnect, Packet, PacketId, Publish, PublishProperties, QoS, ReasonCode, Suback,
    Unsuback, Version,
};

use super::{METHOD, QOS};
use crate::input::Input;

/// A packet that a server may send, well formed, with small numbers.
pub(super) fn from_server(input: &mut Input<'_>, version: Version) -> Vec<u8> {
    let is_v5 = version.is_v5();
    let packet_id = PacketId::new(u16::from(input.byte() % 6)).unwrap_or(PacketId::MIN);
    let code = if is_v5 && input.below(4) == 0 { ReasonCode::UnspecifiedError } else { ReasonCode::Success };
    let codes = [code, ReasonCode::Success];
    let count = 1 + input.below(2);
    let packet = match input.below(12) {
        0..3 => {
            let mut connack = Connack::new(code);
            connack.session_present = input.flag() && code == ReasonCode::Success;
            if is_v5 {
                connack.properties.receive_maximum = input.pick(&[None, Some(1), Some(2)]);
                connack.properties.maximum_packet_size = input.pick(&[None, None, Some(40), Some(3)]);
                connack.properties.topic_alias_maximum = input.pick(&[None, Some(1)]);
                connack.properties.server_keep_alive_secs = input.pick(&[None, Some(5)]);
                connack.properties.maximum_qos = input.pick(&[None, None, Some(QoS::AtMostOnce)]);
                connack.properties.retain_available = input.pick(&[None, Some(false)]);
                connack.properties.assigned_client_id = input.pick(&[None, Some("given")]);
                connack.properties.authentication_method = input.pick(&[None, None, Some(METHOD)]);
            }
            Packet::Connack(connack)
        }
        3 | 4 => {
            let qos = input.pick(&QOS);
            let topic_alias = if is_v5 { input.pick(&[None, Some(1), Some(2), Some(3)]) } else { None };
            Packet::Publish(Publish {
                dup: qos != QoS::AtMostOnce && input.flag(),
                qos,
                packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
                properties: PublishProperties { topic_alias, ..PublishProperties::default() },
                ..Publish::new(input.pick(&["a", "b", ""]), b"hello")
            })
        }
        5 => Packet::Puback(Ack::new(packet_id, code)),
        6 => Packet::Pubrec(Ack::new(packet_id, code)),
        7 => Packet::Pubrel(Ack::new(packet_id, ReasonCode::Success)),
        8 => Packet::Pubcomp(Ack::new(packet_id, ReasonCode::Success)),
        9 => Packet::Suback(Suback::new(packet_id, &codes[..count])),
        10 => Packet::Unsuback(Unsuback::new(packet_id, if is_v5 { &codes[..count] } else { &[] })),
        _ => match input.below(4) {
            0 => Packet::Pingresp,
            1 => Packet::Disconnect(Disconnect::new(ReasonCode::ServerBusy)),
            2 => Packet::Auth(Auth::new(ReasonCode::ContinueAuthentication, METHOD)),
            _ => Packet::Auth(Auth::new(ReasonCode::Success, METHOD)),
        },
    };
    let mut bytes = Vec::new();
    // What cannot be encoded is left out: a choice that this version does not have.
    let _ = packet.encode(version, &mut bytes);
    bytes
}
