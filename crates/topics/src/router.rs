//! A topic router without a broker: filters and ids as they come from outside, matching ids out.
//!
//! This is what the addon's class `TopicRouter` is made of. The index behind it is `subscriptions.rs`.

use crate::error::TopicError;
use crate::filter::TopicFilter;
use crate::name::TopicName;
use crate::subscriptions::Subscriptions;

/// Which ids registered for a filter that matches a topic name.
///
/// Ids are the caller's; one id may have many filters and one filter many ids. `$share/` means nothing here:
/// it is the beginning of a filter like any other.
#[derive(Clone, Debug, Default)]
pub struct TopicRouter {
    index: Subscriptions<u32, ()>,
}

impl TopicRouter {
    /// A router whose hash seed is known to all: for filters that no stranger chooses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A router whose hash tables are seeded, see [`Subscriptions::with_seed`].
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self { index: Subscriptions::with_seed(seed) }
    }

    /// Registers `id` for `filter`; `false` if it was registered for it already.
    ///
    /// # Errors
    /// Those of [`TopicFilter::new`].
    pub fn add(&mut self, filter: &str, id: u32) -> Result<bool, TopicError> {
        Ok(self.index.insert(TopicFilter::new(filter)?, id, ()).is_none())
    }

    /// Takes `id` off `filter`; `false` if it was not registered for it.
    ///
    /// # Errors
    /// Those of [`TopicFilter::new`].
    pub fn remove(&mut self, filter: &str, id: u32) -> Result<bool, TopicError> {
        Ok(self.index.remove(TopicFilter::new(filter)?, id).is_some())
    }

    /// Appends the ids whose filters match `topic` to `ids`: each once, in ascending order. What is in `ids`
    /// already stays as it is. Costs a match and sorting what it found.
    ///
    /// # Errors
    /// Those of [`TopicName::new`]; nothing is appended then.
    pub fn match_into(&self, topic: &str, ids: &mut Vec<u32>) -> Result<(), TopicError> {
        let start = ids.len();
        self.index.for_each_match(TopicName::new(topic)?, |id, ()| ids.push(id));
        sort_and_dedup_from(ids, start);
        Ok(())
    }

    /// The number of registrations: pairs of a filter and an id.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Memory that the router has asked for, what it keeps in reserve included, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.index.size().heap_bytes
    }
}

fn sort_and_dedup_from(ids: &mut Vec<u32>, start: usize) {
    let Some(found) = ids.get_mut(start..).filter(|found| found.len() > 1) else { return };
    found.sort_unstable();
    let mut kept = start;
    let mut last = None;
    for at in start..ids.len() {
        let id = ids.get(at).copied();
        if id != last {
            if let (Some(slot), Some(id)) = (ids.get_mut(kept), id) {
                *slot = id;
            }
            kept += 1;
            last = id;
        }
    }
    ids.truncate(kept);
}
