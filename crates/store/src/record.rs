//! The values of the tables, byte by byte as `docs/storage-format.md` says. Each ends with a checksum over its key and its
//! bytes: an engine may hand out a page that the disk has changed, and a row in the wrong place is damage, too.

use std::sync::Arc;

use smallvec::SmallVec;
use topicwire_broker::{Delivery, Message, SubscriptionOptions};
use topicwire_codec::{QoS, Version};
use topicwire_session::Stage;

use crate::keys::SessionNumber;

const CHECKSUM_BYTES: usize = 4;

/// Ends a record.
pub(crate) fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(key, &value);
    value.extend_from_slice(&checksum);
    value
}

/// The bytes of a record without the checksum, or none where that does not fit.
pub(crate) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = sealed.split_at_checked(sealed.len().checked_sub(CHECKSUM_BYTES)?)?;
    (checksum(key, value) == found).then_some(value)
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_be_bytes()
}

/// A Session as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) number: SessionNumber,
    pub(crate) expiry_interval_secs: u32,
    pub(crate) version: Version,
    pub(crate) closed_at_ms: Option<u64>,
}

impl SessionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(21 + CHECKSUM_BYTES);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.expiry_interval_secs.to_be_bytes());
        out.push(self.version as u8);
        if let Some(closed_at_ms) = self.closed_at_ms {
            out.extend_from_slice(&closed_at_ms.to_be_bytes());
        }
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut input = Input(value);
        let (number, expiry_interval_secs) = (input.u64()?, input.u32()?);
        let version = match input.u8()? {
            3 => Version::V3_1,
            4 => Version::V3_1_1,
            5 => Version::V5_0,
            _ => return None,
        };
        let closed_at_ms = if input.0.is_empty() { None } else { Some(input.u64()?) };
        input.finish(Self { number, expiry_interval_secs, version, closed_at_ms })
    }
}

/// How much the deliveries of a Session are, those in an exchange among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueRecord {
    pub(crate) messages: u64,
    /// Of topic names, properties and payloads.
    pub(crate) content_bytes: u64,
}

impl QueueRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + CHECKSUM_BYTES);
        out.extend_from_slice(&self.messages.to_be_bytes());
        out.extend_from_slice(&self.content_bytes.to_be_bytes());
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut input = Input(value);
        let record = Self { messages: input.u64()?, content_bytes: input.u64()? };
        input.finish(record)
    }

    pub(crate) fn add(&mut self, content_bytes: u64) {
        self.messages += 1;
        self.content_bytes += content_bytes;
    }

    /// None where there is less than that: then the record was wrong.
    #[must_use]
    pub(crate) fn without(self, content_bytes: u64) -> Option<Self> {
        let messages = self.messages.checked_sub(1)?;
        Some(Self { messages, content_bytes: self.content_bytes.checked_sub(content_bytes)? })
    }
}

/// A number of the table `State`.
pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(crate) fn decode_number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

pub(crate) fn encode_subscription(options: SubscriptionOptions) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + CHECKSUM_BYTES);
    let flags = options.qos as u8
        | flag(options.no_local, NO_LOCAL)
        | flag(options.retain_as_published, AS_PUBLISHED);
    out.push(flags);
    out.extend_from_slice(&options.subscription_id.to_be_bytes());
    out
}

const NO_LOCAL: u8 = 4;
const AS_PUBLISHED: u8 = 8;

pub(crate) fn decode_subscription(value: &[u8]) -> Option<SubscriptionOptions> {
    let mut input = Input(value);
    let flags = input.flags(NO_LOCAL | AS_PUBLISHED)?;
    let options = SubscriptionOptions {
        subscription_id: input.u32()?,
        qos: QoS::from_u8(flags & QOS)?,
        no_local: flags & NO_LOCAL != 0,
        retain_as_published: flags & AS_PUBLISHED != 0,
    };
    input.finish(options)
}

pub(crate) fn encode_exchange(position: u64, stage: Stage) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + CHECKSUM_BYTES);
    out.push(match stage {
        Stage::AwaitPuback => 0,
        Stage::AwaitPubrec => 1,
        Stage::AwaitPubcomp => 2,
    });
    out.extend_from_slice(&position.to_be_bytes());
    out
}

pub(crate) fn decode_exchange(value: &[u8]) -> Option<(u64, Stage)> {
    let mut input = Input(value);
    let stage = match input.u8()? {
        0 => Stage::AwaitPuback,
        1 => Stage::AwaitPubrec,
        2 => Stage::AwaitPubcomp,
        _ => return None,
    };
    let position = input.u64()?;
    input.finish((position, stage))
}

// The flags of messages and deliveries; the lowest two bits are the QoS.
const QOS: u8 = 3;
const RETAIN: u8 = 4;
const EXPIRES: u8 = 8;
const FORWARDED: u8 = 16;
const SUBSCRIPTION_IDS: u8 = 8;

/// All of a message but its topic name.
fn put_message(out: &mut Vec<u8>, message: &Message) {
    let forwarded = message.forwarded();
    let expires = message.expires_at_ms != u64::MAX;
    let flags = message.qos as u8
        | flag(message.retain, RETAIN)
        | flag(expires, EXPIRES)
        | flag(!forwarded.is_empty(), FORWARDED);
    out.push(flags);
    if expires {
        out.extend_from_slice(&message.expires_at_ms.to_be_bytes());
    }
    if !forwarded.is_empty() {
        put_len(out, forwarded.len());
        out.extend_from_slice(forwarded);
    }
    out.extend_from_slice(message.payload());
}

