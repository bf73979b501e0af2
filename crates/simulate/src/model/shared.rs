//! Shared subscriptions: one member gets each message, and only what is seen says which.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Due, Group, LinkId, Model, Origin, Verdict, Written, violation};
use crate::packet::PublishGot;

impl Model {
    /// A member of a shared subscription has been sent the message: no other one may be.
    pub(super) fn won_by(&mut self, id: u64, client_id: &Rc<str>, due: &Due) -> Verdict {
        // Where the member waits for the same message from another shared subscription, this may have been that one.
        let has_ids = self.is_sent_ids(client_id);
        let is_twin = |other: &&Due| other.origin != due.origin && other.is_twin(due, has_ids);
        let twins: Vec<_> = self.pending(client_id).filter(is_twin).map(|twin| twin.origin).collect();
        let may_be_twin = in_doubt(&self.groups, client_id).any(|other| is_twin(&other));
        let is_sure = twins.is_empty() && !may_be_twin && !self.is_repeated(due.message.number);
        for twin in twins {
            if let Origin::Group(other) = twin {
                self.excuse(id);
                self.excuse(other);
            }
        }
        let winner = self.groups.get(&id).and_then(|group| group.winner.clone());
        if let Some(winner) = winner.filter(|winner| winner != client_id)
            && !self.is_repeated(due.message.number)
            && !self.find_another_for_winner(id, &mut vec![id])
        {
            return violation(format!(
                "message {} of {} to {client_id}, and to {winner} before",
                due.message.number, due.shared_filter
            ));
        }
        self.give(id, client_id, is_sure);
        Ok(())
    }

    /// Nobody may have got it as far as can be seen.
    pub(super) fn excuse(&mut self, id: u64) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.is_excused = true;
        }
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

    /// Subscription Identifiers tell its messages apart; 3.1.1 has none.
    fn is_sent_ids(&self, client_id: &Rc<str>) -> bool {
        let conn = self.sessions.get(client_id).and_then(|session| session.conn);
        conn.and_then(|conn| self.conns.get(&conn)).is_some_and(|conn| conn.version.is_v5())
    }

    /// What a client may still be sent.
    fn pending(&self, client_id: &Rc<str>) -> impl Iterator<Item = &Due> {
        let session = self.sessions.get(client_id);
        let conn = session.and_then(|session| session.conn).and_then(|conn| self.conns.get(&conn));
        let queue = session.map(|session| &session.queue).into_iter().flatten();
        queue.chain(conn.map(|conn| &conn.qos_0).into_iter().flatten())
    }

    /// A message that seemed to be another member's, where that one may have got it from another shared subscription.
    pub(super) fn take_shared(
        &mut self,
        link: LinkId,
        client_id: &Rc<str>,
        got: &PublishGot,
        written: Written,
    ) -> Option<Due> {
        let conn = self.conns.get(&link)?;
        let won =
            self.groups.iter().filter(|(_, group)| group.winner.as_ref().is_some_and(|it| it != client_id));
        let seeming: Vec<_> = won
            .filter_map(|(id, group)| Some((*id, group.due_of(client_id)?.clone())))
            .filter(|(_, due)| due.fits(conn, got, written))
            .collect();
        // Of a message that was published again nobody can tell which of the two it is.
        let number = seeming.first()?.1.message.number;
        if self.is_repeated(number) {
            return seeming.into_iter().next_back().map(|(_, due)| due);
        }
        let (id, due) =
            seeming.into_iter().find(|(id, _)| self.find_another_for_winner(*id, &mut vec![*id]))?;
        self.groups.get_mut(&id)?.winner = Some(Rc::clone(client_id));
        Some(due)
    }

    /// Makes the winner of a message the winner of a twin of it from another shared subscription, whose own winner is
    /// then found another in the same way.
    fn find_another_for_winner(&mut self, id: u64, seen: &mut Vec<u64>) -> bool {
        let Some(winner) = self.groups.get(&id).and_then(|group| group.winner.clone()) else { return false };
        let Some(due) = self.groups.get(&id).and_then(|group| group.due_of(&winner)).cloned() else {
            return false;
        };
        let has_ids = self.is_sent_ids(&winner);
        let is_twin = |group: &Group| group.due_of(&winner).is_some_and(|it| it.is_twin(&due, has_ids));
        let others: Vec<_> = self
            .groups
            .iter()
            .filter(|(other, group)| !seen.contains(other) && is_twin(group))
            .map(|(other, group)| (*other, group.winner.is_none()))
            .collect();
        for (other, is_free) in others {
            seen.push(other);
            if is_free || self.find_another_for_winner(other, seen) {
                self.give(other, &winner, false);
                return true;
            }
        }
        false
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

impl Due {
    /// The same message to the same client in the same form.
    fn is_twin(&self, other: &Self, has_ids: bool) -> bool {
        Rc::ptr_eq(&self.message, &other.message)
            && (self.rank, self.qos, self.retain) == (other.rank, other.qos, other.retain)
            && (!has_ids || self.subscription_ids == other.subscription_ids)
    }
}
