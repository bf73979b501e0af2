//! Topic Filters: what a Client subscribes to, with and without `$share/`. The index that holds many of
//! them is in `subscriptions.rs`.

use core::fmt;

use crate::error::TopicError;
use crate::name::{MAX_TOPIC_BYTES, TopicName, check_length, count_levels};

/// A Topic Filter that is known to be well formed: 1 to 65,535 bytes, no U+0000, `+` and `#` alone in
/// their levels, `#` only in the last one [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1].
///
/// A filter does not know about `$share/`; [`SubscriptionFilter`] takes that apart first.
/// Asked for by v3.1.1 [MQTT-4.7.1-2], v3.1.1 [MQTT-4.7.1-3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter<'a> {
    text: &'a str,
    has_wildcards: bool,
}

impl<'a> TopicFilter<'a> {
    /// Checks `text` once, so that nothing behind it has to. Costs one pass over the bytes.
    ///
    /// # Errors
    /// [`TopicError::Empty`], [`TopicError::TooLong`], [`TopicError::NullCharacter`] or
    /// [`TopicError::MisplacedWildcard`].
    pub fn new(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        let bytes = text.as_bytes();
        let is_slash_or_end = |at: Option<usize>| match at.and_then(|at| bytes.get(at)) {
            Some(byte) => *byte == b'/',
            None => true,
        };
        let mut has_wildcards = false;
        for at in memchr::memchr3_iter(b'+', b'#', 0, bytes) {
            let (before, after) = (at.checked_sub(1), at.checked_add(1));
            let well_placed = match bytes.get(at) {
                Some(b'+') => is_slash_or_end(before) && is_slash_or_end(after),
                Some(b'#') => is_slash_or_end(before) && after == Some(bytes.len()),
                _ => return Err(TopicError::NullCharacter),
            };
            if !well_placed {
                return Err(TopicError::MisplacedWildcard { at });
            }
            has_wildcards = true;
        }
        Ok(Self { text, has_wildcards })
    }

    /// The filter as it was written.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether `+` or `#` is in it. Without, it matches the one name that is spelt the same.
    #[inline]
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.has_wildcards
    }

    /// How many levels there are, wildcards included: at least 1 and at most 65,536. Each level of a
    /// filter with wildcards costs memory in [`Subscriptions`](crate::Subscriptions), so a Server limits
    /// it. Costs a pass over the bytes.
    #[must_use]
    pub fn level_count(&self) -> usize {
        count_levels(self.text)
    }

    /// The levels from left to right, wildcards among them.
    #[inline]
    pub fn levels(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text.split('/')
    }

    /// Whether the first level is a wildcard; such a filter does not see names that begin with `$`
    /// [MQTT-4.7.2-1].
    /// Asked for by v3.1.1 [MQTT-4.7.2-1].
    #[inline]
    #[must_use]
    pub fn starts_with_wildcard(&self) -> bool {
        self.text.starts_with(['+', '#'])
    }

    /// Whether a message published to `name` is for this filter: section 4.7 and nothing else.
    ///
    /// Costs a pass over both. This is what the tests hold the indexes to.
    /// Asked for by v3.1.1 [MQTT-3.3.2-3].
    #[must_use]
    pub fn matches(&self, name: TopicName<'_>) -> bool {
        if name.starts_with_dollar() && self.starts_with_wildcard() {
            return false;
        }
        let (mut wanted, mut given) = (self.levels(), name.levels());
        loop {
            match (wanted.next(), given.next()) {
                // `#` stands for what is left, and for nothing left as well: `a/#` matches `a`.
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return false,
            }
        }
    }

    /// Whether there is a Topic Name that both filters match.
    ///
    /// The name counts only if it can exist: two filters that agree on nothing shorter than 65,536 bytes
    /// do not overlap. Costs a pass over both.
    #[must_use]
    pub fn overlaps(&self, other: &TopicFilter<'_>) -> bool {
        if self.starts_with_wildcard() && other.text.starts_with('$')
            || other.starts_with_wildcard() && self.text.starts_with('$')
        {
            return false;
        }
        let (mut ours, mut theirs) = (self.levels(), other.levels());
        let mut name = ShortestName::default();
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return name.can_exist(),
                // What `#` faces is taken as it stands, each of its wildcards as an empty level.
                (Some("#"), rest) => return name.push_all(rest, theirs),
                (rest, Some("#")) => return name.push_all(rest, ours),
                (Some("+"), Some(level)) | (Some(level), Some("+")) => name.push(level),
                (Some(ours), Some(theirs)) if ours == theirs => name.push(ours),
                _ => return false,
            }
        }
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text)
    }
}

