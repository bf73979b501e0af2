//! How long a Session outlives its Network Connection, and when its Will is due.

/// The Session Expiry Interval, with the standard's two special values named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// 0: the Session ends with the Network Connection.
    Connection,
    /// So many seconds after the Network Connection closes.
    Seconds(u32),
    /// `0xFFFF_FFFF`: never.
    Forever,
}

impl Lifetime {
    /// From a Session Expiry Interval in seconds (3.1.2.11.2).
    #[must_use]
    pub fn from_interval_secs(interval_secs: u32) -> Self {
        match interval_secs {
            0 => Self::Connection,
            u32::MAX => Self::Forever,
            seconds => Self::Seconds(seconds),
        }
    }

    /// Back to the interval in seconds.
    #[must_use]
    pub fn interval_secs(self) -> u32 {
        match self {
            Self::Connection => 0,
            Self::Seconds(seconds) => seconds,
            Self::Forever => u32::MAX,
        }
    }

    /// True where state is kept after the Network Connection has closed.
    #[must_use]
    pub fn outlives_connection(self) -> bool {
        self != Self::Connection
    }

    /// When a Session whose connection closed at `closed_ms` ends; none for one that never does.
    #[must_use]
    pub fn deadline_ms(self, closed_ms: u64) -> Option<u64> {
        match self {
            Self::Connection => Some(closed_ms),
            Self::Seconds(seconds) => Some(closed_ms.saturating_add(u64::from(seconds) * 1000)),
            Self::Forever => None,
        }
    }
}

/// When the Will of a closed connection is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WillTiming {
    /// With the close.
    Now,
    /// At this time, unless the Client is back by then [MQTT-3.1.3-9].
    At(u64),
}

impl WillTiming {
    /// The Will Delay Interval or the Session's end, whichever is first [MQTT-3.1.2-8].
    #[must_use]
    pub fn after_close(delay_interval_secs: u32, lifetime: Lifetime, closed_ms: u64) -> Self {
        if delay_interval_secs == 0 || !lifetime.outlives_connection() {
            return Self::Now;
        }
        let delayed_ms = closed_ms.saturating_add(u64::from(delay_interval_secs) * 1000);
        Self::At(lifetime.deadline_ms(closed_ms).map_or(delayed_ms, |end_ms| end_ms.min(delayed_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_will_waits_for_its_delay_or_the_end_of_the_session() {
        let after =
            |delay, interval| WillTiming::after_close(delay, Lifetime::from_interval_secs(interval), 1_000);
        assert_eq!(after(0, 60), WillTiming::Now);
        assert_eq!(after(5, 0), WillTiming::Now);
        assert_eq!(after(5, 60), WillTiming::At(6_000));
        assert_eq!(after(60, 5), WillTiming::At(6_000));
        assert_eq!(after(60, u32::MAX), WillTiming::At(61_000));
    }

    #[test]
    fn a_session_ends_at_once_later_or_never() {
        assert_eq!(Lifetime::from_interval_secs(0).deadline_ms(7), Some(7));
        assert_eq!(Lifetime::from_interval_secs(2).deadline_ms(7), Some(2_007));
        assert_eq!(Lifetime::from_interval_secs(u32::MAX).deadline_ms(7), None);
    }
}
