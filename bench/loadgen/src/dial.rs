//! The handshake: CONNECT, CONNACK and, for those who subscribe, SUBSCRIBE and SUBACK.

use crate::{
    Failure,
    fleet::{Fleet, Peer},
    wire::{self, Frame, Version, Welcome, WireError, kind},
};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// So many handshakes are under way at a time: fewer than any broker's listen backlog.
const AT_A_TIME: usize = 64;

/// How long to wait for the next answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One connection to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Client Identifier.
    pub client_id: String,
    /// Filter and QoS, for a subscriber.
    pub subscription: Option<(String, u8)>,
    /// Whether its session outlives the connection.
    pub is_persistent: bool,
}

struct Handshakes<'a> {
    version: Version,
    first: usize,
    plans: &'a [Plan],
    welcomes: Vec<Welcome>,
    done: usize,
}

impl Peer for Handshakes<'_> {
    fn frame(&mut self, connection: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let kind = frame.kind();
        let Some(plan) = connection.checked_sub(self.first).and_then(|index| self.plans.get(index)) else {
            return Err(WireError::Unexpected(kind).into());
        };
        match kind {
            kind::CONNACK => {
                let (code, welcome) = wire::connack(self.version, frame)?;
                if code != 0 {
                    return Err(Failure::Refused { what: "a connection", code });
                }
                self.welcomes[connection - self.first] = welcome;
                match &plan.subscription {
                    Some((filter, qos)) => wire::put_subscribe(out, self.version, 1, &[filter], *qos),
                    None => self.done += 1,
                }
                Ok(())
            }
            kind::SUBACK => {
                let granted = wire::suback(self.version, frame)?;
                let asked = plan.subscription.as_ref().map(|(_, qos)| *qos);
                match (granted, asked) {
                    (&[code], Some(qos)) if code == qos => {
                        self.done += 1;
                        Ok(())
                    }
                    (&[code, ..], _) => Err(Failure::Refused { what: "a subscription", code }),
                    ([], _) => Err(WireError::Short(kind).into()),
                }
            }
            kind::DISCONNECT => Err(Failure::Closed { connection }),
            other => Err(WireError::Unexpected(other).into()),
        }
    }
}

/// Opens one connection for each plan, behind those that the fleet has, and waits until all are ready.
///
/// # Errors
/// The first connection that fails or is refused; [`Failure::Unanswered`] when the broker falls silent.
pub fn dial(
    fleet: &mut Fleet,
    address: SocketAddr,
    version: Version,
    plans: &[Plan],
) -> Result<Vec<Welcome>, Failure> {
    let mut handshakes = Handshakes {
        version,
        first: fleet.connections.len(),
        plans,
        welcomes: vec![Welcome::default(); plans.len()],
        done: 0,
    };
    let mut opened = 0;
    let mut last_answer = Instant::now();
    while handshakes.done < plans.len() {
        while opened < plans.len() && opened - handshakes.done < AT_A_TIME {
            let index = fleet.open(address)?;
            let plan = &plans[opened];
            let put = if plan.is_persistent { wire::put_persistent_connect } else { wire::put_connect };
            put(&mut fleet.connections[index].out, version, &plan.client_id);
            opened += 1;
        }
        let before = handshakes.done;
        fleet.wait(Some(Duration::from_millis(100)))?;
        fleet.read(&mut handshakes)?;
        if handshakes.done > before {
            last_answer = Instant::now();
        } else if last_answer.elapsed() > PATIENCE {
            let waiting = plans.len() - handshakes.done;
            return Err(Failure::Unanswered { waiting, seconds: PATIENCE.as_secs() });
        }
    }
    Ok(handshakes.welcomes)
}
