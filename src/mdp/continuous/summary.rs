//! The history of a study in a few numbers of order 1.

use super::ActionSpace;
use crate::optimizer::Context;

/// How many numbers [`summarize`] appends, beside the incumbent's action.
const NUMBERS: usize = 5;

/// How many numbers [`summarize`] appends.
pub(super) fn width(actions: &ActionSpace) -> usize {
    NUMBERS + actions.len()
}

/// Appends the share of the budget that is spent (without a budget `n / (n + 10)`), the time since the
/// last improvement as a share of the trials, the best and the last score in standard deviations from
/// the mean, the spread `(best - mean) / (best - worst)`, and the incumbent's action.
pub(super) fn summarize(
    cx: &Context<'_>,
    budget: Option<usize>,
    actions: &ActionSpace,
    into: &mut Vec<f32>,
) {
    let n = cx.history.len();
    let scores: Vec<f64> = scores(cx).flatten().collect();
    let spent = match budget {
        Some(budget) => (n as f32 / budget.max(1) as f32).min(1.0),
        None => n as f32 / (n as f32 + 10.0),
    };
    let incumbent = cx.history.incumbent();
    let since = incumbent.and_then(|best| {
        let place = cx.history.trials().iter().position(|trial| trial.id == best.id)?;
        Some((n - 1 - place) as f32 / n as f32)
    });
    let z = Standard::of(&scores);
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let worst = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let range = best - worst;
    let spread = if range > 0.0 && range.is_finite() { (best - z.mean) / range } else { 0.0 };
    let last = cx.history.trials().last().and_then(|trial| trial.score());
    into.push(spent);
    into.push(since.unwrap_or(0.0));
    into.push(z.of_score(best));
    into.push(last.map_or(0.0, |score| z.of_score(score.get())));
    into.push(spread as f32);
    match incumbent {
        Some(best) => into.extend(actions.encode(&best.configuration)),
        None => into.extend(std::iter::repeat_n(0.0, actions.len())),
    }
}

/// The scores in the order of telling, `None` where a trial failed.
fn scores<'a>(cx: &'a Context<'_>) -> impl Iterator<Item = Option<f64>> + 'a {
    cx.history.trials().iter().map(|trial| trial.score().map(|score| score.get()))
}

/// The mean and the standard deviation of scores.
pub(super) struct Standard {
    mean: f64,
    deviation: f64,
}

impl Standard {
    pub fn of_history(cx: &Context<'_>) -> Self {
        Self::of(&scores(cx).flatten().collect::<Vec<_>>())
    }

    fn of(scores: &[f64]) -> Self {
        let n = scores.len().max(1) as f64;
        let mean = scores.iter().map(|score| score / n).sum::<f64>();
        // Scaled first, so that squares of huge scores stay finite.
        let scale = scores.iter().map(|s| (s - mean).abs()).fold(0.0, f64::max);
        let square = scores.iter().map(|s| ((s - mean) / scale).powi(2)).sum::<f64>();
        Self { mean, deviation: if scale > 0.0 { scale * (square / n).sqrt() } else { 0.0 } }
    }

    /// A score in standard deviations from the mean, in `[-10, 10]`; 0 where scores do not differ.
    pub fn of_score(&self, score: f64) -> f32 {
        let z = (score - self.mean) / self.deviation;
        if self.deviation > 0.0 && z.is_finite() { z.clamp(-10.0, 10.0) as f32 } else { 0.0 }
    }
}
