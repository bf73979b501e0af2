//! What a peer did wrong, in one shape: a Reason Code for the peer and a sentence for the log.

use std::borrow::Cow;

use topicwire_codec::{DecodeError, ReasonCode};
use topicwire_session::{AliasError, ReceiveMaximumExceeded};
use topicwire_topics::TopicError;

use crate::hook::Refusal;

/// A peer's fault, which ends its Network Connection [MQTT-4.13.1-1, 4.13.2-1].
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) reason_code: ReasonCode,
    pub(crate) detail: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(reason_code: ReasonCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason_code, detail: detail.into() }
    }

    pub(crate) fn protocol_error(detail: &'static str) -> Self {
        Self::new(ReasonCode::ProtocolError, detail)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::new(error.reason_code(), error.to_string())
    }
}

impl From<AliasError> for Fault {
    fn from(error: AliasError) -> Self {
        let reason_code = match error {
            AliasError::AboveMaximum { .. } => ReasonCode::TopicAliasInvalid,
            _ => ReasonCode::ProtocolError,
        };
        Self::new(reason_code, error.to_string())
    }
}

impl From<ReceiveMaximumExceeded> for Fault {
    fn from(error: ReceiveMaximumExceeded) -> Self {
        Self::new(ReasonCode::ReceiveMaximumExceeded, error.to_string())
    }
}

impl From<TopicError> for Fault {
    fn from(error: TopicError) -> Self {
        Self::new(ReasonCode::TopicNameInvalid, error.to_string())
    }
}

/// Where the packet at hand can say it, and the connection goes on.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { reason_code: fault.reason_code, reason: Some(fault.detail), server_reference: None }
    }
}

/// Where no packet can say it but DISCONNECT.
impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.reason_code, refusal.reason.unwrap_or_default())
    }
}
