//! The examples that both readers of the notation are held to: `__test__/vectors/reader/examples.toml`.

use serde::Deserialize;
use topicwire_vectors::steps::{self, Action};
use topicwire_vectors::{Outcome, Pattern, Variables, Version, hex};

#[derive(Deserialize)]
struct Examples {
    form: Vec<Form>,
    sent: Vec<Sent>,
    compared: Vec<Compared>,
    refused: Refused,
}

#[derive(Deserialize)]
struct Form {
    text: String,
    #[serde(default = "v5")]
    version: Version,
    bytes: String,
}

#[derive(Deserialize)]
struct Sent {
    line: String,
    #[serde(default = "v5")]
    version: Version,
    bytes: String,
}

#[derive(Deserialize)]
struct Compared {
    text: String,
    bytes: String,
    outcome: String,
}

#[derive(Deserialize)]
struct Refused {
    patterns: Vec<String>,
    steps: Vec<String>,
}

fn v5() -> Version {
    Version::V5_0
}

fn examples() -> Examples {
    toml::from_str(include_str!("../../../__test__/vectors/reader/examples.toml")).unwrap()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn each_form_is_its_bytes() {
    for Form { text, version, bytes } in examples().form {
        let pattern = Pattern::parse(&text, version).unwrap();
        assert_eq!(pattern.bytes(&Variables::new()).unwrap(), bytes_of(&bytes), "{text}");
    }
}

#[test]
fn each_line_sends_its_bytes() {
    for Sent { line, version, bytes } in examples().sent {
        let (Action::Connects { connect: pattern, .. } | Action::Sends { packets: pattern, .. }) =
            &steps::parse(&line, version).unwrap()[0].action
        else {
            panic!("{line}");
        };
        assert_eq!(pattern.bytes(&Variables::new()).unwrap(), bytes_of(&bytes), "{line}");
    }
}

#[test]
fn what_has_come_is_compared() {
    for Compared { text, bytes, outcome } in examples().compared {
        let pattern = Pattern::parse(&text, Version::V5_0).unwrap();
        let found = match pattern.compare(&bytes_of(&bytes), &mut Variables::new()) {
            Outcome::Matched(length) => length.to_string(),
            Outcome::Partial => "partial".to_owned(),
            Outcome::Mismatch { at } => format!("differs at {at}"),
        };
        assert_eq!(found, outcome, "{text}: {}", hex(&bytes_of(&bytes)));
    }
}

#[test]
fn what_is_not_in_the_notation_is_refused() {
    let Refused { patterns, steps } = examples().refused;
    for text in patterns {
        assert!(Pattern::parse(&text, Version::V5_0).is_err(), "{text}");
    }
    for line in steps {
        assert!(steps::parse(&line, Version::V5_0).is_err(), "{line}");
    }
}
