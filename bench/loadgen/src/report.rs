//! The answer: one JSON object on one line.

use crate::{ledger::Tally, probe::CoreTimes, scenario::Scenario};
use hdrhistogram::Histogram;
use serde::Serialize;

/// What a run found out. "Message" is a delivery everywhere: a message published to ten subscribers is ten.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was asked, with all defaults filled in.
    pub scenario: Scenario,
    /// Everything published was delivered, once, in order and whole. A run that is not clean is void.
    pub clean: bool,
    /// The whole run, warm-up included.
    pub tally: Tally,
    /// Messages published in the whole run.
    pub published: u64,
    /// At a fixed rate: messages that were due and could not be sent, because the window or the socket was
    /// full to the end.
    pub unsent: u64,
    /// Length of the measurement.
    pub seconds: f64,
    /// Published during the measurement.
    pub published_measured: u64,
    /// Delivered during the measurement.
    pub delivered_measured: u64,
    /// The figure that most tables are about.
    pub delivered_per_second: f64,
    /// The same in payload bytes.
    pub payload_bytes_per_second: f64,
    /// The broker's processes; absent when none were named.
    pub broker: Option<BrokerReport>,
    /// What the generator spent: near 1 in `busy` means that it, not the broker, was the limit (a generator at
    /// a fixed rate polls, and is always busy).
    pub generator: GeneratorReport,
    /// From when a message was due to its arrival; only at a fixed rate.
    pub latency_micros: Option<Quantiles>,
    /// From when a message was due until the generator sent it; only at a fixed rate.
    pub send_delay_micros: Option<Quantiles>,
    /// What each core did during the measurement.
    pub cores: Vec<CoreTimes>,
}

/// The broker during the measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerReport {
    /// User and system time.
    pub cpu_seconds: f64,
    /// The same per message delivered.
    pub cpu_micros_per_message: f64,
    /// Resident memory at the end.
    pub resident_bytes: u64,
}

/// The generator during the measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorReport {
    /// CPU time of its thread.
    pub cpu_seconds: f64,
    /// The same as a share of the time that passed.
    pub busy: f64,
    /// The same per message delivered, sending included.
    pub cpu_nanos_per_message: f64,
    /// Mean size of what a read gave.
    pub bytes_per_read: f64,
    /// Mean number of messages that a read gave.
    pub messages_per_read: f64,
    /// Mean size of a write.
    pub bytes_per_write: f64,
    /// Deliveries that a publisher may have outstanding when saturated.
    pub lag_per_publisher: u64,
    /// The most deliveries that a publisher ever had outstanding: no broker had more of its messages in queues and
    /// windows towards subscribers.
    pub most_outstanding: u64,
}

/// Some quantiles of a histogram, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Quantiles {
    /// How many values.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 90 of 100 are not above.
    pub p90: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
    /// 999 of 1000 are not above.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// Of a histogram of nanoseconds; `None` when it is empty.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let micros = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: micros(0.5),
            p90: micros(0.9),
            p99: micros(0.99),
            p999: micros(0.999),
            max: histogram.max() as f64 / 1e3,
        })
    }
}
