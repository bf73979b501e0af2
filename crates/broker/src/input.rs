//! From bytes to packets: where chunks are cut, and where a peer's faults end up.

use std::sync::Arc;

use topicwire_codec::{
    Ack, DecodeError, Disconnect, Frame, Packet, PacketType, Publish, ReasonCode, Split, Version, split_frame,
};

use crate::bad_connect::is_cut_before_level;
use crate::broker::{Broker, ConnectionKey};
use crate::config::Limits;
use crate::connection::{AckEffect, Connection, Framing, Phase};
use crate::end::Ending;
use crate::event::Event;
use crate::fault::Fault;
use crate::hook::{Refusal, Token, Verdict};
use crate::recipient::Recipient;

const PINGRESP: [u8; 2] = [0xD0, 0x00];

/// What to do after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Read the next one.
    Next,
    /// A question has been asked: the packet stays and is read again with the answer.
    Hold,
    /// The store is behind: the packet stays and is read again when it has caught up.
    Stall,
    /// The connection is over.
    Stop,
}

/// What the host should know after a call that brought input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputStatus {
    /// The connection waits for an answer or for the store: stop reading from its transport until [`Broker::decide`] or
    /// [`Broker::poll_resumed`] says that it no longer does. What has been read is kept.
    pub is_held: bool,
}

impl Broker {
    /// Bytes have come from a transport. The slice is only read during the call.
    pub fn receive(&mut self, key: ConnectionKey, bytes: &[u8], now_ms: u64) -> InputStatus {
        let Some(connection) = self.connection_mut(key) else { return InputStatus::default() };
        if connection.phase == Phase::Over {
            return InputStatus::default();
        }
        self.metrics.bytes_received += bytes.len() as u64;
        let Some(connection) = self.connections.get_mut(key.index()) else { return InputStatus::default() };
        if let Framing::Payloads(topic_url) = &mut connection.framing {
            topic_url.write_publish(bytes, &mut connection.input);
            return self.continue_input(key, now_ms);
        }
        let mut rest = bytes;
        while let Some(connection) = self.connection_mut(key)
            && connection.phase != Phase::Over
        {
            if connection.is_held() {
                connection.input.extend_from_slice(rest);
                break;
            }
            if connection.input.is_empty() {
                let used = self.consume(key, rest, now_ms);
                self.keep_input(key, rest.get(used..).unwrap_or_default());
                break;
            }
            // Of a packet that has begun only what it lacks is copied: what follows is read where it is.
            let (lacking, after) = rest.split_at(connection.lacking_bytes().min(rest.len()));
            connection.input.extend_from_slice(lacking);
            rest = after;
            self.consume_kept(key, now_ms);
            if rest.is_empty() {
                break;
            }
        }
        self.settle_input(key, now_ms)
    }

    /// What follows the last whole packet of a chunk.
    fn keep_input(&mut self, key: ConnectionKey, rest: &[u8]) {
        if let Some(connection) = self.connection_mut(key)
            && connection.phase != Phase::Over
        {
            connection.input.extend_from_slice(rest);
        }
    }

    /// The host's answer to a question. Reading goes on where it stopped.
    pub fn decide(&mut self, key: ConnectionKey, token: Token, verdict: Verdict, now_ms: u64) -> InputStatus {
        if let Some(connection) = self.connection_mut(key) {
            connection.held.most_ahead = 0;
        }
        self.take_verdict(key, token, verdict, now_ms)
    }

    /// The same, and who asked for it: that is the caller's affair.
    pub(crate) fn take_verdict(
        &mut self,
        key: ConnectionKey,
        token: Token,
        verdict: Verdict,
        now_ms: u64,
    ) -> InputStatus {
        let Some(connection) = self.connection_mut(key) else { return InputStatus::default() };
        if connection.authentication.as_ref().is_some_and(|it| it.awaits(token)) {
            self.decide_authentication(key, verdict, now_ms);
            return self.settle_input(key, now_ms);
        }
        let is_of_connect = connection.phase == Phase::Authenticating;
        if !connection.held.answer(token, verdict) {
            return self.input_status(key);
        }
        if is_of_connect {
            self.resume_connect(key, now_ms);
        }
        self.continue_input(key, now_ms)
    }

