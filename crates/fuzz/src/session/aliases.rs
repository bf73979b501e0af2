//! Topic aliases of both ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use topicwire_session::{AliasError, AliasUse, InboundAliases, OutboundAliases};

use crate::input::Input;

const TOPICS: [&str; 5] = ["abc", "four", "a/longer/topic", "another", "ünïcödé"];

/// What one end sets the other resolves; and an end that sets what it likes.
pub(super) struct Aliases {
    maximum: u16,
    outbound: OutboundAliases,
    peer: InboundAliases,
    inbound: InboundAliases,
    names: BTreeMap<u16, &'static str>,
}

impl Aliases {
    pub(super) fn new(maximum: u8) -> Self {
        let maximum = u16::from(maximum);
        Self {
            maximum,
            outbound: OutboundAliases::new(maximum),
            peer: InboundAliases::new(maximum),
            inbound: InboundAliases::new(maximum),
            names: BTreeMap::new(),
        }
    }

    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        let (operation, name, alias) = (input.below(3), input.pick(&TOPICS), u16::from(input.byte() % 8));
        match operation {
            0 => match self.outbound.next_use(&Arc::from(name)) {
                AliasUse::Name => {}
                AliasUse::Set(alias) => assert_eq!(self.peer.set(alias, name), Ok(())),
                AliasUse::Alias(alias) => assert_eq!(self.peer.resolve(alias).as_deref(), Ok(name)),
            },
            1 => {
                let is_allowed = self.inbound.set(alias, name).is_ok();
                assert_eq!(is_allowed, alias <= self.maximum);
                if is_allowed {
                    self.names.insert(alias, name);
                }
            }
            _ => {
                let expected = match self.names.get(&alias) {
                    Some(name) => Ok(*name),
                    None if alias > self.maximum => {
                        Err(AliasError::AboveMaximum { alias, maximum: self.maximum })
                    }
                    None => Err(AliasError::Unknown { alias }),
                };
                assert_eq!(self.inbound.resolve(alias).as_deref().map_err(|error| *error), expected);
            }
        }
    }
}
