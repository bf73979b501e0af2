//! Reads the wire exchanges of `__test__/vectors`: what is sent, what must come back, when the connection closes.
//!
//! [`files`] finds them, [`Pattern`] is bytes in their notation, to send or to compare with, and [`steps`] are the
//! lines of a conversation. `__test__/vectors/README.md` explains all three. Nothing here knows our codec: the vectors
//! are a witness of their own. `__test__/vectors/reader` is the same in TypeScript.

pub mod files;
mod notation;
mod pattern;
pub mod steps;
mod version;

pub use notation::NotationError;
pub use pattern::{Outcome, Pattern, Variables, hex, packet_length};
pub use version::Version;
