//! Filters on their own: what is well formed, what matches, what overlaps, what `$share/` means.

use topicwire_topics::{SubscriptionFilter, TopicError, TopicFilter, TopicName};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}

/// All texts of one to `depth` levels, each taken from `levels`, that are not empty.
fn all_texts(levels: &[&str], depth: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut longest = vec![String::new()];
    for at in 0..depth {
        let separator = if at == 0 { "" } else { "/" };
        longest = longest
            .iter()
            .flat_map(|prefix| levels.iter().map(move |level| format!("{prefix}{separator}{level}")))
            .collect();
        texts.extend(longest.iter().filter(|text| !text.is_empty()).cloned());
    }
    texts
}

#[test]
fn a_filter_has_one_to_65535_bytes_and_no_null() {
    assert_eq!(TopicFilter::new(""), Err(TopicError::Empty));
    assert!(TopicFilter::new(&"a".repeat(65_535)).is_ok());
    assert_eq!(TopicFilter::new(&"a".repeat(65_536)), Err(TopicError::TooLong));
    for text in ["\0", "a/\0", "+/\0/#"] {
        assert_eq!(TopicFilter::new(text), Err(TopicError::NullCharacter), "{text:?}");
    }
}

#[test]
fn wildcards_stand_alone_in_their_levels_and_hash_is_last() {
    for text in ["+", "#", "+/+", "/+", "+/", "a/+/b", "a/#", "/#", "+/#", "$SYS/#", "a//#", "//", "$"] {
        assert_eq!(TopicFilter::new(text).map(|filter| filter.as_str().to_owned()).as_deref(), Ok(text));
    }
    for (text, at) in [
        ("a+", 1),
        ("+a", 0),
        ("++", 0),
        ("a/b+/c", 3),
        ("#a", 0),
        ("a#", 1),
        ("a/#/b", 2),
        ("#/", 0),
        ("##", 0),
        ("+#", 0),
        ("a/+#", 2),
        ("a/b/#+", 4),
        ("é+", 2),
    ] {
        assert_eq!(TopicFilter::new(text), Err(TopicError::MisplacedWildcard { at }), "{text}");
    }
}

#[test]
fn a_filter_knows_its_wildcards_and_levels() {
    assert!(filter("a/+").has_wildcards() && filter("#").has_wildcards());
    assert!(!filter("a/b").has_wildcards());
    assert!(filter("+/a").starts_with_wildcard() && filter("#").starts_with_wildcard());
    assert!(!filter("/+").starts_with_wildcard() && !filter("$SYS/#").starts_with_wildcard());
    assert_eq!(
        (filter("a").level_count(), filter("/").level_count(), filter("a/+/#").level_count()),
        (1, 2, 3)
    );
}

#[test]
fn the_examples_of_the_standard_match_as_it_says() {
    for (text, matched, unmatched) in [
        (
            "sport/tennis/player1/#",
            &["sport/tennis/player1", "sport/tennis/player1/score/wimbledon"][..],
            &["sport/tennis/player2"][..],
        ),
        ("sport/#", &["sport", "sport/"], &["sports", "/sport"]),
        (
            "sport/tennis/+",
            &["sport/tennis/player1", "sport/tennis/"],
            &["sport/tennis", "sport/tennis/player1/ranking"],
        ),
        ("sport/+", &["sport/"], &["sport"]),
        ("+/tennis/#", &["a/tennis", "/tennis/b"], &["tennis", "$a/tennis"]),
        ("+/+", &["/finance", "a/b"], &["finance", "$SYS/b"]),
        ("/+", &["/finance"], &["finance", "a/finance"]),
        ("+", &["finance"], &["/finance", "$SYS"]),
        ("#", &["finance", "/", "a/b/c"], &["$SYS", "$SYS/a"]),
        ("+/monitor/Clients", &["x/monitor/Clients"], &["$SYS/monitor/Clients"]),
        ("$SYS/#", &["$SYS", "$SYS/a/b"], &["$SYSTEM", "SYS"]),
        ("$SYS/monitor/+", &["$SYS/monitor/Clients"], &["$SYS/monitor"]),
        ("accounts", &["accounts"], &["Accounts", "ACCOUNTS", "/accounts"]),
    ] {
        for topic in matched {
            assert!(filter(text).matches(name(topic)), "{text} matches {topic}");
        }
        for topic in unmatched {
            assert!(!filter(text).matches(name(topic)), "{text} does not match {topic}");
        }
    }
}

