//! The subscription index against a list of filters and the ten-line rule of section 4.7.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use topicwire_topics::{GroupId, IndexSize, Matches, Subscriptions, TopicFilter, TopicName};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}

fn matches(index: &Subscriptions<u32, u8>, topic: &str) -> Vec<(u32, u8)> {
    let mut matches = Matches::new();
    index.match_into(name(topic), &mut matches);
    matches.plain.sort_unstable();
    matches.plain
}

fn subscribers(index: &Subscriptions<u32, u8>, topic: &str) -> Vec<u32> {
    matches(index, topic).into_iter().map(|(subscriber, _)| subscriber).collect()
}

fn index_of(filters: &[&str]) -> Subscriptions<u32, u8> {
    let mut index = Subscriptions::with_seed(1);
    for (subscriber, text) in (0..).zip(filters) {
        index.insert(filter(text), subscriber, 0);
    }
    index
}

/// Filters of as many shapes as the index gives a table of their own, none of which the other filters here have: what
/// else comes now goes into the trie.
fn crowd() -> impl Iterator<Item = String> {
    (0..16).map(|plus| {
        (0..16).map(|level| if level == plus { "+" } else { "crowd" }).collect::<Vec<_>>().join("/")
    })
}

fn crowded_index() -> Subscriptions<u32, u8> {
    let mut index = Subscriptions::with_seed(1);
    for text in crowd() {
        index.insert(filter(&text), 1_000_000, 0);
    }
    assert_eq!((index.size().shapes, index.size().nodes), (16, 0));
    index
}

fn disperse(index: &mut Subscriptions<u32, u8>) {
    for text in crowd() {
        assert_eq!(index.remove(filter(&text), 1_000_000), Some(0));
    }
}

fn assert_no_trace(index: &Subscriptions<u32, u8>) {
    assert!(index.is_empty());
    assert_eq!((index.len(), index.shared_len()), (0, 0));
    let IndexSize { filters, shapes, nodes, edges, long_levels, groups, .. } = index.size();
    assert_eq!((filters, shapes, nodes, edges, long_levels, groups), (0, 0, 0, 0, 0, 0));
}

#[test]
fn an_exact_filter_matches_its_own_name_and_no_other() {
    let index = index_of(&["a/b"]);
    assert_eq!(subscribers(&index, "a/b"), [0]);
    for other in ["a", "a/", "a/b/", "/a/b", "A/b", "a/bb", "a/b/c"] {
        assert_eq!(subscribers(&index, other), [], "{other}");
    }
}

#[test]
fn plus_stands_for_exactly_one_level() {
    let index = index_of(&["a/+/c", "+/b/c", "a/b/+", "+", "/+", "+/+"]);
    assert_eq!(subscribers(&index, "a/b/c"), [0, 1, 2]);
    assert_eq!(subscribers(&index, "a//c"), [0]);
    assert_eq!(subscribers(&index, "a/b/"), [2]);
    assert_eq!(subscribers(&index, "a"), [3]);
    assert_eq!(subscribers(&index, "/a"), [4, 5]);
    assert_eq!(subscribers(&index, "a/b"), [5]);
    assert_eq!(subscribers(&index, "a/b/c/d"), []);
}

#[test]
fn hash_stands_for_any_number_of_levels_and_for_none() {
    let index = index_of(&["#", "a/#", "a/b/#", "+/#", "a/+/#", "/#"]);
    assert_eq!(subscribers(&index, "a"), [0, 1, 3]);
    assert_eq!(subscribers(&index, "a/b"), [0, 1, 2, 3, 4]);
    assert_eq!(subscribers(&index, "a/b/c/d"), [0, 1, 2, 3, 4]);
    assert_eq!(subscribers(&index, "a/"), [0, 1, 3, 4]);
    assert_eq!(subscribers(&index, "/"), [0, 3, 5]);
    assert_eq!(subscribers(&index, "b"), [0, 3]);
}

