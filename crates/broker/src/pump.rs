//! What a Session still owes its client, sent as far as the window and the out-buffer have room: exchanges to
//! repeat, then what has waited for the store, then retained messages of new subscriptions, then the queue.

use std::sync::Arc;

use topicwire_codec::{Ack, PacketId, PacketType, QoS, ReasonCode};
use topicwire_session::{Queued, Resend, Stage};

use crate::broker::{Broker, SessionKey};
use crate::config::Limits;
use crate::connection::{AckEffect, Phase};
use crate::deliver::{must_be_stored_first, record_delivery, record_end, record_exchange, record_stage};
use crate::message::{Delivery, Message};
use crate::metrics::DropReason;
use crate::session::{Held, Session};
use crate::store::Fetch;
use crate::write::{Head, TooLarge, Writer};

impl Broker {
    /// Sends what waits, oldest first.
    #[inline]
    pub(crate) fn pump(&mut self, session_key: SessionKey, now_ms: u64) {
        if self.sessions.get(session_key.index()).is_some_and(Session::has_waiting) {
            self.pump_all(session_key, now_ms);
        }
    }

    fn pump_all(&mut self, session_key: SessionKey, now_ms: u64) {
        while self.pump_one(session_key, now_ms) {}
        self.fetch_next(session_key);
    }

