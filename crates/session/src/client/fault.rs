//! What the server did wrong, in one shape: a Reason Code for the server and a sentence for people.

use std::borrow::Cow;

use topicwire_codec::{DecodeError, ReasonCode};
use topicwire_topics::TopicError;

use crate::alias::AliasError;
use crate::inbound::ReceiveMaximumExceeded;

/// The server's fault, which ends the connection [MQTT-4.13.1-1].
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason_code: ReasonCode,
    pub(super) detail: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(reason_code: ReasonCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason_code, detail: detail.into() }
    }

    pub(super) fn protocol_error(detail: &'static str) -> Self {
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
            AliasError::NoTopicName | AliasError::Unknown { .. } => ReasonCode::ProtocolError,
            AliasError::AboveMaximum { .. } => ReasonCode::TopicAliasInvalid,
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
