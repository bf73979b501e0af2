//! The store of one client: its thread, what to give it and when, and what to tell the client of what has come back.
//! The same for a broker is [`crate::storing`].

use std::sync::Arc;

use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use topicwire_broker::store::StoreError;
use topicwire_session::client::{ChangesWork, Client};
use topicwire_store::{Backoff, News, StoreThread, Work, client_batch, open_client};

use super::{NativeClientOptions, NativeClients};
use crate::error::{Code, Result, error};
use crate::options::whole;
use crate::store::{DetachedStore, NativeStoreOptions, NativeStoreStatus, UNREADABLE, of_store, open};

/// What nothing waits for is given at the latest after so long, or when there is so much of it.
const UNHURRIED_MS: u64 = 20;
const UNHURRIED_CHANGES: usize = 4_096;

/// See the module.
pub(super) struct ClientStoring {
    thread: StoreThread,
    client_id: Arc<str>,
    /// `working`, `failing` or `damaged`.
    state: &'static str,
    problem: Option<String>,
    stored: u64,
    /// The last batch that the application waits for.
    awaited: u64,
    unhurried_since_ms: Option<u64>,
}

impl ClientStoring {
    /// `stored` is the store's last batch.
    fn new(thread: StoreThread, client_id: Arc<str>, stored: u64) -> Self {
        Self {
            thread,
            client_id,
            state: "working",
            problem: None,
            stored,
            awaited: 0,
            unhurried_since_ms: None,
        }
    }

    /// Gives the thread what there is, if it is idle and it is time. Returns when it will be time for the rest.
    fn give(&mut self, core: &mut Client, now_ms: u64) -> Option<u64> {
        if !self.thread.is_idle() {
            return None;
        }
        let is_due = match core.changes_work() {
            ChangesWork::None => {
                self.unhurried_since_ms = None;
                return None;
            }
            ChangesWork::Awaited => true,
            ChangesWork::Unhurried(changes) => {
                let since_ms = *self.unhurried_since_ms.get_or_insert(now_ms);
                self.awaited > self.stored
                    || changes >= UNHURRIED_CHANGES
                    || now_ms >= since_ms.saturating_add(UNHURRIED_MS)
            }
        };
        if !is_due {
            return self.unhurried_since_ms.map(|since_ms| since_ms.saturating_add(UNHURRIED_MS));
        }
        self.unhurried_since_ms = None;
        let batch = core.poll_changes().map(|changes| client_batch(&self.client_id, changes));
        self.thread.give(Work { batch, ..Work::default() });
        None
    }

    fn take_news(&mut self, core: &mut Client, now_ms: u64) {
        self.thread.begin_taking();
        while let Some(news) = self.thread.take_news() {
            match news {
                News::Stored { sequence, .. } => {
                    self.stored = sequence;
                    core.stored(sequence, now_ms);
                }
                News::Trouble(problem) if self.state != "damaged" => {
                    let is_final = matches!(problem, StoreError::Damaged(_));
                    self.state = if is_final { "damaged" } else { "failing" };
                    self.problem = Some(problem.to_string());
                }
                News::Recovered => {
                    self.state = "working";
                    self.problem = None;
                }
                _ => {}
            }
        }
    }

    fn status(&self, core: &Client) -> NativeStoreStatus {
        NativeStoreStatus {
            state: self.state.to_owned(),
            problem: self.problem.clone(),
            stored: self.stored as f64,
            is_done: self.thread.is_idle() && core.changes_work() == ChangesWork::None,
        }
    }
}

#[napi]
impl NativeClients {
    /// A new client, made from what its store holds, which is read before this returns. `on_news` is called when the
    /// store has done something (`takeClientStoreNews`). It does not keep the process alive.
    #[napi]
    pub fn open_stored(
        &self,
        options: NativeClientOptions,
        store: NativeStoreOptions,
        client_id: String,
        on_news: Function<'_, (), ()>,
    ) -> Result<u32> {
        let config = options.into_core();
        let client_id: Arc<str> = Arc::from(client_id);
        let owner = Arc::clone(&client_id);
        let cannot = |problem: &dyn ToString| error(Code::StoreFailed, problem.to_string());
        let on_news: ThreadsafeFunction<(), (), (), Status, false, true> =
            on_news.build_threadsafe_function().weak::<true>().build().map_err(|problem| cannot(&problem))?;
        let opening = StoreThread::start(
            Backoff::default(),
            move || {
                let mut store = open(&store)?;
                let client =
                    open_client(&mut *store, &owner, config).map_err(|problem| of_store(&problem))?;
                Ok((store, client))
            },
            // An environment that ends takes no calls, and needs none.
            move || {
                let _ = on_news.call((), ThreadsafeFunctionCallMode::NonBlocking);
            },
        );
        let mut opening = opening.map_err(|problem| cannot(&problem))?;
        let client = opening.wait().map_err(|problem| {
            let (code, reason) = problem.unwrap_or_else(|| (Code::StoreDamaged, UNREADABLE.to_owned()));
            error(code, reason)
        })?;
        let storing = ClientStoring::new(opening.into_thread(), client_id, client.changes_sequence());
        self.with(|host| Ok(host.open_stored(client, storing)))
    }

    /// Tickets up to this one are of messages that an earlier process published.
    #[napi]
    pub fn restored_tickets(&self, client: u32) -> Result<f64> {
        self.with(|host| host.run(client, |core| core.restored_tickets().0 as f64))
    }

    /// Gives the store what there is to do, if it is idle and it is time. Returns when to call again for the rest, in
    /// milliseconds; -1 where there is none, or where news will come first.
    #[napi]
    pub fn give_changes(&self, client: u32, now_ms: f64) -> Result<f64> {
        let given = |core: &mut Client, storing: &mut ClientStoring| storing.give(core, whole(now_ms));
        let at_ms = self.with(|host| host.with_store(client, given))?;
        Ok(at_ms.map_or(-1.0, |at_ms| at_ms as f64))
    }

    /// Tells the client what its store has done. Returns what is to do.
    #[napi]
    pub fn take_client_store_news(&self, client: u32, now_ms: f64) -> Result<u32> {
        self.with(|host| {
            host.with_store(client, |core, storing| storing.take_news(core, whole(now_ms)))?;
            host.status(client)
        })
    }

    /// How the store of a client is.
    #[napi]
    pub fn client_store_status(&self, client: u32) -> Result<NativeStoreStatus> {
        self.with(|host| host.with_store(client, |core, storing| storing.status(core)))
    }

    /// Everything so far is given to the store as soon as it is idle. Returns the batch that it is in.
    #[napi]
    pub fn await_changes(&self, client: u32) -> Result<f64> {
        self.with(|host| {
            host.with_store(client, |core, storing| {
                storing.awaited = core.changes_sequence();
                storing.awaited as f64
            })
        })
    }

    /// Forgets a client, and leaves its store to be closed. What that has not committed by then is lost.
    #[napi]
    pub fn forget_stored(&self, client: u32) -> Result<Option<DetachedStore>> {
        self.with(|host| Ok(host.forget(client).map(|storing| DetachedStore::new(storing.thread))))
    }
}
