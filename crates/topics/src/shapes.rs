//! Filters with wildcards, by their shape.
//!
//! The *shape* of a filter is where its wildcards stand: `a/+/c` and `x/+/z` have one shape, `a/#` another. Of the
//! filters of one shape a name matches one at most: the one whose literal levels are the name's. So each shape has a
//! hash table keyed by the literal levels, and a name is looked up once in each that fits its number of levels.
//! Subscribers think alike, and an index of a million filters often has three or four shapes. These look-ups do not wait
//! for each other, as those along a path of a trie do: where the tables are larger than the caches, that is most
//! of the time.
//!
//! A name pays for each shape that fits it, whoever made it up, so there are [`MOST_SHAPES`] at most. Filters of further
//! shapes, and filters of more than [`MOST_LEVELS`] levels, go into the trie (`trie.rs`), where a name pays only for
//! those that agree with it. A shape is given up with its last filter.
//!
//! Names that begin with `$` have a list of shapes of their own, in which shapes that begin with a wildcard are not
//! [MQTT-4.7.2-1].

use smallvec::SmallVec;

use crate::cut::{Cut, LevelHashes, MOST_LEVELS};
use crate::filter::TopicFilter;
use crate::hash::Seed;
use crate::level::Levels;
use crate::name::TopicName;
use crate::slab::Id;
use crate::table::{IdTable, Look};

/// A set of shapes is the bits of a [`Set`].
const MOST_SHAPES: usize = 16;
type Set = u16;

/// Where the wildcards of a filter stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wildcards {
    /// The bits of the levels that are literal.
    literal: u16,
    /// Levels, a `#` at the end not counted.
    levels: u8,
    /// Whether it ends with `#`.
    with_descendants: bool,
}

impl Wildcards {
    /// None for a filter that has too many levels.
    fn of(filter: TopicFilter<'_>) -> Option<Self> {
        let mut wildcards = Self { literal: 0, levels: 0, with_descendants: false };
        for level in Levels::new(filter.as_str()) {
            if level == b"#" {
                wildcards.with_descendants = true;
                break;
            }
            if usize::from(wildcards.levels) == MOST_LEVELS {
                return None;
            }
            wildcards.literal |= u16::from(level != b"+") << wildcards.levels;
            wildcards.levels += 1;
        }
        Some(wildcards)
    }

    fn is_literal(&self, level: u8) -> bool {
        self.literal >> level & 1 == 1
    }

    fn starts_with_wildcard(&self) -> bool {
        self.levels == 0 || !self.is_literal(0)
    }

    fn fits(&self, levels: usize) -> bool {
        let own = usize::from(self.levels);
        own == levels || self.with_descendants && own < levels
    }
}

/// Literal levels side by side.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: u8,
    to: u8,
}

#[derive(Clone, Debug)]
struct Shape {
    wildcards: Wildcards,
    /// From left to right.
    runs: SmallVec<[Run; MOST_LEVELS / 2]>,
    leaves: IdTable,
}

impl Shape {
    fn new(wildcards: Wildcards) -> Self {
        let mut runs: SmallVec<[Run; MOST_LEVELS / 2]> = SmallVec::new();
        for level in (0..wildcards.levels).filter(|level| wildcards.is_literal(*level)) {
            match runs.last_mut().filter(|run| run.to == level) {
                Some(run) => run.to += 1,
                None => runs.push(Run { from: level, to: level + 1 }),
            }
        }
        Self { wildcards, runs, leaves: IdTable::new() }
    }

    /// The key of a filter of this shape, and of each name that it matches.
    #[inline]
    fn hash(&self, cut: &Cut<'_>) -> u64 {
        self.runs.iter().fold(0, |hash, run| hash.wrapping_add(cut.hash_of(run.from.into(), run.to.into())))
    }

    /// Whether the literal levels of a filter of this shape are those of a text that has as many levels.
    #[inline]
    fn agrees(&self, filter: &[u8], cut: &Cut<'_>) -> bool {
        let (mut rest, mut level) = (Some(filter), 0);
        for run in &self.runs {
            // Each wildcard before the run is `+/`.
            let skipped = usize::from(run.from - level) * 2;
            let text = cut.text_of(run.from.into(), run.to.into());
            rest = match rest.and_then(|rest| rest.get(skipped..)?.strip_prefix(text)) {
                Some([]) => None,
                Some([b'/', rest @ ..]) => Some(rest),
                _ => return false,
            };
            level = run.to;
        }
        // With as many levels agreed on as there are, nothing but wildcards is left.
        true
    }
}

/// See the head of this file. The leaves that the tables lead to are the caller's.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    hashes: LevelHashes,
    shapes: Vec<Shape>,
    /// By the number of levels of a name: the shapes that fit it.
    for_names: [Set; MOST_LEVELS + 2],
    /// The same for names that begin with `$`.
    for_dollar_names: [Set; MOST_LEVELS + 2],
}

/// Where a filter's leaf is noted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShapePlace {
    shape: usize,
    hash: u64,
}

/// What is at a filter's place.
pub(crate) enum Found {
    Leaf(Id),
    Vacant(ShapePlace),
}

