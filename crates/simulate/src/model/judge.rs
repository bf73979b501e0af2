//! What leaves the broker: may that be?

use std::rc::Rc;

use topicwire_codec::{PacketType, ReasonCode};

use super::which::{Find, find_fitting, find_same, rank_passed, take};
use super::{Conn, Due, Expected, LinkId, Model, Origin, Phase, Tag, Verdict, violation};
use crate::packet::{PublishGot, ServerPacket};

/// When the broker has written what now leaves: a transport that was full may have kept it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) not_before_ms: u64,
    pub(crate) now_ms: u64,
}

impl Model {
    /// A packet leaves. For a PUBLISH, what a client at QoS 2 has to be given once; for CONNACK, of which Session.
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
                let session = self.conns.get(&link).and_then(|conn| self.sessions.get(&conn.client_id));
                return Ok(session.map(|session| Tag::of_session(session.incarnation)));
            }
            _ if !conn.connack_has_left => return violation("a packet before CONNACK"),
            ServerPacket::Publish(publish) => return self.sent_publish(link, publish, written),
            ServerPacket::Ack { kind, id, reason_code } => {
                let ack = Expected::Ack { kind: *kind, id: *id, reason_code: *reason_code };
                if *kind == PacketType::Pubrel
                    && !conn.expects(&ack)
                    && *reason_code == ReasonCode::Success
                    && (conn.repeats.remove(id) || conn.is_over() || self.releases_unsent(link, *id))
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
                    return violation(format!(
                        "DISCONNECT {reason_code} where the connection is {:?}",
                        conn.phase
                    ));
                }
                conn.disconnect_has_left = true;
            }
        }
        Ok(None)
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
            return violation(format!(
                "{} messages under way, more than Receive Maximum",
                conn.under_way.len()
            ));
        }
        let client_id = Rc::clone(&conn.client_id);
        let Some(session) = self.sessions.get_mut(&client_id) else { return Ok(None) };
        // At QoS 1 what was too large on some connection may have been given up. Without DUP it was: then this is
        // another message, or the same one that its publisher has sent again.
        let is_other =
            |due: &mut Due| due.qos == 1 && due.was_too_large && (!got.dup || !due.is_same(conn, got));
        if session.open.get_mut(&got.id).is_some_and(is_other) {
            session.open.remove(&got.id);
        }
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
        let (Some(conn), Some(session)) = (self.conns.get_mut(&link), self.sessions.get_mut(client_id))
        else {
            return Ok(None);
        };
        let Some(due) = session.open.get(&got.id) else { return Ok(None) };
        if !due.has_unknown_properties {
            due.check_any(&self.routed, conn, got, written)?;
        }
        if !due.is_same(conn, got) {
            return violation(format!(
                "packet identifier {} is in use for message {}",
                got.id, due.message.number
            ));
        }
        if due.is_released {
            return violation(format!("PUBLISH {} after PUBREC", got.id));
        }
        if !got.dup {
            return violation(format!("PUBLISH {} again without DUP", got.id));
        }
        // Like above: with DUP, after a crash, it may also be the one that was published again.
        let may_be_other = due.qos == 1 && due.was_too_large && rank_passed(due, &self.routed) == 0;
        if may_be_other {
            let looks_so = |other: &&mut Due| other.qos == 1 && Rc::ptr_eq(&other.message, &due.message);
            session.queue.iter_mut().filter(looks_so).for_each(|other| other.may_miss = true);
        } else {
            conn.in_order(due)?;
        }
        let due = due.clone();
        Ok(self.tag(client_id, &due))
    }

    /// A PUBLISH that opens an exchange, as far as can be known.
    fn sent_first(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Verdict<Option<Tag>> {
        let mut due = match self.take_from_queue(link, client_id, got, written, find_fitting)? {
            Some(due) => due,
            None => match self.take_other(link, client_id, got, written) {
                Some(due) => due,
                None => match self.take_from_queue(link, client_id, got, written, find_same)? {
                    Some(due) => due,
                    None => return self.not_due(client_id, got),
                },
            },
        };
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(None) };
        due.check_first(&self.routed, conn, got, written)?;
        if got.dup && due.routed_on == Some(link) && rank_passed(&due, &self.routed) != 0 {
            return violation(format!("message {} for the first time, with DUP", due.message.number));
        }
        let was_on_wire = !self.on_wire.insert(due.uid);
        // What a crash has made the broker forget of a retained message is asked for anew, not sent again.
        let is_repeated = rank_passed(&due, &self.routed) == 0;
        let is_known = due.origin != Origin::Retained && !is_repeated;
        if was_on_wire && !got.dup && is_known {
            return violation(format!("message {} again without DUP", due.message.number));
        }
        if got.qos == 2 && due.batch > self.told {
            return violation(format!("message {} at QoS 2 before it is stored", due.message.number));
        }
        due.may_be_earlier = is_repeated;
        conn.in_order(&due)?;
        due.has_unknown_properties = !conn.version.is_v5();
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
        find: Find,
    ) -> Verdict<Option<Due>> {
        let (Some(conn), Some(session)) = (self.conns.get(&link), self.sessions.get_mut(client_id)) else {
            return Ok(None);
        };
        let Some(at) = find(&session.queue, conn, got, written) else { return Ok(None) };
        let rank = rank_passed(&session.queue[at], &self.routed);
        let mut lost = Vec::new();
        for before in session.queue[..at].iter().filter(|due| due.rank < rank) {
            let is_excused = before.is_excused(conn, written.now_ms);
            match before.origin {
                Origin::Group(group) => lost.push((group, is_excused)),
                _ if is_excused => {}
                _ => {
                    return violation(format!(
                        "message {} before message {}, which is due before it",
                        session.queue[at].message.number, before.message.number
                    ));
                }
            }
        }
        let left_out = session.queue[..at].iter().filter(|due| due.qos == 2 && due.was_too_large).cloned();
        session.left_out.extend(left_out);
        let due = take(&mut session.queue, (at, rank), conn, written.now_ms);
        for (group, is_excused) in lost {
            self.lose_candidate(group, client_id, is_excused);
        }
        Ok(Some(due))
    }

    /// What else this PUBLISH can be: a retained message, or one of a shared subscription that seemed to be another's.
    fn take_other(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Option<Due> {
        self.take_owed(link, client_id, got).or_else(|| self.take_shared(link, client_id, got, written))
    }

    fn not_due<T>(&self, client_id: &Rc<str>, got: &PublishGot) -> Verdict<T> {
        let owed = self.sessions.get(client_id).map(super::Session::describe).unwrap_or_default();
        violation(format!("{got:?} is not due to {client_id}; {owed}"))
    }

    fn sent_qos_0(&mut self, link: LinkId, got: &PublishGot, written: Written) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let client_id = Rc::clone(&conn.client_id);
        if got.dup {
            return violation("DUP at QoS 0");
        }
        let fitting = find_fitting(&conn.qos_0, conn, got, written);
        if fitting.is_none()
            && let Some(due) = self.take_other(link, &client_id, got, written)
        {
            let Some(conn) = self.conns.get(&link) else { return Ok(()) };
            return due.check_first(&self.routed, conn, got, written);
        }
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let Some(at) = fitting.or_else(|| find_same(&conn.qos_0, conn, got, written)) else {
            return self.not_due(&client_id, got);
        };
        let rank = rank_passed(&conn.qos_0[at], &self.routed);
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
        let mut waiting = std::mem::take(&mut conn.qos_0);
        let due = take(&mut waiting, (at, rank), conn, written.now_ms);
        conn.qos_0 = waiting;
        due.check_first(&self.routed, conn, got, written)?;
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
        let number = due.message.number;
        let is_apart = due.origin == Origin::Retained || self.refused.contains(&number);
        let uid = if is_apart { due.uid } else { 0 };
        Some(Tag { incarnation: session.incarnation, number, filter: due.shared_filter, uid })
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
        if due.origin == Origin::Retained || due.may_be_earlier {
            return Ok(());
        }
        if due.rank < self.last_rank {
            return violation(format!("message {} after a later one", due.message.number));
        }
        self.last_rank = due.rank;
        Ok(())
    }
}
