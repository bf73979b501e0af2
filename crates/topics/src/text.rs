//! The text of a filter, kept beside its subscribers.
//!
//! A look-up ends by comparing this text, and going to another place of memory for it would cost more than all that
//! came before. So a filter of usual length lies in the leaf itself, which is one cache line then.

/// What fits in place. With it a leaf of the broker's is 64 bytes.
const IN_PLACE: usize = 46;

#[derive(Clone, Debug)]
pub(crate) enum FilterText {
    InPlace { length: u8, bytes: [u8; IN_PLACE] },
    OnHeap(Box<[u8]>),
}

const _: () = assert!(size_of::<FilterText>() == 48);

impl FilterText {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.as_bytes();
        let mut bytes = [0; IN_PLACE];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text);
                Self::InPlace { length, bytes }
            }
            _ => Self::OnHeap(text.into()),
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::InPlace { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::OnHeap(text) => text,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::InPlace { .. } => 0,
            Self::OnHeap(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_comes_back_as_it_was() {
        for length in [0, 1, 45, 46, 47, 48, 255, 256, 257, 300, 65_535] {
            let text = "ab".repeat(length).split_at(length).0.to_owned();
            let kept = FilterText::new(&text);
            assert_eq!(kept.as_bytes(), text.as_bytes());
            assert_eq!(kept.heap_bytes(), if length <= IN_PLACE { 0 } else { length });
        }
    }
}
