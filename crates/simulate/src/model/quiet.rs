//! When nothing is under way any more: is anything missing?

use std::rc::Rc;

use topicwire_store::MemoryStore;

use super::{Due, Model, Origin, Phase, Session, Verdict, violation};

impl Model {
    /// Everything has arrived and been answered, and everything is stored. What is still owed to somebody who is
    /// connected will never come.
    pub(crate) fn check_quiet(&mut self, now_ms: u64) -> Verdict {
        let present: Vec<_> = self.conns.iter().filter(|(_, conn)| conn.phase == Phase::In).collect();
        for (link, conn) in &present {
            if let Some((expected, _)) = conn.expected.first() {
                return violation(format!("connection {link} never got {expected:?}"));
            }
            if let Some(id) = conn.repeats.first() {
                return violation(format!("connection {link} never got PUBREL {id} again"));
            }
            let Some(session) = self.sessions.get(&conn.client_id) else {
                return violation(format!("connection {link} has no session"));
            };
            let is_given_up = |due: &Due| due.qos == 1 && (due.was_too_large || due.is_too_large(conn));
            if let Some((id, due)) = session.open.iter().find(|(_, due)| !is_given_up(due)) {
                return violation(format!("message {} as {id} is still open", due.message.number));
            }
            let owed = session.owed.iter().filter(|owed| !owed.may_be_over()).map(|owed| &owed.due);
            let missing = session
                .queue
                .iter()
                .chain(&conn.qos_0)
                .chain(owed)
                .find(|due| !due.is_excused(conn, now_ms) && !matches!(due.origin, Origin::Group(_)));
            if let Some(due) = missing {
                return violation(format!(
                    "message {} never came to {} at QoS {}, {:?}",
                    due.message.number, conn.client_id, due.qos, due.origin
                ));
            }
        }
        let links: Vec<_> = present.into_iter().map(|(link, _)| *link).collect();
        for link in links {
            self.forget_missing(link, now_ms);
        }
        for group in self.groups.values() {
            let is_repeated = self.is_repeated(group.number);
            if group.candidates.is_empty() && group.winner.is_none() && !group.is_excused && !is_repeated {
                return violation(format!("message {} of {} came to nobody", group.number, group.filter));
            }
        }
        Ok(())
    }

    /// What was rightly left out will not come any more.
    fn forget_missing(&mut self, link: usize, now_ms: u64) {
        let Some(conn) = self.conns.get_mut(&link) else { return };
        let client_id = Rc::clone(&conn.client_id);
        let Some(session) = self.sessions.get_mut(&client_id) else { return };
        session.owed.clear();
        session.open.clear();
        session.left_out.clear();
        let mut lost = Vec::new();
        let gone: Vec<_> =
            std::mem::take(&mut session.queue).into_iter().chain(conn.qos_0.drain(..)).collect();
        for due in gone {
            if let Origin::Group(group) = due.origin {
                lost.push((group, due.is_excused(conn, now_ms)));
            }
        }
        for (group, is_excused) in lost {
            self.lose_candidate(group, &client_id, is_excused);
        }
        self.no_longer_doubtful(&client_id);
    }

    /// The store has what it should have, no more and no less.
    pub(crate) fn check_store(&self, store: &MemoryStore) -> Verdict {
        let stored: Vec<_> = store.sessions().map(|(client_id, _)| client_id).collect();
        let durable = self.sessions.iter().filter(|(_, session)| session.is_stored);
        let expected: Vec<_> = durable.clone().map(|(client_id, _)| &**client_id).collect();
        if stored != expected {
            return violation(format!("the store has the sessions {stored:?} in place of {expected:?}"));
        }
        for (client_id, session) in durable {
            let Some(stored) = store.session(client_id) else { continue };
            let filters: Vec<_> = stored.subscriptions.keys().map(|filter| &**filter).collect();
            if !filters.iter().eq(session.subscriptions.keys()) {
                return violation(format!("the store has the subscriptions {filters:?} of {client_id}"));
            }
            let inbound: Vec<_> = stored.inbound.iter().map(|id| id.value()).collect();
            if !inbound.iter().eq(&session.inbound) {
                return violation(format!("the store has the identifiers {inbound:?} of {client_id}"));
            }
            if stored.will.is_some() != session.will.is_some() {
                return violation(format!("the store has the will of {client_id}, or has it not"));
            }
            let queued = stored.deliveries.values().filter(|delivery| !delivery.is_in_flight).count();
            if queued > self.setup.maximum_queued_messages as usize {
                return violation(format!("{queued} messages in the queue of {client_id}"));
            }
            let left = stored.deliveries.len() + stored.exchanges.len();
            if session.conn.is_some() && left > 0 {
                return violation(format!("{left} deliveries of {client_id} are left in the store"));
            }
        }
        let retained: Vec<_> = self.retained.keys().collect();
        let is_same = retained.len() == store.retained_count()
            && retained.iter().all(|topic_name| store.retained(topic_name).is_some());
        if is_same { Ok(()) } else { violation("the store has other retained messages") }
    }
}

impl Session {
    /// What it is owed, for a person.
    pub(super) fn describe(&self) -> String {
        let numbers = |dues: Vec<&Due>| -> Vec<String> {
            dues.iter()
                .map(|due| {
                    let flags = if due.retain { " retained" } else { "" };
                    format!("{} at {}{flags} {:?}", due.message.number, due.qos, due.subscription_ids)
                })
                .collect()
        };
        format!(
            "due are {:?}, open are {:?}, owed are {:?}",
            numbers(self.queue.iter().collect()),
            numbers(self.open.values().collect()),
            numbers(self.owed.iter().map(|owed| &owed.due).collect()),
        )
    }
}
