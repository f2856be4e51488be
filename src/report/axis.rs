//! From values to places on an axis.

use crate::trial::Direction;

use super::text::{shortened, without_zeros};

/// Values of a minimized objective that span more than this factor are shown on a log scale, which
/// stretches the low end, where the best values are.
const LOG_MINIMIZED: f64 = 30.0;
/// Of a maximized objective a log scale squeezes the end that matters, so it takes more.
const LOG_MAXIMIZED: f64 = 1e4;
/// A log scale shows at most this many decades.
const DECADES: f64 = 12.0;
/// Values that are further away from the best value than this factor times 95 % of the values are lie at
/// the axis's end.
const OUTLIERS: f64 = 4.0;
/// Room at the ends, as a share of the range.
const MARGIN: f64 = 0.04;
/// About how many ticks an axis has.
const TICKS: f64 = 5.0;
/// Longest label of a category, in characters.
const LABEL: usize = 14;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

#[derive(Debug, Clone, PartialEq)]
enum Scale {
    Linear,
    /// The ends are logarithms to base 10.
    Log,
    Categories(Vec<String>),
}

impl Axis {
    /// Numbers from `low` to `high`, on a log scale where `log` and 0 lies below them. Equal or unsound
    /// ends are moved apart.
    pub(crate) fn range(low: f64, high: f64, log: bool) -> Self {
        let log = log && low > 0.0 && low < high && high.is_finite();
        let (scale, low, high) = match log {
            true => (Scale::Log, low.log10(), high.log10()),
            false => (Scale::Linear, low, high),
        };
        if !(low.is_finite() && high.is_finite()) {
            return Self { scale, low: 0.0, high: 1.0 };
        }
        if low >= high {
            let half = (0.5 * low.abs()).max(if low == 0.0 { 0.5 } else { f64::MIN_POSITIVE });
            let (low, high) = ((low - half).max(f64::MIN), (low + half).min(f64::MAX));
            return Self { scale, low, high };
        }
        Self { scale, low, high }
    }

    /// Unordered categories in cells of equal width. A value is the position of one.
    pub(super) fn categories(labels: Vec<String>) -> Self {
        let high = labels.len().max(1) as f64 - 0.5;
        Self { scale: Scale::Categories(labels), low: -0.5, high }
    }

