//! An Application Message that outlives the packet it came in: copied once, shared by all who wait for it.

use std::sync::Arc;

use smallvec::SmallVec;
use topicwire_codec::QoS;
use topicwire_codec::fanout;

/// One Application Message. Immutable; always behind an [`Arc`].
#[derive(Debug)]
pub struct Message {
    topic_name: Arc<str>,
    /// The properties that are passed on unaltered, encoded, then the payload.
    body: Box<[u8]>,
    forwarded_len: usize,
    /// The QoS it was published with.
    pub qos: QoS,
    /// The RETAIN flag it was published with.
    pub retain: bool,
    /// When it expires, in milliseconds; `u64::MAX` is never.
    pub expires_at_ms: u64,
}

impl Message {
    /// Copies the parts.
    #[must_use]
    pub fn new(
        topic_name: Arc<str>,
        forwarded: &[u8],
        payload: &[u8],
        qos: QoS,
        retain: bool,
        expires_at_ms: u64,
    ) -> Self {
        let mut body = Vec::with_capacity(forwarded.len() + payload.len());
        body.extend_from_slice(forwarded);
        body.extend_from_slice(payload);
        Self {
            topic_name,
            body: body.into_boxed_slice(),
            forwarded_len: forwarded.len(),
            qos,
            retain,
            expires_at_ms,
        }
    }

    /// The Topic Name.
    #[must_use]
    pub fn topic_name(&self) -> &Arc<str> {
        &self.topic_name
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.body.get(self.forwarded_len..).unwrap_or_default()
    }

    /// The 5.0 properties that are passed on, encoded without their length.
    #[must_use]
    pub fn forwarded(&self) -> &[u8] {
        self.body.get(..self.forwarded_len).unwrap_or_default()
    }

    /// The parts that the codec writes.
    #[must_use]
    pub fn parts(&self) -> fanout::Message<'_> {
        fanout::Message { topic_name: &self.topic_name, forwarded: self.forwarded(), payload: self.payload() }
    }

    /// True where its Message Expiry Interval has passed [MQTT-3.3.2-5].
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms <= now_ms
    }

    /// What counts against limits in bytes: the content and what it costs to hold it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.body.len() + self.topic_name.len() + size_of::<Self>()
    }
}

/// The Message Expiry Interval to send: the received one less the time that the message has waited
/// [MQTT-3.3.2-6]. At least one second, for a message that is still on its way is not expired.
#[must_use]
pub(crate) fn remaining_expiry_secs(expires_at_ms: u64, now_ms: u64) -> Option<u32> {
    if expires_at_ms == u64::MAX {
        return None;
    }
    let secs = expires_at_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
    Some(u32::try_from(secs).unwrap_or(u32::MAX))
}

/// A message on its way to one Session.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message.
    pub message: Arc<Message>,
    /// The RETAIN flag towards this Session.
    pub retain: bool,
    /// The identifiers of all its subscriptions that matched [MQTT-3.3.4-4].
    pub subscription_ids: SmallVec<[u32; 2]>,
    /// The store's position in the Session's queue; 0 where nothing is stored.
    pub position: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_that_is_left_is_rounded_up() {
        assert_eq!(remaining_expiry_secs(u64::MAX, 5), None);
        assert_eq!(remaining_expiry_secs(10_000, 9_001), Some(1));
        assert_eq!(remaining_expiry_secs(10_000, 1_000), Some(9));
        assert_eq!(remaining_expiry_secs(10_000, 20_000), Some(1));
    }

    #[test]
    fn the_parts_are_the_ones_put_in() {
        let message = Message::new(Arc::from("t"), b"props", b"payload", QoS::AtLeastOnce, false, u64::MAX);
        assert_eq!((message.forwarded(), message.payload()), (&b"props"[..], &b"payload"[..]));
    }
}
