//! The broker as its clients see it: raw bytes in, raw bytes out, virtual time.
#![allow(clippy::panic, reason = "how a test fails")]

mod ahead;
mod auth;
mod batches;
mod chaos;
mod connect;
mod durable;
mod features;
mod hooks;
mod limits;
mod local;
mod malformed;
mod properties;
mod qos;
mod random;
mod re_authentication;
mod refusals;
mod regressions;
mod retained;
mod sessions;
mod statistics;
mod subscriptions;
mod support;
mod trouble;
mod wills;