    /// Values of an objective, and how many of them lie beyond the axis, far from the best. Values that
    /// are not finite are passed over.
    pub(super) fn of_values(
        values: impl IntoIterator<Item = f64>,
        direction: Direction,
    ) -> (Self, usize) {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
            return (Self::range(0.0, 1.0, false), 0);
        };
        let factor = match direction {
            Direction::Minimize => LOG_MINIMIZED,
            Direction::Maximize => LOG_MAXIMIZED,
        };
        let (mut low, mut high) = (low, high);
        let log = low > 0.0 && high / low > factor;
        if log {
            low = low.max(high * 10f64.powf(-DECADES));
        } else {
            let nearly = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
            match direction {
                Direction::Minimize => high = high.min(low + OUTLIERS * (nearly(0.95) - low)),
                Direction::Maximize => low = low.max(high - OUTLIERS * (high - nearly(0.05))),
            }
            // All but a few are equal.
            if low == high {
                (low, high) = (sorted[0], sorted[sorted.len() - 1]);
            }
        }
        let beyond = sorted.iter().filter(|value| **value < low || **value > high).count();
        (Self::range(low, high, log).widened(), beyond)
    }

    fn widened(mut self) -> Self {
        let margin = MARGIN * (self.high - self.low);
        if margin.is_finite() {
            self.low = (self.low - margin).max(f64::MIN);
            self.high = (self.high + margin).min(f64::MAX);
        }
        self
    }

    pub(crate) fn is_log(&self) -> bool {
        self.scale == Scale::Log
    }

    /// The number of categories; `None` for numbers.
    pub(super) fn cells(&self) -> Option<usize> {
        match &self.scale {
            Scale::Categories(labels) => Some(labels.len().max(1)),
            _ => None,
        }
    }

    /// The place in `[0, 1]`; what lies beyond an end is at the end.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        let at = match self.scale {
            Scale::Log if value <= 0.0 => return 0.0,
            Scale::Log => value.log10(),
            _ => value,
        };
        // Halves, since the range of two finite numbers need not be finite.
        let fraction = (0.5 * at - 0.5 * self.low) / (0.5 * self.high - 0.5 * self.low);
        if fraction.is_nan() { 0.5 } else { fraction.clamp(0.0, 1.0) }
    }

    /// Places in `[0, 1]` and labels, at most about `most`.
    pub(crate) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        match &self.scale {
            Scale::Linear => self.linear_ticks(most),
            Scale::Log => self.log_ticks(most),
            Scale::Categories(labels) => {
                let stride = labels.len().div_ceil(most.max(1)).max(1);
                labels
                    .iter()
                    .enumerate()
                    .step_by(stride)
                    .map(|(at, label)| (self.fraction(at as f64), shortened(label, LABEL)))
                    .collect()
            }
        }
    }

    fn linear_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let count = TICKS.min(most as f64).max(1.0);
        let rough = 2.0 * ((0.5 * self.high - 0.5 * self.low) / count);
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let Some(step) = step.into_iter().find(|step| *step >= rough * 0.99) else {
            return Vec::new();
        };
        let first = (self.low / step).ceil();
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for index in 0..2 * TICKS as usize {
            let value = (first + index as f64) * step;
            if !value.is_finite() || value > self.high {
                break;
            }
            let label = linear_label(value, step);
            if ticks.last().is_none_or(|(_, last)| *last != label) {
                ticks.push((self.fraction(value), label));
            }
        }
        ticks
    }

    fn log_ticks(&self, most: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.ceil() as i32, self.high.floor() as i32);
        let decades = (last - first + 1).max(0);
        let most = most.max(2) as i32;
        let place = |at: f64| (at - self.low) / (self.high - self.low);
        if decades >= 3 {
            let strides = [1, 2, 3, 5, 10, 20, 30, 50];
            let enough = |stride: &i32| decades <= stride * most;
            let stride = strides.into_iter().find(enough).unwrap_or(100);
            let chosen = (first..=last).filter(|power| power.rem_euclid(stride) == 0);
            return chosen.map(|p| (place(f64::from(p)), decade_label(p))).collect();
        }
        let mut ticks = Vec::new();
        let leading: &[f64] = if decades == 2 { &[1.0, 3.0] } else { &[1.0, 2.0, 5.0] };
        for power in first - 1..=last {
            for times in leading {
                let at = f64::from(power) + times.log10();
                if (self.low..=self.high).contains(&at) {
                    ticks.push((place(at), multiple_label(*times, power)));
                }
            }
        }
        if ticks.len() < 2 {
            // Less than a decade, between two of those numbers.
            let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
            let linear = Self { scale: Scale::Linear, low, high };
            let ticks = linear.linear_ticks(most as usize).into_iter();
            return ticks
                .map(|(at, label)| (place((low + at * (high - low)).log10()), label))
                .collect();
        }
        ticks
    }
}

fn linear_label(value: f64, step: f64) -> String {
    // What is 0 but for rounding.
    if value.abs() < 1e-9 * step {
        return "0".to_owned();
    }
    let digits = (-step.log10().floor()).max(0.0) as usize;
    if value.abs() < 1e6 && digits <= 5 {
        return format!("{value:.digits$}");
    }
    let places = (value.abs().log10().floor() - step.log10().floor()).clamp(0.0, 15.0) as usize;
    let text = format!("{value:.places$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", without_zeros(digits))
}

fn decade_label(power: i32) -> String {
    multiple_label(1.0, power)
}

