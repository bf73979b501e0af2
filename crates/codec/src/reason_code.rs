//! Reason Codes: section 2.4 of the standard, and what 3.1 and 3.1.1 are told in their place.
//!
//! The table below is all there is to know about a code; everything else in this file follows from it.

use core::fmt;

use crate::packet::PacketType;
use crate::version::Version;

/// One row each: documentation, name in Rust, value, the standard's name, the packets that may carry it.
macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $value:literal, $name:literal, $($packet:ident)|+;)+) => {
        /// What became of a request, or why a connection ends.
        ///
        /// Below 0x80 it went well, from 0x80 on it did not. 0x00 has three names: `Success`,
        /// [`Self::NORMAL_DISCONNECTION`] and [`Self::GRANTED_QOS_0`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ $variant = $value,)+
        }

        impl ReasonCode {
            /// Every code, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code of that value, or `None` where the standard has none.
            #[inline]
            #[must_use]
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name as the standard writes it, such as `Quota exceeded`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Whether a packet of that kind may carry the code.
            #[inline]
            #[must_use]
            pub const fn is_valid_for(self, packet_type: PacketType) -> bool {
                match self {
                    $(Self::$variant => matches!(packet_type, $(PacketType::$packet)|+),)+
                }
            }
        }
    };
}

