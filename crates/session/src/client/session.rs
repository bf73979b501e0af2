//! The Client's Session State: what is kept from one Network Connection to the next [MQTT-3.1.2-23],
//! v3.1.1 [MQTT-3.1.2-4], v3.1.1 [MQTT-4.1.0-1].

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use topicwire_codec::{PacketId, ReasonCode};

use super::Client;
use super::event::{Abandonment, DeliveryKey, Event, Ticket};
use super::stored::Stored;
use crate::inbound::Inbound;
use crate::lifetime::Lifetime;
use crate::outbound::Outbound;

/// The Session State, and the queue of what was never sent, which is not part of it and outlives it.
#[derive(Debug)]
pub(super) struct Session {
    /// Whose Session it is [MQTT-3.1.3-2]; none where there is none.
    pub(super) client_id: Option<Box<str>>,
    pub(super) lifetime: Lifetime,
    /// When it ends; known while there is no connection.
    pub(super) expires_at_ms: Option<u64>,
    pub(super) outbound: Outbound<Arc<Stored>>,
    /// QoS 2 messages past PUBREC, whose content is no longer needed.
    pub(super) released: HashMap<PacketId, (Ticket, ReasonCode), FixedState>,
    pub(super) inbound: Inbound,
    /// QoS 2 messages that the application has been given and whose PUBREC has not been sent, with what it decided
    /// as soon as it has.
    pub(super) undecided: HashMap<PacketId, (DeliveryKey, Option<ReasonCode>), FixedState>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            client_id: None,
            lifetime: Lifetime::Connection,
            expires_at_ms: None,
            outbound: Outbound::new(u16::MAX),
            released: HashMap::default(),
            inbound: Inbound::new(u16::MAX),
            undecided: HashMap::default(),
        }
    }
}

impl Session {
    /// Whether the Session has ended by now, on this side.
    pub(super) fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|expires_at_ms| expires_at_ms <= now_ms)
    }
}

impl Client {
    /// The Client Identifier of the Session that is kept, or that the connection at hand goes on with. None where there
    /// is no Session State: a server that claims to have some is then not believed [MQTT-3.2.2-4].
    #[must_use]
    pub fn session_client_id(&self) -> Option<&str> {
        self.session.client_id.as_deref()
    }

    /// There is a Session of that name at the server, and nothing was under way in it: what a program knows that has
    /// been started again. Without it a server that says Session Present is not believed [MQTT-3.2.2-4]. Only between
    /// connections, and only where no Session is kept; false otherwise.
    pub fn restore_session(&mut self, client_id: &str) -> bool {
        if self.link.is_live() || self.session.client_id.is_some() {
            return false;
        }
        self.session.client_id = Some(Box::from(client_id));
        // How long it lasts is the server's knowledge until it has said so.
        self.session.lifetime = Lifetime::Forever;
        true
    }

    /// CONNECT is out and CONNACK never came: the server may have begun a Session, and what it has of it is what we have.
    /// Not so in 5.0 without a clean start, where it may have had one before.
    pub(super) fn adopt_session(&mut self) {
        let Self { session, link, .. } = self;
        let lifetime = Lifetime::from_interval_secs(link.requested_expiry_secs);
        let is_certain = link.clean_start || !link.version.is_v5();
        if session.client_id.is_none()
            && is_certain
            && lifetime.outlives_connection()
            && !link.client_id.is_empty()
        {
            session.client_id = Some(link.client_id.clone());
            session.lifetime = lifetime;
        }
    }

    /// The Session State is gone: what was under way comes to nothing.
    pub(super) fn discard_session(&mut self) {
        let Self { session, events, config, journal, .. } = self;
        if config.resends_lost {
            session.outbound.take_back_qos_1(|packet_id, message| {
                if let Some(journal) = journal {
                    journal.delete_exchange(packet_id, message.ticket.0);
                }
                message.bytes()
            });
        }
        session.client_id = None;
        session.lifetime = Lifetime::Connection;
        session.expires_at_ms = None;
        let Session { outbound, released, .. } = session;
        outbound.discard_exchanges(|packet_id, message| {
            let ticket = match message {
                Some(message) => Some(message.ticket),
                None => released.remove(&packet_id).map(|(ticket, _)| ticket),
            };
            if let Some(ticket) = ticket {
                if let Some(journal) = journal {
                    journal.delete_message(ticket.0, Some(packet_id));
                }
                events.push_back(Event::Abandoned { ticket, cause: Abandonment::SessionEnded });
            }
        });
        session.released.clear();
        self.discard_inbound();
    }

    /// The part of the Session State that is about received messages is gone.
    pub(super) fn discard_inbound(&mut self) {
        if let Some(journal) = &mut self.journal {
            self.session.inbound.awaiting_pubrel().for_each(|packet_id| journal.delete_inbound(packet_id));
        }
        self.session.undecided.clear();
        self.session.inbound = Inbound::new(self.link.receive_maximum);
    }
}