fn multiple_label(times: f64, power: i32) -> String {
    match power {
        0..=4 => format!("{:.0}", times * 10f64.powi(power)),
        -3..0 => format!("{:.*}", -power as usize, times * 10f64.powi(power)),
        _ => format!("{times}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        axis.ticks(6).into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_numbers() {
        for (low, high, log, wanted) in [
            (0.0, 1.0, false, "0 0.2 0.4 0.6 0.8 1.0"),
            (-7.0, 13.0, false, "-5 0 5 10"),
            (0.0, 4e7, false, "0 1e7 2e7 3e7 4e7"),
            (1e-7, 3e-7, false, "1e-7 1.5e-7 2e-7 2.5e-7 3e-7"),
            (1e-5, 1.0, true, "1e-5 1e-4 0.001 0.01 0.1 1"),
            (1.0, 128.0, true, "1 10 100"),
            (1.0, 9.0, true, "1 2 5"),
            (0.03, 2.0, true, "0.03 0.1 0.3 1"),
            (11.0, 19.0, true, "12 14 16 18"),
            (1e-300, 1e300, true, "1e-300 1e-200 1e-100 1 1e100 1e200 1e300"),
        ] {
            assert_eq!(labels(&Axis::range(low, high, log)), wanted, "{low} {high} {log}");
        }
    }

    #[test]
    fn places_are_within_the_axis_whatever_the_ends() {
        let numbers = [f64::MIN, -1.0, -0.0, 5e-324, 1.0, 1.0 + f64::EPSILON, 1e300, f64::MAX];
        for low in numbers {
            for high in numbers.into_iter().chain([f64::NAN, f64::INFINITY]) {
                for log in [false, true] {
                    let axis = Axis::range(low, high, log);
                    for value in numbers {
                        assert!((0.0..=1.0).contains(&axis.fraction(value)), "{axis:?} {value}");
                    }
                    for (at, label) in axis.ticks(6) {
                        assert!((-1e-9..=1.0 + 1e-9).contains(&at), "{axis:?} {label}");
                    }
                    assert!(axis.ticks(6).len() <= 12);
                }
            }
        }
    }

    #[test]
    fn values_over_decades_are_shown_on_a_log_scale() {
        let of = |values: &[f64], direction| Axis::of_values(values.iter().copied(), direction);
        assert!(of(&[0.01, 1.0, f64::NAN], Direction::Minimize).0.is_log());
        assert!(!of(&[0.01, 1.0], Direction::Maximize).0.is_log());
        assert!(!of(&[0.0, 1.0], Direction::Minimize).0.is_log());
        assert!(!of(&[1.0, 2.0], Direction::Minimize).0.is_log());
    }

    #[test]
    fn values_far_from_the_best_lie_at_the_end() {
        let mut values: Vec<f64> = (0..100).map(f64::from).collect();
        values.push(1e9);
        let (axis, beyond) = Axis::of_values(values.clone(), Direction::Minimize);
        assert_eq!((beyond, axis.fraction(1e9)), (1, 1.0));
        assert!(axis.fraction(99.0) > 0.2);
        // The same value is the best of a maximized objective: nothing may hide it.
        let (axis, beyond) = Axis::of_values(values, Direction::Maximize);
        assert!(axis.fraction(1e9) < 1.0 && beyond == 0);
        let equal = Axis::of_values([vec![0.0; 99], vec![5.0]].concat(), Direction::Minimize);
        assert_eq!(equal.1, 0);
        assert!(Axis::of_values([3.0; 4], Direction::Minimize).0.fraction(3.0) == 0.5);
        assert_eq!(Axis::of_values([f64::NAN], Direction::Minimize).1, 0);
    }

    #[test]
    fn categories_are_the_middles_of_cells() {
        let axis = Axis::categories(vec!["a".into(), "b".repeat(30)]);
        let ticks = axis.ticks(6);
        assert_eq!(ticks[0], (0.25, "a".into()));
        assert_eq!((ticks[1].0, ticks[1].1.chars().count()), (0.75, LABEL));
        let many = Axis::categories((0..100).map(|i| i.to_string()).collect());
        assert!(many.ticks(6).len() <= 6);
        assert!(Axis::categories(Vec::new()).ticks(6).is_empty());
    }
}
