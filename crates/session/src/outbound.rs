//! The sending end of QoS 1 and 2: a queue of what waits, a window of what is under way.
//!
//! Messages enter with [`Outbound::begin`] (sent at once) or [`Outbound::enqueue`], and leave the queue with
//! [`Outbound::poll_send`] as far as the peer's Receive Maximum allows [MQTT-3.3.4-9]. When a Session is resumed
//! every open exchange is sent again, in the order of the first time [MQTT-4.4.0-1, 4.6.0-1]:
//! [`Outbound::resume`], then [`Outbound::poll_resend`] until it is empty, then the queue.
//!
//! `M` is the caller's handle of a message; cloning it must be cheap.

use std::cmp::Ordering;
use std::collections::VecDeque;

use thiserror::Error;
use topicwire_codec::{PacketId, QoS};

use crate::inflight::Inflight;

/// The queue has reached its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session's queue is full")]
pub struct QueueFull;

/// All 65,535 packet identifiers are in use [MQTT-2.2.1-3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all packet identifiers are in use")]
pub struct NoFreePacketId;

/// How much may wait in one Session.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Messages, at most.
    pub messages: usize,
    /// Bytes as counted by the caller, at most.
    pub bytes: usize,
}

/// A message in the queue.
#[derive(Clone, Debug)]
pub struct Queued<M> {
    /// Its QoS, 1 or 2.
    pub qos: QoS,
    /// What it counts against [`QueueLimits::bytes`].
    pub bytes: usize,
    /// The caller's handle.
    pub message: M,
}

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// QoS 1: PUBLISH sent, and unacknowledged until PUBACK [MQTT-4.3.2-3].
    AwaitPuback,
    /// QoS 2: PUBLISH sent, and unacknowledged until PUBREC [MQTT-4.3.3-3].
    AwaitPubrec,
    /// QoS 2: PUBREL sent, and unacknowledged until PUBCOMP [MQTT-4.3.3-5]. The message is no longer needed: it is
    /// never sent again [MQTT-4.3.3-6].
    AwaitPubcomp,
}

impl Stage {
    /// Of an exchange whose PUBLISH has just been sent, at QoS 1 or 2.
    #[inline]
    #[must_use]
    pub fn first(qos: QoS) -> Self {
        if qos == QoS::ExactlyOnce { Self::AwaitPubrec } else { Self::AwaitPuback }
    }
}

/// What follows from a PUBREC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PubrecStep<M> {
    /// Send PUBREL [MQTT-4.3.3-4]. The message, the first time; none for a repeated PUBREC.
    SendPubrel(Option<M>),
    /// The receiver refused the message: the exchange is over [MQTT-4.3.3-4], and nothing of it is sent again
    /// [MQTT-4.4.0-2].
    Refused(M),
    /// No such exchange: PUBREL with Packet Identifier not found.
    Unknown,
}

/// What to send again after a resume.
/// Asked for by v3.1.1 [MQTT-3.3.1-1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend<M> {
    /// PUBLISH, with DUP set [MQTT-3.3.1-1].
    Publish {
        /// The identifier of the first time [MQTT-2.2.1-3].
        packet_id: PacketId,
        /// Its QoS.
        qos: QoS,
        /// The message.
        message: M,
    },
    /// PUBREL.
    Pubrel {
        /// The identifier of the exchange.
        packet_id: PacketId,
    },
}

#[derive(Debug)]
struct Exchange<M> {
    /// Position in the order of first sending.
    order: u64,
    /// None for a SUBSCRIBE or UNSUBSCRIBE, which has an identifier of the same set and nothing else in common.
    stage: Option<Stage>,
    message: Option<M>,
    /// It has taken one place of this connection's quota, which its end gives back. An exchange of an earlier
    /// connection has not until its PUBLISH is sent again, and past PUBREC never does [MQTT-4.9.0-2].
    holds_quota: bool,
}

/// The state of the sending end. All of it outlives the Network Connection.
/// Asked for by v3.1.1 [MQTT-2.3.1-2], v3.1.1 [MQTT-2.3.1-3], v3.1.1 [MQTT-4.3.2-1], v3.1.1 [MQTT-4.3.3-1],
/// v3.1.1 [MQTT-4.6.0-5], v3.1.1 [MQTT-4.6.0-6].
#[derive(Debug)]
pub struct Outbound<M> {
    inflight: Inflight<Exchange<M>>,
    queue: VecDeque<Queued<M>>,
    queued_bytes: usize,
    resend: VecDeque<PacketId>,
    /// The peer's Receive Maximum.
    receive_maximum: u16,
    /// How many more PUBLISHes the peer takes now.
    send_quota: u16,
    /// How many too many are under way, where the peer's window became known after they were sent.
    overdrawn: u16,
    next_order: u64,
}

