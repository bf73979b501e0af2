//! A message on its way to many: what is made of it once, for all who need the same.
//!
//! Its frames are encoded for each form of the protocol by the first receiver that has it, and the message is copied
//! to memory of its own by the first who has to keep it.

use std::sync::Arc;

use topicwire_codec::fanout::{self, PublishLayout};
use topicwire_codec::{PacketId, Publish, QoS, Version};

use crate::broker::Broker;
use crate::message::{self, Message, remaining_expiry_secs};
use crate::route::Route;

/// Encoded frames of the message at hand, one per form of the protocol and with or without a packet identifier.
#[derive(Debug, Default)]
pub(crate) struct FrameCache {
    frames: [(Option<PublishLayout>, Vec<u8>); 4],
}

impl FrameCache {
    #[cold]
    fn clear(&mut self) {
        for (layout, bytes) in &mut self.frames {
            *layout = None;
            bytes.clear();
        }
    }
}

/// A PUBLISH as it came, for receivers of the same form of the protocol that get it with or without a Packet Identifier
/// as it came with or without one.
#[derive(Clone, Copy)]
pub(crate) struct Verbatim<'a> {
    pub(crate) is_v5: bool,
    pub(crate) packet: &'a [u8],
    /// Where its Packet Identifier is.
    pub(crate) packet_id_at: Option<usize>,
}

impl<'a> Verbatim<'a> {
    /// `packet` is all of the PUBLISH.
    #[inline]
    pub(crate) fn new(is_v5: bool, packet: &'a [u8], publish: &Publish<'_>) -> Self {
        let packet_id_at = publish.packet_id.map(|_| {
            // The identifier follows the Topic Name, which follows the last byte of the Remaining Length.
            let last = packet.iter().skip(1).position(|byte| byte & 0x80 == 0).unwrap_or_default();
            last + 2 + 2 + publish.topic_name.len()
        });
        Self { is_v5, packet, packet_id_at }
    }
}

/// One message on its way to many.
pub(crate) struct FanOut<'a> {
    pub(crate) topic_name: &'a Arc<str>,
    pub(crate) forwarded: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires_at_ms: u64,
    /// The packet as it came, where it can be passed on as it is.
    pub(crate) verbatim: Option<Verbatim<'a>>,
    /// The message, once somebody needs it for longer.
    pub(crate) shared: Option<Arc<Message>>,
    /// What it is put into: see [`message::fill`].
    pub(crate) spare: Option<Arc<Message>>,
    /// It has one receiver: no frame needs to be kept for a second one.
    pub(crate) is_for_one: bool,
    /// None until the first frame.
    frames: Option<Box<FrameCache>>,
    has_frames: bool,
    is_text: Option<bool>,
}

impl<'a> FanOut<'a> {
    pub(crate) fn parts(&self) -> fanout::Message<'a> {
        fanout::Message { topic_name: self.topic_name, forwarded: self.forwarded, payload: self.payload }
    }

    /// The message for those who keep it: copied once, by the first who asks.
    pub(crate) fn share(&mut self) -> Arc<Message> {
        let (topic_name, forwarded, payload) = (self.topic_name, self.forwarded, self.payload);
        let terms = (self.qos, self.retain, self.expires_at_ms);
        let spare = &mut self.spare;
        Arc::clone(
            self.shared
                .get_or_insert_with(|| message::fill(spare.take(), topic_name, forwarded, payload, terms)),
        )
    }

    /// True where the payload is text: says so, or is UTF-8. Found out once.
    pub(crate) fn is_text(&mut self) -> bool {
        let payload = self.payload;
        *self.is_text.get_or_insert_with(|| std::str::from_utf8(payload).is_ok())
    }

    /// The frame for receivers of this version, encoded by the first who asks. None where it cannot be encoded.
    pub(crate) fn frame(
        &mut self,
        version: Version,
        packet_id: Option<PacketId>,
        now_ms: u64,
    ) -> Option<(&[u8], PublishLayout)> {
        let index = usize::from(version.is_v5()) * 2 + usize::from(packet_id.is_some());
        let parts = self.parts();
        self.has_frames = true;
        let (layout, bytes) = self.frames.get_or_insert_default().frames.get_mut(index)?;
        if layout.is_none() {
            let delivery = fanout::Delivery {
                dup: false,
                qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
                retain: false,
                packet_id,
                message_expiry_interval_secs: remaining_expiry_secs(self.expires_at_ms, now_ms),
                topic_alias: None,
                omit_topic_name: false,
                subscription_ids: &[],
            };
            *layout = fanout::encode_publish(version, &parts, &delivery, bytes).ok();
        }
        layout.map(|layout| (bytes.as_slice(), layout))
    }
}

impl Broker {
    /// Gives the frame buffers to a message, and takes them back in [`Broker::finish_fan_out`].
    #[inline]
    pub(crate) fn fan_out<'a>(
        &mut self,
        route: &'a Route,
        forwarded: &'a [u8],
        payload: &'a [u8],
    ) -> FanOut<'a> {
        FanOut {
            topic_name: &route.topic_name,
            forwarded,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            expires_at_ms: u64::MAX,
            verbatim: None,
            shared: None,
            spare: None,
            is_for_one: false,
            frames: self.scratch.frames.take(),
            has_frames: false,
            is_text: None,
        }
    }

    #[inline]
    pub(crate) fn finish_fan_out(&mut self, fan: FanOut<'_>) {
        let FanOut { mut frames, has_frames, spare, .. } = fan;
        if let Some(frames) = &mut frames
            && has_frames
        {
            frames.clear();
        }
        self.scratch.frames = frames;
        if let Some(spare) = spare {
            self.scratch.messages.give(spare);
        }
    }
}
