//! Records that cross from JavaScript, and what the core makes of them.

use napi_derive::napi;
use topicwire_broker::{Farewell, Refusal};
use topicwire_codec::{QoS, ReasonCode};

/// A topic URL, as `/topics/…` was parsed.
#[napi(object)]
pub struct NativeTopicUrl {
    /// The filter, decoded.
    pub topic_filter: String,
    /// 0, 1 or 2.
    pub qos: u32,
    /// Whether the retained message is wanted.
    pub retained: bool,
    /// Empty to have one assigned.
    pub client_id: String,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<napi::bindgen_prelude::Uint8Array>,
}

/// What an `onPublish` hook puts in a message's place.
#[napi(object)]
pub struct NativeReplacement {
    /// Another topic name.
    pub topic_name: Option<String>,
    /// Another payload.
    pub payload: Option<napi::bindgen_prelude::Uint8Array>,
    /// Another QoS, 0 to 2.
    pub qos: Option<u32>,
    /// Another RETAIN flag.
    pub retain: Option<bool>,
}

/// What an authentication method says.
#[napi(object)]
pub struct NativeAuthenticationStep {
    /// True: the client is authenticated. False: it is asked on.
    pub is_complete: bool,
    /// Whom it is, where that is complete.
    pub username: Option<String>,
    /// At most 65,535 bytes.
    pub data: Option<napi::bindgen_prelude::Uint8Array>,
    /// Response Information for this client, where the first authentication is complete.
    pub response_information: Option<String>,
}

/// Why a client, a message or a filter is refused, or a connection ended.
#[napi(object)]
pub struct NativeRefusal {
    /// 0x80 to 0xFF.
    pub reason_code: u32,
    /// The Reason String.
    pub reason: Option<String>,
    /// The Server Reference, with 0x9C and 0x9D.
    pub server_reference: Option<String>,
}

impl NativeRefusal {
    pub(crate) fn into_core(self) -> Refusal {
        Refusal {
            reason_code: refusal(self.reason_code),
            reason: self.reason.map(Into::into),
            server_reference: self.server_reference.map(Into::into),
        }
    }

    pub(crate) fn as_farewell(&self) -> Farewell<'_> {
        Farewell {
            reason_code: refusal(self.reason_code),
            reason: self.reason.as_deref(),
            server_reference: self.server_reference.as_deref(),
        }
    }
}

/// Properties of an in-process PUBLISH.
#[napi(object)]
pub struct NativeProperties {
    /// True says that the payload is UTF-8.
    pub payload_format_indicator: Option<bool>,
    /// Seconds.
    pub message_expiry_interval: Option<u32>,
    /// Content type.
    pub content_type: Option<String>,
    /// Response topic.
    pub response_topic: Option<String>,
    /// Correlation data.
    pub correlation_data: Option<napi::bindgen_prelude::Uint8Array>,
    /// Names and values in turn.
    pub user_properties: Option<Vec<String>>,
}

/// A Reason Code of a refusal; a number that is none becomes Unspecified error.
pub(crate) fn refusal(code: u32) -> ReasonCode {
    u8::try_from(code)
        .ok()
        .and_then(ReasonCode::from_u8)
        .filter(|code| code.is_error())
        .unwrap_or(ReasonCode::UnspecifiedError)
}

/// 0, 1 or 2; JavaScript has checked it.
pub(crate) fn quality(qos: u32) -> QoS {
    u8::try_from(qos).ok().and_then(QoS::from_u8).unwrap_or_default()
}
