//! What `npm run simulate` does for hours, for seconds.
#![allow(clippy::panic, reason = "how a test fails")]

use topicwire_simulate::{Limits, explore};

#[test]
fn a_hundred_thousand_steps_hold() {
    let limits = Limits { steps: 100_000, stop: |_| false };
    let counts = match explore(1, limits) {
        Ok(counts) => counts,
        Err((seed, episode, failure)) => panic!("episode of seed {seed}, shrunk: {episode:#?}\n{failure}"),
    };
    // An episode that does nothing would hold as well.
    assert!(counts.publishes_out > 4_000 && counts.repeated > 200, "{counts:?}");
    assert!(counts.resumed > 500 && counts.dropped > 100 && counts.commits > 1_000, "{counts:?}");
    assert!(counts.crashes > 50, "{counts:?}");
}
