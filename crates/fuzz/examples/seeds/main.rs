//! Prints the seeds of a target, an input in hexadecimal digits on each line: those that the crate makes, and what the
//! vectors of `__test__/vectors` send. Without a target, their names.
#![allow(clippy::print_stdout, reason = "what a program is for")]

use topicwire_fuzz::{TARGETS, seeds};

mod vectors;

/// A fuzzer does not take longer ones.
const MOST_BYTES: usize = 1_024;

fn main() -> Result<(), String> {
    let Some(target) = std::env::args().nth(1) else {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    };
    let all = seeds(&target).into_iter().chain(vectors::seeds(&target)?);
    for seed in all.filter(|seed| seed.len() <= MOST_BYTES) {
        let digits: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{digits}");
    }
    Ok(())
}
