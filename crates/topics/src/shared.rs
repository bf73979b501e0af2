//! Shared Subscriptions: a group of subscribers of which one at a time gets a message [MQTT-4.8.2-4].

use core::hash::Hash;
use core::num::NonZeroU64;

use crate::hash::Seed;
use crate::members::Members;
use crate::slab::{Id, Slab};
use crate::table::IdTable;

/// Names one group of one index, for as long as it has members.
///
/// A group that lost its last member is gone, and its id with it: no later group gets the same one, not even
/// one of the same share name and filter. Ids are ordered by when their groups came into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    serial: NonZeroU64,
    slot: Id,
}

/// The subscribers that share one filter under one share name, and whose turn it is.
///
/// Turns are fair: in each round each member that is ready has one turn, whoever joins or leaves meanwhile. A
/// new member comes last in the round.
#[derive(Clone, Debug)]
pub struct SharedGroup<K, V> {
    id: GroupId,
    share_name: Box<str>,
    members: Members<K, V>,
    /// Members before this position have had their turn in this round.
    cursor: usize,
    /// The leaf of the filter, and where the leaf notes this group.
    pub(crate) leaf: Id,
    pub(crate) position: usize,
}

impl<K: Copy + Eq + Hash, V: Clone> SharedGroup<K, V> {
    /// The name that its members put behind `$share/`.
    #[must_use]
    pub fn share_name(&self) -> &str {
        &self.share_name
    }

    /// Its id, as [`Matches`](crate::Matches) gives it.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// All members, at least one, in no particular order.
    #[must_use]
    pub fn members(&self) -> &[(K, V)] {
        self.members.as_slice()
    }

    /// The next member in turn that `ready` accepts; the turn goes on to the one behind it. Members that
    /// are not ready lose their turn. `None` if nobody is ready; then the turn stays where it is.
    ///
    /// Asks `ready` at most once for each member: a group in which nobody is ready costs its size.
    pub fn pick(&mut self, mut ready: impl FnMut(K, &V) -> bool) -> Option<(K, V)> {
        let members = self.members.as_slice();
        let (served, waiting) = members.split_at_checked(self.cursor).unwrap_or((&[], members));
        let (passed, (key, value)) =
            waiting.iter().chain(served).enumerate().find(|(_, (key, value))| ready(*key, value))?;
        self.cursor = (self.cursor + passed + 1) % members.len();
        Some((*key, value.clone()))
    }

    fn insert(&mut self, seed: &Seed, key: K, value: V) -> Option<V> {
        self.members.insert(seed, key, value)
    }

    /// Leaves both halves of the round what they are: who was served stays served.
    fn remove(&mut self, seed: &Seed, key: K) -> Option<V> {
        let mut at = self.members.position(seed, key)?;
        if at < self.cursor {
            self.cursor -= 1;
            self.members.swap(seed, at, self.cursor);
            at = self.cursor;
        }
        let (_, value) = self.members.swap_remove(seed, at)?;
        if self.cursor >= self.members.len() {
            self.cursor = 0;
        }
        Some(value)
    }
}

/// The groups of one index, found by id or by (share name, leaf of the filter).
#[derive(Clone, Debug)]
pub(crate) struct Groups<K, V> {
    groups: Slab<SharedGroup<K, V>>,
    by_name: IdTable,
    last_serial: u64,
    memberships: usize,
    heap_bytes: usize,
}

impl<K: Copy + Eq + Hash, V: Clone> Groups<K, V> {
    pub(crate) const fn new() -> Self {
        Self { groups: Slab::new(), by_name: IdTable::new(), last_serial: 0, memberships: 0, heap_bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn memberships(&self) -> usize {
        self.memberships
    }

    pub(crate) fn get(&self, id: GroupId) -> Option<&SharedGroup<K, V>> {
        self.groups.get(id.slot).filter(|group| group.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> Option<&mut SharedGroup<K, V>> {
        self.groups.get_mut(id.slot).filter(|group| group.id == id)
    }

    pub(crate) fn find(&self, seed: &Seed, share_name: &str, leaf: Id) -> Option<GroupId> {
        let slot = self.by_name.find(name_hash(seed, share_name, leaf), |slot| {
            let group = self.groups.at(slot);
            group.leaf == leaf && &*group.share_name == share_name
        })?;
        Some(self.groups.at(slot).id)
    }

    /// Makes a group without members; `position` is where its leaf notes it.
    pub(crate) fn create(
        &mut self,
        seed: &Seed,
        share_name: &str,
        leaf: Id,
        note: impl FnOnce(GroupId) -> usize,
    ) -> GroupId {
        self.last_serial += 1;
        let serial = NonZeroU64::MIN.saturating_add(self.last_serial - 1);
        let slot = self.groups.insert(SharedGroup {
            id: GroupId { serial, slot: Id::MIN },
            share_name: share_name.into(),
            members: Members::new(),
            cursor: 0,
            leaf,
            position: 0,
        });
        let id = GroupId { serial, slot };
        let group = self.groups.at_mut(slot);
        group.id = id;
        group.position = note(id);
        self.by_name.insert(name_hash(seed, share_name, leaf), slot);
        self.heap_bytes += share_name.len();
        id
    }

    pub(crate) fn insert(&mut self, seed: &Seed, id: GroupId, key: K, value: V) -> Option<V> {
        let group = self.groups.at_mut(id.slot);
        self.heap_bytes -= group.members.heap_bytes();
        let old = group.insert(seed, key, value);
        self.heap_bytes += group.members.heap_bytes();
        self.memberships += usize::from(old.is_none());
        old
    }

    /// Takes a member out of a group. The group stays, even if it is empty now.
    pub(crate) fn remove(&mut self, seed: &Seed, id: GroupId, key: K) -> Option<V> {
        let group = self.groups.at_mut(id.slot);
        self.heap_bytes -= group.members.heap_bytes();
        let old = group.remove(seed, key);
        self.heap_bytes += group.members.heap_bytes();
        self.memberships -= usize::from(old.is_some());
        old
    }

    /// Drops a group that nobody is a member of; returns the position at which its leaf notes it.
    pub(crate) fn drop_if_empty(&mut self, seed: &Seed, id: GroupId) -> Option<usize> {
        let group = self.get(id).filter(|group| group.members.is_empty())?;
        let (hash, position) = (name_hash(seed, &group.share_name, group.leaf), group.position);
        self.heap_bytes -= group.share_name.len() + group.members.heap_bytes();
        self.by_name.remove(hash, id.slot);
        self.groups.remove(id.slot);
        Some(position)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.groups.heap_bytes() + self.by_name.heap_bytes() + self.heap_bytes
    }
}

fn name_hash(seed: &Seed, share_name: &str, leaf: Id) -> u64 {
    seed.extend(seed.bytes(share_name.as_bytes()), leaf.get())
}
