//! Retained messages: a publisher stores many, then subscriptions ask for all of them or for a few, and each
//! answer is counted and timed.
//!
//! The topics are groups of twenty: `retained-<group>/<0 to 9>/x` and `…/y`, so that `retained-<group>/+/x` hits ten
//! (or as many as the scenario says) and passes as many by. The time of an answer runs from the write of
//! SUBSCRIBE to the last of SUBACK and messages, and the generator polls meanwhile.

use crate::{
    Failure,
    dial::{self, PATIENCE, Plan},
    fleet::{Fleet, Peer},
    ledger::{Ledger, Tally},
    probe::{self, CoreTimes},
    report::{BrokerReport, Quantiles},
    scenario::RetainedScenario,
    stamp::Stamp,
    wire::{self, Frame, Publish, Template, Version, WireError, kind},
};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// How many children a group has where the scenario does not say how many a subscription hits.
const CHILDREN: u32 = 10;

/// Messages that wait for PUBACK while they are stored.
const WINDOW: u16 = 1_000;

/// One write while they are stored is at most about so large.
const BATCH_BYTES: usize = 64 << 10;

/// A subscription that waits so long for the next message has lost the others.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// Of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetainedReport {
    /// What was asked, with all defaults filled in.
    pub scenario: RetainedScenario,
    /// Every subscription got its messages, once and whole, with the RETAIN flag, and nothing else.
    pub clean: bool,
    /// Over all subscriptions. Order is no matter here.
    pub tally: Tally,
    /// How long storing took, acknowledged at QoS 1.
    pub store_seconds: f64,
    /// Length of the measurement: all subscriptions, one after the other.
    pub seconds: f64,
    /// Messages that one subscription gets.
    pub messages_each: u64,
    /// These by the median of the time that they took.
    pub delivered_per_second: f64,
    /// From SUBSCRIBE to the last of SUBACK and messages.
    pub latency_micros: Option<Quantiles>,
    /// From SUBSCRIBE to SUBACK.
    pub suback_micros: Option<Quantiles>,
    /// The broker's processes during the measurement; absent when none were named.
    pub broker: Option<BrokerReport>,
    /// The generator during the measurement. It polls, and is always busy.
    pub generator: RetainedGenerator,
    /// What each core did during the measurement.
    pub cores: Vec<CoreTimes>,
}

/// The generator during the measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetainedGenerator {
    /// CPU time of its thread.
    pub cpu_seconds: f64,
    /// The same as a share of the time that passed.
    pub busy: f64,
    /// Mean number of messages that a read gave.
    pub messages_per_read: f64,
}

