//! Shared subscriptions: one member gets each message, and only what is seen says which.

use std::rc::Rc;

use super::{Due, LinkId, Model, Origin, Verdict, violation};
use crate::packet::PublishGot;

impl Model {
    /// A member of a shared subscription has been sent the message: no other one may be.
    pub(super) fn won_by(&mut self, id: u64, client_id: &Rc<str>, due: &Due) -> Verdict {
        // Where the member waits for the same message from another shared subscription, this may have been that one.
        let other = self.pending(client_id).find(|other| other.origin != due.origin && other.is_twin(due));
        let other = other.map(|other| other.origin);
        if let Some(Origin::Group(other)) = other {
            for group in [id, other] {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.is_excused = true;
                }
            }
        }
        let Some(group) = self.groups.get_mut(&id) else { return Ok(()) };
        if let Some(winner) = &group.winner
            && winner != client_id
        {
            return violation(format!(
                "message {} of {} to {client_id}, and to {winner} before",
                group.number, group.filter
            ));
        }
        self.give(id, client_id);
        Ok(())
    }

    /// The message is this member's.
    fn give(&mut self, id: u64, client_id: &Rc<str>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.winner = Some(Rc::clone(client_id));
        let candidates = std::mem::take(&mut group.candidates);
        let is_other = |due: &Due| due.origin != Origin::Group(id);
        for candidate in candidates {
            let Some(session) = self.sessions.get_mut(&candidate) else { continue };
            session.queue.retain(is_other);
            if let Some(conn) = session.conn.and_then(|conn| self.conns.get_mut(&conn)) {
                conn.qos_0.retain(is_other);
            }
        }
    }

    /// What a client may still be sent.
    fn pending(&self, client_id: &Rc<str>) -> impl Iterator<Item = &Due> {
        let session = self.sessions.get(client_id);
        let conn = session.and_then(|session| session.conn).and_then(|conn| self.conns.get(&conn));
        let queue = session.map(|session| &session.queue).into_iter().flatten();
        queue.chain(conn.map(|conn| &conn.qos_0).into_iter().flatten())
    }

    /// A message that seemed to be another member's, where that one has been sent a twin of it from another shared
    /// subscription.
    pub(super) fn take_shared(&mut self, link: LinkId, client_id: &Rc<str>, got: &PublishGot) -> Option<Due> {
        let conn = self.conns.get(&link)?;
        let (id, due, other, winner) = self.groups.iter().find_map(|(id, group)| {
            let mut members = group.members.iter();
            let (_, due) = members.find(|(member, due)| member == client_id && due.is_same(conn, got))?;
            let winner = group.winner.as_ref().filter(|winner| *winner != client_id)?;
            Some((*id, due.clone(), self.twin_of(*id, winner)?, Rc::clone(winner)))
        })?;
        self.give(other, &winner);
        self.groups.get_mut(&id)?.winner = None;
        Some(due)
    }

    /// Another shared subscription from which this member may have got what it was thought to have from the first.
    fn twin_of(&self, id: u64, member: &Rc<str>) -> Option<u64> {
        let due_in = |group: u64| {
            self.groups.get(&group)?.members.iter().find(|(name, _)| name == member).map(|(_, due)| due)
        };
        let first = due_in(id)?;
        let others = self.groups.iter().filter(|(other, group)| **other != id && group.winner.is_none());
        others.map(|(other, _)| *other).find(|other| due_in(*other).is_some_and(|due| due.is_twin(first)))
    }
}

impl Due {
    /// The same message to the same client in the same form; identifiers do not count, as 3.1.1 leaves them out.
    fn is_twin(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.message, &other.message)
            && (self.rank, self.qos, self.retain) == (other.rank, other.qos, other.retain)
    }
}
