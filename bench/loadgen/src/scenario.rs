//! What is asked of the generator, as data: one JSON object on the command line.
//!
//! A load is a number of equal groups. One group of 1 publisher and 1 subscriber is a pair; 100 of them are
//! 100 pairs; one group of 1 and 100 is a fan-out; one group of 100 and 1 with a wildcard is a fan-in.

use crate::{Failure, stamp, wire::Version};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

/// What carries the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Plain TCP.
    #[default]
    Tcp,
    /// MQTT over WebSocket, at [`crate::websocket::PATH`].
    WebSocket,
}

/// A load: who publishes what to whom, how fast and for how long.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scenario {
    /// Where the broker listens.
    pub address: SocketAddr,
    /// 4 (3.1.1) or 5 (5.0).
    pub protocol_version: Version,
    /// `tcp` or `websocket`.
    pub transport: Transport,
    /// Over WebSocket: how many packets share a frame; 0 is all that a publisher writes together.
    pub packets_per_frame: usize,
    /// How many equal groups there are.
    pub groups: u32,
    /// Publishers in each group.
    pub publishers: u32,
    /// Subscribers in each group; each of them gets every message of its group.
    pub subscribers: u32,
    /// True: each publisher has a topic of its own and the subscribers one wildcard filter. False: the group
    /// has one topic, and that is the filter.
    pub wildcard: bool,
    /// QoS of the PUBLISHes and of the subscriptions.
    pub qos: u8,
    /// QoS 1 and 2: how many messages a publisher has in flight, capped by the broker's Receive Maximum.
    pub window: u16,
    /// The sessions of the subscribers outlive their connections: a broker with a store has to keep what is for them.
    pub persistent: bool,
    /// Size of a payload, at least [`stamp::BYTES`].
    pub payload_bytes: usize,
    /// Published messages a second by all publishers together, at fixed times (open loop). Without it the
    /// load is saturated.
    pub rate: Option<f64>,
    /// Load before the measurement.
    pub warm_up_seconds: f64,
    /// Length of the measurement.
    pub seconds: f64,
    /// Afterwards, how long to wait for the next of the outstanding deliveries before they are called lost.
    pub drain_seconds: f64,
    /// Saturated: at most so many deliveries are outstanding, over all publishers …
    pub lag_messages: u64,
    /// … and at most so many payload bytes of them.
    pub lag_bytes: u64,
    /// Saturated: the longest pause between two rounds of reading, see [`crate::pace`]. Reading every message
    /// at once slows the broker down on the loopback interface, and by how much depends on the broker.
    pub read_pause_micros: u64,
    /// So many subscriptions beside those of the load, which match none of its messages, held by clients of
    /// their own with a thousand each.
    pub background_subscriptions: u32,
    /// Processes of the broker, whose CPU time and memory are read at both ends of the measurement.
    pub watch_pids: Vec<u32>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            protocol_version: Version::V311,
            transport: Transport::Tcp,
            packets_per_frame: 0,
            groups: 1,
            publishers: 1,
            subscribers: 1,
            wildcard: false,
            qos: 0,
            window: 100,
            persistent: false,
            payload_bytes: 64,
            rate: None,
            warm_up_seconds: 1.0,
            seconds: 3.0,
            drain_seconds: 3.0,
            lag_messages: 20_000,
            lag_bytes: 16 << 20,
            read_pause_micros: 100,
            background_subscriptions: 0,
            watch_pids: Vec::new(),
        }
    }
}

