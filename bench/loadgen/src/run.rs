//! A load: publishers and subscribers of one scenario, warmed up, measured and drained.
//!
//! Two regimes. *Saturated*: every publisher sends as long as fewer than a fixed number of its deliveries are
//! outstanding, so that the work piles up in the broker and no broker has to drop anything. *Fixed rate*: every
//! message has a time at which it is due, whatever the broker does; it carries that time, so that a message
//! which had to wait for an earlier one counts its waiting (no co-ordinated omission).

use crate::{
    Failure, background,
    dial::{self, Plan},
    fleet::{Fleet, IoCounts, Peer},
    ledger::Ledger,
    pace::Pacer,
    probe::{self, CoreTimes},
    publisher::Publisher,
    report::{BrokerReport, GeneratorReport, Quantiles, Report},
    scenario::Scenario,
    stamp::Stamp,
    wire::{self, Frame, Publish, Template, Version, WireError, kind},
};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// One write of a publisher is at most about so large.
const BATCH_BYTES: usize = 64 << 10;

/// Latencies above a minute count as a minute.
const HIGHEST_NANOS: u64 = 60_000_000_000;

/// Runs a scenario from handshake to drain.
///
/// # Errors
/// Any [`Failure`]. Lost messages are none: they stand in the report.
pub fn run(scenario: &Scenario) -> Result<Report, Failure> {
    scenario.validate()?;
    probe::sharpen_timer();
    let mut fleet = Fleet::over(scenario.transport, scenario.packets_per_frame, scenario.payload_bytes + 64)?;
    let mut load = Load::dial(scenario, &mut fleet)?;
    let (before, after) = load.measure(&mut fleet)?;
    load.drain(&mut fleet)?;
    for index in 0..fleet.connections.len() {
        wire::put_disconnect(&mut fleet.connections[index].out);
        // The broker may be gone by now; the run is over either way.
        let _ = fleet.flush(index);
    }
    Ok(load.report(&before, &after))
}

/// A look at all counters.
struct Sample {
    at: Instant,
    published: u64,
    delivered: u64,
    io: IoCounts,
    own_cpu: Duration,
    broker_cpu: Option<Duration>,
    resident_bytes: Option<u64>,
    cores: Vec<CoreTimes>,
}

struct Load<'a> {
    scenario: &'a Scenario,
    version: Version,
    /// Connections below this index subscribe, those from it on publish.
    subscribers: usize,
    publishers: Vec<Publisher>,
    topics: Vec<String>,
    /// Per subscriber, the first publisher of its group.
    first_publisher: Vec<u32>,
    ledger: Ledger,
    pacer: Pacer,
    epoch: Instant,
    now_ns: u64,
    /// Deliveries of messages due before this are not part of the latency: the warm-up.
    measured_from_ns: u64,
    latency: Histogram<u64>,
    send_delay: Histogram<u64>,
    /// Fixed rate: messages whose time has come, and the publishers that have such to send.
    scheduled: u64,
    to_send: Vec<usize>,
}

