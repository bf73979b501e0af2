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
mod ahead;
mod auth;
mod bad_connect;
mod broker;
mod config;
mod connect;
mod connection;
mod deliver;
mod drops;
mod end;
mod event;
mod fan_out;
mod fault;
mod features;
mod hook;
mod input;
mod journal;
mod local;
mod message;
mod metrics;
mod out_buffer;
mod pending;
mod publish;
mod pump;
mod recipient;
mod restore;
mod retain;
mod route;
mod session;
mod statistics;
pub mod store;
mod subscribe;
mod sys;
mod topic_url;
mod transmit;
mod trouble;
mod withheld;
mod write;

pub use broker::{Broker, ConnectionKey, LocalHandle, SessionKey};
pub use config::{Config, HookFilters, Limits, QueueFullPolicy, ReceiveMaximumPolicy};
pub use connection::Closing;
pub use end::Farewell;
pub use event::Event;
pub use features::Features;
pub use hook::{
    Acceptance, AuthenticationStep, Question, Refusal, Replacement, Secret, Subject, Token, Verdict,
};
pub use input::InputStatus;
pub use local::{LocalError, LocalOutcome, LocalPublish};
pub use message::{Delivery, Message};
pub use metrics::{DropReason, Metrics, StoreMetrics, StoreState};
pub use restore::Restore;
pub use session::SubscriptionOptions;
pub use statistics::ClientStatistics;
pub use topic_url::TopicUrlRequest;
pub use transmit::{Sink, Transmit};
