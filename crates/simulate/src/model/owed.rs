//! Retained messages that new subscriptions wait for: one copy may serve several that asked one after the other.
//!
//! What has left does not always say whom it served: a copy for two that asked at QoS 0 and at QoS 2 looks like one for
//! the second alone. And a copy at QoS 0 passes those before it that wait for the store. So each way to read what has
//! left is kept until what follows rules it out.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::state::{Asked, Owed};
use super::{Conn, Due, LinkId, Model};
use crate::packet::PublishGot;

impl Model {
    /// The retained message that this PUBLISH is.
    pub(super) fn take_owed(&mut self, link: LinkId, client_id: &Rc<str>, got: &PublishGot) -> Option<Due> {
        let (conn, session) = (self.conns.get(&link)?, self.sessions.get_mut(client_id)?);
        let fitting = session.owed.iter().enumerate().filter_map(|(at, owed)| {
            let readings = owed.readings_with(conn, got);
            (!readings.is_empty()).then_some((at, readings))
        });
        // The same message may have been retained twice: rather the one that has to come.
        let (at, readings) = fitting.min_by_key(|(at, _)| session.owed[*at].may_be_over())?;
        let owed = &mut session.owed[at];
        owed.readings = readings;
        let mut due = owed.due.clone();
        due.qos = got.qos;
        due.subscription_ids.clone_from(&got.subscription_ids);
        if owed.readings.iter().all(|served| !served.contains(&false)) {
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
    pub(super) fn new(due: Due, retained_uid: u64, asked: Asked) -> Self {
        Self { due, retained_uid, asked: vec![asked], readings: BTreeSet::from([vec![false]]) }
    }

    /// One more subscription asks.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.asked.push(asked);
        let readings = std::mem::take(&mut self.readings);
        self.readings = readings.into_iter().map(|served| [served, vec![false]].concat()).collect();
    }

    /// No copy has to come any more.
    pub(super) fn may_be_over(&self) -> bool {
        self.due.may_miss || self.readings.iter().any(|served| !served.contains(&false))
    }

    /// Each way to read what has left and then this PUBLISH; none where it is another message.
    fn readings_with(&self, conn: &Conn, got: &PublishGot) -> BTreeSet<Vec<bool>> {
        let message = &self.due.message;
        if *message.topic_name != *got.topic_name || message.payload != got.payload || !got.retain {
            return BTreeSet::new();
        }
        let serves = |run: &[Asked]| {
            let highest = run.iter().map(|(qos, _)| *qos).max().unwrap_or(0);
            let ids: BTreeSet<_> = run.iter().map(|(_, id)| *id).filter(|id| *id != 0).collect();
            highest.min(message.qos) == got.qos
                && (!conn.version.is_v5() || ids.iter().eq(&got.subscription_ids))
        };
        let count = self.asked.len();
        let runs = (0..count).flat_map(|start| (start + 1..=count).map(move |end| start..end));
        let runs: Vec<_> = runs.filter(|run| serves(&self.asked[run.clone()])).collect();
        let with = |served: &Vec<bool>, run: &std::ops::Range<usize>| {
            let mut with = served.clone();
            with[run.clone()].fill(true);
            with
        };
        let readings = self.readings.iter();
        readings
            .flat_map(|served| {
                let open = runs.iter().filter(|run| !served[(*run).clone()].contains(&true));
                open.map(move |run| with(served, run))
            })
            .collect()
    }
}
