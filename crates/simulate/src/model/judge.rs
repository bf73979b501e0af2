//! What leaves the broker: may that be?

use std::rc::Rc;

use topicwire_codec::{PacketType, ReasonCode};

use super::{Conn, Due, Expected, LinkId, Model, Origin, Phase, Tag, Verdict, violation};
use crate::packet::{ConnackGot, PublishGot, ServerPacket};

/// When the broker has written what now leaves: a transport that was full may have kept it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) not_before_ms: u64,
    pub(crate) now_ms: u64,
}

impl Model {
    /// A packet leaves. For a PUBLISH, what a client at QoS 2 has to be given once.
    pub(crate) fn sent(
        &mut self,
        link: LinkId,
        packet: &mut ServerPacket,
        frame_len: usize,
        written: Written,
    ) -> Verdict<Option<Tag>> {
        let Some(conn) = self.conns.get_mut(&link) else { return violation("output for no connection") };
        if frame_len > conn.maximum_packet_size {
            return violation(format!("{frame_len} bytes, more than the client accepts"));
        }
        if conn.disconnect_has_left {
            return violation("a packet after DISCONNECT");
        }
        match packet {
            ServerPacket::Connack(connack) => {
                let connack = connack.clone();
                self.sent_connack(link, &connack)?;
            }
            _ if !conn.connack_has_left => return violation("a packet before CONNACK"),
            ServerPacket::Publish(publish) => return self.sent_publish(link, publish, written),
            ServerPacket::Ack { kind, id, reason_code } => {
                let ack = Expected::Ack { kind: *kind, id: *id, reason_code: *reason_code };
                if *kind == PacketType::Pubrel
                    && !conn.expects(&ack)
                    && *reason_code == ReasonCode::Success
                    && conn.repeats.remove(id)
                {
                    return Ok(None);
                }
                self.answered(link, &ack)?;
            }
            ServerPacket::Suback { id, reason_codes } => {
                let suback = Expected::Suback { id: *id, reason_codes: reason_codes.clone() };
                self.answered(link, &suback)?;
            }
            ServerPacket::Unsuback { id, reason_codes } => {
                let unsuback = Expected::Unsuback { id: *id, reason_codes: reason_codes.clone() };
                self.answered(link, &unsuback)?;
            }
            ServerPacket::Pong => self.answered(link, &Expected::Pong)?,
            ServerPacket::Disconnect(reason_code) => {
                if conn.phase != Phase::Over(Some(*reason_code)) {
                    return violation(format!("DISCONNECT {reason_code} where the connection is {:?}", conn.phase));
                }
                conn.disconnect_has_left = true;
            }
        }
        Ok(None)
    }

