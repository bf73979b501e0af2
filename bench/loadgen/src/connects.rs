//! Clients that come and go at once: TCP, CONNECT, CONNACK, DISCONNECT and the end of the connection, a bounded
//! number of them at a time.
//!
//! The client closes first, as the standard wants it, and counts a connection when the broker has closed too.
//! That leaves a port in TIME_WAIT for a minute on the client's side, and an address has 28 thousand of them.
//! So the connections come from many addresses of the loopback network in turn.

use crate::{
    Failure,
    dial::PATIENCE,
    fleet::{Fleet, Peer},
    probe::{self, CoreTimes},
    report::Quantiles,
    scenario::ConnectsScenario,
    wire::{self, Frame, Version, WireError, kind},
};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

/// So many connections come from one address before the next has its turn.
const PER_ADDRESS: u64 = 5_000;

/// Of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectsReport {
    /// What was asked, with all defaults filled in.
    pub scenario: ConnectsScenario,
    /// Always: a connection that fails or is refused ends the run with an error.
    pub clean: bool,
    /// Connections of the whole run.
    pub connections: u64,
    /// Length of the measurement.
    pub seconds: f64,
    /// Connections during the measurement.
    pub connections_measured: u64,
    /// The figure.
    pub connections_per_second: f64,
    /// The broker's processes; absent when none were named.
    pub broker: Option<ConnectsBroker>,
    /// The generator's thread: near 1 in `busy` means that it, not the broker, was the limit.
    pub generator: ConnectsGenerator,
    /// From the call of `connect` to CONNACK.
    pub handshake_micros: Option<Quantiles>,
    /// What each core did during the measurement.
    pub cores: Vec<CoreTimes>,
}

/// The broker during the measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectsBroker {
    /// User and system time.
    pub cpu_seconds: f64,
    /// The same per connection.
    pub cpu_micros_per_connection: f64,
    /// Resident memory at the end.
    pub resident_bytes: u64,
}

/// The generator during the measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectsGenerator {
    /// CPU time of its thread.
    pub cpu_seconds: f64,
    /// The same as a share of the time that passed.
    pub busy: f64,
    /// The same per connection.
    pub cpu_micros_per_connection: f64,
}

struct Coming {
    version: Version,
    /// Per connection, when it was begun; `None` once it has been let in.
    begun: Vec<Option<Instant>>,
    /// Those that have said DISCONNECT, and those that are closed.
    leaving: Vec<usize>,
    gone: Vec<usize>,
    done: u64,
    is_measured: bool,
    handshakes: Histogram<u64>,
}

impl Peer for Coming {
    fn frame(&mut self, connection: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let kind = frame.kind();
        let (kind::CONNACK, Some(begun)) = (kind, self.begun[connection].take()) else {
            return Err(WireError::Unexpected(kind).into());
        };
        let (code, _) = wire::connack(self.version, frame)?;
        if code != 0 {
            return Err(Failure::Refused { what: "a connection", code });
        }
        if self.is_measured {
            self.handshakes.saturating_record(begun.elapsed().as_nanos() as u64);
        }
        wire::put_disconnect(out);
        self.leaving.push(connection);
        Ok(())
    }

    fn closed(&mut self, connection: usize) -> Result<(), Failure> {
        if self.begun[connection].is_some() {
            return Err(Failure::Closed { connection });
        }
        self.done += 1;
        self.gone.push(connection);
        Ok(())
    }
}

/// A look at all counters.
struct Sample {
    at: Instant,
    done: u64,
    own_cpu: Duration,
    broker_cpu: Option<Duration>,
    cores: Vec<CoreTimes>,
}

impl Sample {
    fn take(done: u64, pids: &[u32]) -> Self {
        Self {
            at: Instant::now(),
            done,
            own_cpu: probe::thread_cpu_time(),
            broker_cpu: probe::cpu_time(pids),
            cores: probe::core_times(),
        }
    }
}

