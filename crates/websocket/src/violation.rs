//! What a peer can do wrong, and what its close frame says of it.

use thiserror::Error;

/// A rule that the peer broke. Displayed, it is the reason of the close frame, 123 bytes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// One of RSV1 to RSV3: no extension was agreed that would give them a meaning.
    #[error("A reserved bit of a frame is set, and no extension was agreed.")]
    ReservedBits,
    /// An opcode that the standard keeps for later.
    #[error("A frame with the opcode {opcode} does not exist.")]
    ReservedOpcode {
        /// The four bits.
        opcode: u8,
    },
    /// A close, ping or pong that is not all of its message.
    #[error("A close, ping or pong frame must not be fragmented.")]
    FragmentedControl,
    /// A close, ping or pong that says it is longer than 125 bytes.
    #[error("A close, ping or pong frame carries at most 125 bytes.")]
    ControlTooLong,
    /// A continuation frame while no message is under way.
    #[error("A frame continues a message where none has begun.")]
    NothingToContinue,
    /// A text or binary frame while a message is under way.
    #[error("A message begins before the one under way has ended.")]
    MessageUnderWay,
    /// [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
    #[error("MQTT packets travel in binary frames; this was a text frame.")]
    TextFrame,
    /// Every frame of a client is masked.
    #[error("The frames of a client have to be masked; this one was not.")]
    Unmasked,
    /// A length of 64 bits with the first one set.
    #[error("The length of a frame must not have its highest bit set.")]
    LengthHighestBit,
    /// All frames of a message together.
    #[error("A message carries at most {maximum_bytes} bytes here.")]
    MessageTooBig {
        /// What [`crate::WebSocket::new`] was given.
        maximum_bytes: u64,
    },
    /// A close frame of one byte.
    #[error("A close frame carries a code of two bytes, or nothing.")]
    HalfCloseCode,
    /// A close code that no peer may send.
    #[error("A close frame must not carry the code {code}.")]
    CloseCode {
        /// The code.
        code: u16,
    },
    /// A close frame whose reason is not text.
    #[error("The reason in a close frame is not UTF-8.")]
    CloseReasonNotUtf8,
}

impl Violation {
    /// The close code that goes with it.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::TextFrame => 1003,
            Self::CloseReasonNotUtf8 => 1007,
            Self::MessageTooBig { .. } => 1009,
            _ => 1002,
        }
    }
}
