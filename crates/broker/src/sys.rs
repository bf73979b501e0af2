//! `$SYS/broker/…`: how the broker is, under Mosquitto's names, so that existing dashboards work.
//!
//! Published retained (where that is on), every `sys_interval_ms`, and only what has changed. `load/…` are moving averages per
//! minute over one, five and fifteen minutes.

use std::collections::HashMap;
use std::sync::Arc;

use topicwire_codec::QoS;
use topicwire_session::Armed;

use crate::broker::{Broker, TimerKey};
use crate::message::Message;
use crate::metrics::StoreState;

/// The counters whose rate is published, in this order.
const LOADS: [&str; 9] = [
    "messages/received",
    "messages/sent",
    "publish/dropped",
    "publish/received",
    "publish/sent",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];

/// The spans of the averages.
const SPANS: [(&str, f64); 3] = [("1min", 60.0), ("5min", 300.0), ("15min", 900.0)];

#[derive(Debug)]
pub(crate) struct SysTopics {
    started_ms: u64,
    updated_ms: u64,
    timer: Armed,
    counters: [u64; LOADS.len()],
    averages: [[f64; SPANS.len()]; LOADS.len()],
    /// What was published last, by topic.
    published: HashMap<&'static str, String>,
    published_loads: [[String; SPANS.len()]; LOADS.len()],
}

impl SysTopics {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            started_ms: now_ms,
            updated_ms: now_ms,
            timer: Armed::default(),
            counters: [0; LOADS.len()],
            averages: [[0.0; SPANS.len()]; LOADS.len()],
            published: HashMap::new(),
            published_loads: Default::default(),
        }
    }

    /// Folds the counters' growth since the last time into the averages.
    fn update_averages(&mut self, counters: [u64; LOADS.len()], now_ms: u64) {
        let elapsed_secs = (now_ms.saturating_sub(self.updated_ms)) as f64 / 1000.0;
        if elapsed_secs <= 0.0 {
            return;
        }
        let before = std::mem::replace(&mut self.counters, counters);
        for ((averages, now), before) in self.averages.iter_mut().zip(counters).zip(before) {
            let per_minute = now.saturating_sub(before) as f64 * 60.0 / elapsed_secs;
            for (average, (_, span_secs)) in averages.iter_mut().zip(SPANS) {
                let weight = (-elapsed_secs / span_secs).exp();
                *average = per_minute + weight * (*average - per_minute);
            }
        }
        self.updated_ms = now_ms;
    }
}

impl Broker {
    pub(crate) fn start_sys_timer(&mut self, now_ms: u64) {
        if self.config.sys_interval_ms > 0 {
            self.publish_sys(now_ms);
            let deadline_ms = now_ms.saturating_add(self.config.sys_interval_ms);
            self.timers.arm(TimerKey::Sys, &mut self.sys.timer, deadline_ms);
        }
    }

    pub(crate) fn sys_due(&mut self, now_ms: u64) {
        topicwire_session::Timers::<TimerKey>::fired(&mut self.sys.timer);
        self.publish_sys(now_ms);
        let deadline_ms = now_ms.saturating_add(self.config.sys_interval_ms.max(1));
        self.timers.arm(TimerKey::Sys, &mut self.sys.timer, deadline_ms);
    }

    fn publish_sys(&mut self, now_ms: u64) {
        for (topic_name, value) in self.sys_values(now_ms) {
            // What is not retained is said each time, or a new subscriber would never hear it.
            if !self.config.features.retain || self.sys.published.get(topic_name) != Some(&value) {
                self.publish_sys_value(topic_name, &value, now_ms);
                self.sys.published.insert(topic_name, value);
            }
        }
        let metrics = self.metrics();
        self.sys.update_averages(
            [
                metrics.packets_received,
                metrics.packets_sent,
                metrics.dropped_count(),
                metrics.publish_received,
                metrics.publish_sent,
                metrics.bytes_received,
                metrics.bytes_sent,
                metrics.connections_opened,
                metrics.connections_opened - metrics.connects_refused.min(metrics.connections_opened),
            ],
            now_ms,
        );
        let mut changed = Vec::new();
        let repeats = !self.config.features.retain;
        let SysTopics { averages, published_loads, .. } = &mut self.sys;
        for ((load, averages), published) in LOADS.iter().zip(averages).zip(published_loads) {
            for (((span, _), average), published) in SPANS.iter().zip(averages).zip(published) {
                let value = format!("{average:.2}");
                if repeats || *published != value {
                    changed.push((format!("$SYS/broker/load/{load}/{span}"), value.clone()));
                    *published = value;
                }
            }
        }
        for (topic_name, value) in changed {
            self.publish_sys_value(&topic_name, &value, now_ms);
        }
    }