/// A packet, and so all of its parts, is below 2^28 bytes.
fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_topic(out: &mut Vec<u8>, topic_name: &str) {
    out.extend_from_slice(&u16::try_from(topic_name.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(topic_name.as_bytes());
}

fn size_hint(message: &Message) -> usize {
    message.topic_name().len() + message.forwarded().len() + message.payload().len() + 32
}

pub(crate) fn encode_retained(message: &Message) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_hint(message));
    put_message(&mut out, message);
    out
}

pub(crate) fn decode_retained(topic_name: &[u8], value: &[u8]) -> Option<Message> {
    let topic_name = std::str::from_utf8(topic_name).ok()?;
    Input(value).message(Arc::from(topic_name))
}

pub(crate) fn encode_will(
    message: &Message,
    delay_interval_secs: u32,
    expiry_interval_secs: Option<u32>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_hint(message));
    out.extend_from_slice(&delay_interval_secs.to_be_bytes());
    out.push(u8::from(expiry_interval_secs.is_some()));
    if let Some(secs) = expiry_interval_secs {
        out.extend_from_slice(&secs.to_be_bytes());
    }
    put_topic(&mut out, message.topic_name());
    put_message(&mut out, message);
    out
}

/// The message, Will Delay Interval and Message Expiry Interval.
pub(crate) fn decode_will(value: &[u8]) -> Option<(Message, u32, Option<u32>)> {
    let mut input = Input(value);
    let delay_interval_secs = input.u32()?;
    let expiry_interval_secs = match input.u8()? {
        0 => None,
        1 => Some(input.u32()?),
        _ => return None,
    };
    let topic_name = Arc::from(input.topic()?);
    Some((input.message(topic_name)?, delay_interval_secs, expiry_interval_secs))
}

pub(crate) fn encode_delivery(qos: QoS, delivery: &Delivery) -> Vec<u8> {
    let ids = &delivery.subscription_ids;
    let mut out = Vec::with_capacity(size_hint(&delivery.message) + 4 * ids.len());
    out.push(qos as u8 | flag(delivery.retain, RETAIN) | flag(!ids.is_empty(), SUBSCRIPTION_IDS));
    if !ids.is_empty() {
        put_len(&mut out, ids.len());
        for id in ids {
            out.extend_from_slice(&id.to_be_bytes());
        }
    }
    put_topic(&mut out, delivery.message.topic_name());
    put_message(&mut out, &delivery.message);
    out
}

/// Decodes deliveries of one queue one after the other; those with the same topic name share it.
#[derive(Debug, Default)]
pub(crate) struct DeliveryDecoder {
    topic_name: Option<Arc<str>>,
}

impl DeliveryDecoder {
    pub(crate) fn decode(&mut self, position: u64, value: &[u8]) -> Option<(QoS, Delivery)> {
        let mut input = Input(value);
        let (qos, retain, subscription_ids) = input.delivery_head()?;
        let topic_name = input.topic()?;
        let topic_name = match self.topic_name.take().filter(|last| **last == *topic_name) {
            Some(last) => last,
            None => Arc::from(topic_name),
        };
        self.topic_name = Some(Arc::clone(&topic_name));
        let message = Arc::new(input.message(topic_name)?);
        Some((qos, Delivery { message, retain, subscription_ids, position }))
    }
}

/// The content of a delivery as [`QueueRecord`] counts it, without making a message of it.
pub(crate) fn delivery_content_bytes(value: &[u8]) -> Option<u64> {
    let mut input = Input(value);
    input.delivery_head()?;
    let topic_len = input.topic()?.len();
    let (_, forwarded) = input.message_head()?;
    Some((topic_len + forwarded.len() + input.0.len()) as u64)
}

/// The same of a message that is to be stored.
pub(crate) fn content_bytes(message: &Message) -> u64 {
    (message.topic_name().len() + message.forwarded().len() + message.payload().len()) as u64
}

const fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

/// QoS as published, RETAIN as published, the expiry time.
type Terms = (QoS, bool, u64);

/// What is left to read of a record.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn len(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Flags of which only these and the QoS may be set.
    fn flags(&mut self, known: u8) -> Option<u8> {
        self.u8().filter(|flags| flags & !(QOS | known) == 0)
    }

    fn topic(&mut self) -> Option<&'a str> {
        let len = self.array().map(u16::from_be_bytes)?;
        std::str::from_utf8(self.bytes(usize::from(len))?).ok()
    }

    fn delivery_head(&mut self) -> Option<(QoS, bool, SmallVec<[u32; 2]>)> {
        let flags = self.flags(RETAIN | SUBSCRIPTION_IDS)?;
        let mut ids = SmallVec::new();
        if flags & SUBSCRIPTION_IDS != 0 {
            for _ in 0..self.u32()? {
                ids.push(self.u32()?);
            }
        }
        Some((QoS::from_u8(flags & QOS)?, flags & RETAIN != 0, ids))
    }

    fn message_head(&mut self) -> Option<(Terms, &'a [u8])> {
        let flags = self.flags(RETAIN | EXPIRES | FORWARDED)?;
        let expires_at_ms = if flags & EXPIRES != 0 { self.u64()? } else { u64::MAX };
        let forwarded = if flags & FORWARDED != 0 {
            let len = self.len()?;
            self.bytes(len)?
        } else {
            &[]
        };
        Some(((QoS::from_u8(flags & QOS)?, flags & RETAIN != 0, expires_at_ms), forwarded))
    }

    /// A message up to the end of the record.
    fn message(mut self, topic_name: Arc<str>) -> Option<Message> {
        let ((qos, retain, expires_at_ms), forwarded) = self.message_head()?;
        Some(Message::new(topic_name, forwarded, self.0, qos, retain, expires_at_ms))
    }

    /// The record, if all of it has been read.
    fn finish<T>(&self, record: T) -> Option<T> {
        self.0.is_empty().then_some(record)
    }
}
