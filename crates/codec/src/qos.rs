//! Quality of Service.

/// How often a message may arrive: section 4.3 of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    /// Once or not at all; no acknowledgement.
    #[default]
    AtMostOnce = 0,
    /// Once or more often; PUBACK.
    AtLeastOnce = 1,
    /// Exactly once; PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level of that number, or `None` for 3 and above.
    #[inline]
    #[must_use]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The number of the level: 0, 1 or 2.
    #[inline]
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }
}
