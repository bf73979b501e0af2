//! Topic aliases: a small number in place of a Topic Name, agreed anew on each Network Connection
//! [MQTT-3.3.2-7].

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use thiserror::Error;

/// What is wrong with the alias of a received PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AliasError {
    /// Greater than the Topic Alias Maximum that the receiver announced [MQTT-3.3.2-9].
    #[error("topic alias {alias} is above the announced maximum of {maximum}")]
    AboveMaximum {
        /// The alias that was sent.
        alias: u16,
        /// The maximum that was announced.
        maximum: u16,
    },
    /// No name, and no earlier PUBLISH gave the alias one.
    #[error("topic alias {alias} has no topic name yet")]
    Unknown {
        /// The alias that was sent.
        alias: u16,
    },
    /// Neither a name nor an alias.
    #[error("a PUBLISH needs a topic name or a topic alias")]
    NoTopicName,
}

/// The aliases that the peer has set: any from 1 to the announced maximum [MQTT-3.3.2-10, 3.3.2-12]. Grows with
/// use.
#[derive(Debug, Default)]
pub struct InboundAliases {
    maximum: u16,
    names: Vec<Option<Arc<str>>>,
}

impl InboundAliases {
    /// `maximum` is the Topic Alias Maximum announced to the peer; 0 allows none.
    #[must_use]
    pub fn new(maximum: u16) -> Self {
        Self { maximum, names: Vec::new() }
    }

    /// Gives the alias a name.
    ///
    /// # Errors
    /// [`AliasError::AboveMaximum`].
    pub fn set(&mut self, alias: u16, name: &str) -> Result<(), AliasError> {
        self.check(alias)?;
        let slot = usize::from(alias);
        if self.names.len() <= slot {
            self.names.resize(slot + 1, None);
        }
        if let Some(known) = self.names.get_mut(slot)
            && known.as_deref() != Some(name)
        {
            *known = Some(Arc::from(name));
        }
        Ok(())
    }

    /// The name that the alias stands for.
    ///
    /// # Errors
    /// [`AliasError::AboveMaximum`] or [`AliasError::Unknown`].
    pub fn resolve(&self, alias: u16) -> Result<Arc<str>, AliasError> {
        self.check(alias)?;
        self.names.get(usize::from(alias)).and_then(Clone::clone).ok_or(AliasError::Unknown { alias })
    }

    fn check(&self, alias: u16) -> Result<(), AliasError> {
        if alias > self.maximum {
            return Err(AliasError::AboveMaximum { alias, maximum: self.maximum });
        }
        Ok(())
    }
}

/// How to write the topic of one outgoing PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasUse {
    /// No alias: the name alone.
    Name,
    /// The name and the alias that stands for it from now on.
    Set(u16),
    /// The alias alone.
    Alias(u16),
}

/// The aliases that this end has set, none above what the peer accepts [MQTT-3.1.2-26, 3.1.2-27, 3.3.2-11]: given
/// out first come, first served, and kept for the connection's life.
/// Replacing one costs more bytes than it saves as soon as topics outnumber aliases.
#[derive(Debug, Default)]
pub struct OutboundAliases {
    maximum: u16,
    by_name: HashMap<Arc<str>, u16, FixedState>,
}

impl OutboundAliases {
    /// `maximum` is the smaller of what the peer accepts and what this end wants to spend.
    #[must_use]
    pub fn new(maximum: u16) -> Self {
        Self { maximum, by_name: HashMap::default() }
    }

    /// True where the peer accepts none, the common case.
    #[inline]
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.maximum == 0
    }

    /// How to write this topic. Names of less than four bytes are cheaper than their alias. Call it only for a
    /// PUBLISH that is then sent: [`AliasUse::Set`] is remembered as told to the peer.
    pub fn next_use(&mut self, name: &Arc<str>) -> AliasUse {
        self.use_for(name, || Arc::clone(name))
    }

    /// [`OutboundAliases::next_use`] for a name that is not shared yet: it is copied when it is given an alias.
    pub fn next_use_of(&mut self, name: &str) -> AliasUse {
        self.use_for(name, || Arc::from(name))
    }

    fn use_for(&mut self, name: &str, share: impl FnOnce() -> Arc<str>) -> AliasUse {
        if self.maximum == 0 || name.len() < 4 {
            return AliasUse::Name;
        }
        if let Some(alias) = self.by_name.get(name) {
            return AliasUse::Alias(*alias);
        }
        let used = u16::try_from(self.by_name.len()).unwrap_or(u16::MAX);
        if used >= self.maximum {
            return AliasUse::Name;
        }
        self.by_name.insert(share(), used + 1);
        AliasUse::Set(used + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_keeps_the_last_name_it_was_given() {
        let mut aliases = InboundAliases::new(2);
        assert_eq!(aliases.resolve(1), Err(AliasError::Unknown { alias: 1 }));
        aliases.set(1, "a/b").unwrap();
        aliases.set(1, "c").unwrap();
        assert_eq!(aliases.resolve(1).as_deref(), Ok("c"));
        assert_eq!(aliases.set(3, "x"), Err(AliasError::AboveMaximum { alias: 3, maximum: 2 }));
        assert_eq!(aliases.resolve(2), Err(AliasError::Unknown { alias: 2 }));
    }

    #[test]
    fn outgoing_aliases_stop_at_the_maximum() {
        let mut aliases = OutboundAliases::new(1);
        let (first, second): (Arc<str>, Arc<str>) = (Arc::from("first"), Arc::from("second"));
        assert_eq!(aliases.next_use(&first), AliasUse::Set(1));
        assert_eq!(aliases.next_use(&first), AliasUse::Alias(1));
        assert_eq!(aliases.next_use(&second), AliasUse::Name);
    }

    #[test]
    fn a_peer_that_accepts_none_gets_none() {
        let mut aliases = OutboundAliases::new(0);
        assert!(aliases.is_off());
        assert_eq!(aliases.next_use(&Arc::from("first")), AliasUse::Name);
    }
}
