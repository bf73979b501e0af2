//! A publisher and a subscriber of a load under which clients come and go: what they hold of their sessions, and
//! which deliveries are right. No sockets here; those are in `churn.rs`.
//!
//! Every message has to arrive, once and in order. At QoS 1 one may arrive again, but only with a reason: the
//! subscriber has come back and the message is marked DUP, or the publisher has come back and sent it again. At
//! QoS 2 a PUBLISH under a packet id whose PUBREL has not come is the same message, and has to have the first of these
//! reasons; any other that was there before was doubled.

use crate::{ledger::Ledger, publisher::Publisher, stamp::Stamp, wire::Publish};
use std::{collections::VecDeque, ops::Range};

/// So many of the last resends of a publisher may still be on their way.
const RESENDS: usize = 16;

/// One pair.
#[derive(Debug)]
pub struct Pair {
    /// Its index, which is also its stream in the ledgers.
    pub index: usize,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The sessions outlive their connections.
    pub is_persistent: bool,
    /// The sending side.
    pub publisher: Publisher,
    /// Where it publishes.
    pub topic: String,
    /// QoS 2: packet ids that were received and not released.
    unreleased: Vec<u16>,
    /// QoS 1: what the publisher has sent again.
    resent: VecDeque<Range<u64>>,
    subscriber_came_back: bool,
}

/// What a delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message, for the ledger to judge.
    New(u64),
    /// One that had come before, with a reason.
    Again,
    /// Not as it was sent.
    Corrupt,
    /// Not for this subscriber, or not at this QoS.
    Misrouted,
}

impl Pair {
    /// A pair whose clients have not yet met the broker.
    #[must_use]
    pub fn new(index: usize, qos: u8, is_persistent: bool, topic: String, publisher: Publisher) -> Self {
        let (unreleased, resent) = (Vec::new(), VecDeque::new());
        Self { index, qos, is_persistent, publisher, topic, unreleased, resent, subscriber_came_back: false }
    }

    /// Judges a PUBLISH to the subscriber; `is_dup` is its DUP flag.
    pub fn receive(
        &mut self,
        publish: &Publish<'_>,
        is_dup: bool,
        payload_bytes: usize,
        ledger: &Ledger,
    ) -> Delivery {
        let Some(stamp) = Stamp::read(publish.payload, payload_bytes) else { return Delivery::Corrupt };
        let is_ours = stamp.publisher as usize == self.index && publish.topic == self.topic.as_bytes();
        if !is_ours || publish.qos != self.qos {
            return Delivery::Misrouted;
        }
        let sequence = stamp.sequence;
        if sequence >= self.publisher.published {
            return Delivery::Corrupt;
        }
        match self.qos {
            2 if !self.unreleased.contains(&publish.packet_id) => self.unreleased.push(publish.packet_id),
            2 if is_dup && self.subscriber_came_back => return Delivery::Again,
            1 if ledger.has(self.index, sequence) => {
                let is_redelivered = is_dup && self.subscriber_came_back;
                if is_redelivered || self.resent.iter().any(|range| range.contains(&sequence)) {
                    return Delivery::Again;
                }
            }
            _ => {}
        }
        Delivery::New(sequence)
    }

    /// PUBREL: the packet id may stand for another message.
    pub fn release(&mut self, packet_id: u16) {
        self.unreleased.retain(|&id| id != packet_id);
    }

    /// The subscriber is back. A clean session has forgotten everything.
    pub fn subscriber_is_back(&mut self) {
        self.subscriber_came_back = true;
        if !self.is_persistent {
            self.unreleased.clear();
        }
    }

    /// The publisher is back in its session: what was in flight is sent once more.
    pub fn publisher_is_back(&mut self, out: &mut Vec<u8>, sent_ns: u64) {
        let again = self.publisher.resend(out, sent_ns);
        if self.resent.len() == RESENDS {
            self.resent.pop_front();
        }
        self.resent.push_back(again);
    }