reason_codes! {
    /// It was done. For DISCONNECT: a normal end, the Will is not published. For SUBACK: QoS 0 is granted.
    Success = 0x00, "Success",
        Connack | Puback | Pubrec | Pubrel | Pubcomp | Suback | Unsuback | Disconnect | Auth;
    /// The subscription is accepted; at most QoS 1 will be sent.
    GrantedQoS1 = 0x01, "Granted QoS 1", Suback;
    /// The subscription is accepted; at most QoS 2 will be sent.
    GrantedQoS2 = 0x02, "Granted QoS 2", Suback;
    /// The client leaves and wants its Will published all the same.
    DisconnectWithWillMessage = 0x04, "Disconnect with Will Message", Disconnect;
    /// The message was taken, and nobody subscribes to its topic.
    NoMatchingSubscribers = 0x10, "No matching subscribers", Puback | Pubrec;
    /// There was no such subscription to remove.
    NoSubscriptionExisted = 0x11, "No subscription existed", Unsuback;
    /// The next step of the authentication is due.
    ContinueAuthentication = 0x18, "Continue authentication", Auth;
    /// The client starts a re-authentication.
    ReAuthenticate = 0x19, "Re-authenticate", Auth;
    /// It failed, and the peer is not told why.
    UnspecifiedError = 0x80, "Unspecified error", Connack | Puback | Pubrec | Suback | Unsuback | Disconnect;
    /// A packet could not be parsed.
    MalformedPacket = 0x81, "Malformed Packet", Connack | Disconnect;
    /// A packet that broke a rule, or came at the wrong time.
    ProtocolError = 0x82, "Protocol Error", Connack | Disconnect;
    /// Valid, and this server does not accept it.
    ImplementationSpecificError = 0x83, "Implementation specific error",
        Connack | Puback | Pubrec | Suback | Unsuback | Disconnect;
    /// The server does not speak the version that the client asks for.
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version", Connack;
    /// The Client Identifier is a valid string, and not allowed here.
    ClientIdentifierNotValid = 0x85, "Client Identifier not valid", Connack;
    /// The user name or the password is wrong.
    BadUserNameOrPassword = 0x86, "Bad User Name or Password", Connack;
    /// The client may not do this.
    NotAuthorized = 0x87, "Not authorized", Connack | Puback | Pubrec | Suback | Unsuback | Disconnect;
    /// The server is not available.
    ServerUnavailable = 0x88, "Server unavailable", Connack;
    /// The server is busy; try again later.
    ServerBusy = 0x89, "Server busy", Connack | Disconnect;
    /// An administrator has banned the client.
    Banned = 0x8A, "Banned", Connack;
    /// The server is shutting down.
    ServerShuttingDown = 0x8B, "Server shutting down", Disconnect;
    /// The authentication method is unknown, or not the one in use.
    BadAuthenticationMethod = 0x8C, "Bad authentication method", Connack | Disconnect;
    /// Nothing was heard for one and a half times the Keep Alive.
    KeepAliveTimeout = 0x8D, "Keep Alive timeout", Disconnect;
    /// Another connection with the same Client Identifier took the session over.
    SessionTakenOver = 0x8E, "Session taken over", Disconnect;
    /// The Topic Filter is well formed, and not accepted here.
    TopicFilterInvalid = 0x8F, "Topic Filter invalid", Suback | Unsuback | Disconnect;
    /// The Topic Name is well formed, and not accepted here.
    TopicNameInvalid = 0x90, "Topic Name invalid", Connack | Puback | Pubrec | Disconnect;
    /// The Packet Identifier is already in use.
    PacketIdentifierInUse = 0x91, "Packet Identifier in use", Puback | Pubrec | Suback | Unsuback;
    /// The Packet Identifier is not known. Not an error while a session recovers.
    PacketIdentifierNotFound = 0x92, "Packet Identifier not found", Pubrel | Pubcomp;
    /// More messages are under way than Receive Maximum allows.
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded", Disconnect;
    /// A Topic Alias of 0, or above the Topic Alias Maximum.
    TopicAliasInvalid = 0x94, "Topic Alias invalid", Disconnect;
    /// The packet is larger than its receiver allows.
    PacketTooLarge = 0x95, "Packet too large", Connack | Disconnect;
    /// Messages come too fast.
    MessageRateTooHigh = 0x96, "Message rate too high", Disconnect;
    /// A limit that was imposed has been reached.
    QuotaExceeded = 0x97, "Quota exceeded", Connack | Puback | Pubrec | Suback | Disconnect;
    /// An administrator ended the connection.
    AdministrativeAction = 0x98, "Administrative action", Disconnect;
    /// The payload is not what its Payload Format Indicator says.
    PayloadFormatInvalid = 0x99, "Payload format invalid", Connack | Puback | Pubrec | Disconnect;
    /// The server does not keep retained messages.
    RetainNotSupported = 0x9A, "Retain not supported", Connack | Disconnect;
    /// A QoS above the server's Maximum QoS.
    QoSNotSupported = 0x9B, "QoS not supported", Connack | Disconnect;
    /// Use another server for the time being.
    UseAnotherServer = 0x9C, "Use another server", Connack | Disconnect;
    /// Use another server from now on.
    ServerMoved = 0x9D, "Server moved", Connack | Disconnect;
    /// The server has no Shared Subscriptions.
    SharedSubscriptionsNotSupported = 0x9E, "Shared Subscriptions not supported", Suback | Disconnect;
    /// Connections come too fast.
    ConnectionRateExceeded = 0x9F, "Connection rate exceeded", Connack | Disconnect;
    /// The connection has lasted as long as it may.
    MaximumConnectTime = 0xA0, "Maximum connect time", Disconnect;
    /// The server has no Subscription Identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1, "Subscription Identifiers not supported", Suback | Disconnect;
    /// The server has no wildcards in subscriptions.
    WildcardSubscriptionsNotSupported = 0xA2, "Wildcard Subscriptions not supported", Suback | Disconnect;
}

impl ReasonCode {
    /// 0x00 as DISCONNECT calls it.
    pub const NORMAL_DISCONNECTION: Self = Self::Success;
    /// 0x00 as SUBACK calls it.
    pub const GRANTED_QOS_0: Self = Self::Success;

