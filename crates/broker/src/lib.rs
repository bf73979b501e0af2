//! The sans-IO MQTT broker: bytes and time in, bytes and events out.
//!
//! [`Broker`] is a value: no socket, no clock, no thread, no global, no randomness of its own. Its type says what
//! goes in, what comes out and in which order to call. One value is one shard; several form one logical broker.
//!
//! On the path of a PUBLISH this is where it is routed (`route.rs`), written to its receivers (`deliver.rs`,
//! `write.rs`) and, where something was promised, recorded (`store.rs`). `src/connection.ts` drains what comes out.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod accept;
mod acknowledge;
mod bad_connect;
