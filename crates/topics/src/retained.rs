//! The retained index: for a topic filter, the retained messages whose topic names it matches.
//!
//! The mirror image of `trie.rs`: here the names are stored and the filters are looked up. A node stands for
//! a prefix of levels, every level is literal, and the literal edges lie in one hash table (`edges.rs`).
//!
//! A literal level of the filter is one look-up. For `+` a node also lists its children, and for `#` the walk
//! visits everything below. So a look-up costs in what it finds and in the branches it had to try. Names that begin
//! with `$` hang from a root of their own, which a leading wildcard does not see [MQTT-4.7.2-1]; their values are kept
//! apart as well, so that `#` alone is all values of the other root and walks nowhere.
//!
//! `a/+/x` can be found from either end: each child of `a` may have a child `x`, and each node that is called `x` may
//! have `a` two levels up. Ten devices of a million are found at once from one end, and ten children from the other.
//! So nodes of one level's name are linked to each other (`namesakes.rs`), and a `+` with a literal level somewhere
//! behind it goes through these instead of its children where they are fewer.
//!
//! The walk goes depth first with a stack of its own, one entry for each `+` that is open, and below a `#` level
//! by level; it does not recurse. It looks at each node once at most, so no filter costs more than what is
//! retained. Nodes left with neither value nor child are cut off, and so upwards.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::edges::{EdgeKey, Edges, Level};
use crate::filter::TopicFilter;
use crate::hash::Seed;
use crate::level::Levels;
use crate::name::TopicName;
use crate::namesakes::Namesakes;
use crate::slab::{Id, Slab};

/// The root of what does not begin with `$`.
const ROOT: Id = Id::MIN;
/// The root of what does.
const DOLLAR_ROOT: Id = Id::MIN.saturating_add(1);
/// Up to so many children are tried without a thought.
const FEW_CHILDREN: usize = 8;

#[derive(Clone, Debug)]
struct Node {
    hangs_by: EdgeKey,
    value: Option<Id>,
    /// Where the parent lists this node.
    position: u32,
    children: SmallVec<[Id; 4]>,
}

impl Node {
    fn new(hangs_by: EdgeKey, position: u32) -> Self {
        Self { hangs_by, value: None, position, children: SmallVec::new() }
    }
}

/// Values by topic name, to be found by topic filter.
///
/// A value knows its own topic if anybody has to: the index does not give names back. A name costs a node for
/// each level that it does not share with others, so a server limits the levels of retained names.
///
/// ```
/// use topicwire_topics::{Retained, TopicFilter, TopicName};
///
/// let mut retained = Retained::with_seed(0x5eed);
/// retained.insert(TopicName::new("home/kitchen/temperature")?, "21.5");
/// let mut found = Vec::new();
/// retained.for_each_match(TopicFilter::new("home/+/temperature")?, |value| found.push(*value));
/// assert_eq!(found, ["21.5"]);
/// # Ok::<(), topicwire_topics::TopicError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Retained<T> {
    nodes: Slab<Node>,
    edges: Edges,
    namesakes: Namesakes,
    /// Of names that do not begin with `$`, and of those that do.
    values: [Slab<T>; 2],
    /// What the lists of children have on the heap.
    child_bytes: usize,
}

