//! The store's thread: order, another attempt, the end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use topicwire_broker::store::{Fetch, Record, Store, StoreBatch, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::{QoS, Version};
use topicwire_store::{Backoff, MemoryStore, News, StoreThread, Work};

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(2), longest: Duration::from_millis(8) };
const PATIENCE: Duration = Duration::from_secs(20);

/// A store in memory that says these things first, one for each attempt.
struct Scripted {
    problems: Vec<StoreError>,
    store: MemoryStore,
    panics: bool,
}

impl Scripted {
    fn new(mut problems: Vec<StoreError>) -> Self {
        problems.reverse();
        Self { problems, store: MemoryStore::new(), panics: false }
    }
}

impl Store for Scripted {
    fn commit(&mut self, batch: &StoreBatch) -> Result<(), StoreError> {
        assert!(!self.panics, "a bug for the test");
        match self.problems.pop() {
            Some(problem) => Err(problem),
            None => self.store.commit(batch),
        }
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<Vec<(QoS, Delivery)>, StoreError> {
        match self.problems.pop() {
            Some(problem) => Err(problem),
            None => self.store.fetch(fetch),
        }
    }

    fn fetch_retained(&mut self, topic_names: &[Arc<str>]) -> Result<Vec<Option<Arc<Message>>>, StoreError> {
        self.store.fetch_retained(topic_names)
    }

    fn contents(&mut self, each: &mut dyn FnMut(Record)) -> Result<u64, StoreError> {
        self.store.contents(each)
    }
}

fn batch(sequence: u64) -> StoreBatch {
    let client_id: Arc<str> = Arc::from(format!("c{sequence}"));
    let put = StoreOperation::PutSession {
        client_id,
        expiry_interval_secs: 1,
        version: Version::V5_0,
        closed_at_ms: None,
    };
    StoreBatch { sequence, operations: vec![put] }
}

fn work(sequence: u64) -> Work {
    Work { batch: Some(batch(sequence)), fetches: Vec::new(), retained: Vec::new() }
}

fn fetch(serial: u64) -> Fetch {
    Fetch { serial, client_id: Arc::from("c1"), after_position: 0, most: 10 }
}

/// The thread, and what rings when it has news.
fn start(store: Scripted, backoff: Backoff) -> (StoreThread, Receiver<()>) {
    let (ring, rings) = channel();
    let open = move || Ok::<_, String>((Box::new(store) as Box<dyn Store>, ()));
    let mut opening = StoreThread::start(backoff, open, move || ring.send(()).unwrap_or_default()).unwrap();
    rings.recv_timeout(PATIENCE).unwrap();
    opening.poll().unwrap().unwrap();
    (opening.into_thread(), rings)
}

/// What the news is about, up to and with this word.
fn hear(thread: &mut StoreThread, rings: &Receiver<()>, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while heard.last().is_none_or(|word: &String| !word.starts_with(last)) {
        assert!(Instant::now() < deadline, "{heard:?} without {last}");
        let _ = rings.recv_timeout(Duration::from_secs(1));
        thread.begin_taking();
        while let Some(news) = thread.take_news() {
            heard.push(match news {
                News::Stored { sequence, operations, .. } => format!("stored {sequence} of {operations}"),
                News::Fetched(fetch, _) => format!("fetched {}", fetch.serial),
                News::Trouble(error) => format!("trouble: {error}"),
                News::Retried => "retried".to_owned(),
                News::Recovered => "recovered".to_owned(),
                News::Idle => "idle".to_owned(),
                _ => "something else".to_owned(),
            });
        }
    }
    heard
}

#[test]
fn work_is_done_in_its_order_and_the_thread_says_when_there_may_be_more() {
    let (mut thread, rings) = start(Scripted::new(Vec::new()), BACKOFF);
    assert!(thread.is_idle());
    thread.give(Work { batch: Some(batch(1)), fetches: (1..=40).map(fetch).collect(), retained: Vec::new() });
    assert!(!thread.is_idle());
    let heard = hear(&mut thread, &rings, "idle");
    assert_eq!(heard.first().unwrap(), "stored 1 of 1");
    let fetched: Vec<_> = (1..=40).map(|serial| format!("fetched {serial}")).collect();
    assert_eq!(heard[1..41], fetched);
    assert!(thread.is_idle());
    thread.give(work(2));
    assert_eq!(hear(&mut thread, &rings, "idle"), ["stored 2 of 1", "idle"]);
}

#[test]
fn what_fails_is_tried_again_until_it_succeeds_and_trouble_is_told_once_for_each_reason() {
    let full = || StoreError::Full("no space".to_owned());
    let failed = || StoreError::Failed("an error".to_owned());
    let (mut thread, rings) = start(Scripted::new(vec![full(), full(), full(), failed(), failed()]), BACKOFF);
    thread.give(Work { batch: Some(batch(1)), fetches: vec![fetch(1)], retained: Vec::new() });
    let heard = hear(&mut thread, &rings, "idle");
    let told: Vec<_> = heard.iter().filter(|word| *word != "retried").map(String::as_str).collect();
    let expected = [
        "trouble: the store is full: no space",
        "trouble: the store failed: an error",
        "recovered",
        "stored 1 of 1",
        "fetched 1",
        "idle",
    ];
    assert_eq!(told, expected);
    assert_eq!(heard.len() - told.len(), 5, "an attempt after each failure");
}

#[test]
fn a_question_that_fails_is_asked_again() {
    let (mut thread, rings) =
        start(Scripted::new(vec![StoreError::Failed("a bad sector".to_owned())]), BACKOFF);
    thread.give(Work { batch: None, fetches: vec![fetch(7)], retained: Vec::new() });
    let heard = hear(&mut thread, &rings, "idle");
    assert_eq!(
        heard,
        ["trouble: the store failed: a bad sector", "retried", "recovered", "fetched 7", "idle"]
    );
}

#[test]
fn damage_is_final() {
    let (mut thread, rings) = start(Scripted::new(vec![StoreError::Damaged("torn".to_owned())]), BACKOFF);
    thread.give(work(1));
    assert_eq!(hear(&mut thread, &rings, "trouble"), ["trouble: the store is damaged: torn"]);
    assert!(rings.recv_timeout(Duration::from_millis(50)).is_err(), "there is no other attempt");
    assert!(!thread.is_idle());
}

#[test]
fn a_bug_in_a_store_is_told_as_damage() {
    let store = Scripted { panics: true, ..Scripted::new(Vec::new()) };
    let (mut thread, rings) = start(store, BACKOFF);
    thread.give(work(1));
    let heard = hear(&mut thread, &rings, "trouble");
    assert_eq!(heard.first().unwrap(), "trouble: the store is damaged: it has met a bug");
}

#[test]
fn the_end_does_not_wait_for_another_attempt_nor_for_anybody_to_take_news() {
    let patient = Backoff { first: Duration::from_secs(600), longest: Duration::from_secs(600) };
    let (mut thread, rings) = start(Scripted::new(vec![StoreError::Full("no space".to_owned())]), patient);
    thread.give(work(1));
    hear(&mut thread, &rings, "trouble");
    let began = Instant::now();
    drop(thread);
    let (mut thread, _rings) = start(Scripted::new(Vec::new()), BACKOFF);
    thread.give(Work {
        batch: Some(batch(1)),
        fetches: (1..=100).map(fetch).collect(),
        retained: Vec::new(),
    });
    drop(thread);
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn a_store_that_does_not_open_says_why() {
    let (ring, rings) = channel();
    let open = || Err::<(Box<dyn Store>, ()), _>("somebody has it");
    let mut opening = StoreThread::start(BACKOFF, open, move || ring.send(()).unwrap_or_default()).unwrap();
    rings.recv_timeout(PATIENCE).unwrap();
    assert_eq!(opening.poll(), Some(Err(Some("somebody has it"))));
    assert_eq!(opening.poll(), None);
}

#[test]
fn it_rings_once_until_somebody_looks() {
    let (mut thread, rings) = start(Scripted::new(Vec::new()), BACKOFF);
    thread.give(Work { batch: Some(batch(1)), fetches: (1..=10).map(fetch).collect(), retained: Vec::new() });
    rings.recv_timeout(PATIENCE).unwrap();
    assert!(rings.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!(hear(&mut thread, &rings, "idle").len(), 12);
}
