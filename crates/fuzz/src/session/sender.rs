//! The sending end of QoS 1 and 2 beside a list of exchanges and a queue.

use std::collections::VecDeque;

use topicwire_codec::{PacketId, QoS};
use topicwire_session::{Outbound, PubrecStep, QueueLimits, Queued, Resend, Stage};

use super::{id, qos};
use crate::input::Input;

const LIMITS: QueueLimits = QueueLimits { messages: 6, bytes: 200 };

/// An open exchange, as the model keeps it: in the order of first sending.
#[derive(Debug)]
struct Exchange {
    packet_id: PacketId,
    /// None for a request, which has an identifier of the same set.
    stage: Option<Stage>,
    message: Option<u32>,
    /// It was sent on this connection and has not ended: it counts against the peer's Receive Maximum.
    is_counted: bool,
}

/// The sending end and its model.
pub(super) struct Sender {
    outbound: Outbound<u32>,
    exchanges: Vec<Exchange>,
    queue: VecDeque<(QoS, usize, u32)>,
    resend: VecDeque<PacketId>,
    window: u16,
    last_message: u32,
}

impl Sender {
    pub(super) fn new(window: u16) -> Self {
        Self {
            outbound: Outbound::new(window),
            exchanges: Vec::new(),
            queue: VecDeque::new(),
            resend: VecDeque::new(),
            window,
            last_message: 0,
        }
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        match input.below(18) {
            0 => self.begin(qos(input)),
            1 => self.enqueue(qos(input), usize::from(input.byte())),
            2 => self.send(),
            3 => self.send_again(),
            4 => {
                let packet_id = self.any_id(input);
                let expected = self.end(packet_id, |stage| stage == Some(Stage::AwaitPuback));
                assert_eq!(self.outbound.handle_puback(packet_id), expected.and_then(|it| it.message));
            }
            5 => self.pubrec(input),
            6 => {
                let packet_id = self.any_id(input);
                let expected = self.end(packet_id, |stage| stage == Some(Stage::AwaitPubcomp)).is_some();
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
            12 => self.give_up(input),
            13 => {
                let packet_id = self.outbound.open_request().expect("few exchanges are open");
                self.open(packet_id, None, None);
            }
            14 => {
                let packet_id = self.any_id(input);
                let expected = self.end(packet_id, |stage| stage.is_none()).is_some();
                assert_eq!(self.outbound.close_request(packet_id), expected);
            }
            15 => self.discard(),
            16 => {
                self.window = u16::from(input.byte() % 8) + 1;
                self.outbound.limit(self.window);
            }
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
        let stage = Stage::first(qos);
        self.open(packet_id, Some(stage), Some(message));
        assert!(self.counted() <= usize::from(self.window), "more is under way than the peer takes");
    }

    /// Notes an exchange under an identifier that was free; one with a message was sent.
    fn open(&mut self, packet_id: PacketId, stage: Option<Stage>, message: Option<u32>) {
        assert!(self.exchanges.iter().all(|it| it.packet_id != packet_id), "{packet_id:?} is in use");
        self.exchanges.push(Exchange { packet_id, stage, message, is_counted: message.is_some() });
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
                // Over, and its identifier perhaps that of a request by now.
                None | Some(Exchange { stage: None, .. }) => {}
                Some(Exchange { stage: Some(Stage::AwaitPubcomp), .. }) => {
                    self.resend.pop_front();
                    return Some(Resend::Pubrel { packet_id });
                }
                Some(_) if !has_quota => return None,
                Some(Exchange { stage, message: Some(message), is_counted, .. }) => {
                    self.resend.pop_front();
                    *is_counted = true;
                    let qos =
                        if *stage == Some(Stage::AwaitPubrec) { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
                    return Some(Resend::Publish { packet_id, qos, message: *message });
                }
                Some(_) => {}
            }
            self.resend.pop_front();
        }
        None
    }

    /// Takes the exchange out of the model where it is there at such a stage.
    fn end(&mut self, packet_id: PacketId, is_right: impl Fn(Option<Stage>) -> bool) -> Option<Exchange> {
        let at = self.exchanges.iter().position(|it| it.packet_id == packet_id && is_right(it.stage))?;
        Some(self.exchanges.remove(at))
    }

    fn pubrec(&mut self, input: &mut Input<'_>) {
        let (packet_id, is_error) = (self.any_id(input), input.flag());
        let exchange = self.exchanges.iter_mut().find(|exchange| exchange.packet_id == packet_id);
        let expected = match exchange {
            Some(exchange) if exchange.stage == Some(Stage::AwaitPubrec) && !is_error => {
                exchange.stage = Some(Stage::AwaitPubcomp);
                PubrecStep::SendPubrel(exchange.message.take())
            }
            Some(exchange) if exchange.stage == Some(Stage::AwaitPubcomp) => PubrecStep::SendPubrel(None),
            Some(exchange) if exchange.stage == Some(Stage::AwaitPubrec) => {
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
        let messages = self.exchanges.iter().filter(|exchange| exchange.stage.is_some());
        self.resend = messages.map(|exchange| exchange.packet_id).collect();
    }

    /// A PUBLISH that cannot be sent again: QoS 2 goes on with PUBREL, anything else is over.
    fn give_up(&mut self, input: &mut Input<'_>) {
        let packet_id = self.any_id(input);
        self.end(packet_id, |stage| stage != Some(Stage::AwaitPubrec));
        let exchange = self.exchanges.iter_mut().find(|exchange| exchange.packet_id == packet_id);
        assert_eq!(self.outbound.give_up_resend(packet_id), exchange.is_some());
        if let Some(exchange) = exchange {
            *exchange =
                Exchange { packet_id, stage: Some(Stage::AwaitPubcomp), message: None, is_counted: false };
        }
    }

    fn discard(&mut self) {
        let mut dropped = Vec::new();
        self.outbound.discard_exchanges(|packet_id, message| dropped.push((packet_id, message)));
        let exchanges = self.exchanges.drain(..).map(|exchange| (exchange.packet_id, exchange.message));
        assert!(dropped.into_iter().eq(exchanges));
        self.resend.clear();
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
                self.exchanges.push(Exchange { packet_id, stage: Some(stage), message, is_counted: false });
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
