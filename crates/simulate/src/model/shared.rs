//! Shared subscriptions: one member gets each message, and only what is seen says which.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Due, Group, LinkId, Model, Origin, Verdict, Written, violation};
use crate::packet::PublishGot;

impl Model {
    /// A member of a shared subscription has been sent the message: no other one may be. Where its publisher has sent it
    /// again it is in doubt which of the two it was.
    pub(super) fn won_by(&mut self, id: u64, client_id: &Rc<str>, due: &Due) -> Verdict {
        let is_repeated = self.is_repeated(due.message.number);
        let winner = self.groups.get(&id).and_then(|group| group.winner.as_ref());
        if let Some(winner) = winner.filter(|winner| *winner != client_id)
            && !is_repeated
        {
            return violation(format!(
                "message {} of {} to {client_id}, and to {winner} before",
                due.message.number, due.shared_filter
            ));
        }
        self.give(id, client_id, !is_repeated);
        Ok(())
    }

    /// The message is this member's.
    fn give(&mut self, id: u64, client_id: &Rc<str>, is_sure: bool) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.winner = Some(Rc::clone(client_id));
        group.is_settled = false;
        let candidates = std::mem::take(&mut group.candidates);
        if is_sure {
            group.doubtful.clear();
        } else if !candidates.is_empty() {
            group.doubtful.clone_from(&candidates);
        }
        let is_other = |due: &Due| due.origin != Origin::Group(id);
        for candidate in candidates {
            let Some(session) = self.sessions.get_mut(&candidate) else { continue };
            session.queue.retain(is_other);
            if let Some(conn) = session.conn.and_then(|conn| self.conns.get_mut(&conn)) {
                conn.qos_0.retain(is_other);
            }
        }
    }

    /// After a crash: who was seen to get a message has it, and nobody else. Where that is in doubt all of those may have
    /// it, whatever was seen.
    pub(super) fn remember_winners(&mut self) {
        for (client_id, session) in &mut self.sessions {
            let is_another = |group: &Group| {
                group.winner.as_ref().is_some_and(|winner| winner != client_id)
                    && !group.doubtful.contains(client_id)
            };
            session.queue.retain(
                |due| !matches!(due.origin, Origin::Group(id) if self.groups.get(&id).is_some_and(is_another)),
            );
        }
        for (id, group) in &mut self.groups {
            let winner = group.winner.iter().filter(|_| !group.is_settled);
            for client_id in group.doubtful.iter().chain(winner) {
                let (Some(due), Some(session)) = (group.due_of(client_id), self.sessions.get_mut(client_id))
                else {
                    continue;
                };
                let mut all = session.queue.iter().chain(session.open.values());
                if due.qos > 0 && !all.any(|it| it.origin == Origin::Group(*id)) {
                    let at = session.queue.partition_point(|before| before.rank <= due.rank);
                    let has_left = !group.doubtful.contains(client_id);
                    session.queue.insert(at, Due { may_miss: true, has_left, ..due.clone() });
                }
            }
            if !group.doubtful.is_empty() {
                group.winner = None;
                group.candidates.clone_from(&group.doubtful);
            }
        }
    }

    /// This client has nothing in a queue any more.
    pub(super) fn no_longer_doubtful(&mut self, client_id: &Rc<str>) {
        for group in self.groups.values_mut() {
            group.doubtful.retain(|doubtful| doubtful != client_id);
            group.is_settled |= group.winner.as_ref() == Some(client_id);
        }
    }

    /// A message that seemed to be another member's, where its publisher has sent it again: nobody can tell which of the
    /// two has come.
    pub(super) fn take_shared(
        &self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Option<Due> {
        let conn = self.conns.get(&link)?;
        let repeated = self.groups.values().filter(|group| self.is_repeated(group.number));
        let others = repeated.filter(|group| group.winner.as_ref().is_some_and(|winner| winner != client_id));
        let mut fitting =
            others.filter_map(|group| group.due_of(client_id)).filter(|due| due.fits(conn, got, written));
        fitting.next_back().cloned()
    }
}

/// What seemed to be another member's, and may be in this one's queue all the same.
pub(super) fn in_doubt<'a>(
    groups: &'a BTreeMap<u64, Group>,
    client_id: &'a Rc<str>,
) -> impl Iterator<Item = &'a Due> {
    let groups = groups
        .values()
        .filter(move |group| group.doubtful.contains(client_id) && group.winner.as_ref() != Some(client_id));
    groups.filter_map(move |group| group.due_of(client_id))
}

impl Group {
    /// How it would be for this member.
    pub(super) fn due_of(&self, client_id: &Rc<str>) -> Option<&Due> {
        self.members.iter().find(|(member, _)| member == client_id).map(|(_, due)| due)
    }
}
