//! While the store cannot do its work: a full disk, an I/O error.
//!
//! What has to be stored is refused before it has any effect, and what already waits for the store is answered with an
//! error, so that nobody is told of a success that is none: Quota exceeded (0x97) where the store is full,
//! Implementation specific error (0x83) otherwise. Before 5.0 an acknowledgement cannot say no, so the connection is closed
//! without it. What needs no store goes on. What is refused late may have reached subscribers all the same, and
//! stays in the batch, which the host tries again: then it is as if it had been taken.

use std::collections::VecDeque;

use topicwire_codec::{Ack, PacketId, PacketType, QoS, ReasonCode, Split, split_frame};

use crate::acknowledge::write_ack;
use crate::broker::{Broker, ConnectionKey, SessionKey, slab_key};
use crate::connection::{Phase, Withheld};
use crate::end::{Ending, Farewell};
use crate::hook::Refusal;
use crate::input::Flow;
use crate::route::Route;
use crate::session::{Session, SubscriptionOptions};
use crate::store::StoreError;

impl Broker {
    /// The host could not have a batch stored, and will try it again until [`Broker::stored`]. Who waits for it is told.
    pub fn store_failed(&mut self, error: &StoreError, now_ms: u64) {
        let refusal = match error {
            StoreError::Full(_) => Refusal::new(ReasonCode::QuotaExceeded, "the store is full"),
            StoreError::Failed(_) => {
                Refusal::new(ReasonCode::ImplementationSpecificError, "the store cannot be written to")
            }
            StoreError::Damaged(_) => {
                Refusal::new(ReasonCode::ImplementationSpecificError, "the store is damaged")
            }
        };
        self.trouble = Some(refusal.clone());
        for key in std::mem::take(&mut self.withholding) {
            self.refuse_withheld(key, &refusal, now_ms);
        }
        // From now on they are answered.
        self.resume_stalled(now_ms);
    }

    /// True from [`Broker::store_failed`] until [`Broker::stored`].
    #[must_use]
    pub fn is_store_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// The store does its work again.
    pub(crate) fn end_trouble(&mut self, now_ms: u64) {
        if self.trouble.take().is_none() {
            return;
        }
        // Nothing was fetched meanwhile.
        let waiting = self.sessions.iter().filter(|(_, session)| {
            session.is_present() && (session.in_store > 0 || !session.owed.is_empty())
        });
        let waiting: Vec<_> = waiting.map(|(index, _)| SessionKey(slab_key(index))).collect();
        for key in waiting {
            self.pump(key, now_ms);
        }
    }

    /// Tells a client that what it waits for has failed.
    fn refuse_withheld(&mut self, key: ConnectionKey, refusal: &Refusal, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        let (version, phase) = (connection.version, connection.phase);
        let withheld = std::mem::take(&mut connection.withheld);
        if phase == Phase::AwaitStore {
            self.send_refusal(key, refusal);
            self.end_connection(key, Ending::ByServer(Farewell::of(refusal)), now_ms);
            return;
        }
        let mut rest = VecDeque::new();
        for answer in withheld {
            match (refused_half(&answer, version), packet_type_of(&answer)) {
                (Some((packet_type, ack)), _) if version.is_v5() => {
                    if packet_type == PacketType::Pubrec {
                        self.release_refused(key, ack.packet_id);
                    }
                    self.say_refused(key, packet_type, ack.packet_id, refusal);
                    self.acknowledged(key, answer.effect, now_ms);
                }
                // The other half of an exchange promises nothing, and may take its time.
                (None, Some(PacketType::Pubrel | PacketType::Pubcomp)) => rest.push_back(answer),
                _ => {
                    self.end_connection(key, Ending::ByServer(Farewell::of(refusal)), now_ms);
                    return;
                }
            }
        }
        if let Some(connection) = self.connections.get_mut(key.index())
            && !rest.is_empty()
        {
            connection.withheld = rest;
            self.withholding.push(key);
        }
    }

