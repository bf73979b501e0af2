//! A load under which clients come and go: pairs at every QoS, with clean and with persistent sessions, at a
//! fixed rate and for as long as one likes.
//!
//! Clients leave one after the other, publishers and subscribers, half of them with a DISCONNECT and half as if
//! their process had been killed, and come back a little later. Of a persistent session nothing may be lost,
//! whatever was under way: the other side goes on meanwhile, and the broker has to keep what is missed. In a clean
//! session it may keep nothing, so that nobody could tell a loss from what was rightly forgotten. There the pair
//! first falls silent, then one of the two leaves. What has to arrive is in either case every single message.
//! `pair.rs` judges what arrives.

use crate::{
    Failure,
    dial::PATIENCE,
    fleet::{Fleet, Peer},
    ledger::{Ledger, Tally},
    pair::{Delivery, Pair},
    probe,
    publisher::Publisher,
    scenario::ChurnScenario,
    wire::{self, Frame, Publish, Template, Version, WireError, kind},
};
use serde::Serialize;
use std::{
    thread,
    time::{Duration, Instant},
};

/// QoS and whether sessions are persistent, pair by pair in turn.
const KINDS: [(u8, bool); 5] = [(0, false), (1, false), (1, true), (2, false), (2, true)];

/// A publisher may have so many deliveries outstanding before it waits.
const LAG: u64 = 1_000;

/// One write of a publisher is at most about so large.
const BATCH_BYTES: usize = 64 << 10;

/// Of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChurnReport {
    /// What was asked, with all defaults filled in.
    pub scenario: ChurnScenario,
    /// Everything published was delivered, in order, at QoS 0 and 2 once, at QoS 1 again only with a reason; and every
    /// persistent session was kept.
    pub clean: bool,
    /// Of all pairs together.
    pub tally: Tally,
    /// Of each QoS.
    pub by_qos: Vec<QosReport>,
    /// Clients that left, and came back.
    pub leaves: u64,
    /// Persistent sessions that the broker did not remember.
    pub sessions_lost: u64,
    /// Clean sessions that it did remember.
    pub sessions_kept: u64,
    /// Messages of the whole run.
    pub published: u64,
    /// Messages that were due and could not be sent.
    pub unsent: u64,
    /// Length of the load, without the drain.
    pub seconds: f64,
    /// Deliveries a second over all of it.
    pub delivered_per_second: f64,
    /// As they were told meanwhile.
    pub samples: Vec<Sample>,
}

/// What became of the messages of one QoS.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QosReport {
    /// 0, 1 or 2.
    pub qos: u8,
    /// What was delivered, and what was wrong.
    pub tally: Tally,
    /// Deliveries that came again as the standard allows it, after somebody had come back.
    pub again: u64,
}

/// A look at the counters and at the broker.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Since the load began.
    pub seconds: f64,
    /// Messages so far.
    pub published: u64,
    /// Deliveries so far, each message counted once.
    pub delivered: u64,
    /// Deliveries so far that came again as they may.
    pub again: u64,
    /// Clients that have left so far.
    pub leaves: u64,
    /// Clients that are not there now.
    pub away: u64,
    /// Of the broker's processes; absent when none were named.
    pub resident_bytes: Option<u64>,
    /// The same: user and system time so far.
    pub cpu_seconds: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// In a clean session: leaves when nothing is under way any more, or when this time has come.
    FallingSilent(Instant),
    Away(Instant),
    Connecting(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Client {
    state: State,
    /// It has had a connection before.
    is_known: bool,
}

/// Runs a scenario; `tell` gets each sample.
///
/// # Errors
/// Any [`Failure`], and what `tell` gives. Lost messages are none: they stand in the report.
pub fn run(
    scenario: &ChurnScenario,
    mut tell: impl FnMut(&Sample) -> Result<(), Failure>,
) -> Result<ChurnReport, Failure> {
    scenario.validate()?;
    probe::sharpen_timer();
    let mut fleet = Fleet::over(scenario.transport, 0, scenario.payload_bytes + 64)?;
    let mut churn = Churn::new(scenario);
    churn.connect(&mut fleet)?;
    churn.load(&mut fleet, &mut tell)?;
    let (seconds, delivered) = (churn.epoch.elapsed().as_secs_f64(), churn.delivered());
    churn.drain(&mut fleet)?;
    for connection in &mut fleet.connections {
        wire::put_disconnect(&mut connection.out);
    }
    for index in 0..fleet.connections.len() {
        // The broker may be gone by now; the run is over either way.
        let _ = fleet.flush(index);
    }
    Ok(churn.report(seconds, delivered))
}

/// Client 2n is the subscriber of pair n, 2n + 1 its publisher; they have the same indices in the fleet.
struct Churn<'a> {
    scenario: &'a ChurnScenario,
    version: Version,
    pairs: Vec<Pair>,
    clients: Vec<Client>,
    /// Clients whose state is not `Up`.
    absent: Vec<usize>,
    /// By QoS.
    ledgers: [Ledger; 3],
    again: [u64; 3],
    epoch: Instant,
    scheduled: u64,
    leaves: u64,
    leaves_due: u64,
    sessions_lost: u64,
    sessions_kept: u64,
    random: u64,
    samples: Vec<Sample>,
}

