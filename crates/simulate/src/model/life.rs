//! How connections, Sessions and Wills begin and end.

use std::rc::Rc;

use topicwire_codec::ReasonCode;

use super::state::{Origin, Will};
use super::{Conn, Ending, Expected, LinkId, Model, Phase, Session, Snapshot};
use crate::packet::ConnectSpec;
use crate::setup::Setup;

impl Model {
    /// A transport has been opened.
    pub(crate) fn open(&mut self, link: LinkId, now_ms: u64) {
        let mut conn = Conn::new(now_ms + u64::from(Setup::CONNECT_TIMEOUT_MS));
        // As many transports as clients may be on their way in or out.
        let others = self.conns.len() + 1 - self.connected_count();
        if others > self.setup.maximum_connections as usize {
            conn.phase = Phase::Over(None);
        }
        self.conns.insert(link, conn);
    }

    /// The transport is gone.
    pub(crate) fn lose(&mut self, link: LinkId, now_ms: u64) {
        self.end(link, Ending::Lost, now_ms);
        self.conns.remove(&link);
    }

    /// The host ends it.
    pub(crate) fn kick(&mut self, client_id: &str, reason_code: ReasonCode, now_ms: u64) {
        if let Some(link) = self.sessions.get(client_id).and_then(|session| session.conn) {
            self.end(link, Ending::ByServer(reason_code), now_ms);
        }
    }

    /// The broker has ended a connection that does not read what it makes the broker write.
    pub(crate) fn overrun(&mut self, link: LinkId, now_ms: u64) {
        self.end(link, Ending::ByServer(ReasonCode::QuotaExceeded), now_ms);
    }

    /// CONNECT.
    pub(super) fn connect(&mut self, link: LinkId, spec: &ConnectSpec, now_ms: u64) {
        let asked_expiry_secs = match (spec.version.is_v5(), spec.clean_start) {
            (true, _) => spec.expiry_secs.unwrap_or(0),
            (false, true) => 0,
            (false, false) => u32::MAX,
        };
        let expiry_secs = asked_expiry_secs.min(self.setup.session_expiry_interval_maximum_secs);
        let client_id = if spec.client_id.is_empty() {
            Rc::from(format!("anonymous {link}"))
        } else {
            Rc::clone(&spec.client_id)
        };
        let refusal = self.refusal(&client_id);
        let inflight = usize::from(self.setup.maximum_inflight_messages.max(1));
        let Some(conn) = self.conns.get_mut(&link) else { return };
        conn.version = spec.version;
        conn.maximum_packet_size = spec.maximum_packet_size.map_or(usize::MAX, |size| size as usize);
        conn.alias_maximum = spec.alias_maximum.unwrap_or(0).min(self.setup.topic_alias_maximum);
        if let Some(reason_code) = refusal {
            let connack =
                Expected::Connack { session_present: false, refusal: Some(reason_code), expiry_secs };
            conn.expected.push((connack, 0.into()));
            conn.phase = Phase::Over(None);
            return;
        }
        conn.phase = Phase::In;
        conn.client_id = Rc::clone(&client_id);
        conn.keep_alive_ms = u64::from(spec.keep_alive_secs) * 1000;
        conn.asked_expiry_secs = asked_expiry_secs;
        conn.window = match spec.receive_maximum {
            _ if !spec.version.is_v5() => inflight,
            None => usize::from(u16::MAX),
            Some(maximum) => usize::from(maximum),
        };
        let session_present = self.claim_session(&client_id, spec, now_ms);
        self.attach(link, &client_id, spec, expiry_secs, session_present);
    }

    /// Why a client is not let in.
    fn refusal(&self, client_id: &Rc<str>) -> Option<ReasonCode> {
        let holder = self.sessions.get(client_id);
        let is_one_more = holder.is_none_or(|session| session.conn.is_none());
        if is_one_more && self.connected_count() >= self.setup.maximum_connections as usize {
            Some(ReasonCode::ServerBusy)
        } else if holder.is_none() && self.sessions.len() >= self.setup.maximum_sessions as usize {
            Some(ReasonCode::QuotaExceeded)
        } else {
            None
        }
    }

