//! The store behind a JavaScript class: opened and read on its own thread, then part of the broker that is made from
//! it. What happens from then on is `storing.rs`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use napi::bindgen_prelude::{AsyncTask, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, Task};
use napi_derive::napi;
use topicwire_broker::store::{Store, StoreError};
use topicwire_broker::{Broker, Config, HookFilters, Restore};
use topicwire_store::{Backoff, DiskStore, Durability, OpenError, Opening, StoreThread};

use crate::broker::NativeBroker;
use crate::error::{Code, Result, error};
use crate::options::{NativeOptions, whole};
use crate::state::State;
use crate::storing::Storing;

/// Where a store is and what it survives.
#[napi(object)]
pub struct NativeStoreOptions {
    /// A directory; made where there is none.
    pub path: String,
    /// `process` or `power`.
    pub durability: String,
}

/// How a store is.
#[napi(object)]
pub struct NativeStoreStatus {
    /// `working`, `failing` or `damaged`.
    pub state: String,
    /// Why it does not do its work.
    pub problem: Option<String>,
    /// The last batch that is safe.
    pub stored: f64,
    /// Whether everything that has been recorded is safe.
    pub is_done: bool,
}

pub(crate) const UNREADABLE: &str =
    "the store is damaged, its engine gave it up: restore it from a backup, or move it away to begin anew";

/// What went wrong while a store was opened, for JavaScript.
pub(crate) type Problem = (Code, String);

/// A store that is being opened, and the broker that is being made from it.
#[napi]
pub struct NativeStore {
    /// None when it has been opened, or could not be.
    opening: Option<Opening<Broker, Problem>>,
    records: Arc<AtomicU64>,
}

#[napi]
impl NativeStore {
    /// Begins to open a store, on a thread of its own. `on_news` is called when it is open or cannot be (`take` tells),
    /// and then whenever the broker has news of it (`NativeBroker.takeStoreNews`). It does not keep the process alive.
    #[napi(constructor)]
    pub fn new(
        store: NativeStoreOptions,
        options: NativeOptions,
        now_ms: f64,
        on_news: Function<'_, (), ()>,
    ) -> Result<Self> {
        let (mut config, hooks) = options.into_core();
        config.durable = true;
        let records = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&records);
        let clock = (now_ms, Instant::now());
        let cannot = |problem: &dyn ToString| error(Code::StoreFailed, problem.to_string());
        let on_news: ThreadsafeFunction<(), (), (), Status, false, true> =
            on_news.build_threadsafe_function().weak::<true>().build().map_err(|problem| cannot(&problem))?;
        let opening = StoreThread::start(
            Backoff::default(),
            move || {
                let mut store = open(&store)?;
                let broker = restore(&mut *store, config, hooks, clock, &counter)?;
                Ok((store, broker))
            },
            // An environment that ends takes no calls, and needs none.
            move || {
                let _ = on_news.call((), ThreadsafeFunctionCallMode::NonBlocking);
            },
        );
        Ok(Self { opening: Some(opening.map_err(|problem| cannot(&problem))?), records })
    }

    /// How many records have been read so far.
    #[napi]
    pub fn records(&self) -> f64 {
        self.records.load(Ordering::Relaxed) as f64
    }

    /// The broker, when the store has been opened and read; null until then. Throws what is wrong with the store.
    #[napi]
    pub fn take(&mut self, now_ms: f64) -> Result<Option<NativeBroker>> {
        let Some(opening) = &mut self.opening else { return Ok(None) };
        match opening.poll() {
            None => Ok(None),
            Some(Ok(broker)) => Ok(self.opening.take().map(|opening| {
                NativeBroker::from_state(State::storing(broker, Storing::new(opening.into_thread()), now_ms))
            })),
            Some(Err(problem)) => {
                self.opening = None;
                // What the engine cannot make sense of may make it panic.
                let (code, reason) = problem.unwrap_or_else(|| (Code::StoreDamaged, UNREADABLE.to_owned()));
                Err(error(code, reason))
            }
        }
    }
}

/// Ends the store's thread: dropped where nobody minds that this may take as long as a commit.
pub struct CloseStoreTask(Option<StoreThread>);

