//! Episodes from a seed, one after the other.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::op::Op;
use crate::random::Random;
use crate::setup::Setup;
use crate::shrink::shrink;
use crate::world::{Counts, World};

/// A setup and what happens in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The world it happens in.
    pub setup: Setup,
    /// What happens. Afterwards everybody comes back, is given what is theirs, and leaves.
    pub ops: Vec<Op>,
}

/// What went wrong, and after how many operations; one more than there are where it is in the end that follows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How many operations were done, the failing one among them.
    pub step: usize,
    /// What the broker did.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {}: {}", self.step, self.what)
    }
}

/// Where [`explore`] stops.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After so many operations.
    pub steps: u64,
    /// Where this says so, asked between episodes with what has happened so far.
    pub stop: fn(&Counts) -> bool,
}

/// Runs one episode.
///
/// # Errors
/// The first thing that was wrong.
pub fn run(episode: &Episode) -> Result<Counts, Failure> {
    let mut world = World::new(&episode.setup);
    run_in(&mut world, episode)?;
    Ok(world.counts)
}

/// Runs one episode, and writes down what happens in it: operations, packets, batches, and at the end the failure.
#[must_use]
pub fn trace(episode: &Episode) -> Vec<String> {
    let mut world = World::new(&episode.setup);
    world.log = Some(Vec::new());
    let outcome = run_in(&mut world, episode);
    let mut log = world.log.unwrap_or_default();
    log.extend(outcome.err().map(|failure| failure.to_string()));
    log
}

fn run_in(world: &mut World, episode: &Episode) -> Result<(), Failure> {
    let mut step = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for op in &episode.ops {
            step += 1;
            world.step(op)?;
        }
        step += 1;
        world.finish()
    }));
    match outcome {
        Ok(outcome) => outcome.map_err(|crate::model::Violation(what)| Failure { step, what }),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(Failure { step, what: format!("panic: {text}") })
        }
    }
}

impl Episode {
    /// The episode of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let setup = Setup::of(&mut random);
        let length = random.one_of(&[100, 300, 300, 1_000, 3_000]);
        let ops = (0..length).map(|_| Op::of(&mut random, setup.clients)).collect();
        Self { setup, ops }
    }
}

/// Runs the episodes of a seed until the limits are reached. An episode's own seed is `seed` plus its number.
///
/// # Errors
/// The seed of the episode that failed, the shortest form of it that still fails, and how.
pub fn explore(seed: u64, limits: Limits) -> Result<Counts, (u64, Box<Episode>, Failure)> {
    let mut counts = Counts::default();
    for number in 0.. {
        if counts.steps >= limits.steps || (limits.stop)(&counts) {
            break;
        }
        let own_seed = seed.wrapping_add(number);
        let episode = Episode::of(own_seed);
        match run(&episode) {
            Ok(own) => counts.add(&own),
            Err(failure) => {
                let (episode, failure) = shrink(episode, failure);
                return Err((own_seed, Box::new(episode), failure));
            }
        }
    }
    Ok(counts)
}
