//! Sockets that are driven here, without JavaScript: read when the event loop says so, written once a turn.
//!
//! A listener in JavaScript accepts a connection and finds out what it speaks; a plain TCP connection is then taken over
//! from Node ([`Driver::adopt`]). From there on libuv calls us directly: bytes that were read go to the core, and what the
//! core has for a socket is written from where it lies, after all sockets that were ready have been read. JavaScript is
//! called only where a turn has left something for it: events, questions to hooks, output of its own transports.
//!
//! [`uv`] has the handles of the event loop, [`socket`] one socket, [`framed`] the WebSocket that may be around it,
//! [`driver`] all of a broker's, [`host`] the way to JavaScript. The descriptor of a socket is a duplicate that we own, so what is written to it can never reach another.

mod driver;
mod framed;
mod host;
mod socket;
mod uv;

pub(crate) use driver::Driver;
pub(crate) use framed::Framed;