impl<M: Clone> Outbound<M> {
    /// `receive_maximum` is the peer's, 1 to 65,535.
    #[must_use]
    pub fn new(receive_maximum: u16) -> Self {
        Self {
            inflight: Inflight::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            resend: VecDeque::new(),
            receive_maximum,
            send_quota: receive_maximum,
            overdrawn: 0,
            next_order: 0,
        }
    }

    /// A new Network Connection: all open exchanges are due again. [MQTT-4.9.0-1]
    /// Asked for by v3.1.1 [MQTT-4.4.0-1].
    pub fn resume(&mut self, receive_maximum: u16) {
        self.receive_maximum = receive_maximum;
        self.send_quota = receive_maximum;
        self.overdrawn = 0;
        let mut open: Vec<_> = Vec::with_capacity(self.inflight.len());
        for (packet_id, exchange) in self.inflight.iter_mut() {
            exchange.holds_quota = false;
            if exchange.stage.is_some() {
                open.push((exchange.order, packet_id));
            }
        }
        open.sort_unstable();
        self.resend = open.into_iter().map(|(_, id)| id).collect();
    }

    /// The peer's Receive Maximum has become known after the first messages were sent: a Client need not wait for
    /// CONNACK. What is under way counts against it [MQTT-3.3.4-7].
    pub fn limit(&mut self, receive_maximum: u16) {
        let spent = (self.receive_maximum - self.send_quota).saturating_add(self.overdrawn);
        self.receive_maximum = receive_maximum;
        self.send_quota = receive_maximum.saturating_sub(spent);
        self.overdrawn = spent.saturating_sub(receive_maximum);
    }

    /// True where the window has room and nothing is left to send again; messages of the queue may be waiting.
    #[must_use]
    pub fn has_window(&self) -> bool {
        self.send_quota > 0 && self.resend.is_empty()
    }