    /// The value on the wire.
    #[inline]
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// Whether it says that something failed: 0x80 and above.
    #[inline]
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.value() >= 0x80
    }

    /// What CONNACK says in that version: the code itself in 5.0, and the nearest of the Return Codes 0 to 5
    /// before.
    ///
    /// A refusal is never turned into an acceptance: what has no counterpart becomes 3, "Server unavailable".
    #[must_use]
    pub const fn connack_return_code(self, version: Version) -> u8 {
        if version.is_v5() {
            return self.value();
        }
        match self {
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::BadUserNameOrPassword => 4,
            Self::NotAuthorized | Self::Banned | Self::BadAuthenticationMethod => 5,
            _ if self.is_error() => 3,
            _ => 0,
        }
    }

    /// The code that stands for a Return Code of a 3.1 or 3.1.1 CONNACK, or `None` above 5, where they are
    /// reserved.
    #[must_use]
    pub const fn from_connack_return_code(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }

    /// What SUBACK says in that version: the code itself in 5.0; before, 0x80 stands for every refusal.
    #[must_use]
    pub const fn suback_return_code(self, version: Version) -> u8 {
        if !version.is_v5() && self.is_error() { Self::UnspecifiedError.value() } else { self.value() }
    }
}

/// The standard's name and the value: `Quota exceeded (0x97)`.
impl fmt::Display for ReasonCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({:#04x})", self.name(), self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE_5_0: [Version; 2] = [Version::V3_1, Version::V3_1_1];

    #[test]
    fn values_and_codes_are_one_to_one() {
        let mut known = 0;
        for value in 0..=u8::MAX {
            if let Some(reason_code) = ReasonCode::from_u8(value) {
                assert_eq!(reason_code.value(), value);
                assert_eq!(reason_code.is_error(), value >= 0x80);
                known += 1;
            }
        }
        // Table 2-6 has 43 values; 0x00 is one of them under three names.
        assert_eq!((known, ReasonCode::ALL.len()), (43, 43));
        assert!(ReasonCode::ALL.is_sorted());
    }

    #[test]
    fn every_code_belongs_to_some_packet_and_only_to_packets_with_codes() {
        for &reason_code in ReasonCode::ALL {
            let carriers: alloc::vec::Vec<_> = PacketType::ALL
                .iter()
                .filter(|&&packet_type| reason_code.is_valid_for(packet_type))
                .collect();
            assert!(!carriers.is_empty(), "{reason_code}");
            for packet_type in
                [PacketType::Connect, PacketType::Publish, PacketType::Subscribe, PacketType::Pingreq]
            {
                assert!(!carriers.contains(&&packet_type), "{reason_code}");
            }
        }
    }

    #[test]
    fn before_5_0_a_refused_connection_is_never_told_that_it_was_accepted() {
        for version in BEFORE_5_0 {
            for &reason_code in ReasonCode::ALL {
                let return_code = reason_code.connack_return_code(version);
                assert!(return_code <= 5);
                assert_eq!(return_code != 0, reason_code.is_error(), "{reason_code}");
            }
        }
    }

    #[test]
    fn return_codes_come_back_as_they_were() {
        for return_code in 0..=5 {
            let reason_code = ReasonCode::from_connack_return_code(return_code).unwrap();
            assert_eq!(reason_code.connack_return_code(Version::V3_1_1), return_code);
        }
        assert_eq!(ReasonCode::from_connack_return_code(6), None);
    }

    #[test]
    fn before_5_0_a_refused_subscription_is_0x80_whatever_the_cause() {
        for version in BEFORE_5_0 {
            assert_eq!(ReasonCode::NotAuthorized.suback_return_code(version), 0x80);
            assert_eq!(ReasonCode::TopicFilterInvalid.suback_return_code(version), 0x80);
            assert_eq!(ReasonCode::GrantedQoS2.suback_return_code(version), 2);
        }
    }

    #[test]
    fn in_5_0_a_code_is_said_as_it_is() {
        for &reason_code in ReasonCode::ALL {
            assert_eq!(reason_code.connack_return_code(Version::V5_0), reason_code.value());
            assert_eq!(reason_code.suback_return_code(Version::V5_0), reason_code.value());
        }
        assert_eq!(alloc::format!("{}", ReasonCode::QuotaExceeded), "Quota exceeded (0x97)");
    }
}
