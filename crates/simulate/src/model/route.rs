//! Where a message goes.

use std::collections::BTreeMap;
use std::rc::Rc;

use topicwire_broker::QueueFullPolicy;
use topicwire_codec::{PacketId, Publish, SubscriptionIds, Version};

use super::shared::in_doubt;
use super::state::{Due, Group, Origin, Owed, Retained, Subscription};
use super::{Conn, Model, Phase, Session};
use crate::packet::{Message, qos};
use crate::setup::Setup;

/// What became of a message.
#[derive(Debug, Default)]
pub(crate) struct Routed {
    /// Subscribers that it was for.
    pub(crate) matched: usize,
    /// Something that must survive a crash has changed.
    pub(crate) is_durable: bool,
    /// What is retained has changed.
    pub(crate) changes_retained: bool,
    /// It could not be retained.
    pub(crate) is_over_retained_limit: bool,
    /// Deliveries that the queue may have had no room for.
    pub(crate) maybe_full: Vec<(Rc<str>, u64)>,
}

/// What all matching subscriptions of a Session ask for together.
#[derive(Clone, Debug, Default)]
struct Merged {
    qos: u8,
    retain_as_published: bool,
    ids: Vec<u32>,
}

/// Section 4.7 in ten lines.
pub(crate) fn matches(filter: &str, topic_name: &str) -> bool {
    if topic_name.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (mut levels, mut names) = (filter.split('/'), topic_name.split('/'));
    loop {
        match (levels.next(), names.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

/// The filter of a shared subscription.
pub(super) fn shared_filter(filter: &str) -> Option<&str> {
    filter.strip_prefix("$share/")?.split_once('/').map(|(_, filter)| filter)
}

impl Merged {
    fn add(&mut self, subscription: Subscription) {
        self.qos = self.qos.max(subscription.qos);
        self.retain_as_published |= subscription.retain_as_published;
        self.ids.extend((subscription.id != 0).then_some(subscription.id));
        self.ids.sort_unstable();
    }
}

impl Due {
    /// The length of its PUBLISH, without a Topic Alias.
    pub(super) fn encoded_len(&self, version: Version) -> usize {
        let publish = self.message.publish(version);
        let mut publish = Publish { qos: qos(self.qos), ..publish };
        publish.packet_id = (self.qos > 0).then_some(PacketId::MIN);
        if version.is_v5() {
            publish.properties.subscription_ids = SubscriptionIds::from_slice(&self.subscription_ids);
        }
        publish.encoded_len(version)
    }

    pub(super) fn is_too_large(&self, conn: &Conn) -> bool {
        conn.maximum_packet_size != usize::MAX && self.encoded_len(conn.version) > conn.maximum_packet_size
    }

    /// There may be a reason why it never leaves.
    pub(super) fn is_excused(&self, conn: &Conn, now_ms: u64) -> bool {
        self.may_miss
            || self.may_be_full
            || self.was_too_large
            || self.expires_at_ms <= now_ms
            || self.is_too_large(conn)
    }
}

impl Model {
    /// The message goes to whoever has subscribed, and is retained where it says so.
    pub(super) fn route(&mut self, publisher: &Rc<str>, message: &Rc<Message>, expires_at_ms: u64) -> Routed {
        if !self.is_ticking {
            self.rank += 1;
        }
        self.routed.entry(message.number).or_default().push((Rc::clone(message), expires_at_ms));
        let mut routed = Routed::default();
        if message.retain {
            self.retain(message, expires_at_ms, &mut routed);
        }
        let mut plain: Vec<(Rc<str>, Merged)> = Vec::new();
        let mut shared: BTreeMap<&'static str, Vec<(Rc<str>, Merged)>> = BTreeMap::new();
        for (client_id, session) in &self.sessions {
            let mut merged: Option<Merged> = None;
            for (filter, subscription) in &session.subscriptions {
                match shared_filter(filter) {
                    Some(inner) if matches(inner, &message.topic_name) => {
                        let mut merged = Merged::default();
                        merged.add(*subscription);
                        shared.entry(filter).or_default().push((Rc::clone(client_id), merged));
                    }
                    Some(_) => {}
                    None if subscription.no_local && client_id == publisher => {}
                    None if matches(filter, &message.topic_name) => {
                        merged.get_or_insert_default().add(*subscription);
                    }
                    None => {}
                }
            }
            plain.extend(merged.map(|merged| (Rc::clone(client_id), merged)));
        }
        for (client_id, merged) in plain {
            routed.matched += 1;
            self.offer(&client_id, &merged, message, expires_at_ms, Origin::Plain, &mut routed);
        }
        for (filter, members) in shared {
            self.route_to_group(filter, members, message, expires_at_ms, &mut routed);
        }
        routed
    }

    /// One member gets it: one that is connected if there is any, else, above QoS 0, one whose Session keeps it.
    fn route_to_group(
        &mut self,
        filter: &'static str,
        members: Vec<(Rc<str>, Merged)>,
        message: &Rc<Message>,
        expires_at_ms: u64,
        routed: &mut Routed,
    ) {
        let is_present = |client_id: &Rc<str>| self.sessions[client_id].conn.is_some();
        let somebody_is_here = members.iter().any(|(client_id, _)| is_present(client_id)) && !self.is_ticking;
        let candidates: Vec<_> = members
            .into_iter()
            .filter(|(client_id, merged)| {
                is_present(client_id) || (!somebody_is_here && merged.qos.min(message.qos) > 0)
            })
            .collect();
        if candidates.is_empty() {
            return;
        }
        routed.matched += 1;
        let uid = self.next_uid();
        let names = candidates.iter().map(|(client_id, _)| Rc::clone(client_id)).collect();
        let group = Group {
            filter,
            number: message.number,
            members: Vec::new(),
            candidates: names,
            winner: None,
            doubtful: Vec::new(),
            is_settled: false,
            // What ends or leaves at the same time may or may not have been asked before.
            is_excused: self.is_ticking,
        };
        self.groups.insert(uid, group);
        for (client_id, merged) in candidates {
            self.offer(&client_id, &merged, message, expires_at_ms, Origin::Group(uid), routed);
        }
    }

    fn offer(
        &mut self,
        client_id: &Rc<str>,
        merged: &Merged,
        message: &Rc<Message>,
        expires_at_ms: u64,
        origin: Origin,
        routed: &mut Routed,
    ) {
        let uid = self.next_uid();
        let Some(session) = self.sessions.get_mut(client_id) else { return };
        let conn = session.conn.and_then(|conn| self.conns.get_mut(&conn));
        let qos = merged.qos.min(message.qos);
        let mut due = Due {
            uid,
            rank: self.rank,
            message: Rc::clone(message),
            qos,
            retain: message.retain && merged.retain_as_published,
            subscription_ids: merged.ids.clone(),
            expires_at_ms,
            origin,
            shared_filter: "",
            may_miss: false,
            has_left: false,
            may_be_full: false,
            was_too_large: false,
            routed_on: session.conn,
            may_be_earlier: false,
            is_released: false,
            has_unknown_properties: false,
            batch: 0,
        };
        if let Some(conn) = &conn {
            due.was_too_large = due.is_too_large(conn);
        }
        if let Origin::Group(group) = origin
            && let Some(group) = self.groups.get_mut(&group)
        {
            due.shared_filter = group.filter;
            group.members.push((Rc::clone(client_id), due.clone()));
        }
        if qos == 0 {
            let Some(conn) = conn else { return };
            // Before CONNACK its client is not there yet.
            due.may_miss = !conn.connack_has_left || !self.setup.has_large_out_buffers();
            conn.qos_0.push(due);
            return;
        }
        let doubtful: Vec<_> = in_doubt(&self.groups, client_id).collect();
        due.may_be_full = is_full(session, &doubtful, message, &self.setup, self.is_ticking);
        if due.may_be_full {
            routed.maybe_full.push((Rc::clone(client_id), uid));
            if self.setup.queue_full_policy == QueueFullPolicy::DropOldest {
                for older in &mut session.queue {
                    older.may_be_full = true;
                }
            }
        }
        if session.is_stored {
            due.batch = self.batch;
            // Of a shared subscription's members it may be another one that gets it.
            routed.is_durable |= origin == Origin::Plain && !due.may_be_full && !due.was_too_large;
        }
        session.queue.push(due);
    }

    /// Makes it the retained message of its topic, or with an empty payload removes that.
    fn retain(&mut self, message: &Rc<Message>, expires_at_ms: u64, routed: &mut Routed) {
        if message.payload.is_empty() {
            if let Some(old) = self.retained.remove(&message.topic_name) {
                self.no_longer_retained(old.uid);
                routed.changes_retained = true;
            }
            return;
        }
        let is_one_more = !self.retained.contains_key(&message.topic_name);
        if is_one_more && self.retained.len() >= self.setup.maximum_retained_messages as usize {
            routed.is_over_retained_limit = true;
            return;
        }
        let uid = self.next_uid();
        let retained = Retained { uid, message: Rc::clone(message), expires_at_ms };
        if let Some(old) = self.retained.insert(Rc::clone(&message.topic_name), retained) {
            self.no_longer_retained(old.uid);
        }
        routed.changes_retained = true;
    }

    /// Whoever is still owed it may or may not have been sent it.
    pub(super) fn no_longer_retained(&mut self, retained_uid: u64) {
        for session in self.sessions.values_mut() {
            for owed in &mut session.owed {
                owed.due.may_miss |= owed.retained_uid == retained_uid;
            }
        }
    }

    pub(super) fn expire_retained(&mut self, now_ms: u64) {
        let is_gone = |retained: &&Retained| retained.expires_at_ms <= now_ms;
        let gone: Vec<_> = self.retained.values().filter(is_gone).map(|retained| retained.uid).collect();
        self.retained.retain(|_, retained| retained.expires_at_ms > now_ms);
        for uid in gone {
            self.no_longer_retained(uid);
        }
    }

    /// A new subscription is sent what is retained.
    pub(super) fn owe_retained(
        &mut self,
        client_id: &Rc<str>,
        filter: &str,
        (qos, id): (u8, u32),
        now_ms: u64,
    ) {
        let matching: Vec<_> = self
            .retained
            .values()
            .filter(|retained| {
                matches(filter, &retained.message.topic_name) && retained.expires_at_ms > now_ms
            })
            .cloned()
            .collect();
        for Retained { uid: retained_uid, message, expires_at_ms } in matching {
            let uid = self.next_uid();
            let Some(session) = self.sessions.get_mut(client_id) else { return };
            let conn = session.conn.and_then(|conn| self.conns.get(&conn));
            let note_size =
                |due: &mut Due| due.was_too_large |= conn.is_some_and(|conn| due.is_too_large(conn));
            if let Some(waiting) = session.owed.iter_mut().find(|owed| owed.retained_uid == retained_uid) {
                waiting.ask((qos, id));
                waiting.due.subscription_ids.extend((id != 0).then_some(id));
                note_size(&mut waiting.due);
                continue;
            }
            let mut due = Due {
                uid,
                rank: 0,
                message,
                qos,
                retain: true,
                // Until it leaves, all it can have: what counts is how large that makes it.
                subscription_ids: (id != 0).then_some(id).into_iter().collect(),
                expires_at_ms,
                origin: Origin::Retained,
                shared_filter: "",
                may_miss: conn.is_none_or(|conn| conn.phase != Phase::In),
                has_left: false,
                may_be_full: false,
                was_too_large: false,
                routed_on: session.conn,
                may_be_earlier: false,
                is_released: false,
                has_unknown_properties: false,
                batch: 0,
            };
            note_size(&mut due);
            session.owed.push(Owed::new(due, retained_uid, (qos, id)));
        }
    }

    /// One of a shared subscription's candidates cannot get the message any more.
    pub(super) fn lose_candidate(&mut self, group: u64, client_id: &Rc<str>, is_excused: bool) {
        let Some(group) = self.groups.get_mut(&group) else { return };
        group.candidates.retain(|candidate| candidate != client_id);
        group.is_excused |= is_excused;
    }
}

/// True where the broker's queue for this Session may have no room. What has not been seen to leave may or may not be
/// in that queue, like what is `doubtful`, so this errs towards true.
fn is_full(session: &Session, doubtful: &[&Due], message: &Message, setup: &Setup, is_ticking: bool) -> bool {
    /// More than the broker counts for a message beside its payload and topic.
    const OVERHEAD_BYTES: usize = 200;
    let bytes_of = |message: &Message| message.payload.len() + message.topic_name.len() + OVERHEAD_BYTES;
    // Of several Wills that are published in one tick any may come last.
    let waiting = || session.queue.iter().chain(doubtful.iter().copied());
    let count = waiting().count() + if is_ticking { 8 } else { 0 };
    let bytes: usize = waiting().map(|due| bytes_of(&due.message)).sum();
    count >= setup.maximum_queued_messages as usize
        || (count > 0 && (bytes + bytes_of(message)) as u64 > setup.maximum_queued_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matcher_is_section_4_7() {
        for (filter, topic_name, is_match) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("+", "a/b", false),
            ("+/+", "/", true),
            ("/+", "/", true),
            ("#", "$own/x", false),
            ("+/x", "$own/x", false),
            ("$own/#", "$own/x", true),
            ("a/+/c", "a/b/c", true),
            ("a/+", "a", false),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(matches(filter, topic_name), is_match, "{filter} {topic_name}");
        }
    }
}
