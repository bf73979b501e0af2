//! What a client got, owned: a decoded packet with everything a test asks about.

use std::collections::HashMap;

use topicwire_codec::{Packet, PacketType, Publish, QoS, ReasonCode};

/// A control packet from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Connack(GotConnack),
    Publish(GotPublish),
    Puback(u16, ReasonCode),
    Pubrec(u16, ReasonCode),
    Pubrel(u16, ReasonCode),
    Pubcomp(u16, ReasonCode),
    Suback(u16, Vec<ReasonCode>),
    Unsuback(u16, Vec<ReasonCode>),
    Pingresp,
    Disconnect(ReasonCode),
    Auth(GotAuth),
}

/// What a packet says in text besides its Reason Codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) reason: Option<String>,
    pub(crate) server_reference: Option<String>,
    pub(crate) response_information: Option<String>,
}

impl Words {
    pub(super) fn of(packet: &Packet<'_>) -> Self {
        let (reason, server_reference, response_information) = match packet {
            Packet::Connack(connack) => {
                let properties = &connack.properties;
                (properties.reason_string, properties.server_reference, properties.response_information)
            }
            Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
                (ack.reason_string, None, None)
            }
            Packet::Suback(suback) => (suback.reason_string, None, None),
            Packet::Unsuback(unsuback) => (unsuback.reason_string, None, None),
            Packet::Disconnect(disconnect) => (disconnect.reason_string, disconnect.server_reference, None),
            _ => (None, None, None),
        };
        Self {
            reason: reason.map(Into::into),
            server_reference: server_reference.map(Into::into),
            response_information: response_information.map(Into::into),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GotConnack {
    pub(crate) session_present: bool,
    pub(crate) reason_code: ReasonCode,
    pub(crate) assigned_client_id: Option<String>,
    pub(crate) session_expiry_interval_secs: Option<u32>,
    pub(crate) server_keep_alive_secs: Option<u16>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) topic_alias_maximum: Option<u16>,
    pub(crate) authentication_method: Option<String>,
    pub(crate) authentication_data: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GotAuth {
    pub(crate) reason_code: ReasonCode,
    pub(crate) method: Option<String>,
    pub(crate) data: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GotPublish {
    /// The Topic Name, found by its alias where the packet has only that.
    pub(crate) topic_name: String,
    /// True where the packet had an alias in place of the name.
    pub(crate) is_alias_only: bool,
    pub(crate) topic_alias: Option<u16>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<u16>,
    pub(crate) subscription_ids: Vec<u32>,
    pub(crate) message_expiry_interval_secs: Option<u32>,
    pub(crate) payload_format_indicator: Option<bool>,
    pub(crate) content_type: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) correlation_data: Option<Vec<u8>>,
    pub(crate) user_properties: Vec<(String, String)>,
}

impl GotPublish {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub(crate) fn id(&self) -> u16 {
        self.packet_id.expect("a packet identifier")
    }

    /// Puts the name in the place of its alias, and keeps the aliases in mind.
    pub(super) fn resolve(&mut self, aliases: &mut HashMap<u16, String>) {
        let Some(alias) = self.topic_alias else { return };
        if self.is_alias_only {
            self.topic_name = aliases.get(&alias).expect("an alias that was set before").clone();
        } else {
            aliases.insert(alias, self.topic_name.clone());
        }
    }

    fn of(publish: &Publish<'_>) -> Self {
        let properties = &publish.properties;
        Self {
            topic_name: publish.topic_name.to_owned(),
            is_alias_only: publish.topic_name.is_empty(),
            topic_alias: properties.topic_alias,
            payload: publish.payload.to_vec(),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id.map(|id| id.value()),
            subscription_ids: properties.subscription_ids.iter().collect(),
            message_expiry_interval_secs: properties.message_expiry_interval_secs,
            payload_format_indicator: properties.payload_format_indicator,
            content_type: properties.content_type.map(Into::into),
            response_topic: properties.response_topic.map(Into::into),
            correlation_data: properties.correlation_data.map(Into::into),
            user_properties: properties
                .user_properties
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

impl Got {
    /// The acknowledgement that a well-behaved client answers with.
    pub(super) fn answer(&self) -> Option<(PacketType, u16)> {
        match self {
            Self::Publish(publish) => match publish.qos {
                QoS::AtMostOnce => None,
                QoS::AtLeastOnce => Some((PacketType::Puback, publish.id())),
                QoS::ExactlyOnce => Some((PacketType::Pubrec, publish.id())),
            },
            Self::Pubrec(id, reason_code) if !reason_code.is_error() => Some((PacketType::Pubrel, *id)),
            Self::Pubrel(id, _) => Some((PacketType::Pubcomp, *id)),
            _ => None,
        }
    }

    pub(crate) fn of(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::Connack(connack) => Self::Connack(GotConnack {
                session_present: connack.session_present,
                reason_code: connack.reason_code,
                assigned_client_id: connack.properties.assigned_client_id.map(Into::into),
                session_expiry_interval_secs: connack.properties.session_expiry_interval_secs,
                server_keep_alive_secs: connack.properties.server_keep_alive_secs,
                receive_maximum: connack.properties.receive_maximum,
                maximum_packet_size: connack.properties.maximum_packet_size,
                topic_alias_maximum: connack.properties.topic_alias_maximum,
                authentication_method: connack.properties.authentication_method.map(Into::into),
                authentication_data: connack.properties.authentication_data.map(Into::into),
            }),
            Packet::Publish(publish) => Self::Publish(GotPublish::of(publish)),
            Packet::Puback(ack) => Self::Puback(ack.packet_id.value(), ack.reason_code),
            Packet::Pubrec(ack) => Self::Pubrec(ack.packet_id.value(), ack.reason_code),
            Packet::Pubrel(ack) => Self::Pubrel(ack.packet_id.value(), ack.reason_code),
            Packet::Pubcomp(ack) => Self::Pubcomp(ack.packet_id.value(), ack.reason_code),
            Packet::Suback(suback) => {
                Self::Suback(suback.packet_id.value(), suback.reason_codes.iter().collect())
            }
            Packet::Unsuback(unsuback) => {
                Self::Unsuback(unsuback.packet_id.value(), unsuback.reason_codes.iter().collect())
            }
            Packet::Pingresp => Self::Pingresp,
            Packet::Disconnect(disconnect) => Self::Disconnect(disconnect.reason_code),
            Packet::Auth(auth) => Self::Auth(GotAuth {
                reason_code: auth.reason_code,
                method: auth.authentication_method.map(Into::into),
                data: auth.authentication_data.map(Into::into),
            }),
            other => panic!("a server does not send {}", other.packet_type()),
        }
    }
}
