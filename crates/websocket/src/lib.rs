//! The frames of a WebSocket that carries MQTT (RFC 6455), the server's end, after the handshake.
//!
//! [`WebSocket`] is a value: bytes in, bytes out, no socket and no clock. The host gives it each chunk that it has
//! read, [`WebSocket::receive`] answers with the MQTT bytes of that chunk in one piece, made in the chunk's own
//! memory, and the host goes on as if they had come from TCP: control packets may share frames and span them
//! [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2], so a frame means nothing here. What MQTT has to say goes out behind one
//! [`BinaryHeader`]; answers to pings and the two close frames come from [`WebSocket::poll_control`].
//!
//! What lives elsewhere: the handshake, TLS and topic URLs, which stay with the `ws` package in `src/http` and
//! `src/transports`, as does MQTT over WebSocket where sockets are read by Node.
//!
//! Why no library: those that own a stream (tungstenite, fastwebsockets, ratchet, soketto, tokio-websockets, wtx)
//! read whole messages into memory of their own and keep their framing private or bound to `Read` or a runtime.
//! `websocket-sans-io` does the framing alone, in place, and checks nothing: not masks, opcodes, fragments, lengths
//! or close codes, which is most of what is below. It also gives a frame in three calls and a payload for each
//! frame, where this crate gives one for each chunk. `benches/frames.rs` runs both.
//!
//! ```
//! use topicwire_websocket::{BinaryHeader, State, WebSocket};
//!
//! let mut web_socket = WebSocket::new(65_536);
//! // Two masked frames, PINGREQ cut in half: 82 81 <mask> C0, 82 81 <mask> 00.
//! let mut chunk = *b"\x82\x81\x01\x02\x03\x04\xC1\x82\x81\x01\x02\x03\x04\x01";
//! let received = web_socket.receive(&mut chunk);
//! assert_eq!(received.payload, b"\xC0\x00");
//! assert_eq!(received.end, None);
//!
//! assert_eq!(*BinaryHeader::new(2), *b"\x82\x02");
//!
//! web_socket.close(1001, "The broker is shutting down.");
//! assert_eq!(web_socket.state(), State::Closing);
//! assert_eq!(web_socket.poll_control().as_deref(), Some(&b"\x88\x1E\x03\xE9The broker is shutting down."[..]));
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod chunk;
mod close;
mod control;
mod header;
mod mask;
mod violation;
mod web_socket;

pub use control::ControlFrame;
pub use header::{BinaryHeader, MAXIMUM_BINARY_HEADER_BYTES};
pub use violation::Violation;
pub use web_socket::{End, Received, State, WebSocket};
