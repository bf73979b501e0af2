//! The beginning of a connection: CONNECT, and what it means for the Session.

use topicwire_codec::{Connect, PublishProperties, VARINT_MAX, Version};
use topicwire_topics::{TopicError, TopicName};

use super::Client;
use super::link::{Link, Phase};
use super::misuse::Misuse;

/// The largest packet there is: a Remaining Length of four bytes, and the five bytes before what it counts.
const LARGEST_PACKET_BYTES: u32 = VARINT_MAX + 5;

/// The subprotocol to offer where the transport is a WebSocket, for a connection of that version [MQTT-6.0.0-3],
/// v3.1.1 [MQTT-6.0.0-3]. 3.1 has no say in it; its name is the one that brokers agree on.
#[must_use]
pub fn websocket_subprotocol(version: Version) -> &'static str {
    match version {
        Version::V3_1 => "mqttv3.1",
        Version::V3_1_1 | Version::V5_0 => "mqtt",
    }
}

impl Client {
    /// A transport has been opened: writes CONNECT, which is the first packet on it [MQTT-3.1.0-1],
    /// v3.1.1 [MQTT-3.1.0-1].
    ///
    /// With `clean_start` the Session State that is kept is discarded [MQTT-3.1.2-4], v3.1.1 [MQTT-3.1.2-6]; so is
    /// that of another Client Identifier [MQTT-3.1.3-2], v3.1.1 [MQTT-3.1.3-2]. Messages that were never sent stay in the
    /// queue. In 5.0 the Maximum Packet Size that
    /// is announced is never above [`Config::maximum_packet_size_bytes`](super::Config::maximum_packet_size_bytes).
    ///
    /// # Errors
    /// [`Misuse::AlreadyConnected`]; a Will or an identifier that no server could accept; a password, an authentication
    /// method or a field that the version has no place for.
    pub fn connect(&mut self, connect: &Connect<'_>, now_ms: u64) -> Result<(), Misuse> {
        if self.link.phase != Phase::Idle {
            return Err(Misuse::AlreadyConnected);
        }
        check_connect(connect)?;
        let mut link = Link::new(connect, &self.config, now_ms);
        let mut connect = connect.clone();
        if connect.properties.maximum_packet_size.is_some() || link.maximum_packet_size < LARGEST_PACKET_BYTES
        {
            connect.properties.maximum_packet_size = Some(link.maximum_packet_size);
        }
        self.out.clear();
        connect.encode(connect.version, &mut self.out.bytes)?;
        let is_same = self.session.client_id.as_deref() == Some(connect.client_id);
        if connect.clean_start || !is_same || self.session.is_expired(now_ms) {
            self.discard_session();
        }
        link.sends_early = self.config.sends_before_connack
            && link.authentication_method.is_none()
            && self.session.outbound.inflight_count() == 0
            && self.session.outbound.queued_count() == 0;
        if link.sends_early {
            self.session.outbound.resume(link.server.receive_maximum);
        }
        self.carry.begin();
        self.carry.cut();
        self.link = link;
        Ok(())
    }
}

fn check_connect(connect: &Connect<'_>) -> Result<(), Misuse> {
    if let Some(will) = &connect.will {
        TopicName::new(will.topic_name)?;
        check_response_topic(&will.properties)?;
    }
    if connect.version.is_v5() {
        return Ok(());
    }
    if connect.properties.authentication_method.is_some() {
        return Err(Misuse::NeedsV5 { what: "extended authentication" });
    }
    if connect.client_id.is_empty() && (connect.version == Version::V3_1 || !connect.clean_start) {
        return Err(Misuse::ClientIdMissing);
    }
    Ok(())
}

/// A Response Topic is a Topic Name: no wildcards [MQTT-3.3.2-14].
pub(super) fn check_response_topic(properties: &PublishProperties<'_>) -> Result<(), TopicError> {
    properties.response_topic.map_or(Ok(()), |response_topic| TopicName::new(response_topic).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    // [MQTT-6.0.0-3], v3.1.1 [MQTT-6.0.0-3]
    #[test]
    fn the_websocket_of_a_connect_is_offered_its_subprotocol() {
        for (version, subprotocol) in
            [(Version::V3_1, "mqttv3.1"), (Version::V3_1_1, "mqtt"), (Version::V5_0, "mqtt")]
        {
            let connect = Connect::new(version, "c");
            assert_eq!(websocket_subprotocol(connect.version), subprotocol);
        }
    }
}