    fn sent_connack(&mut self, link: LinkId, got: &ConnackGot) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let Some((expected @ Expected::Connack { session_present, refusal, expiry_secs }, _)) =
            conn.expected.first().cloned()
        else {
            return violation("CONNACK that nobody waits for");
        };
        match refusal {
            Some(refusal) => {
                let is_right = if conn.version.is_v5() { got.reason_code == refusal } else { true };
                if !is_right || !got.reason_code.is_error() || got.session_present {
                    return violation(format!("{got:?} where a refusal with {refusal} is due"));
                }
            }
            None => {
                let is_right = got.reason_code == ReasonCode::Success && got.session_present == session_present;
                if !is_right {
                    return violation(format!(
                        "{got:?} where Success with Session Present {session_present} is due"
                    ));
                }
                if conn.version.is_v5()
                    && got.expiry_secs.unwrap_or(conn.asked_expiry_secs) != expiry_secs
                {
                    return violation(format!("{got:?} where an expiry of {expiry_secs} s is due"));
                }
            }
        }
        self.answered(link, &expected)?;
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.connack_has_left = true;
        }
        Ok(())
    }

    /// An answer leaves: the first of its kind that is due, and only when what it promises is stored.
    fn answered(&mut self, link: LinkId, answer: &Expected) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let Some(at) = conn.first_of_kind(answer) else {
            return violation(format!("{answer:?} answers nothing"));
        };
        let (expected, batch) = &conn.expected[at];
        if expected != answer {
            return violation(format!("{answer:?} where {expected:?} is due"));
        }
        if *batch > self.told {
            return violation(format!("{answer:?} before batch {batch} is stored ({} is)", self.told));
        }
        conn.expected.remove(at);
        Ok(())
    }

    fn sent_publish(&mut self, link: LinkId, got: &mut PublishGot, written: Written) -> Verdict<Option<Tag>> {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(None) };
        conn.resolve_alias(got)?;
        if conn.is_over() {
            // Written before the end; nobody reads it any more.
            return Ok(None);
        }
        if got.qos == 0 {
            self.sent_qos_0(link, got, written)?;
            return Ok(None);
        }
        if !conn.under_way.insert(got.id) {
            return violation(format!("packet identifier {} is in use on this connection", got.id));
        }
        if conn.under_way.len() > conn.window {
            return violation(format!("{} messages under way, more than Receive Maximum", conn.under_way.len()));
        }
        let client_id = Rc::clone(&conn.client_id);
        let Some(session) = self.sessions.get(&client_id) else { return Ok(None) };
        if session.open.contains_key(&got.id) {
            self.sent_again(link, &client_id, got, written)
        } else {
            self.sent_first(link, &client_id, got, written)
        }
    }

    /// A PUBLISH of an exchange that is open.
    fn sent_again(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Verdict<Option<Tag>> {
        let (Some(conn), Some(session)) = (self.conns.get_mut(&link), self.sessions.get(client_id)) else {
            return Ok(None);
        };
        let due = &session.open[&got.id];
        due.check(conn, got, written)?;
        if !due.is_same(conn, got) {
            return violation(format!("packet identifier {} is in use for message {}", got.id, due.message.number));
        }
        if due.is_released {
            return violation(format!("PUBLISH {} after PUBREC", got.id));
        }
        if !got.dup {
            return violation(format!("PUBLISH {} again without DUP", got.id));
        }
        conn.in_order(due)?;
        Ok(self.tag(client_id, due))
    }

    /// A PUBLISH that opens an exchange, as far as can be known.
    fn sent_first(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Verdict<Option<Tag>> {
        let due = match self.take_from_queue(link, client_id, got, written)? {
            Some(due) => due,
            None => self.take_other(link, client_id, got)?,
        };
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(None) };
        due.check(conn, got, written)?;
        if due.expires_at_ms <= written.not_before_ms && !got.dup {
            return violation(format!("message {} has expired", due.message.number));
        }
        if got.dup && due.routed_on == Some(link) {
            return violation(format!("message {} for the first time, with DUP", due.message.number));
        }
        let was_on_wire = !self.on_wire.insert(due.uid);
        if was_on_wire && !got.dup {
            return violation(format!("message {} again without DUP", due.message.number));
        }
        if false && got.qos == 2 && due.batch > self.told {
            return violation(format!("message {} at QoS 2 before it is stored", due.message.number));
        }
        conn.in_order(&due)?;
        let tag = self.tag(client_id, &due);
        if let Origin::Group(group) = due.origin {
            self.won_by(group, client_id, &due)?;
        }
        if let Some(session) = self.sessions.get_mut(client_id) {
            session.open.insert(got.id, due);
        }
        Ok(tag)
    }

    /// The delivery of the queue that this PUBLISH is. What was before it has been left out, for which there must be
    /// a reason.
    fn take_from_queue(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Verdict<Option<Due>> {
        let (Some(conn), Some(session)) = (self.conns.get(&link), self.sessions.get_mut(client_id)) else {
            return Ok(None);
        };
        let Some(at) = session.queue.iter().position(|due| due.is_same(conn, got)) else { return Ok(None) };
        let rank = session.queue[at].rank;
        let mut lost = Vec::new();
        for before in session.queue[..at].iter().filter(|due| due.rank < rank) {
            let is_excused = before.is_excused(conn, written.now_ms);
            match before.origin {
                Origin::Group(group) => lost.push((group, is_excused)),
                _ if is_excused => {}
                // It may be a retained message with the same content instead.
                _ if session.owed.iter().any(|owed| owed.served(conn, got).is_some()) => return Ok(None),
                _ => {
                    return violation(format!(
                        "message {} before message {}, which is due before it",
                        session.queue[at].message.number, before.message.number
                    ));
                }
            }
        }
        let due = session.queue.remove(at);
        session.queue.retain(|other| other.rank >= rank);
        for (group, is_excused) in lost {
            self.lose_candidate(group, client_id, is_excused);
        }
        Ok(Some(due))
    }

    /// What else this PUBLISH can be: a retained message, or one of a shared subscription that seemed to be another's.
    fn take_other(&mut self, link: LinkId, client_id: &Rc<str>, got: &PublishGot) -> Verdict<Due> {
        if let Some(due) = self.take_owed(link, client_id, got) {
            return Ok(due);
        }
        if let Some(due) = self.take_shared(link, client_id, got) {
            return Ok(due);
        }
        let owed = self.sessions.get(client_id).map(super::Session::describe).unwrap_or_default();
        violation(format!("{got:?} is not due to {client_id}; {owed}"))
    }

    fn take_owed(&mut self, link: LinkId, client_id: &Rc<str>, got: &PublishGot) -> Option<Due> {
        let (conn, session) = (self.conns.get(&link)?, self.sessions.get_mut(client_id)?);
        let found = session.owed.iter().enumerate().find_map(|(at, owed)| Some((at, owed.served(conn, got)?)));
        let (at, (served, is_clear)) = found?;
        let owed = &mut session.owed[at];
        let mut due = owed.due.clone();
        due.qos = got.qos;
        due.subscription_ids.clone_from(&got.subscription_ids);
        owed.asked.drain(..served);
        if owed.asked.is_empty() {
            session.owed.remove(at);
        } else {
            // A further copy for the rest.
            owed.due.may_miss |= !is_clear;
            let uid = self.next_uid();
            if let Some(session) = self.sessions.get_mut(client_id) {
                session.owed[at].due.uid = uid;
            }
        }
        Some(due)
    }

    fn sent_qos_0(&mut self, link: LinkId, got: &PublishGot, written: Written) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let client_id = Rc::clone(&conn.client_id);
        if got.dup {
            return violation("DUP at QoS 0");
        }
        let Some(at) = conn.qos_0.iter().position(|due| due.is_same(conn, got)) else {
            let due = self.take_other(link, &client_id, got)?;
            let Some(conn) = self.conns.get(&link) else { return Ok(()) };
            if due.expires_at_ms <= written.not_before_ms {
                return violation(format!("message {} has expired", due.message.number));
            }
            return due.check(conn, got, written);
        };
        let rank = conn.qos_0[at].rank;
        let mut lost = Vec::new();
        for before in conn.qos_0[..at].iter().filter(|due| due.rank < rank) {
            let is_excused = before.is_excused(conn, written.now_ms);
            match before.origin {
                Origin::Group(group) => lost.push((group, is_excused)),
                _ if is_excused => {}
                _ => {
                    return violation(format!(
                        "message {} at QoS 0 before message {}",
                        conn.qos_0[at].message.number, before.message.number
                    ));
                }
            }
        }
        let due = conn.qos_0.remove(at);
        conn.qos_0.retain(|other| other.rank >= rank);
        due.check(conn, got, written)?;
        if due.expires_at_ms <= written.not_before_ms {
            return violation(format!("message {} has expired", due.message.number));
        }
        for (group, is_excused) in lost {
            self.lose_candidate(group, &client_id, is_excused);
        }
        if let Origin::Group(group) = due.origin {
            self.won_by(group, &client_id, &due)?;
        }
        Ok(())
    }

    fn tag(&self, client_id: &Rc<str>, due: &Due) -> Option<Tag> {
        let session = self.sessions.get(client_id)?;
        let (filter, retained_uid) = match due.origin {
            Origin::Plain | Origin::Group(_) => (due.shared_filter, 0),
            Origin::Retained => ("", due.uid),
        };
        let number = due.message.number;
        Some(Tag { incarnation: session.incarnation, number, filter, retained_uid })
    }

    /// The broker closes a connection: it must be one that is over, and a 5.0 client must have been told.
    pub(crate) fn closed(&mut self, link: LinkId, was_blocked: bool) -> Verdict {
        let Some(conn) = self.conns.get(&link) else { return Ok(()) };
        match conn.phase {
            Phase::Over(Some(reason_code))
                if conn.disconnect_is_due && !conn.disconnect_has_left && !was_blocked =>
            {
                violation(format!("closed without DISCONNECT {reason_code}"))
            }
            Phase::Over(_) => Ok(()),
            phase => violation(format!("a connection that is {phase:?} is closed")),
        }
    }
}

