//! A store on a thread of its own, so that whoever drives the broker never waits for a disk.
//!
//! One piece of [`Work`] is under way at a time: a batch, and the questions that came after it. What the broker records
//! meanwhile gathers, and is one batch when the next piece is given: all that waits for one fsync has one fsync. News
//! comes back in a queue; `wake` is called on the thread when there is something in it.
//!
//! What fails is tried again, later each time, until it succeeds: nothing that was given is lost while the thread
//! lives, and nothing that comes after it overtakes it. Damage is final.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use topicwire_broker::store::{Fetch, RetainedFetch, Store, StoreBatch, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::QoS;

/// News that may lie there before the thread waits for somebody to take it: each may be a stretch of a queue.
const MOST_NEWS: usize = 16;

/// What the store is to do, in this order.
#[derive(Debug, Default)]
pub struct Work {
    /// First.
    pub batch: Option<StoreBatch>,
    /// Then.
    pub fetches: Vec<Fetch>,
    /// And these.
    pub retained: Vec<RetainedFetch>,
}

/// What has become of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum News {
    /// The batch is as safe as the store promises.
    Stored {
        /// Of the batch.
        sequence: u64,
        /// How many there were in it.
        operations: usize,
        /// Of the messages in it.
        bytes: u64,
        /// How long the commit took.
        took: Duration,
    },
    /// The answer to a question.
    Fetched(Fetch, Vec<(QoS, Delivery)>),
    /// The same, for retained messages.
    FetchedRetained(RetainedFetch, Vec<Option<Arc<Message>>>),
    /// It did not succeed. Unless the store is damaged it is tried again, and `Recovered` will be told. Told when that
    /// begins and where the reason changes.
    Trouble(StoreError),
    /// Another attempt.
    Retried,
    /// What there was trouble with has succeeded.
    Recovered,
    /// The work is done: there may be more.
    Idle,
}

/// How long to wait before each further attempt: doubled from the first to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Before the second attempt.
    pub first: Duration,
    /// Never more.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

/// See the module. Dropping it waits for what is under way, but not for another attempt.
pub struct StoreThread {
    /// None when the thread is to end.
    work: Option<Sender<Work>>,
    news: Option<Receiver<News>>,
    is_woken: Arc<AtomicBool>,
    is_busy: bool,
    has_ended: bool,
    thread: Option<JoinHandle<()>>,
}

/// A thread that opens its store: that may take long.
pub struct Opening<T, E> {
    outcome: Receiver<Result<T, Option<E>>>,
    thread: StoreThread,
}

impl StoreThread {
    /// Begins a thread that calls `open` and then does the store's work. `wake` is called on it whenever there is
    /// something to take, and not again until that has been looked at.
    ///
    /// # Errors
    /// The system's, where it has no thread to give.
    pub fn start<T: Send + 'static, E: Send + 'static>(
        backoff: Backoff,
        open: impl FnOnce() -> Result<(Box<dyn Store>, T), E> + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Opening<T, E>> {
        let (to_thread, work) = channel();
        let (from_thread, news) = sync_channel(MOST_NEWS);
        let (tell_outcome, outcome) = sync_channel(1);
        let is_woken = Arc::new(AtomicBool::new(false));
        let bell = Bell { is_woken: Arc::clone(&is_woken), wake: Box::new(wake) };
        let run = move || {
            let opened = catch_unwind(AssertUnwindSafe(open));
            let (outcome, store) = match opened {
                Ok(Ok((store, made))) => (Ok(made), Some(store)),
                Ok(Err(problem)) => (Err(Some(problem)), None),
                Err(_) => (Err(None), None),
            };
            let _ = tell_outcome.send(outcome);
            bell.ring();
            let Some(store) = store else { return };
            let mut worker = Worker { store, work, news: from_thread, bell, backoff };
            // A bug of the store must not leave everybody waiting.
            if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                worker.tell(News::Trouble(StoreError::Damaged("it has met a bug".to_owned())));
            }
        };
        let thread = std::thread::Builder::new().name("topicwire-store".to_owned()).spawn(run)?;
        let thread = Self {
            work: Some(to_thread),
            news: Some(news),
            is_woken,
            is_busy: false,
            has_ended: false,
            thread: Some(thread),
        };
        Ok(Opening { outcome, thread })
    }

    /// Whether [`StoreThread::give`] may be called: nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_busy
    }

    /// Gives the next piece of work. Only when idle.
    pub fn give(&mut self, work: Work) {
        debug_assert!(self.is_idle(), "one piece of work at a time");
        self.is_busy = true;
        if let Some(to_thread) = &self.work {
            // A thread that has ended has said so, or is found to have by `take_news`.
            let _ = to_thread.send(work);
        }
    }

    /// To be called before news is taken, so that what comes later wakes again.
    pub fn begin_taking(&self) {
        self.is_woken.store(false, Ordering::SeqCst);
    }

    /// The next piece of news.
    #[must_use]
    pub fn take_news(&mut self) -> Option<News> {
        match self.news.as_ref()?.try_recv() {
            Ok(News::Idle) => {
                self.is_busy = false;
                Some(News::Idle)
            }
            Ok(news) => Some(news),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let is_first = !std::mem::replace(&mut self.has_ended, true);
                is_first.then(|| News::Trouble(StoreError::Damaged("its thread has ended".to_owned())))
            }
        }
    }
}

