//! Connections that subscribe to one topic each and then do nothing, so that somebody can look at the broker's
//! memory meanwhile.
//!
//! The conversation with that somebody is one line each way: after each step the generator says
//! `{"event":"step","connections":2000}` and goes on when it reads a line. At the end it publishes one message
//! to each of the topics and reports whether each arrived where it should: the connections were not only
//! accepted, they were alive.

use crate::{
    Failure,
    dial::{self, Plan},
    fleet::{Fleet, Peer},
    ledger::{Ledger, Tally},
    scenario::IdleScenario,
    stamp::{self, Stamp},
    wire::{Frame, Publish, Template, Version, WireError, kind},
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Of an idle run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdleReport {
    /// Connections held at the end, the one that published the proof not counted.
    pub connections: u32,
    /// Each connection got its own message and no other.
    pub clean: bool,
    /// One message to each connection.
    pub tally: Tally,
    /// How long the handshakes took, SUBACK included.
    pub dial_seconds: f64,
}

/// Opens the connections; `pause` is called after each step with the number now open.
///
/// # Errors
/// Any [`Failure`], and what `pause` gives.
pub fn run(
    scenario: &IdleScenario,
    mut pause: impl FnMut(u32) -> Result<(), Failure>,
) -> Result<IdleReport, Failure> {
    let mut fleet = Fleet::over(scenario.transport, 0, 1 << 10)?;
    let mut dialled = Duration::ZERO;
    let mut open = 0;
    for &step in &scenario.steps {
        let plans: Vec<Plan> = (open..step)
            .map(|index| Plan {
                client_id: format!("load-s-{index}-0"),
                subscription: Some((topic(index), scenario.qos)),
                is_persistent: false,
            })
            .collect();
        let begin = Instant::now();
        dial::dial(&mut fleet, scenario.address, scenario.protocol_version, &plans)?;
        dialled += begin.elapsed();
        open = open.max(step);
        pause(open)?;
    }
    let tally = prove(&mut fleet, scenario, open)?;
    Ok(IdleReport { connections: open, clean: tally.is_clean(), tally, dial_seconds: dialled.as_secs_f64() })
}

fn topic(index: u32) -> String {
    format!("idle/{index}")
}

struct Proof {
    version: Version,
    ledger: Ledger,
}

impl Peer for Proof {
    fn frame(&mut self, connection: usize, frame: Frame<'_>, _out: &mut Vec<u8>) -> Result<(), Failure> {
        if frame.kind() != kind::PUBLISH {
            return Err(WireError::Unexpected(frame.kind()).into());
        }
        let publish = Publish::read(self.version, frame)?;
        match Stamp::read(publish.payload, stamp::BYTES) {
            None => self.ledger.record_corrupt(),
            Some(stamp) if stamp.publisher as usize != connection => self.ledger.record_misrouted(),
            Some(_) => {
                self.ledger.record(connection, 0);
            }
        }
        Ok(())
    }
}

/// One message to each connection, at QoS 0 so that nobody has to answer.
fn prove(fleet: &mut Fleet, scenario: &IdleScenario, open: u32) -> Result<Tally, Failure> {
    let version = scenario.protocol_version;
    let publisher = fleet.connections.len();
    dial::dial(
        fleet,
        scenario.address,
        version,
        &[Plan { client_id: "load-p".to_owned(), subscription: None, is_persistent: false }],
    )?;
    let mut proof = Proof { version, ledger: Ledger::new(open as usize) };
    let mut last_news = Instant::now();
    let mut next = 0;
    loop {
        while next < open && !fleet.connections[publisher].is_blocked() {
            let template = Template::new(version, &topic(next), 0, stamp::BYTES);
            let stamp = Stamp { publisher: next, sequence: 0, sent_ns: 0 };
            template.put(&mut fleet.connections[publisher].out, 0, stamp);
            fleet.flush(publisher)?;
            next += 1;
        }
        let before = proof.ledger.delivered();
        fleet.wait(Some(Duration::from_millis(10)))?;
        fleet.read(&mut proof)?;
        if proof.ledger.delivered() != before {
            last_news = Instant::now();
        }
        let is_complete = next == open && proof.ledger.delivered() == u64::from(open);
        let patience = if is_complete { Duration::from_millis(50) } else { Duration::from_secs(10) };
        if last_news.elapsed() > patience {
            return Ok(proof.ledger.close(|_| 1));
        }
    }
}
