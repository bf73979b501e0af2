//! What reaches the broker.

use std::rc::Rc;

use topicwire_broker::QueueFullPolicy;
use topicwire_codec::{PacketType, ReasonCode, SubscribeOptions};

use super::life::expiry_time;
use super::route::shared_filter;
use super::{Conn, Ending, Expected, LinkId, Model, Phase, Safe, Subscription, Verdict, violation};
use crate::packet::{ClientPacket, Message};

impl Model {
    /// These packets have become whole in one call. `refused` is how many PUBLISHes the broker says it has refused in
    /// that call: where a full queue makes that possible, the model believes it, and holds the broker to it.
    pub(crate) fn receive(
        &mut self,
        link: LinkId,
        packets: &[ClientPacket],
        mut refused: u64,
        now_ms: u64,
    ) -> Verdict {
        for packet in packets {
            let Some(conn) = self.conns.get_mut(&link) else { break };
            if conn.is_over() {
                break;
            }
            conn.last_packet_ms = now_ms;
            self.receive_one(link, packet, &mut refused, now_ms)?;
        }
        if refused > 0 { violation("a PUBLISH was refused without a reason") } else { Ok(()) }
    }

    fn receive_one(
        &mut self,
        link: LinkId,
        packet: &ClientPacket,
        refused: &mut u64,
        now_ms: u64,
    ) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        match packet {
            ClientPacket::Connect(spec) => self.connect(link, spec, now_ms),
            // A client that sends something else first is not let in.
            _ if conn.phase == Phase::AwaitConnect => {
                self.end(link, Ending::ByServer(ReasonCode::ProtocolError), now_ms);
            }
            ClientPacket::Publish { id, message, .. } => self.publish(link, *id, message, refused, now_ms)?,
            ClientPacket::Ack { kind, id, reason_code } => self.acknowledge(link, *kind, *id, *reason_code),
            ClientPacket::Subscribe { id, subscription_id, filters } => {
                self.subscribe(link, *id, subscription_id.unwrap_or(0), filters, now_ms);
            }
            ClientPacket::Unsubscribe { id, filters } => self.unsubscribe(link, *id, filters),
            ClientPacket::Ping => conn.expected.push((Expected::Pong, 0.into())),
            ClientPacket::Disconnect { reason_code, expiry_secs } => {
                self.disconnect(link, *reason_code, *expiry_secs, now_ms);
            }
            ClientPacket::Garbage { reason_code, .. } => {
                self.end(link, Ending::ByServer(*reason_code), now_ms);
            }
        }
        Ok(())
    }

    fn publish(
        &mut self,
        link: LinkId,
        id: Option<u16>,
        message: &Rc<Message>,
        refused: &mut u64,
        now_ms: u64,
    ) -> Verdict {
        let Some(conn) = self.conns.get(&link) else { return Ok(()) };
        let (client_id, version) = (Rc::clone(&conn.client_id), conn.version);
        let kind = if message.qos == 2 { PacketType::Pubrec } else { PacketType::Puback };
        let Some(session) = self.sessions.get_mut(&client_id) else { return Ok(()) };
        let mut is_durable = false;
        if let Some(id) = id
            && message.qos == 2
        {
            if !session.inbound.insert(id) {
                // It was passed on before.
                self.expect(link, Expected::Ack { kind, id, reason_code: ReasonCode::Success }, 0);
                return Ok(());
            }
            is_durable = session.is_stored;
        }
        let routed = self.route(&client_id, message, expiry_time(message.expiry_secs, now_ms));
        let is_refused = routed.is_over_retained_limit
            || (self.setup.queue_full_policy == QueueFullPolicy::Reject
                && !routed.maybe_full.is_empty()
                && *refused > 0);
        if is_refused {
            if *refused == 0 {
                return violation(format!("message {} was taken although it could not be", message.number));
            }
            *refused -= 1;
            self.refused.insert(message.number);
        } else if self.setup.queue_full_policy == QueueFullPolicy::Reject {
            // Nobody was told that it had no room, so everybody had.
            for (client_id, uid) in &routed.maybe_full {
                let session = self.sessions.get_mut(client_id);
                let due = session.and_then(|session| session.queue.iter_mut().find(|due| due.uid == *uid));
                if let Some(due) = due {
                    due.may_be_full = false;
                }
            }
        }
        let Some(id) = id else { return Ok(()) };
        let reason_code = match () {
            () if !version.is_v5() => ReasonCode::Success,
            () if is_refused => ReasonCode::QuotaExceeded,
            () if routed.matched == 0 && !message.retain => ReasonCode::NoMatchingSubscribers,
            () => ReasonCode::Success,
        };
        if reason_code.is_error()
            && message.qos == 2
            && let Some(session) = self.sessions.get_mut(&client_id)
        {
            session.inbound.remove(&id);
        }
        // An error promises nothing, whether the version can say so or not.
        let is_stored = is_durable || routed.is_durable || routed.changes_retained;
        let batch = if is_stored && !is_refused { self.batch } else { 0 };
        // What is retained is not over by being acknowledged, nor is the identifier that a stored Session keeps for QoS 2.
        let can_be_over = !is_durable && !routed.changes_retained;
        let safe = Safe { batch, message: can_be_over.then_some(message.number) };
        self.expect(link, Expected::Ack { kind, id, reason_code }, safe);
        Ok(())
    }

    fn acknowledge(&mut self, link: LinkId, kind: PacketType, id: u16, reason_code: ReasonCode) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let Some(session) = self.sessions.get_mut(&conn.client_id) else { return };
        let is_v5 = conn.version.is_v5();
        let batch = if session.is_stored { self.batch } else { 0 };
        let (qos, is_released) = session.open.get(&id).map_or((0, false), |due| (due.qos, due.is_released));
        let answer = |kind, is_known| {
            let not_found = if is_v5 { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
            let reason_code = if is_known { ReasonCode::Success } else { not_found };
            (Expected::Ack { kind, id, reason_code }, Safe::from(if is_known { batch } else { 0 }))
        };
        match kind {
            PacketType::Puback if qos == 1 => {
                session.open.remove(&id);
                conn.under_way.remove(&id);
            }
            PacketType::Pubrec if reason_code.is_error() && qos == 2 && !is_released => {
                session.open.remove(&id);
                conn.under_way.remove(&id);
            }
            PacketType::Pubrec if reason_code.is_error() => {}
            PacketType::Pubrec => {
                if let Some(due) = session.open.get_mut(&id).filter(|_| qos == 2) {
                    due.is_released = true;
                }
                // For a message of QoS 1 it means nothing.
                conn.expected.push(answer(PacketType::Pubrel, qos == 2));
            }
            PacketType::Pubrel => {
                let is_known = session.inbound.remove(&id);
                conn.expected.push(answer(PacketType::Pubcomp, is_known));
            }
            PacketType::Pubcomp if is_released => {
                session.open.remove(&id);
                conn.under_way.remove(&id);
                conn.repeats.remove(&id);
            }
            _ => {}
        }
    }

    fn subscribe(
        &mut self,
        link: LinkId,
        id: u16,
        subscription_id: u32,
        filters: &[(&'static str, SubscribeOptions)],
        now_ms: u64,
    ) {
        let Some(conn) = self.conns.get(&link) else { return };
        let (client_id, version) = (Rc::clone(&conn.client_id), conn.version);
        let Some(session) = self.sessions.get_mut(&client_id) else { return };
        let mut reason_codes = Vec::new();
        let mut owed = Vec::new();
        for (filter, options) in filters {
            let is_new = !session.subscriptions.contains_key(filter);
            let most = self.setup.maximum_subscriptions_per_session as usize;
            let refusal = if filter.contains("#/") {
                Some(ReasonCode::TopicFilterInvalid)
            } else if is_new && session.subscriptions.len() >= most {
                Some(ReasonCode::QuotaExceeded)
            } else {
                None
            };
            if let Some(reason_code) = refusal {
                // 3.1.1 has one code for all failures.
                let in_3_1_1 = ReasonCode::UnspecifiedError;
                reason_codes.push(if version.is_v5() { reason_code } else { in_3_1_1 });
                continue;
            }
            let qos = options.qos.value();
            let subscription = Subscription {
                qos,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                id: subscription_id,
            };
            session.subscriptions.insert(filter, subscription);
            reason_codes.push(
                [ReasonCode::GRANTED_QOS_0, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2]
                    [usize::from(qos)],
            );
            let is_asked = match options.retain_handling.value() {
                0 => true,
                1 => is_new,
                _ => false,
            };
            if is_asked && shared_filter(filter).is_none() {
                owed.push((*filter, (qos, subscription_id)));
            }
        }
        let granted_any = reason_codes.iter().any(|reason_code| !reason_code.is_error());
        let batch = if session.is_stored && granted_any { self.batch } else { 0 };
        self.expect(link, Expected::Suback { id, reason_codes }, batch);
        for (filter, asked) in owed {
            self.owe_retained(&client_id, filter, asked, now_ms);
        }
    }

    fn unsubscribe(&mut self, link: LinkId, id: u16, filters: &[&'static str]) {
        let Some(conn) = self.conns.get(&link) else { return };
        let (client_id, version) = (Rc::clone(&conn.client_id), conn.version);
        let Some(session) = self.sessions.get_mut(&client_id) else { return };
        let mut removed_any = false;
        let mut reason_codes = Vec::new();
        for filter in filters {
            let was_there = session.subscriptions.remove(filter).is_some();
            removed_any |= was_there;
            reason_codes.push(match () {
                () if filter.contains("#/") => ReasonCode::TopicFilterInvalid,
                () if was_there => ReasonCode::Success,
                () => ReasonCode::NoSubscriptionExisted,
            });
        }
        if !version.is_v5() {
            reason_codes.clear();
        }
        let batch = if session.is_stored && removed_any { self.batch } else { 0 };
        self.expect(link, Expected::Unsuback { id, reason_codes }, batch);
    }

    fn disconnect(&mut self, link: LinkId, reason_code: ReasonCode, expiry_secs: Option<u32>, now_ms: u64) {
        let Some(conn) = self.conns.get(&link) else { return };
        if let Some(expiry_secs) = expiry_secs {
            if conn.asked_expiry_secs == 0 && expiry_secs != 0 {
                self.end(link, Ending::ByServer(ReasonCode::ProtocolError), now_ms);
                return;
            }
            let most = self.setup.session_expiry_interval_maximum_secs;
            if let Some(session) = self.sessions.get_mut(&conn.client_id) {
                session.expiry_secs = expiry_secs.min(most);
            }
        }
        self.end(link, Ending::ByPeer(reason_code), now_ms);
    }

    fn expect(&mut self, link: LinkId, expected: Expected, safe: impl Into<Safe>) {
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.expected.push((expected, safe.into()));
        }
    }

    /// Whose connection it is.
    pub(crate) fn conn(&self, link: LinkId) -> Option<&Conn> {
        self.conns.get(&link)
    }
}
