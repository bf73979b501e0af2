//! The client role, whatever its server sends and its application asks for.
//!
//! What is asserted: what leaves is what a client may send to that server; what events point to is there, and is what
//! they say; a command ends once; and none of this hangs on how the server's bytes were cut.

mod made;
mod server;

use std::collections::{HashSet, VecDeque};

use topicwire_codec::{
    Connect, Disconnect, Packet, PublishProperties, QoS, ReasonCode, Split, SubscribeFilter,
    SubscribeOptions, UserProperties, Version, Will, split_frame,
};
use topicwire_session::QueueLimits;
use topicwire_session::client::{
    AuthStep, Client, Closing, Config, DeliveryKey, Event, Message, Subscription, Ticket,
};

use crate::codec::VERSIONS;
use crate::input::Input;
use made::from_server;
use server::Server;

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const TOPICS: [&str; 4] = ["a", "a/longer/topic", "a/+", "$share/g/a"];
const METHOD: &str = "RIDDLE";

/// A client between its application and a server of any bytes, twice: as they come, and cut into pieces.
pub fn client_input(data: &[u8]) {
    let Some((piece, script)) = data.split_first() else { return };
    let whole = World::run(script, usize::MAX);
    let in_pieces = World::run(script, usize::from(piece % 8) + 1);
    assert_eq!(in_pieces, whole);
}

/// Everything around a client, and a transcript of what it says.
struct World {
    client: Client,
    now_ms: u64,
    piece: usize,
    transcript: Vec<String>,
    /// Of the connection at hand.
    out: Vec<u8>,
    is_closed: bool,
    server: Server,
    open: HashSet<Ticket>,
    deliveries: VecDeque<DeliveryKey>,
}