impl<T> Default for Retained<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Retained<T> {
    /// An index whose hash seed is known to all: for names that no stranger chooses.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An index whose hash tables are seeded, see
    /// [`Subscriptions::with_seed`](crate::Subscriptions::with_seed).
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        let roots = [ROOT, DOLLAR_ROOT].map(|root| Node::new(EdgeKey::without_level(root), 0));
        let nodes = Slab::with_permanent(roots);
        Self {
            nodes,
            edges: Edges::new(Seed::new(seed)),
            namesakes: Namesakes::new(),
            values: [Slab::new(), Slab::new()],
            child_bytes: 0,
        }
    }

    /// Retains a value under a name, and returns the one that it replaces if there was one.
    pub fn insert(&mut self, topic: TopicName<'_>, value: T) -> Option<T> {
        let mut at = root_of(topic.as_str());
        for text in Levels::new(topic.as_str()) {
            at = self.find_or_insert_child(at, text);
        }
        let (nodes, values) = (&mut self.nodes, values_mut(&mut self.values, topic.as_str()));
        let node = nodes.at_mut(at);
        if let Some(id) = node.value {
            return Some(core::mem::replace(values.at_mut(id), value));
        }
        node.value = Some(values.insert(value));
        None
    }

    /// Takes the value of a name out.
    pub fn remove(&mut self, topic: TopicName<'_>) -> Option<T> {
        let at = self.find(topic)?;
        let id = self.nodes.at_mut(at).value.take()?;
        self.cut_unused(at);
        values_mut(&mut self.values, topic.as_str()).remove(id)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, topic: TopicName<'_>) -> Option<&T> {
        let id = self.nodes.at(self.find(topic)?).value?;
        self.values_of(topic.as_str()).get(id)
    }

    /// The value of a name, to be changed in place.
    #[must_use]
    pub fn get_mut(&mut self, topic: TopicName<'_>) -> Option<&mut T> {
        let id = self.nodes.at(self.find(topic)?).value?;
        values_mut(&mut self.values, topic.as_str()).get_mut(id)
    }

    /// Calls `visit` with each value whose name `filter` matches, each once, in no particular order, but in
    /// the same one whenever the index has seen the same changes.
    ///
    /// Costs a look-up for each literal level on each branch that a `+` opens, and the nodes below a `#`. A `+` opens as
    /// many branches as there are children, or at most twice as many as there are nodes of the name of the next literal
    /// level, whichever is less.
    pub fn for_each_match(&self, filter: TopicFilter<'_>, mut visit: impl FnMut(&T)) {
        let Some(pattern) = Pattern::new(filter, &self.edges) else { return };
        let values = self.values_of(filter.as_str());
        if pattern.steps.is_empty() {
            return values.iter().for_each(visit);
        }
        // The nodes among which a `+` chooses, outermost first.
        let mut open = SmallVec::<[Choice<'_>; 8]>::new();
        let mut next = Some((root_of(filter.as_str()), 0));
        loop {
            while let Some((node, depth)) = next {
                next = match pattern.steps.get(depth) {
                    Some(Step::Level(level)) => self.child(node, level).map(|child| (child, depth + 1)),
                    Some(Step::AnyChild) => {
                        open.push(self.choice(node, depth, &pattern));
                        None
                    }
                    None if pattern.with_descendants => {
                        self.visit_subtree(node, values, &mut visit);
                        None
                    }
                    None => {
                        self.nodes.at(node).value.into_iter().for_each(|value| visit(values.at(value)));
                        None
                    }
                };
            }
            let Some(choice) = open.last_mut() else { return };
            match choice.among.get(choice.tried) {
                Some(node) => {
                    choice.tried += 1;
                    next = Some((*node, choice.depth));
                }
                None => {
                    open.pop();
                }
            }
        }
    }

    /// All values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter().flat_map(Slab::iter)
    }

    /// The number of names that have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.iter().map(Slab::len).sum()
    }

    /// Whether nothing is retained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Slab::is_empty)
    }

    /// The nodes of the trie, its roots not counted; zero for an index that was emptied.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Memory that the index has asked for, what it keeps in reserve included, in bytes. What the values
    /// have on the heap is not in it.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes()
            + self.edges.heap_bytes()
            + self.namesakes.heap_bytes()
            + self.values.iter().map(Slab::heap_bytes).sum::<usize>()
            + self.child_bytes
    }

    /// The values that those of this name or filter are among.
    fn values_of(&self, text: &str) -> &Slab<T> {
        let [others, dollar] = &self.values;
        if text.starts_with('$') { dollar } else { others }
    }

    fn find(&self, topic: TopicName<'_>) -> Option<Id> {
        Levels::new(topic.as_str())
            .try_fold(root_of(topic.as_str()), |at, text| self.child(at, &self.edges.level(text)?))
    }

    #[inline]
    fn child(&self, parent: Id, level: &Level) -> Option<Id> {
        self.edges.find(parent, level, |id| &self.nodes.at(id).hangs_by)
    }

    fn find_or_insert_child(&mut self, parent: Id, text: &[u8]) -> Id {
        if let Some(child) = self.edges.level(text).and_then(|level| self.child(parent, &level)) {
            return child;
        }
        let key = self.edges.acquire(parent, text);
        // A parent has fewer children than there are ids.
        let position = u32::try_from(self.nodes.at(parent).children.len()).unwrap_or(u32::MAX);
        let child = self.nodes.insert(Node::new(key, position));
        self.edges.insert(&key, child);
        let Self { namesakes, nodes, edges, .. } = self;
        namesakes.insert(edges.level_hash(&key), child, |other| nodes.at(other).hangs_by.is_namesake(&key));
        self.change_children(parent, |children| children.push(child));
        child
    }

    fn cut_unused(&mut self, mut at: Id) {
        while at > DOLLAR_ROOT {
            let node = self.nodes.at(at);
            if node.value.is_some() || !node.children.is_empty() {
                return;
            }
            let (key, position) = (node.hangs_by, node.position);
            self.namesakes.remove(self.edges.level_hash(&key), at);
            self.edges.remove(&key, at);
            let moved = self.change_children(key.parent(), |children| {
                children.swap_remove(position as usize);
                if children.len() < children.capacity() / 4 {
                    children.shrink_to_fit();
                }
                children.get(position as usize).copied()
            });
            if let Some(moved) = moved {
                self.nodes.at_mut(moved).position = position;
            }
            self.nodes.remove(at);
            at = key.parent();
        }
    }

    /// Lets `change` change a list of children and keeps count of its memory.
    fn change_children<R>(&mut self, parent: Id, change: impl FnOnce(&mut SmallVec<[Id; 4]>) -> R) -> R {
        let children = &mut self.nodes.at_mut(parent).children;
        let before = spilled_bytes(children);
        let result = change(children);
        self.child_bytes = self.child_bytes - before + spilled_bytes(children);
        result
    }

    /// What a `+` at this depth chooses among: the children, or the nodes of the name of the next literal level, where
    /// these are fewer. Then the levels up to there are done.
    fn choice(&self, node: Id, depth: usize, pattern: &Pattern) -> Choice<'_> {
        let children = &self.nodes.at(node).children;
        if children.len() > FEW_CHILDREN
            && let Some((at, level)) = pattern.literal_from(depth)
            && let Some(nodes) = self.descendants(node, at - depth + 1, level, children.len())
        {
            return Choice { among: Cow::Owned(nodes), depth: at + 1, tried: 0 };
        }
        Choice { among: Cow::Borrowed(children), depth: depth + 1, tried: 0 }
    }

    /// The descendants of some generation that have this name. `None` if more than so many have it anywhere: nobody knows
    /// how many there are before they are counted, and so no more are looked at than there are to be saved.
    fn descendants(&self, node: Id, generation: usize, level: &Level, most: usize) -> Option<Vec<Id>> {
        let has_name = |other| self.nodes.at(other).hangs_by.has_name(level);
        let mut found = Vec::new();
        for (tried, candidate) in self.namesakes.of(level.hash(), has_name).enumerate() {
            if tried == most {
                return None;
            }
            if self.ancestor(candidate, generation) == Some(node) {
                found.push(candidate);
            }
        }
        Some(found)
    }

    fn ancestor(&self, node: Id, generation: usize) -> Option<Id> {
        (0..generation)
            .try_fold(node, |at, _| (at > DOLLAR_ROOT).then(|| self.nodes.at(at).hangs_by.parent()))
    }

    /// Level by level and not branch by branch: the next nodes are then known long before they are visited,
    /// and the processor fetches them at the same time.
    fn visit_subtree(&self, top: Id, values: &Slab<T>, visit: &mut impl FnMut(&T)) {
        let (mut level, mut below) = (vec![top], Vec::new());
        while !level.is_empty() {
            for &id in &level {
                let node = self.nodes.at(id);
                if let Some(value) = node.value {
                    visit(values.at(value));
                }
                below.extend_from_slice(&node.children);
            }
            core::mem::swap(&mut level, &mut below);
            below.clear();
        }
    }
}

