//! The value of `H`: a number that follows from a job's identity and the field alone.
//!
//! `labels-spec.md` says how it is computed, so that anybody can compute it again: it must be the same after a restart,
//! on another machine and in a later version, which the standard library does not promise of its own hashes.

/// 64-bit FNV-1a of `<identity>:<field>`, then the last step of `MurmurHash3`. FNV alone leaves the low bits of similar
/// names alike, and it is the low bits that a remainder by 60 or 24 is made of.
pub(super) fn hash(identity: &str, field: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in identity.bytes().chain([b':']).chain(field.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

/// A number below `count`, which is at least 1.
pub(super) fn below(count: usize, identity: &str, field: &str) -> usize {
    let count = u64::try_from(count.max(1)).unwrap_or(1);
    usize::try_from(hash(identity, field) % count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_every_version() {
        assert_eq!(hash("", ""), 8049451291064401709);
        assert_eq!(hash("shop.web.sync", "minute"), 6629712638946658684);
        assert_eq!(below(60, "shop.web.sync", "minute"), 4);
    }

    /// Chi-squared over names as people give them; for 59 degrees of freedom 1 in 1000 lies above 98.3.
    #[test]
    fn similar_names_are_spread_evenly() {
        type Names = fn(usize) -> String;
        let names: [Names; 3] = [
            |n| format!("shop.web.job-{n}"),
            |n| format!("backup{n:04}"),
            |n| format!("project-{}.service-{}.sync", n / 10, n % 10),
        ];
        for (field, count, limit) in [("minute", 60, 98.3), ("second", 60, 98.3), ("hour", 24, 49.7)] {
            for name in names {
                let total = 6_000_u32;
                let mut found = vec![0_u32; count];
                for n in 0..total as usize {
                    found[below(count, &name(n), field)] += 1;
                }
                let expected = f64::from(total) / f64::from(u32::try_from(count).unwrap());
                let chi: f64 = found.iter().map(|it| (f64::from(*it) - expected).powi(2) / expected).sum();
                assert!(chi < limit, "{field} {}: {chi}", name(1));
            }
        }
    }

    #[test]
    fn the_fields_of_one_job_do_not_depend_on_each_other() {
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..6_000 {
            let name = format!("job-{n}");
            seen.insert((below(24, &name, "hour"), below(60, &name, "minute")));
        }
        // 1440 pairs, four names each: about 1417 are met if they are independent, 60 or so if they are not.
        assert!(seen.len() > 1_380, "{}", seen.len());
    }
}
