//! Whether what somebody waits for is given to the store at once, or may still come to nothing.
//!
//! Where subscribers are there and quick, a message is acknowledged sooner than a disk has written it, and what is over
//! before a batch has taken it is never written. So it pays to wait a moment; but only then: a client that is away, or slow,
//! leaves everything to be written all the same. It is learnt from what has become of the last waits. As long as nobody waits,
//! a wait now and then finds out whether it would pay.

/// The longest wait. About what a disk takes that has to turn.
const LONGEST_MS: u64 = 4;
/// One of so many waits is tried.
const TRIALS: u32 = 16;
/// How much the last wait counts.
const WEIGHT: f64 = 0.25;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// The share of operations that was over before a batch has taken them.
    share: f64,
    /// Since when somebody waits.
    since_ms: Option<u64>,
    is_trial: bool,
    until_trial: u32,
    /// `Broker::ended_operations` when the last wait was over.
    ended: (u64, u64),
}

impl Patience {
    /// Somebody waits; true where he has waited long enough.
    pub(crate) fn is_over(&mut self, now_ms: u64) -> bool {
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        !self.is_patient() || now_ms >= since_ms.saturating_add(LONGEST_MS)
    }

    /// Until when it lasts.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.since_ms.map(|since_ms| since_ms.saturating_add(LONGEST_MS))
    }

    /// What was waited for first is over, and something else is the first.
    pub(crate) fn restart(&mut self) {
        self.since_ms = None;
    }

    /// The wait is over, with so many operations left to be written.
    pub(crate) fn learn(&mut self, ended: (u64, u64), left: usize) {
        self.since_ms = None;
        let unstored = ended.0 - self.ended.0;
        let stored = ended.1 - self.ended.1;
        self.ended = ended;
        let all = unstored as f64 + left as f64;
        if all == 0.0 {
            return;
        }
        let share = unstored as f64 / all;
        // Where nobody was patient, nothing is learnt from what had no time to be over.
        if self.is_patient() || share > self.share {
            self.share += WEIGHT * (share - self.share);
        }
        self.is_trial = false;
        // Without anybody who acknowledges there is nothing to try.
        if stored > 0 {
            self.until_trial = self.until_trial.checked_sub(1).unwrap_or(TRIALS);
            self.is_trial = self.until_trial == 0;
        }
    }

    fn is_patient(&self) -> bool {
        self.is_trial || self.share >= 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits of which each leaves what `left` says, where there was patience and where not.
    fn waits(patience: &mut Patience, count: usize, left: impl Fn(bool) -> (u64, u64, usize)) -> usize {
        let (mut patient, mut ended) = (0, patience.ended);
        for _ in 0..count {
            let is_patient = !patience.is_over(0);
            patient += usize::from(is_patient);
            let (unstored, stored, left) = left(is_patient);
            ended = (ended.0 + unstored, ended.1 + stored);
            patience.learn(ended, left);
        }
        patient
    }

    #[test]
    fn nobody_waits_for_clients_that_are_away() {
        let mut patience = Patience::default();
        assert_eq!(waits(&mut patience, 1000, |_| (0, 0, 10)), 0);
    }

    #[test]
    fn where_subscribers_are_quick_it_is_found_out_and_where_they_are_no_more_as_well() {
        let mut patience = Patience::default();
        // One message at a time: acknowledged after the batch where that was not waited for.
        let quick = |is_patient: bool| if is_patient { (2, 0, 0) } else { (0, 1, 3) };
        waits(&mut patience, 100, quick);
        assert_eq!(waits(&mut patience, 1000, quick), 1000);
        // From now on it takes longer than patience does.
        let slow = |_: bool| (0, 1, 3);
        assert!(waits(&mut patience, 1600, slow) < 120);
    }

    #[test]
    fn patience_ends() {
        let mut patience = Patience { share: 1.0, ..Patience::default() };
        assert!(!patience.is_over(10));
        assert_eq!(patience.deadline_ms(), Some(10 + LONGEST_MS));
        assert!(!patience.is_over(13));
        assert!(patience.is_over(14));
        patience.restart();
        assert_eq!(patience.deadline_ms(), None);
        assert!(!patience.is_over(14));
    }
}
