//! What many rounds say together.

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The lowest and the highest; `None` of nothing.
pub(super) fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(min, max), &value| (value.min(min), value.max(max))))
}

/// A ratio that is known from several pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratio {
    /// The geometric mean of the pairs' ratios.
    pub(super) mean: f64,
    /// Between these it is with a confidence of 95 %; `None` of a single pair.
    pub(super) interval: Option<(f64, f64)>,
}

/// What the second values of the pairs are to the first ones: the t-interval of the mean of the logarithms of their ratios, for
/// ratios multiply, and what moves both values of a pair, as another program on the same machine does, is no part of it. `None`
/// where there is no pair of positive values.
pub(super) fn ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let positive = pairs.iter().filter(|(one, other)| *one > 0.0 && *other > 0.0);
    let logs: Vec<f64> = positive.map(|(one, other)| (other / one).ln()).collect();
    let count = logs.len() as f64;
    if logs.is_empty() {
        return None;
    }
    let mean = logs.iter().sum::<f64>() / count;
    let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let half = (logs.len() > 1).then(|| t_quantile(logs.len() - 1) * (squares / (count - 1.0) / count).sqrt());
    Some(Ratio { mean: mean.exp(), interval: half.map(|half| ((mean - half).exp(), (mean + half).exp())) })
}

/// The quantile 0.975 of Student's t-distribution. Beyond the table, a value that is a little too large.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    let beyond = if degrees_of_freedom > 60 { 2.000 } else { 2.042 };
    degrees_of_freedom.checked_sub(1).and_then(|index| TABLE.get(index)).copied().unwrap_or(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_or_lies_between_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 100.0, 2.0]), Some(3.0));
    }

    #[test]
    fn the_spread_is_from_the_lowest_to_the_highest() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[2.0, -1.0, 3.0]), Some((-1.0, 3.0)));
    }

    #[test]
    fn the_interval_is_that_of_the_logarithms_of_paired_ratios() {
        let e = std::f64::consts::E;
        // Logarithms 1, 2, 3: mean 2, standard error 1 / sqrt(3), t 4.303.
        let Ratio { mean, interval } = ratio(&[(1.0, e), (2.0, 2.0 * e * e), (5.0, 5.0 * e * e * e)]).unwrap();
        let (low, high) = interval.unwrap();
        let half = 4.303 / 3f64.sqrt();

        for (value, expected) in [(mean, 2.0), (low, 2.0 - half), (high, 2.0 + half)] {
            assert!((value.ln() - expected).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn what_moves_both_values_of_a_pair_does_not_widen_the_interval() {
        let Ratio { mean, interval } = ratio(&[(1.0, 2.0), (100.0, 200.0), (7.0, 14.0)]).unwrap();

        let (low, high) = interval.unwrap();
        assert!([mean, low, high].iter().all(|value| (value - 2.0).abs() < 1e-9));
    }

    #[test]
    fn one_pair_has_no_interval_and_nothing_is_a_ratio_to_zero() {
        assert_eq!(ratio(&[(2.0, 3.0)]), Some(Ratio { mean: 1.5, interval: None }));
        assert_eq!(ratio(&[(0.0, 3.0), (f64::NAN, 1.0)]), None);
        assert_eq!([1, 30, 31, 100].map(t_quantile), [12.706, 2.042, 2.042, 2.0]);
    }
}
