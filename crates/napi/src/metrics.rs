//! Counters and gauges as an array of numbers, and the words for their places.

use napi_derive::napi;
use topicwire_broker::{DropReason, Metrics, StoreState};
use topicwire_codec::ReasonCode;

/// The names of what `NativeBroker.metrics` returns, in its order.
#[napi]
pub fn metric_names() -> Vec<String> {
    let names = [
        "bytesReceived",
        "bytesSent",
        "packetsReceived",
        "packetsSent",
        "publishReceived",
        "publishSent",
        "publishBytesReceived",
        "publishBytesSent",
        "publishRefused",
        "connectionsOpened",
        "connectsRefused",
        "protocolErrors",
        "sessionsExpired",
        "connections",
        "clientsConnected",
        "clientsMaximum",
        "inputBytes",
        "outBufferBytes",
        "queuedBytes",
        "queuedMessages",
        "retainedBytes",
        "storeBatches",
        "storeOperations",
        "storeBytes",
        "storeLastCommitMicros",
        "storeRetries",
        "storeFailing",
        "storeStalls",
        "unstoredBytes",
    ];
    let dropped = DropReason::ALL.map(|reason| format!("dropped.{}", reason.name()));
    let counts = ["sessions", "subscriptions", "retainedMessages"];
    names.into_iter().map(str::to_owned).chain(dropped).chain(counts.map(str::to_owned)).collect()
}

/// The words for drop reasons, in the order of the numbers that events carry.
#[napi]
pub fn drop_reason_names() -> Vec<String> {
    DropReason::ALL.map(|reason| reason.name().to_owned()).to_vec()
}

/// The standard's name of a Reason Code; empty for a number that is none.
#[napi]
pub fn reason_code_name(reason_code: u32) -> String {
    u8::try_from(reason_code)
        .ok()
        .and_then(ReasonCode::from_u8)
        .map(|code| code.name().to_owned())
        .unwrap_or_default()
}

pub(crate) fn metric_values(metrics: &Metrics) -> Vec<u64> {
    let mut values = vec![
        metrics.bytes_received,
        metrics.bytes_sent,
        metrics.packets_received,
        metrics.packets_sent,
        metrics.publish_received,
        metrics.publish_sent,
        metrics.publish_bytes_received,
        metrics.publish_bytes_sent,
        metrics.publish_refused,
        metrics.connections_opened,
        metrics.connects_refused,
        metrics.protocol_errors,
        metrics.sessions_expired,
        metrics.connections,
        metrics.clients_connected,
        metrics.clients_maximum,
        metrics.input_bytes,
        metrics.out_buffer_bytes,
        metrics.queued_bytes,
        metrics.queued_messages,
        metrics.retained_bytes,
        metrics.store.batches,
        metrics.store.operations,
        metrics.store.bytes,
        metrics.store.last_commit_micros,
        metrics.store.retries,
        u64::from(matches!(metrics.store.state, StoreState::Failing | StoreState::Damaged)),
        metrics.store_stalls,
        metrics.unstored_bytes,
    ];
    values.extend_from_slice(&metrics.dropped);
    values
}
