//! The part of `NativeBroker` that shows the broker to its operator.

use napi_derive::napi;

use crate::broker::NativeBroker;
use crate::error::Result;

/// How one client's session stands.
#[napi(object)]
pub struct NativeClientStatistics {
    /// Messages of QoS 1 and 2 that wait.
    pub queued_messages: f64,
    /// Bytes of them.
    pub queued_bytes: f64,
    /// Messages of QoS 1 and 2 that have been sent and are not acknowledged.
    pub inflight_messages: f64,
    /// Bytes that wait for the transport to take them.
    pub out_buffer_bytes: f64,
    /// Topic filters that it holds.
    pub subscriptions: f64,
    /// Messages that were dropped for it.
    pub dropped_messages: f64,
}

#[napi]
impl NativeBroker {
    /// The figures of a client, connected or not; null where it has no session.
    #[napi]
    pub fn client_statistics(&mut self, client_id: String) -> Result<Option<NativeClientStatistics>> {
        let statistics = self.run(0.0, |core, _| core.client_statistics(&client_id))?;
        Ok(statistics.map(|figures| NativeClientStatistics {
            queued_messages: figures.queued_messages as f64,
            queued_bytes: figures.queued_bytes as f64,
            inflight_messages: figures.inflight_messages as f64,
            out_buffer_bytes: figures.out_buffer_bytes as f64,
            subscriptions: figures.subscriptions as f64,
            dropped_messages: figures.dropped_messages as f64,
        }))
    }

    /// Whether somebody who is connected, or in this process, has subscribed to a topic.
    #[napi]
    pub fn has_listener(&mut self, topic_name: String) -> Result<bool> {
        self.run(0.0, |core, _| core.has_listener(&topic_name))
    }
}