impl<'a> Churn<'a> {
    fn new(scenario: &'a ChurnScenario) -> Self {
        let (version, count) = (scenario.protocol_version, scenario.pairs as usize);
        let pairs = (0..count)
            .map(|index| {
                let (qos, is_persistent) = KINDS[index % KINDS.len()];
                let topic = format!("churn/{index}");
                let template = Template::new(version, &topic, qos, scenario.payload_bytes);
                let publisher = Publisher::new(index as u32, template, qos, scenario.window);
                Pair::new(index, qos, is_persistent && scenario.persistent, topic, publisher)
            })
            .collect();
        let unknown = Client { state: State::Away(Instant::now()), is_known: false };
        Self {
            scenario,
            version,
            pairs,
            clients: vec![unknown; 2 * count],
            absent: (0..2 * count).collect(),
            ledgers: [Ledger::new(count), Ledger::new(count), Ledger::new(count)],
            again: [0; 3],
            epoch: Instant::now(),
            scheduled: 0,
            leaves: 0,
            leaves_due: 0,
            sessions_lost: 0,
            sessions_kept: 0,
            random: 0x2545_f491_4f6c_dd1d,
            samples: Vec::new(),
        }
    }

    /// The first connections. Nothing is published before all have subscribed.
    fn connect(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        // Fewer at a time than any broker's listen backlog.
        for first in (0..self.clients.len()).step_by(64) {
            for client in first..self.clients.len().min(first + 64) {
                fleet.open(self.scenario.address)?;
                self.greet(fleet, client);
            }
            while self.clients[first..].iter().any(|client| matches!(client.state, State::Connecting(_))) {
                fleet.wait(Some(Duration::from_millis(10)))?;
                fleet.read(self)?;
                self.come_and_go(fleet)?;
            }
        }
        Ok(())
    }

    fn load(
        &mut self,
        fleet: &mut Fleet,
        tell: &mut impl FnMut(&Sample) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.epoch = Instant::now();
        let mut next_sample = 0.0;
        loop {
            let seconds = self.epoch.elapsed().as_secs_f64();
            if seconds >= next_sample || seconds >= self.scenario.seconds {
                let sample = self.sample(seconds);
                tell(&sample)?;
                self.samples.push(sample);
                next_sample += self.scenario.sample_seconds;
            }
            if seconds >= self.scenario.seconds {
                return Ok(());
            }
            self.schedule(seconds);
            while (self.leaves_due as f64) < seconds * self.scenario.leaves_per_second {
                self.leaves_due += 1;
                self.choose();
            }
            self.turn(fleet)?;
        }
    }

    /// Waits for what is outstanding, until nothing has come for a while.
    fn drain(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let mut last = (0, 0);
        let mut last_change = Instant::now();
        let is_over = |churn: &Self| {
            churn.absent.is_empty()
                && churn
                    .pairs
                    .iter()
                    .all(|pair| pair.is_quiet() && pair.publisher.published == pair.publisher.due)
        };
        while !is_over(self) {
            self.turn(fleet)?;
            let now = (self.delivered(), self.published());
            if now != last {
                (last, last_change) = (now, Instant::now());
            } else if last_change.elapsed().as_secs_f64() > self.scenario.drain_seconds {
                return Ok(());
            }
        }
        // What comes now was delivered twice: give it a moment to arrive.
        let moment = Instant::now();
        while moment.elapsed() < Duration::from_millis(100) {
            self.turn(fleet)?;
        }
        Ok(())
    }

    fn turn(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        self.send(fleet)?;
        self.come_and_go(fleet)?;
        thread::sleep(Duration::from_micros(self.scenario.pause_micros));
        fleet.wait(Some(Duration::ZERO))?;
        fleet.read(self)
    }

