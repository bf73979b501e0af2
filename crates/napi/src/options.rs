//! Options from JavaScript, checked there, put into the core's own types.

use napi_derive::napi;
use topicwire_broker::{Config, Features, HookFilters, Limits, QueueFullPolicy, ReceiveMaximumPolicy};
use topicwire_codec::QoS;

/// The limits, in the words of `src/limits.ts`, where their ranges are checked.
#[napi(object)]
pub struct NativeLimits {
    /// Bytes.
    pub maximum_packet_size_bytes: u32,
    /// Bytes.
    pub maximum_connect_packet_bytes: u32,
    /// 1 to 65,535.
    pub receive_maximum: u32,
    /// `strict` or `tolerant`.
    pub receive_maximum_policy: String,
    /// 0 to 65,535.
    pub topic_alias_maximum: u32,
    /// Seconds, 0 to 65,535.
    pub maximum_keep_alive_secs: u32,
    /// Milliseconds.
    pub connect_timeout_ms: u32,
    /// AUTH packets.
    pub maximum_authentication_rounds: u32,
    /// Connections.
    pub maximum_connections: u32,
    /// Sessions.
    pub maximum_sessions: u32,
    /// Seconds.
    pub session_expiry_interval_maximum_secs: u32,
    /// Bytes.
    pub maximum_client_id_bytes: u32,
    /// Subscriptions.
    pub maximum_subscriptions_per_session: u32,
    /// Levels.
    pub maximum_topic_levels: u32,
    /// 1 to 65,535.
    pub maximum_inflight_messages: u32,
    /// Messages.
    pub maximum_queued_messages: u32,
    /// Bytes.
    pub maximum_queued_bytes: f64,
    /// `reject`, `dropNewest` or `dropOldest`.
    pub queue_full_policy: String,
    /// Bytes.
    pub maximum_out_buffer_bytes: f64,
    /// Bytes.
    pub maximum_buffered_bytes: f64,
    /// Bytes.
    pub maximum_unstored_bytes: f64,
    /// Messages.
    pub maximum_retained_messages: u32,
    /// Bytes.
    pub maximum_retained_bytes: f64,
}

/// What clients may use, in the words of `src/features.ts`.
#[napi(object)]
pub struct NativeFeatures {
    /// 0 to 2.
    pub maximum_qos: u32,
    /// Retained messages.
    pub retain: bool,
    /// Wildcards in subscriptions.
    pub wildcard_subscriptions: bool,
    /// Subscription Identifiers.
    pub subscription_identifiers: bool,
    /// Shared Subscriptions.
    pub shared_subscriptions: bool,
}

/// What a broker is made with.
#[napi(object)]
pub struct NativeOptions {
    /// The limits.
    pub limits: NativeLimits,
    /// What clients may use.
    pub features: NativeFeatures,
    /// With `%c` and `%u`; absent for none.
    pub response_information: Option<String>,
    /// 32 hexadecimal digits of randomness.
    pub seed: String,
    /// Milliseconds between `$SYS` publications, 0 for none.
    pub sys_interval_ms: u32,
    /// What `$SYS/broker/version` says.
    pub version: String,
    /// Whether `authenticate` is asked.
    pub authenticate: bool,
    /// Names of the authentication methods.
    pub enhanced_authentication: Vec<String>,
    /// Filters of the `authorizePublish` hooks.
    pub authorize_publish: Vec<String>,
    /// Filters of the `authorizeSubscribe` hooks.
    pub authorize_subscribe: Vec<String>,
    /// Filters of the `onPublish` hooks.
    pub on_publish: Vec<String>,
}

impl NativeOptions {
    pub(crate) fn into_core(self) -> (Config, HookFilters) {
        let config = Config {
            limits: self.limits.into_core(),
            features: self.features.into_core(),
            response_information: self.response_information,
            seed: u128::from_str_radix(&self.seed, 16).unwrap_or_default(),
            sys_interval_ms: u64::from(self.sys_interval_ms),
            version: self.version,
            ..Config::default()
        };
        let boxed = |filters: Vec<String>| filters.into_iter().map(String::into_boxed_str).collect();
        let hooks = HookFilters {
            authenticate: self.authenticate,
            enhanced_authentication: boxed(self.enhanced_authentication),
            authorize_publish: boxed(self.authorize_publish),
            authorize_subscribe: boxed(self.authorize_subscribe),
            on_publish: boxed(self.on_publish),
        };
        (config, hooks)
    }
}

impl NativeFeatures {
    fn into_core(self) -> Features {
        Features {
            maximum_qos: u8::try_from(self.maximum_qos)
                .ok()
                .and_then(QoS::from_u8)
                .unwrap_or(QoS::ExactlyOnce),
            retain: self.retain,
            wildcard_subscriptions: self.wildcard_subscriptions,
            subscription_identifiers: self.subscription_identifiers,
            shared_subscriptions: self.shared_subscriptions,
        }
    }
}

impl NativeLimits {
    fn into_core(self) -> Limits {
        let short = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        Limits {
            maximum_packet_size_bytes: self.maximum_packet_size_bytes,
            maximum_connect_packet_bytes: self.maximum_connect_packet_bytes,
            receive_maximum: short(self.receive_maximum),
            receive_maximum_policy: match self.receive_maximum_policy.as_str() {
                "tolerant" => ReceiveMaximumPolicy::Tolerant,
                _ => ReceiveMaximumPolicy::Strict,
            },
            topic_alias_maximum: short(self.topic_alias_maximum),
            maximum_keep_alive_secs: short(self.maximum_keep_alive_secs),
            connect_timeout_ms: self.connect_timeout_ms,
            maximum_authentication_rounds: short(self.maximum_authentication_rounds),
            maximum_connections: self.maximum_connections,
            maximum_sessions: self.maximum_sessions,
            session_expiry_interval_maximum_secs: self.session_expiry_interval_maximum_secs,
            maximum_client_id_bytes: self.maximum_client_id_bytes,
            maximum_subscriptions_per_session: self.maximum_subscriptions_per_session,
            maximum_topic_levels: self.maximum_topic_levels,
            maximum_inflight_messages: short(self.maximum_inflight_messages),
            maximum_queued_messages: self.maximum_queued_messages,
            maximum_queued_bytes: whole(self.maximum_queued_bytes),
            queue_full_policy: match self.queue_full_policy.as_str() {
                "dropNewest" => QueueFullPolicy::DropNewest,
                "dropOldest" => QueueFullPolicy::DropOldest,
                _ => QueueFullPolicy::Reject,
            },
            maximum_out_buffer_bytes: whole(self.maximum_out_buffer_bytes),
            maximum_buffered_bytes: whole(self.maximum_buffered_bytes),
            maximum_unstored_bytes: whole(self.maximum_unstored_bytes),
            maximum_retained_messages: self.maximum_retained_messages,
            maximum_retained_bytes: whole(self.maximum_retained_bytes),
        }
    }
}

/// A JavaScript number that was checked to be a whole one; milliseconds and bytes stay far below 2^53.
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}
