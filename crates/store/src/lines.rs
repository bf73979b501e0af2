//! The lines of an export, as `docs/storage-format.md` describes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use topicwire_broker::store::StoreOperation;
use topicwire_broker::{Delivery, Message, SubscriptionOptions};
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;

/// One line. The first is `Export`, the last is `End`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Line {
    Export {
        format: u32,
    },
    Session {
        client_id: String,
        expiry_interval_secs: u32,
        protocol_version: u8,
        closed_at_ms: Option<u64>,
    },
    Subscription {
        client_id: String,
        topic_filter: String,
        subscription_id: u32,
        qos: u8,
        no_local: bool,
        retain_as_published: bool,
    },
    Inbound {
        client_id: String,
        packet_id: u16,
    },
    Will {
        client_id: String,
        delay_interval_secs: u32,
        expiry_interval_secs: Option<u32>,
        message: MessageLine,
    },
    Delivery {
        client_id: String,
        position: u64,
        qos: u8,
        retain: bool,
        subscription_ids: Vec<u32>,
        message: MessageLine,
    },
    Exchange {
        client_id: String,
        packet_id: u16,
        position: u64,
        stage: StageLine,
    },
    Retained {
        message: MessageLine,
    },
    End {
        /// With this one.
        lines: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MessageLine {
    topic_name: String,
    qos: u8,
    retain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
    /// The 5.0 properties as they are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    properties_base64: Option<String>,
    /// One of the two: as text where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the names of the stages")]
pub(crate) enum StageLine {
    AwaitPuback,
    AwaitPubrec,
    AwaitPubcomp,
}

impl From<Stage> for StageLine {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::AwaitPuback => Self::AwaitPuback,
            Stage::AwaitPubrec => Self::AwaitPubrec,
            Stage::AwaitPubcomp => Self::AwaitPubcomp,
        }
    }
}

impl From<StageLine> for Stage {
    fn from(stage: StageLine) -> Self {
        match stage {
            StageLine::AwaitPuback => Self::AwaitPuback,
            StageLine::AwaitPubrec => Self::AwaitPubrec,
            StageLine::AwaitPubcomp => Self::AwaitPubcomp,
        }
    }
}

impl From<&Message> for MessageLine {
    fn from(message: &Message) -> Self {
        let text = std::str::from_utf8(message.payload()).ok();
        Self {
            topic_name: message.topic_name().to_string(),
            qos: message.qos as u8,
            retain: message.retain,
            expires_at_ms: Some(message.expires_at_ms).filter(|at_ms| *at_ms != u64::MAX),
            properties_base64: match message.forwarded() {
                [] => None,
                forwarded => Some(STANDARD.encode(forwarded)),
            },
            payload: text.map(str::to_owned),
            payload_base64: if text.is_none() { Some(STANDARD.encode(message.payload())) } else { None },
        }
    }
}

impl MessageLine {
    fn read(self) -> Result<Message, &'static str> {
        let payload = match (self.payload, self.payload_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).map_err(|_| "payloadBase64 is not base64")?,
            _ => return Err("a message has either payload or payloadBase64"),
        };
        let forwarded = STANDARD.decode(self.properties_base64.unwrap_or_default());
        let forwarded = forwarded.map_err(|_| "propertiesBase64 is not base64")?;
        if self.topic_name.len() > usize::from(u16::MAX) {
            return Err("a topicName is longer than 65,535 bytes");
        }
        let expires_at_ms = self.expires_at_ms.unwrap_or(u64::MAX);
        let qos = read_qos(self.qos)?;
        Ok(Message::new(self.topic_name.into(), &forwarded, &payload, qos, self.retain, expires_at_ms))
    }
}

fn read_qos(qos: u8) -> Result<QoS, &'static str> {
    QoS::from_u8(qos).ok_or("a qos is 0, 1 or 2")
}

fn read_packet_id(packet_id: u16) -> Result<PacketId, &'static str> {
    PacketId::new(packet_id).ok_or("a packetId is 1 to 65535")
}

impl Line {
    /// The operation that puts this into a store; none for the first and the last line.
    pub(crate) fn operation(self) -> Result<Option<StoreOperation>, &'static str> {
        Ok(Some(match self {
            Self::Export { .. } | Self::End { .. } => return Ok(None),
            Self::Session { client_id, expiry_interval_secs, protocol_version, closed_at_ms } => {
                let version = match protocol_version {
                    3 => Version::V3_1,
                    4 => Version::V3_1_1,
                    5 => Version::V5_0,
                    _ => return Err("a protocolVersion is 3, 4 or 5"),
                };
                let client_id = client_id.into();
                StoreOperation::PutSession { client_id, expiry_interval_secs, version, closed_at_ms }
            }
            Self::Subscription {
                client_id,
                topic_filter,
                subscription_id,
                qos,
                no_local,
                retain_as_published,
            } => StoreOperation::PutSubscription {
                client_id: client_id.into(),
                topic_filter: topic_filter.into(),
                options: SubscriptionOptions {
                    subscription_id,
                    qos: read_qos(qos)?,
                    no_local,
                    retain_as_published,
                },
            },
            Self::Inbound { client_id, packet_id } => StoreOperation::PutInbound {
                client_id: client_id.into(),
                packet_id: read_packet_id(packet_id)?,
            },
            Self::Will { client_id, delay_interval_secs, expiry_interval_secs, message } => {
                StoreOperation::PutWill {
                    client_id: client_id.into(),
                    message: message.read()?.into(),
                    delay_interval_secs,
                    expiry_interval_secs,
                }
            }
            Self::Delivery { client_id, position, qos, retain, subscription_ids, message } => {
                if position == 0 {
                    return Err("a position is 1 or more");
                }
                let message = message.read()?.into();
                let subscription_ids = SmallVec::from_vec(subscription_ids);
                let delivery = Delivery { message, retain, subscription_ids, position };
                StoreOperation::PutDelivery { client_id: client_id.into(), delivery, qos: read_qos(qos)? }
            }
            Self::Exchange { client_id, packet_id, position, stage } => StoreOperation::PutExchange {
                client_id: client_id.into(),
                packet_id: read_packet_id(packet_id)?,
                position,
                stage: stage.into(),
            },
            Self::Retained { message } => StoreOperation::PutRetained { message: message.read()?.into() },
        }))
    }
}