    /// Reads what is kept of a connection's input.
    pub(crate) fn continue_input(&mut self, key: ConnectionKey, now_ms: u64) -> InputStatus {
        let Some(connection) = self.connection_mut(key) else { return InputStatus::default() };
        if !connection.is_held() {
            self.consume_kept(key, now_ms);
        }
        self.settle_input(key, now_ms)
    }

    /// Handles every whole packet that is kept.
    fn consume_kept(&mut self, key: ConnectionKey, now_ms: u64) {
        let Some(connection) = self.connection_mut(key) else { return };
        let (input, head) = connection.take_input();
        let used = self.consume(key, input.get(head..).unwrap_or_default(), now_ms);
        if let Some(connection) = self.connection_mut(key)
            && connection.phase != Phase::Over
        {
            connection.put_input(input, head + used);
        }
    }

    /// Counts what is kept of a connection's input. Where all connections together keep too much, those that keep
    /// more than a small share are cut off as they send more.
    /// Asked for by v3.1.1 [MQTT-4.8.0-2].
    fn settle_input(&mut self, key: ConnectionKey, now_ms: u64) -> InputStatus {
        let Some(connection) = self.connections.get_mut(key.index()) else { return InputStatus::default() };
        let kept_bytes = connection.kept_bytes() as u64;
        self.metrics.input_bytes += kept_bytes;
        self.metrics.input_bytes -= std::mem::replace(&mut connection.counted_input_bytes, kept_bytes);
        if kept_bytes > Limits::SCARCE_SHARE_BYTES
            && self.metrics.input_bytes > self.config.limits.maximum_buffered_bytes
        {
            let fault =
                Fault::new(ReasonCode::QuotaExceeded, "all connections keep more than maximumBufferedBytes");
            self.handle_fault(key, &[], &fault, now_ms);
        }
        self.input_status(key)
    }

    pub(crate) fn input_status(&self, key: ConnectionKey) -> InputStatus {
        let connection = self.connections.get(key.index());
        InputStatus { is_held: connection.is_some_and(Connection::is_held) }
    }

    /// Handles every whole packet at the start of `bytes`; returns how many bytes that were.
    fn consume(&mut self, key: ConnectionKey, bytes: &[u8], now_ms: u64) -> usize {
        let mut limit = self.longest_packet(key);
        let mut used = 0;
        let mut count = 0u64;
        let outcome = loop {
            let rest = bytes.get(used..).unwrap_or_default();
            match split_frame(rest, limit) {
                Ok(Split::Partial { .. }) => break Ok(()),
                Ok(Split::Frame(frame)) => {
                    let packet = packet_at(bytes, used, &frame);
                    match self.handle_frame(key, &frame, packet, now_ms) {
                        Ok(Flow::Next) => {
                            if limit < self.config.limits.maximum_packet_size_bytes {
                                limit = self.longest_packet(key);
                            }
                            used += frame.length;
                            count += 1;
                        }
                        Ok(Flow::Hold) => {
                            if frame.packet_type() == PacketType::Publish {
                                self.ask_ahead(key, rest.get(frame.length..).unwrap_or_default());
                            }
                            break Ok(());
                        }
                        Ok(Flow::Stall) => break Ok(()),
                        Ok(Flow::Stop) => {
                            count += 1;
                            used = bytes.len();
                            break Ok(());
                        }
                        Err(fault) => break Err((fault, packet)),
                    }
                }
                // Too large; heard to its protocol level, so that the answer does not hang on how the bytes were cut.
                Err(DecodeError::Limit(_)) if self.awaits_level(key, rest) => break Ok(()),
                Err(error) => break Err((Fault::from(error), rest)),
            }
        };
        self.metrics.packets_received += count;
        if count > 0
            && let Some(connection) = self.connection_mut(key)
        {
            connection.keep_alive.touch(now_ms);
        }
        if let Err((fault, packet)) = outcome {
            self.handle_fault(key, packet, &fault, now_ms);
            return bytes.len();
        }
        used
    }

