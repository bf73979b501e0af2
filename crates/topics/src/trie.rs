//! The wildcard trie: which of the filters that contain `+` or `#` match a topic name.
//!
//! # Shape
//!
//! Filters are cut at `/`, and filters that begin alike share nodes. After `a/+/c`, `a/#` and `a/b/#`:
//!
//! ```text
//! root ──a── (1)  `#` → leaf of a/#
//!             ├──+── (2) ──c── (3)  ends here → leaf of a/+/c
//!             └──b── (4)  `#` → leaf of a/b/#
//! ```
//!
//! Wildcards are fields of a node and not edges that happen to be called `+` and `#`: a node knows the child
//! behind its `+`, and, since `#` is always last, the leaf behind its `#`. What is left, the literal edges of
//! all nodes, lies in one hash table keyed by (node, level), see `edges.rs`; a node only counts its own. So a
//! node has 40 bytes, a link four, and a node without literal children costs no look-up at all.
//!
//! Filters without a wildcard are not here. The index keeps them in a map from the whole text, where one
//! look-up finds them (`subscriptions.rs`); on the trie's paths there is only what a wildcard needs.
//!
//! # Matching
//!
//! The name is read level by level together with the *frontier*: the nodes whose path matches what has been
//! read. For each level, each node of the frontier gives its `#` leaf, and passes on its `+` child and the
//! child whose literal is this level. When the levels end, the frontier gives its `#` leaves, because `a/#`
//! matches `a` too, and the leaves of the filters that end there.
//!
//! Each node has one parent, so it is in a frontier at most once, and a match costs no more than the nodes
//! that exist: `+/+/+/…` and `a/+/+/…` and their like multiply branches only where somebody stored them. A
//! level is hashed once, and only if some node of the frontier has literal children. The walk ends as soon as
//! the frontier is empty. There is no recursion; a filter of 65,536 levels is only long.
//!
//! # `$`
//!
//! Filters that begin with `$` hang from a root of their own, and so are names that begin with `$` looked up
//! from there. `+` and `#` at the first level hang from the other root, so they cannot meet [MQTT-4.7.2-1].
//!
//! # Removal
//!
//! A node that ends up with no leaf and no child is cut from its parent, and so on upwards: what nobody
//! subscribes to leaves nothing behind.

use smallvec::{SmallVec, smallvec};

use crate::edges::{EdgeKey, Edges, Level};
use crate::filter::TopicFilter;
use crate::hash::Seed;
use crate::level::Levels;
use crate::name::TopicName;
use crate::slab::{Id, Slab};

/// The root of what does not begin with `$`, and so of leading wildcards.
const ROOT: Id = Id::MIN;
/// The root of what begins with `$`.
const DOLLAR_ROOT: Id = Id::MIN.saturating_add(1);

/// The frontier of most matches; a wider one takes memory from the heap.
type Frontier = SmallVec<[Id; 16]>;

#[derive(Clone, Debug)]
struct Node {
    hangs_by: EdgeKey,
    /// The child behind `+`.
    plus: Option<Id>,
    /// The leaf of the filter that ends with `#` behind this node.
    hash: Option<Id>,
    /// The leaf of the filter that ends at this node.
    end: Option<Id>,
    /// How many entries of the edge table have this node as their parent.
    literal_children: u32,
}

const _: () = assert!(size_of::<Option<Node>>() == 40);

impl Node {
    fn new(hangs_by: EdgeKey) -> Self {
        Self { hangs_by, plus: None, hash: None, end: None, literal_children: 0 }
    }

    fn is_unused(&self) -> bool {
        self.plus.is_none() && self.hash.is_none() && self.end.is_none() && self.literal_children == 0
    }
}

/// Where in the trie a filter's leaf is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The filter ends at this node.
    End(Id),
    /// The filter ends with `#` behind this node.
    Hash(Id),
}

/// The trie maps filters with wildcards to the numbers of leaves; the leaves themselves are the caller's.
#[derive(Clone, Debug)]
pub(crate) struct WildcardTrie {
    nodes: Slab<Node>,
    edges: Edges,
}

impl WildcardTrie {
    pub(crate) fn new(seed: Seed) -> Self {
        let roots = [ROOT, DOLLAR_ROOT].map(|root| Node::new(EdgeKey::without_level(root)));
        Self { nodes: Slab::with_permanent(roots), edges: Edges::new(seed) }
    }