impl Drop for StoreThread {
    fn drop(&mut self) {
        // Both: the thread may wait for work, for another attempt, or for somebody to take its news.
        self.work = None;
        self.news = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<T, E> Opening<T, E> {
    /// Whether the store is open, once: what `open` made. None as long as it is being opened.
    ///
    /// # Errors
    /// What `open` returned; none where it met a bug.
    pub fn poll(&mut self) -> Option<Result<T, Option<E>>> {
        self.thread.begin_taking();
        self.outcome.try_recv().ok()
    }

    /// The same, and waits for it.
    ///
    /// # Errors
    /// As [`Opening::poll`].
    pub fn wait(&mut self) -> Result<T, Option<E>> {
        let outcome = self.outcome.recv().unwrap_or(Err(None));
        self.thread.begin_taking();
        outcome
    }

    /// The thread, once `poll` has said that the store is open.
    #[must_use]
    pub fn into_thread(self) -> StoreThread {
        self.thread
    }
}

/// Calls `wake` once until somebody has looked.
struct Bell {
    is_woken: Arc<AtomicBool>,
    wake: Box<dyn Fn() + Send>,
}

impl Bell {
    fn ring(&self) {
        if !self.is_woken.swap(true, Ordering::SeqCst) {
            (self.wake)();
        }
    }
}

/// What happened to a piece of work that nobody waits for any more: the thread is to end.
struct Over;

struct Worker {
    store: Box<dyn Store>,
    work: Receiver<Work>,
    news: SyncSender<News>,
    bell: Bell,
    backoff: Backoff,
}

impl Worker {
    fn run(&mut self) {
        while let Ok(work) = self.work.recv() {
            if self.do_work(work).is_err() {
                return;
            }
        }
    }

    fn do_work(&mut self, Work { batch, fetches, retained }: Work) -> Result<(), Over> {
        if let Some(batch) = batch {
            let took = self.insist(|store| {
                let began = Instant::now();
                store.commit(&batch).map(|()| began.elapsed())
            })?;
            let (sequence, operations) = (batch.sequence, batch.operations.len());
            let bytes = batch.operations.iter().map(message_bytes).sum();
            self.say(News::Stored { sequence, operations, bytes, took });
            if !(fetches.is_empty() && retained.is_empty()) {
                self.bell.ring();
            }
        }
        for fetch in fetches {
            let deliveries = self.insist(|store| store.fetch(&fetch))?;
            self.tell(News::Fetched(fetch, deliveries));
        }
        for fetch in retained {
            let messages = self.insist(|store| store.fetch_retained(&fetch.topic_names))?;
            self.tell(News::FetchedRetained(fetch, messages));
        }
        self.tell(News::Idle);
        Ok(())
    }

    /// Does something until it succeeds.
    fn insist<R>(
        &mut self,
        mut step: impl FnMut(&mut dyn Store) -> Result<R, StoreError>,
    ) -> Result<R, Over> {
        let mut wait = self.backoff.first;
        let mut told: Option<String> = None;
        loop {
            let problem = match step(&mut *self.store) {
                Ok(result) => {
                    if told.is_some() {
                        self.say(News::Recovered);
                    }
                    return Ok(result);
                }
                Err(problem) => problem,
            };
            let is_final = matches!(problem, StoreError::Damaged(_));
            let words = problem.to_string();
            if told.as_ref() != Some(&words) {
                self.say(News::Trouble(problem));
                told = Some(words);
            }
            self.bell.ring();
            // Nothing is given while this is under way: all that can come is the end.
            while is_final && self.work.recv().is_ok() {}
            if !matches!(self.work.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                return Err(Over);
            }
            self.say(News::Retried);
            wait = wait.saturating_mul(2).min(self.backoff.longest);
        }
    }

    fn say(&self, news: News) {
        let _ = self.news.send(news);
    }

    fn tell(&self, news: News) {
        self.say(news);
        self.bell.ring();
    }
}

/// What an operation takes, as far as that is a message.
fn message_bytes(operation: &StoreOperation) -> u64 {
    let message = match operation {
        StoreOperation::PutDelivery { delivery, .. } => &delivery.message,
        StoreOperation::PutRetained { message } | StoreOperation::PutWill { message, .. } => message,
        _ => return 0,
    };
    message.held_bytes() as u64
}
