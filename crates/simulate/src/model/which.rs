//! Which delivery is it that leaves? What tells messages apart is how they look.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Conn, Due, Origin, Verdict, Written, violation};
use crate::packet::{Message, PublishGot};

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
    pub(super) fn check_any(
        &self,
        routed: &Routed,
        conn: &Conn,
        got: &PublishGot,
        written: Written,
    ) -> Verdict {
        let times = routed.get(&self.message.number).filter(|times| times.len() > 1);
        let fits = times.into_iter().flatten().any(|(message, expires_at_ms)| {
            let of_then = Self { message: Rc::clone(message), expires_at_ms: *expires_at_ms, ..self.clone() };
            of_then.check(conn, got, written).is_ok()
        });
        if fits { Ok(()) } else { self.check(conn, got, written) }
    }

    /// It leaves for the first time: in time, and with the right properties. What is retained is what was published last,
    /// and of a message that was published again nobody can tell which of the two that was.
    pub(super) fn check_first(
        &self,
        routed: &Routed,
        conn: &Conn,
        got: &PublishGot,
        written: Written,
    ) -> Verdict {
        let is_retained = self.origin == Origin::Retained;
        let times = routed.get(&self.message.number).filter(|_| is_retained);
        let latest_ms = times.into_iter().flatten().map(|(_, expires_at_ms)| *expires_at_ms).max();
        if latest_ms.unwrap_or(self.expires_at_ms) <= written.not_before_ms && !got.dup {
            return violation(format!("message {} has expired", self.message.number));
        }
        if is_retained { self.check_any(routed, conn, got, written) } else { self.check(conn, got, written) }
    }

    /// The properties are what they should be.
    pub(super) fn check(&self, conn: &Conn, got: &PublishGot, written: Written) -> Verdict {
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
pub(super) type Routed = HashMap<u32, Vec<(Rc<Message>, u64)>>;

/// How a delivery is looked for among those that wait.
pub(super) type Find = fn(&[Due], &Conn, &PublishGot, Written) -> Option<usize>;

/// The delivery that a PUBLISH is. A message that was published twice is there twice, perhaps with another expiry.
pub(super) fn find_fitting(
    waiting: &[Due],
    conn: &Conn,
    got: &PublishGot,
    written: Written,
) -> Option<usize> {
    let find =
        |has_left| waiting.iter().position(|due| due.has_left == has_left && due.fits(conn, got, written));
    find(false).or_else(|| find(true).filter(|_| got.dup))
}

/// One that does not fit in all, where nothing else does: to say what is wrong.
pub(super) fn find_same(waiting: &[Due], conn: &Conn, got: &PublishGot, _: Written) -> Option<usize> {
    waiting.iter().position(|due| due.is_same(conn, got))
}

/// What was routed before this will not come after it. A message that was published again may be the one of either
/// time, and says nothing about those between.
pub(super) fn rank_passed(due: &Due, routed: &Routed) -> u64 {
    let is_repeated = routed.get(&due.message.number).is_some_and(|times| times.len() > 1);
    if is_repeated { 0 } else { due.rank }
}

/// Takes a delivery out of those that wait, and with it all that was due before. Where it might rightly have been
/// missing, or another's, what has come may as well be one that looks the same: the same message that was published once
/// more, or another one without a payload, which is all that tells messages apart. Then that may be missing.
pub(super) fn take(waiting: &mut Vec<Due>, (at, rank): (usize, u64), conn: &Conn, now_ms: u64) -> Due {
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
