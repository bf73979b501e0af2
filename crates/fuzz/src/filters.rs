//! Topic Names, Topic Filters and the filters of Shared Subscriptions, against the rules as the standard lists them.

use topicwire_topics::{SubscriptionFilter, TopicError, TopicFilter, TopicName};

/// A text is accepted as a name, a filter or a shared filter exactly where the rules say so, and what is named as its
/// fault is one that it has.
///
/// The first byte doubles the rest so many times: the longest texts are out of reach otherwise.
pub fn filter_validation(data: &[u8]) {
    let Some((doublings, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if text.len() << (doublings & 15) > 1 << 17 {
        return;
    }
    let text = text.repeat(1 << (doublings & 15));
    check_name(&text);
    check_filter(&text);
    check_subscription(&text);
}

/// [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3]
fn is_topic(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains('\0')
}

/// [MQTT-3.3.2-2]
fn is_name(text: &str) -> bool {
    is_topic(text) && !text.contains('+') && !text.contains('#')
}

/// [MQTT-4.7.1-1] [MQTT-4.7.1-2]
fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let is_well_formed = |(at, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => at + 1 == levels.len(),
        level => !level.contains(['+', '#']),
    };
    is_topic(text) && levels.iter().enumerate().all(is_well_formed)
}

/// [MQTT-4.8.2-1] [MQTT-4.8.2-2]: the Share Name and the filter behind it.
fn shared(text: &str) -> Option<(&str, &str)> {
    let (share_name, filter) = text.strip_prefix("$share/")?.split_once('/')?;
    let is_share_name = !share_name.is_empty() && !share_name.contains(['+', '#', '\0']);
    (is_share_name && is_filter(filter) && text.len() <= 65_535).then_some((share_name, filter))
}

fn check_name(text: &str) {
    let result = TopicName::new(text);
    assert_eq!(result.is_ok(), is_name(text), "{result:?}");
    match result {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert_eq!(name.level_count(), text.split('/').count());
            assert!(name.levels().eq(text.split('/')));
            assert_eq!(name.starts_with_dollar(), text.as_bytes()[0] == b'$');
            let filter = TopicFilter::new(text).expect("every name is a filter");
            assert!(filter.matches(name) && !filter.has_wildcards());
        }
        Err(error) => check_error(text, error),
    }
}

fn check_filter(text: &str) {
    let result = TopicFilter::new(text);
    assert_eq!(result.is_ok(), is_filter(text), "{result:?}");
    match result {
        Ok(filter) => {
            assert_eq!(filter.as_str(), text);
            assert_eq!(filter.level_count(), text.split('/').count());
            assert!(filter.levels().eq(text.split('/')));
            assert_eq!(filter.has_wildcards(), text.contains(['+', '#']));
            assert_eq!(filter.starts_with_wildcard(), text.starts_with(['+', '#']));
            check_overlap(filter);
        }
        Err(error) => check_error(text, error),
    }
}

/// A filter overlaps itself where there is a name for it at all.
fn check_overlap(filter: TopicFilter<'_>) {
    // `+` alone in every level wants at least one byte somewhere.
    let name = filter.as_str().replace(['+', '#'], "");
    let name = if name.is_empty() { "x".to_owned() } else { name };
    if let Ok(name) = TopicName::new(&name)
        && filter.matches(name)
    {
        assert!(filter.overlaps(&filter), "{filter} matches {name} and does not overlap itself");
    }
}

fn check_subscription(text: &str) {
    let result = SubscriptionFilter::parse(text);
    if !text.starts_with("$share/") {
        assert_eq!(result.is_ok(), is_filter(text), "{result:?}");
    }
    match result {
        Ok(subscription) => {
            assert_eq!(subscription.as_str(), text);
            let parts = subscription.share_name.map(|name| (name, subscription.topic_filter.as_str()));
            assert_eq!(parts, shared(text));
            assert_eq!(subscription.is_shared(), parts.is_some());
        }
        Err(error) => {
            assert_eq!(shared(text), None, "{error}");
            check_error(text, error);
        }
    }
}

/// The fault that is named is one that the text has.
fn check_error(text: &str, error: TopicError) {
    let shared = text.strip_prefix("$share/").unwrap_or_default();
    let (share_name, shared_filter) = shared.split_once('/').unwrap_or((shared, ""));
    let filter = if shared_filter.is_empty() { text } else { shared_filter };
    let has_it = match error {
        TopicError::Empty => text.is_empty(),
        TopicError::TooLong => text.len() > 65_535,
        TopicError::NullCharacter => text.contains('\0'),
        TopicError::WildcardInName => text.contains(['+', '#']),
        TopicError::MisplacedWildcard { at } => {
            [text, filter].iter().any(|it| misplaced_at(it).map(|at| at + text.len() - it.len()) == Some(at))
        }
        TopicError::EmptyShareName => text.starts_with("$share/") && share_name.is_empty(),
        TopicError::WildcardInShareName => share_name.contains(['+', '#']),
        TopicError::MissingSharedFilter => !share_name.is_empty() && shared_filter.is_empty(),
        other => unreachable!("a fault that is not known here: {other:?}"),
    };
    assert!(has_it, "{error:?} in {text:?}");
}

/// The first `+` that is not a level, or `#` that is not the last one.
fn misplaced_at(filter: &str) -> Option<usize> {
    let mut at = 0;
    for level in filter.split_inclusive('/') {
        let alone = level.trim_end_matches('/');
        let is_fine = |wildcard| alone.len() == 1 && (wildcard == '+' || level.len() == 1);
        match alone.find(['+', '#']) {
            Some(wildcard) if !alone[wildcard..].chars().next().is_some_and(is_fine) => {
                return Some(at + wildcard);
            }
            _ => at += level.len(),
        }
    }
    None
}
