//! One Network Connection as the core sees it: what has been read and not used, what waits to be written, and
//! what the two ends have agreed on.

use std::collections::VecDeque;

use smallvec::SmallVec;
use topicwire_codec::{ReasonCode, Split, Version, split_frame};
use topicwire_session::{Armed, InboundAliases, KeepAlive, OutboundAliases};

use crate::auth::Authentication;
use crate::broker::{ConnectionKey, SessionKey};
use crate::hook::Held;
use crate::out_buffer::OutBuffer;
use crate::recipient::Recipient;
use crate::route::Route;
use crate::topic_url::TopicUrl;
use crate::transmit::Lane;

/// Where a Network Connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing but CONNECT is accepted [MQTT-3.1.0-1].
    AwaitConnect,
    /// CONNECT has named an authentication method that is not content yet: see `auth.rs`.
    Authenticating,
    /// CONNECT is accepted and CONNACK waits for the store: nothing else may be sent yet [MQTT-3.2.0-1].
    AwaitStore,
    /// Open for everything.
    Open,
    /// Over: what is in the out-buffer still leaves, then the host closes the transport.
    Over,
}

/// Why a connection is over, for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The Reason Code that tells it best.
    pub reason_code: ReasonCode,
}

/// What is written to a connection.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Control packets.
    Mqtt,
    /// The bare payloads of one topic: see `topic_url.rs`.
    Payloads(Box<TopicUrl>),
}

/// An acknowledgement that waits for the store.
#[derive(Debug)]
pub(crate) struct Withheld {
    pub(crate) sequence: u64,
    pub(crate) bytes: SmallVec<[u8; 12]>,
    /// What its leaving means.
    pub(crate) effect: AckEffect,
}

/// What happens when an acknowledgement leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckEffect {
    None,
    /// A PUBACK: one place of the Receive Maximum is free again.
    Puback,
    /// A CONNACK: the connection is open.
    Connack,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) key: ConnectionKey,
    pub(crate) phase: Phase,
    pub(crate) version: Version,
    pub(crate) session: Option<SessionKey>,
    pub(crate) framing: Framing,
    /// Bytes that do not make a whole packet yet, or that wait behind a held one; used up to `input_head`.
    pub(crate) input: Vec<u8>,
    pub(crate) input_head: usize,
    /// What of it `Metrics::input_bytes` counts.
    pub(crate) counted_input_bytes: u64,
    pub(crate) held: Held,
    /// Not read further until the store has caught up.
    pub(crate) is_stalled: bool,
    /// How far the questions about a CONNECT have come.
    pub(crate) connect_answers: u8,
    /// Of a client whose CONNECT named an authentication method.
    pub(crate) authentication: Option<Box<Authentication>>,
    pub(crate) out: OutBuffer,
    /// Bytes of packets other than PUBLISH that have been written since `out` was last empty.
    pub(crate) answered_bytes: u64,
    /// In the broker's list of connections with something to write.
    pub(crate) is_dirty: bool,
    /// The transport is full; nothing is drained until it says otherwise.
    pub(crate) is_blocked: bool,
    pub(crate) lane: Lane,
    pub(crate) closing: Option<Closing>,
    /// The Session went on, and its client may still repeat a PUBREL whose PUBCOMP was lost.
    pub(crate) is_recovering: bool,
    pub(crate) withheld: VecDeque<Withheld>,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) timer: Armed,
    pub(crate) connect_deadline_ms: u64,
    /// The client's Maximum Packet Size; `u32::MAX` where it has none.
    pub(crate) maximum_packet_size: u32,
    /// Its Request Problem Information.
    pub(crate) wants_reasons: bool,
    /// What a hook has put in the place of `Config::response_information`, until CONNACK.
    pub(crate) response_information: Option<Box<str>>,
    /// What CONNECT asked for, for DISCONNECT's rule [MQTT-3.14.2-2].
    pub(crate) expiry_interval_at_connect_secs: u32,
    pub(crate) inbound_aliases: InboundAliases,
    pub(crate) outbound_aliases: OutboundAliases,
    /// Where the last topic of this publisher goes.
    pub(crate) route: Option<Box<Route>>,
}

impl Connection {
    pub(crate) fn new(key: ConnectionKey, framing: Framing, connect_deadline_ms: u64) -> Self {
        Self {
            key,
            phase: Phase::AwaitConnect,
            version: Version::V5_0,
            session: None,
            framing,
            input: Vec::new(),
            input_head: 0,
            counted_input_bytes: 0,
            held: Held::default(),
            is_stalled: false,
            connect_answers: 0,
            authentication: None,
            out: OutBuffer::default(),
            answered_bytes: 0,
            is_dirty: false,
            is_blocked: false,
            lane: Lane::default(),
            closing: None,
            is_recovering: false,
            withheld: VecDeque::new(),
            keep_alive: KeepAlive::default(),
            timer: Armed::default(),
            connect_deadline_ms,
            maximum_packet_size: u32::MAX,
            wants_reasons: true,
            response_information: None,
            expiry_interval_at_connect_secs: 0,
            inbound_aliases: InboundAliases::default(),
            outbound_aliases: OutboundAliases::default(),
            route: None,
        }
    }

    /// Takes the unused input out, to be read while the broker is borrowed.
    pub(crate) fn take_input(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.input), std::mem::take(&mut self.input_head))
    }

    /// Puts input back of which everything before `head` has been used.
    pub(crate) fn put_input(&mut self, mut input: Vec<u8>, mut head: usize) {
        if head >= input.len() {
            return;
        }
        // Moving the rest to the front costs as much as the rest is long: only when most of it is used.
        if head > input.len() / 2 {
            input.drain(..head);
            head = 0;
        }
        self.input = input;
        self.input_head = head;
    }

    /// How many more bytes the packet at the front of what is kept wants, at the least one; all there are where that
    /// cannot be seen.
    pub(crate) fn lacking_bytes(&self) -> usize {
        match split_frame(self.input.get(self.input_head..).unwrap_or_default(), u32::MAX) {
            Ok(Split::Partial { needed }) => needed.max(1),
            Ok(Split::Frame(_)) | Err(_) => usize::MAX,
        }
    }

    /// True where input waits for an answer or for the store. Not so before an enhanced authentication is complete: what comes then is
    /// out of turn, whoever's turn it is.
    pub(crate) fn is_held(&self) -> bool {
        self.is_stalled || (self.held.is_waiting() && self.phase != Phase::Authenticating)
    }

    /// Bytes that are kept of what has been read.
    pub(crate) fn kept_bytes(&self) -> usize {
        let connect = self.authentication.as_ref().map_or(0, |it| it.kept_bytes());
        self.input.len() - self.input_head + connect
    }

    #[inline]
    pub(crate) fn is_mqtt(&self) -> bool {
        matches!(self.framing, Framing::Mqtt)
    }

    /// What is written to it has to be so.
    #[inline]
    pub(crate) fn recipient(&self) -> Recipient {
        Recipient {
            version: self.version,
            maximum_packet_size: self.maximum_packet_size,
            wants_reasons: self.wants_reasons,
        }
    }
}
