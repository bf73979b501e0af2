//! The vectors as inputs of the targets that take packets.

use topicwire_vectors::files::{self, Exchange};
use topicwire_vectors::steps::{self, Action};
use topicwire_vectors::{Pattern, Variables, Version};

/// The inputs for a target; none for one that takes no packets.
pub(crate) fn seeds(target: &str) -> Result<Vec<Vec<u8>>, String> {
    match target {
        "decode" | "round_trip" => packets(),
        "split_input" => exchanges(|version, actions| split_seed(version, &actions)),
        "broker" => exchanges(|_, actions| broker_seed(&actions)),
        _ => Ok(Vec::new()),
    }
}

/// Every packet, valid or not.
fn packets() -> Result<Vec<Vec<u8>>, String> {
    let mut seeds = Vec::new();
    for it in files::packets()? {
        for version in it.vector.versions {
            let pattern = Pattern::parse(&it.vector.bytes, version).map_err(|error| error.to_string())?;
            seeds.extend(pattern.bytes(&Variables::new()));
        }
    }
    Ok(seeds)
}

/// What a seed is made of, for every conversation with a broker.
fn exchanges(make: impl Fn(Version, Vec<Action>) -> Vec<u8>) -> Result<Vec<Vec<u8>>, String> {
    let mut seeds = Vec::new();
    for it in files::exchanges("exchanges")? {
        let Exchange { versions, steps: text, .. } = it.vector;
        for version in versions {
            let steps = steps::parse(&text, version).map_err(|error| error.to_string())?;
            seeds.push(make(version, steps.into_iter().map(|step| step.action).collect()));
        }
    }
    Ok(seeds)
}

/// What an action sends, where that is known without what came before.
fn sent(action: &Action) -> Option<(&str, Vec<u8>)> {
    let (client, pattern) = match action {
        Action::Connects { client, connect, .. } => (client, connect),
        Action::Sends { client, packets } => (client, packets),
        _ => return None,
    };
    Some((client, pattern.bytes(&Variables::new())?))
}

/// All that the first client says, byte by byte.
fn split_seed(version: Version, actions: &[Action]) -> Vec<u8> {
    let first = actions.iter().find_map(sent).map(|(client, _)| client.to_owned()).unwrap_or_default();
    let of_first = actions.iter().filter_map(sent).filter(|(client, _)| *client == first);
    let number = match version {
        Version::V3_1 => 0,
        Version::V3_1_1 => 1,
        Version::V5_0 => 2,
    };
    [vec![number, 1, 1], of_first.flat_map(|(_, bytes)| bytes).collect()].concat()
}

/// The whole conversation, as the operations of the broker target: a broker that answers at once, an arena of 256 bytes.
fn broker_seed(actions: &[Action]) -> Vec<u8> {
    let mut seed = vec![2, 255];
    let mut clients: Vec<String> = Vec::new();
    for action in actions {
        if let Some((client, bytes)) = sent(action) {
            let at = clients.iter().position(|it| it == client).unwrap_or_else(|| {
                clients.push(client.to_owned());
                seed.push(0);
                clients.len() - 1
            });
            for piece in bytes.chunks(255) {
                seed.extend([3, byte(piece.len()), byte(at)]);
                seed.extend(piece);
            }
        }
        match action {
            Action::Drops { client } | Action::Closed { client, .. } => {
                if let Some(at) = clients.iter().position(|it| it == client) {
                    // As the target's own list does it.
                    clients.swap_remove(at);
                    if matches!(action, Action::Drops { .. }) {
                        seed.extend([2, byte(at)]);
                    }
                }
            }
            Action::Wait { ms } => {
                let [high, low] = u16::try_from(*ms).unwrap_or(u16::MAX).to_be_bytes();
                seed.extend([13, high, low]);
            }
            _ => {}
        }
    }
    seed
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