    /// The nodes apart from the two roots.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    pub(crate) fn long_level_count(&self) -> usize {
        self.edges.long_level_count()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes() + self.edges.heap_bytes()
    }

    /// Calls `visit` with the leaf of each filter that matches `name`, each once.
    #[inline]
    pub(crate) fn for_each_match(&self, name: TopicName<'_>, mut visit: impl FnMut(Id)) {
        if self.node_count() == 0 && self.nodes.at(ROOT).is_unused() {
            return;
        }
        let (mut one, mut other): (Frontier, Frontier) = (smallvec![root_of(name.as_str())], smallvec![]);
        let (mut frontier, mut next) = (&mut one, &mut other);
        for text in Levels::new(name.as_str()) {
            // Outer: not looked at yet. Inner: no edge has it.
            let mut level = None;
            for &id in frontier.iter() {
                let node = self.nodes.at(id);
                if let Some(leaf) = node.hash {
                    visit(leaf);
                }
                if let Some(child) = node.plus {
                    next.push(child);
                }
                if node.literal_children > 0
                    && let Some(level) = level.get_or_insert_with(|| self.edges.level(text))
                    && let Some(child) = self.child(id, level)
                {
                    next.push(child);
                }
            }
            core::mem::swap(&mut frontier, &mut next);
            next.clear();
            if frontier.is_empty() {
                return;
            }
        }
        for &id in frontier.iter() {
            let node = self.nodes.at(id);
            node.hash.into_iter().chain(node.end).for_each(&mut visit);
        }
    }

    #[inline]
    fn child(&self, parent: Id, level: &Level) -> Option<Id> {
        self.edges.find(parent, level, |id| &self.nodes.at(id).hangs_by)
    }

    /// The leaf of a filter and the place where it is noted.
    pub(crate) fn find(&self, filter: TopicFilter<'_>) -> Option<(Place, Id)> {
        let mut at = root_of(filter.as_str());
        for text in Levels::new(filter.as_str()) {
            at = match text {
                b"#" => return self.nodes.at(at).hash.map(|leaf| (Place::Hash(at), leaf)),
                b"+" => self.nodes.at(at).plus?,
                text => self.child(at, &self.edges.level(text)?)?,
            };
        }
        self.nodes.at(at).end.map(|leaf| (Place::End(at), leaf))
    }

    /// The leaf of a filter, which `make` makes where there is none. Grows the path to it.
    pub(crate) fn find_or_insert(&mut self, filter: TopicFilter<'_>, make: impl FnOnce() -> Id) -> Id {
        let mut at = root_of(filter.as_str());
        for text in Levels::new(filter.as_str()) {
            at = match text {
                b"#" => return *self.nodes.at_mut(at).hash.get_or_insert_with(make),
                b"+" => self.find_or_insert_plus(at),
                text => self.find_or_insert_literal(at, text),
            };
        }
        *self.nodes.at_mut(at).end.get_or_insert_with(make)
    }

    fn find_or_insert_plus(&mut self, parent: Id) -> Id {
        if let Some(child) = self.nodes.at(parent).plus {
            return child;
        }
        let child = self.nodes.insert(Node::new(EdgeKey::without_level(parent)));
        self.nodes.at_mut(parent).plus = Some(child);
        child
    }

    fn find_or_insert_literal(&mut self, parent: Id, text: &[u8]) -> Id {
        if let Some(child) = self.edges.level(text).and_then(|level| self.child(parent, &level)) {
            return child;
        }
        let key = self.edges.acquire(parent, text);
        let child = self.nodes.insert(Node::new(key));
        self.edges.insert(&key, child);
        self.nodes.at_mut(parent).literal_children += 1;
        child
    }

    /// Forgets the leaf at this place and cuts off what no filter needs any more.
    pub(crate) fn remove(&mut self, place: Place) {
        let mut at = match place {
            Place::End(id) => {
                self.nodes.at_mut(id).end = None;
                id
            }
            Place::Hash(id) => {
                self.nodes.at_mut(id).hash = None;
                id
            }
        };
        while at > DOLLAR_ROOT && self.nodes.at(at).is_unused() {
            let Some(node) = self.nodes.remove(at) else { return };
            let parent_id = node.hangs_by.parent();
            let parent = self.nodes.at_mut(parent_id);
            if parent.plus == Some(at) {
                parent.plus = None;
            } else {
                parent.literal_children -= 1;
                self.edges.remove(&node.hangs_by, at);
            }
            at = parent_id;
        }
    }
}

fn root_of(text: &str) -> Id {
    if text.starts_with('$') { DOLLAR_ROOT } else { ROOT }
}
