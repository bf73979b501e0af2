//! One message to one Session: at once, or into its queue, or not at all. What a queue sends later is in
//! `pump.rs`.

use topicwire_codec::{PacketId, QoS};
use topicwire_session::{QueueLimits, Queued, Stage};

use crate::broker::{Broker, ConnectionKey, SessionKey};
use crate::config::{Limits, QueueFullPolicy};
use crate::connection::Phase;
use crate::event::Event;
use crate::fan_out::FanOut;
use crate::journal::Journal;
use crate::message::{Delivery, Message};
use crate::metrics::DropReason;
use crate::route::Merged;
use crate::session::{Endpoint, Session};
use crate::write::{TooLarge, Writer};

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Taken, or dropped in a way that the protocol allows without a word.
    Settled,
    /// The Session's queue is full and the policy is to tell the publisher.
    OverQuota,
}

/// What is offered: the delivery's own QoS, the lower of the message's and the granted one [MQTT-3.8.4-8], and its
/// own RETAIN flag, which is the message's where that was asked for [MQTT-3.3.1-12, 3.3.1-13], beside what the
/// subscriptions asked for.
struct Terms<'a> {
    merged: &'a Merged,
    qos: QoS,
    retain: bool,
}

impl Broker {
    /// Offers a message to a Session that has subscribed to it.
    /// Asked for by v3.1.1 [MQTT-3.1.2-5], v3.1.1 [MQTT-3.3.1-9], v3.1.1 [MQTT-3.8.4-6],
    /// v3.1.1 [MQTT-4.5.0-1].
    #[inline]
    pub(crate) fn offer(
        &mut self,
        session_key: SessionKey,
        fan: &mut FanOut<'_>,
        merged: &Merged,
        now_ms: u64,
    ) -> Offer {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return Offer::Settled };
        let qos = merged.qos.min(fan.qos);
        let terms = Terms { merged, qos, retain: fan.retain && merged.retain_as_published };
        match session.endpoint {
            Endpoint::Network(key) if qos == QoS::AtMostOnce => {
                self.offer_qos_0(session_key, key, fan, &terms, now_ms)
            }
            Endpoint::Network(_) => self.offer_qos_1_or_2(session_key, fan, &terms, now_ms),
            Endpoint::Offline if qos == QoS::AtMostOnce => Offer::Settled,
            Endpoint::Offline => self.enqueue(session_key, fan, &terms, now_ms),
            Endpoint::Local(handle) => {
                self.metrics.publish_sent += 1;
                self.metrics.publish_bytes_sent += fan.payload.len() as u64;
                self.events.push_back(Event::Message {
                    handle,
                    message: fan.share(),
                    qos,
                    retain: terms.retain,
                });
                Offer::Settled
            }
        }
    }

    /// QoS 0 goes into the out-buffer while that has room, and is dropped and counted when it has none.
    #[inline]
    fn offer_qos_0(
        &mut self,
        session_key: SessionKey,
        key: ConnectionKey,
        fan: &mut FanOut<'_>,
        terms: &Terms<'_>,
        now_ms: u64,
    ) -> Offer {
        let most = if self.is_scarce() {
            Limits::SCARCE_SHARE_BYTES
        } else {
            self.config.limits.maximum_out_buffer_bytes
        };
        let Self { connections, outlet, metrics, config, .. } = self;
        let Some(connection) = connections.get_mut(key.index()) else { return Offer::Settled };
        // Before CONNACK has left, its client is as good as away.
        if connection.phase != Phase::Open {
            return Offer::Settled;
        }
        let waiting_bytes = connection.out.len();
        // A message larger than the whole buffer still passes an empty one.
        let is_full = waiting_bytes > 0 && (waiting_bytes + fan.payload.len()) as u64 > most;
        if is_full {
            return self.drop_for(session_key, DropReason::OutBufferFull);
        }
        let mut writer = Writer { outlet, metrics, apart_bytes: config.apart_bytes, now_ms };
        match writer.write_fan_out(connection, fan, terms.merged, (QoS::AtMostOnce, terms.retain, None)) {
            Ok(()) => Offer::Settled,
            Err(TooLarge) => self.drop_for(session_key, DropReason::TooLarge),
        }
    }

    /// QoS 1 and 2 go out at once where the client's window is open and nothing waits before them.
    fn offer_qos_1_or_2(
        &mut self,
        session_key: SessionKey,
        fan: &mut FanOut<'_>,
        terms: &Terms<'_>,
        now_ms: u64,
    ) -> Offer {
        let Self { sessions, connections, outlet, metrics, journal, config, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return Offer::Settled };
        let connection = session.connection().and_then(|key| connections.get_mut(key.index()));
        let Some(connection) = connection else { return Offer::Settled };
        let has_room = connection.phase == Phase::Open && connection.out.len() < Limits::OUT_BUFFER_LOW_BYTES;
        let may_go = has_room
            && connection.is_mqtt()
            && session.outbound.is_clear()
            && session.in_store == 0
            && session.held.is_empty()
            && !must_be_stored_first(journal, session, terms.qos);
        if !may_go {
            let offer = self.enqueue(session_key, fan, terms, now_ms);
            if has_room {
                self.pump(session_key, now_ms);
            }
            return offer;
        }
        let delivery = new_delivery(session, fan, terms);
        let position = delivery.position;
        let stored = (journal.is_enabled() && session.is_durable()).then(|| delivery.clone());
        let Ok(packet_id) = session.outbound.begin(terms.qos, delivery) else {
            return self.enqueue(session_key, fan, terms, now_ms);
        };
        if let Some(delivery) = stored {
            journal.put_sent(&session.client_id, delivery, packet_id, terms.qos);
        }
        let mut writer = Writer { outlet, metrics, apart_bytes: config.apart_bytes, now_ms };
        match writer.write_fan_out(connection, fan, terms.merged, (terms.qos, terms.retain, Some(packet_id)))
        {
            Ok(()) => Offer::Settled,
            Err(TooLarge) => {
                session.outbound.abandon(packet_id);
                record_end(journal, session, position, Some(packet_id));
                self.drop_for(session_key, DropReason::TooLarge)
            }
        }
    }

    /// Puts a message into a Session's queue: in memory or, past the window, in the store alone.
    fn enqueue(
        &mut self,
        session_key: SessionKey,
        fan: &mut FanOut<'_>,
        terms: &Terms<'_>,
        now_ms: u64,
    ) -> Offer {
        let bytes = fan.payload.len() + fan.forwarded.len() + fan.topic_name.len() + size_of::<Message>();
        if !self.make_room(session_key, bytes, now_ms) {
            self.drop_for(session_key, DropReason::QueueFull);
            return match self.config.limits.queue_full_policy {
                QueueFullPolicy::Reject => Offer::OverQuota,
                QueueFullPolicy::DropNewest | QueueFullPolicy::DropOldest => Offer::Settled,
            };
        }
        let limits = self.queue_limits(session_key);
        let Self { sessions, journal, config, metrics, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return Offer::Settled };
        let delivery = new_delivery(session, fan, terms);
        record_delivery(journal, session, &delivery, terms.qos);
        let is_stored = journal.is_enabled() && session.is_durable();
        let window = session.window(config);
        if is_stored && (session.in_store > 0 || session.outbound.queued_count() >= window) {
            if session.in_store == 0 {
                session.fetched_position = delivery.position - 1;
            }
            session.in_store += 1;
            session.in_store_bytes += bytes as u64;
            return Offer::Settled;
        }
        session.note_expiry(delivery.message.expires_at_ms);
        if session.outbound.enqueue(Queued { qos: terms.qos, bytes, message: delivery }, &limits).is_ok() {
            metrics.queued_messages += 1;
            metrics.queued_bytes += bytes as u64;
        }
        Offer::Settled
    }

    /// Sees to it that the Session's queue takes one more message, as far as the policy goes.
    fn make_room(&mut self, session_key: SessionKey, bytes: usize, now_ms: u64) -> bool {
        let limits = self.queue_limits(session_key);
        let has_room = |broker: &Self| {
            broker
                .sessions
                .get(session_key.index())
                .is_some_and(|session| session.outbound.has_room(bytes, &limits))
        };
        if has_room(self) {
            return true;
        }
        self.drop_expired(session_key, now_ms);
        while !has_room(self) {
            if self.config.limits.queue_full_policy != QueueFullPolicy::DropOldest
                || !self.drop_oldest(session_key)
            {
                return false;
            }
            // The next oldest may be in the store, and has to be here before it can be dropped in its turn.
            self.fetch_next(session_key);
        }
        true
    }

    fn queue_limits(&self, session_key: SessionKey) -> QueueLimits {
        let limits = &self.config.limits;
        let session = self.sessions.get(session_key.index());
        let (in_store, in_store_bytes) =
            session.map_or((0, 0), |session| (session.in_store, session.in_store_bytes));
        let bytes = if self.is_scarce() {
            Limits::SCARCE_SHARE_BYTES
        } else {
            limits.maximum_queued_bytes.saturating_sub(in_store_bytes)
        };
        let messages = u64::from(limits.maximum_queued_messages).saturating_sub(in_store);
        QueueLimits {
            messages: usize::try_from(messages).unwrap_or(usize::MAX),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// True where all buffers together hold more than they may.
    #[inline]
    fn is_scarce(&self) -> bool {
        self.metrics.queued_bytes + self.outlet.buffered_bytes() > self.config.limits.maximum_buffered_bytes
    }

    /// Takes the expired messages out of a queue [MQTT-3.3.2-5]. Looks through it only when one can have expired: a
    /// full queue of a client that is away must not cost each publisher a pass.
    fn drop_expired(&mut self, session_key: SessionKey, now_ms: u64) {
        let Self { sessions, journal, metrics, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return };
        if session.queue_expires_at_ms > now_ms {
            return;
        }
        let mut ended = Vec::new();
        let mut next_ms = u64::MAX;
        session.outbound.retain_queued(
            |delivery| {
                let is_kept = !delivery.message.is_expired(now_ms);
                if is_kept {
                    next_ms = next_ms.min(delivery.message.expires_at_ms);
                }
                is_kept
            },
            |queued| {
                metrics.queued_messages -= 1;
                metrics.queued_bytes -= queued.bytes as u64;
                ended.push(queued.message.position);
            },
        );
        session.queue_expires_at_ms = next_ms;
        for position in &ended {
            record_end(journal, session, *position, None);
        }
        for _ in ended {
            self.drop_for(session_key, DropReason::Expired);
        }
    }

    fn drop_oldest(&mut self, session_key: SessionKey) -> bool {
        let Some(queued) = self.take_oldest(session_key) else { return false };
        if let Some(session) = self.sessions.get(session_key.index()) {
            record_end(&mut self.journal, session, queued.message.position, None);
        }
        self.drop_for(session_key, DropReason::QueueFull);
        true
    }

    /// Takes the oldest message out of a queue, unsent.
    pub(crate) fn take_oldest(&mut self, session_key: SessionKey) -> Option<Queued<Delivery>> {
        let session = self.sessions.get_mut(session_key.index())?;
        let queued = session.outbound.drop_oldest()?;
        self.metrics.queued_messages -= 1;
        self.metrics.queued_bytes -= queued.bytes as u64;
        Some(queued)
    }
}

#[inline]
fn new_delivery(session: &mut Session, fan: &mut FanOut<'_>, terms: &Terms<'_>) -> Delivery {
    session.last_position += 1;
    Delivery {
        message: fan.share(),
        retain: terms.retain,
        subscription_ids: terms.merged.copied_ids(),
        position: session.last_position,
    }
}

/// True where the PUBLISH may not leave before the store has its exchange.
///
/// Were the broker to forget a QoS 2 message that the client has, or the identifier it has it under, it would send it
/// once more as a new one, or another one as if it were a repetition. At QoS 1 the client takes it once more.
pub(crate) fn must_be_stored_first(journal: &Journal, session: &Session, qos: QoS) -> bool {
    qos == QoS::ExactlyOnce && journal.is_enabled() && session.is_durable()
}

#[inline]
pub(crate) fn record_delivery(journal: &mut Journal, session: &Session, delivery: &Delivery, qos: QoS) {
    if journal.is_enabled() && session.is_durable() {
        journal.put_delivery(&session.client_id, delivery, qos);
    }
}

/// An exchange was opened with its first PUBLISH.
pub(crate) fn record_exchange(
    journal: &mut Journal,
    session: &Session,
    packet_id: PacketId,
    position: u64,
    qos: QoS,
) {
    record_stage(journal, session, packet_id, position, Stage::first(qos));
}

#[inline]
pub(crate) fn record_stage(
    journal: &mut Journal,
    session: &Session,
    packet_id: PacketId,
    position: u64,
    stage: Stage,
) {
    if journal.is_enabled() && session.is_durable() {
        journal.put_exchange(&session.client_id, packet_id, position, stage);
    }
}

/// A delivery is over: acknowledged, refused, expired or dropped.
#[inline]
pub(crate) fn record_end(
    journal: &mut Journal,
    session: &Session,
    position: u64,
    packet_id: Option<PacketId>,
) {
    if journal.is_enabled() && session.is_durable() {
        journal.delete_delivery(&session.client_id, position, packet_id);
    }
}
