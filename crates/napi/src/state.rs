//! The core behind its edge: panics are caught, both callers share one clock, and each call tells what to do next.
//!
//! JavaScript calls with its own time; sockets that are driven here ([`crate::sockets`]) ask this clock. Both are
//! monotonic clocks of one machine, so all there is to do is to let neither go back behind the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use topicwire_broker::Broker;

use crate::error::{Code, Result, error};
use crate::events::EventStream;
use crate::options::whole;
use crate::storing::Storing;

/// Bits of what a call returns: what the host should do next. `src/native.ts` has the same.
pub(crate) mod status {
    /// There is output: call `drain` and `flushSockets` this turn.
    pub(crate) const OUTPUT: u32 = 1;
    /// There are events: call `takeEvents` this turn.
    pub(crate) const EVENTS: u32 = 2;
    /// The connection waits for an answer: stop reading from it.
    pub(crate) const HELD: u32 = 4;
    /// Sockets that are driven here have ended or are to be closed: call `endedSockets` and `closingWebSockets`.
    pub(crate) const ENDED: u32 = 8;
    /// Somebody has come to a listening socket: call `takeArrivals` this turn.
    pub(crate) const ARRIVED: u32 = 16;
    /// There is work for the store: call `giveStoreWork` this turn.
    pub(crate) const STORE: u32 = 32;
    /// The store has begun to fail, or has ceased to: call `storeStatus`.
    pub(crate) const STORE_CHANGED: u32 = 64;
    /// Connections that had to wait for the store need not any more: call `resumedConnections`.
    pub(crate) const RESUMED: u32 = 128;
}

/// See the module.
pub(crate) struct State {
    /// None after a panic.
    core: Option<Box<Broker>>,
    /// What a panic said that no call has told yet.
    failure: Option<String>,
    clock: Clock,
    /// Events that have been collected and not taken.
    pub(crate) events: EventStream,
    /// None where what is promised is kept in memory only.
    storing: Option<Storing>,
    /// Connections that need not wait for the store any more, for JavaScript to hear of.
    pub(crate) resumed: Vec<u32>,
}

impl State {
    pub(crate) fn new(core: Broker, now_ms: f64) -> Self {
        Self {
            core: Some(Box::new(core)),
            failure: None,
            clock: Clock::new(now_ms),
            events: EventStream::default(),
            storing: None,
            resumed: Vec::new(),
        }
    }

    /// A core with a store.
    pub(crate) fn storing(core: Broker, storing: Storing, now_ms: f64) -> Self {
        let mut core = core;
        core.note_store(storing.metrics());
        Self { storing: Some(storing), ..Self::new(core, now_ms) }
    }

    /// Runs a piece of work in the core for JavaScript. A panic ends this broker: its state may be torn, so it is
    /// dropped, and this call says so; later ones find it closed.
    pub(crate) fn run<R>(&mut self, now_ms: f64, work: impl FnOnce(&mut Broker, u64) -> R) -> Result<R> {
        let now_ms = self.clock.told(now_ms);
        self.work(|core| work(core, now_ms)).ok_or_else(|| match self.failure.take() {
            Some(words) => {
                let reason = format_args!("the native core met a bug and has been shut down: {words}");
                error(Code::Panic, reason)
            }
            None => error(Code::BrokerClosed, "the native core has been shut down after a bug"),
        })
    }

    /// The same for the event loop, which nobody waits for: what went wrong is told by the next call.
    pub(crate) fn run_now<R>(&mut self, work: impl FnOnce(&mut Broker, u64) -> R) -> Option<R> {
        let now_ms = self.clock.now();
        self.work(|core| work(core, now_ms))
    }

    /// Milliseconds since 1970, as the core is told.
    pub(crate) fn now(&mut self) -> u64 {
        self.clock.now()
    }