/// Runs a scenario.
///
/// # Errors
/// Any [`Failure`]. Lost messages are none: they stand in the report.
pub fn run(scenario: &RetainedScenario) -> Result<RetainedReport, Failure> {
    scenario.validate()?;
    let mut fleet = Fleet::new(scenario.payload_bytes + 128)?;
    let store_seconds = store(&mut fleet, scenario)?.as_secs_f64();
    let mut asking = Asking::new(scenario)?;
    let subscriber = |number: u32| {
        [Plan { client_id: format!("load-s-retained-{number}"), subscription: None, is_persistent: false }]
    };
    let plan = subscriber(0);
    dial::dial(&mut fleet, scenario.address, scenario.protocol_version, &plan)?;
    // Storing leaves a broker with work that it has put off.
    std::thread::sleep(Duration::from_millis(500));
    let (begin, own_cpu, cores) = (Instant::now(), probe::thread_cpu_time(), probe::core_times());
    let broker_cpu = probe::cpu_time(&scenario.watch_pids);
    let reads = fleet.io.reads;
    for number in 0..scenario.subscriptions {
        // The same filter again is a subscription of a client that does not have it yet.
        if scenario.hits == 0 && number > 0 {
            let connection = fleet.connections.len() - 1;
            wire::put_disconnect(&mut fleet.connections[connection].out);
            fleet.flush(connection)?;
            fleet.close(connection);
            dial::dial(&mut fleet, scenario.address, scenario.protocol_version, &subscriber(number))?;
        }
        asking.ask(&mut fleet, number)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let broker = match (broker_cpu, probe::cpu_time(&scenario.watch_pids)) {
        (Some(from), Some(to)) if !scenario.watch_pids.is_empty() => {
            let cpu_seconds = (to - from).as_secs_f64();
            Some(BrokerReport {
                cpu_seconds,
                cpu_micros_per_message: cpu_seconds * 1e6 / (asking.delivered() as f64).max(1.0),
                resident_bytes: probe::resident_bytes(&scenario.watch_pids).unwrap_or(0),
            })
        }
        _ => None,
    };
    let own_cpu = (probe::thread_cpu_time() - own_cpu).as_secs_f64();
    let reads = ((fleet.io.reads - reads) as f64).max(1.0);
    let cores = probe::core_times_between(&cores, &probe::core_times());
    asking.linger(&mut fleet)?;
    let messages_each = asking.expected(0).len() as u64;
    let latency_micros = Quantiles::of(&asking.answers);
    Ok(RetainedReport {
        scenario: scenario.clone(),
        clean: asking.tally.is_clean(),
        tally: asking.tally,
        store_seconds,
        seconds,
        messages_each,
        delivered_per_second: latency_micros
            .as_ref()
            .map_or(0.0, |micros| messages_each as f64 / micros.p50 * 1e6),
        latency_micros,
        suback_micros: Quantiles::of(&asking.subacks),
        broker,
        generator: RetainedGenerator {
            cpu_seconds: own_cpu,
            busy: own_cpu / seconds,
            messages_per_read: asking.delivered() as f64 / reads,
        },
        cores,
    })
}

/// How many children a group has: each is hit with one of its two messages.
fn children(scenario: &RetainedScenario) -> u32 {
    if scenario.hits == 0 { CHILDREN } else { scenario.hits }
}

/// In a group the messages that are hit come first.
fn topic(index: u32, children: u32) -> String {
    let (group, member) = (index / (2 * children), index % (2 * children));
    let leaf = if member < children { 'x' } else { 'y' };
    format!("retained-{group}/{}/{leaf}", member % children)
}

/// Stores all messages at QoS 1; gives how long it took until all were acknowledged.
fn store(fleet: &mut Fleet, scenario: &RetainedScenario) -> Result<Duration, Failure> {
    struct Storing {
        free: Vec<u16>,
        acknowledged: u32,
    }
    impl Peer for Storing {
        fn frame(&mut self, _: usize, frame: Frame<'_>, _: &mut Vec<u8>) -> Result<(), Failure> {
            let code = frame.reason_code();
            // 0x10 says that nobody has subscribed.
            match frame.kind() {
                kind::PUBACK if code < 0x80 => {
                    self.free.push(frame.packet_id()?);
                    self.acknowledged += 1;
                    Ok(())
                }
                kind::PUBACK => Err(Failure::Refused { what: "a retained message", code }),
                other => Err(WireError::Unexpected(other).into()),
            }
        }
    }
    let version = scenario.protocol_version;
    let plan = Plan { client_id: "load-p-retained".to_owned(), subscription: None, is_persistent: false };
    let connection = fleet.connections.len();
    let welcomes = dial::dial(fleet, scenario.address, version, &[plan])?;
    let window = WINDOW.min(welcomes[0].receive_maximum);
    let mut storing = Storing { free: (1..=window).collect(), acknowledged: 0 };
    let begin = Instant::now();
    let (mut last_answer, mut sent) = (begin, 0);
    while storing.acknowledged < scenario.messages {
        if !fleet.connections[connection].is_blocked() {
            let out = &mut fleet.connections[connection].out;
            while sent < scenario.messages
                && out.len() < BATCH_BYTES
                && let Some(packet_id) = storing.free.pop()
            {
                let start = out.len();
                let stamp = Stamp { publisher: sent, sequence: 0, sent_ns: 0 };
                let topic = topic(sent, children(scenario));
                Template::new(version, &topic, 1, scenario.payload_bytes).put(out, packet_id, stamp);
                out[start] |= 1;
                sent += 1;
            }
            fleet.flush(connection)?;
        }
        let before = storing.acknowledged;
        fleet.wait(Some(Duration::from_millis(100)))?;
        fleet.read(&mut storing)?;
        if storing.acknowledged > before {
            last_answer = Instant::now();
        } else if last_answer.elapsed() > PATIENCE {
            let waiting = (scenario.messages - storing.acknowledged) as usize;
            return Err(Failure::Unanswered { waiting, seconds: PATIENCE.as_secs() });
        }
    }
    Ok(begin.elapsed())
}

/// The subscriptions.
struct Asking<'a> {
    scenario: &'a RetainedScenario,
    version: Version,
    topics: Vec<String>,
    /// Which messages the subscription at hand is to get, and what it got.
    wanted: Range<u32>,
    ledger: Ledger,
    has_suback: Option<Instant>,
    tally: Tally,
    answers: Histogram<u64>,
    subacks: Histogram<u64>,
}

impl<'a> Asking<'a> {
    fn new(scenario: &'a RetainedScenario) -> Result<Self, Failure> {
        let histogram = || {
            Histogram::new_with_bounds(1_000, 600_000_000_000, 3)
                .map_err(|error| Failure::Scenario(format!("no such histogram: {error}")))
        };
        Ok(Self {
            scenario,
            version: scenario.protocol_version,
            topics: (0..scenario.messages).map(|index| topic(index, children(scenario))).collect(),
            wanted: 0..0,
            ledger: Ledger::new(0),
            has_suback: None,
            tally: Tally::default(),
            answers: histogram()?,
            subacks: histogram()?,
        })
    }

    /// Which messages subscription `number` hits: the groups are taken from all over.
    fn expected(&self, number: u32) -> Range<u32> {
        let RetainedScenario { messages, hits, subscriptions, .. } = *self.scenario;
        if hits == 0 {
            return 0..messages;
        }
        let groups = u64::from(messages / (2 * hits));
        let group = (u64::from(number) * groups / u64::from(subscriptions)) as u32;
        let first = group * 2 * hits;
        first..first + hits
    }

