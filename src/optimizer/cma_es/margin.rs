//! The margin: every discrete coordinate keeps a probability of leaving its value, so that none is fixed
//! before its time.
//!
//! Hamano, Saito, Nomura & Shirakawa 2022, "CMA-ES with margin: lower-bounding marginal probability for
//! mixed-integer black-box optimization", section 4.

use crate::normal;
use crate::space::Domain;

/// Where a discrete coordinate's distribution stands after the correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Corrected {
    pub(super) mean: f64,
    /// By how much samples are stretched around the mean before their cell is taken.
    pub(super) stretch: f64,
}

/// Corrects the mean and the stretch of a coordinate, so that the values below and above that of the mean
/// have a probability of at least `alpha / 2` each, or, where the mean's value is the first or the last, the
/// others together `alpha`. `deviation` is the coordinate's before it is stretched.
pub(super) fn correct(
    domain: &Domain,
    Corrected { mean, stretch }: Corrected,
    deviation: f64,
    alpha: f64,
) -> Corrected {
    let Some((low, high)) = domain.cell(domain.from_unit(mean)) else {
        return Corrected { mean, stretch };
    };
    if low <= 0.0 || high >= 1.0 {
        // One edge only: the mean stays near enough to it.
        let (edge, outwards) = if low <= 0.0 { (high, -1.0) } else { (low, 1.0) };
        let farthest = stretch * deviation * normal::quantile(1.0 - alpha);
        let distance = (outwards * (mean - edge)).min(farthest);
        return Corrected { mean: edge + outwards * distance, stretch };
    }
    let below = normal::cdf((low - mean) / (stretch * deviation));
    let above = normal::cdf((mean - high) / (stretch * deviation));
    let within = 1.0 - below - above;
    let raised = [below, above].map(|p| p.max(alpha / 2.0));
    // What was added is taken from the probabilities that exceed their bounds, in proportion.
    let added = 1.0 - raised[0] - raised[1] - within;
    let excess = raised[0] + within + raised[1] - 1.5 * alpha;
    let [below, above] =
        raised.map(|p| (p + added * (p - alpha / 2.0) / excess).clamp(1e-10, 0.5 - 1e-10));
    let (below, above) = (normal::quantile(1.0 - below), normal::quantile(1.0 - above));
    Corrected {
        mean: (low * above + high * below) / (below + above),
        stretch: (high - low) / ((below + above) * deviation),
    }
}