    /// Whether these are the first bytes of a connection and of a CONNECT whose version they do not tell yet.
    fn awaits_level(&self, key: ConnectionKey, bytes: &[u8]) -> bool {
        let is_new = self.connections.get(key.index()).is_some_and(|it| it.phase == Phase::AwaitConnect);
        is_new && is_cut_before_level(bytes)
    }

    /// What a client may send at once: less before its CONNECT is accepted.
    pub(crate) fn longest_packet(&self, key: ConnectionKey) -> u32 {
        let limits = &self.config.limits;
        let is_accepted = self.connections.get(key.index()).is_some_and(|it| it.session.is_some());
        let most = if is_accepted { u32::MAX } else { limits.maximum_connect_packet_bytes };
        limits.maximum_packet_size_bytes.min(most)
    }

    /// One whole packet, if where the connection stands lets it be read: nothing comes before CONNECT.
    /// Asked for by v3.1.1 [MQTT-3.1.0-1].
    #[inline]
    fn handle_frame(
        &mut self,
        key: ConnectionKey,
        frame: &Frame<'_>,
        packet: &[u8],
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let Some(connection) = self.connections.get(key.index()) else { return Ok(Flow::Stop) };
        let version = connection.version;
        match connection.phase {
            Phase::AwaitStore if connection.authentication.is_some() => {
                self.handle_unaccepted(key, frame, now_ms)
            }
            Phase::Open | Phase::AwaitStore => match frame.packet_type() {
                // Looked at where it is: it is too large to be moved for nothing.
                PacketType::Publish => match &Publish::decode(frame, version) {
                    Ok(publish) => self.handle_publish(key, publish, packet, now_ms),
                    Err(error) => Err(Fault::from(*error)),
                },
                PacketType::Puback => self.handle_puback(key, &Ack::decode(frame, version)?, now_ms),
                PacketType::Pubrec => self.handle_pubrec(key, &Ack::decode(frame, version)?, now_ms),
                PacketType::Pubrel => self.handle_pubrel(key, &Ack::decode(frame, version)?, now_ms),
                PacketType::Pubcomp => self.handle_pubcomp(key, &Ack::decode(frame, version)?, now_ms),
                _ => self.handle_rare_packet(key, frame, version, now_ms),
            },
            Phase::AwaitConnect if frame.packet_type() == PacketType::Connect => {
                self.handle_connect(key, frame, packet, now_ms)
            }
            Phase::AwaitConnect => Err(Fault::protocol_error("the first packet is not CONNECT")),
            Phase::Authenticating => self.handle_unaccepted(key, frame, now_ms),
            Phase::Over => Ok(Flow::Stop),
        }
    }

