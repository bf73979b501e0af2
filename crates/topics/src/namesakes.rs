//! The nodes of a trie by the name of their level, whatever they hang from: `x` leads to `a/x`, `b/c/x` and so on.
//!
//! A list for each name, linked both ways, with the links side by side and not in the nodes, which the walks that do not
//! ask for names would have to carry along. What a node's name is only the caller knows.

use crate::slab::Id;
use crate::table::IdTable;

#[derive(Clone, Debug)]
pub(crate) struct Namesakes {
    first: IdTable,
    /// By the numbers of the nodes.
    links: Vec<Links>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Links {
    before: Option<Id>,
    after: Option<Id>,
}

impl Namesakes {
    pub(crate) const fn new() -> Self {
        Self { first: IdTable::new(), links: Vec::new() }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.first.heap_bytes() + self.links.capacity() * size_of::<Links>()
    }

    /// Adds a node that is in no list; `has_name` tells who else has its name, of which `hash` is the hash.
    pub(crate) fn insert(&mut self, hash: u64, node: Id, has_name: impl FnMut(Id) -> bool) {
        if self.links.len() < node.get() as usize {
            self.links.resize(node.get() as usize, Links::default());
        }
        let after = self.first.find(hash, has_name);
        self.change(node, |links| *links = Links { before: None, after });
        match after {
            Some(after) => {
                self.change(after, |links| links.before = Some(node));
                self.first.replace(hash, after, node);
            }
            None => self.first.insert(hash, node),
        }
    }

    /// Takes a node out that was inserted under this hash.
    pub(crate) fn remove(&mut self, hash: u64, node: Id) {
        let Links { before, after } = self.links_of(node);
        if let Some(after) = after {
            self.change(after, |links| links.before = before);
        }
        match (before, after) {
            (Some(before), _) => self.change(before, |links| links.after = after),
            (None, Some(after)) => self.first.replace(hash, node, after),
            (None, None) => self.first.remove(hash, node),
        }
        if self.first.len() == 0 {
            self.links = Vec::new();
        }
    }

    /// The nodes that have a name, the latest first.
    pub(crate) fn of(&self, hash: u64, has_name: impl FnMut(Id) -> bool) -> impl Iterator<Item = Id> {
        core::iter::successors(self.first.find(hash, has_name), |node| self.links_of(*node).after)
    }

    fn links_of(&self, node: Id) -> Links {
        self.links.get(position(node)).copied().unwrap_or_default()
    }

    fn change(&mut self, node: Id, change: impl FnOnce(&mut Links)) {
        if let Some(links) = self.links.get_mut(position(node)) {
            change(links);
        }
    }
}

fn position(node: Id) -> usize {
    node.get() as usize - 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A node's name is its number's remainder, and so is the hash, halved, so that names collide.
        #[test]
        fn the_lists_hold_who_was_inserted_and_not_removed(steps in proptest::collection::vec((any::<bool>(), 1_u32..40), 0..200)) {
            let (name, hash) = (|node: u32| node % 6, |name: u32| u64::from(name / 2) << 30);
            let (mut namesakes, mut model) = (Namesakes::new(), BTreeMap::<u32, Vec<u32>>::new());
            for (insert, number) in steps {
                let node = Id::new(number).unwrap();
                let list = model.entry(name(number)).or_default();
                let at = list.iter().position(|other| *other == number);
                match (insert, at) {
                    (true, None) => {
                        namesakes.insert(hash(name(number)), node, |other| name(other.get()) == name(number));
                        list.insert(0, number);
                    }
                    (false, Some(at)) => {
                        namesakes.remove(hash(name(number)), node);
                        list.remove(at);
                    }
                    _ => {}
                }
            }
            for wanted in 0..6 {
                let found: Vec<u32> =
                    namesakes.of(hash(wanted), |other| name(other.get()) == wanted).map(Id::get).collect();
                prop_assert_eq!(&found, model.entry(wanted).or_default());
            }
            if model.values().all(Vec::is_empty) {
                prop_assert_eq!(namesakes.first.len() + namesakes.links.len(), 0);
            }
        }
    }
}
