//! What the host does for the store: batches and questions there, news back, each when an operation says so.

use std::sync::Arc;

use topicwire_broker::store::{Fetch, RetainedFetch, Store, StoreBatch, StoreError};
use topicwire_broker::{Broker, Delivery, HookFilters, Message, Restore};
use topicwire_codec::QoS;

use crate::model::{Snapshot, Verdict, Violation};
use crate::world::World;

/// What the store is to do, in the order it was given out.
#[derive(Debug)]
pub(crate) enum Work {
    Commit(StoreBatch),
    Fetch(Fetch),
    FetchRetained(RetainedFetch),
}

/// What it has done.
#[derive(Debug)]
pub(crate) enum News {
    Stored(u64),
    Fetched(Fetch, Vec<(QoS, Delivery)>),
    FetchedRetained(RetainedFetch, Vec<Option<Arc<Message>>>),
}

impl World {
    /// Takes the current batch and all questions.
    pub(crate) fn take_batch(&mut self) {
        let _ = self.broker.settle_store(self.now_ms);
        if let Some(batch) = self.broker.poll_store_batch() {
            self.note(|_| format!("    batch {} is taken: {:?}", batch.sequence, batch.operations));
            if !self.setup.commits_at_once {
                self.snapshots.push_back((batch.sequence, self.model.snapshot()));
            }
            self.model.batch = batch.sequence + 1;
            self.work.push_back(Work::Commit(batch));
        }
        while let Some(fetch) = self.broker.poll_fetch() {
            self.work.push_back(Work::Fetch(fetch));
        }
        while let Some(fetch) = self.broker.poll_retained_fetch() {
            self.work.push_back(Work::FetchRetained(fetch));
        }
    }

    /// The store does the next piece of its work.
    pub(crate) fn commit_next(&mut self) -> Verdict {
        match self.work.pop_front() {
            None => {}
            Some(Work::Commit(batch)) => {
                self.store.commit(&batch).map_err(failed)?;
                self.counts.commits += 1;
                self.snapshots.retain(|(sequence, _)| *sequence >= batch.sequence);
                self.news.push_back(News::Stored(batch.sequence));
            }
            Some(Work::Fetch(fetch)) => {
                let deliveries = self.store.fetch(&fetch).map_err(failed)?;
                self.news.push_back(News::Fetched(fetch, deliveries));
            }
            Some(Work::FetchRetained(fetch)) => {
                let messages = self.store.fetch_retained(&fetch.topic_names).map_err(failed)?;
                self.news.push_back(News::FetchedRetained(fetch, messages));
            }
        }
        Ok(())
    }

    /// The broker hears of the next piece of work that is done.
    pub(crate) fn tell_next(&mut self) {
        match self.news.pop_front() {
            None => {}
            Some(News::Stored(sequence)) => {
                self.note(|_| format!("    batch {sequence} is stored"));
                self.model.told = sequence;
                self.broker.stored(sequence, self.now_ms);
            }
            Some(News::Fetched(fetch, deliveries)) => {
                self.broker.handle_fetched(&fetch, deliveries, self.now_ms);
            }
            Some(News::FetchedRetained(fetch, messages)) => {
                self.broker.handle_retained(&fetch, messages, self.now_ms);
            }
        }
    }

    /// The broker is gone, and comes back with what the store has.
    pub(crate) fn crash(&mut self, down_ms: u64, loses_output: bool) -> Verdict {
        self.counts.crashes += 1;
        self.counts.dropped += self.broker.metrics().dropped_count();
        self.work.clear();
        self.news.clear();
        for link in std::mem::take(&mut self.live).into_values() {
            self.links[link].lose_broker(loses_output);
        }
        // After each operation everything is stored, or what was committed.
        let stored = if !self.setup.durable {
            Snapshot::default()
        } else if self.setup.commits_at_once {
            self.model.snapshot()
        } else {
            let committed = self.store.last_sequence();
            self.snapshots.retain(|(sequence, _)| *sequence <= committed);
            self.snapshots.back().map(|(_, snapshot)| snapshot.clone()).unwrap_or_default()
        };
        self.now_ms += down_ms;
        let last_sequence = self.store.last_sequence();
        self.model.restart(stored, self.now_ms);
        self.model.told = last_sequence;
        self.model.batch = if self.setup.durable { last_sequence + 1 } else { 0 };
        self.broker = self.restored()?;
        Ok(())
    }

    fn restored(&mut self) -> Verdict<Broker> {
        let mut restore = Restore::new(self.setup.config(), HookFilters::default(), self.now_ms);
        let last_sequence = self.store.contents(&mut |record| restore.take(record)).map_err(failed)?;
        Ok(restore.finish(last_sequence, self.now_ms))
    }

    /// All of it; true where there was something.
    pub(crate) fn finish_work(&mut self) -> Verdict<bool> {
        self.take_batch();
        let did_something = !self.work.is_empty() || !self.news.is_empty();
        while !self.work.is_empty() {
            self.commit_next()?;
        }
        while !self.news.is_empty() {
            self.tell_next();
        }
        Ok(did_something)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: StoreError) -> Violation {
    Violation(error.to_string())
}
