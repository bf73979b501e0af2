//! The records with a message in them: deliveries, Wills and retained messages.

use std::sync::Arc;

use smallvec::SmallVec;
use topicwire_broker::{Delivery, Message};
use topicwire_codec::QoS;

use crate::record::{Input, QOS, flag};

// The flags of messages and deliveries; the lowest two bits are the QoS.
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

/// QoS as published, RETAIN as published, the expiry time.
type Terms = (QoS, bool, u64);

impl<'a> Input<'a> {
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
}
