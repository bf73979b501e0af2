//! Who subscribed to one filter.

use core::hash::Hash;

use crate::hash::Seed;
use crate::members::Members;
use crate::shared::GroupId;
use crate::text::FilterText;

/// The subscribers of one filter. Most filters have one, and that one is kept in place.
///
/// Aligned, so that all of it is one cache line where keys and values are small.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Leaf<K, V> {
    /// The filter, where the leaf is found by a hash; empty for a filter in the trie, whose text is the path that leads
    /// here.
    text: FilterText,
    subscribers: Subscribers<K, V>,
}

#[derive(Clone, Debug)]
enum Subscribers<K, V> {
    None,
    One((K, V)),
    Many(Box<Many<K, V>>),
}

#[derive(Clone, Debug)]
struct Many<K, V> {
    members: Members<K, V>,
    groups: Vec<GroupId>,
}

/// As in the broker: a key of four bytes and a value of eight.
const _: () = assert!(size_of::<Option<Leaf<u32, [u32; 2]>>>() == 64);

impl<K: Copy + Eq + Hash, V> Leaf<K, V> {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: FilterText::new(text), subscribers: Subscribers::None }
    }

    #[inline]
    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.subscribers {
            Subscribers::None => true,
            Subscribers::One(_) => false,
            Subscribers::Many(many) => many.members.is_empty() && many.groups.is_empty(),
        }
    }

    /// Those who subscribed for themselves, in no particular order.
    #[inline]
    pub(crate) fn members(&self) -> &[(K, V)] {
        match &self.subscribers {
            Subscribers::None => &[],
            Subscribers::One(member) => core::slice::from_ref(member),
            Subscribers::Many(many) => many.members.as_slice(),
        }
    }

    /// The groups that share this filter.
    #[inline]
    pub(crate) fn groups(&self) -> &[GroupId] {
        match &self.subscribers {
            Subscribers::Many(many) => &many.groups,
            Subscribers::None | Subscribers::One(_) => &[],
        }
    }

    pub(crate) fn get(&self, seed: &Seed, key: K) -> Option<&V> {
        match &self.subscribers {
            Subscribers::One((other, value)) if *other == key => Some(value),
            Subscribers::Many(many) => many.members.get(seed, key),
            _ => None,
        }
    }

    pub(crate) fn insert(&mut self, seed: &Seed, key: K, value: V) -> Option<V> {
        match &mut self.subscribers {
            Subscribers::None => {
                self.subscribers = Subscribers::One((key, value));
                None
            }
            Subscribers::One((other, old)) if *other == key => Some(core::mem::replace(old, value)),
            _ => self.many(seed).members.insert(seed, key, value),
        }
    }

    pub(crate) fn remove(&mut self, seed: &Seed, key: K) -> Option<V> {
        match &mut self.subscribers {
            Subscribers::Many(many) => {
                let at = many.members.position(seed, key)?;
                let (_, value) = many.members.swap_remove(seed, at)?;
                self.compact(seed);
                Some(value)
            }
            Subscribers::One((other, _)) if *other == key => {
                match core::mem::replace(&mut self.subscribers, Subscribers::None) {
                    Subscribers::One((_, value)) => Some(value),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Notes a group and returns where, for [`Leaf::remove_group`].
    pub(crate) fn insert_group(&mut self, seed: &Seed, group: GroupId) -> usize {
        let groups = &mut self.many(seed).groups;
        groups.push(group);
        groups.len() - 1
    }

    /// Forgets the group at this position, and returns the one that now has it.
    pub(crate) fn remove_group(&mut self, seed: &Seed, at: usize) -> Option<GroupId> {
        let Subscribers::Many(many) = &mut self.subscribers else { return None };
        if at >= many.groups.len() {
            return None;
        }
        many.groups.swap_remove(at);
        let moved = many.groups.get(at).copied();
        self.compact(seed);
        moved
    }

    fn many(&mut self, seed: &Seed) -> &mut Many<K, V> {
        if !matches!(self.subscribers, Subscribers::Many(_)) {
            let mut members = Members::new();
            if let Subscribers::One((key, value)) =
                core::mem::replace(&mut self.subscribers, Subscribers::None)
            {
                members.insert(seed, key, value);
            }
            self.subscribers = Subscribers::Many(Box::new(Many { members, groups: Vec::new() }));
        }
        match &mut self.subscribers {
            Subscribers::Many(many) => many,
            Subscribers::None | Subscribers::One(_) => unreachable!(),
        }
    }

    /// Back to the form without an allocation where one subscriber or none is left.
    fn compact(&mut self, seed: &Seed) {
        let Subscribers::Many(many) = &mut self.subscribers else { return };
        if many.groups.is_empty() && many.members.len() <= 1 {
            self.subscribers = many.members.swap_remove(seed, 0).map_or(Subscribers::None, Subscribers::One);
        }
    }

    /// What the leaf has on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.heap_bytes()
            + match &self.subscribers {
                Subscribers::Many(many) => {
                    size_of::<Many<K, V>>()
                        + many.members.heap_bytes()
                        + many.groups.capacity() * size_of::<GroupId>()
                }
                Subscribers::None | Subscribers::One(_) => 0,
            }
    }
}
