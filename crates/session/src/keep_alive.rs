//! Keep alive, from both ends.

/// Watches one Network Connection's silence.
///
/// The Server closes after one and a half times the Keep Alive without a packet from the Client [MQTT-3.1.2-22];
/// the Client sends PINGREQ when it has sent nothing for the Keep Alive [MQTT-3.1.2-20].
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepAlive {
    interval_ms: u64,
    last_ms: u64,
}

impl KeepAlive {
    /// `keep_alive_secs` in seconds, 0 turns it off.
    #[must_use]
    pub fn new(keep_alive_secs: u16, now_ms: u64) -> Self {
        Self { interval_ms: u64::from(keep_alive_secs).saturating_mul(1000), last_ms: now_ms }
    }

    /// Another interval, in seconds, from the same packet on: the one that CONNACK imposes [MQTT-3.2.2-21].
    pub fn set_interval(&mut self, keep_alive_secs: u16) {
        self.interval_ms = u64::from(keep_alive_secs).saturating_mul(1000);
    }

    /// A packet moved in the direction that counts: towards the Server.
    #[inline]
    pub fn touch(&mut self, now_ms: u64) {
        self.last_ms = now_ms;
    }

    /// Server: when the Client must have been heard of again; none with keep alive off.
    #[must_use]
    pub fn server_deadline_ms(&self) -> Option<u64> {
        (self.interval_ms != 0).then(|| self.last_ms.saturating_add(self.interval_ms.saturating_mul(3) / 2))
    }

    /// Client: when PINGREQ is due; none with keep alive off.
    #[must_use]
    pub fn client_deadline_ms(&self) -> Option<u64> {
        (self.interval_ms != 0).then(|| self.last_ms.saturating_add(self.interval_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_waits_one_and_a_half_intervals() {
        let mut keep_alive = KeepAlive::new(10, 1_000);
        assert_eq!(keep_alive.server_deadline_ms(), Some(16_000));
        assert_eq!(keep_alive.client_deadline_ms(), Some(11_000));
        keep_alive.touch(5_000);
        assert_eq!(keep_alive.server_deadline_ms(), Some(20_000));
    }

    #[test]
    fn another_interval_counts_from_the_same_packet() {
        let mut keep_alive = KeepAlive::new(10, 1_000);
        keep_alive.set_interval(4);
        assert_eq!(keep_alive.client_deadline_ms(), Some(5_000));
    }

    #[test]
    fn zero_turns_it_off() {
        assert_eq!(KeepAlive::new(0, 0).server_deadline_ms(), None);
        assert_eq!(KeepAlive::new(0, 0).client_deadline_ms(), None);
    }
}
