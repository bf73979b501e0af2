//! The options of an exchange, under the names that `Broker.start` has for them, as a core's configuration.

use topicwire_broker::{Config, Features, Limits, ReceiveMaximumPolicy};
use topicwire_codec::QoS;

/// The configuration of an exchange.
pub(crate) fn config(options: &toml::Table) -> Result<Config, String> {
    let mut config = Config { seed: 0x5eed, sys_interval_ms: 0, ..Config::default() };
    for (name, value) in options {
        match (name.as_str(), value) {
            ("limits", toml::Value::Table(limits)) => {
                for (name, value) in limits {
                    set_limit(&mut config.limits, name, value)?;
                }
            }
            ("features", toml::Value::Table(features)) => {
                for (name, value) in features {
                    set_feature(&mut config.features, name, value)?;
                }
            }
            ("responseInformation", toml::Value::String(text)) => {
                config.response_information = Some(text.clone());
            }
            _ => return Err(format!("options.{name} is not one that the core's tests know")),
        }
    }
    Ok(config)
}

fn set_feature(features: &mut Features, name: &str, value: &toml::Value) -> Result<(), String> {
    match (name, value) {
        ("maximumQos", toml::Value::Integer(qos)) => {
            let qos = u8::try_from(*qos).ok().and_then(QoS::from_u8);
            features.maximum_qos = qos.ok_or("features.maximumQos is not a QoS")?;
        }
        ("retain", toml::Value::Boolean(value)) => features.retain = *value,
        ("wildcardSubscriptions", toml::Value::Boolean(value)) => features.wildcard_subscriptions = *value,
        ("subscriptionIdentifiers", toml::Value::Boolean(value)) => {
            features.subscription_identifiers = *value;
        }
        ("sharedSubscriptions", toml::Value::Boolean(value)) => features.shared_subscriptions = *value,
        _ => return Err(format!("features.{name} is not one that the core's tests know")),
    }
    Ok(())
}

fn set_limit(limits: &mut Limits, name: &str, value: &toml::Value) -> Result<(), String> {
    if (name, value.as_str()) == ("receiveMaximumPolicy", Some("tolerant")) {
        limits.receive_maximum_policy = ReceiveMaximumPolicy::Tolerant;
        return Ok(());
    }
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    let number = number.ok_or_else(|| format!("limits.{name} is not a number"))?;
    let short = || u16::try_from(number).map_err(|_| format!("limits.{name} is too large"));
    let word = || u32::try_from(number).map_err(|_| format!("limits.{name} is too large"));
    match name {
        "maximumPacketSizeBytes" => limits.maximum_packet_size_bytes = word()?,
        "maximumConnectPacketBytes" => limits.maximum_connect_packet_bytes = word()?,
        "receiveMaximum" => limits.receive_maximum = short()?,
        "topicAliasMaximum" => limits.topic_alias_maximum = short()?,
        "maximumKeepAliveSecs" => limits.maximum_keep_alive_secs = short()?,
        "connectTimeoutMs" => limits.connect_timeout_ms = word()?,
        "maximumConnections" => limits.maximum_connections = word()?,
        "maximumSessions" => limits.maximum_sessions = word()?,
        "sessionExpiryIntervalMaximumSecs" => limits.session_expiry_interval_maximum_secs = word()?,
        "maximumClientIdBytes" => limits.maximum_client_id_bytes = word()?,
        "maximumSubscriptionsPerSession" => limits.maximum_subscriptions_per_session = word()?,
        "maximumTopicLevels" => limits.maximum_topic_levels = word()?,
        "maximumInflightMessages" => limits.maximum_inflight_messages = short()?,
        "maximumQueuedMessages" => limits.maximum_queued_messages = word()?,
        "maximumQueuedBytes" => limits.maximum_queued_bytes = number,
        "maximumOutBufferBytes" => limits.maximum_out_buffer_bytes = number,
        "maximumBufferedBytes" => limits.maximum_buffered_bytes = number,
        "maximumUnstoredBytes" => limits.maximum_unstored_bytes = number,
        "maximumRetainedBytes" => limits.maximum_retained_bytes = number,
        "maximumRetainedMessages" => limits.maximum_retained_messages = word()?,
        _ => return Err(format!("limits.{name} is not one that the core's tests know")),
    }
    Ok(())
}