impl<'a> Load<'a> {
    fn dial(scenario: &'a Scenario, fleet: &mut Fleet) -> Result<Self, Failure> {
        let subscribers = scenario.all_subscribers();
        let version = scenario.protocol_version;
        let mut plans: Vec<Plan> = (0..subscribers)
            .map(|index| Plan {
                client_id: format!("load-s-{}-{index}", index / scenario.subscribers as usize),
                subscription: Some((scenario.filter(index), scenario.qos)),
                is_persistent: scenario.persistent,
            })
            .collect();
        plans.extend((0..scenario.all_publishers()).map(|index| Plan {
            client_id: format!("load-p-{}-{index}", index / scenario.publishers as usize),
            subscription: None,
            is_persistent: false,
        }));
        let welcomes = dial::dial(fleet, scenario.address, version, &plans)?;
        let topics: Vec<String> = (0..scenario.all_publishers()).map(|index| scenario.topic(index)).collect();
        let mut publishers = Vec::with_capacity(topics.len());
        for ((index, topic), welcome) in topics.iter().enumerate().zip(&welcomes[subscribers..]) {
            if scenario.qos > welcome.maximum_qos {
                let complaint = format!("the broker takes no QoS above {}", welcome.maximum_qos);
                return Err(Failure::Scenario(complaint));
            }
            let template = Template::new(version, topic, scenario.qos, scenario.payload_bytes);
            let window = scenario.window.min(welcome.receive_maximum);
            publishers.push(Publisher::new(index as u32, template, scenario.qos, window));
        }
        background::subscribe(fleet, scenario)?;
        let histogram = || {
            Histogram::new_with_bounds(1_000, HIGHEST_NANOS, 3)
                .map_err(|error| Failure::Scenario(format!("no such histogram: {error}")))
        };
        let fan_out = u64::from(scenario.subscribers);
        let outstanding = publishers
            .iter()
            .map(|publisher| publisher.window().saturating_mul(fan_out).min(scenario.lag_per_publisher()))
            .sum();
        Ok(Self {
            pacer: Pacer::new(Duration::from_micros(scenario.read_pause_micros), outstanding),
            scenario,
            version,
            subscribers,
            publishers,
            topics,
            first_publisher: (0..subscribers)
                .map(|index| index as u32 / scenario.subscribers * scenario.publishers)
                .collect(),
            ledger: Ledger::new(subscribers * scenario.publishers as usize),
            epoch: Instant::now(),
            now_ns: 0,
            measured_from_ns: u64::MAX,
            latency: histogram()?,
            send_delay: histogram()?,
            scheduled: 0,
            to_send: Vec::new(),
        })
    }

    /// Warm-up and measurement: gives the counters at the latter's beginning and end.
    fn measure(&mut self, fleet: &mut Fleet) -> Result<(Sample, Sample), Failure> {
        self.epoch = Instant::now();
        self.turn_until(fleet, self.scenario.warm_up())?;
        let before = self.sample(fleet);
        self.tick();
        self.measured_from_ns = self.now_ns;
        self.turn_until(fleet, self.scenario.warm_up() + self.scenario.measured())?;
        let after = self.sample(fleet);
        Ok((before, after))
    }

    fn turn_until(&mut self, fleet: &mut Fleet, end: Duration) -> Result<(), Failure> {
        while self.epoch.elapsed() < end {
            if let Some(rate) = self.scenario.rate {
                // Polling: asleep, the generator would measure how long the machine takes to wake it.
                fleet.wait(Some(Duration::ZERO))?;
                fleet.read(self)?;
                self.send_due(fleet, rate)?;
            } else {
                fleet.wait(Some(Duration::from_millis(10)))?;
                fleet.read(self)?;
                self.send_saturated(fleet)?;
                // With large payloads a socket holds more than one read takes; the round is over when it is empty.
                if !fleet.has_more() {
                    self.pacer.pause(self.ledger.delivered());
                }
            }
        }
        Ok(())
    }

    /// Waits for what is outstanding, until nothing has come for a while.
    fn drain(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let mut last = (self.ledger.delivered(), self.unacknowledged());
        let mut last_change = Instant::now();
        while self.expected() > self.ledger.delivered() || self.unacknowledged() > 0 {
            fleet.wait(Some(Duration::from_millis(10)))?;
            fleet.read(self)?;
            let now = (self.ledger.delivered(), self.unacknowledged());
            if now != last {
                (last, last_change) = (now, Instant::now());
            } else if last_change.elapsed() > self.scenario.drain() {
                return Ok(());
            }
        }
        // Everything is here. What comes now was delivered twice: give it a moment to arrive.
        let moment = Instant::now();
        while moment.elapsed() < Duration::from_millis(50) {
            fleet.wait(Some(Duration::from_millis(10)))?;
            fleet.read(self)?;
        }
        Ok(())
    }

    /// Every publisher fills its window, in batches of at least a quarter of it.
    fn send_saturated(&mut self, fleet: &mut Fleet) -> Result<(), Failure> {
        let fan_out = u64::from(self.scenario.subscribers);
        let lag = self.scenario.lag_per_publisher() / fan_out;
        self.tick();
        for (index, publisher) in self.publishers.iter_mut().enumerate() {
            let connection = self.subscribers + index;
            let least = (lag.min(publisher.window()) / 4).max(1);
            let batch = (BATCH_BYTES / publisher.packet_bytes()).max(1) as u64;
            loop {
                let room = lag.saturating_sub(publisher.outstanding.div_ceil(fan_out)).min(publisher.free());
                if room < least.min(batch) || fleet.connections[connection].is_blocked() {
                    break;
                }
                let out = &mut fleet.connections[connection].out;
                for _ in 0..room.min(batch) {
                    publisher.publish(out, self.now_ns, fan_out);
                }
                fleet.flush(connection)?;
            }
        }
        Ok(())
    }

