//! Random operations on one broker, its store and many clients under virtual time, checked against a model.
//!
//! An [`Op`] is one small thing that happens; a list of them in a [`Setup`] is an episode ([`run`]), and the same list
//! always does the same. [`explore`] makes up episodes from a seed until one fails, and shrinks that one.
//! `docs/simulation.md` says what is checked and how to run it.
#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "an impossible packet of its own is a mistake of the simulator")]

mod client;
mod explore;
mod host;
mod link;
mod model;
mod op;
mod packet;
mod random;
mod setup;
mod shrink;
mod wires;
mod world;

pub use explore::{Episode, Failure, Limits, explore, run, trace};
pub use op::{ConnectOp, FILTERS, FilterOp, Goodbye, Op, PublishOp, TOPICS, WillOp, filter_of};
pub use setup::Setup;
pub use world::Counts;
