//! What belongs to one Network Connection and is forgotten with it.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;
use topicwire_codec::{ConnackProperties, Connect, PacketId, QoS, ReasonCode, Version};

use super::config::Config;
use super::event::{DeliveryKey, Ticket};
use crate::alias::{InboundAliases, OutboundAliases};
use crate::keep_alive::KeepAlive;

/// Where a Network Connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none.
    #[default]
    Idle,
    /// CONNECT is out, CONNACK is not here.
    Connecting,
    /// Open for everything.
    Open,
    /// Over: what was written still leaves, then the host closes the transport.
    Over,
}

/// Whose turn it is in an authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AuthTurn {
    /// None is under way.
    #[default]
    Nobody,
    /// The server has our data.
    Server,
    /// The server has asked.
    Application,
}

/// What the server said it takes. The fields are as CONNACK has them, with the standard's defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// QoS 1 and 2 messages that may be under way at once [MQTT-3.3.4-7].
    pub receive_maximum: u16,
    /// The highest QoS [MQTT-3.2.2-11].
    pub maximum_qos: QoS,
    /// Whether retained messages are kept [MQTT-3.2.2-14].
    pub retain_available: bool,
    /// Bytes of the largest packet [MQTT-3.2.2-15].
    pub maximum_packet_size: u32,
    /// The highest Topic Alias [MQTT-3.2.2-17], [MQTT-3.2.2-18].
    pub topic_alias_maximum: u16,
    /// Whether subscriptions may have wildcards.
    pub wildcard_subscription_available: bool,
    /// Whether subscriptions may have identifiers.
    pub subscription_ids_available: bool,
    /// Whether subscriptions may be shared.
    pub shared_subscription_available: bool,
}

/// What holds for a server that has said nothing.
impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            wildcard_subscription_available: true,
            subscription_ids_available: true,
            shared_subscription_available: true,
        }
    }
}

impl ServerLimits {
    pub(super) fn new(properties: &ConnackProperties<'_>) -> Self {
        let silent = Self::default();
        Self {
            receive_maximum: properties.receive_maximum.unwrap_or(silent.receive_maximum),
            maximum_qos: properties.maximum_qos.unwrap_or(silent.maximum_qos),
            retain_available: properties.retain_available.unwrap_or(true),
            maximum_packet_size: properties.maximum_packet_size.unwrap_or(silent.maximum_packet_size),
            topic_alias_maximum: properties.topic_alias_maximum.unwrap_or(0),
            wildcard_subscription_available: properties.wildcard_subscription_available.unwrap_or(true),
            subscription_ids_available: properties.subscription_ids_available.unwrap_or(true),
            shared_subscription_available: properties.shared_subscription_available.unwrap_or(true),
        }
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE that has not been answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) ticket: Ticket,
    pub(super) is_subscribe: bool,
    /// How many filters it has, and so how many Reason Codes the answer.
    pub(super) filter_count: usize,
}

/// A PUBACK or PUBREC that waits for the application, or behind one that does.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingAck {
    pub(super) key: DeliveryKey,
    pub(super) packet_id: PacketId,
    pub(super) reason_code: Option<ReasonCode>,
}

/// One Network Connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) phase: Phase,
    pub(super) version: Version,
    pub(super) clean_start: bool,
    pub(super) client_id: Box<str>,
    pub(super) authentication_method: Option<Box<str>>,
    pub(super) auth_turn: AuthTurn,
    /// As CONNECT had it; what DISCONNECT may say depends on it.
    pub(super) requested_expiry_secs: u32,
    pub(super) takes_problem_information: bool,
    /// Ours.
    pub(super) receive_maximum: u16,
    /// Ours.
    pub(super) maximum_packet_size: u32,
    pub(super) sends_early: bool,
    /// The Session went on, and the server may still repeat a PUBREL whose PUBCOMP was lost.
    pub(super) is_recovering: bool,
    pub(super) server: ServerLimits,
    pub(super) inbound_aliases: InboundAliases,
    pub(super) outbound_aliases: OutboundAliases,
    pub(super) keep_alive_secs: u16,
    pub(super) keep_alive: KeepAlive,
    pub(super) connack_deadline_ms: Option<u64>,
    pub(super) pingresp_deadline_ms: Option<u64>,
    pub(super) requests: HashMap<PacketId, Request, FixedState>,
    /// In the order of the PUBLISHes [MQTT-4.6.0-2].
    pub(super) pubacks: VecDeque<PendingAck>,
    /// In the order of the PUBLISHes [MQTT-4.6.0-3].
    pub(super) pubrecs: VecDeque<PendingAck>,
    /// The host has been told to close the transport.
    pub(super) is_closing_told: bool,
}

impl Link {
    /// No connection.
    pub(super) fn idle() -> Self {
        let connect = Connect::new(Version::V5_0, "");
        Self { phase: Phase::Idle, ..Self::new(&connect, &Config::default(), 0) }
    }

    /// A connection whose CONNECT is about to be sent.
    pub(super) fn new(connect: &Connect<'_>, config: &Config, now_ms: u64) -> Self {
        let properties = &connect.properties;
        let is_v5 = connect.version.is_v5();
        Self {
            phase: Phase::Connecting,
            version: connect.version,
            clean_start: connect.clean_start,
            client_id: Box::from(connect.client_id),
            authentication_method: properties.authentication_method.map(Box::from),
            auth_turn: AuthTurn::Nobody,
            requested_expiry_secs: match connect.version {
                Version::V5_0 => properties.session_expiry_interval_secs.unwrap_or(0),
                _ if connect.clean_start => 0,
                _ => u32::MAX,
            },
            takes_problem_information: properties.request_problem_information.unwrap_or(true),
            receive_maximum: properties.receive_maximum.filter(|_| is_v5).unwrap_or(u16::MAX),
            maximum_packet_size: properties
                .maximum_packet_size
                .filter(|_| is_v5)
                .map_or(config.maximum_packet_size_bytes, |size| size.min(config.maximum_packet_size_bytes)),
            sends_early: false,
            is_recovering: false,
            server: ServerLimits::default(),
            inbound_aliases: InboundAliases::new(
                properties.topic_alias_maximum.filter(|_| is_v5).unwrap_or(0),
            ),
            outbound_aliases: OutboundAliases::new(0),
            keep_alive_secs: connect.keep_alive_secs,
            keep_alive: KeepAlive::new(connect.keep_alive_secs, now_ms),
            connack_deadline_ms: Some(now_ms.saturating_add(config.connack_timeout_ms)),
            pingresp_deadline_ms: None,
            requests: HashMap::default(),
            pubacks: VecDeque::new(),
            pubrecs: VecDeque::new(),
            is_closing_told: false,
        }
    }

    /// Whether packets other than CONNECT, AUTH and DISCONNECT may be written.
    pub(super) fn can_send(&self) -> bool {
        self.phase == Phase::Open || (self.phase == Phase::Connecting && self.sends_early)
    }

    /// Whether there is a connection that has not ended.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Connecting | Phase::Open)
    }
}