    /// Message k is due at k / rate seconds after the epoch and belongs to publisher k modulo their number.
    fn send_due(&mut self, fleet: &mut Fleet, rate: f64) -> Result<(), Failure> {
        self.tick();
        let count = self.publishers.len() as u64;
        let due = (self.now_ns as f64 / 1e9 * rate) as u64 + 1;
        while self.scheduled < due {
            let index = (self.scheduled % count) as usize;
            let publisher = &mut self.publishers[index];
            if publisher.due == publisher.published {
                self.to_send.push(index);
            }
            publisher.due += 1;
            self.scheduled += 1;
        }
        let fan_out = u64::from(self.scenario.subscribers);
        let mut kept = 0;
        for at in 0..self.to_send.len() {
            let index = self.to_send[at];
            let publisher = &mut self.publishers[index];
            let connection = self.subscribers + index;
            while publisher.published < publisher.due
                && publisher.free() > 0
                && !fleet.connections[connection].is_blocked()
            {
                let due_ns = ((publisher.published * count + index as u64) as f64 / rate * 1e9) as u64;
                if due_ns >= self.measured_from_ns {
                    self.send_delay.saturating_record(self.now_ns.saturating_sub(due_ns));
                }
                publisher.publish(&mut fleet.connections[connection].out, due_ns, fan_out);
                fleet.flush(connection)?;
            }
            if publisher.published < publisher.due {
                self.to_send[kept] = index;
                kept += 1;
            }
        }
        self.to_send.truncate(kept);
        Ok(())
    }

    #[inline]
    fn tick(&mut self) {
        self.now_ns = self.epoch.elapsed().as_nanos() as u64;
    }

    #[inline]
    fn delivery(&mut self, subscriber: usize, publish: &Publish<'_>) {
        let Some(stamp) = Stamp::read(publish.payload, self.scenario.payload_bytes) else {
            return self.ledger.record_corrupt();
        };
        let index = stamp.publisher as usize;
        let Some(publisher) = self.publishers.get_mut(index) else {
            return self.ledger.record_corrupt();
        };
        if stamp.sequence >= publisher.published {
            return self.ledger.record_corrupt();
        }
        let member = stamp.publisher.wrapping_sub(self.first_publisher[subscriber]);
        if member >= self.scenario.publishers
            || publish.qos != self.scenario.qos
            || publish.topic != self.topics[index].as_bytes()
        {
            return self.ledger.record_misrouted();
        }
        let stream = subscriber * self.scenario.publishers as usize + member as usize;
        if self.ledger.record(stream, stamp.sequence) {
            publisher.outstanding = publisher.outstanding.saturating_sub(1);
            if stamp.sent_ns >= self.measured_from_ns && self.scenario.rate.is_some() {
                self.latency.saturating_record(self.now_ns.saturating_sub(stamp.sent_ns));
            }
        }
    }

