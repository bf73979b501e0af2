//! What the fuzzers run.
//!
//! Each target is a function that takes any bytes and panics where something is wrong, so that one body serves the
//! fuzzer (`fuzz/`, a package of its own for the nightly compiler) and the tests, which replay what it has found
//! interesting (`corpus/`, `tests/corpora.rs`). `docs/fuzzing.md` says how to run them and what becomes of a finding.
#![forbid(unsafe_code)]

mod broker;
mod client;
mod codec;
mod filters;
mod input;
mod seeds;
mod session;
mod split;
mod topics;
mod websocket;

pub use broker::broker;
pub use client::client_input;
pub use codec::{decode, round_trip};
pub use filters::filter_validation;
pub use seeds::seeds;
pub use session::session_operations;
pub use split::split_input;
pub use topics::topic_matching;
pub use websocket::websocket_frames;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by the name that its fuzzer, its corpus and `npm run fuzz` go by.
pub const TARGETS: &[Target] = &[
    ("decode", decode),
    ("round_trip", round_trip),
    ("split_input", split_input),
    ("topic_matching", topic_matching),
    ("filter_validation", filter_validation),
    ("session_operations", session_operations),
    ("broker", broker),
    ("client_input", client_input),
    ("websocket_frames", websocket_frames),
];
