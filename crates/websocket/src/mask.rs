//! Taking the client's mask off (RFC 6455, section 5.3), in place or on the way to a lower place.

/// Moves all but the first `gap` bytes of `region` to its front, unmasked. `mask[0]` belongs to the first of them.
///
/// What is left in the last `gap` bytes means nothing.
#[inline]
pub(crate) fn unmask_down(region: &mut [u8], gap: usize, mask: [u8; 4]) {
    if gap == 0 {
        return unmask(region, mask);
    }
    let Some(length) = region.len().checked_sub(gap) else { return };
    // Two passes, as each is a loop over vectors; one that reads and writes at different places is not made one.
    region.copy_within(gap.., 0);
    unmask(region.get_mut(..length).unwrap_or_default(), mask);
}

/// A plain loop over words, which the compiler makes one over vectors.
#[inline]
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let key = u32::from_ne_bytes(mask);
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

    fn plain(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    fn masked(length: usize) -> Vec<u8> {
        plain(length).iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }

    #[test]
    fn every_length_and_every_gap_comes_out_unmasked_at_the_front() {
        for length in 0..140 {
            for gap in 0..50 {
                let mut region = plain(gap);
                region.extend(masked(length));
                unmask_down(&mut region, gap, MASK);
                assert_eq!(region[..length], plain(length), "{length} bytes, {gap} down");
            }
        }
    }

    #[test]
    fn the_example_of_the_standard_says_hello() {
        let mut bytes = [0x7F, 0x9F, 0x4D, 0x51, 0x58];
        unmask_down(&mut bytes, 0, MASK);
        assert_eq!(&bytes, b"Hello");
    }
}
