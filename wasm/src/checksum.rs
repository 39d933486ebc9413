//! The Internet checksum (RFC 1071). Sums are of little-endian words: the order of bytes makes no difference to a sum
//! in one's complement (RFC 1071 §2), as long as it is written back in the same order.

/// A sum that is not folded yet.
pub type Sum = u64;

/// The sum of `bytes`, which begin at an even place of what is summed up.
#[inline]
pub fn sum(bytes: &[u8]) -> Sum {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let (words, last) = rest.as_chunks::<4>();
    let mut padded = [0; 4];
    padded[..last.len()].copy_from_slice(last);
    let words: Sum = words.iter().map(|word| Sum::from(u32::from_le_bytes(*word))).sum();
    sum_blocks(blocks) + words + Sum::from(u32::from_le_bytes(padded))
}

/// Two instructions for 16 bytes. A lane holds what 64 KiB can come to many times over.
#[cfg(target_arch = "wasm32")]
#[inline]
fn sum_blocks(blocks: &[[u8; 16]]) -> Sum {
    use std::arch::wasm32::{i32x4_add, u32x4_extadd_pairwise_u16x8, u32x4_extract_lane, u64x2};
    let mut lanes = u64x2(0, 0);
    for block in blocks {
        let block = u128::from_le_bytes(*block);
        let block = u64x2(block as u64, (block >> 64) as u64);
        lanes = i32x4_add(lanes, u32x4_extadd_pairwise_u16x8(block));
    }
    let [a, b] = [u32x4_extract_lane::<0>(lanes), u32x4_extract_lane::<1>(lanes)];
    let [c, d] = [u32x4_extract_lane::<2>(lanes), u32x4_extract_lane::<3>(lanes)];
    [a, b, c, d].map(Sum::from).into_iter().sum()
}

/// The compiler makes vectors of it, where it has them.
#[cfg(not(target_arch = "wasm32"))]
#[inline]
fn sum_blocks(blocks: &[[u8; 16]]) -> Sum {
    let words = blocks.as_flattened().as_chunks::<4>().0;
    words.iter().map(|word| Sum::from(u32::from_le_bytes(*word))).sum()
}

/// What one 16-bit number in network order adds to a sum.
#[inline]
pub fn half(number: u16) -> Sum {
    Sum::from(number.swap_bytes())
}

/// Folds a sum to 16 bits.
#[inline]
pub fn fold(sum: Sum) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + (sum & 0xffff)) as u16
}

/// The checksum of a sum, as it is written.
#[inline]
pub fn finish(sum: Sum) -> [u8; 2] {
    (!fold(sum)).to_le_bytes()
}

/// [`finish`] for UDP, where 0 would say that there is none (RFC 768).
#[inline]
pub fn finish_udp(sum: Sum) -> [u8; 2] {
    match finish(sum) {
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    }
}

/// Changes a checksum for a 16-bit number that has become another (RFC 1624 §3, eqn. 3).
pub fn update(checksum: [u8; 2], old: u16, new: u16) -> [u8; 2] {
    let sum = Sum::from(!u16::from_le_bytes(checksum)) + half(!old) + half(new);
    finish(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // §3: 00 01 f2 03 f4 f5 f6 f7 sum up to ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)).swap_bytes(), 0xddf2);
        assert_eq!(finish(sum(&bytes)), [0x22, 0x0d]);
    }

    fn slow(bytes: &[u8]) -> u16 {
        let mut total = 0u32;
        for pair in bytes.chunks(2) {
            total += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            total = (total >> 16) + (total & 0xffff);
        }
        total as u16
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_definition(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(fold(sum(&bytes)).swap_bytes(), slow(&bytes));
        }

        #[test]
        fn updating_is_computing_anew(mut bytes in prop::collection::vec(any::<u8>(), 4..40), new in any::<u16>()) {
            let before = finish(sum(&bytes));
            let old = u16::from_be_bytes([bytes[2], bytes[3]]);
            bytes[2..4].copy_from_slice(&new.to_be_bytes());
            let (updated, anew) = (update(before, old, new), finish(sum(&bytes)));
            // Both zeros of one's complement may come out where all bytes are 0.
            let zero = |sum: [u8; 2]| if sum == [0xff; 2] { [0; 2] } else { sum };
            prop_assert_eq!(zero(updated), zero(anew));
        }
    }
}
