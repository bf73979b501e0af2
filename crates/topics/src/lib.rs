//! MQTT topics: names, filters, and the indexes that connect the two.
//!
//! - [`TopicName`], [`TopicFilter`], [`SubscriptionFilter`]: text that was checked once (`name.rs`,
//!   `filter.rs`).
//! - [`Subscriptions`]: filters are stored, names are looked up. Hash tables for exact filters and for each shape that
//!   filters with wildcards have, beside a trie for unusual ones (`subscriptions.rs`, `shapes.rs`, `trie.rs`), with groups
//!   of Shared Subscriptions (`shared.rs`).
//! - [`Retained`]: names are stored, filters are looked up (`retained.rs`).
//! - [`TopicRouter`]: the subscription index as a thing of its own, for those who have no broker
//!   (`router.rs`).
//!
//! Packets are not known here, nor sessions, nor sockets. The crate reads no clock and no random source: what
//! seeds the hash tables is an argument. No input can make it recurse; what a peer can make grow (filters,
//! levels, members) is for the owner of an index to limit, and [`Subscriptions::size`] and
//! [`TopicFilter::level_count`] say how much there is.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod cut;
mod edges;
mod error;
mod filter;
mod hash;
mod leaf;
mod level;
mod members;
mod name;
mod namesakes;
mod retained;
mod router;
mod shapes;
mod shared;
mod slab;
mod subscriptions;
mod table;
mod text;
mod trie;

pub use error::TopicError;
pub use filter::{SubscriptionFilter, TopicFilter};
pub use name::{MAX_TOPIC_BYTES, TopicName};
pub use retained::Retained;
pub use router::TopicRouter;
pub use shared::{GroupId, SharedGroup};
pub use subscriptions::{IndexSize, Matches, Subscriptions};