impl World {
    fn run(script: &[u8], piece: usize) -> Vec<String> {
        let mut input = Input::new(script);
        let choices = input.byte();
        let config = Config {
            queue: QueueLimits { messages: 4, bytes: 500 },
            maximum_out_buffer_bytes: 400,
            maximum_packet_size_bytes: 300,
            topic_alias_limit: 2,
            acknowledges_manually: choices & 1 != 0,
            sends_before_connack: choices & 2 != 0,
            ..Config::default()
        };
        let mut world = Self {
            client: Client::new(config),
            now_ms: 1_000_000,
            piece,
            transcript: Vec::new(),
            out: Vec::new(),
            is_closed: true,
            server: Server::default(),
            open: HashSet::new(),
            deliveries: VecDeque::new(),
        };
        while !input.is_empty() {
            world.step(&mut input);
            world.drain();
        }
        world.end()
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0 | 1 => self.connect(input),
            2 => self.close(),
            3 => {
                let length = usize::from(input.byte());
                let bytes = input.take(length);
                self.receive(bytes);
            }
            4..8 => {
                let bytes = from_server(input, self.client.version());
                self.receive(&bytes);
            }
            8 | 9 => self.publish(input),
            10 => self.subscribe(input),
            11 => self.acknowledge(input),
            12 => self.authenticate(input),
            13 => {
                let _ = self.client.ping(self.now_ms);
            }
            14 => self.disconnect(input),
            _ => self.wait(u64::from(input.word())),
        }
        self.hear(&[]);
    }

    fn connect(&mut self, input: &mut Input<'_>) {
        let version = input.pick(&VERSIONS);
        let mut connect = Connect::new(version, input.pick(&["one", "two", ""]));
        let choices = input.byte();
        connect.clean_start = choices & 1 != 0;
        connect.keep_alive_secs = input.pick(&[0, 10]);
        if choices & 2 != 0 {
            connect.will = Some(Will { topic_name: input.pick(&TOPICS), ..Will::default() });
        }
        if version.is_v5() {
            connect.properties.session_expiry_interval_secs = input.pick(&[None, Some(30), Some(u32::MAX)]);
            connect.properties.receive_maximum = input.pick(&[None, Some(1), Some(3)]);
            connect.properties.topic_alias_maximum = input.pick(&[None, Some(2)]);
            connect.properties.maximum_packet_size = input.pick(&[None, Some(100)]);
            connect.properties.authentication_method = input.pick(&[None, None, Some(METHOD)]);
        }
        if self.client.connect(&connect, self.now_ms).is_ok() {
            assert!(self.is_closed, "two connections at once");
            self.is_closed = false;
            self.out.clear();
            self.server = Server::default();
        }
    }

    fn close(&mut self) {
        self.drain();
        self.client.handle_closed(self.now_ms);
        self.hear(&[]);
        self.is_closed = true;
    }

    /// The server's bytes, in pieces; its words that bind the client are noted.
    fn receive(&mut self, bytes: &[u8]) {
        self.server.sends(bytes, self.client.version());
        for chunk in bytes.chunks(self.piece) {
            self.client.handle_input(chunk, self.now_ms);
            self.hear(chunk);
        }
    }

    fn publish(&mut self, input: &mut Input<'_>) {
        let payload = [b'x'; 150];
        let message = Message {
            topic_name: input.pick(&TOPICS),
            payload: &payload[..input.pick(&[0, 3, 150])],
            qos: input.pick(&QOS),
            retain: input.flag(),
            properties: PublishProperties {
                message_expiry_interval_secs: input.pick(&[None, None, Some(0), Some(5)]),
                ..PublishProperties::default()
            },
        };
        if let Ok(Some(ticket)) = self.client.publish(&message, self.now_ms) {
            assert!(self.open.insert(ticket), "a ticket came twice");
        }
    }

    fn subscribe(&mut self, input: &mut Input<'_>) {
        let filters: Vec<_> = (0..input.below(3))
            .map(|_| SubscribeFilter {
                topic_filter: input.pick(&TOPICS),
                options: SubscribeOptions::from_qos(input.pick(&QOS)),
            })
            .collect();
        let result = if input.flag() {
            let subscription = Subscription {
                filters: &filters,
                subscription_id: input.pick(&[None, Some(5)]),
                user_properties: UserProperties::default(),
            };
            self.client.subscribe(&subscription)
        } else {
            let topic_filters: Vec<_> = filters.iter().map(|filter| filter.topic_filter).collect();
            self.client.unsubscribe(&topic_filters, UserProperties::default())
        };
        if let Ok(ticket) = result {
            assert!(self.open.insert(ticket), "a ticket came twice");
        }
    }

    fn acknowledge(&mut self, input: &mut Input<'_>) {
        let code = input.pick(&[ReasonCode::Success, ReasonCode::Success, ReasonCode::UnspecifiedError]);
        // Not always the first, and now and then one that is gone.
        let at = input.below(self.deliveries.len().max(1));
        if let Some(delivery) = self.deliveries.get(at).copied() {
            let result = self.client.acknowledge(delivery, code, self.now_ms);
            if result.is_ok() {
                assert!(self.client.acknowledge(delivery, code, self.now_ms).is_err(), "acknowledged twice");
                self.deliveries.remove(at);
            }
        }
    }

    fn authenticate(&mut self, input: &mut Input<'_>) {
        let step = AuthStep { authentication_data: Some(b"answer"), ..AuthStep::default() };
        let _ = if input.flag() {
            self.client.authenticate(&step, self.now_ms)
        } else {
            self.client.reauthenticate(&step)
        };
    }

    fn disconnect(&mut self, input: &mut Input<'_>) {
        let codes = [ReasonCode::NORMAL_DISCONNECTION, ReasonCode::DisconnectWithWillMessage];
        let disconnect = Disconnect {
            session_expiry_interval_secs: input.pick(&[None, Some(0), Some(60)]),
            ..Disconnect::new(input.pick(&codes))
        };
        let _ = self.client.disconnect(&disconnect, self.now_ms);
    }

    fn wait(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.client.poll_timeout().filter(|it| *it <= end_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.client.handle_timeout(self.now_ms);
            self.hear(&[]);
            self.drain();
            let next_ms = self.client.poll_timeout();
            assert!(next_ms.is_none_or(|next_ms| next_ms > self.now_ms), "what was due is still due");
        }
        self.now_ms = end_ms;
    }

    /// Takes the events, with what they point to.
    fn hear(&mut self, chunk: &[u8]) {
        while let Some(event) = self.client.poll_event() {
            let packet = |span| self.client.packet(chunk, span).expect("an event points to a packet");
            let (line, ended) = match &event {
                Event::Connected { session_present, packet: span } => {
                    let Packet::Connack(connack) = packet(*span) else { unreachable!("no CONNACK") };
                    self.server.has_connack = true;
                    self.server.receive_maximum = connack.properties.receive_maximum;
                    self.server.maximum_packet_size = connack.properties.maximum_packet_size;
                    (format!("{session_present} {connack:?}"), None)
                }
                Event::Message(received) => {
                    let publish = self.client.publish_packet(chunk, received).expect("a message");
                    assert_eq!(self.client.bytes(chunk, received.payload), Some(publish.payload));
                    let is_named = !publish.topic_name.is_empty();
                    assert!(is_named && (publish.qos, publish.retain) == (received.qos, received.retain));
                    self.deliveries.extend(received.delivery);
                    (format!("{publish:?}"), None)
                }
                Event::Published { ticket, reason_code, packet: span } => {
                    (format!("{reason_code} {:?}", packet(*span)), Some(*ticket))
                }
                Event::Subscribed { ticket, packet: span } | Event::Unsubscribed { ticket, packet: span } => {
                    (format!("{:?}", packet(*span)), Some(*ticket))
                }
                Event::Abandoned { ticket, cause } => (format!("{cause:?}"), Some(*ticket)),
                Event::Authenticate { packet: span } | Event::Reauthenticated { packet: span } => {
                    (format!("{:?}", packet(*span)), None)
                }
                Event::Closed(closing) => (closed(closing), None),
                other => (format!("{other:?}"), None),
            };
            if let Some(ticket) = ended {
                assert!(self.open.remove(&ticket), "{ticket:?} ended twice, or never began: {line}");
            }
            self.transcript.push(line);
        }
    }

    /// Takes what the client writes, and looks at it.
    fn drain(&mut self) {
        let mut arena = [0; 64];
        while let Some(transmit) = self.client.poll_transmit(&mut arena, self.now_ms) {
            assert!(!self.is_closed || transmit.length == 0, "output without a connection");
            self.out.extend_from_slice(&arena[..transmit.length]);
        }
        self.hear(&[]);
        let out = std::mem::take(&mut self.out);
        let mut rest = out.as_slice();
        while let Split::Frame(frame) = split_frame(rest, u32::MAX).expect("a client's frame") {
            let packet = Packet::decode(&frame, self.client.version()).expect("a client's packet");
            self.server.takes(&packet, frame.length);
            self.transcript.push(format!("{packet:?}"));
            rest = &rest[frame.length..];
        }
        assert!(rest.is_empty(), "half a packet, and nothing more to send");
    }

    fn end(mut self) -> Vec<String> {
        self.close();
        // Who comes back with a new Session has nothing under way.
        let fresh = Connect { clean_start: true, ..Connect::new(Version::V5_0, "fresh") };
        self.client.connect(&fresh, self.now_ms).expect("there is no connection");
        self.hear(&[]);
        assert_eq!(self.client.inflight_count(), 0);
        assert!(self.open.len() >= self.client.queued_count(), "a queued message without a ticket");
        self.transcript
    }
}

/// A connection's end without its spans, which are not the same for the same bytes in pieces.
fn closed(closing: &Closing) -> String {
    match closing {
        Closing::Refused { reason_code, .. } => format!("refused {reason_code}"),
        Closing::ByServer { reason_code, .. } => format!("by server {reason_code}"),
        other => format!("{other:?}"),
    }
}