    /// The client's Session: the old one, or a new one. True where it is the old one.
    fn claim_session(&mut self, client_id: &Rc<str>, spec: &ConnectSpec, now_ms: u64) -> bool {
        if let Some(old) = self.sessions.get(client_id).and_then(|session| session.conn) {
            self.end(old, Ending::ByServer(ReasonCode::SessionTakenOver), now_ms);
        }
        if self.sessions.get(client_id).is_some_and(|it| it.ends_at_ms.is_some_and(|at| at <= now_ms)) {
            self.end_session(client_id, now_ms);
        } else if self.sessions.get(client_id).is_some_and(|it| it.will_at_ms.is_some_and(|at| at <= now_ms))
        {
            self.publish_will(client_id, now_ms);
        }
        if let Some(session) = self.sessions.get_mut(client_id) {
            if !spec.clean_start {
                session.will = None;
                return true;
            }
            self.end_session(client_id, now_ms);
        }
        self.last_incarnation += 1;
        self.sessions.insert(Rc::clone(client_id), Session::new(self.last_incarnation));
        false
    }

    fn attach(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        spec: &ConnectSpec,
        expiry_secs: u32,
        session_present: bool,
    ) {
        let (Some(conn), Some(session)) = (self.conns.get_mut(&link), self.sessions.get_mut(client_id))
        else {
            return;
        };
        session.conn = Some(link);
        session.expiry_secs = expiry_secs;
        session.is_stored |= expiry_secs > 0;
        session.will_at_ms = None;
        session.ends_at_ms = None;
        session.will = spec
            .will
            .as_ref()
            .map(|will| Will { message: Rc::clone(&will.message), delay_secs: will.delay_secs });
        let released = session.open.iter().filter(|(_, due)| due.is_released);
        conn.repeats = released.map(|(id, _)| *id).collect();
        let owed = session.owed.iter_mut().map(|owed| &mut owed.due);
        for due in session.queue.iter_mut().chain(session.open.values_mut()).chain(owed) {
            due.was_too_large |= due.is_too_large(conn);
        }
        let batch = if session.is_stored { self.batch } else { 0 };
        conn.expected.push((Expected::Connack { session_present, refusal: None, expiry_secs }, batch.into()));
    }

