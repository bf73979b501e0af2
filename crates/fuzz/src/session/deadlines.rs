//! Timers beside a list that is searched for the first deadline.

use topicwire_session::{Armed, Timers};

use crate::input::Input;

/// Deadlines of a few owners, which lie in a list that is searched for the first.
#[derive(Default)]
pub(super) struct Deadlines {
    timers: Timers<u8>,
    armed: [Armed; 8],
    deadlines: [Option<u64>; 8],
    now_ms: u64,
}

impl Deadlines {
    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        let owner = input.byte() % 8;
        let at = usize::from(owner);
        match input.below(3) {
            0 => {
                let deadline_ms = self.now_ms + u64::from(input.byte());
                self.timers.arm(owner, &mut self.armed[at], deadline_ms);
                self.deadlines[at] = Some(deadline_ms);
            }
            1 => {
                self.timers.disarm(owner, &mut self.armed[at]);
                self.deadlines[at] = None;
            }
            _ => {
                self.now_ms += u64::from(input.byte());
                self.fire();
            }
        }
        self.check();
    }

    fn first(&self) -> Option<(u64, u8)> {
        (0..).zip(&self.deadlines).filter_map(|(owner, deadline)| Some(((*deadline)?, owner))).min()
    }

    fn fire(&mut self) {
        while let Some(owner) = self.timers.poll_due(self.now_ms) {
            assert_eq!(self.first().map(|(_, first)| first), Some(owner));
            Timers::<u8>::fired(&mut self.armed[usize::from(owner)]);
            self.deadlines[usize::from(owner)] = None;
        }
        assert!(self.first().is_none_or(|(deadline_ms, _)| deadline_ms > self.now_ms));
    }

    fn check(&self) {
        assert_eq!(self.timers.next_deadline_ms(), self.first().map(|(deadline_ms, _)| deadline_ms));
        assert_eq!(self.timers.len(), self.deadlines.iter().flatten().count());
        assert!(self.armed.iter().zip(&self.deadlines).all(|(armed, it)| armed.deadline_ms() == *it));
    }

    pub(super) fn run_out(mut self) {
        self.now_ms += 256;
        self.fire();
        assert!(self.timers.is_empty());
    }
}
