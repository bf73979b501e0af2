//! The two indexes of topics against lists and the rules of section 4.7, written down as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use topicwire_topics::{IndexSize, Matches, Retained, Subscriptions, TopicFilter, TopicName};

use crate::input::Input;

/// What one byte of text stands for: what collides, in both forms that the key of a level has.
const PIECES: [&str; 16] = [
    "a",
    "b",
    "/",
    "+",
    "#",
    "$",
    "/a",
    "é",
    "eight-by",
    "sixteen-byte-key",
    "seventeen-byte-ky",
    "/+",
    "/#",
    "c",
    "$share",
    "+/",
];
const SHARE_NAMES: [&str; 3] = ["one", "two", "$"];

/// Filters and names in any order of coming and going: what an index finds is what the plain rule finds, its counts
/// are right, and once emptied it holds nothing.
pub fn topic_matching(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(u64::from(input.byte()));
    while !input.is_empty() {
        world.step(&mut input);
    }
    world.check_counts();
    world.empty();
}

/// Section 4.7, for a filter and a name that are both well formed.
fn is_match(filter: &str, name: &str) -> bool {
    fn levels_match(filter: &[&str], name: &[&str]) -> bool {
        match (filter, name) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, name @ ..]) => levels_match(filter, name),
            ([wanted, filter @ ..], [given, name @ ..]) => wanted == given && levels_match(filter, name),
            _ => false,
        }
    }
    let is_hidden = name.starts_with('$') && filter.starts_with(['+', '#']);
    let (filter, name): (Vec<_>, Vec<_>) = (filter.split('/').collect(), name.split('/').collect());
    !is_hidden && levels_match(&filter, &name)
}

