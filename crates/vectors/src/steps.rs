//! The lines of a conversation.

use thiserror::Error;

use crate::notation::NotationError;
use crate::pattern::Pattern;
use crate::version::Version;

mod connect;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Counted from 1, within the steps.
    pub line: usize,
    /// What is done, or must be seen.
    pub action: Action,
}

/// What a line says. A client that has no connection opens one with its first `Connects` or `Sends`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `a connects …`: CONNECT, and the CONNACK that lets the client in.
    Connects {
        /// Who.
        client: String,
        /// What is sent.
        connect: Pattern,
        /// What must come.
        connack: Pattern,
    },
    /// `a > …`: sends, in one chunk.
    Sends {
        /// Who.
        client: String,
        /// What.
        packets: Pattern,
    },
    /// `a < …`: gets exactly this next.
    Gets {
        /// Who.
        client: String,
        /// What.
        packets: Pattern,
    },
    /// `a <any … ; …`: gets these packets next, in any order.
    GetsAny {
        /// Who.
        client: String,
        /// One packet each.
        packets: Vec<Pattern>,
    },
    /// `a quiet`: nothing more has come.
    Quiet {
        /// Who.
        client: String,
    },
    /// `a drops`: cuts its transport.
    Drops {
        /// Who.
        client: String,
    },
    /// `a closed`, `a closed 81`: the other end has closed, after nothing or a DISCONNECT with that Reason Code.
    Closed {
        /// Who.
        client: String,
        /// The DISCONNECT; none where nothing must come, as in 3.x.
        disconnect: Option<Pattern>,
    },
    /// `wait 100 ms`
    Wait {
        /// Milliseconds.
        ms: u64,
    },
}

/// A line that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct StepError {
    /// Counted from 1.
    pub line: usize,
    /// Why.
    pub problem: String,
}

/// Reads the steps of an exchange for one version.
///
/// # Errors
/// The first line that says nothing.
pub fn parse(text: &str, version: Version) -> Result<Vec<Step>, StepError> {
    lines(text)
        .map(|(line, text)| {
            let action = action(text, version).map_err(|problem| StepError { line, problem })?;
            Ok(Step { line, action })
        })
        .collect()
}

/// The lines that say something, counted from 1, without their comments.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(without_comment).enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(index, line)| (index + 1, line))
}

/// Cuts what follows a `#` that is neither inside of quotes nor part of a word.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut is_after_space = true;
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') if is_after_space => return line[..at].trim(),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
        is_after_space = character.is_whitespace();
    }
    line.trim()
}

/// Reads one line.
///
/// # Errors
/// Why it says nothing.
pub fn action(text: &str, version: Version) -> Result<Action, String> {
    let (who, rest) = text.split_once(' ').ok_or("a name or `wait`, and what is done")?;
    let rest = rest.trim();
    if who == "wait" {
        let ms = rest.strip_suffix("ms").and_then(|number| number.trim().parse().ok());
        return Ok(Action::Wait { ms: ms.ok_or("`wait` takes a number and `ms`")? });
    }
    let client = who.to_owned();
    let (verb, what) = rest.split_once(' ').unwrap_or((rest, ""));
    let pattern =
        |source: &str| Pattern::parse(source, version).map_err(|error: NotationError| error.to_string());
    Ok(match (verb, what) {
        ("connects", words) => {
            let (connect, connack) = connect::notation(&client, words, version)?;
            Action::Connects { client, connect: pattern(&connect)?, connack: pattern(&connack)? }
        }
        (">", packets) => Action::Sends { client, packets: pattern(packets)? },
        ("<", packets) => Action::Gets { client, packets: pattern(packets)? },
        ("<any", packets) => {
            let packets = split_packets(packets).into_iter().map(pattern).collect::<Result<_, _>>()?;
            Action::GetsAny { client, packets }
        }
        ("quiet", "") => Action::Quiet { client },
        ("drops", "") => Action::Drops { client },
        ("closed", "") => Action::Closed { client, disconnect: None },
        ("closed", code) => {
            let disconnect = pattern(&format!("e0 [ {code} ~ ]"))?;
            Action::Closed { client, disconnect: version.is_v5().then_some(disconnect) }
        }
        _ => return Err(format!("`{rest}` is nothing that a client does")),
    })
}

/// Cuts at each `;` outside of quotes.
fn split_packets(text: &str) -> Vec<&str> {
    let mut quote = None;
    text.split(|character| {
        match quote {
            None if matches!(character, '"' | '\'') => quote = Some(character),
            Some(open) if open == character => quote = None,
            _ => {}
        }
        quote.is_none() && character == ';'
    })
    .collect()
}

#[cfg(test)]
mod tests;