    /// The packets that come seldom: all but PUBLISH and its acknowledgements.
    /// Asked for by v3.1.1 [MQTT-3.1.0-2], v3.1.1 [MQTT-3.12.4-1].
    fn handle_rare_packet(
        &mut self,
        key: ConnectionKey,
        frame: &Frame<'_>,
        version: Version,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        if frame.packet_type() == PacketType::Connect {
            // Whatever is in it [MQTT-3.1.0-2]; so there is no second CONNACK either [MQTT-3.2.0-2].
            return Err(Fault::protocol_error("a second CONNECT"));
        }
        match Packet::decode(frame, version)? {
            Packet::Subscribe(subscribe) => self.handle_subscribe(key, &subscribe, now_ms),
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(key, &unsubscribe, now_ms),
            Packet::Pingreq => {
                // [MQTT-3.12.4-1]. Not before CONNACK, and not kept by anything else that waits for the store.
                if self.connections.get(key.index()).is_some_and(|it| it.phase == Phase::AwaitStore) {
                    self.acknowledge(key, 0, AckEffect::None, now_ms, |_, out| {
                        out.extend_from_slice(&PINGRESP);
                    });
                } else {
                    self.send(key, |_, out| out.extend_from_slice(&PINGRESP));
                }
                Ok(Flow::Next)
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(key, &disconnect, now_ms),
            Packet::Auth(auth) => self.handle_auth(key, &auth, now_ms),
            _ => Err(Fault::protocol_error("a packet that only a server sends")),
        }
    }

    /// DISCONNECT: the client is leaving in good order [MQTT-3.14.4-1, 3.14.4-3].
    /// Asked for by v3.1.1 [MQTT-3.14.4-3].
    fn handle_disconnect(
        &mut self,
        key: ConnectionKey,
        disconnect: &Disconnect<'_>,
        now_ms: u64,
    ) -> Result<Flow, Fault> {
        let maximum = self.config.limits.session_expiry_interval_maximum_secs;
        if let Some(interval_secs) = disconnect.session_expiry_interval_secs {
            let Some(connection) = self.connection_mut(key) else { return Ok(Flow::Stop) };
            if connection.expiry_interval_at_connect_secs == 0 && interval_secs != 0 {
                return Err(Fault::protocol_error("DISCONNECT cannot keep a session that CONNECT did not"));
            }
            let session = connection.session;
            self.change_lifetime(session, interval_secs.min(maximum));
        }
        self.end_connection(key, Ending::ByPeer(disconnect.reason_code), now_ms);
        Ok(Flow::Stop)
    }

    /// A peer broke the protocol: tell it as far as its version allows, tell the host, and end the connection. `packet`
    /// is the one at fault, or what there is of it.
    /// Asked for by v3.1.1 [MQTT-4.8.0-1].
    fn handle_fault(&mut self, key: ConnectionKey, packet: &[u8], fault: &Fault, now_ms: u64) {
        let Some(connection) = self.connections.get(key.index()) else { return };
        self.metrics.protocol_errors += 1;
        let client_id = connection.session.and_then(|session| self.sessions.get(session.index()));
        let client_id = client_id.map(|session| Arc::clone(&session.client_id));
        match connection.phase {
            Phase::AwaitConnect => self.answer_bad_connect(key, packet, fault),
            // No DISCONNECT before CONNACK [MQTT-3.14.0-1].
            Phase::Authenticating => {
                self.send_refusal(key, &Refusal::from(fault.clone()).for_packet(PacketType::Connack));
            }
            Phase::AwaitStore | Phase::Open | Phase::Over => {}
        }
        self.events.push_back(Event::ProtocolError {
            connection: key,
            client_id,
            reason_code: fault.reason_code,
            detail: fault.detail.to_string(),
        });
        self.end_connection(key, Ending::by_server(fault.reason_code, &fault.detail), now_ms);
    }

    /// Writes a packet other than PUBLISH. One larger than the client accepts is left out [MQTT-3.1.2-24]; a
    /// client that makes us answer and never reads the answers is cut off.
    #[inline]
    pub(crate) fn send(&mut self, key: ConnectionKey, write: impl FnOnce(Recipient, &mut Vec<u8>)) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        if !connection.is_mqtt() {
            return;
        }
        let recipient = connection.recipient();
        let maximum = recipient.maximum_packet_size as usize;
        let written = self.outlet.append(connection, |out| {
            let before = out.len();
            write(recipient, out);
            if out.len() - before > maximum {
                out.truncate(before);
            }
            out.len() - before
        });
        self.metrics.packets_sent += u64::from(written > 0);
        connection.answered_bytes += written as u64;
        let most = self.config.limits.maximum_out_buffer_bytes;
        // A single message may be larger than all of that: for it alone nobody is cut off.
        let is_overrun =
            connection.answered_bytes > most && connection.out.len() as u64 > most.saturating_mul(2);
        if is_overrun && connection.phase != Phase::Over {
            self.outlet.overrun(key);
        }
    }

    /// Ends the connections that do not read what they make us answer. One that is not blocked is about to take it all:
    /// answers that have waited for the store come many at once, and nobody could read them before.
    pub(crate) fn end_overrun_connections(&mut self, now_ms: u64) {
        while let Some(key) = self.outlet.poll_overrun() {
            if !self.connections.get(key.index()).is_some_and(|connection| connection.is_blocked) {
                continue;
            }
            let reason = "answers are not read, and there is no room for more of them";
            self.end_connection(key, Ending::by_server(ReasonCode::QuotaExceeded, reason), now_ms);
        }
    }
}

/// The bytes of a frame with its fixed header.
#[inline]
fn packet_at<'a>(bytes: &'a [u8], at: usize, frame: &Frame<'_>) -> &'a [u8] {
    bytes.get(at..at + frame.length).unwrap_or_default()
}
