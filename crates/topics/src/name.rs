//! Topic Names: what a message is published to. Filters are in `filter.rs`.

use core::fmt;

use crate::error::TopicError;

/// The longest name or filter there is: a UTF-8 string of the protocol carries its length in two bytes.
pub const MAX_TOPIC_BYTES: usize = 65_535;

/// A Topic Name that is known to be well formed: 1 to 65,535 bytes, no wildcard, no U+0000
/// [MQTT-3.3.2-2, 4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT-4.7.3-3].
///
/// Borrowed and two words long. Names are compared byte by byte: case matters, nothing is normalised
/// [MQTT-4.7.3-4].
/// Asked for by v3.1.1 [MQTT-3.3.2-2], v3.1.1 [MQTT-4.7.1-1], v3.1.1 [MQTT-4.7.3-1], v3.1.1 [MQTT-4.7.3-2],
/// v3.1.1 [MQTT-4.7.3-3], v3.1.1 [MQTT-4.7.3-4].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks `text` once, so that nothing behind it has to. Costs one pass over the bytes.
    ///
    /// # Errors
    /// [`TopicError::Empty`], [`TopicError::TooLong`], [`TopicError::WildcardInName`] or
    /// [`TopicError::NullCharacter`].
    #[inline]
    pub fn new(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        match memchr::memchr3(b'+', b'#', 0, text.as_bytes()) {
            None => Ok(Self(text)),
            Some(at) if text.as_bytes().get(at) == Some(&0) => Err(TopicError::NullCharacter),
            Some(_) => Err(TopicError::WildcardInName),
        }
    }

    /// The name as it was written.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The topic levels from left to right. A level may be empty: `/a` has two.
    #[inline]
    pub fn levels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split('/')
    }

    /// How many levels there are, at least 1 and at most 65,536. Each level of a retained name costs
    /// memory in [`Retained`](crate::Retained), so a Server limits it. Costs a pass over the bytes.
    #[must_use]
    pub fn level_count(&self) -> usize {
        count_levels(self.0)
    }

    /// Whether a filter that begins with a wildcard is blind to this name [MQTT-4.7.2-1].
    #[inline]
    #[must_use]
    pub fn starts_with_dollar(&self) -> bool {
        self.0.starts_with('$')
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl<'a> TryFrom<&'a str> for TopicName<'a> {
    type Error = TopicError;

    fn try_from(text: &'a str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

pub(crate) fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=MAX_TOPIC_BYTES => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

pub(crate) fn count_levels(text: &str) -> usize {
    memchr::memchr_iter(b'/', text.as_bytes()).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_65535_bytes() {
        assert_eq!(TopicName::new(""), Err(TopicError::Empty));
        assert!(TopicName::new("a").is_ok());
        assert!(TopicName::new(&"a".repeat(65_535)).is_ok());
        assert_eq!(TopicName::new(&"a".repeat(65_536)), Err(TopicError::TooLong));
    }

    #[test]
    fn length_is_counted_in_bytes_and_not_in_characters() {
        assert!(TopicName::new(&"é".repeat(32_767)).is_ok());
        assert_eq!(TopicName::new(&"é".repeat(32_768)), Err(TopicError::TooLong));
    }

    #[test]
    fn wildcards_and_null_are_refused_wherever_they_stand() {
        for text in ["+", "#", "a+", "+a", "a/+/b", "a/#", "a#b/c"] {
            assert_eq!(TopicName::new(text), Err(TopicError::WildcardInName), "{text}");
        }
        for text in ["\0", "a\0", "a/\0/b"] {
            assert_eq!(TopicName::new(text), Err(TopicError::NullCharacter), "{text:?}");
        }
    }

    #[test]
    fn slashes_and_spaces_and_any_other_character_are_allowed() {
        for text in
            ["/", "//", "/a", "a/", " ", "a b/ c", "$", "$SYS/x", "a/$b", "日本/語", "\u{feff}", "a\u{1}"]
        {
            assert_eq!(TopicName::new(text).map(|name| name.as_str().to_owned()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn empty_levels_are_levels() {
        let levels = |text| TopicName::new(text).unwrap().levels().collect::<Vec<_>>();
        assert_eq!(levels("/"), ["", ""]);
        assert_eq!(levels("/finance"), ["", "finance"]);
        assert_eq!(levels("a//b"), ["a", "", "b"]);
        assert_eq!(TopicName::new("a//b").unwrap().level_count(), 3);
        assert_eq!(TopicName::new(&"/".repeat(65_535)).unwrap().level_count(), 65_536);
    }

    #[test]
    fn only_a_dollar_at_the_very_beginning_counts() {
        assert!(TopicName::new("$SYS/a").unwrap().starts_with_dollar());
        assert!(!TopicName::new("a/$SYS").unwrap().starts_with_dollar());
        assert!(!TopicName::new("/$SYS").unwrap().starts_with_dollar());
    }
}
