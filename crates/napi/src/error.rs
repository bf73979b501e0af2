//! Errors as JavaScript sees them: a stable `code`, the words of the core.

use topicwire_broker::LocalError;
use topicwire_topics::TopicError;

/// The `code` of an error that crosses to JavaScript. `src/errors.ts` has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The broker is closed, or has been shut down after a bug.
    BrokerClosed,
    /// The client has ended.
    ClientEnded,
    /// A wrong argument.
    InvalidOption,
    /// A packet that no receiver could accept.
    InvalidPacket,
    /// A wrong Topic Filter.
    InvalidTopicFilter,
    /// A wrong Topic Name.
    InvalidTopicName,
    /// Over a size limit.
    PacketTooLarge,
    /// A bug in the core.
    Panic,
    /// What a store reads back is not what it wrote.
    StoreDamaged,
    /// A store cannot be opened, or cannot do its work.
    StoreFailed,
    /// Another process has the store.
    StoreInUse,
    /// A newer version has written the store.
    StoreVersion,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Self::BrokerClosed => "ERR_MQTT_BROKER_CLOSED",
            Self::ClientEnded => "ERR_MQTT_CLIENT_ENDED",
            Self::InvalidOption => "ERR_MQTT_INVALID_OPTION",
            Self::InvalidPacket => "ERR_MQTT_INVALID_PACKET",
            Self::InvalidTopicFilter => "ERR_MQTT_INVALID_TOPIC_FILTER",
            Self::InvalidTopicName => "ERR_MQTT_INVALID_TOPIC_NAME",
            Self::PacketTooLarge => "ERR_MQTT_PACKET_TOO_LARGE",
            Self::Panic => "ERR_MQTT_PANIC",
            Self::StoreDamaged => "ERR_MQTT_STORE_DAMAGED",
            Self::StoreFailed => "ERR_MQTT_STORE_FAILED",
            Self::StoreInUse => "ERR_MQTT_STORE_IN_USE",
            Self::StoreVersion => "ERR_MQTT_STORE_VERSION",
        }
    }
}

/// What exports return.
pub type Result<T> = napi::Result<T, Code>;

pub(crate) fn error(code: Code, reason: impl ToString) -> napi::Error<Code> {
    napi::Error::new(code, reason)
}

pub(crate) fn from_local(problem: &LocalError) -> napi::Error<Code> {
    let code = match problem {
        LocalError::TopicName(_) | LocalError::TooManyLevels => Code::InvalidTopicName,
        LocalError::TopicFilter(_) => Code::InvalidTopicFilter,
        LocalError::PropertyTooLong | LocalError::TooLarge => Code::PacketTooLarge,
        LocalError::StoreInTrouble(_) => Code::StoreFailed,
        _ => Code::InvalidOption,
    };
    error(code, problem)
}

pub(crate) fn from_filter(problem: &TopicError) -> napi::Error<Code> {
    error(Code::InvalidTopicFilter, format_args!("the topic filter is not valid: {problem}"))
}

pub(crate) fn from_name(problem: &TopicError) -> napi::Error<Code> {
    error(Code::InvalidTopicName, format_args!("the topic name is not valid: {problem}"))
}
