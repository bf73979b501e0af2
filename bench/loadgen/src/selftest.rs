//! What a message costs the generator itself: in memory, and over loopback sockets through the null broker.
//!
//! A figure for a broker is only worth something while these are far below it.

use crate::{
    Failure,
    ledger::Ledger,
    probe,
    relay::{Faithful, Relay},
    run,
    scenario::Scenario,
    stamp::Stamp,
    wire::{self, Publish, Template, Version},
};
use serde::Serialize;
use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Messages per round of the tests in memory.
const MESSAGES: u64 = 1_000;
const ROUNDS: u64 = 5_000;

/// Nanoseconds of the generator's CPU time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Costs {
    /// Size of the payload.
    pub payload_bytes: usize,
    /// Encoding one PUBLISH into a buffer, in memory.
    pub encode_nanos: f64,
    /// Decoding, checking and counting one, in memory.
    pub decode_nanos: f64,
    /// Sending and receiving one over sockets through the null broker, the kernel's share included.
    pub loopback_nanos: f64,
    /// Messages a second of that: the ceiling of one pair on this machine.
    pub loopback_per_second: f64,
}

/// Measures the costs for payloads of `payload_bytes`.
///
/// # Errors
/// Any [`Failure`] of the run over sockets.
pub fn costs(payload_bytes: usize) -> Result<Costs, Failure> {
    let (encode_nanos, decode_nanos) = in_memory(payload_bytes)?;
    let relay = Relay::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Faithful)?;
    let address = relay.address()?;
    let stop = Arc::new(AtomicBool::new(false));
    let thread = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || relay.serve(&stop))
    };
    let scenario =
        Scenario { address, payload_bytes, seconds: 2.0, warm_up_seconds: 0.5, ..Scenario::default() };
    let result = run::run(&scenario);
    stop.store(true, Ordering::Relaxed);
    // Its result does not matter: the run has already told whether the relay served it.
    drop(thread.join());
    let report = result?;
    if !report.clean {
        return Err(Failure::Scenario(format!("the null broker changed something: {:?}", report.tally)));
    }
    Ok(Costs {
        payload_bytes,
        encode_nanos,
        decode_nanos,
        loopback_nanos: report.generator.cpu_nanos_per_message,
        loopback_per_second: report.delivered_per_second,
    })
}

fn in_memory(payload_bytes: usize) -> Result<(f64, f64), Failure> {
    let template = Template::new(Version::V311, "load/0", 0, payload_bytes);
    let mut out = Vec::with_capacity(template.len() * MESSAGES as usize);
    let per_message = |time: Duration| time.as_nanos() as f64 / (MESSAGES * ROUNDS) as f64;
    let mut ledger = Ledger::new(1);
    let (mut encoding, mut decoding) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let begin = probe::thread_cpu_time();
        out.clear();
        for index in 0..MESSAGES {
            let stamp = Stamp { publisher: 0, sequence: round * MESSAGES + index, sent_ns: round };
            black_box(&template).put(&mut out, 0, stamp);
        }
        let middle = probe::thread_cpu_time();
        let mut rest = black_box(&out[..]);
        while let Some(frame) = wire::split(rest)? {
            rest = &rest[frame.len..];
            let publish = Publish::read(Version::V311, frame)?;
            match Stamp::read(publish.payload, payload_bytes) {
                Some(stamp) if publish.topic == b"load/0" => {
                    ledger.record(stamp.publisher as usize, stamp.sequence);
                }
                _ => ledger.record_corrupt(),
            }
        }
        encoding += middle - begin;
        decoding += probe::thread_cpu_time() - middle;
    }
    let tally = ledger.close(|_| MESSAGES * ROUNDS);
    if !tally.is_clean() {
        return Err(Failure::Scenario(format!("the generator misread its own bytes: {tally:?}")));
    }
    Ok((per_message(encoding), per_message(decoding)))
}
