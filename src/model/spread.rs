//! Numbers that look like chance and are the same on every machine, in every version and after every restart.
//!
//! What is spread by them must not move when the agent is built anew, so the hash is written out here: the standard
//! library's may change.

/// A number from these parts: FNV-1a over each with its length, stirred at the end so that every bit counts.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(*part) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    // The last step of SplitMix64: FNV alone leaves the high bits of similar texts alike.
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// The hash as a number below `limit`, each as likely as any other; 0 where there is none below it.
pub fn below(hash: u64, limit: u64) -> u64 {
    let product = u128::from(hash) * u128::from(limit);
    u64::try_from(product >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_same_for_ever() {
        assert_eq!(hash(&[]), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash(&[b"shop.web.sync", b"1"]), 10_029_123_227_102_358_992);
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]), "where a part ends counts");
    }

    #[test]
    fn a_number_is_below_its_limit() {
        assert_eq!((below(u64::MAX, 10), below(0, 10), below(u64::MAX, 0), below(u64::MAX, 1)), (9, 0, 0, 0));
    }
}
