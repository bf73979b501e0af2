//! The retained index against a map of names and the ten-line rule of section 4.7.

use std::collections::BTreeMap;

use proptest::prelude::*;
use topicwire_topics::{Retained, TopicFilter, TopicName};

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}

/// Each value is its own name, as the broker's are.
fn retained_of(names: &[&str]) -> Retained<String> {
    let mut retained = Retained::with_seed(1);
    for text in names {
        assert_eq!(retained.insert(name(text), (*text).to_owned()), None);
    }
    retained
}

fn found(retained: &Retained<String>, filter: &str) -> Vec<String> {
    let mut found = Vec::new();
    retained.for_each_match(TopicFilter::new(filter).unwrap(), |value| found.push(value.clone()));
    found.sort();
    found
}

#[test]
fn a_value_is_found_under_its_name() {
    let mut retained = retained_of(&["a/b", "a", "/", "$SYS/a"]);
    for text in ["a/b", "a", "/", "$SYS/a"] {
        assert_eq!(retained.get(name(text)).map(String::as_str), Some(text));
        assert_eq!(found(&retained, text), [text]);
    }
    for text in ["b", "a/b/c", "a/", "//", "$SYS"] {
        assert_eq!(retained.get(name(text)), None);
        assert!(found(&retained, text).is_empty());
    }
    retained.get_mut(name("a")).unwrap().push('!');
    assert_eq!(retained.get(name("a")).map(String::as_str), Some("a!"));
}

#[test]
fn a_newer_value_replaces_the_one_before() {
    let mut retained = Retained::new();
    assert_eq!(retained.insert(name("a/b"), 1), None);
    assert_eq!(retained.insert(name("a/b"), 2), Some(1));
    assert_eq!((retained.len(), retained.get(name("a/b"))), (1, Some(&2)));
    assert_eq!(retained.remove(name("a/b")), Some(2));
    assert_eq!(retained.remove(name("a/b")), None);
    assert_eq!((retained.len(), retained.node_count()), (0, 0));
}

#[test]
fn wildcards_find_what_they_match() {
    let retained = retained_of(&["a", "a/", "a/b", "a/c", "a/b/c", "a/c/c", "/a", "b/b"]);
    assert_eq!(found(&retained, "a/+"), ["a/", "a/b", "a/c"]);
    assert_eq!(found(&retained, "a/+/c"), ["a/b/c", "a/c/c"]);
    assert_eq!(found(&retained, "+/b"), ["a/b", "b/b"]);
    assert_eq!(found(&retained, "+"), ["a"]);
    assert_eq!(found(&retained, "/+"), ["/a"]);
    assert_eq!(found(&retained, "a/#"), ["a", "a/", "a/b", "a/b/c", "a/c", "a/c/c"]);
    assert_eq!(found(&retained, "a/b/#"), ["a/b", "a/b/c"]);
    assert_eq!(found(&retained, "+/b/#"), ["a/b", "a/b/c", "b/b"]);
    assert_eq!(found(&retained, "#").len(), 8);
    assert!(found(&retained, "c/#").is_empty());
    assert!(found(&retained, "+/+/+/+").is_empty());
}

#[test]
fn leading_wildcards_do_not_see_names_that_begin_with_a_dollar() {
    let retained = retained_of(&["$SYS/a", "$SYS", "x/a", "x", "y/$SYS"]);
    assert_eq!(found(&retained, "#"), ["x", "x/a", "y/$SYS"]);
    assert_eq!(found(&retained, "+"), ["x"]);
    assert_eq!(found(&retained, "+/a"), ["x/a"]);
    assert_eq!(found(&retained, "$SYS/#"), ["$SYS", "$SYS/a"]);
    assert_eq!(found(&retained, "$SYS/+"), ["$SYS/a"]);
    assert_eq!(found(&retained, "y/+"), ["y/$SYS"]);
}

#[test]
fn removal_cuts_off_what_only_the_removed_name_needed() {
    let mut retained = retained_of(&["a/b/c/d", "a/b", "a/x"]);
    assert_eq!(retained.node_count(), 5);
    assert_eq!(retained.remove(name("a/b/c")), None);
    assert!(retained.remove(name("a/b/c/d")).is_some());
    assert_eq!(retained.node_count(), 3);
    assert!(retained.remove(name("a/b")).is_some());
    assert_eq!((retained.node_count(), found(&retained, "a/+")), (2, vec!["a/x".to_owned()]));
    assert!(retained.remove(name("a/x")).is_some());
    assert_eq!((retained.node_count(), retained.is_empty()), (0, true));
}

#[test]
fn children_come_and_go_in_any_order() {
    let names: Vec<String> = (0..3_000).map(|child| format!("a/device-number-{child}/x")).collect();
    let mut retained = retained_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let full = retained.heap_bytes();
    assert_eq!(found(&retained, "a/+/x").len(), 3_000);
    for text in names.iter().step_by(2).chain(names.iter().skip(1).step_by(2).rev().take(1_450)) {
        assert_eq!(retained.remove(name(text)).as_ref(), Some(text));
    }
    let mut left: Vec<String> = names.iter().skip(1).step_by(2).take(50).cloned().collect();
    left.sort();
    assert_eq!(found(&retained, "a/+/x"), left);
    for text in &left {
        retained.remove(name(text));
    }
    assert_eq!(retained.node_count(), 0);
    assert!(retained.heap_bytes() < full);
}

