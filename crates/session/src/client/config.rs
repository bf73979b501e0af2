//! What the owner of a [`Client`](super::Client) decides once.

use crate::outbound::QueueLimits;

/// Limits and habits. The defaults suit a client with one connection in a process of its own.
#[derive(Clone, Debug)]
pub struct Config {
    /// Messages of QoS 1 and 2 that wait for the server's window, or for a connection.
    pub queue: QueueLimits,
    /// Bytes that wait for the transport to take them. Past it QoS 0 is refused and QoS 1 and 2 wait in the queue;
    /// past twice as much, a connection whose server makes us answer and does not read is ended.
    pub maximum_out_buffer_bytes: usize,
    /// Bytes of the largest packet that is read, 1 to 268,435,460. In 5.0 the server is told, unless CONNECT names
    /// less.
    pub maximum_packet_size_bytes: u32,
    /// Topic aliases that are set towards the server, as far as it takes any. 0 sets none.
    pub topic_alias_limit: u16,
    /// How long the server may take for its CONNACK, or for its next AUTH before it, in milliseconds.
    pub connack_timeout_ms: u64,
    /// How long the server may take for a PINGRESP, in milliseconds; never longer than the Keep Alive.
    pub pingresp_timeout_ms: u64,
    /// The application acknowledges QoS 1 and 2 messages itself, with
    /// [`Client::acknowledge`](super::Client::acknowledge). Otherwise it is done as they are handed over.
    pub acknowledges_manually: bool,
    /// A full queue gives up its oldest message for the new one, with
    /// [`Abandonment::Dropped`](super::Abandonment::Dropped). Otherwise the new one is refused.
    pub drops_oldest: bool,
    /// QoS 1 messages that were under way in a Session that is gone are sent again, at the front of the queue. They may
    /// then arrive twice, which QoS 1 allows; QoS 2 does not, and is abandoned in any case.
    pub resends_lost: bool,
    /// Packets may follow CONNECT without waiting for CONNACK. It saves a round trip and means that what the server
    /// does not take (a QoS, a packet of that size) is found out too late. Never done while an authentication method
    /// is in use [MQTT-3.1.2-30] or a Session has anything to send again.
    pub sends_before_connack: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue: QueueLimits { messages: 10_000, bytes: 64 << 20 },
            maximum_out_buffer_bytes: 4 << 20,
            maximum_packet_size_bytes: 64 << 20,
            topic_alias_limit: 32,
            connack_timeout_ms: 30_000,
            pingresp_timeout_ms: 30_000,
            acknowledges_manually: false,
            drops_oldest: false,
            resends_lost: false,
            sends_before_connack: false,
        }
    }
}
