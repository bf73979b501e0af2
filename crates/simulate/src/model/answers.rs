//! The answers that a connection is owed: CONNACK, acknowledgements, SUBACK, UNSUBACK and PINGRESP.

use super::shared::in_doubt;
use super::{Conn, Due, Expected, LinkId, Model, Origin, Safe, Verdict, violation};
use crate::packet::ConnackGot;

use topicwire_codec::{PacketType, ReasonCode};

impl Model {
    pub(super) fn sent_connack(&mut self, link: LinkId, got: &ConnackGot) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let Some((expected @ Expected::Connack { session_present, refusal, expiry_secs }, _)) =
            conn.expected.first().cloned()
        else {
            return violation("CONNACK that nobody waits for");
        };
        match refusal {
            Some(refusal) => {
                let is_right = if conn.version.is_v5() { got.reason_code == refusal } else { true };
                if !is_right || !got.reason_code.is_error() || got.session_present {
                    return violation(format!("{got:?} where a refusal with {refusal} is due"));
                }
            }
            None => {
                let is_right =
                    got.reason_code == ReasonCode::Success && got.session_present == session_present;
                if !is_right {
                    return violation(format!(
                        "{got:?} where Success with Session Present {session_present} is due"
                    ));
                }
                if conn.version.is_v5() && got.expiry_secs.unwrap_or(conn.asked_expiry_secs) != expiry_secs {
                    return violation(format!("{got:?} where an expiry of {expiry_secs} s is due"));
                }
            }
        }
        self.answered(link, &expected)?;
        if let Some(conn) = self.conns.get_mut(&link) {
            conn.connack_has_left = true;
        }
        Ok(())
    }

    /// An answer leaves: the first of its kind that is due, and only when what it promises is stored.
    pub(super) fn answered(&mut self, link: LinkId, answer: &Expected) -> Verdict {
        let Some(conn) = self.conns.get_mut(&link) else { return Ok(()) };
        let Some(at) = conn.first_of_kind(answer) else {
            return violation(format!("{answer:?} answers nothing"));
        };
        let (expected, Safe { batch, message }) = conn.expected[at].clone();
        if !expected.allows(answer) {
            return violation(format!("{answer:?} where {expected:?} is due"));
        }
        conn.expected.remove(at);
        if batch > self.told && !message.is_some_and(|number| self.is_over(number)) {
            return violation(format!("{answer:?} before batch {batch} is stored ({} is)", self.told));
        }
        Ok(())
    }

    /// Whether no stored Session still has to be sent this message, or to acknowledge it.
    fn is_over(&self, number: u32) -> bool {
        let is_left = |due: &Due| {
            due.message.number == number
                && !due.may_be_full
                && !due.was_too_large
                && due.expires_at_ms == u64::MAX
        };
        self.sessions.values().filter(|session| session.is_stored).all(|session| {
            !session.queue.iter().any(|due| due.origin == Origin::Plain && is_left(due))
                && !session.open.values().any(is_left)
        })
    }

    /// A QoS 2 message that the client does not accept any more is given up with PUBREL, so that its identifier means
    /// nothing to either side. The message may never have been seen to leave.
    pub(super) fn releases_unsent(&mut self, link: LinkId, id: u16) -> bool {
        let Some(conn) = self.conns.get(&link) else { return false };
        let Some(session) = self.sessions.get_mut(&conn.client_id) else { return false };
        if let Some(due) = session.open.get_mut(&id) {
            return due.qos == 2 && due.was_too_large && !std::mem::replace(&mut due.is_released, true);
        }
        let in_queue = session.queue.iter().position(|due| due.qos == 2 && due.was_too_large);
        let owed =
            session.owed.iter().map(|owed| &owed.due).find(|due| due.message.qos == 2 && due.was_too_large);
        // Rather what is owed than what is in the queue: that of the two stays where it is, and may come or not.
        let due = session.left_out.pop().or_else(|| owed.cloned());
        let due = due.or_else(|| in_queue.map(|at| session.queue.remove(at)));
        let mut doubtful = in_doubt(&self.groups, &conn.client_id);
        let due = due.or_else(|| doubtful.find(|due| due.qos == 2 && due.is_too_large(conn)).cloned());
        match due {
            Some(due) => session.open.insert(id, Due { is_released: true, ..due }).is_none(),
            None => false,
        }
    }
}

impl Conn {
    fn first_of_kind(&self, answer: &Expected) -> Option<usize> {
        self.expected.iter().position(|(expected, _)| match (expected, answer) {
            (Expected::Ack { kind, .. }, Expected::Ack { kind: answered, .. }) => kind == answered,
            _ => std::mem::discriminant(expected) == std::mem::discriminant(answer),
        })
    }

    pub(super) fn expects(&self, answer: &Expected) -> bool {
        self.first_of_kind(answer).is_some_and(|at| self.expected[at].0.allows(answer))
    }
}

impl Expected {
    fn allows(&self, answer: &Self) -> bool {
        // A PUBREL that is repeated may be answered as it was the first time.
        let not_found = ReasonCode::PacketIdentifierNotFound;
        match (self, answer) {
            (
                Self::Ack { kind: PacketType::Pubcomp, id, reason_code },
                Self::Ack { kind: PacketType::Pubcomp, id: answered, reason_code: ReasonCode::Success },
            ) if *reason_code == not_found => id == answered,
            _ => self == answer,
        }
    }
}
