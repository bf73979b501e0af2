//! `simulate --seed N --steps N [--minutes N]`: explores from a seed and prints what it has seen, or how to make it
//! fail again.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use topicwire_simulate::{Counts, Limits, explore, trace};

const USAGE: &str = "usage: simulate [--seed N] [--steps N] [--minutes N]";

struct Arguments {
    seed: u64,
    steps: u64,
    minutes: Option<u64>,
}

static UNTIL: OnceLock<Instant> = OnceLock::new();

fn main() -> ExitCode {
    let arguments = match read_arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // A panic of the broker is a finding like any other, and is told when it is shrunk.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    if let Some(minutes) = arguments.minutes {
        let _ = UNTIL.set(started + Duration::from_secs(minutes * 60));
    }
    println!("seed {}", arguments.seed);
    let limits = Limits { steps: arguments.steps, stop: is_late };
    match explore(arguments.seed, limits) {
        Ok(counts) => {
            println!("{counts:?} in {:.1} s", started.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err((seed, episode, failure)) => {
            println!("episode of seed {seed} failed; shrunk to {} operations:", episode.ops.len());
            println!("{failure}");
            println!("{:?}", episode.setup);
            for op in &episode.ops {
                println!("{op:?},");
            }
            println!("\nwhat happens in it:");
            for line in trace(&episode) {
                println!("{line}");
            }
            println!("\nonce more: npm run simulate -- --seed {seed} --steps 1");
            ExitCode::FAILURE
        }
    }
}

fn is_late(_: &Counts) -> bool {
    UNTIL.get().is_some_and(|until| Instant::now() >= *until)
}

fn read_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let from_clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let mut read = Arguments { seed: from_clock, steps: 1_000_000, minutes: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or_else(|| format!("{name} needs a number"))?;
        match name.as_str() {
            "--seed" => read.seed = value,
            "--steps" => read.steps = value,
            "--minutes" => read.minutes = Some(value),
            _ => return Err(format!("there is no {name}")),
        }
    }
    Ok(read)
}
