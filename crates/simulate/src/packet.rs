//! Packets as clients send and get them: owned, so that they can wait.

use std::fmt;
use std::rc::Rc;

use topicwire_codec::{
    Ack, Connect, Disconnect, Frame, Packet, PacketId, PacketType, Publish, PublishProperties, QoS,
    ReasonCode, RetainHandling, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions, TopicFilters,
    Unsubscribe, UserProperties, Version, Will,
};

/// A message that a client has made. Every one has its own number, which begins its payload.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) number: u32,
    pub(crate) topic_name: Rc<str>,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) expiry_secs: Option<u32>,
    /// A property that is passed on; none from 3.1.1.
    pub(crate) content_type: Option<String>,
}

/// For a person.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, topic_name, payload, qos, .. } = self;
        write!(formatter, "message {number} on {topic_name} at QoS {qos}, {} bytes", payload.len())?;
        formatter.write_str(if self.retain { " with RETAIN" } else { "" })?;
        self.expiry_secs.map_or(Ok(()), |secs| write!(formatter, " for {secs} s"))
    }
}

/// What a CONNECT says.
#[derive(Clone, Debug)]
pub(crate) struct ConnectSpec {
    pub(crate) version: Version,
    pub(crate) client_id: Rc<str>,
    pub(crate) clean_start: bool,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) keep_alive_secs: u16,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) alias_maximum: Option<u16>,
    pub(crate) will: Option<WillSpec>,
}

#[derive(Clone, Debug)]
pub(crate) struct WillSpec {
    pub(crate) message: Rc<Message>,
    pub(crate) delay_secs: u32,
}

/// A packet of a client.
#[derive(Clone, Debug)]
pub(crate) enum ClientPacket {
    Connect(ConnectSpec),
    Publish {
        dup: bool,
        id: Option<u16>,
        message: Rc<Message>,
        alias: Option<u16>,
        omits_name: bool,
    },
    Ack {
        kind: PacketType,
        id: u16,
        reason_code: ReasonCode,
    },
    Subscribe {
        id: u16,
        subscription_id: Option<u32>,
        filters: Vec<(&'static str, SubscribeOptions)>,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<&'static str>,
    },
    Ping,
    Disconnect {
        reason_code: ReasonCode,
        expiry_secs: Option<u32>,
    },
    /// What the broker must end the connection for, with this code where it has to be that one.
    Garbage {
        bytes: Vec<u8>,
        reason_code: ReasonCode,
    },
}

pub(crate) fn qos(level: u8) -> QoS {
    QoS::from_u8(level).unwrap_or_default()
}

/// The options of a line of a SUBSCRIBE, as far as the version has them. A shared subscription goes without No Local
/// [MQTT-3.8.3-4].
pub(crate) fn subscribe_options(
    op: crate::op::FilterOp,
    version: Version,
    is_shared: bool,
) -> SubscribeOptions {
    if !version.is_v5() {
        return SubscribeOptions::from_qos(qos(op.qos));
    }
    SubscribeOptions {
        qos: qos(op.qos),
        no_local: op.no_local && !is_shared,
        retain_as_published: op.retain_as_published,
        retain_handling: RetainHandling::from_u8(op.retain_handling).unwrap_or_default(),
    }
}

fn packet_id(value: u16) -> PacketId {
    PacketId::new(value).unwrap_or(PacketId::MIN)
}

impl ClientPacket {
    /// Appends the bytes.
    pub(crate) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let encoded = match self {
            Self::Connect(spec) => spec.encode(out),
            Self::Publish { dup, id, message, alias, omits_name } => {
                let mut publish = message.publish(version);
                publish.dup = *dup;
                publish.packet_id = id.map(packet_id);
                publish.properties.topic_alias = *alias;
                if *omits_name {
                    publish.topic_name = "";
                }
                publish.encode(version, out)
            }
            Self::Ack { kind, id, reason_code } => {
                Ack::new(packet_id(*id), *reason_code).encode(*kind, version, out)
            }
            Self::Subscribe { id, subscription_id, filters } => {
                let filters: Vec<_> = filters
                    .iter()
                    .map(|(topic_filter, options)| SubscribeFilter { topic_filter, options: *options })
                    .collect();
                let subscribe = Subscribe {
                    packet_id: packet_id(*id),
                    subscription_id: *subscription_id,
                    user_properties: UserProperties::default(),
                    filters: SubscribeFilters::from_slice(&filters),
                };
                subscribe.encode(version, out)
            }
            Self::Unsubscribe { id, filters } => {
                let unsubscribe = Unsubscribe {
                    packet_id: packet_id(*id),
                    user_properties: UserProperties::default(),
                    topic_filters: TopicFilters::from_slice(filters),
                };
                unsubscribe.encode(version, out)
            }
            Self::Ping => Packet::Pingreq.encode(version, out),
            Self::Disconnect { reason_code, expiry_secs } => {
                let mut disconnect = Disconnect::new(*reason_code);
                disconnect.session_expiry_interval_secs = *expiry_secs;
                disconnect.encode(version, out)
            }
            Self::Garbage { bytes, .. } => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        };
        assert!(encoded.is_ok(), "a client made {self:?}");
    }
}

