//! The subscription index: topic filters in, subscribers of a topic name out.
//!
//! Three structures side by side, and each filter is in one of them. A filter without wildcards matches the one name
//! that is spelt like it, so it lies in a hash table under its whole text. Filters with wildcards lie in hash tables by
//! where their wildcards stand (`shapes.rs`), and where that has no room for one, in a trie (`trie.rs`). All lead to
//! leaves (`leaf.rs`), which hold the subscribers and the groups of Shared Subscriptions (`shared.rs`). A match is a
//! look-up in the first table, a look-up for each shape that fits the name, and a walk in the trie, which is empty more
//! often than not.

use core::hash::Hash;

use crate::filter::TopicFilter;
use crate::hash::Seed;
use crate::leaf::Leaf;
use crate::name::TopicName;
use crate::shapes::{Found, ShapePlace, Shapes};
use crate::shared::{GroupId, Groups, SharedGroup};
use crate::slab::{Id, Slab};
use crate::table::IdTable;
use crate::trie::{Place, WildcardTrie};

/// What a topic name matched. Kept by the caller and used again, so that a match allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matches<K, V> {
    /// One entry for each plain subscription, so a subscriber whose filters overlap is in here more than
    /// once. In no particular order, but in the same one whenever the index has seen the same changes.
    pub plain: Vec<(K, V)>,
    /// The groups of which one member each is to get the message.
    pub groups: Vec<GroupId>,
}

impl<K, V> Matches<K, V> {
    /// Without entries and without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { plain: Vec::new(), groups: Vec::new() }
    }

    /// Forgets the entries and keeps the memory.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.groups.clear();
    }

    /// Whether nothing matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.groups.is_empty()
    }
}

impl<K, V> Default for Matches<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// The size of an index. All but `heap_bytes` are zero for an index that was emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexSize {
    /// Different topic filters, shared or not.
    pub filters: usize,
    /// Shapes of filters with wildcards that have a table of their own.
    pub shapes: usize,
    /// Nodes of the trie, its roots not counted. Zero as long as the filters have few shapes.
    pub nodes: usize,
    /// Literal edges of the trie.
    pub edges: usize,
    /// Different levels of more than 16 bytes, which the trie keeps as text.
    pub long_levels: usize,
    /// Groups of Shared Subscriptions.
    pub groups: usize,
    /// Memory that the index has asked for, what it keeps in reserve included, in bytes; what the allocator
    /// adds is not known here.
    pub heap_bytes: usize,
}

/// The subscription index. `K` identifies a subscriber, `V` is what it asked for (its QoS and options).
///
/// A subscriber subscribes to a filter at most once by itself and at most once in each share group
/// [MQTT-3.8.4-3]; subscribing again replaces the value. Subscribing and unsubscribing cost the length of the
/// filter, however many others subscribe to it; a match costs a look-up for exact filters, one for each shape of
/// filters with wildcards (sixteen at most), a walk along those of further shapes that agree with the name, and the
/// subscribers it finds.
///
/// `K` and `V` are small: they are copied into [`Matches`].
///
/// ```
/// use topicwire_topics::{Matches, Subscriptions, TopicFilter, TopicName};
///
/// let mut index = Subscriptions::with_seed(0x5eed);
/// index.insert(TopicFilter::new("home/+/temperature")?, 7_u32, "at most once");
/// let mut matches = Matches::new();
/// index.match_into(TopicName::new("home/kitchen/temperature")?, &mut matches);
/// assert_eq!(matches.plain, [(7, "at most once")]);
/// # Ok::<(), topicwire_topics::TopicError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subscriptions<K, V> {
    seed: Seed,
    exact: IdTable,
    shapes: Shapes,
    trie: WildcardTrie,
    leaves: Slab<Leaf<K, V>>,
    groups: Groups<K, V>,
    plain_count: usize,
    generation: u64,
    leaf_bytes: usize,
}

