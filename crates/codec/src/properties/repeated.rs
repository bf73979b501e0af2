//! The properties that may be given more than once. A decoded one is a view of the packet's property section
//! that is read again whenever somebody asks; nothing is copied.

use core::fmt;

use super::PropertyId;
use crate::reader::Reader;

/// The User Properties of a packet, in their order [MQTT-3.3.2-18, 3.1.3-10].
///
/// Two are equal when they hold the same pairs in the same order, wherever those come from.
#[derive(Clone, Copy)]
pub struct UserProperties<'a>(Source<'a, (&'a str, &'a str)>);

/// The Subscription Identifiers of a PUBLISH, 1 to 268,435,455 each.
///
/// Two are equal when they hold the same identifiers in the same order, wherever those come from.
#[derive(Clone, Copy)]
pub struct SubscriptionIds<'a>(Source<'a, u32>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// A case of its own, so that a packet without properties is made with one write for each list.
    None,
    /// A checked property section from the first property of interest on. Others may lie between and behind.
    Section(&'a [u8]),
    Slice(&'a [T]),
}

impl<'a, T: Copy> Source<'a, T> {
    const fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::Section(bytes) => bytes.is_empty(),
            Self::Slice(items) => items.is_empty(),
        }
    }

    fn iter(
        self,
        wanted: PropertyId,
        read: fn(&mut Reader<'a>) -> Option<T>,
    ) -> impl Iterator<Item = T> + Clone + use<'a, T> {
        let (section, items) = match self {
            Self::None => (&[][..], &[][..]),
            Self::Section(bytes) => (bytes, &[][..]),
            Self::Slice(items) => (&[][..], items),
        };
        let mut reader = Reader::new(section);
        let decoded = core::iter::from_fn(move || {
            loop {
                let property = PropertyId::from_u8(reader.u8().ok()?)?;
                if property == wanted {
                    return read(&mut reader);
                }
                property.skip(&mut reader).ok()?;
            }
        });
        decoded.chain(items.iter().copied())
    }
}

impl<'a> UserProperties<'a> {
    /// The pairs to encode, names and values of at most 65,535 bytes each.
    #[must_use]
    pub const fn from_pairs(pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self(Source::Slice(pairs))
    }

    pub(super) const fn from_section(section: &'a [u8]) -> Self {
        Self(Source::Section(section))
    }

    /// Whether there are none. Costs nothing.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and values in their order. A name may come more than once.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        self.0.iter(PropertyId::UserProperty, |reader| Some((reader.string().ok()?, reader.string().ok()?)))
    }
}

impl<'a> SubscriptionIds<'a> {
    /// The identifiers to encode.
    #[must_use]
    pub const fn from_slice(ids: &'a [u32]) -> Self {
        Self(Source::Slice(ids))
    }

    pub(super) const fn from_section(section: &'a [u8]) -> Self {
        Self(Source::Section(section))
    }

    /// Whether there are none. Costs nothing.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The identifiers in their order. One may come more than once, where subscriptions share it.
    pub fn iter(&self) -> impl Iterator<Item = u32> + Clone + use<'a> {
        self.0.iter(PropertyId::SubscriptionIdentifier, |reader| reader.varint().ok())
    }
}

macro_rules! list_by_meaning {
    ($($name:ident),+) => {$(
        impl Default for $name<'_> {
            #[inline]
            fn default() -> Self {
                Self(Source::None)
            }
        }

        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.iter().eq(other.iter())
            }
        }

        impl Eq for $name<'_> {}

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_list().entries(self.iter()).finish()
            }
        }
    )+};
}

list_by_meaning!(UserProperties, SubscriptionIds);