    /// When the core wants to be called for time, or there is something to be stored by then.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let of_core = self.core.as_ref().and_then(|core| core.next_deadline_ms());
        let of_store = self.storing.as_ref().and_then(Storing::deadline_ms);
        of_core.into_iter().chain(of_store).min()
    }

    /// Gives the store's thread what there is, if it is idle and it is time.
    pub(crate) fn give_store_work(&mut self) {
        let Some(mut storing) = self.storing.take() else { return };
        let now_ms = self.clock.now();
        self.work(|core| storing.give(core, now_ms));
        self.storing = Some(storing);
    }

    /// Tells the core what the store has done.
    pub(crate) fn take_store_news(&mut self, now_ms: f64) -> Result<()> {
        let Some(mut storing) = self.storing.take() else { return Ok(()) };
        let outcome = self.run(now_ms, |core, now_ms| storing.take_news(core, now_ms));
        self.storing = Some(storing);
        outcome
    }

    /// Status bits about the store.
    pub(crate) fn store_status(&mut self) -> u32 {
        let Some(storing) = &mut self.storing else { return 0 };
        let now_ms = self.clock.now();
        let has_work = self.core.as_ref().is_some_and(|core| storing.has_work(core, now_ms));
        (if has_work { status::STORE } else { 0 })
            | (if storing.has_changed() { status::STORE_CHANGED } else { 0 })
            | if self.resumed.is_empty() { 0 } else { status::RESUMED }
    }

    /// Looks at the store, where there is one.
    pub(crate) fn look_at_store<R>(
        &mut self,
        look: impl FnOnce(&mut Storing, Option<&Broker>) -> R,
    ) -> Option<R> {
        let storing = self.storing.as_mut()?;
        Some(look(storing, self.core.as_deref()))
    }

    /// The store is to be closed.
    pub(crate) fn take_storing(&mut self) -> Option<Storing> {
        self.storing.take()
    }

    /// A panic that JavaScript has not heard of.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    fn work<R>(&mut self, work: impl FnOnce(&mut Broker) -> R) -> Option<R> {
        let core = self.core.as_deref_mut()?;
        match catch_unwind(AssertUnwindSafe(|| work(core))) {
            Ok(result) => Some(result),
            Err(payload) => {
                // Dropping torn state may panic again; it is given up instead.
                std::mem::forget(self.core.take());
                let words = payload.downcast_ref::<String>().map(String::as_str);
                let words = words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
                self.failure = Some(words.to_owned());
                None
            }
        }
    }
}

/// What is there to do now, whatever the call was about.
pub(crate) fn status_of(core: &Broker) -> u32 {
    let mut bits = 0;
    if core.has_output() || core.has_direct_output() {
        bits |= status::OUTPUT;
    }
    if core.has_events() {
        bits |= status::EVENTS;
    }
    bits
}

/// Milliseconds since 1970 that never go back.
struct Clock {
    latest_ms: u64,
    started_ms: f64,
    started: Instant,
}

impl Clock {
    fn new(now_ms: f64) -> Self {
        Self { latest_ms: whole(now_ms), started_ms: now_ms, started: Instant::now() }
    }

    fn told(&mut self, now_ms: f64) -> u64 {
        self.latest_ms = self.latest_ms.max(whole(now_ms));
        self.latest_ms
    }

    fn now(&mut self) -> u64 {
        self.told(self.started_ms + self.started.elapsed().as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topicwire_broker::{Config, HookFilters};

    fn state() -> State {
        State::new(Broker::new(Config::default(), HookFilters::default(), 0), 0.0)
    }

    fn quietly<R>(work: impl FnOnce() -> R) -> R {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let result = work();
        std::panic::set_hook(quiet);
        result
    }

    #[test]
    fn a_panic_ends_its_broker_and_nothing_else() {
        let (mut torn, mut other) = (state(), state());
        let problem = quietly(|| torn.run(0.0, |_, _| -> u32 { panic!("a bug for the test") })).unwrap_err();
        assert_eq!(problem.status, Code::Panic);
        assert!(problem.reason.contains("a bug for the test"));
        assert_eq!(torn.run(0.0, Broker::open).unwrap_err().status, Code::BrokerClosed);
        assert_eq!(other.run(0.0, Broker::open).unwrap().0, 0);
    }

    #[test]
    fn a_panic_that_nobody_waited_for_is_told_once_by_the_next_call() {
        let mut torn = state();
        assert!(quietly(|| torn.run_now(|_, _| -> u32 { panic!("a bug for the test") })).is_none());
        assert!(torn.has_failed());
        assert_eq!(torn.run(0.0, Broker::open).unwrap_err().status, Code::Panic);
        assert!(!torn.has_failed());
        assert_eq!(torn.run(0.0, Broker::open).unwrap_err().status, Code::BrokerClosed);
    }

    #[test]
    fn time_does_not_go_back_whoever_tells_it() {
        let mut clock = Clock::new(5_000.0);
        assert_eq!(clock.told(6_000.9), 6_000);
        assert_eq!(clock.now(), 6_000);
        assert_eq!(clock.told(5_999.0), 6_000);
        assert_eq!(clock.told(7_000.0), 7_000);
    }
}
