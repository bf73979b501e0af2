//! Prints the seeds of a target, an input in hexadecimal digits on each line; without a target, their names.
#![allow(clippy::print_stdout, reason = "what a program is for")]

use topicwire_fuzz::{TARGETS, seeds};

fn main() {
    let Some(target) = std::env::args().nth(1) else {
        return TARGETS.iter().for_each(|(name, _)| println!("{name}"));
    };
    for seed in seeds(&target) {
        let digits: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{digits}");
    }
}