    /// True where something was sent or dropped, and there may be more.
    fn pump_one(&mut self, session_key: SessionKey, now_ms: u64) -> bool {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return false };
        if !session.outbound.has_waiting() && session.owed.is_empty() && session.held.is_empty() {
            return false;
        }
        if session.is_local() {
            return self.send_owed(session_key, now_ms);
        }
        let connection = session.connection().and_then(|key| self.connections.get(key.index()));
        let Some(connection) = connection else { return false };
        if connection.phase != Phase::Open || connection.out.len() >= Limits::OUT_BUFFER_LOW_BYTES {
            return false;
        }
        if !connection.is_mqtt() {
            return self.send_owed(session_key, now_ms) || self.send_unacknowledged(session_key, now_ms);
        }
        if let Some(resend) = session.outbound.poll_resend() {
            self.resend(session_key, resend, now_ms);
            return true;
        }
        self.send_held(session_key, now_ms)
            || self.send_owed(session_key, now_ms)
            || self.send_queued(session_key, now_ms)
    }

    /// An exchange of an earlier connection, again [MQTT-4.4.0-1]. Whether the message has expired since does not
    /// matter: its exchange is finished [MQTT-4.3.3-7, 4.3.3-13].
    fn resend(&mut self, session_key: SessionKey, resend: Resend<Delivery>, now_ms: u64) {
        match resend {
            Resend::Pubrel { packet_id } => self.send_pubrel(session_key, packet_id, 0, now_ms),
            Resend::Publish { packet_id, qos, message } => {
                let head = Head::of_delivery(&message, qos, Some(packet_id), true);
                if self.write_to(session_key, &message.message, &head, now_ms) == Err(TooLarge) {
                    self.give_up_resend(session_key, packet_id, message.position, now_ms);
                }
            }
        }
    }

    /// The client of this connection takes only smaller packets than that of an earlier one. It may hold the identifier
    /// of a QoS 2 message all the same, and would take the next one under it for a repetition: so it is released.
    fn give_up_resend(&mut self, session_key: SessionKey, packet_id: PacketId, position: u64, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return };
        let mark = self.journal.mark();
        if session.outbound.give_up_resend(packet_id) {
            record_stage(&mut self.journal, session, packet_id, position, Stage::AwaitPubcomp);
            let sequence = self.journal.sequence_since(mark);
            self.send_pubrel(session_key, packet_id, sequence, now_ms);
        } else {
            record_end(&mut self.journal, session, position, Some(packet_id));
        }
        self.drop_for(session_key, DropReason::TooLarge);
    }

    fn send_pubrel(&mut self, session_key: SessionKey, packet_id: PacketId, sequence: u64, now_ms: u64) {
        let key = self.sessions.get(session_key.index()).and_then(Session::connection);
        let pubrel = Ack::new(packet_id, ReasonCode::Success);
        if let Some(key) = key {
            self.acknowledge(key, sequence, AckEffect::None, now_ms, |to, out| {
                let _ = pubrel.encode(PacketType::Pubrel, to.version, out);
            });
        }
    }

    /// The next retained message of a new subscription. One that has been replaced, removed or has expired since
    /// is left out: what came after it has been delivered already.
    /// Asked for by v3.1.1 [MQTT-3.3.1-8].
    fn send_owed(&mut self, session_key: SessionKey, now_ms: u64) -> bool {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return false };
        let Some(front) = session.owed.front() else { return false };
        let qos = front.qos.min(front.message.qos);
        let is_mqtt = self
            .connections
            .get(session.connection().map_or(usize::MAX, |key| key.index()))
            .is_some_and(crate::connection::Connection::is_mqtt);
        if qos != QoS::AtMostOnce && is_mqtt && !session.outbound.has_window() {
            return false;
        }
        let Some(owed) = session.owed.pop_front() else { return false };
        let message = Arc::clone(&owed.message);
        if !self.is_retained(&message) || message.is_expired(now_ms) {
            return true;
        }
        if message.is_absent() {
            self.put_back_owed(session_key, owed);
            return false;
        }
        if self.send_local(session_key, &message) {
            return true;
        }
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return false };
        session.last_position += 1;
        let delivery = Delivery {
            message: Arc::clone(&message),
            retain: true,
            subscription_ids: owed.subscription_ids.clone(),
            position: session.last_position,
        };
        if qos != QoS::AtMostOnce && is_mqtt {
            let Ok(packet_id) = session.outbound.begin(qos, delivery.clone()) else {
                session.owed.push_front(owed);
                return false;
            };
            record_delivery(&mut self.journal, session, &delivery, qos);
            self.send_opened(session_key, packet_id, qos, delivery, now_ms);
            return true;
        }
        let head = Head::of_delivery(&delivery, qos, None, false);
        if self.write_to(session_key, &message, &head, now_ms) == Err(TooLarge) {
            self.drop_for(session_key, DropReason::TooLarge);
        }
        true
    }

    /// The next message of the queue, within the client's window.
    fn send_queued(&mut self, session_key: SessionKey, now_ms: u64) -> bool {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return false };
        if session.outbound.front().is_some_and(|queued| queued.message.message.is_expired(now_ms)) {
            return self.discard_front(session_key, DropReason::Expired);
        }
        let Some((packet_id, queued)) = session.outbound.poll_send() else { return false };
        self.metrics.queued_messages -= 1;
        self.metrics.queued_bytes -= queued.bytes as u64;
        let Queued { qos, message: delivery, .. } = queued;
        self.send_opened(session_key, packet_id, qos, delivery, now_ms);
        true
    }

    /// An exchange has been opened: its PUBLISH leaves, or waits until the store has the exchange, and then keeps those
    /// that come after it.
    fn send_opened(
        &mut self,
        session_key: SessionKey,
        packet_id: PacketId,
        qos: QoS,
        delivery: Delivery,
        now_ms: u64,
    ) {
        let Self { sessions, journal, holding, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return };
        let mark = journal.mark();
        record_exchange(journal, session, packet_id, delivery.position, qos);
        let waits = must_be_stored_first(journal, session, qos);
        let sequence = if waits { journal.sequence_since(mark) } else { 0 };
        if !waits && session.held.is_empty() {
            self.send_exchange(session_key, packet_id, qos, &delivery, now_ms);
            return;
        }
        if session.held.is_empty() {
            holding.push(session_key);
        }
        session.held.push_back(Held { sequence, packet_id, qos, delivery });
    }

    /// The next PUBLISH that has waited for the store.
    fn send_held(&mut self, session_key: SessionKey, now_ms: u64) -> bool {
        let Self { sessions, journal, .. } = self;
        let Some(session) = sessions.get_mut(session_key.index()) else { return false };
        if !session.held.front().is_some_and(|held| journal.is_stored(held.sequence)) {
            return false;
        }
        let Some(Held { packet_id, qos, delivery, .. }) = session.held.pop_front() else { return false };
        if delivery.message.is_expired(now_ms) {
            // It has not begun to leave [MQTT-3.3.2-5].
            session.outbound.abandon(packet_id);
            record_end(journal, session, delivery.position, Some(packet_id));
            self.drop_for(session_key, DropReason::Expired);
        } else {
            self.send_exchange(session_key, packet_id, qos, &delivery, now_ms);
        }
        true
    }

    /// The first PUBLISH of an exchange, as far as is known.
    fn send_exchange(
        &mut self,
        session_key: SessionKey,
        packet_id: PacketId,
        qos: QoS,
        delivery: &Delivery,
        now_ms: u64,
    ) {
        let restored_position = self.sessions.get(session_key.index()).map_or(0, |it| it.restored_position);
        let may_have_left = qos == QoS::AtLeastOnce && delivery.position <= restored_position;
        let head = Head::of_delivery(delivery, qos, Some(packet_id), may_have_left);
        if self.write_to(session_key, &delivery.message, &head, now_ms) == Err(TooLarge)
            && let Some(session) = self.sessions.get_mut(session_key.index())
        {
            session.outbound.abandon(packet_id);
            record_end(&mut self.journal, session, delivery.position, Some(packet_id));
            self.drop_for(session_key, DropReason::TooLarge);
        }
    }

    /// The next message of a topic URL's queue. A WebSocket has no acknowledgements: a message is done with when
    /// it is on its way.
    fn send_unacknowledged(&mut self, session_key: SessionKey, now_ms: u64) -> bool {
        let Some(Queued { qos, message: delivery, .. }) = self.take_oldest(session_key) else { return false };
        if let Some(session) = self.sessions.get(session_key.index()) {
            record_end(&mut self.journal, session, delivery.position, None);
        }
        if delivery.message.is_expired(now_ms) {
            self.drop_for(session_key, DropReason::Expired);
            return true;
        }
        let head = Head::of_delivery(&delivery, qos, None, false);
        // Bare payloads have no Maximum Packet Size of their own.
        let _ = self.write_to(session_key, &delivery.message, &head, now_ms);
        true
    }

    fn discard_front(&mut self, session_key: SessionKey, reason: DropReason) -> bool {
        let Some(queued) = self.take_oldest(session_key) else { return false };
        if let Some(session) = self.sessions.get(session_key.index()) {
            record_end(&mut self.journal, session, queued.message.position, None);
        }
        self.drop_for(session_key, reason);
        true
    }

    fn write_to(
        &mut self,
        session_key: SessionKey,
        message: &Arc<Message>,
        head: &Head,
        now_ms: u64,
    ) -> Result<(), TooLarge> {
        let Self { sessions, connections, outlet, metrics, config, .. } = self;
        let key = sessions.get(session_key.index()).and_then(Session::connection);
        let Some(connection) = key.and_then(|key| connections.get_mut(key.index())) else { return Ok(()) };
        Writer { outlet, metrics, apart_bytes: config.apart_bytes, now_ms }
            .write_message(connection, message, head)
    }

    /// Asks the store for the next stretch of a queue that has run low.
    pub(crate) fn fetch_next(&mut self, session_key: SessionKey) {
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return };
        let window = session.window(&self.config);
        let is_low = session.outbound.queued_count() <= window / 2;
        // What is fetched and sent makes work for the store: none while it cannot do any.
        if self.trouble.is_some() || session.in_store == 0 || session.fetching.is_some() || !is_low {
            return;
        }
        let client_id = Arc::clone(&session.client_id);
        session.fetching = Some(self.journal.fetch(client_id, session.fetched_position, window));
    }

    /// The answer to a [`Fetch`]: the next stretch of a queue, in order. An empty one says that the store has no
    /// more. One that comes after its Session has ended is ignored.
    pub fn handle_fetched(&mut self, fetch: &Fetch, deliveries: Vec<(QoS, Delivery)>, now_ms: u64) {
        let Some(key) = self.by_client_id.get(&fetch.client_id).copied() else { return };
        let Some(session) = self.sessions.get_mut(key.index()) else { return };
        if session.fetching != Some(fetch.serial) {
            return;
        }
        session.fetching = None;
        if deliveries.is_empty() {
            session.in_store = 0;
            session.in_store_bytes = 0;
        }
        let unbounded = topicwire_session::QueueLimits { messages: usize::MAX, bytes: usize::MAX };
        for (qos, delivery) in deliveries {
            session.in_store = session.in_store.saturating_sub(1);
            session.fetched_position = session.fetched_position.max(delivery.position);
            let bytes = delivery.message.held_bytes();
            session.in_store_bytes = session.in_store_bytes.saturating_sub(bytes as u64);
            session.note_expiry(delivery.message.expires_at_ms);
            self.metrics.queued_messages += 1;
            self.metrics.queued_bytes += bytes as u64;
            // The stretch was bounded by the window when it was asked for.
            let _ = session.outbound.enqueue(Queued { qos, bytes, message: delivery }, &unbounded);
        }
        self.pump(key, now_ms);
    }
}
