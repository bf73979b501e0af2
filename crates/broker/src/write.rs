//! A PUBLISH into one connection's out-buffer: the same bytes for all where the protocol lets them be the same.

use std::sync::Arc;

use smallvec::SmallVec;
use topicwire_codec::fanout;
use topicwire_codec::{PacketId, QoS};
use topicwire_session::AliasUse;

use crate::connection::{Connection, Framing};
use crate::fan_out::{FanOut, Verbatim};
use crate::message::{Delivery, Message, remaining_expiry_secs};
use crate::metrics::Metrics;
use crate::route::Merged;
use crate::transmit::Outlet;

/// The PUBLISH is larger than the client accepts: it must not be sent [MQTT-3.1.2-24], and whoever wanted to goes
/// on as if it had been [MQTT-3.1.2-25].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The flags and identifiers of a PUBLISH that are one receiver's own. DUP says whether this one is sent again,
/// whatever it said when the message came [MQTT-3.3.1-3].
/// Asked for by v3.1.1 [MQTT-3.3.1-3].
pub(crate) struct Head {
    pub(crate) dup: bool,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) subscription_ids: SmallVec<[u32; 2]>,
}

impl Head {
    pub(crate) fn of_delivery(delivery: &Delivery, qos: QoS, packet_id: Option<PacketId>, dup: bool) -> Self {
        Self {
            dup,
            qos,
            retain: delivery.retain,
            packet_id,
            subscription_ids: delivery.subscription_ids.clone(),
        }
    }
}

/// Where PUBLISHes are written to: the out-buffers, and who counts them.
pub(crate) struct Writer<'a> {
    pub(crate) outlet: &'a mut Outlet,
    pub(crate) metrics: &'a mut Metrics,
    /// From how many bytes a payload is kept apart: `Config::apart_bytes`.
    pub(crate) apart_bytes: usize,
    pub(crate) now_ms: u64,
}

