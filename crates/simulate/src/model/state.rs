//! What the model remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use topicwire_codec::{PacketType, ReasonCode, Version};

use super::LinkId;
use crate::packet::Message;

/// The options of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) qos: u8,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// 0 for none.
    pub(crate) id: u32,
}

/// Why a delivery is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The Session's own subscriptions.
    Plain,
    /// A shared subscription: one of several may get it.
    Group(u64),
    /// A retained message for a new subscription.
    Retained,
}

/// A message that one Session is owed.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    /// Its own number.
    pub(crate) uid: u64,
    /// Deliveries of a Session leave in ascending order.
    pub(crate) rank: u64,
    pub(crate) message: Rc<Message>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Subscription Identifiers, ascending.
    pub(crate) subscription_ids: Vec<u32>,
    pub(crate) expires_at_ms: u64,
    pub(crate) origin: Origin,
    /// With `$share/…`; empty where it is not of a shared subscription.
    pub(crate) shared_filter: &'static str,
    /// It may be missing without another reason.
    pub(crate) may_miss: bool,
    /// It left before a crash: if it comes, it comes again.
    pub(crate) has_left: bool,
    /// The queue may have had no room for it.
    pub(crate) may_be_full: bool,
    /// It was too large for a connection that its Session has had.
    pub(crate) was_too_large: bool,
    /// The connection of its Session when it was routed.
    pub(crate) routed_on: Option<LinkId>,
    /// It was routed before as well, and may be the delivery of that time.
    pub(crate) may_be_earlier: bool,
    /// Past PUBREC: only PUBREL may follow.
    pub(crate) is_released: bool,
    /// It left first on a connection of 3.1.1, which has none: it may be another one of the same message.
    pub(crate) has_unknown_properties: bool,
    /// The batch that has to be stored before a QoS 2 message may leave.
    pub(crate) batch: u64,
}

/// When an answer may leave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Safe {
    /// When this batch is stored.
    pub(crate) batch: u64,
    /// Or when all who were to get this message, and whose Sessions are stored, have acknowledged it.
    pub(crate) message: Option<u32>,
}

impl From<u64> for Safe {
    fn from(batch: u64) -> Self {
        Self { batch, message: None }
    }
}

/// A retained message that new subscriptions are owed: once for each, or once for several that ask before it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) due: Due,
    /// Which retained message: none after it by the same topic is the same.
    pub(crate) retained_uid: u64,
    /// The subscriptions that asked, in order.
    pub(crate) asked: Vec<Asked>,
    /// Which of them have been served, in each way to read what has left.
    pub(crate) readings: BTreeSet<Vec<bool>>,
}

/// QoS of a subscription and its identifier, or 0.
pub(crate) type Asked = (u8, u32);

/// A Will.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) message: Rc<Message>,
    pub(crate) delay_secs: u32,
}

/// A Session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Tells it from others of the same client.
    pub(crate) incarnation: u64,
    pub(crate) conn: Option<LinkId>,
    pub(crate) expiry_secs: u32,
    /// The store keeps it.
    pub(crate) is_stored: bool,
    pub(crate) subscriptions: BTreeMap<&'static str, Subscription>,
    pub(crate) will: Option<Will>,
    pub(crate) will_at_ms: Option<u64>,
    pub(crate) ends_at_ms: Option<u64>,
    /// Identifiers of received QoS 2 messages that await PUBREL.
    pub(crate) inbound: BTreeSet<u16>,
    /// QoS 1 and 2 deliveries that have not left, in the order they were routed.
    pub(crate) queue: Vec<Due>,
    /// Those that have, and are not over.
    pub(crate) open: BTreeMap<u16, Due>,
    pub(crate) owed: Vec<Owed>,
    /// QoS 2 deliveries that were left out because they are too large now. One that was written to an earlier connection
    /// and not seen to leave is followed by PUBREL.
    pub(crate) left_out: Vec<Due>,
}

impl Session {
    pub(crate) fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            conn: None,
            expiry_secs: 0,
            is_stored: false,
            subscriptions: BTreeMap::new(),
            will: None,
            will_at_ms: None,
            ends_at_ms: None,
            inbound: BTreeSet::new(),
            queue: Vec::new(),
            open: BTreeMap::new(),
            owed: Vec::new(),
            left_out: Vec::new(),
        }
    }

    pub(crate) fn next_deadline_ms(&self) -> u64 {
        self.will_at_ms.unwrap_or(u64::MAX).min(self.ends_at_ms.unwrap_or(u64::MAX))
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    AwaitConnect,
    In,
    /// The broker is to close it, or has. With the code that a 5.0 client is told by DISCONNECT.
    Over(Option<ReasonCode>),
}