impl Conn {
    fn first_of_kind(&self, answer: &Expected) -> Option<usize> {
        self.expected.iter().position(|(expected, _)| match (expected, answer) {
            (Expected::Ack { kind, .. }, Expected::Ack { kind: answered, .. }) => kind == answered,
            _ => std::mem::discriminant(expected) == std::mem::discriminant(answer),
        })
    }

    fn expects(&self, answer: &Expected) -> bool {
        self.first_of_kind(answer).is_some_and(|at| self.expected[at].0 == *answer)
    }

    /// Puts the name in the place of its alias.
    fn resolve_alias(&mut self, got: &mut PublishGot) -> Verdict {
        let Some(alias) = got.alias else { return Ok(()) };
        if alias > self.alias_maximum {
            return violation(format!("topic alias {alias}, of at most {}", self.alias_maximum));
        }
        if !got.topic_name.is_empty() {
            self.aliases.insert(alias, got.topic_name.clone());
            return Ok(());
        }
        match self.aliases.get(&alias) {
            Some(topic_name) => {
                got.topic_name.clone_from(topic_name);
                Ok(())
            }
            None => violation(format!("topic alias {alias} has no name")),
        }
    }

    /// QoS 1 and 2 leave in the order they were routed, old ones first.
    fn in_order(&mut self, due: &Due) -> Verdict {
        if due.origin == Origin::Retained {
            return Ok(());
        }
        if due.rank < self.last_rank {
            return violation(format!("message {} after a later one", due.message.number));
        }
        self.last_rank = due.rank;
        Ok(())
    }
}