/// Runs a scenario.
///
/// # Errors
/// The first connection that fails or is refused; [`Failure::Unanswered`] when the broker falls silent.
pub fn run(scenario: &ConnectsScenario) -> Result<ConnectsReport, Failure> {
    scenario.validate()?;
    probe::sharpen_timer();
    let mut fleet = Fleet::new(1 << 10)?;
    let mut begun = 0;
    let slots = scenario.at_a_time as usize;
    let mut coming = Coming {
        version: scenario.protocol_version,
        begun: vec![None; slots],
        leaving: Vec::new(),
        gone: Vec::new(),
        done: 0,
        is_measured: false,
        handshakes: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)
            .map_err(|error| Failure::Scenario(format!("no such histogram: {error}")))?,
    };
    for _ in 0..slots {
        let slot = fleet.open(scenario.address)?;
        greet(&mut fleet, &mut coming, slot, begun);
        begun += 1;
    }
    let start = Instant::now();
    let (warm_up, end) = (
        Duration::from_secs_f64(scenario.warm_up_seconds),
        Duration::from_secs_f64(scenario.warm_up_seconds + scenario.seconds),
    );
    let (mut before, mut after) = (None, None);
    let mut last_news = Instant::now();
    while coming.done < begun {
        let elapsed = start.elapsed();
        if before.is_none() && elapsed >= warm_up {
            before = Some(Sample::take(coming.done, &scenario.watch_pids));
            coming.is_measured = true;
        }
        if after.is_none() && elapsed >= end {
            after = Some(Sample::take(coming.done, &scenario.watch_pids));
            coming.is_measured = false;
        }
        let done = coming.done;
        fleet.wait(Some(Duration::from_millis(10)))?;
        fleet.read(&mut coming)?;
        for slot in coming.leaving.drain(..) {
            fleet.finish(slot);
        }
        while let Some(slot) = coming.gone.pop() {
            fleet.close(slot);
            if after.is_none() {
                fleet.reopen(slot, scenario.address, source(scenario.address, begun))?;
                greet(&mut fleet, &mut coming, slot, begun);
                begun += 1;
            }
        }
        if coming.done > done {
            last_news = Instant::now();
        } else if last_news.elapsed() > PATIENCE {
            let waiting = (begun - coming.done) as usize;
            return Err(Failure::Unanswered { waiting, seconds: PATIENCE.as_secs() });
        }
    }
    match (before, after) {
        (Some(before), Some(after)) => Ok(report(scenario, &coming, &before, &after)),
        _ => Err(Failure::Scenario("the connections ended before the measurement did".to_owned())),
    }
}

fn greet(fleet: &mut Fleet, coming: &mut Coming, slot: usize, number: u64) {
    coming.begun[slot] = Some(Instant::now());
    wire::put_connect(&mut fleet.connections[slot].out, coming.version, &format!("load-c-{number}"));
}

/// Where connection `number` comes from: 127.1.0.0 and up, another beginning for each process.
fn source(address: SocketAddr, number: u64) -> Option<Ipv4Addr> {
    let turn = number / PER_ADDRESS + 64 * u64::from(std::process::id() % 4096);
    let [.., high, middle, low] = turn.to_be_bytes();
    (address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)).then(|| Ipv4Addr::new(127, 1 + high % 254, middle, low))
}

fn report(scenario: &ConnectsScenario, coming: &Coming, before: &Sample, after: &Sample) -> ConnectsReport {
    let seconds = (after.at - before.at).as_secs_f64();
    let measured = after.done - before.done;
    let micros_each = |seconds: f64| seconds * 1e6 / (measured as f64).max(1.0);
    let broker = match (before.broker_cpu, after.broker_cpu, probe::resident_bytes(&scenario.watch_pids)) {
        (Some(from), Some(to), Some(resident_bytes)) if !scenario.watch_pids.is_empty() => {
            let cpu_seconds = (to - from).as_secs_f64();
            let cpu_micros_per_connection = micros_each(cpu_seconds);
            Some(ConnectsBroker { cpu_seconds, cpu_micros_per_connection, resident_bytes })
        }
        _ => None,
    };
    let own_cpu = (after.own_cpu - before.own_cpu).as_secs_f64();
    ConnectsReport {
        scenario: scenario.clone(),
        clean: true,
        connections: coming.done,
        seconds,
        connections_measured: measured,
        connections_per_second: measured as f64 / seconds,
        broker,
        generator: ConnectsGenerator {
            cpu_seconds: own_cpu,
            busy: own_cpu / seconds,
            cpu_micros_per_connection: micros_each(own_cpu),
        },
        handshake_micros: Quantiles::of(&coming.handshakes),
        cores: probe::core_times_between(&before.cores, &after.cores),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_come_from_many_addresses_of_the_loopback_network() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1883));
        let first = source(address, 0).unwrap();
        assert_eq!(source(address, PER_ADDRESS - 1), Some(first));
        assert_ne!(source(address, PER_ADDRESS), Some(first));
        assert!((0..10_000).all(|turn| source(address, turn * PER_ADDRESS).unwrap().is_loopback()));
        assert_eq!(source(SocketAddr::from(([10, 0, 0, 1], 1883)), 0), None);
    }
}
