//! The tables and their keys, byte by byte as `docs/storage-format.md` says. Numbers are big-endian, so that the order of the
//! bytes is the order of the numbers: what belongs to one Session is one range, and its queue is in order.

use std::ops::RangeInclusive;

use smallvec::SmallVec;
use topicwire_codec::PacketId;

/// A key; those with a fixed length need no memory of their own.
pub(crate) type Key = SmallVec<[u8; 18]>;

/// The number by which a Session's rows are known. Given once and never again.
pub(crate) type SessionNumber = u64;

/// One table of the store. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Table {
    /// The sequence of the last batch and the next Session number.
    State = 0,
    /// By client identifier: the Session's number and properties.
    Sessions = 1,
    /// By Session: how much its deliveries are.
    Queues = 2,
    /// By Session and topic filter: the subscription.
    Subscriptions = 3,
    /// By Session and position: the message.
    Deliveries = 4,
    /// By Session and packet identifier: the exchange.
    Exchanges = 5,
    /// By Session and packet identifier: a QoS 2 message that awaits PUBREL.
    Inbound = 6,
    /// By Session: the Will.
    Wills = 7,
    /// By topic name: the retained message.
    Retained = 8,
}

impl Table {
    /// Every table, in the order of their numbers.
    pub(crate) const ALL: [Self; 9] = [
        Self::State,
        Self::Sessions,
        Self::Queues,
        Self::Subscriptions,
        Self::Deliveries,
        Self::Exchanges,
        Self::Inbound,
        Self::Wills,
        Self::Retained,
    ];

    /// Those whose keys begin with a Session's number: what goes with the Session.
    pub(crate) const OF_SESSION: [Self; 6] =
        [Self::Queues, Self::Subscriptions, Self::Deliveries, Self::Exchanges, Self::Inbound, Self::Wills];

    /// The table of that number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name in the file and in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Sessions => "sessions",
            Self::Queues => "queues",
            Self::Subscriptions => "subscriptions",
            Self::Deliveries => "deliveries",
            Self::Exchanges => "exchanges",
            Self::Inbound => "inbound",
            Self::Wills => "wills",
            Self::Retained => "retained",
        }
    }
}

/// `State`: the sequence of the last batch.
pub(crate) const SEQUENCE: &[u8] = b"sequence";
/// `State`: the number of the next Session.
pub(crate) const NEXT_SESSION: &[u8] = b"next session";
/// `State`: the version of the format.
pub(crate) const FORMAT: &[u8] = b"format";

/// `Queues` and `Wills`, and what the keys of all other tables of a Session begin with.
pub(crate) fn session(number: SessionNumber) -> Key {
    Key::from_slice(&number.to_be_bytes())
}

/// `Deliveries`.
pub(crate) fn delivery(number: SessionNumber, position: u64) -> Key {
    let mut key = session(number);
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// `Exchanges` and `Inbound`.
pub(crate) fn packet(number: SessionNumber, packet_id: PacketId) -> Key {
    let mut key = session(number);
    key.extend_from_slice(&packet_id.value().to_be_bytes());
    key
}

/// `Subscriptions`.
pub(crate) fn subscription(number: SessionNumber, topic_filter: &str) -> Key {
    let mut key = session(number);
    key.extend_from_slice(topic_filter.as_bytes());
    key
}

/// The keys of a Session in a table of [`Table::OF_SESSION`]: from its own number to the one before the next Session's first.
pub(crate) fn of_session(number: SessionNumber) -> (Key, Key) {
    (session(number), session(number + 1))
}

/// The keys of a Session's deliveries at these positions.
pub(crate) fn deliveries(number: SessionNumber, positions: RangeInclusive<u64>) -> (Key, Key) {
    (delivery(number, *positions.start()), delivery(number, *positions.end()))
}

/// The position in a key of `Deliveries`.
pub(crate) fn position_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(8..)?.try_into().ok()?))
}

/// The packet identifier in a key of `Exchanges` or `Inbound`.
pub(crate) fn packet_id_of(key: &[u8]) -> Option<PacketId> {
    PacketId::new(u16::from_be_bytes(key.get(8..)?.try_into().ok()?))
}

/// The filter in a key of `Subscriptions`.
pub(crate) fn topic_filter_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(8..)?).ok()
}

/// The Session's number in a key that begins with one.
pub(crate) fn session_of(key: &[u8]) -> Option<SessionNumber> {
    Some(u64::from_be_bytes(key.get(..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_keys_is_the_order_of_the_positions() {
        let positions = [0, 1, 255, 256, 65_535, 65_536, u64::MAX];
        assert!(positions.map(|position| delivery(7, position)).is_sorted());
        assert!(delivery(7, u64::MAX) < delivery(8, 0));
    }

    #[test]
    fn the_keys_of_a_session_are_one_range() {
        let (first, end) = of_session(255);
        for key in [session(255), delivery(255, u64::MAX), subscription(255, "\u{10ffff}")] {
            assert!(first <= key && key < end);
        }
        assert!(delivery(254, u64::MAX) < first && end <= session(256));
    }

    #[test]
    fn what_went_into_a_key_comes_out_of_it() {
        let packet_id = PacketId::new(258).unwrap();
        assert_eq!(position_of(&delivery(1, 77)), Some(77));
        assert_eq!(packet_id_of(&packet(1, packet_id)), Some(packet_id));
        assert_eq!(topic_filter_of(&subscription(1, "a/+")), Some("a/+"));
        assert_eq!(session_of(&subscription(9, "a/+")), Some(9));
        assert_eq!((position_of(b"short"), packet_id_of(&session(1)), session_of(b"x")), (None, None, None));
    }
}