#[test]
fn leading_wildcards_do_not_see_names_that_begin_with_a_dollar() {
    let index = index_of(&["#", "+/#", "+/b", "$SYS/#", "$SYS/+", "$SYS/b", "$SYS/+/#"]);
    assert_eq!(subscribers(&index, "$SYS/b"), [3, 4, 5, 6]);
    assert_eq!(subscribers(&index, "$SYS"), [3]);
    assert_eq!(subscribers(&index, "a/b"), [0, 1, 2]);
    assert_eq!(subscribers(&index, "$other/b"), []);

    let mut crowded = crowded_index();
    for (subscriber, text) in (0..).zip(["#", "+/#", "+/b", "$SYS/#", "$SYS/+", "$SYS/b", "$SYS/+/#"]) {
        crowded.insert(filter(text), subscriber, 0);
    }
    assert!(crowded.size().nodes > 0);
    assert_eq!(subscribers(&crowded, "$SYS/b"), [3, 4, 5, 6]);
    assert_eq!(subscribers(&crowded, "a/b"), [0, 1, 2]);
}

#[test]
fn a_dollar_behind_the_first_character_is_a_character() {
    let index = index_of(&["a/+", "+/$x", "#", "/#"]);
    assert_eq!(subscribers(&index, "a/$x"), [0, 1, 2]);
    assert_eq!(subscribers(&index, "/$x"), [1, 2, 3]);
}

#[test]
fn levels_of_any_length_are_told_apart() {
    // Around eight and sixteen bytes the key of a level changes its form.
    for length in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 18, 64, 1000] {
        let (level, longer) = ("x".repeat(length), "x".repeat(length + 1));
        let mut other = level.clone();
        other.replace_range(length / 2..=length / 2, "y");
        let index = index_of(&[&format!("{level}/+"), &format!("{other}/+"), &format!("+/{level}/#")]);
        assert_eq!(subscribers(&index, &format!("{level}/a")), [0], "{length}");
        assert_eq!(subscribers(&index, &format!("{other}/a")), [1], "{length}");
        assert_eq!(subscribers(&index, &format!("{longer}/a")), [], "{length}");
        assert_eq!(subscribers(&index, &format!("a/{level}")), [2], "{length}");
        assert_eq!(subscribers(&index, &format!("a/{longer}")), [], "{length}");
    }
}

#[test]
fn subscribing_again_replaces_the_value() {
    for text in ["a/b", "a/+", "#"] {
        let mut index = Subscriptions::with_seed(1);
        assert_eq!(index.insert(filter(text), 7_u32, 0_u8), None);
        assert_eq!(index.insert(filter(text), 7, 1), Some(0));
        assert_eq!((index.len(), index.get(filter(text), 7)), (1, Some(&1)));
        assert_eq!(matches(&index, "a/b"), [(7, 1)]);
        assert_eq!(index.remove(filter(text), 7), Some(1));
        assert_eq!(index.remove(filter(text), 7), None);
        assert_no_trace(&index);
    }
}

#[test]
fn a_subscriber_is_matched_once_for_each_of_its_filters() {
    let mut index = Subscriptions::with_seed(1);
    for (value, text) in [(0, "a/b"), (1, "a/+"), (2, "#")] {
        index.insert(filter(text), 7_u32, value);
    }
    assert_eq!(matches(&index, "a/b"), [(7, 0), (7, 1), (7, 2)]);
    let mut visited = Vec::new();
    index.for_each_match(name("a/b"), |subscriber, value| visited.push((subscriber, *value)));
    visited.sort_unstable();
    assert_eq!(visited, [(7, 0), (7, 1), (7, 2)]);
}

#[test]
fn matching_appends_and_clears_nothing() {
    let index = index_of(&["a", "b"]);
    let mut matches = Matches::new();
    index.match_into(name("a"), &mut matches);
    index.match_into(name("b"), &mut matches);
    assert_eq!(matches.plain, [(0, 0), (1, 0)]);
    matches.clear();
    assert!(matches.is_empty());
}

