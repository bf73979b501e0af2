//! Stores behind the trait that `topicwire-broker` owns.
//!
//! [`MemoryStore`] keeps what is promised for as long as the process lives: the default of an embedded broker, and
//! what tests look into. It survives no crash.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod memory;
mod thread;

pub use memory::{MemoryStore, StoredDelivery, StoredSession, StoredWill};
pub use thread::{Backoff, News, Opening, StoreThread, Work};
