//! Why a Topic Name or a Topic Filter was refused.

/// What is wrong with a Topic Name, a Topic Filter or a Shared Subscription's filter.
///
/// The culprit is whoever wrote the text. A Server answers a bad name with Reason Code 0x90 (Topic Name
/// invalid) and a bad filter with 0x8F (Topic Filter invalid).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// Names and filters are at least one character long [MQTT-4.7.3-1].
    #[error("a topic is at least one character long")]
    Empty,
    /// More than [`MAX_TOPIC_BYTES`](crate::MAX_TOPIC_BYTES) bytes of UTF-8 [MQTT-4.7.3-3].
    #[error("a topic is at most 65,535 bytes long")]
    TooLong,
    /// U+0000 is in it [MQTT-4.7.3-2].
    #[error("a topic does not contain U+0000")]
    NullCharacter,
    /// `+` or `#` in a Topic Name; messages are published to names, not to filters [MQTT-3.3.2-2].
    #[error("a topic name does not contain `+` or `#`")]
    WildcardInName,
    /// `+` or `#` that shares its level with something else, or `#` that is not the last character
    /// [MQTT-4.7.1-1] [MQTT-4.7.1-2].
    #[error("the wildcard at byte {at} does not stand alone in its level, or `#` is not the last level")]
    MisplacedWildcard {
        /// Offset in bytes from the beginning of the text that was parsed.
        at: usize,
    },
    /// `$share/` with nothing, or with another `/`, behind it [MQTT-4.8.2-1].
    #[error("the share name after `$share/` is at least one character long")]
    EmptyShareName,
    /// `+` or `#` in the Share Name [MQTT-4.8.2-2].
    #[error("a share name does not contain `+` or `#`")]
    WildcardInShareName,
    /// A Share Name with no Topic Filter behind it, as in `$share/group` or `$share/group/`
    /// [MQTT-4.8.2-2].
    #[error("a share name is followed by `/` and a topic filter")]
    MissingSharedFilter,
}
