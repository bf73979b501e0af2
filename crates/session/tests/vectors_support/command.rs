//! What an application asks of our client, from words to calls.

use topicwire_codec::{
    Connect, Disconnect, PublishProperties, QoS, ReasonCode, RetainHandling, SubscribeFilter,
    SubscribeOptions, SubscriptionIds, UserProperties, Version, Will,
};
use topicwire_session::client::{AuthStep, Client, DeliveryKey, Message, Misuse, Subscription};

use super::words::{Values, Word, read};

/// What came of a command: whether the client did it, or why it did not.
pub(super) type Outcome = Result<(), Misuse>;

/// Carries out a command. `deliveries` are the messages that the application was given to acknowledge.
pub(super) fn run(
    client: &mut Client,
    text: &str,
    version: Version,
    deliveries: &[DeliveryKey],
    now_ms: u64,
) -> Result<Outcome, String> {
    let words = read(text)?;
    let (verb, words) = match words.split_first() {
        Some((Word::Bare(verb), rest)) => (verb.as_str(), rest),
        _ => return Err("a command begins with a verb".to_owned()),
    };
    match verb {
        "connect" | "connects" => connect(client, words, version, now_ms),
        "publish" | "publishes" => publish(client, words, now_ms),
        "subscribe" | "subscribes" => subscribe(client, words),
        "unsubscribe" | "unsubscribes" => unsubscribe(client, words),
        "acknowledge" | "acknowledges" => acknowledge(client, words, deliveries, now_ms),
        "authenticate" | "authenticates" => auth(words, |step| client.authenticate(step, now_ms)),
        "reauthenticate" | "reauthenticates" => auth(words, |step| client.reauthenticate(step)),
        "ping" | "pings" => Ok(client.ping(now_ms)),
        "disconnect" | "disconnects" => disconnect(client, words, now_ms),
        "restores" => {
            let client_id = quoted(words).first().copied().ok_or("`restores` takes a client identifier")?;
            if client.restore_session(client_id) { Ok(Ok(())) } else { Err("a session is there".to_owned()) }
        }
        _ => Err(format!("`{verb}` is nothing that an application does")),
    }
}

fn connect(client: &mut Client, words: &[Word], version: Version, now_ms: u64) -> Result<Outcome, String> {
    let values = Values::new(
        words,
        &[
            "id",
            "clean",
            "keepalive",
            "username",
            "password",
            "will",
            "will_payload",
            "will_qos",
            "will_retain",
            "will_delay",
            "will_expiry",
            "will_response",
            "will_user",
            "expiry",
            "receive_maximum",
            "maximum_packet_size",
            "alias_maximum",
            "request_response",
            "request_problem",
            "auth",
            "auth_data",
            "user",
        ],
    )?;
    let users = values.user_properties();
    let mut connect = Connect::new(version, values.text("id").unwrap_or("c"));
    connect.clean_start = values.flag("clean").unwrap_or(true);
    connect.keep_alive_secs = values.number("keepalive")?.unwrap_or(0);
    connect.username = values.text("username");
    connect.password = values.text("password").map(str::as_bytes);
    let will_user: Vec<_> =
        values.text("will_user").and_then(|pair| pair.split_once(':')).into_iter().collect();
    if let Some(topic_name) = values.text("will") {
        connect.will = Some(Will {
            topic_name,
            payload: values.text("will_payload").unwrap_or_default().as_bytes(),
            qos: qos(&values, "will_qos")?,
            retain: values.flag("will_retain").unwrap_or(false),
            delay_interval_secs: values.number("will_delay")?.unwrap_or(0),
            properties: PublishProperties {
                message_expiry_interval_secs: values.number("will_expiry")?,
                response_topic: values.text("will_response"),
                user_properties: UserProperties::from_pairs(&will_user),
                ..PublishProperties::default()
            },
        });
    }
    let properties = &mut connect.properties;
    properties.session_expiry_interval_secs = values.number("expiry")?;
    properties.receive_maximum = values.number("receive_maximum")?;
    properties.maximum_packet_size = values.number("maximum_packet_size")?;
    properties.topic_alias_maximum = values.number("alias_maximum")?;
    properties.request_response_information = values.flag("request_response");
    properties.request_problem_information = values.flag("request_problem");
    properties.authentication_method = values.text("auth");
    properties.authentication_data = values.text("auth_data").map(str::as_bytes);
    properties.user_properties = UserProperties::from_pairs(&users);
    Ok(client.connect(&connect, now_ms))
}

fn publish(client: &mut Client, words: &[Word], now_ms: u64) -> Result<Outcome, String> {
    let values = Values::new(
        words,
        &[
            "qos",
            "retain",
            "expiry",
            "response",
            "correlation",
            "content_type",
            "utf8",
            "user",
            "alias",
            "id",
            "bytes",
        ],
    )?;
    let users = values.user_properties();
    let ids: Vec<u32> = values.number("id")?.into_iter().collect();
    let filling = vec![b'x'; values.number("bytes")?.unwrap_or(0)];
    let payload = words.iter().find_map(|word| match word {
        Word::Single(text) => Some(text.as_bytes()),
        _ => None,
    });
    let message = Message {
        topic_name: quoted(words).first().copied().ok_or("a topic name in double quotes")?,
        payload: payload.unwrap_or(&filling),
        qos: qos(&values, "qos")?,
        retain: values.flag("retain").unwrap_or(false),
        properties: PublishProperties {
            payload_format_indicator: values.flag("utf8"),
            message_expiry_interval_secs: values.number("expiry")?,
            topic_alias: values.number("alias")?,
            response_topic: values.text("response"),
            correlation_data: values.text("correlation").map(str::as_bytes),
            subscription_ids: SubscriptionIds::from_slice(&ids),
            content_type: values.text("content_type"),
            user_properties: UserProperties::from_pairs(&users),
        },
    };
    Ok(client.publish(&message, now_ms).map(drop))
}

