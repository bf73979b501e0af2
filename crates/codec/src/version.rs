//! The protocol versions, as values.

use core::fmt;

/// A version of MQTT. The number is the protocol level that CONNECT carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1, whose CONNECT says `MQIsdp`.
    V3_1 = 3,
    /// MQTT 3.1.1.
    V3_1_1 = 4,
    /// MQTT 5.0, the one with properties and Reason Codes.
    V5_0 = 5,
}

impl Version {
    /// Whether packets carry properties and Reason Codes.
    #[inline]
    #[must_use]
    pub const fn is_v5(self) -> bool {
        matches!(self, Self::V5_0)
    }

    /// The protocol level of CONNECT: 3, 4 or 5.
    #[must_use]
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// The protocol name of CONNECT [MQTT-3.1.2-1].
    #[must_use]
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V3_1 => "MQIsdp",
            Self::V3_1_1 | Self::V5_0 => "MQTT",
        }
    }
}

/// As people write it: `3.1`, `3.1.1`, `5.0`.
impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5_0 => "5.0",
        })
    }
}
