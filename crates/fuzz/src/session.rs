//! The parts of a conversation, each beside a model that is slow and plain.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use topicwire_codec::{PacketId, QoS};
use topicwire_session::{
    AliasError, AliasUse, Armed, Inbound, InboundAliases, InboundStep, Outbound, OutboundAliases, PubrecStep,
    QueueLimits, Queued, Resend, Stage, Timers,
};

use crate::input::Input;

const LIMITS: QueueLimits = QueueLimits { messages: 6, bytes: 200 };
const TOPICS: [&str; 5] = ["abc", "four", "a/longer/topic", "another", "ünïcödé"];

/// Any operations on both ends of a conversation, its aliases and its deadlines, with acknowledgements that nobody
/// is owed among them: each answers as its model does.
pub fn session_operations(data: &[u8]) {
    let mut input = Input::new(data);
    let window = u16::from(input.byte() % 8) + 1;
    let (mut sender, mut receiver) = (Sender::new(window), Receiver::new(window));
    let (mut aliases, mut deadlines) = (Aliases::new(input.byte() % 4), Deadlines::default());
    while !input.is_empty() {
        match input.below(4) {
            0 | 1 => sender.step(&mut input),
            2 => receiver.step(&mut input),
            _ if input.flag() => aliases.step(&mut input),
            _ => deadlines.step(&mut input),
        }
    }
    deadlines.run_out();
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap_or(PacketId::MIN)
}

fn qos(input: &mut Input<'_>) -> QoS {
    if input.flag() { QoS::ExactlyOnce } else { QoS::AtLeastOnce }
}

/// An open exchange, as the model keeps it: in the order of first sending.
#[derive(Debug)]
struct Exchange {
    packet_id: PacketId,
    stage: Stage,
    message: Option<u32>,
    /// It was sent on this connection and has not ended: it counts against the peer's Receive Maximum.
    is_counted: bool,
}

/// The sending end and its model.
struct Sender {
    outbound: Outbound<u32>,
    exchanges: Vec<Exchange>,
    queue: VecDeque<(QoS, usize, u32)>,
    resend: VecDeque<PacketId>,
    window: u16,
    last_message: u32,
}