    fn filter(&self, number: u32) -> String {
        match self.scenario.hits {
            0 => "#".to_owned(),
            hits => format!("retained-{}/+/x", self.expected(number).start / (2 * hits)),
        }
    }

    fn delivered(&self) -> u64 {
        self.tally.delivered + self.ledger.delivered()
    }

    /// One subscription of the newest connection, to its last message.
    fn ask(&mut self, fleet: &mut Fleet, number: u32) -> Result<(), Failure> {
        self.conclude();
        self.wanted = self.expected(number);
        self.ledger = Ledger::new(self.wanted.len());
        self.has_suback = None;
        let (connection, filter) = (fleet.connections.len() - 1, self.filter(number));
        wire::put_subscribe(&mut fleet.connections[connection].out, self.version, 1, &[filter], 0);
        let begin = Instant::now();
        fleet.flush(connection)?;
        let wanted = self.wanted.len() as u64;
        let (mut last_news, mut before) = (begin, 0);
        loop {
            fleet.wait(Some(Duration::ZERO))?;
            fleet.read(self)?;
            if let Some(suback) = self.has_suback
                && self.ledger.delivered() == wanted
            {
                self.answers.saturating_record(begin.elapsed().as_nanos() as u64);
                self.subacks.saturating_record((suback - begin).as_nanos() as u64);
                return Ok(());
            }
            if self.ledger.delivered() > before {
                (before, last_news) = (self.ledger.delivered(), Instant::now());
            } else if last_news.elapsed() > LOST_AFTER {
                return match self.has_suback {
                    Some(_) => Ok(()),
                    None => Err(Failure::Unanswered { waiting: 1, seconds: LOST_AFTER.as_secs() }),
                };
            }
        }
    }

    /// Puts what the last subscription got to the others.
    fn conclude(&mut self) {
        let Tally { delivered, lost, doubled, .. } =
            std::mem::replace(&mut self.ledger, Ledger::new(0)).close(|_| 1);
        self.tally.delivered += delivered;
        self.tally.lost += lost;
        self.tally.doubled += doubled;
    }

    /// What comes now is one too many: gives it a moment to arrive.
    fn linger(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(100) {
            fleet.wait(Some(Duration::from_millis(10)))?;
            fleet.read(self)?;
        }
        self.conclude();
        Ok(())
    }
}

impl Peer for Asking<'_> {
    fn frame(&mut self, connection: usize, frame: Frame<'_>, _out: &mut Vec<u8>) -> Result<(), Failure> {
        match frame.kind() {
            kind::PUBLISH => {
                let publish = Publish::read(self.version, frame)?;
                let Some(stamp) = Stamp::read(publish.payload, self.scenario.payload_bytes) else {
                    self.tally.corrupt += 1;
                    return Ok(());
                };
                let is_retained = frame.first & 1 != 0;
                let topic = self.topics.get(stamp.publisher as usize).map(String::as_bytes);
                if !self.wanted.contains(&stamp.publisher) || topic != Some(publish.topic) || !is_retained {
                    self.tally.misrouted += 1;
                    return Ok(());
                }
                self.ledger.record((stamp.publisher - self.wanted.start) as usize, stamp.sequence);
                Ok(())
            }
            kind::SUBACK => match wire::suback(self.version, frame)? {
                [0] if self.has_suback.is_none() => {
                    self.has_suback = Some(Instant::now());
                    Ok(())
                }
                &[code, ..] => Err(Failure::Refused { what: "a subscription", code }),
                [] => Err(WireError::Short(kind::SUBACK).into()),
            },
            kind::DISCONNECT => Err(Failure::Closed { connection }),
            other => Err(WireError::Unexpected(other).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_hits_as_many_as_it_is_told_and_each_another_group() {
        let scenario =
            RetainedScenario { messages: 1_000, hits: 10, subscriptions: 25, ..RetainedScenario::default() };
        let asking = Asking::new(&scenario).unwrap();
        let mut seen = std::collections::HashSet::new();
        for number in 0..25 {
            let filter = asking.filter(number);
            assert!(seen.insert(filter.clone()));
            let (group, rest) = filter.split_once('/').unwrap();
            assert_eq!(rest, "+/x");
            let hits: Vec<usize> = (0..1_000)
                .filter(|&index| {
                    let topic = &asking.topics[index];
                    topic.starts_with(&format!("{group}/")) && topic.ends_with("/x")
                })
                .collect();
            let expected: Vec<usize> = asking.expected(number).map(|index| index as usize).collect();
            assert_eq!(hits, expected);
            assert_eq!(hits.len(), 10);
        }
        assert_eq!(std::collections::HashSet::<&String>::from_iter(&asking.topics).len(), 1_000);
    }

    #[test]
    fn without_hits_everything_is_asked_for() {
        let scenario = RetainedScenario { messages: 100, ..RetainedScenario::default() };
        let asking = Asking::new(&scenario).unwrap();
        assert_eq!((asking.filter(3).as_str(), asking.expected(3)), ("#", 0..100));
    }
}
