//! The Client's end of a conversation, whole: what a connection, a Session and an application need of the protocol, in
//! 3.1, 3.1.1 and 5.0, without a socket and without a clock.
//!
//! Calling order. [`Client::connect`] when a transport has been opened; [`Client::handle_input`] for each chunk that it
//! brings, [`Client::handle_timeout`] at or after [`Client::poll_timeout`], [`Client::handle_closed`] once when the
//! transport is gone; then `connect` again for the next one. Commands ([`Client::publish`], [`Client::subscribe`],
//! [`Client::unsubscribe`], [`Client::acknowledge`], [`Client::authenticate`], [`Client::reauthenticate`],
//! [`Client::ping`], [`Client::withdraw`], [`Client::disconnect`]) at any time; one that cannot be carried out says so and changes nothing.
//! After any of these: [`Client::poll_event`] until it has nothing, and before the next `handle_input`, since events
//! point into what was read; and [`Client::poll_transmit`] until it has nothing.
//!
//! Where things are: `connect.rs` and `connack.rs` begin a connection and `end.rs` ends it; `input.rs` takes packets
//! off the stream; `publish.rs` and `acknowledge.rs` send messages, `receive.rs` takes them in; `subscribe.rs`,
//! `auth.rs` and `transmit.rs` do what they say. What a connection forgets is in `link.rs`, what it leaves behind in
//! `session.rs`; what of that a store keeps, and what waits for the store, in `keep.rs` and `journal.rs`.

use std::collections::VecDeque;

use topicwire_codec::{Packet, PacketId, Publish, QoS, Split, Version, split_frame};

mod acknowledge;
mod auth;
mod config;
mod connack;
mod connect;
mod end;
mod event;
mod fault;
mod input;
mod journal;
mod keep;
mod link;
mod misuse;
mod publish;
mod receive;
mod session;
mod span;
mod stored;
mod subscribe;
mod transmit;

pub use auth::AuthStep;
pub use config::Config;
pub use connect::websocket_subprotocol;
pub use event::{Abandonment, Closing, DeliveryKey, Event, Received, Ticket};
pub use journal::{ChangesWork, ClientChange, ClientChanges};
pub use link::ServerLimits;
pub use misuse::Misuse;
pub use publish::Message;
pub use span::Span;
pub use stored::Stored;
pub use subscribe::Subscription;
pub use transmit::Transmit;

use journal::Journal;
use link::{Link, Phase};
use session::Session;
use span::Carry;
use transmit::Out;

/// The sans-IO client. See the module for the calling order.
///
/// The same calls give the same results. Time is in milliseconds and must not go backwards.
#[derive(Debug)]
pub struct Client {
    config: Config,
    session: Session,
    link: Link,
    carry: Carry,
    out: Out,
    events: VecDeque<Event>,
    /// A buffer that is used again by each message.
    scratch: Vec<u8>,
    last_ticket: u64,
    last_delivery: u64,
    /// Tickets up to this one are of an earlier process.
    restored_tickets: u64,
    /// None without a store.
    journal: Option<Box<Journal>>,
}

impl Client {
    /// A client without a connection and without a Session.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            session: Session::default(),
            link: Link::idle(),
            carry: Carry::default(),
            out: Out::default(),
            events: VecDeque::new(),
            scratch: Vec::new(),
            last_ticket: 0,
            last_delivery: 0,
            restored_tickets: 0,
            journal: None,
        }
    }

    /// The next piece of news.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`Client::poll_event`] has something.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// From now on messages are acknowledged by the application, or are not:
    /// [`Config::acknowledges_manually`]. Only between connections; false, and nothing done, otherwise.
    pub fn acknowledge_manually(&mut self, is_manual: bool) -> bool {
        if self.link.phase != Phase::Idle {
            return false;
        }
        if !is_manual {
            // They were handed over, and are acknowledged when they come again.
            self.session.undecided.clear();
        }
        self.config.acknowledges_manually = is_manual;
        true
    }

    /// Whether the server has accepted the connection and it has not ended.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.phase == Phase::Open
    }

    /// The version of the connection, or of the last one.
    #[must_use]
    pub fn version(&self) -> Version {
        self.link.version
    }

    /// What the server of the connection takes; what the standard assumes, before CONNACK.
    #[must_use]
    pub fn server_limits(&self) -> &ServerLimits {
        &self.link.server
    }

    /// The Keep Alive in use, in seconds: the server's where it has one [MQTT-3.2.2-21].
    #[must_use]
    pub fn keep_alive_secs(&self) -> u16 {
        self.link.keep_alive_secs
    }

    /// Messages that wait to be sent for the first time.
    #[must_use]
    pub fn queued_count(&self) -> usize {
        self.session.outbound.queued_count()
    }

    /// Messages, SUBSCRIBEs and UNSUBSCRIBEs that are under way.
    #[must_use]
    pub fn inflight_count(&self) -> usize {
        self.session.outbound.inflight_count()
    }

    /// The carried bytes that spans may point into.
    #[must_use]
    pub fn carried(&self) -> &[u8] {
        &self.carry.bytes
    }

    /// The bytes of a span. `chunk` is what the last [`Client::handle_input`] was given; none once there has been
    /// another call of it.
    #[must_use]
    pub fn bytes<'a>(&'a self, chunk: &'a [u8], span: Span) -> Option<&'a [u8]> {
        self.carry.view(chunk, span)
    }

    /// The packet of an event, decoded anew. `chunk` as in [`Client::bytes`].
    #[must_use]
    pub fn packet<'a>(&'a self, chunk: &'a [u8], packet: Span) -> Option<Packet<'a>> {
        match split_frame(self.bytes(chunk, packet)?, u32::MAX) {
            Ok(Split::Frame(frame)) => Packet::decode(&frame, self.link.version).ok(),
            _ => None,
        }
    }

    /// A received message, decoded anew, under its Topic Name also where the packet has an alias alone. `chunk` as in
    /// [`Client::bytes`].
    #[must_use]
    pub fn publish_packet<'a>(&'a self, chunk: &'a [u8], received: &'a Received) -> Option<Publish<'a>> {
        match self.packet(chunk, received.packet)? {
            Packet::Publish(publish) => {
                let topic_name = received.alias_of.as_deref().unwrap_or(publish.topic_name);
                Some(Publish { topic_name, ..publish })
            }
            _ => None,
        }
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    fn next_delivery(&mut self, qos: QoS, packet_id: PacketId) -> DeliveryKey {
        self.last_delivery += 1;
        DeliveryKey::new(self.last_delivery, qos, packet_id)
    }
}
