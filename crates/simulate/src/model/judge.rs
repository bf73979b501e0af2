//! What leaves the broker: may that be?

use std::collections::HashMap;
use std::rc::Rc;

use topicwire_codec::{PacketType, ReasonCode};

use super::shared::in_doubt;
use super::state::Owed;
use super::{Conn, Due, Expected, LinkId, Model, Origin, Phase, Tag, Verdict, violation};
use crate::packet::{ConnackGot, Message, PublishGot, ServerPacket};

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

    /// A QoS 2 message that the client does not accept any more is given up with PUBREL, so that its identifier means
    /// nothing to either side. The message may never have been seen to leave.
    fn releases_unsent(&mut self, link: LinkId, id: u16) -> bool {
        let Some(conn) = self.conns.get(&link) else { return false };
        let Some(session) = self.sessions.get_mut(&conn.client_id) else { return false };
        if let Some(due) = session.open.get_mut(&id) {
            return due.qos == 2 && due.was_too_large && !std::mem::replace(&mut due.is_released, true);
        }
        let in_queue = session.queue.iter().position(|due| due.qos == 2 && due.was_too_large);
        let owed =
            session.owed.iter().map(|owed| &owed.due).find(|due| due.message.qos == 2 && due.was_too_large);
        // Rather what is owed than what is in the queue: that of the two stays where it is, and may come or not.
        let due = session.left_out.pop().or_else(|| owed.cloned());
        let due = due.or_else(|| in_queue.map(|at| session.queue.remove(at)));
        let mut doubtful = in_doubt(&self.groups, &conn.client_id);
        let due = due.or_else(|| doubtful.find(|due| due.qos == 2 && due.is_too_large(conn)).cloned());
        match due {
            Some(due) => session.open.insert(id, Due { is_released: true, ..due }).is_none(),
            None => false,
        }
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
                let is_right =
                    got.reason_code == ReasonCode::Success && got.session_present == session_present;
                if !is_right {
                    return violation(format!(
                        "{got:?} where Success with Session Present {session_present} is due"
                    ));
                }
                if conn.version.is_v5() && got.expiry_secs.unwrap_or(conn.asked_expiry_secs) != expiry_secs {
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
        if !expected.allows(answer) {
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
        let (Some(conn), Some(session)) = (self.conns.get_mut(&link), self.sessions.get(client_id)) else {
            return Ok(None);
        };
        let due = &session.open[&got.id];
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
        if !may_be_other {
            conn.in_order(due)?;
        }
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
        if due.origin == Origin::Retained {
            due.check_any(&self.routed, conn, got, written)?;
        } else {
            due.check(conn, got, written)?;
        }
        if due.expires_at_ms <= written.not_before_ms && !got.dup {
            return violation(format!("message {} has expired", due.message.number));
        }
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

    fn take_owed(&mut self, link: LinkId, client_id: &Rc<str>, got: &PublishGot) -> Option<Due> {
        let (conn, session) = (self.conns.get(&link)?, self.sessions.get_mut(client_id)?);
        let fitting =
            session.owed.iter().enumerate().filter_map(|(at, owed)| Some((at, owed.served(conn, got)?)));
        // The same message may have been retained twice: rather the one that has to come.
        let (at, served) = fitting.min_by_key(|(at, _)| session.owed[*at].due.may_miss)?;
        let owed = &mut session.owed[at];
        let mut due = owed.due.clone();
        due.qos = got.qos;
        due.subscription_ids.clone_from(&got.subscription_ids);
        owed.asked.drain(served.asked);
        owed.maybe_served = served.maybe_more;
        owed.due.may_miss |= owed.asked.len() == owed.maybe_served || served.is_open_ended;
        if owed.asked.is_empty() {
            session.owed.remove(at);
        } else {
            // A further copy for the rest.
            let uid = self.next_uid();
            self.sessions.get_mut(client_id)?.owed[at].due.uid = uid;
        }
        Some(due)
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
            if due.expires_at_ms <= written.not_before_ms {
                return violation(format!("message {} has expired", due.message.number));
            }
            return due.check(conn, got, written);
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
    fn first_of_kind(&self, answer: &Expected) -> Option<usize> {
        self.expected.iter().position(|(expected, _)| match (expected, answer) {
            (Expected::Ack { kind, .. }, Expected::Ack { kind: answered, .. }) => kind == answered,
            _ => std::mem::discriminant(expected) == std::mem::discriminant(answer),
        })
    }

    fn expects(&self, answer: &Expected) -> bool {
        self.first_of_kind(answer).is_some_and(|at| self.expected[at].0.allows(answer))
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

impl Expected {
    fn allows(&self, answer: &Self) -> bool {
        // A PUBREL that is repeated may be answered as it was the first time.
        let not_found = ReasonCode::PacketIdentifierNotFound;
        match (self, answer) {
            (
                Self::Ack { kind: PacketType::Pubcomp, id, reason_code },
                Self::Ack { kind: PacketType::Pubcomp, id: answered, reason_code: ReasonCode::Success },
            ) if *reason_code == not_found => id == answered,
            _ => self == answer,
        }
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
            && (!is_v5 || self.has_unknown_properties || self.subscription_ids == got.subscription_ids)
    }

    /// It is this delivery, in time and with the right properties.
    pub(super) fn fits(&self, conn: &Conn, got: &PublishGot, written: Written) -> bool {
        let is_in_time = got.dup || self.expires_at_ms > written.not_before_ms;
        self.is_same(conn, got) && is_in_time && self.check(conn, got, written).is_ok()
    }

    /// [`Due::check`] for what may be the same message of another time that it was published.
    fn check_any(&self, routed: &Routed, conn: &Conn, got: &PublishGot, written: Written) -> Verdict {
        let times = routed.get(&self.message.number).filter(|times| times.len() > 1);
        let fits = times.into_iter().flatten().any(|(message, expires_at_ms)| {
            let of_then = Self { message: Rc::clone(message), expires_at_ms: *expires_at_ms, ..self.clone() };
            of_then.check(conn, got, written).is_ok()
        });
        if fits { Ok(()) } else { self.check(conn, got, written) }
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

/// See [`Model`].
type Routed = HashMap<u32, Vec<(Rc<Message>, u64)>>;

/// How a delivery is looked for among those that wait.
type Find = fn(&[Due], &Conn, &PublishGot, Written) -> Option<usize>;

/// The delivery that a PUBLISH is. A message that was published twice is there twice, perhaps with another expiry.
fn find_fitting(waiting: &[Due], conn: &Conn, got: &PublishGot, written: Written) -> Option<usize> {
    let find =
        |has_left| waiting.iter().position(|due| due.has_left == has_left && due.fits(conn, got, written));
    find(false).or_else(|| find(true).filter(|_| got.dup))
}

/// One that does not fit in all, where nothing else does: to say what is wrong.
fn find_same(waiting: &[Due], conn: &Conn, got: &PublishGot, _: Written) -> Option<usize> {
    waiting.iter().position(|due| due.is_same(conn, got))
}

/// What was routed before this will not come after it. A message that was published again may be the one of either
/// time, and says nothing about those between.
fn rank_passed(due: &Due, routed: &Routed) -> u64 {
    let is_repeated = routed.get(&due.message.number).is_some_and(|times| times.len() > 1);
    if is_repeated { 0 } else { due.rank }
}

/// Takes a delivery out of those that wait, and with it all that was due before. Where it might rightly have been
/// missing, or another's, what has come may as well be one that looks the same: the same message that was published once
/// more, or another one without a payload, which is all that tells messages apart. Then that may be missing.
fn take(waiting: &mut Vec<Due>, (at, rank): (usize, u64), conn: &Conn, now_ms: u64) -> Due {
    let due = waiting.remove(at);
    waiting.retain(|other| other.rank >= rank);
    if rank == 0 || due.is_excused(conn, now_ms) || matches!(due.origin, Origin::Group(_)) {
        let looks_same = |other: &&mut Due| {
            other.message.topic_name == due.message.topic_name && other.message.payload == due.message.payload
        };
        waiting.iter_mut().filter(looks_same).for_each(|other| other.may_miss = true);
    }
    due
}

impl Owed {
    /// Who of those that asked are done with when this PUBLISH has left; none where it is another message.
    fn served(&self, conn: &Conn, got: &PublishGot) -> Option<Served> {
        let message = &self.due.message;
        if *message.topic_name != *got.topic_name || message.payload != got.payload || !got.retain {
            return None;
        }
        let serves = |run: &[(u8, u32)]| {
            let highest = run.iter().map(|(qos, _)| *qos).max().unwrap_or(0);
            let mut ids: Vec<_> = run.iter().map(|(_, id)| *id).filter(|id| *id != 0).collect();
            ids.sort_unstable();
            ids.dedup();
            highest.min(message.qos) == got.qos && (!conn.version.is_v5() || ids == got.subscription_ids)
        };
        let count = self.asked.len();
        let runs = (0..count).flat_map(|start| (start + 1..=count).map(move |end| (start, end)));
        let runs: Vec<_> = runs.filter(|(start, end)| serves(&self.asked[*start..*end])).collect();
        // At QoS 0 it does not wait for the store, as those before it may.
        let (start, end) =
            runs.iter().copied().min_by_key(|(start, end)| (*start > self.maybe_served, *end))?;
        let last = runs.iter().filter(|(start, _)| *start <= self.maybe_served).map(|(_, end)| *end).max();
        let maybe_more = last.map_or(self.maybe_served, |last| start + (last - end));
        let is_longer = |run: &(usize, usize)| run.0 == start && run.1 > end;
        let is_open_ended = start > self.maybe_served && runs.iter().any(is_longer);
        Some(Served { asked: start..end, maybe_more, is_open_ended })
    }
}

/// Those that asked for a retained message and have been served.
struct Served {
    asked: std::ops::Range<usize>,
    /// So many of those that are then the first may have been served as well.
    maybe_more: usize,
    /// So may some behind them, which are not the first, as others still wait for the store.
    is_open_ended: bool,
}
