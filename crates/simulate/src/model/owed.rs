//! Retained messages that new subscriptions wait for: one copy may serve several that asked.

use std::rc::Rc;

use super::state::Owed;
use super::{Conn, Due, LinkId, Model};
use crate::packet::PublishGot;

impl Model {
    /// The retained message that this PUBLISH is.
    pub(super) fn take_owed(&mut self, link: LinkId, client_id: &Rc<str>, got: &PublishGot) -> Option<Due> {
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
