//! Sockets that are driven here, without JavaScript: read when the event loop says so, written once a turn.
//!
//! JavaScript binds a listening socket and lends its descriptor; who comes is accepted here ([`gate`]). A connection that
//! begins with CONNECT stays, any other is handed to JavaScript, which may give it back as a WebSocket
//! ([`Driver::adopt`]). libuv calls us directly: bytes that were read go to the core, and what the core has for a socket is
//! written from where it lies, after all sockets that were ready have been read. JavaScript is called only where a turn
//! has left something for it: events, questions to hooks, strangers, output of its own transports.
//!
//! [`uv`] has the handles of the event loop, [`socket`] one socket, [`framed`] the WebSocket that may be around it,
//! [`driver`] all of a broker's, [`ending`] how they end, [`host`] the way to JavaScript. The descriptor of a socket is a duplicate that we own, so what is written to it can never reach another.

mod driver;
mod ending;
mod framed;
mod gate;
mod host;
mod socket;
mod uv;

pub(crate) use driver::Driver;
pub(crate) use framed::Framed;
pub(crate) use gate::{GateLimits, Stranger};
pub(crate) use uv::Watched;