    /// Message k is due at k / rate seconds and belongs to publisher k modulo their number.
    fn schedule(&mut self, seconds: f64) {
        let due = (seconds * self.scenario.rate) as u64 + 1;
        let count = self.pairs.len() as u64;
        while self.scheduled < due {
            self.pairs[(self.scheduled % count) as usize].publisher.due += 1;
            self.scheduled += 1;
        }
    }

    fn send(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let now_ns = self.epoch.elapsed().as_nanos() as u64;
        for (index, pair) in self.pairs.iter_mut().enumerate() {
            let (subscriber, publisher) = (self.clients[2 * index].state, self.clients[2 * index + 1].state);
            let may_send = publisher == State::Up && (pair.is_persistent || subscriber == State::Up);
            if !may_send {
                continue;
            }
            let (connection, publisher) = (2 * index + 1, &mut pair.publisher);
            while publisher.published < publisher.due && !fleet.connections[connection].is_blocked() {
                let room = publisher.free().min(LAG.saturating_sub(publisher.outstanding));
                let out = &mut fleet.connections[connection].out;
                for _ in 0..room.min(publisher.due - publisher.published) {
                    publisher.publish(out, now_ns, 1);
                    if out.len() > BATCH_BYTES {
                        break;
                    }
                }
                if out.is_empty() {
                    break;
                }
                fleet.flush(connection)?;
            }
        }
        Ok(())
    }

    /// Lets somebody leave. One of a pair at a time: when the other is not there, somebody else does it later.
    fn choose(&mut self) {
        let client = self.random() as usize % self.clients.len();
        if self.clients[client].state != State::Up || self.clients[client ^ 1].state != State::Up {
            return;
        }
        let patience = Duration::from_secs_f64(self.scenario.drain_seconds);
        let is_persistent = self.pairs[client / 2].is_persistent;
        let at_the_latest = if is_persistent { Instant::now() } else { Instant::now() + patience };
        self.clients[client].state = State::FallingSilent(at_the_latest);
        self.absent.push(client);
    }