impl Scenario {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Failure::Scenario`] with a sentence.
    pub fn validate(&self) -> Result<(), Failure> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        let complaint = if self.groups == 0 || self.publishers == 0 || self.subscribers == 0 {
            "groups, publishers and subscribers are at least 1"
        } else if self.qos > 2 {
            "qos is 0, 1 or 2"
        } else if self.window == 0 {
            "window is at least 1"
        } else if self.payload_bytes < stamp::BYTES || self.payload_bytes > 200_000_000 {
            "payloadBytes is between 24 and 200,000,000"
        } else if self.rate.is_some_and(|rate| !positive(rate)) {
            "rate is above 0"
        } else if !positive(self.seconds)
            || !not_negative(self.warm_up_seconds)
            || !not_negative(self.drain_seconds)
        {
            "seconds is above 0, warmUpSeconds and drainSeconds are not below"
        } else {
            return Ok(());
        };
        Err(Failure::Scenario(complaint.to_owned()))
    }

    /// Publishers over all groups.
    #[must_use]
    pub fn all_publishers(&self) -> usize {
        self.groups as usize * self.publishers as usize
    }

    /// Subscribers over all groups.
    #[must_use]
    pub fn all_subscribers(&self) -> usize {
        self.groups as usize * self.subscribers as usize
    }

    /// How many deliveries a publisher may have outstanding when saturated: its share of the whole, and at
    /// least one message.
    #[must_use]
    pub fn lag_per_publisher(&self) -> u64 {
        let all = self.lag_messages.min(self.lag_bytes / self.payload_bytes as u64);
        (all / self.all_publishers() as u64).max(u64::from(self.subscribers))
    }

    /// The topic of publisher `index` (over all groups).
    #[must_use]
    pub fn topic(&self, index: usize) -> String {
        let (group, member) = (index / self.publishers as usize, index % self.publishers as usize);
        if self.wildcard { format!("load/{group}/{member}") } else { format!("load/{group}") }
    }

    /// The filter of subscriber `index` (over all groups).
    #[must_use]
    pub fn filter(&self, index: usize) -> String {
        let group = index / self.subscribers as usize;
        if self.wildcard { format!("load/{group}/+") } else { format!("load/{group}") }
    }

    /// [`Self::warm_up_seconds`] as a duration.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up_seconds)
    }

    /// [`Self::seconds`] as a duration.
    #[must_use]
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// [`Self::drain_seconds`] as a duration.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs_f64(self.drain_seconds)
    }
}

/// Connections that subscribe and then do nothing.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IdleScenario {
    /// Where the broker listens.
    pub address: SocketAddr,
    /// 4 (3.1.1) or 5 (5.0).
    pub protocol_version: Version,
    /// How many connections are to be open at each stop, rising.
    pub steps: Vec<u32>,
    /// `tcp` or `websocket`.
    pub transport: Transport,
    /// QoS of the one subscription of each.
    pub qos: u8,
}

impl Default for IdleScenario {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            protocol_version: Version::V311,
            steps: vec![2_000, 10_000],
            transport: Transport::Tcp,
            qos: 0,
        }
    }
}

/// Clients that connect and leave at once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectsScenario {
    /// Where the broker listens.
    pub address: SocketAddr,
    /// 4 (3.1.1) or 5 (5.0).
    pub protocol_version: Version,
    /// How many are under way together.
    pub at_a_time: u32,
    /// Load before the measurement.
    pub warm_up_seconds: f64,
    /// Length of the measurement.
    pub seconds: f64,
    /// Processes of the broker, whose CPU time is read at both ends of the measurement.
    pub watch_pids: Vec<u32>,
}

impl Default for ConnectsScenario {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            protocol_version: Version::V311,
            at_a_time: 100,
            warm_up_seconds: 1.0,
            seconds: 3.0,
            watch_pids: Vec::new(),
        }
    }
}

impl ConnectsScenario {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Failure::Scenario`] with a sentence.
    pub fn validate(&self) -> Result<(), Failure> {
        let complaint = if self.at_a_time == 0 {
            "atATime is at least 1"
        } else if !is_length(self.seconds)
            || !(is_length(self.warm_up_seconds) || self.warm_up_seconds == 0.0)
        {
            "seconds is above 0, warmUpSeconds not below"
        } else {
            return Ok(());
        };
        Err(Failure::Scenario(complaint.to_owned()))
    }
}

/// Retained messages, and subscriptions that ask for them one after the other.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetainedScenario {
    /// Where the broker listens.
    pub address: SocketAddr,
    /// 4 (3.1.1) or 5 (5.0).
    pub protocol_version: Version,
    /// How many are stored.
    pub messages: u32,
    /// How many a subscription is to hit; 0 is all, by `#`.
    pub hits: u32,
    /// How many subscriptions there are; each hits others, as long as there are such.
    pub subscriptions: u32,
    /// Size of a payload, at least [`stamp::BYTES`].
    pub payload_bytes: usize,
    /// Processes of the broker, whose CPU time is read at both ends of the measurement.
    pub watch_pids: Vec<u32>,
}

impl Default for RetainedScenario {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            protocol_version: Version::V311,
            messages: 100_000,
            hits: 0,
            subscriptions: 5,
            payload_bytes: 64,
            watch_pids: Vec::new(),
        }
    }
}

