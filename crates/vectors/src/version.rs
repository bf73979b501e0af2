//! The versions that a vector can be of.

use core::fmt;

use serde::Deserialize;

/// A version of MQTT, as the files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// `3.1`
    #[serde(rename = "3.1")]
    V3_1,
    /// `3.1.1`
    #[serde(rename = "3.1.1")]
    V3_1_1,
    /// `5.0`
    #[serde(rename = "5.0")]
    V5_0,
}

impl Version {
    /// Whether `{ … }` and `v5( … )` are there.
    #[must_use]
    pub fn is_v5(self) -> bool {
        self == Self::V5_0
    }

    /// The name and level that CONNECT begins with: `$protocol`.
    #[must_use]
    pub fn protocol(self) -> &'static [u8] {
        match self {
            Self::V3_1 => b"\0\x06MQIsdp\x03",
            Self::V3_1_1 => b"\0\x04MQTT\x04",
            Self::V5_0 => b"\0\x04MQTT\x05",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5_0 => "5.0",
        })
    }
}