#[test]
fn removal_cuts_off_what_only_the_removed_filter_needed() {
    let mut index = crowded_index();
    for (subscriber, text) in (0..).zip(["a/b/+", "a/b/c/d/+/f", "a/+/c/#"]) {
        index.insert(filter(text), subscriber, 0);
    }
    let before = index.size();
    index.insert(filter("a/b/c/d/e/f/#"), 9, 0);
    assert!(index.size().nodes > before.nodes);
    index.remove(filter("a/b/c/d/e/f/#"), 9);
    assert_eq!((index.size().nodes, index.size().edges), (before.nodes, before.edges));
    index.remove(filter("a/b/c/d/+/f"), 1);
    assert_eq!(subscribers(&index, "a/b/c"), [0, 2]);
    // What is left: a, a/b, a/b/+, a/+, a/+/c.
    assert_eq!(index.size().nodes, 5);
    index.remove(filter("a/b/+"), 0);
    index.remove(filter("a/+/c/#"), 2);
    assert_eq!((index.size().nodes, index.size().edges), (0, 0));
    disperse(&mut index);
    assert_no_trace(&index);
}

#[test]
fn a_shape_is_given_up_with_its_last_filter() {
    let mut index = index_of(&["a/+", "b/+", "a/#", "+/c"]);
    assert_eq!(index.size().shapes, 3);
    index.remove(filter("a/+"), 0);
    assert_eq!(index.size().shapes, 3);
    index.remove(filter("b/+"), 1);
    assert_eq!(index.size().shapes, 2);
    assert_eq!((subscribers(&index, "a/c"), subscribers(&index, "b/c")), (vec![2, 3], vec![3]));
    index.remove(filter("a/#"), 2);
    index.remove(filter("+/c"), 3);
    assert_no_trace(&index);
}

#[test]
fn a_filter_that_went_into_the_trie_is_found_there_when_its_shape_has_a_table() {
    let mut index = crowded_index();
    index.insert(filter("a/+"), 1, 0);
    assert_eq!(index.size().nodes, 2);
    disperse(&mut index);
    index.insert(filter("b/+"), 2, 0);
    assert_eq!((index.size().shapes, index.size().nodes), (1, 2));
    assert_eq!(index.insert(filter("a/+"), 1, 1), Some(0));
    index.insert(filter("a/+"), 3, 0);
    assert_eq!((index.size().filters, index.len()), (2, 3));
    assert_eq!(matches(&index, "a/x"), [(1, 1), (3, 0)]);
    assert_eq!((index.remove(filter("a/+"), 1), index.remove(filter("a/+"), 3)), (Some(1), Some(0)));
    assert_eq!(index.size().nodes, 0);
    index.insert(filter("a/+"), 4, 0);
    assert_eq!((index.size().shapes, index.size().nodes, subscribers(&index, "a/x")), (1, 0, vec![4]));
}

#[test]
fn filters_at_the_greatest_depth_of_a_shape_and_past_it_are_matched_alike() {
    for levels in 14..=19_usize {
        let plus =
            |at: usize| (0..levels).map(|level| if level == at { "+" } else { "a" }).collect::<Vec<_>>();
        let texts: Vec<String> = (0..levels)
            .map(|at| plus(at).join("/"))
            .chain((0..levels).map(|at| plus(at).join("/") + "/#"))
            .chain(["+/".repeat(levels) + "#", "+/".repeat(levels - 1) + "+"])
            .collect();
        let index = index_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let all: Vec<u32> = (0..texts.len() as u32).collect();
        let name = vec!["a"; levels].join("/");
        assert_eq!(subscribers(&index, &name), all, "{levels}");
        let longer: Vec<u32> = all.iter().copied().filter(|at| texts[*at as usize].ends_with('#')).collect();
        assert_eq!(subscribers(&index, &(name + "/x")), longer, "{levels}");
    }
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut index = index_of(&["a/b", "a/+/c", "a/#"]);
    let (size, generation) = (index.size(), index.generation());
    for (text, subscriber) in
        [("a/b", 9), ("a/+", 1), ("a/+/c", 0), ("a", 2), ("x/+", 0), ("#", 0), ("$SYS/#", 0)]
    {
        assert_eq!(index.remove(filter(text), subscriber), None, "{text}");
        assert_eq!(index.remove_shared("g", filter(text), subscriber), None, "{text}");
    }
    assert_eq!((index.size(), index.generation(), index.len()), (size, generation, 3));
}

