//! The Node.js addon: converts, calls, converts back. Nothing is decided here.
//!
//! The rule of the boundary: one native call per chunk read and one per turn for all that is written, never one
//! per packet. JavaScript allocates the memory that both sides use (chunks, the output arena, the record table)
//! and lends it for the length of a call; nothing of it is kept. A panic is caught at the edge: it ends the
//! broker it happened in, and nothing else.
//!
//! What lives here: [`broker`] with its [`events`] as a byte stream and the sockets that it drives itself
//! ([`broker_sockets`]) and the [`store`] beside it, [`store_tool`] for stores without a broker, [`client`], [`topic_router`], [`codec`], [`password`] hashes, and for
//! the command whether its [`reader`] is there.
//! `src/native.ts` is the only JavaScript that imports it.

#![allow(clippy::needless_pass_by_value, reason = "exports are handed owned values by napi")]

pub mod broker;
pub mod broker_sockets;
pub mod client;
pub mod codec;
pub mod error;
pub mod events;
pub mod metrics;
pub mod objects;
pub mod options;
pub mod password;
mod patience;
pub mod reader;
mod shared;
#[cfg(unix)]
mod sockets;
mod state;
pub mod statistics;
pub mod store;
pub mod store_tool;
mod storing;
pub mod topic_router;
