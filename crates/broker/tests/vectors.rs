//! The conversations of `__test__/vectors/exchanges` with a broker under virtual time, a test each.
#![allow(clippy::panic, reason = "how a test fails")]

mod vectors_support;

use libtest_mimic::{Arguments, Failed, Trial};
use topicwire_vectors::files::{self, Exchange};
use topicwire_vectors::{Version, steps};

use vectors_support::{Conversation, config};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for it in files::exchanges("exchanges").unwrap_or_else(|problem| panic!("{problem}")) {
        for version in it.vector.versions.clone() {
            let vector = it.vector.clone();
            let name = format!("{}: {} ({version})", it.file, vector.name);
            trials.push(Trial::test(name, move || check(&vector, version).map_err(Failed::from)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(vector: &Exchange, version: Version) -> Result<(), String> {
    let steps = steps::parse(&vector.steps, version).map_err(|error| error.to_string())?;
    let mut conversation = Conversation::new(config(&vector.options)?);
    for step in steps {
        let text = vector.steps.lines().nth(step.line - 1).unwrap_or_default().trim();
        conversation.run(&step.action).map_err(|problem| format!("line {}, {text}: {problem}", step.line))?;
    }
    Ok(())
}
