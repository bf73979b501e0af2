//! The broker as its clients see it: raw bytes in, raw bytes out, virtual time.
#![allow(clippy::panic, reason = "how a test fails")]

mod connect;
mod qos;
mod sessions;
mod support;
mod wills;