    fn come_and_go(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let now = Instant::now();
        for at in (0..self.absent.len()).rev() {
            let client = self.absent[at];
            match self.clients[client].state {
                State::Up => {
                    self.absent.swap_remove(at);
                }
                State::FallingSilent(latest) if self.pairs[client / 2].is_quiet() || now >= latest => {
                    if self.random().is_multiple_of(2) {
                        wire::put_disconnect(&mut fleet.connections[client].out);
                        fleet.flush(client)?;
                    }
                    fleet.close(client);
                    self.leaves += 1;
                    let back = now + Duration::from_secs_f64(self.scenario.away_seconds);
                    self.clients[client].state = State::Away(back);
                }
                State::Away(back) if now >= back && self.clients[client].is_known => {
                    fleet.reopen(client, self.scenario.address, None)?;
                    self.greet(fleet, client);
                }
                State::Connecting(since) if now - since > PATIENCE => {
                    return Err(Failure::Unanswered { waiting: 1, seconds: PATIENCE.as_secs() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn greet(&mut self, fleet: &mut Fleet, client: usize) {
        let (role, pair) = (if client % 2 == 1 { 'p' } else { 's' }, client / 2);
        let client_id = format!("load-{role}-{pair}-{}", std::process::id());
        let out = &mut fleet.connections[client].out;
        if self.pairs[pair].is_persistent {
            wire::put_persistent_connect(out, self.version, &client_id);
        } else {
            wire::put_connect(out, self.version, &client_id);
        }
        self.clients[client].state = State::Connecting(Instant::now());
    }

    fn connack(&mut self, client: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let (code, welcome) = wire::connack(self.version, frame)?;
        if code != 0 {
            return Err(Failure::Refused { what: "a connection", code });
        }
        if welcome.receive_maximum < self.scenario.window {
            return Err(Failure::Scenario(format!(
                "window is above the broker's Receive Maximum, {}",
                welcome.receive_maximum
            )));
        }
        let pair = &mut self.pairs[client / 2];
        let was_known = std::mem::replace(&mut self.clients[client].is_known, true);
        let should_know = pair.is_persistent && was_known;
        self.sessions_lost += u64::from(should_know && !welcome.session_present);
        self.sessions_kept += u64::from(!should_know && welcome.session_present);
        if client % 2 == 1 {
            match (was_known, pair.is_persistent) {
                (true, true) => pair.publisher_is_back(out, self.epoch.elapsed().as_nanos() as u64),
                (true, false) => pair.publisher.forget(),
                (false, _) => {}
            }
            self.clients[client].state = State::Up;
            return Ok(());
        }
        if was_known {
            pair.subscriber_is_back();
        }
        if should_know && welcome.session_present {
            self.clients[client].state = State::Up;
        } else {
            wire::put_subscribe(out, self.version, 1, &[&pair.topic], pair.qos);
        }
        Ok(())
    }

    fn delivery(&mut self, index: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let publish = Publish::read(self.version, frame)?;
        let pair = &mut self.pairs[index];
        let ledger = &mut self.ledgers[usize::from(pair.qos)];
        let is_dup = frame.first & 0x08 != 0;
        match pair.receive(&publish, is_dup, self.scenario.payload_bytes, ledger) {
            Delivery::New(sequence) => {
                if ledger.record(index, sequence) {
                    pair.publisher.outstanding = pair.publisher.outstanding.saturating_sub(1);
                }
            }
            Delivery::Again => self.again[usize::from(pair.qos)] += 1,
            Delivery::Corrupt => ledger.record_corrupt(),
            Delivery::Misrouted => ledger.record_misrouted(),
        }
        match publish.qos {
            0 => {}
            1 => wire::put_ack(out, kind::PUBACK, publish.packet_id),
            _ => wire::put_ack(out, kind::PUBREC, publish.packet_id),
        }
        Ok(())
    }

    /// xorshift: the same clients in the same order in every run.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 32
    }

    fn delivered(&self) -> u64 {
        self.ledgers.iter().map(Ledger::delivered).sum()
    }

    fn published(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.publisher.published).sum()
    }

    fn sample(&self, seconds: f64) -> Sample {
        let pids = &self.scenario.watch_pids;
        let is_watched = !pids.is_empty();
        Sample {
            seconds,
            published: self.published(),
            delivered: self.delivered(),
            again: self.again.iter().sum(),
            leaves: self.leaves,
            away: self.clients.iter().filter(|client| matches!(client.state, State::Away(_))).count() as u64,
            resident_bytes: is_watched.then(|| probe::resident_bytes(pids)).flatten(),
            cpu_seconds: is_watched.then(|| probe::cpu_time(pids)).flatten().map(|time| time.as_secs_f64()),
        }
    }

    fn report(self, seconds: f64, delivered: u64) -> ChurnReport {
        let published = self.published();
        let mut tally = Tally::default();
        let by_qos: Vec<QosReport> = (0..)
            .zip(self.ledgers)
            .zip(self.again)
            .map(|((qos, ledger), again)| {
                let own = ledger.close(|stream| match &self.pairs[stream] {
                    pair if pair.qos == qos => pair.publisher.published,
                    _ => 0,
                });
                tally = tally + own;
                QosReport { qos, tally: own, again }
            })
            .collect();
        ChurnReport {
            scenario: self.scenario.clone(),
            clean: tally.is_clean() && self.sessions_lost == 0 && self.sessions_kept == 0,
            tally,
            by_qos,
            leaves: self.leaves,
            sessions_lost: self.sessions_lost,
            sessions_kept: self.sessions_kept,
            published,
            unsent: self.scheduled.saturating_sub(published),
            seconds,
            delivered_per_second: delivered as f64 / seconds,
            samples: self.samples,
        }
    }
}

impl Peer for Churn<'_> {
    fn frame(&mut self, connection: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let kind = frame.kind();
        let (index, is_publisher) = (connection / 2, connection % 2 == 1);
        match kind {
            kind::CONNACK => self.connack(connection, frame, out),
            kind::SUBACK => match wire::suback(self.version, frame)? {
                &[code] if code == self.pairs[index].qos => {
                    self.clients[connection].state = State::Up;
                    Ok(())
                }
                &[code, ..] => Err(Failure::Refused { what: "a subscription", code }),
                [] => Err(WireError::Short(kind).into()),
            },
            kind::PUBLISH if !is_publisher => self.delivery(index, frame, out),
            kind::PUBREL if !is_publisher => {
                let packet_id = frame.packet_id()?;
                self.pairs[index].release(packet_id);
                wire::put_ack(out, kind::PUBCOMP, packet_id);
                Ok(())
            }
            kind::PUBACK | kind::PUBREC | kind::PUBCOMP if is_publisher => {
                let (packet_id, code) = (frame.packet_id()?, frame.reason_code());
                if code >= 0x80 {
                    return Err(Failure::Refused { what: "a message", code });
                }
                if self.pairs[index].publisher.acknowledge(kind, packet_id)? {
                    wire::put_ack(out, kind::PUBREL, packet_id);
                }
                Ok(())
            }
            kind::DISCONNECT => Err(Failure::Closed { connection }),
            other => Err(WireError::Unexpected(other).into()),
        }
    }
}
