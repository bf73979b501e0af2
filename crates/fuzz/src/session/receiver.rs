//! The receiving end of QoS 1 and 2 beside a list of identifiers.

use std::collections::BTreeMap;

use topicwire_codec::{PacketId, QoS};
use topicwire_session::{Inbound, InboundStep};

use super::{id, qos};
use crate::input::Input;

/// The receiving end and its model: the QoS 2 identifiers, each with whether its PUBLISH came on this connection.
pub(super) struct Receiver {
    inbound: Inbound,
    window: u16,
    unacknowledged: usize,
    awaiting_pubrel: BTreeMap<PacketId, bool>,
}

impl Receiver {
    pub(super) fn new(window: u16) -> Self {
        Self { inbound: Inbound::new(window), window, unacknowledged: 0, awaiting_pubrel: BTreeMap::new() }
    }

    fn in_flight(&self) -> usize {
        self.unacknowledged + self.awaiting_pubrel.values().filter(|is_current| **is_current).count()
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
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
