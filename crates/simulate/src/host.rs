//! What the host does for the store: batches and questions there, news back, each when an operation says so.

use topicwire_broker::Delivery;
use topicwire_broker::store::{Fetch, Store, StoreBatch};
use topicwire_codec::QoS;

use crate::model::{Verdict, Violation};
use crate::world::World;

/// What the store is to do, in the order it was given out.
#[derive(Debug)]
pub(crate) enum Work {
    Commit(StoreBatch),
    Fetch(Fetch),
}

/// What it has done.
#[derive(Debug)]
pub(crate) enum News {
    Stored(u64),
    Fetched(Fetch, Vec<(QoS, Delivery)>),
}

impl World {
    /// Takes the current batch and all questions.
    pub(crate) fn take_batch(&mut self) {
        if let Some(batch) = self.broker.poll_store_batch() {
            self.note(|_| format!("    batch {} is taken: {:?}", batch.sequence, batch.operations));
            self.snapshots.push_back((batch.sequence, self.model.snapshot()));
            self.model.batch = batch.sequence + 1;
            self.work.push_back(Work::Commit(batch));
        }
        while let Some(fetch) = self.broker.poll_fetch() {
            self.work.push_back(Work::Fetch(fetch));
        }
    }

    /// The store does the next piece of its work.
    pub(crate) fn commit_next(&mut self) -> Verdict {
        let failed = |error: topicwire_broker::store::StoreError| Violation(error.to_string());
        match self.work.pop_front() {
            None => {}
            Some(Work::Commit(batch)) => {
                self.store.commit(&batch).map_err(failed)?;
                self.counts.commits += 1;
                while self.snapshots.front().is_some_and(|(sequence, _)| *sequence < batch.sequence) {
                    self.snapshots.pop_front();
                }
                self.news.push_back(News::Stored(batch.sequence));
            }
            Some(Work::Fetch(fetch)) => {
                let deliveries = self.store.fetch(&fetch).map_err(failed)?;
                self.news.push_back(News::Fetched(fetch, deliveries));
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
        }
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