#[test]
fn each_change_changes_the_generation_and_a_match_does_not() {
    let mut index = Subscriptions::with_seed(1);
    let mut seen = BTreeSet::from([index.generation()]);
    let mut is_new = |index: &Subscriptions<u32, u8>| seen.insert(index.generation());
    index.insert(filter("a"), 1, 0);
    assert!(is_new(&index));
    index.insert(filter("a"), 1, 1);
    assert!(is_new(&index));
    index.insert_shared("g", filter("a"), 1, 0);
    assert!(is_new(&index));
    index.insert_shared("g", filter("a"), 1, 1);
    assert!(is_new(&index));
    let mut found = Matches::new();
    index.match_into(name("a"), &mut found);
    assert!(index.group_mut(found.groups[0]).unwrap().pick(|_, _| true).is_some());
    assert!(!is_new(&index));
    index.remove_shared("g", filter("a"), 1);
    assert!(is_new(&index));
    index.remove(filter("a"), 1);
    assert!(is_new(&index));
}

#[test]
fn a_filter_with_very_many_subscribers_is_joined_and_left_in_any_order() {
    const COUNT: u32 = 20_000;
    for text in ["news/all", "news/#"] {
        let mut index = Subscriptions::with_seed(1);
        for subscriber in 0..COUNT {
            index.insert(filter(text), subscriber, 0);
        }
        assert_eq!(subscribers(&index, "news/all"), (0..COUNT).collect::<Vec<_>>());
        for subscriber in (0..COUNT).filter(|subscriber| subscriber % 3 != 0) {
            assert_eq!(index.remove(filter(text), subscriber), Some(0));
        }
        assert_eq!(subscribers(&index, "news/all"), (0..COUNT).step_by(3).collect::<Vec<_>>());
        for subscriber in (0..COUNT).rev().filter(|subscriber| subscriber % 3 == 0) {
            assert_eq!(index.remove(filter(text), subscriber), Some(0));
        }
        assert_no_trace(&index);
    }
}

#[test]
fn filters_that_others_have_left_are_as_small_as_before() {
    let texts: Vec<String> = (0..1_000).map(|number| format!("a/{number}/+")).collect();
    let mut index = index_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let alone = index.size().heap_bytes;
    for text in &texts {
        index.insert(filter(text), 5_000, 0);
        index.insert_shared("g", filter(text), 5_000, 0);
    }
    assert!(index.size().heap_bytes > alone + 50 * texts.len());
    for text in &texts {
        index.remove(filter(text), 5_000);
        index.remove_shared("g", filter(text), 5_000);
    }
    // What is left over belongs to the tables as a whole, and is the same for any number of filters.
    assert!(index.size().heap_bytes < alone + 16 * 1024, "{} and {alone}", index.size().heap_bytes);
}

#[test]
fn filters_of_the_greatest_depth_are_only_long() {
    let deep = ["+/".repeat(32_767), "/".repeat(65_535), "a/".repeat(32_767) + "#", "/".repeat(65_534) + "#"];
    let mut index = Subscriptions::with_seed(1);
    for (subscriber, text) in (0..).zip(&deep) {
        index.insert(filter(text), subscriber, 0);
    }
    assert_eq!(subscribers(&index, &"a/".repeat(32_767)), [0, 2]);
    assert_eq!(subscribers(&index, &"/".repeat(65_535)), [1, 3]);
    assert_eq!(subscribers(&index, &"/".repeat(65_534)), [3]);
    for (subscriber, text) in (0..).zip(&deep) {
        index.remove(filter(text), subscriber);
    }
    assert_no_trace(&index);
}