impl ConnectSpec {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), topicwire_codec::EncodeError> {
        let mut connect = Connect::new(self.version, &self.client_id);
        connect.clean_start = self.clean_start;
        connect.keep_alive_secs = self.keep_alive_secs;
        connect.properties.session_expiry_interval_secs = self.expiry_secs;
        connect.properties.receive_maximum = self.receive_maximum;
        connect.properties.maximum_packet_size = self.maximum_packet_size;
        connect.properties.topic_alias_maximum = self.alias_maximum;
        connect.will = self.will.as_ref().map(|will| {
            let publish = will.message.publish(self.version);
            Will {
                topic_name: publish.topic_name,
                payload: publish.payload,
                qos: publish.qos,
                retain: publish.retain,
                delay_interval_secs: will.delay_secs,
                properties: publish.properties,
            }
        });
        connect.encode(self.version, out)
    }
}

impl Message {
    /// The message as this version can say it.
    pub(crate) fn in_version(self: &Rc<Self>, version: Version) -> Rc<Self> {
        if version.is_v5() {
            return Rc::clone(self);
        }
        Rc::new(Self { expiry_secs: None, content_type: None, ..Self::clone(self) })
    }

    /// The PUBLISH of this message, without what belongs to one exchange.
    pub(crate) fn publish(&self, version: Version) -> Publish<'_> {
        let mut properties = PublishProperties::default();
        if version.is_v5() {
            properties.message_expiry_interval_secs = self.expiry_secs;
            properties.content_type = self.content_type.as_deref();
        }
        let (qos, retain) = (qos(self.qos), self.retain);
        Publish { qos, retain, properties, ..Publish::new(&self.topic_name, &self.payload) }
    }
}

/// A packet of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerPacket {
    Connack(ConnackGot),
    Publish(PublishGot),
    Ack { kind: PacketType, id: u16, reason_code: ReasonCode },
    Suback { id: u16, reason_codes: Vec<ReasonCode> },
    Unsuback { id: u16, reason_codes: Vec<ReasonCode> },
    Pong,
    Disconnect(ReasonCode),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnackGot {
    pub(crate) session_present: bool,
    pub(crate) reason_code: ReasonCode,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) alias_maximum: Option<u16>,
    pub(crate) assigned_client_id: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublishGot {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Empty until its alias is resolved.
    pub(crate) topic_name: String,
    pub(crate) alias: Option<u16>,
    /// 0 with QoS 0.
    pub(crate) id: u16,
    pub(crate) payload: Vec<u8>,
    /// In ascending order.
    pub(crate) subscription_ids: Vec<u32>,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) content_type: Option<String>,
}

impl ServerPacket {
    /// Reads what a broker sends to a client of this version.
    pub(crate) fn decode(frame: &Frame<'_>, version: Version) -> Result<Self, String> {
        let packet = Packet::decode(frame, version).map_err(|error| error.to_string())?;
        let ack = |ack: &Ack<'_>| Self::Ack {
            kind: frame.packet_type(),
            id: ack.packet_id.value(),
            reason_code: ack.reason_code,
        };
        Ok(match &packet {
            Packet::Connack(connack) => Self::Connack(ConnackGot {
                session_present: connack.session_present,
                reason_code: connack.reason_code,
                expiry_secs: connack.properties.session_expiry_interval_secs,
                receive_maximum: connack.properties.receive_maximum,
                alias_maximum: connack.properties.topic_alias_maximum,
                assigned_client_id: connack.properties.assigned_client_id.map(Into::into),
            }),
            Packet::Publish(publish) => Self::Publish(PublishGot::of(publish)),
            Packet::Puback(it) | Packet::Pubrec(it) | Packet::Pubrel(it) | Packet::Pubcomp(it) => ack(it),
            Packet::Suback(suback) => Self::Suback {
                id: suback.packet_id.value(),
                reason_codes: suback.reason_codes.iter().collect(),
            },
            Packet::Unsuback(unsuback) => Self::Unsuback {
                id: unsuback.packet_id.value(),
                reason_codes: unsuback.reason_codes.iter().collect(),
            },
            Packet::Pingresp => Self::Pong,
            Packet::Disconnect(disconnect) if version.is_v5() => Self::Disconnect(disconnect.reason_code),
            other => return Err(format!("a broker does not send {}", other.packet_type())),
        })
    }
}

/// For a person: the number that a payload begins with is enough of it.
impl fmt::Debug for PublishGot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.payload.split(|byte| *byte == b':').next().unwrap_or_default();
        write!(
            formatter,
            "message {} on {} at QoS {}",
            String::from_utf8_lossy(number),
            self.topic_name,
            self.qos
        )?;
        if self.qos > 0 {
            write!(formatter, " as {}", self.id)?;
        }
        formatter.write_str(if self.dup { " with DUP" } else { "" })?;
        formatter.write_str(if self.retain { " with RETAIN" } else { "" })?;
        if !self.subscription_ids.is_empty() {
            write!(formatter, " for {:?}", self.subscription_ids)?;
        }
        self.expiry_secs.map_or(Ok(()), |secs| write!(formatter, " for {secs} s"))
    }
}

impl PublishGot {
    fn of(publish: &Publish<'_>) -> Self {
        let mut subscription_ids: Vec<_> = publish.properties.subscription_ids.iter().collect();
        subscription_ids.sort_unstable();
        Self {
            dup: publish.dup,
            qos: publish.qos.value(),
            retain: publish.retain,
            topic_name: publish.topic_name.to_owned(),
            alias: publish.properties.topic_alias,
            id: publish.packet_id.map_or(0, PacketId::value),
            payload: publish.payload.to_vec(),
            subscription_ids,
            expiry_secs: publish.properties.message_expiry_interval_secs,
            content_type: publish.properties.content_type.map(Into::into),
        }
    }
}