impl Due {
    /// True where the PUBLISH is this delivery.
    pub(super) fn is_same(&self, conn: &Conn, got: &PublishGot) -> bool {
        let is_v5 = conn.version.is_v5();
        *self.message.topic_name == *got.topic_name
            && self.message.payload == got.payload
            && self.qos == got.qos
            && self.retain == got.retain
            && (!is_v5 || self.subscription_ids == got.subscription_ids)
    }

    /// The properties are what they should be.
    fn check(&self, conn: &Conn, got: &PublishGot, written: Written) -> Verdict {
        let left = |at_ms: u64| match self.expires_at_ms {
            u64::MAX => None,
            expires_at_ms => Some(expires_at_ms.saturating_sub(at_ms).div_ceil(1000).max(1) as u32),
        };
        if !conn.version.is_v5() {
            return Ok(());
        }
        let (most, least) = (left(written.not_before_ms), left(written.now_ms));
        if !(least..=most).contains(&got.expiry_secs) {
            return violation(format!("{got:?} with an expiry other than {least:?} to {most:?}"));
        }
        if got.content_type != self.message.content_type {
            return violation(format!("{got:?} with another content type"));
        }
        Ok(())
    }
}

impl super::state::Owed {
    /// How many of those that asked are served by this PUBLISH, none where it is another message; and whether that is
    /// clear.
    fn served(&self, conn: &Conn, got: &PublishGot) -> Option<(usize, bool)> {
        let message = &self.due.message;
        if *message.topic_name != *got.topic_name || message.payload != got.payload || !got.retain {
            return None;
        }
        let mut matching = (1..=self.asked.len()).filter(|count| {
            let run = &self.asked[..*count];
            let highest = run.iter().map(|(qos, _)| *qos).max().unwrap_or(0);
            let mut ids: Vec<_> = run.iter().map(|(_, id)| *id).filter(|id| *id != 0).collect();
            ids.sort_unstable();
            ids.dedup();
            highest.min(message.qos) == got.qos && (!conn.version.is_v5() || ids == got.subscription_ids)
        });
        matching.next().map(|count| (count, matching.next().is_none()))
    }
}
