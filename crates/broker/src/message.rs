//! An Application Message that outlives the packet it came in: copied once, shared by all who wait for it.

use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;
use topicwire_codec::QoS;
use topicwire_codec::fanout;

/// One Application Message. Immutable; always behind an [`Arc`].
#[derive(Debug)]
pub struct Message {
    topic_name: Arc<str>,
    /// The properties that are passed on unaltered, encoded, then the payload.
    body: Vec<u8>,
    forwarded_len: u32,
    /// The length of a body that only the store has; 0 for every other message.
    absent_len: u32,
    /// The same message with its body, once that has been fetched.
    fetched: OnceLock<Arc<Message>>,
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
            body,
            forwarded_len: length(forwarded.len()),
            absent_len: 0,
            fetched: OnceLock::new(),
            qos,
            retain,
            expires_at_ms,
        }
    }

    /// A retained message of which only the store has properties and payload, `body_len` bytes together. Nothing is sent
    /// of it before they have been fetched.
    #[must_use]
    pub fn without_body(topic_name: Arc<str>, body_len: usize, qos: QoS, expires_at_ms: u64) -> Self {
        let absent_len = length(body_len);
        Self { absent_len, ..Self::new(topic_name, b"", b"", qos, true, expires_at_ms) }
    }

    /// True where properties and payload have not been fetched yet.
    #[inline]
    pub(crate) fn is_absent(&self) -> bool {
        self.absent_len != 0 && self.fetched.get().is_none()
    }

    /// Properties and payload have been fetched: they are those of this one.
    pub(crate) fn complete(&self, fetched: Arc<Self>) {
        if self.absent_len != 0 {
            let _ = self.fetched.set(fetched);
        }
    }

    /// The message that has the body.
    #[inline]
    fn whole(&self) -> &Self {
        if self.absent_len == 0 { self } else { self.fetched.get().map_or(self, |fetched| fetched) }
    }

    /// The length of properties and payload, wherever they are.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.body.len().max(self.absent_len as usize)
    }

    /// The Topic Name.
    #[must_use]
    pub fn topic_name(&self) -> &Arc<str> {
        &self.topic_name
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let whole = self.whole();
        whole.body.get(whole.forwarded_len as usize..).unwrap_or_default()
    }

    /// The 5.0 properties that are passed on, encoded without their length.
    #[must_use]
    pub fn forwarded(&self) -> &[u8] {
        let whole = self.whole();
        whole.body.get(..whole.forwarded_len as usize).unwrap_or_default()
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
        self.body_len() + self.topic_name.len() + size_of::<Self>()
    }
}

/// No packet is longer than 256 MiB.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Messages that nobody holds any more, to be filled anew: a stream of QoS 1 or 2 asks the allocator for nothing. Bounded
/// in count and in size.
#[derive(Debug, Default)]
pub(crate) struct SpareMessages(Vec<Arc<Message>>);

impl SpareMessages {
    const MOST: usize = 1024;
    const LARGEST_BODY_BYTES: usize = 1 << 10;
    const LONGEST_TOPIC_BYTES: usize = 256;

    /// One of them, or none.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Arc<Message>> {
        self.0.pop()
    }

    /// Keeps the message if nobody else has it and there is room.
    #[inline]
    pub(crate) fn give(&mut self, message: Arc<Message>) {
        if self.0.len() < Self::MOST
            && message.absent_len == 0
            && message.body.capacity() <= Self::LARGEST_BODY_BYTES
            && message.topic_name.len() <= Self::LONGEST_TOPIC_BYTES
            && Arc::strong_count(&message) == 1
        {
            self.0.push(message);
        }
    }
}

/// [`Message::new`] in the place of a spare one, where there is one that nobody has and that is large enough: what it held
/// before is gone.
#[inline]
pub(crate) fn fill(
    spare: Option<Arc<Message>>,
    topic_name: &Arc<str>,
    forwarded: &[u8],
    payload: &[u8],
    terms: (QoS, bool, u64),
) -> Arc<Message> {
    let (qos, retain, expires_at_ms) = terms;
    let most = SpareMessages::LARGEST_BODY_BYTES;
    if let Some(mut shared) = spare.filter(|_| forwarded.len() + payload.len() <= most)
        && let Some(message) = Arc::get_mut(&mut shared)
    {
        if !Arc::ptr_eq(&message.topic_name, topic_name) {
            message.topic_name = Arc::clone(topic_name);
        }
        message.body.clear();
        message.body.extend_from_slice(forwarded);
        message.body.extend_from_slice(payload);
        message.forwarded_len = length(forwarded.len());
        message.qos = qos;
        message.retain = retain;
        message.expires_at_ms = expires_at_ms;
        return shared;
    }
    Arc::new(Message::new(Arc::clone(topic_name), forwarded, payload, qos, retain, expires_at_ms))
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
    fn a_spare_message_is_filled_anew_unless_somebody_still_has_it() {
        let mut spare = SpareMessages::default();
        let terms = (QoS::AtLeastOnce, false, u64::MAX);
        let first = fill(None, &Arc::from("long/topic"), b"properties", b"a long payload", terms);
        let held = Arc::clone(&first);
        spare.give(first);
        assert!(spare.0.is_empty());
        let address = Arc::as_ptr(&held);
        spare.give(held);
        let second = fill(spare.take(), &Arc::from("t"), b"p", b"x", (QoS::ExactlyOnce, true, 7));
        assert_eq!(Arc::as_ptr(&second), address);
        assert_eq!(
            (&**second.topic_name(), second.forwarded(), second.payload()),
            ("t", &b"p"[..], &b"x"[..])
        );
        assert_eq!((second.qos, second.retain, second.expires_at_ms), (QoS::ExactlyOnce, true, 7));
        let third = fill(Some(Arc::clone(&second)), &Arc::from("u"), b"", b"y", terms);
        assert_eq!((second.payload(), third.payload()), (&b"x"[..], &b"y"[..]));
    }

    #[test]
    fn spare_messages_are_bounded_in_count_and_in_size() {
        let mut spare = SpareMessages::default();
        let message = |topic_name: &str, payload: &[u8]| {
            fill(None, &Arc::from(topic_name), b"", payload, (QoS::AtLeastOnce, false, u64::MAX))
        };
        spare.give(message("t", &[0; 1025]));
        spare.give(message(&"t".repeat(257), b""));
        assert!(spare.0.is_empty());
        for _ in 0..2 * SpareMessages::MOST {
            spare.give(message("t", b"x"));
        }
        assert_eq!(spare.0.len(), SpareMessages::MOST);
        // A larger one gets memory of its own, and leaves a spare one as large as it was.
        let large = fill(spare.take(), &Arc::from("t"), b"", &[0; 5000], (QoS::AtLeastOnce, false, u64::MAX));
        assert_eq!(large.payload().len(), 5000);
    }

    #[test]
    fn the_parts_are_the_ones_put_in() {
        let message = Message::new(Arc::from("t"), b"props", b"payload", QoS::AtLeastOnce, false, u64::MAX);
        assert_eq!((message.forwarded(), message.payload()), (&b"props"[..], &b"payload"[..]));
    }
}