/// Each pair of filters against each name: a pair overlaps exactly where a name proves it.
#[test]
fn filters_overlap_exactly_where_some_name_matches_both() {
    let filters: Vec<String> = all_texts(&["+", "#", "a", "", "$s"], 3)
        .into_iter()
        .filter(|text| TopicFilter::new(text).is_ok())
        .collect();
    // `b` is in no filter, and stands for whatever only a wildcard matches.
    let names = all_texts(&["a", "b", "", "$s"], 3);
    let matched: Vec<Vec<bool>> = filters
        .iter()
        .map(|text| names.iter().map(|topic| filter(text).matches(name(topic))).collect())
        .collect();
    for (left, left_matches) in filters.iter().zip(&matched) {
        for (right, right_matches) in filters.iter().zip(&matched) {
            let witness = left_matches.iter().zip(right_matches).any(|(left, right)| *left && *right);
            assert_eq!(filter(left).overlaps(&filter(right)), witness, "{left} and {right}");
        }
    }
    assert!(filters.len() > 100);
}

#[test]
fn filters_do_not_overlap_in_a_name_that_is_too_long_to_exist() {
    let (left, right) = (format!("{}/+", "x".repeat(40_000)), format!("+/{}", "y".repeat(40_000)));
    assert!(!filter(&left).overlaps(&filter(&right)));
    let shorter = format!("+/{}", "y".repeat(65_535 - 40_001));
    assert!(filter(&left).overlaps(&filter(&shorter)));
    let longer = format!("+/{}", "y".repeat(65_535 - 40_000));
    assert!(!filter(&left).overlaps(&filter(&longer)));
    assert!(filter(&"/".repeat(65_535)).overlaps(&filter("#")));
    // The longest there is, and a `#` that needs no level of its own.
    assert!(filter(&"x".repeat(65_535)).overlaps(&filter("+/#")));
}

#[test]
fn a_shared_subscription_is_taken_apart() {
    let shared = SubscriptionFilter::parse("$share/consumers/a/+/#").unwrap();
    assert_eq!((shared.share_name, shared.topic_filter), (Some("consumers"), filter("a/+/#")));
    assert_eq!((shared.as_str(), shared.is_shared()), ("$share/consumers/a/+/#", true));
    for (text, share_name, topic_filter) in [
        ("$share/g//", "g", "/"),
        ("$share/g/#", "g", "#"),
        ("$share/$share/$SYS/#", "$share", "$SYS/#"),
        ("$share/é ü/x", "é ü", "x"),
    ] {
        let shared = SubscriptionFilter::parse(text).unwrap();
        assert_eq!((shared.share_name, shared.topic_filter.as_str()), (Some(share_name), topic_filter));
    }
}

#[test]
fn only_the_prefix_with_its_slash_makes_a_subscription_shared() {
    for text in ["a/b", "$share", "$shared/g/a", "$Share/g/a", "/$share/g/a", "a/$share/g/a", "+/g/a", "#"] {
        let plain = SubscriptionFilter::parse(text).unwrap();
        assert_eq!((plain.share_name, plain.topic_filter.as_str(), plain.as_str()), (None, text, text));
        assert!(!plain.is_shared());
    }
}

#[test]
fn a_shared_subscription_names_its_group_and_its_filter() {
    for (text, error) in [
        ("", TopicError::Empty),
        ("$share/", TopicError::EmptyShareName),
        ("$share//", TopicError::EmptyShareName),
        ("$share//x", TopicError::EmptyShareName),
        ("$share/+g/x", TopicError::WildcardInShareName),
        ("$share/+/x", TopicError::WildcardInShareName),
        ("$share/g#/x", TopicError::WildcardInShareName),
        ("$share/#", TopicError::WildcardInShareName),
        ("$share/g\0/x", TopicError::NullCharacter),
        ("$share/g/\0", TopicError::NullCharacter),
        ("$share/g", TopicError::MissingSharedFilter),
        ("$share/g/", TopicError::MissingSharedFilter),
        ("$share/g/a+", TopicError::MisplacedWildcard { at: 10 }),
        ("$share/g/#/a", TopicError::MisplacedWildcard { at: 9 }),
    ] {
        assert_eq!(SubscriptionFilter::parse(text), Err(error), "{text:?}");
    }
    let too_long = format!("$share/g/{}", "a".repeat(65_535));
    assert_eq!(SubscriptionFilter::parse(&too_long), Err(TopicError::TooLong));
}