    fn sys_values(&self, now_ms: u64) -> Vec<(&'static str, String)> {
        let metrics = self.metrics();
        let sessions = self.by_client_id.len() as u64;
        let disconnected = sessions.saturating_sub(metrics.clients_connected);
        let uptime_secs = now_ms.saturating_sub(self.sys.started_ms) / 1000;
        let mut values = vec![
            ("$SYS/broker/version", self.config.version.clone()),
            ("$SYS/broker/uptime", format!("{uptime_secs} seconds")),
            ("$SYS/broker/clients/total", sessions.to_string()),
            ("$SYS/broker/clients/connected", metrics.clients_connected.to_string()),
            ("$SYS/broker/clients/active", metrics.clients_connected.to_string()),
            ("$SYS/broker/clients/disconnected", disconnected.to_string()),
            ("$SYS/broker/clients/inactive", disconnected.to_string()),
            ("$SYS/broker/clients/maximum", metrics.clients_maximum.to_string()),
            ("$SYS/broker/clients/expired", metrics.sessions_expired.to_string()),
            ("$SYS/broker/messages/received", metrics.packets_received.to_string()),
            ("$SYS/broker/messages/sent", metrics.packets_sent.to_string()),
            (
                "$SYS/broker/messages/stored",
                (self.retained.len() as u64 + metrics.queued_messages).to_string(),
            ),
            (
                "$SYS/broker/store/messages/count",
                (self.retained.len() as u64 + metrics.queued_messages).to_string(),
            ),
            ("$SYS/broker/store/messages/bytes", (metrics.retained_bytes + metrics.queued_bytes).to_string()),
            ("$SYS/broker/retained messages/count", self.retained.len().to_string()),
            ("$SYS/broker/subscriptions/count", self.subscription_count().to_string()),
            ("$SYS/broker/shared_subscriptions/count", self.subscriptions.shared_len().to_string()),
            ("$SYS/broker/publish/messages/received", metrics.publish_received.to_string()),
            ("$SYS/broker/publish/messages/sent", metrics.publish_sent.to_string()),
            ("$SYS/broker/publish/messages/dropped", metrics.dropped_count().to_string()),
            ("$SYS/broker/publish/bytes/received", metrics.publish_bytes_received.to_string()),
            ("$SYS/broker/publish/bytes/sent", metrics.publish_bytes_sent.to_string()),
            ("$SYS/broker/bytes/received", metrics.bytes_received.to_string()),
            ("$SYS/broker/bytes/sent", metrics.bytes_sent.to_string()),
        ];
        let store = metrics.store;
        if store.state != StoreState::None {
            values.extend([
                ("$SYS/broker/store/state", store.state.name().to_owned()),
                ("$SYS/broker/store/batches", store.batches.to_string()),
                ("$SYS/broker/store/operations", store.operations.to_string()),
                ("$SYS/broker/store/bytes", store.bytes.to_string()),
                ("$SYS/broker/store/commit/microseconds", store.last_commit_micros.to_string()),
                ("$SYS/broker/store/retries", store.retries.to_string()),
            ]);
        }
        values
    }

    fn publish_sys_value(&mut self, topic_name: &str, value: &str, now_ms: u64) {
        let retain = self.config.features.retain;
        let message =
            Message::new(Arc::from(topic_name), &[], value.as_bytes(), QoS::AtMostOnce, retain, u64::MAX);
        self.publish_message(None, &Arc::new(message), now_ms);
    }
}
