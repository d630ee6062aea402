//! Latencies, counted by size: percentiles without keeping the samples.

/// Smallest latency told apart, in milliseconds.
const LOWEST: f64 = 0.01;
/// Each bucket is this much wider than the one before: a percentile is right within 4 %.
const GROWTH: f64 = 1.08;

/// Latencies counted in buckets of growing width, the used ones only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Bucket and count, by bucket. 255 buckets reach from 10 µs to 50 minutes.
    buckets: Vec<(u8, u64)>,
}

impl Histogram {
    /// Counts a latency in milliseconds.
    pub fn add(&mut self, millis: f64) {
        self.count(bucket(millis), 1);
    }

    /// Counts what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            self.count(*bucket, *count);
        }
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    fn count(&mut self, bucket: u8, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// The latency in milliseconds that so many percent (0 to 100) of the requests do not exceed;
    /// `None` without any.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let wanted = (self.total() as f64 * percent / 100.0).ceil().max(1.0);
        let mut seen = 0.0;
        self.buckets.iter().find_map(|(bucket, count)| {
            seen += *count as f64;
            (seen >= wanted).then(|| middle(*bucket))
        })
    }
}

fn bucket(millis: f64) -> u8 {
    let steps = (millis.max(LOWEST) / LOWEST).ln() / GROWTH.ln();
    // Not a number is the fastest: a line may say anything.
    if steps.is_finite() { steps.clamp(0.0, 255.0) as u8 } else { 0 }
}

/// The value in the middle of a bucket, by ratio.
fn middle(bucket: u8) -> f64 {
    LOWEST * GROWTH.powf(f64::from(bucket) + 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_histogram_has_no_percentile_and_odd_values_are_counted() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50.0), None);
        for millis in [f64::NAN, -1.0, f64::INFINITY, 1e300] {
            histogram.add(millis);
        }
        assert!(histogram.percentile(99.0).is_some_and(f64::is_finite));
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_four_percent(
            mut samples in prop::collection::vec(0.02f64..600_000.0, 1..300),
            percent in prop::sample::select(vec![1.0, 50.0, 95.0, 99.0, 100.0]),
        ) {
            let (mut left, mut right) = (Histogram::default(), Histogram::default());
            for (index, sample) in samples.iter().enumerate() {
                if index % 2 == 0 { left.add(*sample) } else { right.add(*sample) }
            }
            left.merge(&right);
            samples.sort_by(f64::total_cmp);
            let rank = ((samples.len() as f64 * percent / 100.0).ceil() as usize).max(1);
            let (exact, found) = (samples[rank - 1], left.percentile(percent).expect("samples"));
            prop_assert!((found / exact - 1.0).abs() < 0.041, "{found} instead of {exact}");
        }
    }
}