impl Writer<'_> {
    /// Writes a message that is being fanned out: verbatim, from the cache of frames, or by itself.
    ///
    /// # Errors
    /// [`TooLarge`]; nothing has been written.
    /// Asked for by v3.1.1 [MQTT-4.3.1-1].
    #[inline]
    pub(crate) fn write_fan_out(
        &mut self,
        connection: &mut Connection,
        fan: &mut FanOut<'_>,
        merged: &Merged,
        head: (QoS, bool, Option<PacketId>),
    ) -> Result<(), TooLarge> {
        let (qos, retain, packet_id) = head;
        let is_plain = merged.subscription_ids.is_empty()
            && connection.outbound_aliases.is_off()
            && connection.is_mqtt()
            && fan.payload.len() < self.apart_bytes;
        if !is_plain {
            let head = Head {
                dup: false,
                qos,
                retain,
                packet_id,
                subscription_ids: merged.subscription_ids.clone(),
            };
            if !connection.is_mqtt() {
                let is_text = fan.is_text();
                self.write_payload(connection, fan.payload, is_text);
                return Ok(());
            }
            let (topic_name, parts, expires_at_ms) = (fan.topic_name, fan.parts(), fan.expires_at_ms);
            return self.write_parts(connection, topic_name, &parts, || fan.share(), expires_at_ms, &head);
        }
        let maximum = connection.maximum_packet_size as usize;
        match fan.verbatim {
            Some(Verbatim { is_v5, packet, packet_id_at: None })
                if is_v5 == connection.version.is_v5() && packet_id.is_none() =>
            {
                if packet.len() > maximum {
                    return Err(TooLarge);
                }
                self.outlet.append(connection, |out| {
                    let start = out.len();
                    out.extend_from_slice(packet);
                    if let Some(first) = out.get_mut(start) {
                        *first = 0x30 | u8::from(retain);
                    }
                });
            }
            Some(Verbatim { is_v5, packet, packet_id_at: Some(at) })
                if is_v5 == connection.version.is_v5()
                    && let Some(packet_id) = packet_id =>
            {
                if packet.len() > maximum {
                    return Err(TooLarge);
                }
                self.outlet.append(connection, |out| {
                    let start = out.len();
                    out.extend_from_slice(packet);
                    if let Some(first) = out.get_mut(start) {
                        *first = 0x30 | qos.value() << 1 | u8::from(retain);
                    }
                    if let Some(bytes) = out.get_mut(start + at..).and_then(<[u8]>::first_chunk_mut) {
                        *bytes = packet_id.value().to_be_bytes();
                    }
                });
            }
            _ if fan.is_for_one => {
                let (parts, expires_at_ms) = (fan.parts(), fan.expires_at_ms);
                let delivery = fanout::Delivery {
                    qos,
                    retain,
                    packet_id,
                    message_expiry_interval_secs: remaining_expiry_secs(expires_at_ms, self.now_ms),
                    ..fanout::Delivery::default()
                };
                let version = connection.version;
                let is_written = self.outlet.append(connection, |out| {
                    let start = out.len();
                    let layout = fanout::encode_publish(version, &parts, &delivery, out);
                    let is_written = layout.is_ok_and(|layout| layout.length <= maximum);
                    if !is_written {
                        out.truncate(start);
                    }
                    is_written
                });
                if !is_written {
                    return Err(TooLarge);
                }
            }
            _ => {
                let Some((frame, layout)) = fan.frame(connection.version, packet_id, self.now_ms) else {
                    return Err(TooLarge);
                };
                if layout.length > maximum {
                    return Err(TooLarge);
                }
                let patched = self.outlet.append(connection, |out| {
                    fanout::append_patched(frame, layout, false, qos, retain, packet_id, out).is_ok()
                });
                if !patched {
                    return Err(TooLarge);
                }
            }
        }
        self.count(fan.payload.len());
        Ok(())
    }

    /// Writes a message that has waited.
    ///
    /// # Errors
    /// [`TooLarge`]; nothing has been written.
    pub(crate) fn write_message(
        &mut self,
        connection: &mut Connection,
        message: &Arc<Message>,
        head: &Head,
    ) -> Result<(), TooLarge> {
        if !connection.is_mqtt() {
            let is_text = std::str::from_utf8(message.payload()).is_ok();
            self.write_payload(connection, message.payload(), is_text);
            return Ok(());
        }
        let share = || Arc::clone(message);
        self.write_parts(
            connection,
            message.topic_name(),
            &message.parts(),
            share,
            message.expires_at_ms,
            head,
        )
    }

    fn write_parts(
        &mut self,
        connection: &mut Connection,
        topic_name: &Arc<str>,
        parts: &fanout::Message<'_>,
        share: impl FnOnce() -> Arc<Message>,
        expires_at_ms: u64,
        head: &Head,
    ) -> Result<(), TooLarge> {
        /// What a topic alias adds to a packet that also has its name, with a longer Property Length.
        const ALIAS_BYTES: usize = 3 + 3;
        let version = connection.version;
        let is_v5 = version.is_v5();
        let mut delivery = fanout::Delivery {
            dup: head.dup,
            qos: head.qos,
            retain: head.retain,
            packet_id: head.packet_id,
            message_expiry_interval_secs: remaining_expiry_secs(expires_at_ms, self.now_ms).filter(|_| is_v5),
            topic_alias: None,
            omit_topic_name: false,
            subscription_ids: if is_v5 { &head.subscription_ids } else { &[] },
        };
        let length = fanout::encoded_publish_len(version, parts, &delivery);
        let maximum = connection.maximum_packet_size as usize;
        if length > maximum {
            return Err(TooLarge);
        }
        if length + ALIAS_BYTES <= maximum {
            match connection.outbound_aliases.next_use(topic_name) {
                AliasUse::Name => {}
                AliasUse::Set(alias) => delivery.topic_alias = Some(alias),
                AliasUse::Alias(alias) => {
                    delivery.topic_alias = Some(alias);
                    delivery.omit_topic_name = true;
                }
            }
        }
        let payload_len = parts.payload.len();
        if payload_len < self.apart_bytes {
            let encoded = self
                .outlet
                .append(connection, |out| fanout::encode_publish(version, parts, &delivery, out).is_ok());
            if !encoded {
                return Err(TooLarge);
            }
        } else {
            let encoded = self.outlet.append(connection, |out| {
                fanout::encode_publish_header(version, parts, &delivery, out).is_ok()
            });
            if !encoded {
                return Err(TooLarge);
            }
            self.outlet.append_payload(connection, share());
        }
        self.count(payload_len);
        Ok(())
    }

    /// A bare payload for a topic URL: its length, whether it is text, then itself.
    fn write_payload(&mut self, connection: &mut Connection, payload: &[u8], is_text: bool) {
        if !matches!(connection.framing, Framing::Payloads(_)) {
            return;
        }
        self.outlet.append(connection, |out| {
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_le_bytes());
            out.push(u8::from(is_text));
            out.extend_from_slice(payload);
        });
        self.count(payload.len());
    }

    #[inline]
    fn count(&mut self, payload_len: usize) {
        self.metrics.packets_sent += 1;
        self.metrics.publish_sent += 1;
        self.metrics.publish_bytes_sent += payload_len as u64;
    }
}
