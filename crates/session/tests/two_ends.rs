//! The sending and the receiving end of QoS 1 and 2, with cuts at any point between them.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_codec::{PacketId, QoS};
use topicwire_session::{Inbound, InboundStep, Outbound, PubrecStep, QueueLimits, Queued, Resend};

const LIMITS: QueueLimits = QueueLimits { messages: 10_000, bytes: usize::MAX };

#[derive(Clone, Debug)]
enum Forth {
    Publish(PacketId, QoS, u32),
    Pubrel(PacketId),
}

#[derive(Clone, Debug)]
enum Back {
    Puback(PacketId),
    Pubrec(PacketId),
    Pubcomp(PacketId),
}

/// A sender, a receiver, and the packets on their way in both directions.
struct Link {
    outbound: Outbound<u32>,
    inbound: Inbound,
    forth: VecDeque<Forth>,
    back: VecDeque<Back>,
    sent: Vec<u32>,
    received: Vec<(QoS, u32)>,
}

impl Link {
    fn new(window: u16) -> Self {
        Self {
            outbound: Outbound::new(window),
            inbound: Inbound::new(window),
            forth: VecDeque::new(),
            back: VecDeque::new(),
            sent: Vec::new(),
            received: Vec::new(),
        }
    }

    fn publish(&mut self, qos: QoS) {
        let message = u32::try_from(self.sent.len()).unwrap();
        self.sent.push(message);
        if self.outbound.is_clear() {
            let packet_id = self.outbound.begin(qos, message).unwrap();
            self.forth.push_back(Forth::Publish(packet_id, qos, message));
        } else {
            self.outbound.enqueue(Queued { qos, bytes: 1, message }, &LIMITS).unwrap();
            self.pump();
        }
    }

    fn pump(&mut self) {
        while let Some(resend) = self.outbound.poll_resend() {
            self.forth.push_back(match resend {
                Resend::Publish { packet_id, qos, message } => Forth::Publish(packet_id, qos, message),
                Resend::Pubrel { packet_id } => Forth::Pubrel(packet_id),
            });
        }
        while let Some((packet_id, Queued { qos, message, .. })) = self.outbound.poll_send() {
            self.forth.push_back(Forth::Publish(packet_id, qos, message));
        }
    }

    /// One packet arrives at the receiver. The window is the receiver's, and the sender must keep to it.
    fn arrive_forth(&mut self) -> bool {
        match self.forth.pop_front() {
            None => return false,
            Some(Forth::Pubrel(packet_id)) => {
                self.inbound.release(packet_id);
                self.back.push_back(Back::Pubcomp(packet_id));
            }
            Some(Forth::Publish(packet_id, qos, message)) => {
                let step =
                    self.inbound.handle_publish(qos, packet_id).expect("the sender keeps to the window");
                if step == InboundStep::Deliver {
                    self.received.push((qos, message));
                }
                if qos == QoS::AtLeastOnce {
                    self.inbound.acknowledged();
                    self.back.push_back(Back::Puback(packet_id));
                } else {
                    self.back.push_back(Back::Pubrec(packet_id));
                }
            }
        }
        true
    }

    fn arrive_back(&mut self) -> bool {
        match self.back.pop_front() {
            None => return false,
            Some(Back::Puback(packet_id)) => {
                self.outbound.handle_puback(packet_id);
            }
            Some(Back::Pubcomp(packet_id)) => {
                self.outbound.handle_pubcomp(packet_id);
            }
            Some(Back::Pubrec(packet_id)) => match self.outbound.handle_pubrec(packet_id, false) {
                PubrecStep::SendPubrel(_) | PubrecStep::Unknown => {
                    self.forth.push_back(Forth::Pubrel(packet_id));
                }
                PubrecStep::Refused(_) => unreachable!("nobody refuses here"),
            },
        }
        self.pump();
        true
    }

    /// What is on its way is lost, and a new connection begins.
    fn cut(&mut self, window: u16) {
        self.forth.clear();
        self.back.clear();
        self.inbound.resume(window);
        self.outbound.resume(window);
        self.pump();
    }
}

proptest! {
    #[test]
    fn every_message_arrives_in_order_and_qos_2_only_once(
        steps in vec((0u8..20, 1u16..6), 1..600),
        window in 1u16..6,
    ) {
        let mut link = Link::new(window);
        for (step, new_window) in steps {
            match step {
                0..4 => link.publish(QoS::AtLeastOnce),
                4..8 => link.publish(QoS::ExactlyOnce),
                8..13 => {
                    link.arrive_forth();
                }
                13..19 => {
                    link.arrive_back();
                }
                _ => link.cut(new_window),
            }
        }
        while link.arrive_forth() | link.arrive_back() {}
        let mut first = Vec::new();
        for (qos, message) in &link.received {
            if first.contains(message) {
                prop_assert_eq!(*qos, QoS::AtLeastOnce);
            } else {
                first.push(*message);
            }
        }
        prop_assert_eq!(first, link.sent);
        prop_assert_eq!(link.outbound.inflight_count(), 0);
        prop_assert_eq!(link.outbound.queued_count(), 0);
        prop_assert_eq!(link.inbound.in_flight_count(), 0);
    }
}
