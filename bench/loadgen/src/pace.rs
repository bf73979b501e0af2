//! The pause between two rounds of reading.
//!
//! A generator that reads every message at once slows the broker down on the loopback interface, so a saturated
//! load reads, and then pauses. The pause must not become the limit: a fast broker with a window of a hundred
//! messages has answered all of them long before a tenth of a millisecond is over, and would wait. So the
//! pause ends when the broker, at the pace that it has shown, has handled a quarter of all that may be
//! outstanding, and at the latest after what the scenario says. It is one rule for every broker and every load.

use std::{
    hint, thread,
    time::{Duration, Instant},
};

/// Shorter pauses are spent turning: a sleeping thread takes too long to wake.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);

/// A round counts for an eighth of the pace.
const WEIGHT: f64 = 0.125;

/// How long to pause.
#[derive(Debug)]
pub struct Pacer {
    most: Duration,
    /// Messages that the broker is given time for.
    quarter: f64,
    nanos_per_message: Option<f64>,
    since: Instant,
    delivered: u64,
    spun: Duration,
}

impl Pacer {
    /// `outstanding` is how many deliveries can be, over all publishers.
    #[must_use]
    pub fn new(most: Duration, outstanding: u64) -> Self {
        Self {
            most,
            quarter: (outstanding as f64 / 4.0).max(1.0),
            nanos_per_message: None,
            since: Instant::now(),
            delivered: 0,
            spun: Duration::ZERO,
        }
    }

    /// After a round of reading: `delivered` is the number of deliveries so far.
    pub fn pause(&mut self, delivered: u64) {
        if delivered > self.delivered {
            let now = Instant::now();
            self.observe(now - self.since, delivered - self.delivered);
            (self.since, self.delivered) = (now, delivered);
        }
        let pause = self.length();
        if pause >= SHORTEST_SLEEP {
            return thread::sleep(pause);
        }
        let begin = Instant::now();
        while begin.elapsed() < pause {
            hint::spin_loop();
        }
        self.spun += begin.elapsed();
    }

    /// CPU time that was spent waiting: it is no work of the generator.
    #[must_use]
    pub fn spun(&self) -> Duration {
        self.spun
    }

    fn observe(&mut self, time: Duration, messages: u64) {
        let now = time.as_nanos() as f64 / messages as f64;
        let pace = self.nanos_per_message.get_or_insert(now);
        *pace += (now - *pace) * WEIGHT;
    }

    fn length(&self) -> Duration {
        let nanos = self.nanos_per_message.map_or(f64::MAX, |pace| pace * self.quarter);
        Duration::from_nanos(nanos.min(self.most.as_nanos() as f64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_micros(100);

    #[test]
    fn a_slow_broker_or_a_wide_window_gets_the_whole_pause() {
        assert_eq!(Pacer::new(MOST, 100).length(), MOST);
        let mut pacer = Pacer::new(MOST, 100);
        pacer.observe(Duration::from_millis(1), 100);
        assert_eq!(pacer.length(), MOST);
        let mut pacer = Pacer::new(MOST, 20_000);
        pacer.observe(Duration::from_micros(100), 1_000);
        assert_eq!(pacer.length(), MOST);
    }

    #[test]
    fn a_broker_that_is_done_sooner_is_not_kept_waiting() {
        let mut pacer = Pacer::new(MOST, 100);
        for _ in 0..100 {
            pacer.observe(Duration::from_micros(50), 100);
        }
        let micros = pacer.length().as_nanos() as f64 / 1e3;
        assert!((micros - 12.5).abs() < 0.1, "{micros}");
    }

    #[test]
    fn a_single_slow_round_does_not_change_the_pace_much() {
        let mut pacer = Pacer::new(MOST, 100);
        pacer.observe(Duration::from_micros(50), 100);
        let before = pacer.length();
        pacer.observe(Duration::from_micros(100), 100);
        assert!(pacer.length() < before * 5 / 4);
    }
}
