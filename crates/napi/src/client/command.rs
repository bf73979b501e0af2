//! The commands of a turn: one after the other in a buffer, each behind the number of its client (four bytes,
//! little-endian).
//!
//! A command is the packet that says it, as 5.0 encodes it: CONNECT (in its own version), PUBLISH, SUBSCRIBE,
//! UNSUBSCRIBE, PINGREQ, DISCONNECT, AUTH. Its Packet Identifier means nothing. So there is one notation, which is
//! decoded and checked as any packet is. The exceptions are [`PAYLOAD_APART`], and [`ACKNOWLEDGE`], which answers under a
//! key and not an identifier.

use std::fmt;

use topicwire_codec::{Packet, PublishProperties, ReasonCode, Split, SubscribeFilter, Version, split_frame};
use topicwire_session::client::{AuthStep, Client, DeliveryKey, Message, Misuse, Subscription, Ticket};

/// The PUBLISH behind this byte is without its payload, which stands outside of the buffer.
const PAYLOAD_APART: u8 = 0x01;
/// The first byte of a PUBACK; then the key in eight bytes, little-endian, and a Reason Code.
const ACKNOWLEDGE: u8 = 0x40;
const ACKNOWLEDGE_BYTES: usize = 10;
/// The number of the client.
const CLIENT_BYTES: usize = 4;

/// A command in its buffer.
pub(super) struct Command<'b> {
    /// Its client.
    pub(super) client: u32,
    /// Where its packet begins.
    pub(super) start: usize,
    /// Where the next command begins.
    pub(super) end: usize,
    body: Body<'b>,
}

#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it lives for one call")]
enum Body<'b> {
    Packet { packet: Result<Packet<'b>, String>, is_apart: bool },
    Acknowledge { key: DeliveryKey, reason_code: ReasonCode },
}

/// Why a command was refused.
pub(super) enum Problem {
    Misuse(Misuse),
    /// It is not the packet that it has to be.
    Unreadable(String),
    /// There is no such client, or a bug in it.
    Panic(String),
}

/// What a command came to.
pub(super) type Outcome = Result<Option<Ticket>, Problem>;

impl<'b> Command<'b> {
    /// The command at a place; none behind the last.
    pub(super) fn read(commands: &'b [u8], at: usize) -> Option<Self> {
        let (client, rest) = commands.get(at..)?.split_first_chunk::<CLIENT_BYTES>()?;
        let client = u32::from_le_bytes(*client);
        let start = at + CLIENT_BYTES;
        if rest.first() == Some(&ACKNOWLEDGE) {
            let key = u64::from_le_bytes(*rest.get(1..)?.first_chunk()?);
            let reason_code = ReasonCode::from_u8(*rest.get(9)?).unwrap_or(ReasonCode::UnspecifiedError);
            let body = Body::Acknowledge { key: DeliveryKey(key), reason_code };
            return Some(Self { client, start, end: start + ACKNOWLEDGE_BYTES, body });
        }
        let is_apart = rest.first() == Some(&PAYLOAD_APART);
        let packet_at = start + usize::from(is_apart);
        let Ok(Split::Frame(frame)) = split_frame(commands.get(packet_at..)?, u32::MAX) else { return None };
        let packet = Packet::decode(&frame, Version::V5_0).map_err(|error| error.to_string());
        let body = Body::Packet { packet, is_apart };
        Some(Self { client, start, end: packet_at + frame.length, body })
    }

    /// Carries it out. `payload` is the one that stands apart.
    pub(super) fn run(self, core: &mut Client, payload: &[u8], now_ms: u64) -> Outcome {
        let (packet, is_apart) = match self.body {
            Body::Packet { packet, is_apart } => (packet.map_err(Problem::Unreadable)?, is_apart),
            Body::Acknowledge { key, reason_code } => {
                return core.acknowledge(key, reason_code, now_ms).map(|()| None).map_err(Problem::Misuse);
            }
        };
        let outcome = match packet {
            Packet::Publish(publish) => {
                let message = Message {
                    topic_name: publish.topic_name,
                    payload: if is_apart { payload } else { publish.payload },
                    qos: publish.qos,
                    retain: publish.retain,
                    properties: PublishProperties { topic_alias: None, ..publish.properties },
                };
                core.publish(&message, now_ms)
            }
            Packet::Subscribe(subscribe) => {
                let filters: Vec<SubscribeFilter<'_>> = subscribe.filters.iter().collect();
                let (subscription_id, user_properties) =
                    (subscribe.subscription_id, subscribe.user_properties);
                core.subscribe(&Subscription { filters: &filters, subscription_id, user_properties })
                    .map(Some)
            }
            Packet::Unsubscribe(unsubscribe) => {
                let topic_filters: Vec<&str> = unsubscribe.topic_filters.iter().collect();
                core.unsubscribe(&topic_filters, unsubscribe.user_properties).map(Some)
            }
            Packet::Connect(connect) => core.connect(&connect, now_ms).map(|()| None),
            Packet::Disconnect(disconnect) => core.disconnect(&disconnect, now_ms).map(|()| None),
            Packet::Pingreq => core.ping(now_ms).map(|()| None),
            Packet::Auth(auth) => {
                let step = AuthStep {
                    authentication_data: auth.authentication_data,
                    reason_string: auth.reason_string,
                    user_properties: auth.user_properties,
                };
                let done = match auth.reason_code {
                    ReasonCode::ReAuthenticate => core.reauthenticate(&step),
                    _ => core.authenticate(&step, now_ms),
                };
                done.map(|()| None)
            }
            _ => return Err(Problem::Unreadable("a client does not send this packet".to_owned())),
        };
        outcome.map_err(Problem::Misuse)
    }
}

impl Problem {
    /// A number for each kind of problem; `src/client/engine.ts` has the same.
    pub(super) fn code(&self) -> u32 {
        match self {
            Self::Misuse(misuse) => code_of(misuse),
            Self::Unreadable(_) => 11,
            Self::Panic(_) => 12,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(formatter),
            Self::Unreadable(words) | Self::Panic(words) => formatter.write_str(words),
        }
    }
}

/// The same for a misuse.
pub(super) fn code_of(problem: &Misuse) -> u32 {
    match problem {
        Misuse::NotConnected => 1,
        Misuse::OutBufferFull => 2,
        Misuse::QueueFull(_) => 3,
        Misuse::NoFreePacketId(_) => 4,
        Misuse::PacketTooLarge { .. } => 5,
        Misuse::Topic(_) => 6,
        Misuse::NeedsV5 { .. } => 7,
        Misuse::QoSNotSupported { .. }
        | Misuse::RetainNotSupported
        | Misuse::WildcardsNotSupported
        | Misuse::SubscriptionIdsNotSupported
        | Misuse::SharedSubscriptionsNotSupported => 8,
        Misuse::UnknownDelivery => 9,
        _ => 10,
    }
}