    fn published(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.published).sum()
    }

    fn unacknowledged(&self) -> u64 {
        self.publishers.iter().map(Publisher::unacknowledged).sum()
    }

    fn expected(&self) -> u64 {
        self.published() * u64::from(self.scenario.subscribers)
    }

    fn sample(&self, fleet: &Fleet) -> Sample {
        Sample {
            at: Instant::now(),
            published: self.published(),
            delivered: self.ledger.delivered(),
            io: fleet.io,
            own_cpu: probe::thread_cpu_time().saturating_sub(self.pacer.spun()),
            broker_cpu: probe::cpu_time(&self.scenario.watch_pids),
            resident_bytes: probe::resident_bytes(&self.scenario.watch_pids),
            cores: probe::core_times(),
        }
    }

    fn report(self, before: &Sample, after: &Sample) -> Report {
        let published = self.published();
        let unsent = self.scheduled.saturating_sub(published);
        let most_outstanding =
            self.publishers.iter().map(|publisher| publisher.most_outstanding).max().unwrap_or(0);
        let per_group = self.scenario.publishers as usize;
        let tally = self.ledger.close(|stream| {
            let (subscriber, member) = (stream / per_group, stream % per_group);
            self.publishers[self.first_publisher[subscriber] as usize + member].published
        });
        let seconds = (after.at - before.at).as_secs_f64();
        let delivered = after.delivered - before.delivered;
        let per_message = |value: f64| value / (delivered as f64).max(1.0);
        let broker_cpu = (after.broker_cpu, before.broker_cpu, after.resident_bytes);
        let broker = match broker_cpu {
            (Some(to), Some(from), Some(resident_bytes)) if !self.scenario.watch_pids.is_empty() => {
                let cpu_seconds = (to - from).as_secs_f64();
                let cpu_micros_per_message = per_message(cpu_seconds * 1e6);
                Some(BrokerReport { cpu_seconds, cpu_micros_per_message, resident_bytes })
            }
            _ => None,
        };
        let own_cpu = after.own_cpu.saturating_sub(before.own_cpu).as_secs_f64();
        let reads = ((after.io.reads - before.io.reads) as f64).max(1.0);
        let writes = ((after.io.writes - before.io.writes) as f64).max(1.0);
        Report {
            clean: tally.is_clean(),
            tally,
            published,
            unsent,
            seconds,
            published_measured: after.published - before.published,
            delivered_measured: delivered,
            delivered_per_second: delivered as f64 / seconds,
            payload_bytes_per_second: delivered as f64 * self.scenario.payload_bytes as f64 / seconds,
            broker,
            generator: GeneratorReport {
                cpu_seconds: own_cpu,
                busy: own_cpu / seconds,
                cpu_nanos_per_message: per_message(own_cpu * 1e9),
                bytes_per_read: (after.io.read_bytes - before.io.read_bytes) as f64 / reads,
                messages_per_read: delivered as f64 / reads,
                bytes_per_write: (after.io.written_bytes - before.io.written_bytes) as f64 / writes,
                lag_per_publisher: self.scenario.lag_per_publisher(),
                most_outstanding,
            },
            latency_micros: Quantiles::of(&self.latency),
            send_delay_micros: Quantiles::of(&self.send_delay),
            cores: probe::core_times_between(&before.cores, &after.cores),
            scenario: self.scenario.clone(),
        }
    }
}

impl Peer for Load<'_> {
    fn chunk(&mut self) {
        self.tick();
    }

    #[inline]
    fn frame(&mut self, connection: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let kind = frame.kind();
        if connection < self.subscribers {
            match kind {
                kind::PUBLISH => {
                    let publish = Publish::read(self.version, frame)?;
                    self.delivery(connection, &publish);
                    match publish.qos {
                        0 => {}
                        1 => wire::put_ack(out, kind::PUBACK, publish.packet_id),
                        _ => wire::put_ack(out, kind::PUBREC, publish.packet_id),
                    }
                }
                kind::PUBREL => wire::put_ack(out, kind::PUBCOMP, frame.packet_id()?),
                kind::DISCONNECT => return Err(Failure::Closed { connection }),
                other => return Err(WireError::Unexpected(other).into()),
            }
            return Ok(());
        }
        let Some(publisher) = self.publishers.get_mut(connection - self.subscribers) else {
            // A subscription beside the load.
            return match kind {
                kind::PUBLISH => {
                    self.ledger.record_misrouted();
                    Ok(())
                }
                kind::DISCONNECT => Err(Failure::Closed { connection }),
                other => Err(WireError::Unexpected(other).into()),
            };
        };
        match kind {
            kind::PUBACK | kind::PUBREC | kind::PUBCOMP => {
                let (packet_id, code) = (frame.packet_id()?, frame.reason_code());
                if code >= 0x80 {
                    return Err(Failure::Refused { what: "a message", code });
                }
                if publisher.acknowledge(kind, packet_id)? {
                    wire::put_ack(out, kind::PUBREL, packet_id);
                }
                Ok(())
            }
            kind::DISCONNECT => Err(Failure::Closed { connection }),
            other => Err(WireError::Unexpected(other).into()),
        }
    }
}
