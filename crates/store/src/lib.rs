//! Stores behind the trait that `topicwire-broker` owns.
//!
//! [`MemoryStore`] keeps what is promised for as long as the process lives: the default of an embedded broker, and
//! what tests look into. It survives no crash. [`DiskStore`] keeps it in a directory, and survives what its [`Durability`] says.
//! [`open_client`] and [`client_batch`] keep a client's Session in one of them.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod check;
mod client;
mod contents;
mod disk;
mod export;
mod fence;
mod files;
mod frame;
mod journal;
mod keys;
mod lines;
mod memory;
mod message_record;
mod open;
mod plan;
mod record;
mod thread;
mod tree;

pub use check::{Counts, Report, Stats, TableStats};
pub use client::{client_batch, open_client};
pub use disk::{DiskStore, Durability, JOURNAL_BYTES};
pub use export::TransferError;
pub use files::StoreFile;
pub use memory::{MemoryStore, StoredDelivery, StoredSession, StoredWill};
pub use open::{FORMAT_VERSION, OpenError, StoreFiles};
pub use thread::{Backoff, News, Opening, StoreThread, Work};
