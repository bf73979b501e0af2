//! What `topicwire store` does with a store that no broker has open. Each piece of work runs in the thread pool of libuv;
//! `records` tells meanwhile how far it has come.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};
use napi_derive::napi;
use topicwire_store::{DiskStore, Durability, TransferError};

use crate::error::{Code, error};
use crate::store::{Problem, of_opening, of_store};

/// How many of each thing a store holds, and whether it is whole.
#[napi(object)]
pub struct NativeStoreReport {
    /// The first damage; absent where all is well.
    pub damage: Option<String>,
    /// Sessions.
    pub sessions: f64,
    /// Their subscriptions.
    pub subscriptions: f64,
    /// Messages on their way to Sessions.
    pub deliveries: f64,
    /// Open exchanges.
    pub exchanges: f64,
    /// Received QoS 2 messages that await PUBREL.
    pub inbound: f64,
    /// Wills.
    pub wills: f64,
    /// Retained messages.
    pub retained: f64,
}

/// How much space a table takes.
#[napi(object)]
pub struct NativeStoreTable {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: f64,
    /// Their keys and values.
    pub bytes: f64,
    /// What the engine adds to that, and what is unused within its pages.
    pub overhead_bytes: f64,
}

/// How much space a store takes.
#[napi(object)]
pub struct NativeStoreStats {
    /// The sequence of the last batch.
    pub last_sequence: f64,
    /// The length of the file with the tables.
    pub tables_file_bytes: f64,
    /// What has been committed since the tables were written last.
    pub journal_bytes: f64,
    /// Every table.
    pub tables: Vec<NativeStoreTable>,
}

type Work<T> = Box<dyn FnOnce() -> Result<T, Problem> + Send>;

/// One piece of work.
pub struct StoreTask<T> {
    work: Option<Work<T>>,
    problem: Option<Problem>,
}

/// A store in a directory.
#[napi]
pub struct NativeStoreTool {
    path: String,
    records: Arc<AtomicU64>,
}

#[napi]
impl NativeStoreTool {
    /// Nothing is opened yet.
    #[napi(constructor)]
    pub fn new(path: String) -> Self {
        Self { path, records: Arc::default() }
    }

    /// How many rows or lines have passed so far.
    #[napi]
    pub fn records(&self) -> f64 {
        self.records.load(Ordering::Relaxed) as f64
    }

    /// Reads everything and looks whether it fits together.
    #[napi(ts_return_type = "Promise<NativeStoreReport>")]
    pub fn check(&self) -> AsyncTask<CheckTask> {
        AsyncTask::new(CheckTask(self.begin(|store, progress| {
            let report = store.check(progress).map_err(|problem| of_store(&problem))?;
            let counts = report.counts;
            Ok(NativeStoreReport {
                damage: report.damage,
                sessions: counts.sessions as f64,
                subscriptions: counts.subscriptions as f64,
                deliveries: counts.deliveries as f64,
                exchanges: counts.exchanges as f64,
                inbound: counts.inbound as f64,
                wills: counts.wills as f64,
                retained: counts.retained as f64,
            })
        })))
    }

    /// Says how much space everything takes.
    #[napi(ts_return_type = "Promise<NativeStoreStats>")]
    pub fn stats(&self) -> AsyncTask<StatsTask> {
        AsyncTask::new(StatsTask(self.begin(|store, _| {
            let stats = store.stats().map_err(|problem| of_store(&problem))?;
            let table = |table: topicwire_store::TableStats| NativeStoreTable {
                name: table.name.to_owned(),
                rows: table.rows as f64,
                bytes: table.bytes as f64,
                overhead_bytes: table.overhead_bytes as f64,
            };
            Ok(NativeStoreStats {
                last_sequence: stats.last_sequence as f64,
                tables_file_bytes: stats.tables_file_bytes as f64,
                journal_bytes: stats.journal_bytes as f64,
                tables: stats.tables.into_iter().map(table).collect(),
            })
        })))
    }