    /// Nothing is on its way between the two.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.publisher.outstanding == 0 && self.publisher.unacknowledged() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Template, Version, kind, split};

    /// A pair that has published `count` messages, and these as they would be delivered.
    fn pair(qos: u8, is_persistent: bool, count: usize) -> (Pair, Vec<Vec<u8>>) {
        let template = Template::new(Version::V311, "load/0", qos, 24);
        let publisher = Publisher::new(0, template, qos, 100);
        let mut pair = Pair::new(0, qos, is_persistent, "load/0".to_owned(), publisher);
        let packets = (0..count)
            .map(|_| {
                let mut packet = Vec::new();
                pair.publisher.publish(&mut packet, 0, 1);
                packet
            })
            .collect();
        (pair, packets)
    }

    fn receive(pair: &mut Pair, ledger: &mut Ledger, packet: &[u8], is_dup: bool) -> Delivery {
        let publish = Publish::read(Version::V311, split(packet).unwrap().unwrap()).unwrap();
        let delivery = pair.receive(&publish, is_dup, 24, ledger);
        if let Delivery::New(sequence) = delivery {
            ledger.record(0, sequence);
        }
        delivery
    }

    #[test]
    fn at_qos_1_a_message_may_come_again_only_with_a_reason() {
        let (mut pair, packets) = pair(1, true, 3);
        let mut ledger = Ledger::new(1);
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], false), Delivery::New(0));
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], true), Delivery::New(0), "nobody was away");
        pair.subscriber_is_back();
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], true), Delivery::Again);
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], false), Delivery::New(0), "without DUP");
        assert_eq!(receive(&mut pair, &mut ledger, &packets[1], true), Delivery::New(1), "the first to come");
        assert_eq!(ledger.close(|_| 2).doubled, 2);
    }

    #[test]
    fn at_qos_1_what_the_publisher_sent_again_may_come_again() {
        let (mut pair, packets) = pair(1, true, 3);
        let mut ledger = Ledger::new(1);
        for packet in &packets {
            receive(&mut pair, &mut ledger, packet, false);
        }
        pair.publisher.acknowledge(kind::PUBACK, 1).unwrap();
        pair.publisher_is_back(&mut Vec::new(), 0);
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], false), Delivery::New(0), "was acknowledged");
        assert_eq!(receive(&mut pair, &mut ledger, &packets[1], false), Delivery::Again);
        assert_eq!(receive(&mut pair, &mut ledger, &packets[2], false), Delivery::Again);
    }

    #[test]
    fn at_qos_2_only_an_unreleased_packet_id_stands_for_the_same_message() {
        let (mut pair, packets) = pair(2, true, 2);
        let mut ledger = Ledger::new(1);
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], false), Delivery::New(0));
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], true), Delivery::New(0), "nobody was away");
        pair.subscriber_is_back();
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], true), Delivery::Again);
        pair.release(1);
        pair.publisher_is_back(&mut Vec::new(), 0);
        assert_eq!(receive(&mut pair, &mut ledger, &packets[0], true), Delivery::New(0), "doubled");
        assert_eq!(ledger.close(|_| 1).doubled, 2);
    }

    #[test]
    fn what_is_spoiled_or_foreign_or_not_yet_sent_is_told_apart() {
        let (mut pair, mut packets) = pair(0, false, 1);
        let ledger = &mut Ledger::new(1);
        let mut other_topic = packets[0].clone();
        other_topic[9] = b'9';
        assert_eq!(receive(&mut pair, ledger, &other_topic, false), Delivery::Misrouted);
        let magic = packets[0].len() - 24;
        packets[0][magic] ^= 1;
        assert_eq!(receive(&mut pair, ledger, &packets[0], false), Delivery::Corrupt);
        let mut early = Vec::new();
        let stamp = Stamp { publisher: 0, sequence: 1, sent_ns: 0 };
        Template::new(Version::V311, "load/0", 0, 24).put(&mut early, 0, stamp);
        assert_eq!(receive(&mut pair, ledger, &early, false), Delivery::Corrupt);
    }
}
