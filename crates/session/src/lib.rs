//! One MQTT conversation, seen from either end.
//!
//! What lives here: packet identifiers and the exchanges that hold them ([`outbound`], [`inflight`]), the
//! receiving side of the QoS flows ([`inbound`]), topic aliases in both directions ([`alias`]), keep alive
//! ([`keep_alive`]), session expiry and will timing ([`lifetime`]), the ordered set of deadlines that drives them
//! ([`timer`]), and the Client that is made of all this ([`client`]). What does not: matching, who else is connected,
//! sockets, clocks. Time is an argument, in milliseconds since an epoch that the caller chooses.
//!
//! On the path of a PUBLISH this is stop five; `crates/broker/src/route.rs` comes next.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod alias;
pub mod client;
pub mod inbound;
pub mod inflight;
pub mod keep_alive;
pub mod lifetime;
pub mod outbound;
pub mod timer;
mod unreleased;

pub use alias::{AliasError, AliasUse, InboundAliases, OutboundAliases};
pub use inbound::{Inbound, InboundStep, ReceiveMaximumExceeded};
pub use keep_alive::KeepAlive;
pub use lifetime::{Lifetime, WillTiming};
pub use outbound::{NoFreePacketId, Outbound, PubrecStep, QueueFull, QueueLimits, Queued, Resend, Stage};
pub use timer::{Armed, Timers};
