//! What a client is made with, checked in JavaScript.

use napi_derive::napi;
use topicwire_session::QueueLimits;
use topicwire_session::client::Config;

use crate::options::whole;

/// Limits and habits of a client; `src/client/options.ts` has the words that users have for them.
#[napi(object)]
pub struct NativeClientOptions {
    /// Messages of QoS 1 and 2 that may wait.
    pub maximum_queued_messages: f64,
    /// Their bytes.
    pub maximum_queued_bytes: f64,
    /// Bytes that may wait for the transport.
    pub maximum_out_buffer_bytes: f64,
    /// Bytes of the largest packet that is read.
    pub maximum_packet_size_bytes: u32,
    /// Topic aliases that are set towards the server, at most.
    pub topic_alias_limit: u32,
    /// How long CONNACK may take.
    pub connack_timeout_ms: f64,
    /// How long PINGRESP may take.
    pub pingresp_timeout_ms: f64,
    /// A full queue gives up its oldest message.
    pub drops_oldest: bool,
}

impl NativeClientOptions {
    pub(super) fn into_core(self) -> Config {
        let size = |number: f64| usize::try_from(whole(number)).unwrap_or(usize::MAX);
        Config {
            queue: QueueLimits {
                messages: size(self.maximum_queued_messages),
                bytes: size(self.maximum_queued_bytes),
            },
            maximum_out_buffer_bytes: size(self.maximum_out_buffer_bytes),
            maximum_packet_size_bytes: self.maximum_packet_size_bytes,
            topic_alias_limit: u16::try_from(self.topic_alias_limit).unwrap_or(u16::MAX),
            connack_timeout_ms: whole(self.connack_timeout_ms),
            pingresp_timeout_ms: whole(self.pingresp_timeout_ms),
            drops_oldest: self.drops_oldest,
            resends_lost: true,
            ..Config::default()
        }
    }
}