/// An answer that a connection is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Connack { session_present: bool, refusal: Option<ReasonCode>, expiry_secs: u32 },
    Ack { kind: PacketType, id: u16, reason_code: ReasonCode },
    Suback { id: u16, reason_codes: Vec<ReasonCode> },
    Unsuback { id: u16, reason_codes: Vec<ReasonCode> },
    Pong,
}

/// A Network Connection.
#[derive(Clone, Debug)]
pub(crate) struct Conn {
    pub(crate) phase: Phase,
    pub(crate) version: Version,
    pub(crate) client_id: Rc<str>,
    pub(crate) connect_by_ms: u64,
    pub(crate) keep_alive_ms: u64,
    pub(crate) last_packet_ms: u64,
    /// What CONNECT asked for.
    pub(crate) asked_expiry_secs: u32,
    pub(crate) window: usize,
    pub(crate) maximum_packet_size: usize,
    pub(crate) alias_maximum: u16,
    pub(crate) aliases: BTreeMap<u16, String>,
    /// The answers it is owed, each with what has to be safe before.
    pub(crate) expected: Vec<(Expected, Safe)>,
    /// PUBRELs of an earlier connection that are to be sent again.
    pub(crate) repeats: BTreeSet<u16>,
    /// Identifiers of QoS 1 and 2 messages that are under way on this connection.
    pub(crate) under_way: BTreeSet<u16>,
    /// The highest rank that has left on it.
    pub(crate) last_rank: u64,
    pub(crate) qos_0: Vec<Due>,
    pub(crate) connack_has_left: bool,
    /// It must not be closed without a DISCONNECT.
    pub(crate) disconnect_is_due: bool,
    pub(crate) disconnect_has_left: bool,
}

impl Conn {
    pub(crate) fn new(connect_by_ms: u64) -> Self {
        Self {
            phase: Phase::AwaitConnect,
            version: Version::V5_0,
            client_id: Rc::from(""),
            connect_by_ms,
            keep_alive_ms: 0,
            last_packet_ms: 0,
            asked_expiry_secs: 0,
            window: 0,
            maximum_packet_size: usize::MAX,
            alias_maximum: 0,
            aliases: BTreeMap::new(),
            expected: Vec::new(),
            repeats: BTreeSet::new(),
            under_way: BTreeSet::new(),
            last_rank: 0,
            qos_0: Vec::new(),
            connack_has_left: false,
            disconnect_is_due: false,
            disconnect_has_left: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// When its time is up.
    pub(crate) fn deadline_ms(&self) -> u64 {
        match self.phase {
            Phase::AwaitConnect => self.connect_by_ms,
            Phase::In if self.keep_alive_ms > 0 => self.last_packet_ms + self.keep_alive_ms * 3 / 2,
            Phase::In | Phase::Over(_) => u64::MAX,
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By DISCONNECT with this code.
    ByPeer(ReasonCode),
    /// By the broker, which says so.
    ByServer(ReasonCode),
    /// Without a word.
    Lost,
}

/// A message for one member of a shared subscription.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) filter: &'static str,
    pub(crate) number: u32,
    /// Who might get it at first, and how it would be.
    pub(crate) members: Vec<(Rc<str>, Due)>,
    /// Who may still get it.
    pub(crate) candidates: Vec<Rc<str>>,
    pub(crate) winner: Option<Rc<str>>,
    /// Where what was seen looks the same as something else: all who may have got it, and may still have it in a queue.
    pub(crate) doubtful: Vec<Rc<str>>,
    /// The winner is done with it.
    pub(crate) is_settled: bool,
    /// There is a reason why nobody may get it.
    pub(crate) is_excused: bool,
}

/// A retained message.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    pub(crate) uid: u64,
    pub(crate) message: Rc<Message>,
    pub(crate) expires_at_ms: u64,
}

/// What must survive a crash, as it was when a batch was taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) sessions: BTreeMap<Rc<str>, Session>,
    pub(crate) retained: BTreeMap<Rc<str>, Retained>,
}

/// Names a message that one Session may be given once, at QoS 2, whatever happens to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag {
    pub(crate) incarnation: u64,
    pub(crate) number: u32,
    /// The shared subscription, or none.
    pub(crate) filter: &'static str,
    /// Of the delivery where the same message may be given several times.
    pub(crate) uid: u64,
}

impl Tag {
    /// Only the deliveries differ, of a message that may be given several times.
    pub(crate) fn is_same_message(&self, other: &Self) -> bool {
        Self { uid: other.uid, ..self.clone() } == *other && (self.uid == 0) == (other.uid == 0)
    }

    pub(crate) fn of_session(incarnation: u64) -> Self {
        Self { incarnation, number: 0, filter: "", uid: 0 }
    }
}
