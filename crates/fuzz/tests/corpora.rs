//! What the fuzzers have found interesting, and what they began with, run again as plain tests.
//!
//! A corpus is one file, `corpus/<target>.hex`, with an input in hexadecimal digits on each line.

use std::path::Path;

use topicwire_fuzz::{TARGETS, seeds};

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).with_extension("hex");
    let text = std::fs::read_to_string(&path);
    assert!(text.is_ok(), "{}: {text:?}", path.display());
    text.unwrap().lines().map(bytes_of).collect()
}

fn bytes_of(line: &str) -> Vec<u8> {
    assert!(line.len().is_multiple_of(2), "half a byte: {line}");
    (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
}

/// Says which input it was, behind the panic that says what was wrong.
fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    let result = std::panic::catch_unwind(|| target(input));
    assert!(result.is_ok(), "{name} of {input:02X?}");
}

#[test]
fn every_input_of_every_corpus_passes_its_target() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() > 10, "{name} has a corpus of {} inputs", inputs.len());
        for input in &inputs {
            run(name, *target, input);
        }
    }
}

#[test]
fn every_target_has_seeds_and_they_pass() {
    for (name, target) in TARGETS {
        let inputs = seeds(name);
        assert!(!inputs.is_empty(), "{name}");
        for input in &inputs {
            run(name, *target, input);
        }
    }
}

#[test]
fn an_input_of_any_few_bytes_passes_every_target() {
    for (_, target) in TARGETS {
        target(&[]);
        for first in 0..=255 {
            target(&[first]);
            target(&[first; 40]);
        }
    }
}

/// An exchange that was to be sent again was over, a request had its identifier, and the window was full: the model
/// waited for the window to pass over it.
#[test]
fn the_model_of_the_sending_end_passes_over_what_is_over_although_the_window_is_full() {
    let (name, target) = TARGETS.iter().find(|(name, _)| *name == "session_operations").unwrap();
    run(name, *target, &bytes_of("0000000b880100000000000b880002000700000400010003000d0003"));
}

#[test]
fn a_corpus_belongs_to_a_target_and_is_in_order() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name} is no target");
        let inputs = corpus(&name);
        assert!(
            inputs.is_sorted_by(|one, next| (one.len(), one) < (next.len(), next)),
            "{name} is not in order"
        );
    }
}