    /// True where a message may be sent now without overtaking another one.
    #[inline]
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.send_quota > 0 && self.queue.is_empty() && self.resend.is_empty()
    }

    /// Opens an exchange, with an identifier that is free, for a message that the caller sends now with it and
    /// without DUP [MQTT-4.3.2-1, 4.3.2-2, 4.3.3-1, 4.3.3-2]. Only after [`Outbound::is_clear`], so that none
    /// overtakes another [MQTT-4.6.0-5].
    ///
    /// # Errors
    /// [`NoFreePacketId`]: 65,535 exchanges are open.
    #[inline]
    pub fn begin(&mut self, qos: QoS, message: M) -> Result<PacketId, NoFreePacketId> {
        let stage = Stage::first(qos);
        let exchange = Exchange {
            order: self.next_order,
            stage: Some(stage),
            message: Some(message),
            holds_quota: true,
        };
        let packet_id = self.inflight.open(exchange).ok_or(NoFreePacketId)?;
        self.next_order += 1;
        self.send_quota = self.send_quota.saturating_sub(1);
        Ok(packet_id)
    }

    /// True where the queue takes a message of so many bytes. An empty queue takes one of any size.
    #[must_use]
    pub fn has_room(&self, bytes: usize, limits: &QueueLimits) -> bool {
        let is_within = self.queue.is_empty() || self.queued_bytes.saturating_add(bytes) <= limits.bytes;
        self.queue.len() < limits.messages && is_within
    }

    /// Puts a message at the end of the queue.
    ///
    /// # Errors
    /// [`QueueFull`]; the queue is unchanged.
    pub fn enqueue(&mut self, queued: Queued<M>, limits: &QueueLimits) -> Result<(), QueueFull> {
        if !self.has_room(queued.bytes, limits) {
            return Err(QueueFull);
        }
        self.queued_bytes += queued.bytes;
        self.queue.push_back(queued);
        Ok(())
    }

    /// Takes the oldest message out of the queue unsent.
    pub fn drop_oldest(&mut self) -> Option<Queued<M>> {
        let queued = self.queue.pop_front()?;
        self.queued_bytes -= queued.bytes;
        Some(queued)
    }

    /// Takes one message out of the queue unsent. `compare` says where another one stands to it: the queue is in that
    /// order. O(log queue) to find it, and as many moves as there are messages between it and the nearer end.
    pub fn withdraw(&mut self, compare: impl FnMut(&Queued<M>) -> Ordering) -> Option<Queued<M>> {
        let place = self.queue.binary_search_by(compare).ok()?;
        let queued = self.queue.remove(place)?;
        self.queued_bytes -= queued.bytes;
        Some(queued)
    }

    /// Takes out of the queue what `keep` does not want, and tells `dropped` of each. O(queue).
    pub fn retain_queued(&mut self, mut keep: impl FnMut(&M) -> bool, mut dropped: impl FnMut(Queued<M>)) {
        if self.queue.iter().all(|queued| keep(&queued.message)) {
            return;
        }
        for queued in std::mem::take(&mut self.queue) {
            if keep(&queued.message) {
                self.queue.push_back(queued);
            } else {
                self.queued_bytes -= queued.bytes;
                dropped(queued);
            }
        }
    }

    /// The next exchange to send again, while the peer's window has room for it.
    #[must_use]
    pub fn poll_resend(&mut self) -> Option<Resend<M>> {
        while let Some(packet_id) = self.resend.front().copied() {
            let Some(exchange) = self.inflight.get_mut(packet_id) else {
                self.resend.pop_front();
                continue;
            };
            let qos = match exchange.stage {
                Some(Stage::AwaitPubcomp) => {
                    self.resend.pop_front();
                    return Some(Resend::Pubrel { packet_id });
                }
                Some(Stage::AwaitPuback) => QoS::AtLeastOnce,
                Some(Stage::AwaitPubrec) => QoS::ExactlyOnce,
                None => {
                    self.resend.pop_front();
                    continue;
                }
            };
            if self.send_quota == 0 {
                return None;
            }
            self.resend.pop_front();
            if let Some(message) = exchange.message.clone() {
                exchange.holds_quota = true;
                self.send_quota -= 1;
                return Some(Resend::Publish { packet_id, qos, message });
            }
        }
        None
    }

    /// The next message of the queue, with its exchange opened, while the window has room.
    #[must_use]
    pub fn poll_send(&mut self) -> Option<(PacketId, Queued<M>)> {
        if self.send_quota == 0 || !self.resend.is_empty() {
            return None;
        }
        let queued = self.drop_oldest()?;
        match self.begin(queued.qos, queued.message.clone()) {
            Ok(packet_id) => Some((packet_id, queued)),
            Err(NoFreePacketId) => {
                self.queued_bytes += queued.bytes;
                self.queue.push_front(queued);
                None
            }
        }
    }

    /// The oldest message of the queue.
    #[must_use]
    pub fn front(&self) -> Option<&Queued<M>> {
        self.queue.front()
    }

    /// PUBACK: the exchange is over, whatever its Reason Code [MQTT-4.4.0-2]. None where there was none of QoS 1.
    #[inline]
    pub fn handle_puback(&mut self, packet_id: PacketId) -> Option<M> {
        self.finish_at(packet_id, Stage::AwaitPuback)?.message
    }

    /// PUBREC, with whether it carries an error (0x80 or above).
    #[inline]
    pub fn handle_pubrec(&mut self, packet_id: PacketId, is_error: bool) -> PubrecStep<M> {
        let Some(exchange) = self.inflight.get_mut(packet_id) else { return PubrecStep::Unknown };
        match exchange.stage {
            None | Some(Stage::AwaitPuback) => PubrecStep::Unknown,
            Some(Stage::AwaitPubcomp) => PubrecStep::SendPubrel(None),
            Some(Stage::AwaitPubrec) if is_error => {
                self.finish(packet_id).map_or(PubrecStep::Unknown, PubrecStep::Refused)
            }
            Some(Stage::AwaitPubrec) => {
                exchange.stage = Some(Stage::AwaitPubcomp);
                PubrecStep::SendPubrel(exchange.message.take())
            }
        }
    }

    /// PUBCOMP: true where it ended an exchange.
    #[inline]
    pub fn handle_pubcomp(&mut self, packet_id: PacketId) -> bool {
        self.finish_at(packet_id, Stage::AwaitPubcomp).is_some()
    }

    /// Gives up an exchange that was opened and whose PUBLISH is not sent after all (too large for the peer).
    pub fn abandon(&mut self, packet_id: PacketId) -> Option<M> {
        self.finish(packet_id)
    }

    /// An identifier for a SUBSCRIBE or UNSUBSCRIBE: unused by any other packet under way [MQTT-2.2.1-3]. It takes no
    /// place of the window and is not sent again.
    ///
    /// # Errors
    /// [`NoFreePacketId`].
    pub fn open_request(&mut self) -> Result<PacketId, NoFreePacketId> {
        let exchange = Exchange { order: self.next_order, stage: None, message: None, holds_quota: false };
        let packet_id = self.inflight.open(exchange).ok_or(NoFreePacketId)?;
        self.next_order += 1;
        Ok(packet_id)
    }

    /// The request has been answered, or its connection is gone: true where there was one.
    pub fn close_request(&mut self, packet_id: PacketId) -> bool {
        self.inflight.get_mut(packet_id).is_some_and(|exchange| exchange.stage.is_none())
            && self.inflight.close(packet_id).is_some()
    }

    /// The Session is over: ends every exchange and tells `dropped` of each in the order of first sending, with its
    /// message where that is still held. The queue stays: what was never sent is not Session State.
    pub fn discard_exchanges(&mut self, mut dropped: impl FnMut(PacketId, Option<M>)) {
        let mut open: Vec<_> = self.inflight.iter().map(|(id, exchange)| (exchange.order, id)).collect();
        open.sort_unstable();
        for (_, packet_id) in open {
            let message = self.finish(packet_id);
            dropped(packet_id, message);
        }
        self.resend.clear();
    }

    /// Ends the QoS 1 exchanges that await their PUBACK, and puts their messages before those of the queue, in the order
    /// of first sending; past the queue's limits if it must be. `bytes` is asked about each what it counts against them.
    pub fn take_back_qos_1(&mut self, mut bytes: impl FnMut(PacketId, &M) -> usize) {
        let awaits = |stage| stage == Some(Stage::AwaitPuback);
        let mut open: Vec<_> = self
            .inflight
            .iter()
            .filter(|(_, exchange)| awaits(exchange.stage))
            .map(|(id, exchange)| (exchange.order, id))
            .collect();
        open.sort_unstable();
        for (_, packet_id) in open.into_iter().rev() {
            if let Some(message) = self.finish(packet_id) {
                let bytes = bytes(packet_id, &message);
                let queued = Queued { qos: QoS::AtLeastOnce, bytes, message };
                self.queued_bytes += queued.bytes;
                self.queue.push_front(queued);
            }
        }
    }

    /// Gives up a PUBLISH that is to be sent again and cannot be (too large for the peer now). At QoS 1 the exchange is
    /// over. At QoS 2 the peer may have the message of an earlier connection and hold its identifier: true where PUBREL
    /// has to be sent, so that the identifier means nothing to either side before it is used again.
    pub fn give_up_resend(&mut self, packet_id: PacketId) -> bool {
        let Some(exchange) = self.inflight.get_mut(packet_id) else { return false };
        if exchange.stage != Some(Stage::AwaitPubrec) {
            self.finish(packet_id);
            return false;
        }
        exchange.stage = Some(Stage::AwaitPubcomp);
        exchange.message = None;
        if std::mem::take(&mut exchange.holds_quota) {
            self.give_quota_back();
        }
        true
    }

    /// Puts an exchange back as a store has kept it; in the order of the calls. The message may be none past
    /// PUBREC.
    pub fn restore(&mut self, packet_id: PacketId, stage: Stage, message: Option<M>) -> bool {
        let exchange = Exchange { order: self.next_order, stage: Some(stage), message, holds_quota: false };
        let restored = self.inflight.restore(packet_id, exchange);
        self.next_order += 1;
        restored
    }

    /// Puts a message back at the end of the queue as a store has kept it, past the limits if it must be.
    pub fn restore_queued(&mut self, queued: Queued<M>) {
        self.queued_bytes += queued.bytes;
        self.queue.push_back(queued);
    }

    /// Whether an exchange stands there.
    pub fn awaits(&mut self, packet_id: PacketId, stage: Stage) -> bool {
        self.inflight.get_mut(packet_id).is_some_and(|exchange| exchange.stage == Some(stage))
    }

    /// Messages that wait.
    #[must_use]
    pub fn queued_count(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Open exchanges, requests among them.
    #[must_use]
    pub fn inflight_count(&self) -> usize {
        self.inflight.len()
    }

    /// True where [`Outbound::poll_resend`] or [`Outbound::poll_send`] has something as soon as the window allows.
    #[inline]
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.queue.is_empty() || !self.resend.is_empty()
    }

    /// Ends the exchange where it stands at this stage.
    #[inline]
    fn finish_at(&mut self, packet_id: PacketId, stage: Stage) -> Option<Exchange<M>> {
        let exchange = self.inflight.close_if(packet_id, |exchange| exchange.stage == Some(stage))?;
        if exchange.holds_quota {
            self.give_quota_back();
        }
        Some(exchange)
    }

    fn finish(&mut self, packet_id: PacketId) -> Option<M> {
        let exchange = self.inflight.close(packet_id)?;
        if exchange.holds_quota {
            self.give_quota_back();
        }
        exchange.message
    }

    /// One place of the window is free, unless there were too few.
    #[inline]
    fn give_quota_back(&mut self) {
        if self.overdrawn > 0 {
            self.overdrawn -= 1;
        } else {
            self.send_quota = self.send_quota.saturating_add(1).min(self.receive_maximum);
        }
    }
}

#[cfg(test)]
mod tests;