#[test]
fn names_of_the_greatest_depth_are_only_long() {
    let (slashes, letters) = ("/".repeat(65_535), "a/".repeat(32_767) + "a");
    let mut retained = retained_of(&[&slashes, &letters]);
    assert_eq!(found(&retained, "#").len(), 2);
    assert_eq!(found(&retained, &("+/".repeat(32_767) + "+")), [letters.as_str()]);
    assert_eq!(found(&retained, &("+/".repeat(32_767) + "#")).len(), 2);
    for text in [&slashes, &letters] {
        assert!(retained.remove(name(text)).is_some());
    }
    assert_eq!(retained.node_count(), 0);
}

const LEVELS: [&str; 7] = ["a", "b", "", "$s", "sixteen-byte-key", "seventeen-byte-ky", "c"];

fn any_name() -> impl Strategy<Value = String> {
    proptest::collection::vec(0..LEVELS.len(), 1..5).prop_filter_map("a name has a character", |levels| {
        let text = levels.into_iter().map(|level| LEVELS[level]).collect::<Vec<_>>().join("/");
        Some(text).filter(|text| !text.is_empty())
    })
}

fn any_filter() -> impl Strategy<Value = String> {
    (proptest::collection::vec(0..LEVELS.len() + 5, 1..5), any::<bool>()).prop_filter_map(
        "a filter has a character",
        |(levels, hash)| {
            let levels = levels.into_iter().map(|level| *LEVELS.get(level).unwrap_or(&"+"));
            let text = levels.chain(hash.then_some("#")).collect::<Vec<_>>().join("/");
            Some(text).filter(|text| !text.is_empty())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_agrees_with_the_ten_line_rule(
        seed in any::<u64>(),
        steps in proptest::collection::vec((any_name(), 0..3_u8), 0..80),
        filters in proptest::collection::vec(any_filter(), 1..12),
    ) {
        let (mut retained, mut model) = (Retained::with_seed(seed), BTreeMap::new());
        for (step, (text, operation)) in steps.into_iter().enumerate() {
            let value = format!("{step} {text}");
            if operation == 0 {
                prop_assert_eq!(retained.remove(name(&text)), model.remove(&text));
            } else {
                prop_assert_eq!(retained.insert(name(&text), value.clone()), model.insert(text, value));
            }
        }
        prop_assert_eq!(retained.len(), model.len());
        let mut all: Vec<&String> = retained.iter().collect();
        let mut expected: Vec<&String> = model.values().collect();
        all.sort();
        expected.sort();
        prop_assert_eq!(all, expected);
        for text in &filters {
            let filter = TopicFilter::new(text).unwrap();
            let mut expected: Vec<String> =
                model.iter().filter(|(topic, _)| filter.matches(name(topic))).map(|(_, value)| value.clone()).collect();
            expected.sort();
            prop_assert_eq!(found(&retained, text), expected, "{}", text);
        }
        for text in model.keys() {
            prop_assert!(retained.remove(name(text)).is_some());
        }
        prop_assert_eq!((retained.len(), retained.node_count()), (0, 0));
    }
}

/// From either end: a filter is found by the children of a node or by the nodes of a name, whichever are fewer, and both
/// ways give each value once.
#[test]
fn a_plus_finds_the_same_from_either_end() {
    let mut retained = Retained::with_seed(1);
    let mut names = Vec::new();
    for child in 0..40 {
        for last in ["common", if child % 10 == 3 { "rare" } else { "other" }] {
            names.push(format!("a/{child}/{last}"));
            names.push(format!("$a/{child}/{last}"));
            names.push(format!("a/{child}/deep/{last}/end"));
        }
    }
    names.extend(["rare", "a/rare", "a/b/c/rare", "b/3/rare", "rare/rare/rare", "a"].map(str::to_owned));
    for name in &names {
        retained.insert(TopicName::new(name).unwrap(), name.clone());
    }
    let check = |retained: &Retained<String>, names: &[String]| {
        for text in [
            "a/+/rare",
            "a/+/common",
            "+/+/rare",
            "+/rare",
            "+/+/+/rare",
            "+/+/+/+",
            "a/+/deep/rare/end",
            "a/+/+/rare/+",
            "a/+/+/rare/#",
            "$a/+/rare",
            "+/3/rare",
            "+/+/rare/#",
            "rare/+/rare",
            "a/+/nobody",
            "#",
            "$a/#",
            "+/#",
        ] {
            let filter = TopicFilter::new(text).unwrap();
            let mut found = Vec::new();
            retained.for_each_match(filter, |name| found.push(name.clone()));
            found.sort();
            let mut expected: Vec<String> =
                names.iter().filter(|name| filter.matches(TopicName::new(name).unwrap())).cloned().collect();
            expected.sort();
            assert_eq!(found, expected, "{text}");
        }
    };
    check(&retained, &names);
    while let Some(name) = names.pop() {
        retained.remove(TopicName::new(&name).unwrap());
        if names.len() % 40 == 0 {
            check(&retained, &names);
        }
    }
    assert_eq!((retained.len(), retained.node_count()), (0, 0));
}
