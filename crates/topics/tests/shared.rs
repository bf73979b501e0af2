//! Groups of Shared Subscriptions: who is in them, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use topicwire_topics::{GroupId, Matches, SharedGroup, Subscriptions, TopicFilter, TopicName};

type Index = Subscriptions<u32, u8>;

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn groups(index: &Index, topic: &str) -> Vec<GroupId> {
    let mut matches = Matches::new();
    index.match_into(TopicName::new(topic).unwrap(), &mut matches);
    assert!(matches.plain.is_empty(), "a shared subscription is not a plain one");
    matches.groups
}

fn index_with_group(members: std::ops::Range<u32>) -> (Index, GroupId) {
    let mut index = Index::with_seed(1);
    for member in members {
        index.insert_shared("g", filter("a/+"), member, 0);
    }
    let group = groups(&index, "a/b")[0];
    (index, group)
}

fn picks(group: &mut SharedGroup<u32, u8>, count: usize, mut ready: impl FnMut(u32) -> bool) -> Vec<u32> {
    (0..count).map_while(|_| group.pick(|member, _| ready(member))).map(|(member, _)| member).collect()
}

#[test]
fn a_group_is_one_share_name_and_one_filter() {
    let mut index = Index::with_seed(1);
    for (share_name, text) in [("g", "a/+"), ("h", "a/+"), ("g", "a/b"), ("g", "#"), ("g", "c")] {
        assert_eq!(index.insert_shared(share_name, filter(text), 1, 0), None);
    }
    assert_eq!((index.len(), index.shared_len(), index.size().groups), (0, 5, 5));
    let found = groups(&index, "a/b");
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 4);
    let mut names: Vec<String> =
        found.iter().map(|id| index.group_mut(*id).unwrap().share_name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["g", "g", "g", "h"]);
    assert_eq!(index.shared_group("h", filter("a/+")).unwrap().members(), [(1, 0)]);
    assert!(index.shared_group("h", filter("a/b")).is_none());
}

#[test]
fn joining_again_replaces_the_value_and_not_the_place() {
    let (mut index, group) = index_with_group(0..3);
    assert_eq!(picks(index.group_mut(group).unwrap(), 1, |_| true), [0]);
    assert_eq!(index.insert_shared("g", filter("a/+"), 1, 7), Some(0));
    assert_eq!(index.shared_len(), 3);
    assert_eq!(index.group_mut(group).unwrap().pick(|_, _| true), Some((1, 7)));
}

#[test]
fn a_subscriber_may_be_in_a_group_and_subscribed_by_itself() {
    let mut index = Index::with_seed(1);
    index.insert(filter("a"), 1, 1);
    index.insert_shared("g", filter("a"), 1, 2);
    let mut matches = Matches::new();
    index.match_into(TopicName::new("a").unwrap(), &mut matches);
    assert_eq!((matches.plain, matches.groups.len()), (vec![(1, 1)], 1));
    assert_eq!(index.remove(filter("a"), 1), Some(1));
    assert_eq!(index.remove_shared("g", filter("a"), 1), Some(2));
    assert!(index.is_empty());
}

#[test]
fn members_take_turns() {
    let (mut index, group) = index_with_group(0..4);
    assert_eq!(picks(index.group_mut(group).unwrap(), 9, |_| true), [0, 1, 2, 3, 0, 1, 2, 3, 0]);
}

#[test]
fn members_that_are_not_ready_are_passed_over() {
    let (mut index, group) = index_with_group(0..4);
    let group = index.group_mut(group).unwrap();
    assert_eq!(picks(group, 4, |member| member % 2 == 1), [1, 3, 1, 3]);
    assert_eq!(picks(group, 3, |_| true), [0, 1, 2]);
    assert_eq!(picks(group, 2, |member| member == 2), [2, 2]);
}

#[test]
fn nobody_ready_leaves_the_turn_where_it_is() {
    let (mut index, group) = index_with_group(0..3);
    let group = index.group_mut(group).unwrap();
    assert_eq!(picks(group, 1, |_| true), [0]);
    let mut asked = Vec::new();
    assert_eq!(
        group.pick(|member, _| {
            asked.push(member);
            false
        }),
        None
    );
    assert_eq!(asked, [1, 2, 0], "each is asked once");
    assert_eq!(picks(group, 1, |_| true), [1]);
}

#[test]
fn many_groups_on_one_filter_are_left_in_any_order() {
    let mut index = Index::with_seed(1);
    let names: Vec<String> = (0..2_000).map(|group| format!("group{group}")).collect();
    for share_name in &names {
        index.insert_shared(share_name, filter("a"), 1, 0);
    }
    assert_eq!(groups(&index, "a").len(), 2_000);
    for share_name in names.iter().step_by(2).chain(names.iter().skip(1).step_by(2).rev()) {
        assert_eq!(index.remove_shared(share_name, filter("a"), 1), Some(0), "{share_name}");
        assert!(index.shared_group(share_name, filter("a")).is_none());
    }
    assert!(index.is_empty());
    assert_eq!((index.shared_len(), index.size().groups, index.size().filters), (0, 0, 0));
}

#[test]
fn a_group_of_very_many_is_joined_and_left_in_any_order() {
    let (mut index, group) = index_with_group(0..20_000);
    for member in (0..20_000).filter(|member| member % 2 == 0) {
        assert_eq!(index.remove_shared("g", filter("a/+"), member), Some(0));
    }
    let picked: BTreeSet<u32> =
        picks(index.group_mut(group).unwrap(), 10_000, |_| true).into_iter().collect();
    assert_eq!(picked, (0..20_000).filter(|member| member % 2 == 1).collect());
}

#[derive(Clone, Debug)]
enum Step {
    Join(u32),
    Leave(u32),
    Pick,
}

proptest! {
    /// Within one round nobody is served twice, and who stays is served, whoever else joins or leaves.
    #[test]
    fn a_round_serves_each_member_once(
        steps in proptest::collection::vec(
            prop_oneof![
                (0..50_u32).prop_map(Step::Join),
                (0..50_u32).prop_map(Step::Leave),
                Just(Step::Pick),
                Just(Step::Pick),
            ],
            0..400,
        ),
    ) {
        let mut index = Index::with_seed(1);
        // Who is in the group, and whether this round has served it.
        let mut served = BTreeMap::new();
        for step in steps {
            match step {
                Step::Join(member) => {
                    index.insert_shared("g", filter("a/+"), member, 0);
                    served.entry(member).or_insert(false);
                }
                Step::Leave(member) => {
                    let left = index.remove_shared("g", filter("a/+"), member);
                    prop_assert_eq!(left.is_some(), served.remove(&member).is_some());
                }
                Step::Pick => {
                    let Some(group) = groups(&index, "a/b").first().copied() else {
                        prop_assert!(served.is_empty());
                        continue;
                    };
                    let (member, _) = index.group_mut(group).unwrap().pick(|_, _| true).unwrap();
                    prop_assert_eq!(served.insert(member, true), Some(false), "served twice, or not a member");
                }
            }
            if served.values().all(|served| *served) {
                served.values_mut().for_each(|served| *served = false);
            }
        }
    }
}
