//! The subscription index by itself, for services that embed a topic router without a broker.

use napi::bindgen_prelude::Uint32ArraySlice;
use napi_derive::napi;
use topicwire_topics::{TopicFilter, TopicName, TopicRouter};

use crate::error::{Code, Result, error, from_filter, from_name};

/// The native half of `TopicRouter`; `src/topic-router.ts` is what users see.
#[napi]
pub struct NativeTopicRouter {
    router: TopicRouter,
    ids: Vec<u32>,
}

#[napi]
impl NativeTopicRouter {
    /// An empty router. `seed` keys its hash tables.
    #[napi(constructor)]
    pub fn new(seed: f64) -> Self {
        Self { router: TopicRouter::with_seed(seed.to_bits()), ids: Vec::new() }
    }

    /// Adds an id to a filter: true where it was not there yet.
    #[napi]
    pub fn add(&mut self, topic_filter: String, id: u32) -> Result<bool> {
        self.router.add(&topic_filter, id).map_err(|problem| from_filter(&problem))
    }

    /// Takes an id from a filter: true where it was there.
    #[napi]
    pub fn remove(&mut self, topic_filter: String, id: u32) -> Result<bool> {
        self.router.remove(&topic_filter, id).map_err(|problem| from_filter(&problem))
    }

    /// Pairs of filter and id.
    #[napi(getter)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.router.len()).unwrap_or(u32::MAX)
    }

    /// Writes the ids whose filters match into `out` and returns how many there are; where that is more than
    /// `out` holds nothing has been lost, and the call is made again with a larger one.
    #[napi]
    pub fn match_into(&mut self, topic_name: String, mut out: Uint32ArraySlice<'_>) -> Result<u32> {
        self.ids.clear();
        self.router.match_into(&topic_name, &mut self.ids).map_err(|problem| from_name(&problem))?;
        Ok(copy_out(&self.ids, &mut out))
    }

    /// The same for many topics, joined by U+0000, which no topic contains. For each topic in turn `out` gets the
    /// number of its ids, then the ids.
    #[napi]
    pub fn match_many_into(&mut self, topic_names: String, mut out: Uint32ArraySlice<'_>) -> Result<u32> {
        self.ids.clear();
        for (index, topic_name) in topic_names.split('\0').enumerate() {
            let count_at = self.ids.len();
            self.ids.push(0);
            self.router.match_into(topic_name, &mut self.ids).map_err(|problem| {
                error(Code::InvalidTopicName, format_args!("topic {index} is not valid: {problem}"))
            })?;
            let count = self.ids.len() - count_at - 1;
            if let Some(place) = self.ids.get_mut(count_at) {
                *place = u32::try_from(count).unwrap_or(u32::MAX);
            }
        }
        Ok(copy_out(&self.ids, &mut out))
    }
}

/// True where the filter matches the topic name (section 4.7).
#[napi]
pub fn topic_matches(topic_filter: String, topic_name: String) -> Result<bool> {
    let filter = TopicFilter::new(&topic_filter).map_err(|problem| from_filter(&problem))?;
    let name = TopicName::new(&topic_name).map_err(|problem| from_name(&problem))?;
    Ok(filter.matches(name))
}

/// True where some topic name matches both filters.
#[napi]
pub fn topic_filters_overlap(one: String, other: String) -> Result<bool> {
    let one = TopicFilter::new(&one).map_err(|problem| from_filter(&problem))?;
    let other = TopicFilter::new(&other).map_err(|problem| from_filter(&problem))?;
    Ok(one.overlaps(&other))
}

fn copy_out(ids: &[u32], out: &mut Uint32ArraySlice<'_>) -> u32 {
    // SAFETY: JavaScript lends the array for the length of this call, on its own thread, and it is not a view of
    // memory that another thread shares: `src/topic-router.ts` makes it and keeps it to itself.
    let out = unsafe { out.as_mut() };
    if let Some(place) = out.get_mut(..ids.len()) {
        place.copy_from_slice(ids);
    }
    u32::try_from(ids.len()).unwrap_or(u32::MAX)
}