impl RetainedScenario {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Failure::Scenario`] with a sentence.
    pub fn validate(&self) -> Result<(), Failure> {
        let groups = self.messages / (2 * self.hits).max(1);
        let complaint = if self.messages == 0 || self.subscriptions == 0 {
            "messages and subscriptions are at least 1"
        } else if self.hits > 0 && groups < self.subscriptions {
            "there are messages for fewer subscriptions: each hits half a group of 2 * hits"
        } else if self.payload_bytes < stamp::BYTES || self.payload_bytes > 200_000_000 {
            "payloadBytes is between 24 and 200,000,000"
        } else {
            return Ok(());
        };
        Err(Failure::Scenario(complaint.to_owned()))
    }
}

/// A load at a fixed rate under which clients come and go, see [`crate::churn`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChurnScenario {
    /// Where the broker listens.
    pub address: SocketAddr,
    /// 4 (3.1.1) or 5 (5.0).
    pub protocol_version: Version,
    /// `tcp` or `websocket`.
    pub transport: Transport,
    /// How many pairs of a publisher and a subscriber there are: a fifth of them each with QoS 0, and with QoS
    /// 1 and 2 in clean and in persistent sessions.
    pub pairs: u32,
    /// False: all sessions are clean ones.
    pub persistent: bool,
    /// QoS 1 and 2: how many messages a publisher has in flight, capped by the broker's Receive Maximum.
    pub window: u16,
    /// Size of a payload, at least [`stamp::BYTES`].
    pub payload_bytes: usize,
    /// Published messages a second by all publishers together.
    pub rate: f64,
    /// How many clients leave in a second, publishers and subscribers, half of them without a DISCONNECT.
    pub leaves_per_second: f64,
    /// How long each stays away.
    pub away_seconds: f64,
    /// Length of the load.
    pub seconds: f64,
    /// Time between two samples of memory and counters.
    pub sample_seconds: f64,
    /// How long to wait for the next of the outstanding deliveries before they are called lost.
    pub drain_seconds: f64,
    /// Pause between two rounds of sending and reading.
    pub pause_micros: u64,
    /// Processes of the broker, whose memory and CPU time are in the samples.
    pub watch_pids: Vec<u32>,
}

impl Default for ChurnScenario {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            protocol_version: Version::V311,
            transport: Transport::Tcp,
            pairs: 100,
            persistent: true,
            window: 100,
            payload_bytes: 64,
            rate: 20_000.0,
            leaves_per_second: 20.0,
            away_seconds: 0.2,
            seconds: 60.0,
            sample_seconds: 5.0,
            drain_seconds: 10.0,
            pause_micros: 500,
            watch_pids: Vec::new(),
        }
    }
}

impl ChurnScenario {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Failure::Scenario`] with a sentence.
    pub fn validate(&self) -> Result<(), Failure> {
        let complaint = if self.pairs == 0 || self.window == 0 {
            "pairs and window are at least 1"
        } else if self.payload_bytes < stamp::BYTES || self.payload_bytes > 200_000_000 {
            "payloadBytes is between 24 and 200,000,000"
        } else if ![self.rate, self.seconds, self.sample_seconds, self.drain_seconds]
            .into_iter()
            .all(is_length)
        {
            "rate, seconds, sampleSeconds and drainSeconds are above 0"
        } else if ![self.leaves_per_second, self.away_seconds]
            .into_iter()
            .all(|value| value == 0.0 || is_length(value))
        {
            "leavesPerSecond and awaySeconds are not below 0"
        } else {
            return Ok(());
        };
        Err(Failure::Scenario(complaint.to_owned()))
    }
}

fn is_length(seconds: f64) -> bool {
    seconds.is_finite() && seconds > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_one_saturated_pair() {
        let scenario: Scenario = serde_json::from_str("{}").unwrap();
        scenario.validate().unwrap();
        assert_eq!((scenario.all_publishers(), scenario.all_subscribers()), (1, 1));
        assert_eq!(scenario.topic(0), scenario.filter(0));
        assert_eq!(scenario.lag_per_publisher(), 20_000);
    }

    #[test]
    fn an_unknown_key_or_an_impossible_value_is_refused() {
        assert!(serde_json::from_str::<Scenario>(r#"{"publisher":2}"#).is_err());
        assert!(serde_json::from_str::<Scenario>(r#"{"protocolVersion":3}"#).is_err());
        for bad in
            [r#"{"qos":3}"#, r#"{"groups":0}"#, r#"{"payloadBytes":8}"#, r#"{"rate":0}"#, r#"{"seconds":0}"#]
        {
            let scenario: Scenario = serde_json::from_str(bad).unwrap();
            assert!(scenario.validate().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_lag_is_shared_among_the_publishers_and_bounded_in_bytes() {
        let pairs = Scenario { groups: 100, ..Scenario::default() };
        assert_eq!(pairs.lag_per_publisher(), 200);
        let large = Scenario { payload_bytes: 64 << 10, ..Scenario::default() };
        assert_eq!(large.lag_per_publisher(), 256);
        let fan_out = Scenario { subscribers: 50_000, ..Scenario::default() };
        assert_eq!(fan_out.lag_per_publisher(), 50_000);
    }

    #[test]
    fn groups_do_not_share_topics() {
        let scenario =
            Scenario { groups: 2, publishers: 3, subscribers: 2, wildcard: true, ..Scenario::default() };
        assert_eq!(scenario.topic(4), "load/1/1");
        assert_eq!(scenario.filter(3), "load/1/+");
        assert_eq!(scenario.filter(1), "load/0/+");
    }
}