/// The indexes, and what they should hold.
struct World {
    subscriptions: Subscriptions<u8, u8>,
    plain: BTreeMap<(String, u8), u8>,
    shared: BTreeMap<(String, String), BTreeMap<u8, u8>>,
    retained: Retained<String>,
    names: BTreeSet<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            subscriptions: Subscriptions::with_seed(seed),
            plain: BTreeMap::new(),
            shared: BTreeMap::new(),
            retained: Retained::with_seed(seed),
            names: BTreeSet::new(),
        }
    }

    /// One operation; a text that is no filter, or no name, makes none of it.
    fn step(&mut self, input: &mut Input<'_>) {
        let (operation, who) = (input.below(8), input.byte());
        let (subscriber, value, share_name) = (who & 7, who >> 3, SHARE_NAMES[usize::from(who >> 6) % 3]);
        let length = input.below(24);
        let text: String = input.take(length).iter().map(|byte| PIECES[usize::from(byte & 15)]).collect();
        if let Ok(filter) = TopicFilter::new(&text) {
            match operation {
                0 => self.insert(filter, subscriber, value),
                1 => self.remove(filter, subscriber),
                2 => self.insert_shared(share_name, filter, subscriber, value),
                3 => self.remove_shared(share_name, filter, subscriber),
                4 => self.find_retained(filter),
                _ => {}
            }
        }
        if let Ok(name) = TopicName::new(&text) {
            match operation {
                5 => self.find_subscribers(name),
                6 => self.retain(name),
                7 => self.forget(name),
                _ => {}
            }
        }
    }

    fn insert(&mut self, filter: TopicFilter<'_>, subscriber: u8, value: u8) {
        let old = self.plain.insert((filter.as_str().to_owned(), subscriber), value);
        assert_eq!(self.subscriptions.insert(filter, subscriber, value), old);
        assert_eq!(self.subscriptions.get(filter, subscriber), Some(&value));
    }

    fn remove(&mut self, filter: TopicFilter<'_>, subscriber: u8) {
        let old = self.plain.remove(&(filter.as_str().to_owned(), subscriber));
        assert_eq!(self.subscriptions.remove(filter, subscriber), old);
        assert_eq!(self.subscriptions.get(filter, subscriber), None);
    }

    fn insert_shared(&mut self, share_name: &str, filter: TopicFilter<'_>, subscriber: u8, value: u8) {
        let members = self.shared.entry((share_name.to_owned(), filter.as_str().to_owned())).or_default();
        let old = members.insert(subscriber, value);
        assert_eq!(self.subscriptions.insert_shared(share_name, filter, subscriber, value), old);
    }

    fn remove_shared(&mut self, share_name: &str, filter: TopicFilter<'_>, subscriber: u8) {
        let key = (share_name.to_owned(), filter.as_str().to_owned());
        let old = self.shared.get_mut(&key).and_then(|members| members.remove(&subscriber));
        self.shared.retain(|_, members| !members.is_empty());
        assert_eq!(self.subscriptions.remove_shared(share_name, filter, subscriber), old);
        let is_left = self.subscriptions.shared_group(share_name, filter).is_some();
        assert_eq!(is_left, self.shared.contains_key(&key));
    }

    fn find_subscribers(&mut self, name: TopicName<'_>) {
        let mut found = Matches::new();
        self.subscriptions.match_into(name, &mut found);
        found.plain.sort_unstable();
        let matching = self.plain.iter().filter(|((filter, _), _)| is_match(filter, name.as_str()));
        let mut expected: Vec<_> = matching.map(|((_, subscriber), value)| (*subscriber, *value)).collect();
        expected.sort_unstable();
        assert_eq!(found.plain, expected, "{name}");

        let mut groups = Vec::new();
        for id in found.groups {
            let group = self.subscriptions.group_mut(id).expect("a group that just matched");
            let mut members = group.members().to_vec();
            // In one round everybody has one turn.
            let mut served: Vec<_> = members.iter().filter_map(|_| group.pick(|_, _| true)).collect();
            members.sort_unstable();
            served.sort_unstable();
            assert_eq!(served, members, "{name}");
            assert_eq!(group.pick(|_, _| false), None);
            groups.push((group.share_name().to_owned(), members));
        }
        groups.sort();
        let matching = self.shared.iter().filter(|((_, filter), _)| is_match(filter, name.as_str()));
        let mut expected: Vec<_> = matching
            .map(|((share_name, _), members)| (share_name.clone(), members.clone().into_iter().collect()))
            .collect();
        expected.sort();
        assert_eq!(groups, expected, "{name}");
        self.check_filters(name);
    }

    /// What filters say themselves, without an index: who matches one name overlaps.
    fn check_filters(&self, name: TopicName<'_>) {
        let mut matching: Option<TopicFilter<'_>> = None;
        for (text, _) in self.plain.keys() {
            let filter = TopicFilter::new(text).expect("it was a filter when it came");
            assert_eq!(filter.matches(name), is_match(text, name.as_str()), "{filter} and {name}");
            if filter.matches(name) {
                let other = matching.replace(filter).unwrap_or(filter);
                assert!(filter.overlaps(&other) && other.overlaps(&filter), "{filter} and {other}");
            }
        }
    }

    fn retain(&mut self, name: TopicName<'_>) {
        let is_new = self.names.insert(name.as_str().to_owned());
        assert_eq!(self.retained.insert(name, name.as_str().to_owned()).is_none(), is_new);
        assert_eq!(self.retained.get(name).map(String::as_str), Some(name.as_str()));
    }

    fn forget(&mut self, name: TopicName<'_>) {
        let was_there = self.names.remove(name.as_str());
        assert_eq!(self.retained.remove(name).is_some(), was_there);
        assert_eq!(self.retained.get(name), None);
    }

    fn find_retained(&mut self, filter: TopicFilter<'_>) {
        let mut found = Vec::new();
        self.retained.for_each_match(filter, |name| found.push(name.clone()));
        found.sort();
        let matching = self.names.iter().filter(|name| is_match(filter.as_str(), name));
        let expected: Vec<_> = matching.cloned().collect();
        assert_eq!(found, expected, "{filter}");
    }

    fn check_counts(&self) {
        assert_eq!(self.subscriptions.len(), self.plain.len());
        assert_eq!(self.subscriptions.shared_len(), self.shared.values().map(BTreeMap::len).sum::<usize>());
        let plain = self.plain.keys().map(|(filter, _)| filter);
        let filters: BTreeSet<_> = plain.chain(self.shared.keys().map(|(_, filter)| filter)).collect();
        let size = self.subscriptions.size();
        assert_eq!((size.filters, size.groups), (filters.len(), self.shared.len()));
        assert_eq!((self.retained.len(), self.retained.iter().count()), (self.names.len(), self.names.len()));
    }

    fn empty(mut self) {
        for (filter, subscriber) in self.plain.clone().into_keys() {
            self.remove(TopicFilter::new(&filter).expect("a filter"), subscriber);
        }
        for ((share_name, filter), members) in self.shared.clone() {
            for subscriber in members.into_keys() {
                self.remove_shared(&share_name, TopicFilter::new(&filter).expect("a filter"), subscriber);
            }
        }
        for name in self.names.clone() {
            self.forget(TopicName::new(&name).expect("a name"));
        }
        let IndexSize { filters, shapes, nodes, edges, long_levels, groups, .. } = self.subscriptions.size();
        assert_eq!((filters, shapes, nodes, edges, long_levels, groups), (0, 0, 0, 0, 0, 0));
        assert_eq!((self.retained.len(), self.retained.node_count()), (0, 0));
    }
}