impl<'a> TryFrom<&'a str> for TopicFilter<'a> {
    type Error = TopicError;

    fn try_from(text: &'a str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

/// The length of the shortest name that two filters agree on, as [`TopicFilter::overlaps`] finds it.
#[derive(Default)]
struct ShortestName {
    bytes: usize,
    levels: usize,
    /// Whether a wildcard of both leaves room for more.
    can_grow: bool,
}

impl ShortestName {
    fn push(&mut self, level: &str) {
        match level {
            // Adds no level: the parent will do.
            "#" => self.can_grow = true,
            "+" => {
                self.levels += 1;
                self.can_grow = true;
            }
            level => {
                self.levels += 1;
                self.bytes += level.len();
            }
        }
    }

    fn push_all<'l>(mut self, first: Option<&'l str>, rest: impl Iterator<Item = &'l str>) -> bool {
        first.into_iter().chain(rest).for_each(|level| self.push(level));
        self.can_exist()
    }

    /// Names are not empty: `+` and `/#` agree on nothing, since only one empty level would do for both.
    fn can_exist(&self) -> bool {
        let length = self.bytes + self.levels.saturating_sub(1);
        (length > 0 || self.can_grow) && length <= MAX_TOPIC_BYTES
    }
}

/// The filter of a SUBSCRIBE or UNSUBSCRIBE, with a Shared Subscription's prefix taken off.
///
/// `$share/consumers/a/+` is share name `consumers` and topic filter `a/+` [MQTT-4.8.2-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionFilter<'a> {
    /// The group that shares the messages; `None` for a subscription of one's own.
    pub share_name: Option<&'a str>,
    /// What is subscribed to.
    pub topic_filter: TopicFilter<'a>,
    text: &'a str,
}

impl<'a> SubscriptionFilter<'a> {
    /// Takes `text` apart. Only a filter that begins with `$share/` is shared; `$share` alone and
    /// `$shared/a` are filters like others. 3.1.1 has no Shared Subscriptions: a Server that does not
    /// offer them there uses [`TopicFilter::new`].
    ///
    /// # Errors
    /// [`TopicError::EmptyShareName`], [`TopicError::WildcardInShareName`] [MQTT-4.8.2-2],
    /// [`TopicError::MissingSharedFilter`], and those of [`TopicFilter::new`]; the offset in
    /// [`TopicError::MisplacedWildcard`] counts from the beginning of `text`.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        check_length(text)?;
        let Some(shared) = text.strip_prefix("$share/") else {
            return Ok(Self { share_name: None, topic_filter: TopicFilter::new(text)?, text });
        };
        let (share_name, filter) = match shared.split_once('/') {
            Some((share_name, filter)) => (share_name, Some(filter)),
            None => (shared, None),
        };
        if share_name.is_empty() {
            return Err(TopicError::EmptyShareName);
        }
        match share_name.find(['+', '#', '\0']) {
            Some(at) if share_name.as_bytes().get(at) == Some(&0) => return Err(TopicError::NullCharacter),
            Some(_) => return Err(TopicError::WildcardInShareName),
            None => {}
        }
        let Some(filter) = filter.filter(|filter| !filter.is_empty()) else {
            return Err(TopicError::MissingSharedFilter);
        };
        let topic_filter = TopicFilter::new(filter).map_err(|error| match error {
            TopicError::MisplacedWildcard { at } => {
                TopicError::MisplacedWildcard { at: text.len() - filter.len() + at }
            }
            other => other,
        })?;
        Ok(Self { share_name: Some(share_name), topic_filter, text })
    }

    /// The whole, prefix and share name included.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether it is a Shared Subscription; those get no retained messages and may not ask for No Local
    /// [MQTT-3.8.3-4].
    #[inline]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.share_name.is_some()
    }
}

impl fmt::Display for SubscriptionFilter<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text)
    }
}
