//! How long to wait before something that failed is tried again: one rule for everybody who tries again.

use std::time::Duration;

/// Doubles with each failure in a row, up to a limit. Half of the wait is left to chance, so that many who
/// failed at the same moment do not come back at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// The longest wait of all.
    pub longest: Duration,
}

impl Backoff {
    pub const fn seconds(first: u64, longest: u64) -> Self {
        Self { first: Duration::from_secs(first), longest: Duration::from_secs(longest) }
    }

    /// The wait after so many failures in a row. `chance` is from 0 to 1.
    pub fn wait(&self, failures: u32, chance: f64) -> Duration {
        let longest = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
        longest.min(self.longest).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// The same in whole seconds, at least one.
    pub fn wait_seconds(&self, failures: u32, chance: f64) -> u32 {
        u32::try_from(self.wait(failures, chance).as_secs_f64().round() as u64).unwrap_or(u32::MAX).max(1)
    }
}

/// A chance that follows from a number, for those that have no source of chance: 0 to 1, spread evenly.
pub fn chance_of(number: u64) -> f64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
}

/// A chance that follows from a text, such as the id of an operation, and a number.
pub fn chance_in(text: &str, number: u64) -> f64 {
    // FNV-1a.
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    chance_of(text.bytes().fold(0xCBF2_9CE4_8422_2325, hash).wrapping_add(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(1, 0.0, 2)]
    #[case(1, 1.0, 4)]
    #[case(2, 1.0, 8)]
    #[case(3, 0.0, 8)]
    #[case(9, 1.0, 60)]
    #[case(u32::MAX, 0.0, 30)]
    #[case(0, 1.0, 4)]
    fn a_wait_doubles_up_to_its_limit_and_half_of_it_is_left_to_chance(
        #[case] failures: u32,
        #[case] chance: f64,
        #[case] seconds: u64,
    ) {
        assert_eq!(Backoff::seconds(4, 60).wait(failures, chance), Duration::from_secs(seconds));
    }

    #[test]
    fn chances_are_spread_over_the_whole_range() {
        let chances: Vec<f64> = (0..1_000).map(chance_of).collect();
        assert!(chances.iter().all(|chance| (0.0..=1.0).contains(chance)));
        for tenth in 0..10 {
            let inside = chances.iter().filter(|chance| (**chance * 10.0) as u32 == tenth).count();
            assert!((50..200).contains(&inside), "{inside} of 1000 in the tenth {tenth}");
        }
        assert_ne!(chance_in("qd-1", 1).to_bits(), chance_in("qd-2", 1).to_bits());
    }
}
