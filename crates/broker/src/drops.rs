//! Messages that a Session does not get: counted at once, told at intervals.
//!
//! A subscriber that never reads drops something in every turn of the host. An event for each turn would make the
//! others pay for it, so the host hears at most once in [`REPORT_INTERVAL_MS`] of each Session, with the sum.

use std::sync::Arc;

use topicwire_session::{Armed, Timers};

use crate::broker::{Broker, SessionKey, TimerKey};
use crate::deliver::Offer;
use crate::event::Event;
use crate::metrics::DropReason;
use crate::session::Session;

/// The time between two reports.
const REPORT_INTERVAL_MS: u64 = 1_000;

/// Who has something to report, and when.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    sessions: Vec<SessionKey>,
    timer: Armed,
    /// Not before this time.
    next_report_ms: u64,
}

impl Broker {
    /// Counts a message that a Session does not get, and sees to it that it is said.
    #[cold]
    pub(crate) fn drop_for(&mut self, session_key: SessionKey, reason: DropReason) -> Offer {
        self.metrics.drop_message(reason);
        let Some(session) = self.sessions.get_mut(session_key.index()) else { return Offer::Settled };
        if session.drops == 0 {
            self.drops.sessions.push(session_key);
            self.timers.arm(TimerKey::Drops, &mut self.drops.timer, self.drops.next_report_ms);
        }
        session.drops += 1;
        session.dropped_count += 1;
        session.last_drop = reason;
        Offer::Settled
    }

    /// One event for each Session that has dropped something since the last report.
    pub(crate) fn drops_due(&mut self, now_ms: u64) {
        Timers::<TimerKey>::fired(&mut self.drops.timer);
        self.drops.next_report_ms = now_ms.saturating_add(REPORT_INTERVAL_MS);
        for key in std::mem::take(&mut self.drops.sessions) {
            if let Some(session) = self.sessions.get_mut(key.index()) {
                self.events.extend(report(session));
            }
        }
    }

    /// A Session that ends does not take what it has dropped with it.
    pub(crate) fn report_last_drops(&mut self, key: SessionKey, session: &mut Session) {
        if let Some(event) = report(session) {
            self.drops.sessions.retain(|other| *other != key);
            if self.drops.sessions.is_empty() {
                self.timers.disarm(TimerKey::Drops, &mut self.drops.timer);
            }
            self.events.push_back(event);
        }
    }
}

fn report(session: &mut Session) -> Option<Event> {
    let count = std::mem::take(&mut session.drops);
    let client_id = &session.client_id;
    (count > 0).then(|| Event::Dropped { client_id: Arc::clone(client_id), count, reason: session.last_drop })
}