    /// A Network Connection ends, once.
    pub(super) fn end(&mut self, link: LinkId, ending: Ending, now_ms: u64) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let was_in = conn.phase == Phase::In;
        if conn.is_over() {
            return;
        }
        conn.phase = match ending {
            Ending::ByServer(reason_code) if was_in && conn.version.is_v5() => {
                conn.disconnect_is_due = conn.connack_has_left;
                Phase::Over(Some(reason_code))
            }
            _ => Phase::Over(None),
        };
        if !was_in {
            return;
        }
        let client_id = Rc::clone(&conn.client_id);
        let unsent = std::mem::take(&mut conn.qos_0);
        for due in unsent {
            if let Origin::Group(group) = due.origin {
                self.lose_candidate(group, &client_id, true);
            }
        }
        self.detach(&client_id, ending, now_ms);
    }

    /// The Session has lost its connection.
    fn detach(&mut self, client_id: &Rc<str>, ending: Ending, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(client_id) else { return };
        session.conn = None;
        for owed in &mut session.owed {
            // Each may have been served and lost on the way, at QoS 0.
            let qos = owed.due.message.qos;
            owed.due.may_miss |= owed.asked.iter().any(|(asked, _)| qos.min(*asked) == 0);
        }
        if ending == Ending::ByPeer(ReasonCode::NORMAL_DISCONNECTION) {
            session.will = None;
        }
        if session.expiry_secs == 0 {
            self.end_session(client_id, now_ms);
            return;
        }
        session.close_at(now_ms);
        if session.will_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.publish_will(client_id, now_ms);
        }
    }

    pub(super) fn end_session(&mut self, client_id: &Rc<str>, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(client_id) else { return };
        session.subscriptions.clear();
        self.publish_will(client_id, now_ms);
        let Some(session) = self.sessions.remove(client_id) else { return };
        for due in session.queue {
            if let Origin::Group(group) = due.origin {
                self.lose_candidate(group, client_id, true);
            }
        }
    }

    fn publish_will(&mut self, client_id: &Rc<str>, now_ms: u64) {
        let Some(session) = self.sessions.get_mut(client_id) else { return };
        session.will_at_ms = None;
        let Some(Will { message, .. }) = session.will.take() else { return };
        let expires_at_ms = expiry_time(message.expiry_secs, now_ms);
        self.route(client_id, &message, expires_at_ms);
    }

    /// The broker is told of the time.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        self.rank += 1;
        self.is_ticking = true;
        while self.do_next_due(now_ms) {}
        self.is_ticking = false;
        self.expire_retained(now_ms);
    }

    /// Does the earliest thing that is due; Wills before ends, so that whoever ends at the same time may be asked.
    fn do_next_due(&mut self, now_ms: u64) -> bool {
        let wills =
            self.sessions.iter().filter_map(|(id, session)| Some((session.will_at_ms?, 0, Rc::clone(id), 0)));
        let ends =
            self.sessions.iter().filter_map(|(id, session)| Some((session.ends_at_ms?, 1, Rc::clone(id), 0)));
        let conns = self.conns.iter().map(|(link, conn)| (conn.deadline_ms(), 2, Rc::from(""), *link));
        let first = wills.chain(ends).chain(conns).min();
        match first {
            Some((at_ms, kind, client_id, link)) if at_ms <= now_ms => {
                match kind {
                    0 => self.publish_will(&client_id, now_ms),
                    1 => self.end_session(&client_id, now_ms),
                    _ => self.end(link, Ending::ByServer(ReasonCode::KeepAliveTimeout), now_ms),
                }
                true
            }
            _ => false,
        }
    }

    /// What would survive a crash now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let kept = self.sessions.iter().filter(|(_, session)| session.is_stored);
        Snapshot {
            sessions: kept.map(|(id, session)| (Rc::clone(id), session.clone())).collect(),
            retained: self.retained.clone(),
        }
    }

    /// The broker has crashed and comes back with this.
    pub(crate) fn restart(&mut self, snapshot: Snapshot, now_ms: u64) {
        self.conns.clear();
        self.sessions = snapshot.sessions;
        self.retained = snapshot.retained;
        // Who was to get them is known to the broker's store alone.
        for group in self.groups.values_mut() {
            group.is_excused = true;
        }
        self.remember_winners();
        for session in self.sessions.values_mut() {
            if session.conn.take().is_some() {
                session.close_at(now_ms);
            }
            for due in session.queue.iter_mut().chain(session.open.values_mut()) {
                due.batch = 0;
                due.routed_on = None;
            }
            for owed in &mut session.owed {
                owed.due.may_miss = true;
                owed.due.routed_on = None;
            }
            // Known to have left, and so perhaps to have been acknowledged.
            let on_wire = &self.on_wire;
            for due in &mut session.queue {
                due.may_miss |= on_wire.contains(&due.uid);
            }
        }
    }
}

impl Session {
    /// Its connection has closed: when it ends, and when its Will is due.
    fn close_at(&mut self, now_ms: u64) {
        self.ends_at_ms = (self.expiry_secs != u32::MAX).then(|| now_ms + u64::from(self.expiry_secs) * 1000);
        self.will_at_ms = self.will.as_ref().map(|will| {
            let delayed_ms = now_ms + u64::from(will.delay_secs) * 1000;
            self.ends_at_ms.map_or(delayed_ms, |end_ms| end_ms.min(delayed_ms))
        });
    }
}

/// When a message with this Message Expiry Interval expires.
pub(super) fn expiry_time(expiry_secs: Option<u32>, now_ms: u64) -> u64 {
    expiry_secs.map_or(u64::MAX, |secs| now_ms + u64::from(secs) * 1000)
}
