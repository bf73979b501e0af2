//! What the tests share: the null broker in a thread, and how it is made to misbehave.
#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use topicwire_loadgen::{
    Failure,
    relay::{Faithful, Policy, Relay},
    report::Report,
    run,
    scenario::Scenario,
    wire,
};

/// Serves `relay` while `work` has its address.
pub fn beside<R>(relay: Relay<impl Policy + Send + 'static>, work: impl FnOnce(SocketAddr) -> R) -> R {
    let address = relay.address().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let thread = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || relay.serve(&stop))
    };
    let result = work(address);
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap().unwrap();
    result
}

/// A relay on a free port.
pub fn relay<P: Policy>(policy: P) -> Relay<P> {
    Relay::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), policy).unwrap()
}

/// Runs a short load through a relay with `policy`.
pub fn load_through(policy: impl Policy + Send + 'static, scenario: Scenario) -> Result<Report, Failure> {
    beside(relay(policy), |address| run::run(&Scenario { address, ..scenario }))
}

/// Runs `load` for as long as it has to: a busy machine may not let it get as far as `is_enough` in the time it has, and
/// then it is given twice as much.
pub fn long_enough<R>(seconds: f64, mut load: impl FnMut(f64) -> R, is_enough: impl Fn(&R) -> bool) -> R {
    let mut seconds = seconds;
    loop {
        let report = load(seconds);
        if is_enough(&report) || seconds > 30.0 {
            return report;
        }
        seconds *= 2.0;
    }
}

/// A load through a faithful relay, which loses nothing of it however busy the machine is, until `is_enough`.
pub fn faithful_load(scenario: &Scenario, is_enough: impl Fn(&Report) -> bool) -> Report {
    // What is there already is not waited for.
    let scenario = Scenario { drain_seconds: 20.0, ..scenario.clone() };
    let load = |seconds| {
        let report = load_through(Faithful, Scenario { seconds, ..scenario.clone() }).unwrap();
        assert!(report.clean, "{:?}", report.tally);
        report
    };
    long_enough(scenario.seconds, load, is_enough)
}

/// A few thousand messages at a fixed rate: a faulty broker cannot stop it as it would stop a saturated load.
pub fn short() -> Scenario {
    Scenario {
        rate: Some(20_000.0),
        warm_up_seconds: 0.05,
        seconds: 0.2,
        drain_seconds: 1.0,
        ..Scenario::default()
    }
}

/// Tampers with every n-th packet.
pub struct EveryNth {
    n: u64,
    seen: u64,
    tamper: fn(&[u8], &mut Vec<u8>, &mut Vec<u8>),
    held: Vec<u8>,
}

impl EveryNth {
    pub fn new(n: u64, tamper: fn(&[u8], &mut Vec<u8>, &mut Vec<u8>)) -> Self {
        Self { n, seen: 0, tamper, held: Vec::new() }
    }
}

impl Policy for EveryNth {
    fn pass(&mut self, mut packets: &[u8], out: &mut Vec<u8>) {
        while let Some(frame) = wire::split(packets).unwrap() {
            let (packet, rest) = packets.split_at(frame.len);
            packets = rest;
            self.seen += 1;
            if self.seen.is_multiple_of(self.n) {
                (self.tamper)(packet, out, &mut self.held);
            } else {
                out.extend_from_slice(packet);
                out.append(&mut self.held);
            }
        }
    }
}