impl Shapes {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            hashes: LevelHashes::new(seed),
            shapes: Vec::new(),
            for_names: [0; MOST_LEVELS + 2],
            for_dollar_names: [0; MOST_LEVELS + 2],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shapes.len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let tables = self.shapes.iter().map(|shape| shape.leaves.heap_bytes()).sum::<usize>();
        tables + self.shapes.capacity() * size_of::<Shape>()
    }

    /// Calls `visit` with the leaf of each filter that matches `name`, each once. `text_of` gives the filter of a leaf.
    ///
    /// First looks at one line for each look-up, so that all of them are on their way at the same time, and calls
    /// `meanwhile` before it waits for them.
    #[inline]
    pub(crate) fn for_each_match<'t>(
        &self,
        name: TopicName<'_>,
        text_of: impl Fn(Id) -> &'t [u8],
        meanwhile: impl FnOnce(),
        mut visit: impl FnMut(Id),
    ) {
        if self.shapes.is_empty() {
            return meanwhile();
        }
        let mut cut = Cut::uncut(name.as_str());
        cut.cut(&self.hashes);
        let sets = if name.starts_with_dollar() { &self.for_dollar_names } else { &self.for_names };
        let fit = sets.get(cut.count()).copied().unwrap_or_default();
        let (mut hashes, mut looks, mut hopeful) = ([0; MOST_SHAPES], [Look::default(); MOST_SHAPES], 0);
        self.for_each_of(fit, |at, shape| {
            let hash = shape.hash(&cut);
            let look = shape.leaves.look(hash);
            hopeful |= Set::from(look.is_hopeful()) << at;
            if let (Some(hash_place), Some(look_place)) = (hashes.get_mut(at), looks.get_mut(at)) {
                (*hash_place, *look_place) = (hash, look);
            }
        });
        meanwhile();
        self.for_each_of(hopeful, |at, shape| {
            let hash = hashes.get(at).copied().unwrap_or_default();
            let look = looks.get(at).copied().unwrap_or_default();
            if let Some(leaf) = shape.leaves.find_from(look, hash, |leaf| shape.agrees(text_of(leaf), &cut)) {
                visit(leaf);
            }
        });
    }

    #[inline]
    fn for_each_of(&self, mut set: Set, mut with: impl FnMut(usize, &Shape)) {
        while set != 0 {
            let at = set.trailing_zeros() as usize;
            set &= set - 1;
            if let Some(shape) = self.shapes.get(at) {
                with(at, shape);
            }
        }
    }

    /// The leaf of a filter and the place where it is noted.
    pub(crate) fn find<'t>(
        &self,
        filter: TopicFilter<'_>,
        text_of: impl Fn(Id) -> &'t [u8],
    ) -> Option<(ShapePlace, Id)> {
        let wildcards = Wildcards::of(filter)?;
        let shape = self.shapes.iter().position(|shape| shape.wildcards == wildcards)?;
        let place = self.place(shape, filter)?;
        let leaf = self.shapes.get(shape)?.leaves.find(place.hash, |leaf| is_text(filter, text_of(leaf)))?;
        Some((place, leaf))
    }

    /// The leaf of a filter, or the place where [`Shapes::insert`] is to note one, at once. None for a filter that this
    /// is not the structure for.
    pub(crate) fn find_or_place<'t>(
        &mut self,
        filter: TopicFilter<'_>,
        text_of: impl Fn(Id) -> &'t [u8],
    ) -> Option<Found> {
        let wildcards = Wildcards::of(filter)?;
        let shape = self.find_or_add_shape(wildcards)?;
        let place = self.place(shape, filter)?;
        let leaf = self.shapes.get(shape)?.leaves.find(place.hash, |leaf| is_text(filter, text_of(leaf)));
        Some(leaf.map_or(Found::Vacant(place), Found::Leaf))
    }

    pub(crate) fn insert(&mut self, place: ShapePlace, leaf: Id) {
        if let Some(shape) = self.shapes.get_mut(place.shape) {
            shape.leaves.insert(place.hash, leaf);
        }
    }

    /// Forgets a leaf, and with its last leaf the shape.
    pub(crate) fn remove(&mut self, place: ShapePlace, leaf: Id) {
        let Some(shape) = self.shapes.get_mut(place.shape) else { return };
        shape.leaves.remove(place.hash, leaf);
        if shape.leaves.len() == 0 {
            self.shapes.swap_remove(place.shape);
            self.list_shapes();
        }
    }

    fn place(&self, shape: usize, filter: TopicFilter<'_>) -> Option<ShapePlace> {
        let cut = Cut::new(filter.as_str(), &self.hashes);
        Some(ShapePlace { shape, hash: self.shapes.get(shape)?.hash(&cut) })
    }

    fn find_or_add_shape(&mut self, wildcards: Wildcards) -> Option<usize> {
        if let Some(found) = self.shapes.iter().position(|shape| shape.wildcards == wildcards) {
            return Some(found);
        }
        if self.shapes.len() == MOST_SHAPES {
            return None;
        }
        self.shapes.push(Shape::new(wildcards));
        self.list_shapes();
        Some(self.shapes.len() - 1)
    }

    fn list_shapes(&mut self) {
        let Self { shapes, for_names, for_dollar_names, .. } = self;
        for (levels, (all, dollar)) in for_names.iter_mut().zip(for_dollar_names).enumerate() {
            (*all, *dollar) = (0, 0);
            for (at, Shape { wildcards, .. }) in shapes.iter().enumerate() {
                let bit = Set::from(wildcards.fits(levels)) << at;
                *all |= bit;
                *dollar |= if wildcards.starts_with_wildcard() { 0 } else { bit };
            }
        }
    }
}

fn is_text(filter: TopicFilter<'_>, text: &[u8]) -> bool {
    filter.as_str().as_bytes() == text
}
