//! From bytes to packets: where chunks are cut, which packet may come when, and where the server's faults end up.

use topicwire_codec::{
    Ack, Disconnect, Frame, Packet, PacketType, Publish, ReasonCode, Split, UserProperties, split_frame,
};

use super::Client;
use super::event::{Closing, Event};
use super::fault::Fault;
use super::link::Phase;
use super::span::Span;

impl Client {
    /// Bytes have come from the transport. Any bytes may: what is not MQTT ends the connection. The slice is only read
    /// during the call, and events that come of it point into it.
    pub fn handle_input(&mut self, bytes: &[u8], now_ms: u64) {
        self.carry.begin();
        let mut at = 0;
        if !self.carry.bytes.is_empty() && self.link.is_live() {
            at = self.complete_carried(bytes, now_ms);
        }
        while self.link.is_live() {
            match split_frame(bytes.get(at..).unwrap_or_default(), self.link.maximum_packet_size) {
                Ok(Split::Partial { .. }) => {
                    self.carry.bytes.extend_from_slice(bytes.get(at..).unwrap_or_default());
                    return;
                }
                Ok(Split::Frame(frame)) => {
                    let packet = self.span(false, at, frame.length);
                    at += frame.length;
                    self.settle(|client| client.handle_frame(&frame, packet, now_ms), now_ms);
                }
                Err(error) => self.fail(error.into(), now_ms),
            }
        }
    }

    /// Completes the packet that earlier chunks began and handles it; returns how much of the chunk that took.
    fn complete_carried(&mut self, bytes: &[u8], now_ms: u64) -> usize {
        let mut carried = std::mem::take(&mut self.carry.bytes);
        let mut used = 0;
        loop {
            match split_frame(&carried, self.link.maximum_packet_size) {
                Ok(Split::Partial { needed }) => {
                    let rest = bytes.get(used..).unwrap_or_default();
                    let taken = rest.get(..needed).unwrap_or(rest);
                    if taken.is_empty() {
                        break;
                    }
                    used += taken.len();
                    carried.extend_from_slice(taken);
                }
                Ok(Split::Frame(frame)) => {
                    self.carry.used = frame.length;
                    let packet = self.span(true, 0, frame.length);
                    self.settle(|client| client.handle_frame(&frame, packet, now_ms), now_ms);
                    break;
                }
                Err(error) => {
                    self.fail(error.into(), now_ms);
                    break;
                }
            }
        }
        self.carry.bytes = carried;
        used
    }

    fn span(&self, is_carried: bool, start: usize, length: usize) -> Span {
        Span { input: self.carry.input, is_carried, start, length }
    }

    /// Does something that may turn out to be the server's fault.
    pub(super) fn settle(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Fault>, now_ms: u64) {
        if let Err(fault) = step(self) {
            self.fail(fault, now_ms);
        }
    }

    #[inline]
    fn handle_frame(&mut self, frame: &Frame<'_>, packet: Span, now_ms: u64) -> Result<(), Fault> {
        let version = self.link.version;
        match (self.link.phase, frame.packet_type()) {
            (Phase::Open, PacketType::Publish) => {
                self.handle_publish(frame, &Publish::decode(frame, version)?, packet)
            }
            (
                Phase::Open,
                PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp,
            ) => {
                let ack = Ack::decode(frame, version)?;
                self.check_problem_information(ack.reason_string, ack.user_properties)?;
                match frame.packet_type() {
                    PacketType::Puback => self.handle_puback(&ack, packet, now_ms),
                    PacketType::Pubrec => self.handle_pubrec(&ack, packet, now_ms),
                    PacketType::Pubrel => self.handle_pubrel(&ack),
                    _ => self.handle_pubcomp(&ack, packet, now_ms),
                }
            }
            _ => self.handle_rare_packet(Packet::decode(frame, version)?, packet, now_ms),
        }
    }

    fn handle_rare_packet(&mut self, decoded: Packet<'_>, packet: Span, now_ms: u64) -> Result<(), Fault> {
        match (self.link.phase, decoded) {
            (Phase::Connecting, Packet::Connack(connack)) => self.handle_connack(&connack, packet, now_ms),
            (_, Packet::Connack(_)) => Err(Fault::protocol_error("a second CONNACK")),
            (_, Packet::Auth(auth)) => self.handle_auth(&auth, packet),
            (phase, Packet::Disconnect(disconnect)) => {
                self.handle_disconnect(phase, &disconnect, packet, now_ms);
                Ok(())
            }
            (Phase::Open, Packet::Suback(suback)) => {
                self.check_problem_information(suback.reason_string, suback.user_properties)?;
                self.handle_suback(&suback, packet)
            }
            (Phase::Open, Packet::Unsuback(unsuback)) => {
                self.check_problem_information(unsuback.reason_string, unsuback.user_properties)?;
                self.handle_unsuback(&unsuback, packet)
            }
            (Phase::Open, Packet::Pingresp) => {
                self.link.pingresp_deadline_ms = None;
                self.events.push_back(Event::Pong);
                Ok(())
            }
            (_, Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::Pingreq) => {
                Err(Fault::protocol_error("a packet that only a client sends"))
            }
            _ => Err(Fault::protocol_error("a packet before CONNACK")),
        }
    }

    /// DISCONNECT: nothing may be answered to it, whatever is wrong with it.
    fn handle_disconnect(&mut self, phase: Phase, disconnect: &Disconnect<'_>, packet: Span, now_ms: u64) {
        let reason_code = disconnect.reason_code;
        let fault = if !self.link.version.is_v5() {
            Some("DISCONNECT from a server before 5.0")
        } else if phase == Phase::Connecting {
            Some("DISCONNECT before CONNACK")
        } else if disconnect.session_expiry_interval_secs.is_some() {
            Some("DISCONNECT from a server with a Session Expiry Interval")
        } else if reason_code == ReasonCode::DisconnectWithWillMessage {
            Some("DISCONNECT from a server with a client's Reason Code")
        } else {
            None
        };
        let closing = match fault {
            Some(detail) => {
                let reason_code = ReasonCode::ProtocolError;
                Closing::Fault { reason_code, detail: detail.into() }
            }
            None => Closing::ByServer { reason_code, packet },
        };
        self.end(closing, now_ms);
    }

    /// Reason Strings and User Properties are welcome unless CONNECT said otherwise [MQTT-3.1.2-29].
    pub(super) fn check_problem_information(
        &self,
        reason_string: Option<&str>,
        user_properties: UserProperties<'_>,
    ) -> Result<(), Fault> {
        if !self.link.takes_problem_information && (reason_string.is_some() || !user_properties.is_empty()) {
            return Err(Fault::protocol_error("problem information that CONNECT did not want"));
        }
        Ok(())
    }
}
