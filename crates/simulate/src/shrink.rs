//! From an episode that fails to the shortest one that can be found.

use crate::explore::{Episode, Failure, run};
use crate::op::Op;
use crate::setup::Setup;

/// Leaves out whatever is not needed for a failure, and simplifies the rest. Any failure will do: a smaller one of
/// another kind is as good a beginning.
pub(crate) fn shrink(episode: Episode, failure: Failure) -> (Episode, Failure) {
    let mut shortest = Shortest { episode, failure };
    shortest.episode.ops.truncate(shortest.failure.step);
    loop {
        let before = shortest.episode.clone();
        shortest.leave_out();
        shortest.simplify();
        shortest.plain_setup();
        if shortest.episode == before {
            return (shortest.episode, shortest.failure);
        }
    }
}

struct Shortest {
    episode: Episode,
    failure: Failure,
}

impl Shortest {
    /// Takes the candidate if it fails as well.
    fn offer(&mut self, setup: Setup, ops: Vec<Op>) -> bool {
        let mut candidate = Episode { setup, ops };
        match run(&candidate) {
            Ok(_) => false,
            Err(failure) => {
                candidate.ops.truncate(failure.step);
                (self.episode, self.failure) = (candidate, failure);
                true
            }
        }
    }

    /// Leaves out stretches of operations, long ones first.
    fn leave_out(&mut self) {
        let mut length = self.episode.ops.len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < self.episode.ops.len() {
                let mut ops = self.episode.ops.clone();
                ops.drain(at..(at + length).min(ops.len()));
                if !self.offer(self.episode.setup.clone(), ops) {
                    at += length;
                }
            }
            length /= 2;
        }
    }

    /// Puts something simpler in the place of each operation.
    fn simplify(&mut self) {
        let mut at = 0;
        while at < self.episode.ops.len() {
            let mut was_simplified = false;
            for simpler in self.episode.ops[at].simpler() {
                let mut ops = self.episode.ops.clone();
                ops[at] = simpler;
                if self.offer(self.episode.setup.clone(), ops) {
                    was_simplified = true;
                    break;
                }
            }
            if !was_simplified {
                at += 1;
            }
        }
    }

    /// Leaves out what is special about the setup.
    fn plain_setup(&mut self) {
        let plain = Setup { clients: self.episode.setup.clients, ..Setup::default() };
        let with: [fn(&mut Setup, &Setup); 8] = [
            |setup, plain| *setup = plain.clone(),
            |setup, plain| (setup.durable, setup.commits_at_once) = (plain.durable, plain.commits_at_once),
            |setup, plain| setup.commits_at_once = plain.commits_at_once,
            |setup, plain| (setup.arena_bytes, setup.apart_bytes) = (plain.arena_bytes, plain.apart_bytes),
            |setup, plain| setup.queue_window_messages = plain.queue_window_messages,
            |setup, plain| {
                setup.receive_maximum = plain.receive_maximum;
                setup.maximum_inflight_messages = plain.maximum_inflight_messages;
                setup.topic_alias_maximum = plain.topic_alias_maximum;
            },
            |setup, plain| {
                setup.maximum_queued_messages = plain.maximum_queued_messages;
                setup.maximum_queued_bytes = plain.maximum_queued_bytes;
                setup.queue_full_policy = plain.queue_full_policy;
                setup.maximum_out_buffer_bytes = plain.maximum_out_buffer_bytes;
            },
            |setup, plain| {
                setup.maximum_subscriptions_per_session = plain.maximum_subscriptions_per_session;
                setup.maximum_retained_messages = plain.maximum_retained_messages;
                setup.maximum_sessions = plain.maximum_sessions;
                setup.maximum_connections = plain.maximum_connections;
                setup.session_expiry_interval_maximum_secs = plain.session_expiry_interval_maximum_secs;
            },
        ];
        for change in with {
            let mut setup = self.episode.setup.clone();
            change(&mut setup, &plain);
            if setup != self.episode.setup {
                self.offer(setup, self.episode.ops.clone());
            }
        }
    }
}
