//! UTF-8 Encoded Strings: section 1.5.4 of the standard.

use crate::error::Malformed;

/// The text of an MQTT string's bytes: well-formed UTF-8, so without surrogates [MQTT-1.5.4-1], and without
/// U+0000 [MQTT-1.5.4-2]. A byte order mark is text like any other [MQTT-1.5.4-3].
/// Asked for by v3.1.1 [MQTT-1.5.3-1], v3.1.1 [MQTT-1.5.3-2], v3.1.1 [MQTT-1.5.3-3].
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<&str, Malformed> {
    let Ok(text) = core::str::from_utf8(bytes) else { return Err(Malformed::InvalidUtf8) };
    if contains_nul(bytes) { Err(Malformed::NulInString) } else { Ok(text) }
}

/// Whether U+0000 is in there. In UTF-8 a zero byte is nothing else.
#[inline]
pub(crate) fn contains_nul(bytes: &[u8]) -> bool {
    memchr::memchr(0, bytes).is_some()
}