#[test]
fn filters_that_multiply_branches_are_matched_once_each() {
    // Every filter of twelve levels made of `a` and `+`: a name of twelve `a` meets each node that exists.
    let depth = 12;
    let texts: Vec<String> = (0..1_u32 << depth)
        .map(|bits| {
            let levels = (0..depth).map(|level| if bits >> level & 1 == 0 { "a" } else { "+" });
            levels.collect::<Vec<_>>().join("/")
        })
        .collect();
    let index = index_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let topic = vec!["a"; depth as usize].join("/");
    assert_eq!(subscribers(&index, &topic), (0..1 << depth).collect::<Vec<_>>());
}

#[test]
fn the_same_calls_give_the_same_order() {
    let build = || {
        let mut index = index_of(&["a/b", "a/+", "#", "+/b", "a/#"]);
        for subscriber in 0..100 {
            index.insert(filter("a/+"), subscriber, 1);
        }
        index.remove(filter("a/+"), 50);
        let mut matches = Matches::new();
        index.match_into(name("a/b"), &mut matches);
        matches
    };
    assert_eq!(build(), build());
}

/// Levels that collide in every way that matters: wildcards, empty, `$`, and both forms of key.
const LEVELS: [&str; 8] = ["+", "a", "b", "", "$s", "sixteen-byte-key", "seventeen-byte-ky", "+"];

fn any_filter() -> impl Strategy<Value = String> {
    (proptest::collection::vec(0..LEVELS.len(), 1..5), any::<bool>()).prop_filter_map(
        "a filter has a character",
        |(levels, hash)| {
            let mut text: Vec<&str> = levels.into_iter().map(|level| LEVELS[level]).collect();
            text.extend(hash.then_some("#"));
            Some(text.join("/")).filter(|text| !text.is_empty())
        },
    )
}

fn any_name() -> impl Strategy<Value = String> {
    any_filter().prop_map(|text| text.replace('+', "b").replace('#', "a"))
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String, u32, u8),
    Remove(String, u32),
    InsertShared(u8, String, u32, u8),
    RemoveShared(u8, String, u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any_filter(), 0..6_u32, 0..3_u8).prop_map(|(text, key, value)| Step::Insert(text, key, value)),
        3 => (any_filter(), 0..6_u32).prop_map(|(text, key)| Step::Remove(text, key)),
        2 => (0..3_u8, any_filter(), 0..4_u32, 0..3_u8)
            .prop_map(|(group, text, key, value)| Step::InsertShared(group, text, key, value)),
        2 => (0..3_u8, any_filter(), 0..4_u32).prop_map(|(group, text, key)| Step::RemoveShared(group, text, key)),
    ]
}

/// What the index should hold, in the plainest form.
#[derive(Default)]
struct Model {
    plain: BTreeMap<(String, u32), u8>,
    shared: BTreeMap<(String, String), BTreeMap<u32, u8>>,
}

fn apply(step: &Step, index: &mut Subscriptions<u32, u8>, model: &mut Model) -> Result<(), TestCaseError> {
    match step {
        Step::Insert(text, key, value) => {
            let old = model.plain.insert((text.clone(), *key), *value);
            prop_assert_eq!(index.insert(filter(text), *key, *value), old);
        }
        Step::Remove(text, key) => {
            prop_assert_eq!(index.remove(filter(text), *key), model.plain.remove(&(text.clone(), *key)));
        }
        Step::InsertShared(group, text, key, value) => {
            let group = format!("g{group}");
            let old = model.shared.entry((group.clone(), text.clone())).or_default().insert(*key, *value);
            prop_assert_eq!(index.insert_shared(&group, filter(text), *key, *value), old);
        }
        Step::RemoveShared(group, text, key) => {
            let group = format!("g{group}");
            let members = model.shared.entry((group.clone(), text.clone())).or_default();
            prop_assert_eq!(index.remove_shared(&group, filter(text), *key), members.remove(key));
        }
    }
    model.shared.retain(|_, members| !members.is_empty());
    Ok(())
}