impl<K: Copy + Eq + Ord + Hash, V: Clone> Default for Subscriptions<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Copy + Eq + Ord + Hash, V: Clone> Subscriptions<K, V> {
    /// An index whose hash seed is known to all: for filters that no stranger chooses.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An index whose hash tables are seeded. The index has no randomness of its own: the same seed and the
    /// same calls give the same results in the same order. A server passes a random number here, so that
    /// nobody can choose filters that collide.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        let seed = Seed::new(seed);
        Self {
            exact: IdTable::new(),
            shapes: Shapes::new(seed.clone()),
            trie: WildcardTrie::new(seed.clone()),
            seed,
            leaves: Slab::new(),
            groups: Groups::new(),
            plain_count: 0,
            generation: 0,
            leaf_bytes: 0,
        }
    }

    /// Subscribes, and returns the value that this one replaces if there was one.
    pub fn insert(&mut self, filter: TopicFilter<'_>, subscriber: K, value: V) -> Option<V> {
        let leaf = self.find_or_insert_leaf(filter);
        let old = self.change_leaf(leaf, |leaf, seed| leaf.insert(seed, subscriber, value));
        self.plain_count += usize::from(old.is_none());
        self.generation += 1;
        old
    }

    /// Unsubscribes, and returns the value of the subscription if there was one.
    pub fn remove(&mut self, filter: TopicFilter<'_>, subscriber: K) -> Option<V> {
        let (place, leaf) = self.find(filter)?;
        let old = self.change_leaf(leaf, |leaf, seed| leaf.remove(seed, subscriber))?;
        self.drop_leaf_if_empty(place, leaf);
        self.plain_count -= 1;
        self.generation += 1;
        Some(old)
    }

    /// Joins the group that shares `filter` under `share_name`, or replaces the member's value and returns
    /// the one before. Groups are different where the share name or the filter is.
    pub fn insert_shared(
        &mut self,
        share_name: &str,
        filter: TopicFilter<'_>,
        subscriber: K,
        value: V,
    ) -> Option<V> {
        let leaf = self.find_or_insert_leaf(filter);
        let group = match self.groups.find(&self.seed, share_name, leaf) {
            Some(group) => group,
            None => {
                let Self { groups, leaves, seed, leaf_bytes, .. } = self;
                groups.create(seed, share_name, leaf, |group| {
                    let leaf = leaves.at_mut(leaf);
                    *leaf_bytes -= leaf.heap_bytes();
                    let position = leaf.insert_group(seed, group);
                    *leaf_bytes += leaf.heap_bytes();
                    position
                })
            }
        };
        self.generation += 1;
        self.groups.insert(&self.seed, group, subscriber, value)
    }

    /// Leaves the group, and returns the value of the membership if there was one. The last member takes
    /// the group along.
    pub fn remove_shared(&mut self, share_name: &str, filter: TopicFilter<'_>, subscriber: K) -> Option<V> {
        let (place, leaf) = self.find(filter)?;
        let group = self.groups.find(&self.seed, share_name, leaf)?;
        let old = self.groups.remove(&self.seed, group, subscriber)?;
        if let Some(position) = self.groups.drop_if_empty(&self.seed, group) {
            let moved = self.change_leaf(leaf, |leaf, seed| leaf.remove_group(seed, position));
            if let Some(moved) = moved.and_then(|moved| self.groups.get_mut(moved)) {
                moved.position = position;
            }
            self.drop_leaf_if_empty(place, leaf);
        }
        self.generation += 1;
        Some(old)
    }

    /// The value of one plain subscription.
    #[must_use]
    pub fn get(&self, filter: TopicFilter<'_>, subscriber: K) -> Option<&V> {
        let (_, leaf) = self.find(filter)?;
        self.leaves.at(leaf).get(&self.seed, subscriber)
    }

    /// The group that shares `filter` under `share_name`.
    #[must_use]
    pub fn shared_group(&self, share_name: &str, filter: TopicFilter<'_>) -> Option<&SharedGroup<K, V>> {
        let (_, leaf) = self.find(filter)?;
        self.groups.get(self.groups.find(&self.seed, share_name, leaf)?)
    }

    /// Adds to `matches` what matches `topic`; what is in there already stays.
    #[inline]
    pub fn match_into(&self, topic: TopicName<'_>, matches: &mut Matches<K, V>) {
        self.for_each_leaf(topic, |leaf| {
            // The usual case, for which a copy of any length is a detour.
            if let [member] = leaf.members() {
                matches.plain.push(member.clone());
            } else {
                matches.plain.extend_from_slice(leaf.members());
            }
            if !leaf.groups().is_empty() {
                matches.groups.extend_from_slice(leaf.groups());
            }
        });
    }

    /// Calls `visit` for each plain subscription that matches `topic`; a subscriber whose filters overlap is
    /// visited for each of them. Groups are left out.
    #[inline]
    pub fn for_each_match(&self, topic: TopicName<'_>, mut visit: impl FnMut(K, &V)) {
        self.for_each_leaf(topic, |leaf| {
            for (subscriber, value) in leaf.members() {
                visit(*subscriber, value);
            }
        });
    }

    /// A group that [`Matches::groups`] named, or `None` if it has lost its last member since.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&SharedGroup<K, V>> {
        self.groups.get(id)
    }

    /// The same, to have a member picked.
    #[inline]
    #[must_use]
    pub fn group_mut(&mut self, id: GroupId) -> Option<&mut SharedGroup<K, V>> {
        self.groups.get_mut(id)
    }

    /// Changes whenever what some name matches may have changed: with each subscription, removal and
    /// replacement, and not when a group's turn goes on. A copy of matches holds while it is equal.
    #[inline]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of plain subscriptions: pairs of a filter and a subscriber.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain_count
    }

    /// The number of memberships in share groups.
    #[must_use]
    pub fn shared_len(&self) -> usize {
        self.groups.memberships()
    }

    /// Whether nobody is subscribed to anything, shared or not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// How large the index is. Costs nothing: the figures are kept.
    #[must_use]
    pub fn size(&self) -> IndexSize {
        IndexSize {
            filters: self.leaves.len(),
            shapes: self.shapes.len(),
            nodes: self.trie.node_count(),
            edges: self.trie.edge_count(),
            long_levels: self.trie.long_level_count(),
            groups: self.groups.len(),
            heap_bytes: self.exact.heap_bytes()
                + self.shapes.heap_bytes()
                + self.trie.heap_bytes()
                + self.leaves.heap_bytes()
                + self.leaf_bytes
                + self.groups.heap_bytes(),
        }
    }

    #[inline]
    fn for_each_leaf(&self, topic: TopicName<'_>, mut visit: impl FnMut(&Leaf<K, V>)) {
        let exact = self.exact_hash(topic.as_str()).map(|hash| (hash, self.exact.look(hash)));
        let mut found = None;
        self.shapes.for_each_match(
            topic,
            |leaf| self.leaves.at(leaf).text(),
            || {
                let text = topic.as_str().as_bytes();
                found = exact.filter(|(_, look)| look.is_hopeful()).and_then(|(hash, look)| {
                    self.exact.find_from(look, hash, |leaf| self.leaves.at(leaf).text() == text)
                });
            },
            |leaf| visit(self.leaves.at(leaf)),
        );
        if let Some(leaf) = found {
            visit(self.leaves.at(leaf));
        }
        self.trie.for_each_match(topic, |leaf| visit(self.leaves.at(leaf)));
    }

    #[inline]
    fn exact_hash(&self, text: &str) -> Option<u64> {
        (self.exact.len() > 0).then(|| self.seed.bytes(text.as_bytes()))
    }

    #[inline]
    fn find_exact(&self, hash: u64, text: &str) -> Option<Id> {
        self.exact.find(hash, |leaf| self.leaves.at(leaf).text() == text.as_bytes())
    }

    fn find(&self, filter: TopicFilter<'_>) -> Option<(LeafPlace, Id)> {
        if !filter.has_wildcards() {
            let hash = self.exact_hash(filter.as_str())?;
            let leaf = self.find_exact(hash, filter.as_str())?;
            return Some((LeafPlace::Exact { hash }, leaf));
        }
        if let Some((place, leaf)) = self.shapes.find(filter, |leaf| self.leaves.at(leaf).text()) {
            return Some((LeafPlace::Shape(place), leaf));
        }
        let (place, leaf) = self.trie.find(filter)?;
        Some((LeafPlace::Trie(place), leaf))
    }

    fn find_or_insert_leaf(&mut self, filter: TopicFilter<'_>) -> Id {
        let Self { seed, exact, shapes, trie, leaves, leaf_bytes, .. } = self;
        let text = filter.as_str();
        if !filter.has_wildcards() {
            let hash = seed.bytes(text.as_bytes());
            let found = exact.find(hash, |leaf| leaves.at(leaf).text() == text.as_bytes());
            return found.unwrap_or_else(|| {
                let leaf = new_leaf(leaves, leaf_bytes, text);
                exact.insert(hash, leaf);
                leaf
            });
        }
        // A filter stays where it is, even if there is room for its shape by now.
        if let Some((_, leaf)) = trie.find(filter) {
            return leaf;
        }
        match shapes.find_or_place(filter, |leaf| leaves.at(leaf).text()) {
            Some(Found::Leaf(leaf)) => leaf,
            Some(Found::Vacant(place)) => {
                let leaf = new_leaf(leaves, leaf_bytes, text);
                shapes.insert(place, leaf);
                leaf
            }
            None => trie.find_or_insert(filter, || leaves.insert(Leaf::new(""))),
        }
    }

    /// Lets `change` change a leaf and keeps count of its memory.
    fn change_leaf<R>(&mut self, leaf: Id, change: impl FnOnce(&mut Leaf<K, V>, &Seed) -> R) -> R {
        let leaf = self.leaves.at_mut(leaf);
        let before = leaf.heap_bytes();
        let result = change(leaf, &self.seed);
        self.leaf_bytes = self.leaf_bytes - before + leaf.heap_bytes();
        result
    }

    fn drop_leaf_if_empty(&mut self, place: LeafPlace, id: Id) {
        let leaf = self.leaves.at(id);
        if !leaf.is_empty() {
            return;
        }
        self.leaf_bytes -= leaf.heap_bytes();
        match place {
            LeafPlace::Exact { hash } => self.exact.remove(hash, id),
            LeafPlace::Shape(place) => self.shapes.remove(place, id),
            LeafPlace::Trie(place) => self.trie.remove(place),
        }
        self.leaves.remove(id);
    }
}

fn new_leaf<K: Copy + Eq + Hash, V>(leaves: &mut Slab<Leaf<K, V>>, leaf_bytes: &mut usize, text: &str) -> Id {
    let leaf = Leaf::new(text);
    *leaf_bytes += leaf.heap_bytes();
    leaves.insert(leaf)
}

/// Which of the structures leads to a leaf, and how to take it out there.
#[derive(Clone, Copy)]
enum LeafPlace {
    Exact { hash: u64 },
    Shape(ShapePlace),
    Trie(Place),
}