    /// Writes everything as lines of JSON to a file that is not there yet, or to standard output. Resolves with the
    /// number of lines.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn export(&self, file: Option<String>) -> AsyncTask<TransferTask> {
        AsyncTask::new(TransferTask(self.begin(move |store, progress| {
            let to: Box<dyn Write> = match &file {
                Some(path) => Box::new(File::create_new(path).map_err(|problem| of_file(path, &problem))?),
                None => Box::new(Patient(io::stdout())),
            };
            let mut out = BufWriter::new(to);
            store
                .export(&mut out, progress)
                .map(|lines| lines as f64)
                .map_err(|problem| of_transfer(&problem))
        })))
    }

    /// Reads such lines from a file or from standard input into a store that is empty. Resolves with their number.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn import(&self, file: Option<String>) -> AsyncTask<TransferTask> {
        AsyncTask::new(TransferTask(self.begin(move |store, progress| {
            let from: Box<dyn Read> = match &file {
                Some(path) => Box::new(File::open(path).map_err(|problem| of_file(path, &problem))?),
                None => Box::new(Patient(io::stdin())),
            };
            let mut input = BufReader::new(from);
            store
                .import(&mut input, progress)
                .map(|lines| lines as f64)
                .map_err(|problem| of_transfer(&problem))
        })))
    }

    fn begin<T>(
        &self,
        work: impl FnOnce(&mut DiskStore, &mut dyn FnMut(u64)) -> Result<T, Problem> + Send + 'static,
    ) -> StoreTask<T> {
        let (path, records) = (self.path.clone(), Arc::clone(&self.records));
        let work = move || {
            let mut store = DiskStore::open(Path::new(&path), Durability::Power)
                .map_err(|problem| of_opening(&problem))?;
            let result = work(&mut store, &mut |count| records.store(count, Ordering::Relaxed))?;
            store.close().map_err(|problem| of_store(&problem))?;
            Ok(result)
        };
        StoreTask { work: Some(Box::new(work)), problem: None }
    }
}

impl<T> StoreTask<T> {
    fn compute(&mut self) -> napi::Result<T> {
        let Some(work) = self.work.take() else { return Err(napi::Error::from_reason("done already")) };
        work().map_err(|problem| {
            let reason = problem.1.clone();
            self.problem = Some(problem);
            napi::Error::from_reason(reason)
        })
    }

    /// An error with the code that it would have if it were thrown.
    fn reject<V>(&mut self, env: Env, unforeseen: napi::Error) -> napi::Result<V> {
        let Some((code, reason)) = self.problem.take() else { return Err(unforeseen) };
        let thrown = napi::JsError::from(error(code, reason)).into_unknown(env);
        Err(napi::Error::from(thrown))
    }
}

macro_rules! task {
    ($name:ident, $output:ty) => {
        #[doc = "See `StoreTask`."]
        pub struct $name(StoreTask<$output>);

        impl Task for $name {
            type Output = $output;
            type JsValue = $output;

            fn compute(&mut self) -> napi::Result<$output> {
                self.0.compute()
            }

            fn resolve(&mut self, _env: Env, output: $output) -> napi::Result<$output> {
                Ok(output)
            }

            fn reject(&mut self, env: Env, error: napi::Error) -> napi::Result<$output> {
                self.0.reject(env, error)
            }
        }
    };
}

task!(CheckTask, NativeStoreReport);
task!(StatsTask, NativeStoreStats);
task!(TransferTask, f64);

fn of_file(path: &str, problem: &io::Error) -> Problem {
    (Code::StoreFailed, format!("{path:?} cannot be opened: {problem}"))
}

fn of_transfer(problem: &TransferError) -> Problem {
    match problem {
        TransferError::Store(problem) => of_store(problem),
        _ => (Code::StoreFailed, problem.to_string()),
    }
}

/// Node makes pipes that do not wait. Here somebody has the time.
struct Patient<S>(S);

const PAUSE: Duration = Duration::from_millis(1);

fn patiently<T>(mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match step() {
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

impl<S: Write> Write for Patient<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        patiently(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        patiently(|| self.0.flush())
    }
}

impl<S: Read> Read for Patient<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        patiently(|| self.0.read(bytes))
    }
}