impl Sender {
    fn new(window: u16) -> Self {
        Self {
            outbound: Outbound::new(window),
            exchanges: Vec::new(),
            queue: VecDeque::new(),
            resend: VecDeque::new(),
            window,
            last_message: 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(13) {
            0 => self.begin(qos(input)),
            1 => self.enqueue(qos(input), usize::from(input.byte())),
            2 => self.send(),
            3 => self.send_again(),
            4 => {
                let packet_id = self.any_id(input);
                let expected = self.end(packet_id, |stage| stage == Stage::AwaitPuback);
                assert_eq!(self.outbound.handle_puback(packet_id), expected.and_then(|it| it.message));
            }
            5 => self.pubrec(input),
            6 => {
                let packet_id = self.any_id(input);
                let expected = self.end(packet_id, |stage| stage == Stage::AwaitPubcomp).is_some();
                assert_eq!(self.outbound.handle_pubcomp(packet_id), expected);
            }
            7 => self.resume(u16::from(input.byte() % 8) + 1),
            8 => {
                let dropped = self.outbound.drop_oldest().map(|it| (it.qos, it.bytes, it.message));
                assert_eq!(dropped, self.queue.pop_front());
            }
            9 => {
                let mut dropped = Vec::new();
                self.outbound
                    .retain_queued(|message| message % 3 != 0, |queued| dropped.push(queued.message));
                let all: Vec<u32> = self.queue.iter().map(|(_, _, message)| *message).collect();
                self.queue.retain(|(_, _, message)| message % 3 != 0);
                assert!(dropped.iter().eq(all.iter().filter(|message| **message % 3 == 0)));
            }
            10 => {
                let packet_id = self.any_id(input);
                let expected = self.end(packet_id, |_| true);
                assert_eq!(self.outbound.abandon(packet_id), expected.and_then(|it| it.message));
            }
            11 => self.restore(input),
            _ => self.churn(usize::from(input.byte()) * 16),
        }
        self.check();
    }

    /// One of an open exchange, or any.
    fn any_id(&self, input: &mut Input<'_>) -> PacketId {
        let choice = input.word();
        let open = self.exchanges.get(usize::from(choice) % (self.exchanges.len() * 2).max(1));
        open.map_or_else(|| id(choice), |exchange| exchange.packet_id)
    }

    fn counted(&self) -> usize {
        self.exchanges.iter().filter(|exchange| exchange.is_counted).count()
    }

    fn has_quota(&self) -> bool {
        self.counted() < usize::from(self.window)
    }

    fn next_message(&mut self) -> u32 {
        self.last_message += 1;
        self.last_message
    }

    fn begin(&mut self, qos: QoS) {
        if self.outbound.is_clear() {
            let message = self.next_message();
            let packet_id = self.outbound.begin(qos, message).expect("few exchanges are open");
            self.opened(packet_id, qos, message);
        }
    }

    fn opened(&mut self, packet_id: PacketId, qos: QoS, message: u32) {
        assert!(self.exchanges.iter().all(|it| it.packet_id != packet_id), "{packet_id:?} is in use");
        let stage = if qos == QoS::ExactlyOnce { Stage::AwaitPubrec } else { Stage::AwaitPuback };
        self.exchanges.push(Exchange { packet_id, stage, message: Some(message), is_counted: true });
        assert!(self.counted() <= usize::from(self.window), "more is under way than the peer takes");
    }

    fn enqueue(&mut self, qos: QoS, bytes: usize) {
        let message = self.next_message();
        let queued_bytes: usize = self.queue.iter().map(|(_, bytes, _)| bytes).sum();
        let fits = self.queue.is_empty() || queued_bytes + bytes <= LIMITS.bytes;
        let has_room = fits && self.queue.len() < LIMITS.messages;
        assert_eq!(self.outbound.has_room(bytes, &LIMITS), has_room);
        assert_eq!(self.outbound.enqueue(Queued { qos, bytes, message }, &LIMITS).is_ok(), has_room);
        if has_room {
            self.queue.push_back((qos, bytes, message));
        }
    }

    fn send(&mut self) {
        let may_send = self.has_quota() && self.resend.is_empty();
        let expected = if may_send { self.queue.pop_front() } else { None };
        let sent = self.outbound.poll_send();
        assert_eq!(sent.as_ref().map(|(_, it)| (it.qos, it.bytes, it.message)), expected);
        if let Some((packet_id, queued)) = sent {
            self.opened(packet_id, queued.qos, queued.message);
        }
    }

    fn send_again(&mut self) {
        assert_eq!(self.outbound.poll_resend(), self.expected_resend());
    }

    fn expected_resend(&mut self) -> Option<Resend<u32>> {
        let has_quota = self.has_quota();
        while let Some(packet_id) = self.resend.front().copied() {
            let exchange = self.exchanges.iter_mut().find(|exchange| exchange.packet_id == packet_id);
            match exchange {
                None => {}
                Some(Exchange { stage: Stage::AwaitPubcomp, .. }) => {
                    self.resend.pop_front();
                    return Some(Resend::Pubrel { packet_id });
                }
                Some(_) if !has_quota => return None,
                Some(Exchange { stage, message: Some(message), is_counted, .. }) => {
                    self.resend.pop_front();
                    *is_counted = true;
                    let qos = if *stage == Stage::AwaitPubrec { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                    return Some(Resend::Publish { packet_id, qos, message: *message });
                }
                Some(_) => {}
            }
            self.resend.pop_front();
        }
        None
    }

    /// Takes the exchange out of the model where it is there at such a stage.
    fn end(&mut self, packet_id: PacketId, is_right: impl Fn(Stage) -> bool) -> Option<Exchange> {
        let at = self.exchanges.iter().position(|it| it.packet_id == packet_id && is_right(it.stage))?;
        Some(self.exchanges.remove(at))
    }

    fn pubrec(&mut self, input: &mut Input<'_>) {
        let (packet_id, is_error) = (self.any_id(input), input.flag());
        let exchange = self.exchanges.iter_mut().find(|exchange| exchange.packet_id == packet_id);
        let expected = match exchange {
            Some(exchange) if exchange.stage == Stage::AwaitPubrec && !is_error => {
                exchange.stage = Stage::AwaitPubcomp;
                PubrecStep::SendPubrel(exchange.message.take())
            }
            Some(exchange) if exchange.stage == Stage::AwaitPubcomp => PubrecStep::SendPubrel(None),
            Some(exchange) if exchange.stage == Stage::AwaitPubrec => {
                let ended = self.end(packet_id, |_| true).and_then(|it| it.message);
                ended.map_or(PubrecStep::Unknown, PubrecStep::Refused)
            }
            _ => PubrecStep::Unknown,
        };
        assert_eq!(self.outbound.handle_pubrec(packet_id, is_error), expected);
    }

    fn resume(&mut self, window: u16) {
        self.outbound.resume(window);
        self.window = window;
        self.exchanges.iter_mut().for_each(|exchange| exchange.is_counted = false);
        self.resend = self.exchanges.iter().map(|exchange| exchange.packet_id).collect();
    }

    fn restore(&mut self, input: &mut Input<'_>) {
        let packet_id = id(input.word());
        let stage = input.pick(&[Stage::AwaitPuback, Stage::AwaitPubrec, Stage::AwaitPubcomp]);
        let message = (stage != Stage::AwaitPubcomp).then(|| self.next_message());
        let is_free = self.exchanges.iter().all(|exchange| exchange.packet_id != packet_id);
        // The table tells restored identifiers apart by growing; a broker restores what its own limits allowed.
        if self.exchanges.len() < 64 {
            assert_eq!(self.outbound.restore(packet_id, stage, message), is_free);
            if is_free {
                self.exchanges.push(Exchange { packet_id, stage, message, is_counted: false });
            }
        }
    }

    /// Many exchanges that end at once: identifiers come round, and pass over those that are in use.
    fn churn(&mut self, count: usize) {
        for _ in 0..count {
            if !self.outbound.is_clear() {
                return;
            }
            let packet_id = self.outbound.begin(QoS::AtLeastOnce, 0).expect("few exchanges are open");
            assert!(self.exchanges.iter().all(|it| it.packet_id != packet_id), "{packet_id:?} is in use");
            assert_eq!(self.outbound.handle_puback(packet_id), Some(0));
        }
    }

    fn check(&self) {
        let outbound = &self.outbound;
        assert_eq!(outbound.inflight_count(), self.exchanges.len());
        assert_eq!(outbound.queued_count(), self.queue.len());
        assert_eq!(outbound.queued_bytes(), self.queue.iter().map(|(_, bytes, _)| bytes).sum::<usize>());
        assert_eq!(outbound.front().map(|it| it.message), self.queue.front().map(|it| it.2));
        let has_window = self.has_quota() && self.resend.is_empty();
        assert_eq!(outbound.has_window(), has_window);
        assert_eq!(outbound.is_clear(), has_window && self.queue.is_empty());
        assert_eq!(outbound.has_waiting(), !self.queue.is_empty() || !self.resend.is_empty());
    }
}

/// The receiving end and its model: the QoS 2 identifiers, each with whether its PUBLISH came on this connection.
struct Receiver {
    inbound: Inbound,
    window: u16,
    unacknowledged: usize,
    awaiting_pubrel: BTreeMap<PacketId, bool>,
}

impl Receiver {
    fn new(window: u16) -> Self {
        Self { inbound: Inbound::new(window), window, unacknowledged: 0, awaiting_pubrel: BTreeMap::new() }
    }

    fn in_flight(&self) -> usize {
        self.unacknowledged + self.awaiting_pubrel.values().filter(|is_current| **is_current).count()
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let packet_id = id(u16::from(input.byte() % 16));
        match input.below(6) {
            0 | 1 => self.publish(qos(input), packet_id),
            2 => {
                let expected = self.awaiting_pubrel.remove(&packet_id).is_some();
                assert_eq!(self.inbound.release(packet_id), expected);
            }
            3 if self.unacknowledged > 0 => {
                self.inbound.acknowledged();
                self.unacknowledged -= 1;
            }
            4 => {
                self.window = u16::from(input.byte() % 8) + 1;
                self.inbound.resume(self.window);
                self.unacknowledged = 0;
                self.awaiting_pubrel.values_mut().for_each(|is_current| *is_current = false);
            }
            5 => {
                self.inbound.restore(packet_id);
                self.awaiting_pubrel.entry(packet_id).or_insert(false);
            }
            _ => {}
        }
        assert_eq!(self.inbound.in_flight_count(), self.in_flight());
    }

    fn publish(&mut self, qos: QoS, packet_id: PacketId) {
        let is_full = self.in_flight() >= usize::from(self.window);
        let known = self.awaiting_pubrel.get(&packet_id).filter(|_| qos == QoS::ExactlyOnce).copied();
        let expected = match known {
            Some(true) => Some(InboundStep::Duplicate),
            _ if is_full => None,
            Some(false) => Some(InboundStep::Duplicate),
            None => Some(InboundStep::Deliver),
        };
        assert_eq!(self.inbound.handle_publish(qos, packet_id).ok(), expected);
        if expected.is_some() && qos == QoS::ExactlyOnce {
            self.awaiting_pubrel.insert(packet_id, true);
        } else if expected.is_some() {
            self.unacknowledged += 1;
        }
    }
}

/// What one end sets the other resolves; and an end that sets what it likes.
struct Aliases {
    maximum: u16,
    outbound: OutboundAliases,
    peer: InboundAliases,
    inbound: InboundAliases,
    names: BTreeMap<u16, &'static str>,
}

impl Aliases {
    fn new(maximum: u8) -> Self {
        let maximum = u16::from(maximum);
        Self {
            maximum,
            outbound: OutboundAliases::new(maximum),
            peer: InboundAliases::new(maximum),
            inbound: InboundAliases::new(maximum),
            names: BTreeMap::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (operation, name, alias) = (input.below(3), input.pick(&TOPICS), u16::from(input.byte() % 8));
        match operation {
            0 => match self.outbound.next_use(&Arc::from(name)) {
                AliasUse::Name => {}
                AliasUse::Set(alias) => assert_eq!(self.peer.set(alias, name), Ok(())),
                AliasUse::Alias(alias) => assert_eq!(self.peer.resolve(alias).as_deref(), Ok(name)),
            },
            1 => {
                let is_allowed = self.inbound.set(alias, name).is_ok();
                assert_eq!(is_allowed, alias <= self.maximum);
                if is_allowed {
                    self.names.insert(alias, name);
                }
            }
            _ => {
                let expected = match self.names.get(&alias) {
                    Some(name) => Ok(*name),
                    None if alias > self.maximum => {
                        Err(AliasError::AboveMaximum { alias, maximum: self.maximum })
                    }
                    None => Err(AliasError::Unknown { alias }),
                };
                assert_eq!(self.inbound.resolve(alias).as_deref().map_err(|error| *error), expected);
            }
        }
    }
}

/// Deadlines of a few owners, which lie in a list that is searched for the first.
#[derive(Default)]
struct Deadlines {
    timers: Timers<u8>,
    armed: [Armed; 8],
    deadlines: [Option<u64>; 8],
    now_ms: u64,
}

impl Deadlines {
    fn step(&mut self, input: &mut Input<'_>) {
        let owner = input.byte() % 8;
        let at = usize::from(owner);
        match input.below(3) {
            0 => {
                let deadline_ms = self.now_ms + u64::from(input.byte());
                self.timers.arm(owner, &mut self.armed[at], deadline_ms);
                self.deadlines[at] = Some(deadline_ms);
            }
            1 => {
                self.timers.disarm(owner, &mut self.armed[at]);
                self.deadlines[at] = None;
            }
            _ => {
                self.now_ms += u64::from(input.byte());
                self.fire();
            }
        }
        self.check();
    }

    fn first(&self) -> Option<(u64, u8)> {
        (0..).zip(&self.deadlines).filter_map(|(owner, deadline)| Some(((*deadline)?, owner))).min()
    }

    fn fire(&mut self) {
        while let Some(owner) = self.timers.poll_due(self.now_ms) {
            assert_eq!(self.first().map(|(_, first)| first), Some(owner));
            Timers::<u8>::fired(&mut self.armed[usize::from(owner)]);
            self.deadlines[usize::from(owner)] = None;
        }
        assert!(self.first().is_none_or(|(deadline_ms, _)| deadline_ms > self.now_ms));
    }

    fn check(&self) {
        assert_eq!(self.timers.next_deadline_ms(), self.first().map(|(deadline_ms, _)| deadline_ms));
        assert_eq!(self.timers.len(), self.deadlines.iter().flatten().count());
        assert!(self.armed.iter().zip(&self.deadlines).all(|(armed, it)| armed.deadline_ms() == *it));
    }

    fn run_out(mut self) {
        self.now_ms += 256;
        self.fire();
        assert!(self.timers.is_empty());
    }
}