/// The words behind a filter are its options; `id` and `user` are the whole packet's.
fn subscribe(client: &mut Client, words: &[Word]) -> Result<Outcome, String> {
    let mut filters: Vec<SubscribeFilter<'_>> = Vec::new();
    let mut subscription_id = None;
    let mut users = Vec::new();
    for word in words {
        let (name, value) = match word {
            Word::Double(topic_filter) => {
                filters.push(SubscribeFilter { topic_filter, options: SubscribeOptions::default() });
                continue;
            }
            Word::Named(name, value) => (name.as_str(), value.as_str()),
            _ => return Err("filters in double quotes, and their options".to_owned()),
        };
        let number: Option<u32> = value.parse().ok();
        let options = filters.last_mut().map(|filter| &mut filter.options);
        match (name, options) {
            ("id", _) => subscription_id = number,
            ("user", _) => users.extend(value.split_once(':')),
            ("qos", Some(options)) => {
                options.qos = number.and_then(|qos| QoS::from_u8(qos as u8)).ok_or("no such QoS")?;
            }
            ("no_local", Some(options)) => options.no_local = value == "1",
            ("retain_as_published", Some(options)) => options.retain_as_published = value == "1",
            ("retain_handling", Some(options)) => {
                let handling = number.and_then(|value| RetainHandling::from_u8(value as u8));
                options.retain_handling = handling.ok_or("no such retain handling")?;
            }
            _ => return Err(format!("`{name}` is nothing that a subscription has")),
        }
    }
    let user_properties = UserProperties::from_pairs(&users);
    let subscription = Subscription { filters: &filters, subscription_id, user_properties };
    Ok(client.subscribe(&subscription).map(drop))
}

fn unsubscribe(client: &mut Client, words: &[Word]) -> Result<Outcome, String> {
    let users = Values::new(words, &["user"])?.user_properties();
    Ok(client.unsubscribe(&quoted(words), UserProperties::from_pairs(&users)).map(drop))
}

/// `acknowledges 1`, the first message that was to be acknowledged; `acknowledges 1 87`.
fn acknowledge(
    client: &mut Client,
    words: &[Word],
    deliveries: &[DeliveryKey],
    now_ms: u64,
) -> Result<Outcome, String> {
    let bare = bare(words);
    let place: usize = bare.first().and_then(|text| text.parse().ok()).ok_or("which message, from 1")?;
    let key = place.checked_sub(1).and_then(|index| deliveries.get(index)).ok_or("no such message")?;
    Ok(client.acknowledge(*key, reason_code(bare.get(1))?, now_ms))
}

fn auth(words: &[Word], act: impl FnOnce(&AuthStep<'_>) -> Outcome) -> Result<Outcome, String> {
    let data = words.iter().find_map(|word| match word {
        Word::Single(text) => Some(text.as_bytes()),
        _ => None,
    });
    let values = Values::new(words, &["reason", "user"])?;
    let users = values.user_properties();
    Ok(act(&AuthStep {
        authentication_data: data,
        reason_string: values.text("reason"),
        user_properties: UserProperties::from_pairs(&users),
    }))
}

/// `disconnects 04 expiry=60 reason="…"`
fn disconnect(client: &mut Client, words: &[Word], now_ms: u64) -> Result<Outcome, String> {
    let values = Values::new(words, &["expiry", "reason", "reference", "user"])?;
    let users = values.user_properties();
    let mut disconnect = Disconnect::new(reason_code(bare(words).first())?);
    disconnect.session_expiry_interval_secs = values.number("expiry")?;
    disconnect.reason_string = values.text("reason");
    disconnect.server_reference = values.text("reference");
    disconnect.user_properties = UserProperties::from_pairs(&users);
    Ok(client.disconnect(&disconnect, now_ms))
}

fn qos(values: &Values<'_>, name: &str) -> Result<QoS, String> {
    let number = values.number(name)?.unwrap_or(0);
    QoS::from_u8(number).ok_or_else(|| format!("there is no QoS {number}"))
}

fn reason_code(hex: Option<&&str>) -> Result<ReasonCode, String> {
    let Some(hex) = hex else { return Ok(ReasonCode::Success) };
    let code = u8::from_str_radix(hex, 16).ok().and_then(ReasonCode::from_u8);
    code.ok_or_else(|| format!("`{hex}` is no Reason Code"))
}

fn quoted(words: &[Word]) -> Vec<&str> {
    let quoted = words.iter().filter_map(|word| match word {
        Word::Double(text) => Some(text.as_str()),
        _ => None,
    });
    quoted.collect()
}

fn bare(words: &[Word]) -> Vec<&str> {
    let bare = words.iter().filter_map(|word| match word {
        Word::Bare(text) => Some(text.as_str()),
        _ => None,
    });
    bare.collect()
}