impl Task for CloseStoreTask {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        self.0 = None;
        Ok(())
    }

    fn resolve(&mut self, _env: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

#[napi]
impl NativeBroker {
    /// Gives the store's thread what there is to do, if it is idle. To be called once a turn.
    #[napi]
    pub fn give_store_work(&mut self) {
        self.shared.state().give_store_work();
    }

    /// Tells the core what the store has done. Returns status bits.
    #[napi]
    pub fn take_store_news(&mut self, now_ms: f64) -> Result<u32> {
        self.shared.state().take_store_news(now_ms)?;
        let resumed = self.run(now_ms, |core, _| {
            std::iter::from_fn(|| core.poll_resumed()).map(|key| key.0).collect::<Vec<_>>()
        })?;
        for connection in &resumed {
            self.shared.set_held(*connection, false);
        }
        self.shared.state().resumed.extend(resumed);
        self.status()
    }

    /// The connections that had to wait for the store and need not any more, since the last call.
    #[napi]
    pub fn resumed_connections(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.shared.state().resumed)
    }

    /// How the store is; null without one.
    #[napi]
    pub fn store_status(&mut self) -> Option<NativeStoreStatus> {
        self.shared.state().look_at_store(|storing, core| {
            storing.looked_at();
            NativeStoreStatus {
                state: storing.metrics().state.name().to_owned(),
                problem: storing.problem().map(str::to_owned),
                stored: core.map_or(0, Broker::stored_through) as f64,
                is_done: core.is_none_or(|core| storing.is_done(core)),
            }
        })
    }

    /// From now on the store is given everything at once: what nobody waits for, too.
    #[napi]
    pub fn hurry_store(&mut self) {
        self.shared.state().look_at_store(|storing, _| storing.hurry());
    }

    /// Takes the store away, which `close` then ends. What it has not committed by then is lost.
    #[napi]
    pub fn detach_store(&mut self) -> Option<DetachedStore> {
        let thread = self.shared.state().take_storing().map(Storing::into_thread);
        thread.map(DetachedStore::new)
    }
}

/// A store that its broker, or client, has no use for any more.
#[napi]
pub struct DetachedStore {
    thread: Option<StoreThread>,
}

impl DetachedStore {
    pub(crate) fn new(thread: StoreThread) -> Self {
        Self { thread: Some(thread) }
    }
}

#[napi]
impl DetachedStore {
    /// Ends the thread, beside the event loop, and lets go of the directory.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&mut self) -> AsyncTask<CloseStoreTask> {
        AsyncTask::new(CloseStoreTask(self.thread.take()))
    }
}

pub(crate) fn open(options: &NativeStoreOptions) -> core::result::Result<Box<dyn Store>, Problem> {
    let durability = match options.durability.as_str() {
        "power" => Durability::Power,
        _ => Durability::Process,
    };
    let store =
        DiskStore::open(Path::new(&options.path), durability).map_err(|problem| of_opening(&problem))?;
    Ok(Box::new(store))
}

/// Reads all that a store holds. Time has gone on since `clock` was taken.
fn restore(
    store: &mut dyn Store,
    config: Config,
    hooks: HookFilters,
    (began_ms, began): (f64, Instant),
    records: &AtomicU64,
) -> core::result::Result<Broker, Problem> {
    let now_ms = || whole(began_ms + began.elapsed().as_secs_f64() * 1000.0);
    let mut restore = Restore::new(config, hooks, now_ms());
    let last_sequence = store
        .contents(&mut |record| {
            records.fetch_add(1, Ordering::Relaxed);
            restore.take(record);
        })
        .map_err(|problem| of_store(&problem))?;
    Ok(restore.finish(last_sequence, now_ms()))
}

pub(crate) fn of_opening(problem: &OpenError) -> Problem {
    let code = match problem {
        OpenError::InUse { .. } => Code::StoreInUse,
        OpenError::Newer { .. } => Code::StoreVersion,
        OpenError::Damaged { .. } => Code::StoreDamaged,
        _ => Code::StoreFailed,
    };
    (code, problem.to_string())
}

/// What is wrong with a store that cannot be read.
pub(crate) fn of_store(problem: &StoreError) -> Problem {
    let code = match problem {
        StoreError::Damaged(_) => Code::StoreDamaged,
        _ => Code::StoreFailed,
    };
    (code, problem.to_string())
}
