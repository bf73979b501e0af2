//! The conversations of `__test__/vectors/client`: our client and a server of raw bytes under virtual time, a test each.
#![allow(clippy::panic, reason = "how a test fails")]

mod vectors_support;

use libtest_mimic::{Arguments, Failed, Trial};
use topicwire_vectors::files::{self, Exchange};
use topicwire_vectors::{Version, steps};

use vectors_support::{Conversation, config};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for it in files::exchanges("client").unwrap_or_else(|problem| panic!("{problem}")) {
        for version in it.vector.versions.clone() {
            let vector = it.vector.clone();
            let name = format!("{}: {} ({version})", it.file, vector.name);
            trials.push(Trial::test(name, move || check(&vector, version).map_err(Failed::from)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Once as it is written, and once with the server's bytes coming one by one.
fn check(vector: &Exchange, version: Version) -> Result<(), String> {
    for is_bytewise in [false, true] {
        let mut conversation = Conversation::new(config(&vector.options)?, version, is_bytewise);
        for (line, text) in steps::lines(&vector.steps) {
            conversation.run(text).map_err(|problem| {
                let how = if is_bytewise { ", byte by byte" } else { "" };
                format!("line {line}, {text}{how}: {problem}")
            })?;
        }
        conversation.finish()?;
    }
    Ok(())
}
