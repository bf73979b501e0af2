//! The load generator of the end-to-end bench.
//!
//! One thread, epoll, no allocation per message. It opens the publishers and subscribers of a [`scenario`],
//! drives them as fast as the broker takes the messages or at a fixed rate, and judges every delivery by the
//! stamp in its payload. It has an MQTT encoder and decoder of its own ([`wire`]) and shares no code with the
//! broker it measures, so that it cannot share its mistakes.
//!
//! Order of reading: [`scenario`] (what is asked), [`run`] (the load), [`fleet`] (the sockets), [`dial`] (the
//! handshake), [`wire`], [`stamp`] and [`websocket`] (bytes), [`ledger`] (was everything delivered once and in
//! order?), [`report`] (the answer). [`pace`] and [`background`] are details of the load. [`idle`] holds connections that do nothing, [`relay`] is the broker that does
//! nothing and so shows what the generator itself can reach, [`selftest`] prints what a message costs here.
#![forbid(unsafe_code)]

pub mod background;
pub mod churn;
pub mod connects;
pub mod dial;
pub mod fleet;
pub mod idle;
pub mod ledger;
pub mod pace;
pub mod pair;
pub mod probe;
pub mod publisher;
pub mod relay;
pub mod report;
pub mod retained;
pub mod run;
pub mod scenario;
pub mod selftest;
pub mod stamp;
pub mod websocket;
pub mod wire;

use thiserror::Error;

/// Why a run could not be finished. A run that was finished and lost messages is no error: see
/// [`ledger::Tally`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The operating system refused something.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The broker sent bytes that are no MQTT, or a packet that has no place here.
    #[error("the broker sent {0}")]
    Wire(#[from] wire::WireError),
    /// The broker's WebSocket frames are none.
    #[error("the broker sent {0}")]
    WebSocket(#[from] websocket::WebSocketError),
    /// The broker closed a connection, or said goodbye.
    #[error("the broker closed connection {connection}")]
    Closed {
        /// Index of the connection in its fleet.
        connection: usize,
    },
    /// CONNACK, SUBACK, PUBACK or PUBREC said no.
    #[error("the broker refused {what} with code {code:#04x}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The return code or Reason Code.
        code: u8,
    },
    /// The handshakes made no progress for a while.
    #[error("{waiting} of the connections were not answered within {seconds} s")]
    Unanswered {
        /// Connections without CONNACK or SUBACK.
        waiting: usize,
        /// How long was waited since the last answer.
        seconds: u64,
    },
    /// The scenario asks for something impossible.
    #[error("scenario: {0}")]
    Scenario(String),
}
