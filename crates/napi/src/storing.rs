//! The store of one broker, as its event loop sees it: what to give the store's thread and when, and what to tell the
//! core of what has come back. The thread itself is `crates/store/src/thread.rs`.

use topicwire_broker::store::{StoreError, StoreWork};
use topicwire_broker::{Broker, StoreMetrics, StoreState};
use topicwire_store::{News, StoreThread, Work};

use crate::patience::Patience;

/// What nobody waits for is given at the latest after so long, or when there is so much of it. The shorter of what a
/// crash can make happen twice, and the longer of what is never written because it is over by then.
const UNHURRIED_MS: u64 = 20;
const UNHURRIED_OPERATIONS: usize = 4_096;

/// See the module.
pub(crate) struct Storing {
    thread: StoreThread,
    metrics: StoreMetrics,
    /// Why it does not do its work.
    problem: Option<String>,
    /// What an in-process publisher waits for: `Broker::stored_through`.
    awaited: u64,
    /// Everything is to be given at once from now on: the broker is closing.
    hurries: bool,
    /// Since when there is something that nobody waits for.
    unhurried_since_ms: Option<u64>,
    /// With what somebody waits for.
    patience: Patience,
    /// Its state has changed since JavaScript last looked.
    has_changed: bool,
}

impl Storing {
    pub(crate) fn new(thread: StoreThread) -> Self {
        Self {
            thread,
            metrics: StoreMetrics { state: StoreState::Working, ..StoreMetrics::default() },
            problem: None,
            awaited: 0,
            hurries: false,
            unhurried_since_ms: None,
            patience: Patience::default(),
            has_changed: false,
        }
    }

    /// Once a turn: lets go of what is over, and gives the thread what there is, if it is idle and it is time.
    pub(crate) fn give(&mut self, core: &mut Broker, now_ms: u64) {
        if !self.is_awaited(core) && core.settle_store(now_ms) {
            self.patience.restart();
        }
        if !self.is_due(core, now_ms) {
            return;
        }
        self.unhurried_since_ms = None;
        let batch = core.poll_store_batch();
        let operations = batch.as_ref().map_or(0, |batch| batch.operations.len());
        self.patience.learn(core.ended_operations(), operations);
        let fetches = std::iter::from_fn(|| core.poll_fetch()).collect();
        let retained = std::iter::from_fn(|| core.poll_retained_fetch()).collect();
        self.thread.give(Work { batch, fetches, retained });
    }

    /// Whether a turn would find something to do.
    pub(crate) fn has_work(&mut self, core: &Broker, now_ms: u64) -> bool {
        self.can_settle(core) || self.is_due(core, now_ms)
    }

    /// Whether there is something to let go of. An in-process publisher hears of it by the news of a batch.
    fn can_settle(&self, core: &Broker) -> bool {
        !self.is_awaited(core) && core.can_settle_store()
    }

    /// Whether there is something to give now.
    fn is_due(&mut self, core: &Broker, now_ms: u64) -> bool {
        if !self.thread.is_idle() {
            return false;
        }
        match core.store_work() {
            StoreWork::None => {
                self.unhurried_since_ms = None;
                self.patience.learn(core.ended_operations(), 0);
                false
            }
            StoreWork::Asked => true,
            StoreWork::Awaited => self.hurries || self.is_awaited(core) || self.patience.is_over(now_ms),
            StoreWork::Unhurried(operations) => {
                self.patience.restart();
                let since_ms = *self.unhurried_since_ms.get_or_insert(now_ms);
                self.hurries
                    || self.is_awaited(core)
                    || operations >= UNHURRIED_OPERATIONS
                    || now_ms >= since_ms.saturating_add(UNHURRIED_MS)
            }
        }
    }

    fn is_awaited(&self, core: &Broker) -> bool {
        self.awaited > core.stored_through()
    }

    /// When there is something to give that is not due yet.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let of_unhurried = self.unhurried_since_ms.map(|since_ms| since_ms.saturating_add(UNHURRIED_MS));
        of_unhurried.into_iter().chain(self.patience.deadline_ms()).min().filter(|_| self.thread.is_idle())
    }

    /// Tells the core what has come back.
    pub(crate) fn take_news(&mut self, core: &mut Broker, now_ms: u64) {
        self.thread.begin_taking();
        while let Some(news) = self.thread.take_news() {
            match news {
                News::Stored { sequence, operations, bytes, took } => {
                    self.metrics.batches += 1;
                    self.metrics.operations += operations as u64;
                    self.metrics.bytes += bytes;
                    self.metrics.last_commit_micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                    core.stored(sequence, now_ms);
                }
                News::Fetched(fetch, deliveries) => core.handle_fetched(&fetch, deliveries, now_ms),
                News::FetchedRetained(fetch, messages) => core.handle_retained(&fetch, messages, now_ms),
                News::Trouble(error) => self.begin_trouble(core, &error, now_ms),
                News::Retried => self.metrics.retries += 1,
                News::Recovered => {
                    self.metrics.state = StoreState::Working;
                    self.problem = None;
                    self.has_changed = true;
                    // Where it was a question, no batch follows that would tell the core.
                    core.stored(0, now_ms);
                }
                _ => {}
            }
        }
        core.note_store(self.metrics);
    }

    fn begin_trouble(&mut self, core: &mut Broker, error: &StoreError, now_ms: u64) {
        if self.metrics.state == StoreState::Damaged {
            return;
        }
        let is_final = matches!(error, StoreError::Damaged(_));
        self.metrics.state = if is_final { StoreState::Damaged } else { StoreState::Failing };
        self.problem = Some(error.to_string());
        self.has_changed = true;
        core.store_failed(error, now_ms);
    }

    /// An in-process publisher waits for this.
    pub(crate) fn wait_for(&mut self, sequence: u64) {
        self.awaited = self.awaited.max(sequence);
    }

    /// From now on everything is given at once.
    pub(crate) fn hurry(&mut self) {
        self.hurries = true;
    }

    /// Whether everything that the core has recorded is as safe as the store promises.
    pub(crate) fn is_done(&self, core: &Broker) -> bool {
        self.thread.is_idle() && core.store_work() == StoreWork::None
    }

    pub(crate) fn metrics(&self) -> StoreMetrics {
        self.metrics
    }

    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.has_changed
    }

    pub(crate) fn looked_at(&mut self) {
        self.has_changed = false;
    }

    /// The thread, which is to be dropped elsewhere: that may take as long as a commit.
    pub(crate) fn into_thread(self) -> StoreThread {
        self.thread
    }
}
