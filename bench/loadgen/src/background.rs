//! Subscriptions that lie beside a load: many, on topics next to its own, and none of them matches.
//!
//! They share the first level with the load, so that whoever looks a topic up meets them; one in ten has a
//! wildcard. Clients of their own hold them, and whatever is delivered to one of these was misrouted.

use crate::{
    Failure,
    dial::{self, PATIENCE, Plan},
    fleet::{Fleet, Peer},
    scenario::Scenario,
    wire::{self, Frame, Version, WireError, kind},
};
use std::time::{Duration, Instant};

/// So many subscriptions share a client.
const PER_CLIENT: u32 = 1_000;
/// So many share a SUBSCRIBE.
const PER_PACKET: u32 = 250;

struct Client {
    connection: usize,
    /// The subscriptions that are still to be asked for, and how many of them the broker has been asked for.
    next: u32,
    end: u32,
    asked: u32,
}

struct Subscribing {
    version: Version,
    first: usize,
    clients: Vec<Client>,
    done: u32,
}

impl Client {
    fn ask(&mut self, version: Version, out: &mut Vec<u8>) {
        self.asked = PER_PACKET.min(self.end - self.next);
        let filters: Vec<String> = (self.next..self.next + self.asked).map(filter).collect();
        wire::put_subscribe(out, version, 1, &filters, 0);
        self.next += self.asked;
    }
}

impl Peer for Subscribing {
    fn frame(&mut self, connection: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let kind = frame.kind();
        let client = connection.checked_sub(self.first).and_then(|at| self.clients.get_mut(at));
        let (Some(client), kind::SUBACK) = (client, kind) else {
            return Err(WireError::Unexpected(kind).into());
        };
        let codes = wire::suback(self.version, frame)?;
        if let Some(&code) = codes.iter().find(|&&code| code > 2) {
            return Err(Failure::Refused { what: "a subscription beside the load", code });
        }
        if codes.len() != client.asked as usize {
            return Err(WireError::Short(kind).into());
        }
        self.done += client.asked;
        if client.next < client.end {
            client.ask(self.version, out);
        }
        Ok(())
    }
}

/// Subscription `index` of those beside the load.
fn filter(index: u32) -> String {
    if index.is_multiple_of(10) {
        format!("load/+/beside/{index}")
    } else {
        format!("load/beside-{}/{index}", index / 100)
    }
}

/// Connects the clients behind those that the fleet has, and subscribes.
///
/// # Errors
/// Any [`Failure`].
pub fn subscribe(fleet: &mut Fleet, scenario: &Scenario) -> Result<(), Failure> {
    let all = scenario.background_subscriptions;
    let (version, first) = (scenario.protocol_version, fleet.connections.len());
    let plans: Vec<Plan> = (0..all.div_ceil(PER_CLIENT))
        .map(|number| Plan {
            client_id: format!("load-b-{number}"),
            subscription: None,
            is_persistent: false,
        })
        .collect();
    dial::dial(fleet, scenario.address, version, &plans)?;
    let clients = (0..plans.len())
        .map(|number| {
            let next = number as u32 * PER_CLIENT;
            Client { connection: first + number, next, end: all.min(next + PER_CLIENT), asked: 0 }
        })
        .collect();
    let mut subscribing = Subscribing { version, first, clients, done: 0 };
    for client in &mut subscribing.clients {
        client.ask(version, &mut fleet.connections[client.connection].out);
        fleet.flush(client.connection)?;
    }
    let mut last_answer = Instant::now();
    while subscribing.done < all {
        let before = subscribing.done;
        fleet.wait(Some(Duration::from_millis(100)))?;
        fleet.read(&mut subscribing)?;
        if subscribing.done > before {
            last_answer = Instant::now();
        } else if last_answer.elapsed() > PATIENCE {
            let waiting = (all - subscribing.done) as usize;
            return Err(Failure::Unanswered { waiting, seconds: PATIENCE.as_secs() });
        }
    }
    Ok(())
}