    /// Refuses a PUBLISH that has had no effect yet but for its packet identifier.
    pub(crate) fn refuse_unstored(
        &mut self,
        key: ConnectionKey,
        (qos, packet_id): (QoS, PacketId),
        refusal: &Refusal,
        now_ms: u64,
    ) -> Flow {
        let Some(connection) = self.connections.get(key.index()) else { return Flow::Stop };
        let is_v5 = connection.version.is_v5();
        let session = connection.session.and_then(|key| self.sessions.get_mut(key.index()));
        if let Some(session) = session {
            match qos {
                QoS::ExactlyOnce => drop(session.inbound.release(packet_id)),
                _ => session.inbound.acknowledged(),
            }
        }
        if !is_v5 {
            self.metrics.publish_refused += 1;
            self.end_connection(key, Ending::ByServer(Farewell::of(refusal)), now_ms);
            return Flow::Stop;
        }
        let is_exactly_once = qos == QoS::ExactlyOnce;
        let packet_type = if is_exactly_once { PacketType::Pubrec } else { PacketType::Puback };
        self.say_refused(key, packet_type, packet_id, refusal);
        Flow::Next
    }

    /// PUBACK or PUBREC with an error. It does not wait for answers that came before it and that wait on.
    fn say_refused(
        &mut self,
        key: ConnectionKey,
        packet_type: PacketType,
        packet_id: PacketId,
        refusal: &Refusal,
    ) {
        self.metrics.publish_refused += 1;
        let ack = Ack::new(packet_id, refusal.reason_code);
        self.send(key, |to, out| write_ack(packet_type, &ack, refusal.reason.as_deref(), to, out));
    }

    /// What a publisher is told whose message would have to be stored while that cannot be done.
    pub(crate) fn refusal_of_publish(
        &self,
        publisher: Option<SessionKey>,
        (qos, retain): (QoS, bool),
        route: &Route,
    ) -> Option<&Refusal> {
        let trouble = self.trouble.as_ref()?;
        let keeps = |(key, options): &(SessionKey, SubscriptionOptions)| {
            options.qos.min(qos) != QoS::AtMostOnce && self.is_durable(*key)
        };
        // QoS 0 is promised nothing: what it retains is stored when it can be.
        let needs_store = qos != QoS::AtMostOnce
            && (retain
                || (qos == QoS::ExactlyOnce && publisher.is_some_and(|key| self.is_durable(key)))
                || route.matches().plain.iter().any(keeps)
                || route.matches().groups.iter().any(|group| {
                    self.subscriptions.group(*group).is_some_and(|group| group.members().iter().any(keeps))
                }));
        needs_store.then_some(trouble)
    }

    pub(crate) fn is_durable(&self, session: SessionKey) -> bool {
        self.sessions.get(session.index()).is_some_and(Session::is_durable)
    }

    /// What a client is told that connects while its Session cannot be stored, or more waits for the store than may.
    pub(crate) fn refusal_of_session(&self, is_durable: bool) -> Option<Refusal> {
        match &self.trouble {
            Some(trouble) => is_durable.then(|| trouble.clone()),
            None => (is_durable && self.is_behind())
                .then(|| Refusal::new(ReasonCode::ServerBusy, "the store is behind")),
        }
    }
}

/// The answer to a PUBLISH, where it is one that says that it was taken.
fn refused_half(answer: &Withheld, version: topicwire_codec::Version) -> Option<(PacketType, Ack<'_>)> {
    let Ok(Split::Frame(frame)) = split_frame(&answer.bytes, u32::MAX) else { return None };
    let packet_type = frame.packet_type();
    let is_half = matches!(packet_type, PacketType::Puback | PacketType::Pubrec);
    is_half.then(|| Ack::decode(&frame, version).ok()).flatten().map(|ack| (packet_type, ack))
}

fn packet_type_of(answer: &Withheld) -> Option<PacketType> {
    let Ok(Split::Frame(frame)) = split_frame(&answer.bytes, u32::MAX) else { return None };
    Some(frame.packet_type())
}
