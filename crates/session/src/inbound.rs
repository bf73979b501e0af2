//! The receiving end of QoS 1 and 2: who has been acknowledged, and what must not be taken twice.
//!
//! A QoS 2 message is passed on with its first PUBLISH; its packet identifier is remembered until PUBREL
//! [MQTT-4.3.3-10], so that a repeated PUBLISH is acknowledged and not passed on again [MQTT-4.3.3-12]. Of QoS 1
//! nothing is remembered: after PUBACK each PUBLISH is a new message [MQTT-4.3.2-5].

use thiserror::Error;
use topicwire_codec::{PacketId, QoS};

use crate::unreleased::Unreleased;

/// The peer has sent more unacknowledged PUBLISHes than it was told it may [MQTT-3.3.4-7, 3.3.4-8].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("more than {receive_maximum} PUBLISH packets are unacknowledged")]
pub struct ReceiveMaximumExceeded {
    /// The Receive Maximum that was announced.
    pub receive_maximum: u16,
}

/// What to do with a received PUBLISH of QoS 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundStep {
    /// New: pass it on, then acknowledge.
    Deliver,
    /// A QoS 2 message that was passed on before: only acknowledge.
    Duplicate,
}

/// The state of the receiving end. The QoS 2 identifiers outlive the Network Connection.
/// Asked for by v3.1.1 [MQTT-4.3.2-2], v3.1.1 [MQTT-4.3.3-2].
#[derive(Debug, Default)]
pub struct Inbound {
    receive_maximum: u16,
    /// QoS 1 messages taken and not acknowledged yet (a store or a hook has not answered).
    unacknowledged_count: u16,
    /// The quota is the connection's, not the Session's [MQTT-4.9.0-1]: of each it is known whether its PUBLISH has
    /// come on this one.
    awaiting_pubrel: Unreleased,
}

impl Inbound {
    /// `receive_maximum`: how many unacknowledged PUBLISHes the peer may have; `u16::MAX` for a peer that
    /// cannot be told (3.x), whose 65,535 packet identifiers are the bound.
    #[must_use]
    pub fn new(receive_maximum: u16) -> Self {
        Self { receive_maximum, ..Self::default() }
    }

    /// A new Network Connection resumes the Session: QoS 1 starts anew, QoS 2 goes on.
    pub fn resume(&mut self, receive_maximum: u16) {
        self.receive_maximum = receive_maximum;
        self.unacknowledged_count = 0;
        self.awaiting_pubrel.resume();
    }

    /// A PUBLISH with this identifier has arrived.
    ///
    /// # Errors
    /// [`ReceiveMaximumExceeded`] where the peer overruns its window.
    #[inline]
    pub fn handle_publish(
        &mut self,
        qos: QoS,
        packet_id: PacketId,
    ) -> Result<InboundStep, ReceiveMaximumExceeded> {
        let is_qos_2 = qos == QoS::ExactlyOnce;
        if is_qos_2 && self.awaiting_pubrel.is_current(packet_id) {
            return Ok(InboundStep::Duplicate);
        }
        if self.in_flight_count() >= usize::from(self.receive_maximum) {
            return Err(ReceiveMaximumExceeded { receive_maximum: self.receive_maximum });
        }
        if is_qos_2 && self.awaiting_pubrel.insert_current(packet_id) {
            // It was passed on before the connection was lost, and is sent again for want of PUBREC.
            return Ok(InboundStep::Duplicate);
        }
        if qos == QoS::AtLeastOnce {
            self.unacknowledged_count = self.unacknowledged_count.saturating_add(1);
        }
        Ok(InboundStep::Deliver)
    }

    /// PUBACK has been sent.
    #[inline]
    pub fn acknowledged(&mut self) {
        self.unacknowledged_count = self.unacknowledged_count.saturating_sub(1);
    }

    /// PUBREL has arrived, or PUBREC was sent with an error: the identifier is free again. False where it was
    /// not in use (answered with Packet Identifier not found).
    #[inline]
    pub fn release(&mut self, packet_id: PacketId) -> bool {
        self.awaiting_pubrel.remove(packet_id)
    }

    /// Puts an identifier back that a store has kept.
    pub fn restore(&mut self, packet_id: PacketId) {
        self.awaiting_pubrel.insert(packet_id);
    }

    /// The identifiers of QoS 2 messages that await PUBREL, in no order.
    pub fn awaiting_pubrel(&self) -> impl Iterator<Item = PacketId> {
        self.awaiting_pubrel.iter()
    }

    /// PUBLISHes that count against the Receive Maximum.
    #[inline]
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        usize::from(self.unacknowledged_count) + self.awaiting_pubrel.current_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    #[test]
    fn a_repeated_qos_2_publish_is_not_passed_on_until_pubrel() {
        let mut inbound = Inbound::new(10);
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(1)), Ok(InboundStep::Deliver));
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(1)), Ok(InboundStep::Duplicate));
        assert!(inbound.release(id(1)));
        assert!(!inbound.release(id(1)));
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(1)), Ok(InboundStep::Deliver));
    }

    #[test]
    fn qos_2_identifiers_survive_a_new_connection_and_qos_1_counts_do_not() {
        let mut inbound = Inbound::new(10);
        inbound.handle_publish(QoS::ExactlyOnce, id(1)).unwrap();
        inbound.handle_publish(QoS::AtLeastOnce, id(2)).unwrap();
        inbound.resume(10);
        assert_eq!(inbound.in_flight_count(), 0);
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(1)), Ok(InboundStep::Duplicate));
        assert_eq!(inbound.in_flight_count(), 1);
    }

    #[test]
    fn identifiers_of_an_earlier_connection_take_nothing_from_the_window() {
        let mut inbound = Inbound::new(2);
        inbound.handle_publish(QoS::ExactlyOnce, id(1)).unwrap();
        inbound.handle_publish(QoS::ExactlyOnce, id(2)).unwrap();
        inbound.resume(2);
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(3)), Ok(InboundStep::Deliver));
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(1)), Ok(InboundStep::Duplicate));
        assert!(inbound.handle_publish(QoS::ExactlyOnce, id(2)).is_err());
        assert!(inbound.release(id(3)));
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(2)), Ok(InboundStep::Duplicate));
        assert!(inbound.release(id(1)) && inbound.release(id(2)));
        assert_eq!(inbound.in_flight_count(), 0);
    }

    #[test]
    fn the_window_is_kept() {
        let mut inbound = Inbound::new(1);
        inbound.handle_publish(QoS::AtLeastOnce, id(1)).unwrap();
        assert_eq!(
            inbound.handle_publish(QoS::AtLeastOnce, id(2)),
            Err(ReceiveMaximumExceeded { receive_maximum: 1 })
        );
        inbound.acknowledged();
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(2)), Ok(InboundStep::Deliver));
        assert_eq!(inbound.handle_publish(QoS::ExactlyOnce, id(2)), Ok(InboundStep::Duplicate));
        assert!(inbound.handle_publish(QoS::AtLeastOnce, id(3)).is_err());
    }
}