fn compare(index: &mut Subscriptions<u32, u8>, model: &Model, topic: &str) -> Result<(), TestCaseError> {
    let mut found = Matches::new();
    index.match_into(name(topic), &mut found);
    found.plain.sort_unstable();
    let mut expected: Vec<(u32, u8)> = model
        .plain
        .iter()
        .filter(|((text, _), _)| filter(text).matches(name(topic)))
        .map(|((_, key), value)| (*key, *value))
        .collect();
    expected.sort_unstable();
    prop_assert_eq!(found.plain, expected);

    let mut groups: Vec<(String, Vec<(u32, u8)>)> = Vec::new();
    for id in found.groups {
        let group = index.group_mut(id).expect("a group just matched");
        let mut members = group.members().to_vec();
        members.sort_unstable();
        groups.push((group.share_name().to_owned(), members));
    }
    groups.sort();
    let mut expected: Vec<(String, Vec<(u32, u8)>)> = model
        .shared
        .iter()
        .filter(|((_, text), _)| filter(text).matches(name(topic)))
        .map(|((share_name, _), members)| {
            (share_name.clone(), members.iter().map(|(k, v)| (*k, *v)).collect())
        })
        .collect();
    expected.sort();
    prop_assert_eq!(groups, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_agrees_with_the_ten_line_rule(
        seed in any::<u64>(),
        is_crowded in any::<bool>(),
        crowd_leaves_after in 0_usize..60,
        steps in proptest::collection::vec(any_step(), 0..60),
        topics in proptest::collection::vec(any_name(), 1..12),
    ) {
        let (mut index, mut model) = (Subscriptions::with_seed(seed), Model::default());
        if is_crowded {
            for text in crowd() {
                index.insert(filter(&text), 1_000_000, 0);
            }
        }
        for (at, step) in steps.iter().enumerate() {
            if is_crowded && at == crowd_leaves_after {
                disperse(&mut index);
            }
            apply(step, &mut index, &mut model)?;
        }
        if is_crowded && steps.len() <= crowd_leaves_after {
            for topic in &topics {
                compare(&mut index, &model, topic)?;
            }
            disperse(&mut index);
        }
        prop_assert_eq!(index.len(), model.plain.len());
        prop_assert_eq!(index.shared_len(), model.shared.values().map(BTreeMap::len).sum::<usize>());
        prop_assert_eq!(index.size().groups, model.shared.len());
        let filters: BTreeSet<&String> =
            model.plain.keys().map(|(text, _)| text).chain(model.shared.keys().map(|(_, text)| text)).collect();
        prop_assert_eq!(index.size().filters, filters.len());
        for topic in &topics {
            compare(&mut index, &model, topic)?;
        }
        for ((text, key), value) in &model.plain {
            prop_assert_eq!(index.get(filter(text), *key), Some(value));
        }
    }

    #[test]
    fn an_emptied_index_holds_nothing(steps in proptest::collection::vec(any_step(), 0..80)) {
        let (mut index, mut model) = (Subscriptions::with_seed(3), Model::default());
        for step in &steps {
            apply(step, &mut index, &mut model)?;
        }
        for (text, key) in model.plain.keys() {
            index.remove(filter(text), *key);
        }
        for ((share_name, text), members) in &model.shared {
            for key in members.keys() {
                index.remove_shared(share_name, filter(text), *key);
            }
        }
        assert_no_trace(&index);
    }
}

#[test]
fn a_group_that_was_dissolved_is_not_met_under_its_old_id() {
    let mut index: Subscriptions<u32, u8> = Subscriptions::with_seed(1);
    let mut ids = BTreeSet::<GroupId>::new();
    for _ in 0..100 {
        index.insert_shared("g", filter("a/+"), 1, 0);
        let mut found = Matches::new();
        index.match_into(name("a/b"), &mut found);
        assert!(ids.insert(found.groups[0]), "each id is used once");
        index.remove_shared("g", filter("a/+"), 1);
        assert!(ids.iter().all(|id| index.group_mut(*id).is_none()));
    }
    assert_no_trace(&index);
}