/// A filter, taken apart for the walk.
struct Pattern {
    steps: SmallVec<[Step; 16]>,
    /// Whether it ends with `#`.
    with_descendants: bool,
}

enum Step {
    Level(Level),
    AnyChild,
}

impl Pattern {
    /// `None` if it has a level that no retained name has.
    fn new(filter: TopicFilter<'_>, edges: &Edges) -> Option<Self> {
        let mut pattern = Self { steps: SmallVec::new(), with_descendants: false };
        for text in Levels::new(filter.as_str()) {
            match text {
                b"#" => pattern.with_descendants = true,
                b"+" => pattern.steps.push(Step::AnyChild),
                text => pattern.steps.push(Step::Level(edges.level(text)?)),
            }
        }
        Some(pattern)
    }

    /// The first literal step from this one on, and where it is.
    fn literal_from(&self, depth: usize) -> Option<(usize, &Level)> {
        self.steps.iter().enumerate().skip(depth).find_map(|(at, step)| match step {
            Step::Level(level) => Some((at, level)),
            Step::AnyChild => None,
        })
    }
}

/// The nodes that a `+` of the filter goes through.
struct Choice<'a> {
    among: Cow<'a, [Id]>,
    /// The step behind them.
    depth: usize,
    tried: usize,
}

fn root_of(text: &str) -> Id {
    if text.starts_with('$') { DOLLAR_ROOT } else { ROOT }
}

/// The values that the one of this name is among.
fn values_mut<'v, T>([others, dollar]: &'v mut [Slab<T>; 2], text: &str) -> &'v mut Slab<T> {
    if text.starts_with('$') { dollar } else { others }
}

fn spilled_bytes(children: &SmallVec<[Id; 4]>) -> usize {
    if children.spilled() { children.capacity() * size_of::<Id>() } else { 0 }
}
