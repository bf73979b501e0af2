//! A topic as a URL: a client that speaks bare payloads.
//!
//! `new WebSocket('ws://host/topics/chat/room1')` is an MQTT client whose packets we write for it. Its input is
//! turned into CONNECT, SUBSCRIBE and PUBLISH packets and goes the way of all packets, past the same hooks and
//! limits; of what is sent to it only the payloads leave, each as `[length: u32 LE] [1 for text] [payload]`.
//! A WebSocket message has no acknowledgement: QoS 1 and 2 mean here that messages wait in the queue where QoS 0
//! would be dropped, not that the browser has confirmed them.

use topicwire_codec::{
    Ack, Connect, ConnectProperties, PacketId, PacketType, Publish, PublishProperties, QoS, ReasonCode,
    RetainHandling, Subscribe, SubscribeFilter, SubscribeFilters, SubscribeOptions, UserProperties, Version,
};
use topicwire_topics::SubscriptionFilter;

use crate::broker::{Broker, ConnectionKey};
use crate::connection::Framing;
use crate::end::Ending;
use crate::event::Event;
use crate::hook::Refusal;
use crate::input::InputStatus;

/// What the URL asks for.
#[derive(Clone, Copy, Debug)]
pub struct TopicUrlRequest<'a> {
    /// The topic. With a wildcard it is subscribed to and not published to.
    pub topic_filter: &'a str,
    /// QoS of the subscription and of what is published.
    pub qos: QoS,
    /// Whether the retained message is sent first.
    pub retained: bool,
    /// A client identifier; empty to have one assigned.
    pub client_id: &'a str,
    /// User name, where there is one.
    pub username: Option<&'a str>,
    /// Password, where there is one.
    pub password: Option<&'a [u8]>,
}

/// What a topic URL's connection remembers.
#[derive(Debug)]
pub(crate) struct TopicUrl {
    /// None for a filter with a wildcard or a share name.
    topic_name: Option<Box<str>>,
    qos: QoS,
    last_packet_id: u16,
}

impl TopicUrl {
    /// Writes the PUBLISH that a frame stands for. A filter that cannot be published to is written as a name that
    /// no broker takes, so that the fault takes the ordinary way; the host refuses it earlier with a better reason.
    pub(crate) fn write_publish(&mut self, payload: &[u8], input: &mut Vec<u8>) {
        let mut packet_id = None;
        if self.qos != QoS::AtMostOnce {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            packet_id = PacketId::new(self.last_packet_id);
        }
        let publish = Publish {
            dup: false,
            qos: self.qos,
            retain: false,
            topic_name: self.topic_name.as_deref().unwrap_or("#"),
            packet_id,
            properties: PublishProperties::default(),
            payload,
        };
        // Only a payload that no packet can hold fails, and the transport refuses that first.
        let _ = publish.encode(Version::V5_0, input);
        if let Some(packet_id) = packet_id.filter(|_| self.qos == QoS::ExactlyOnce) {
            // The frame came once; the second half of the exchange has nothing to wait for.
            let _ = Ack::new(packet_id, ReasonCode::Success).encode(PacketType::Pubrel, Version::V5_0, input);
        }
    }
}

impl Broker {
    /// A topic URL's transport has been opened. Refusals come as events and as the end of the connection.
    pub fn open_topic_url(
        &mut self,
        request: &TopicUrlRequest<'_>,
        now_ms: u64,
    ) -> (ConnectionKey, InputStatus) {
        let is_plain = SubscriptionFilter::parse(request.topic_filter)
            .is_ok_and(|filter| filter.share_name.is_none() && !filter.topic_filter.has_wildcards());
        // A page does not know what is switched off.
        let qos = request.qos.min(self.config.features.maximum_qos);
        let topic_url =
            TopicUrl { topic_name: is_plain.then(|| request.topic_filter.into()), qos, last_packet_id: 0 };
        let key = self.open_framed(Framing::Payloads(Box::new(topic_url)), now_ms);
        let connect = Connect {
            version: Version::V5_0,
            bridge: false,
            clean_start: true,
            keep_alive_secs: 0,
            client_id: request.client_id,
            will: None,
            username: request.username,
            password: request.password,
            properties: ConnectProperties::default(),
        };
        let options = SubscribeOptions {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: if request.retained {
                RetainHandling::SendAtSubscribe
            } else {
                RetainHandling::DoNotSend
            },
        };
        let filters = [SubscribeFilter { topic_filter: request.topic_filter, options }];
        let mut input = Vec::new();
        let mut is_encoded = connect.encode(Version::V5_0, &mut input).is_ok();
        if let Some(packet_id) = PacketId::new(1) {
            let subscribe = Subscribe {
                packet_id,
                subscription_id: None,
                user_properties: UserProperties::default(),
                filters: SubscribeFilters::from_slice(&filters),
            };
            is_encoded &= subscribe.encode(Version::V5_0, &mut input).is_ok();
        }
        if !is_encoded {
            self.refuse_topic_url(key, &Refusal::from_code(ReasonCode::TopicFilterInvalid), now_ms);
            return (key, InputStatus::default());
        }
        if let Some(connection) = self.connection_mut(key) {
            connection.input = input;
        }
        let status = self.continue_input(key, now_ms);
        (key, status)
    }

    /// A refused subscription leaves a topic URL without a purpose.
    pub(crate) fn end_refused_topic_url(
        &mut self,
        key: ConnectionKey,
        refusal: Option<&Refusal>,
        now_ms: u64,
    ) {
        if let Some(refusal) = refusal
            && self.connections.get(key.index()).is_some_and(|connection| !connection.is_mqtt())
        {
            self.refuse_topic_url(key, refusal, now_ms);
        }
    }

    fn refuse_topic_url(&mut self, key: ConnectionKey, refusal: &Refusal, now_ms: u64) {
        let reason = refusal.reason.as_deref().unwrap_or("the topic cannot be subscribed to");
        self.events.push_back(Event::Refused {
            connection: key,
            client_id: Box::default(),
            reason_code: refusal.reason_code,
            detail: reason.to_owned(),
        });
        self.end_connection(key, Ending::by_server(refusal.reason_code, reason), now_ms);
    }
}
