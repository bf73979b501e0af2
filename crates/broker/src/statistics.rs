//! Figures of one client, and whether anybody wants a topic: for whoever shows the broker to its operator.

use topicwire_topics::{Matches, TopicName};

use crate::broker::{Broker, SessionKey};
use crate::session::Session;

/// How one client's Session stands. Everything but `dropped` is a gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStatistics {
    /// Messages of QoS 1 and 2 that wait, in memory and in the store.
    pub queued_messages: u64,
    /// Bytes of them.
    pub queued_bytes: u64,
    /// Messages of QoS 1 and 2 that have been sent and are not acknowledged.
    pub inflight_messages: u64,
    /// Bytes that wait for the transport to take them; 0 where the client is away.
    pub out_buffer_bytes: u64,
    /// Topic Filters that it holds.
    pub subscriptions: u64,
    /// Messages that were dropped for it since the Session began or the broker was started.
    pub dropped_messages: u64,
}

impl Broker {
    /// The figures of a client, connected or not; none where it has no Session.
    #[must_use]
    pub fn client_statistics(&self, client_id: &str) -> Option<ClientStatistics> {
        let key = self.by_client_id.get(client_id)?;
        let session = self.sessions.get(key.index())?;
        let connection = session.connection().and_then(|key| self.connections.get(key.index()));
        Some(ClientStatistics {
            queued_messages: session.outbound.queued_count() as u64 + session.in_store,
            queued_bytes: session.outbound.queued_bytes() as u64 + session.in_store_bytes,
            inflight_messages: session.outbound.inflight_count() as u64,
            out_buffer_bytes: connection.map_or(0, |connection| connection.out.len() as u64),
            subscriptions: session.subscriptions.len() as u64,
            dropped_messages: session.dropped_count,
        })
    }

    /// Whether somebody who is here has subscribed to a topic: a message to it would be sent to them now. Costs what
    /// matching the topic does.
    #[must_use]
    pub fn has_listener(&self, topic_name: &str) -> bool {
        let Ok(topic) = TopicName::new(topic_name) else { return false };
        let mut matches = Matches::default();
        self.subscriptions.match_into(topic, &mut matches);
        let is_here = |key: &SessionKey| self.sessions.get(key.index()).is_some_and(Session::is_present);
        matches.plain.iter().any(|(key, _)| is_here(key))
            || matches
                .groups
                .iter()
                .filter_map(|id| self.subscriptions.group(*id))
                .any(|group| group.members().iter().any(|(key, _)| is_here(key)))
    }
}
