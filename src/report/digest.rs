//! What the parts of the page share: which trials can be compared, the best of them, the parameters by column.

use std::collections::HashMap;

use crate::error::Result;
use crate::objectives::front;
use crate::space::Domain;
use crate::storage::{StoredTrial, TrialState};
use crate::trial::Direction;

use super::StudyReport;
use super::axis::Axis;

/// A study, read once for all parts of the page.
pub(super) struct Digest<'a> {
    pub(super) report: &'a StudyReport<'a>,
    /// The positions of the complete trials with one finite value an objective.
    pub(super) complete: Vec<usize>,
    /// The best of them: one for one objective, the Pareto front for several. Those with the best first
    /// objective come first.
    pub(super) best: Vec<usize>,
    /// The complete trials by their first objective, the best first, equal ones as they came.
    pub(super) ranking: Vec<usize>,
    /// The parameters in the order of their first appearance.
    pub(super) columns: Vec<Column<'a>>,
}

/// A parameter's values in all trials.
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) axis: Axis,
    /// How many of the complete trials have it.
    pub(super) complete: usize,
    /// The positions of the trials that have it, in ascending order, with the value's place on the axis.
    values: Vec<(usize, f64)>,
}

impl<'a> Digest<'a> {
    pub(super) fn of(report: &'a StudyReport<'a>) -> Result<Self> {
        let comparable = |position: &usize| {
            let trial = &report.trials[*position];
            trial.state == TrialState::Complete
                && trial.values.as_ref().is_some_and(|values| {
                    values.len() == report.objectives.len()
                        && values.iter().all(|value| value.is_finite())
                })
        };
        let complete: Vec<usize> = (0..report.trials.len()).filter(comparable).collect();
        let mut columns = columns(report.trials);
        for column in &mut columns {
            let values = column.values.iter();
            column.complete = values.filter(|(at, _)| complete.binary_search(at).is_ok()).count();
        }
        let ranking = complete.clone();
        let mut digest = Self { report, complete, best: Vec::new(), ranking, columns };
        let losses: Vec<f64> = (0..report.trials.len()).map(|at| digest.loss(at)).collect();
        digest.ranking.sort_by(|a, b| losses[*a].total_cmp(&losses[*b]));
        digest.best = match report.objectives {
            [] => Vec::new(),
            [_] => digest.ranking.first().copied().into_iter().collect(),
            _ => {
                let points: Vec<Vec<f64>> = digest
                    .ranking
                    .iter()
                    .map(|position| digest.values(*position).to_vec())
                    .collect();
                let front = front(&points, &digest.directions())?;
                front.into_iter().map(|place| digest.ranking[place]).collect()
            }
        };
        Ok(digest)
    }

    pub(super) fn directions(&self) -> Vec<Direction> {
        self.report.objectives.iter().map(|(_, direction)| *direction).collect()
    }

    pub(super) fn trial(&self, position: usize) -> &'a StoredTrial {
        &self.report.trials[position]
    }

    /// The values of a trial, none where it has none.
    pub(super) fn values(&self, position: usize) -> &'a [f64] {
        self.trial(position).values.as_deref().unwrap_or_default()
    }

    /// The first objective's value, less being better.
    fn loss(&self, position: usize) -> f64 {
        let value = self.values(position).first().copied().unwrap_or(f64::INFINITY);
        match self.report.objectives.first() {
            // Adding 0.0 makes zeros of either sign equal.
            Some((_, Direction::Maximize)) => -value + 0.0,
            _ => value + 0.0,
        }
    }

    /// How many trials are in a state.
    pub(super) fn count(&self, state: TrialState) -> usize {
        self.report.trials.iter().filter(|trial| trial.state == state).count()
    }

    /// Whether there is one objective only.
    pub(super) fn is_single(&self) -> bool {
        self.report.objectives.len() == 1
    }
}

impl Column<'_> {
    /// The value of a trial, as a number on the axis.
    pub(super) fn get(&self, position: usize) -> Option<f64> {
        let found = self.values.binary_search_by_key(&position, |(trial, _)| *trial).ok()?;
        Some(self.values[found].1)
    }
}

/// A column under construction.
struct Open<'a> {
    name: &'a str,
    domain: &'a Domain,
    ends: (f64, f64),
    log: bool,
    labels: Vec<String>,
    /// For the latest choices the places of their labels: those of successive trials are equal.
    places: Option<(&'a [crate::space::Choice], Vec<usize>)>,
    values: Vec<(usize, f64)>,
}

/// The columns. Workers may change a parameter's domain from trial to trial: an axis shows all of them. A
/// name that stands for numbers here and for choices there has two columns.
fn columns(trials: &[StoredTrial]) -> Vec<Column<'_>> {
    let mut columns: Vec<Open<'_>> = Vec::new();
    let mut known: HashMap<(&str, bool), usize> = HashMap::new();
    for (position, trial) in trials.iter().enumerate() {
        for (name, parameter) in &trial.parameters {
            let categorical = matches!(parameter.domain, Domain::Categorical { .. });
            let at = *known.entry((name, categorical)).or_insert_with(|| {
                columns.push(Open {
                    name,
                    domain: &parameter.domain,
                    ends: (f64::INFINITY, f64::NEG_INFINITY),
                    log: true,
                    labels: Vec::new(),
                    places: None,
                    values: Vec::new(),
                });
                columns.len() - 1
            });
            columns[at].push(position, &parameter.domain, parameter.internal);
        }
    }
    columns.into_iter().map(Open::close).collect()
}

impl<'a> Open<'a> {
    fn push(&mut self, position: usize, domain: &'a Domain, internal: f64) {
        let value = match domain {
            Domain::Categorical { choices } => {
                if self.places.as_ref().is_none_or(|(latest, _)| *latest != choices.as_slice()) {
                    self.places = Some((choices, self.labelled(choices)));
                }
                let index = (internal >= 0.0).then_some(internal as usize);
                let places = self.places.as_ref().map(|(_, places)| places);
                places.zip(index).and_then(|(places, index)| places.get(index)).map(|p| *p as f64)
            }
            Domain::Float { low, high, log, .. } => self.number(internal, *low, *high, *log),
            Domain::Int { low, high, log, .. } => {
                self.number(internal, *low as f64, *high as f64, *log)
            }
        };
        // A trial that names a parameter twice has the first value.
        if let Some(value) = value
            && self.values.last().is_none_or(|(last, _)| *last != position)
        {
            self.values.push((position, value));
        }
    }

    fn number(&mut self, value: f64, low: f64, high: f64, log: bool) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        self.ends = (self.ends.0.min(low).min(value), self.ends.1.max(high).max(value));
        self.log &= log;
        Some(value)
    }

    /// The places of choices among the labels, where new ones are added.
    fn labelled(&mut self, choices: &[crate::space::Choice]) -> Vec<usize> {
        let mut known: HashMap<String, usize> =
            self.labels.iter().enumerate().map(|(place, label)| (label.clone(), place)).collect();
        choices
            .iter()
            .map(|choice| {
                *known.entry(choice.to_string()).or_insert_with_key(|label| {
                    self.labels.push(label.clone());
                    self.labels.len() - 1
                })
            })
            .collect()
    }

    fn close(self) -> Column<'a> {
        let axis = match self.domain {
            Domain::Categorical { .. } => Axis::categories(self.labels),
            _ => Axis::range(self.ends.0, self.ends.1, self.log),
        };
        Column { name: self.name, axis, complete: 0, values: self.values }
    }
}

/// At most `most` of the items, evenly chosen, the first and the last among them.
pub(super) fn thinned<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most || most < 2 {
        return items.iter().copied().take(most.max(1)).collect();
    }
    (0..most).map(|index| items[index * (items.len() - 1) / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{parameter, trial};
    use crate::space::Choice;

    fn float(low: f64, high: f64) -> Domain {
        Domain::Float { low, high, log: false, step: None }
    }

    fn choices(names: &[&str]) -> Domain {
        Domain::Categorical { choices: names.iter().map(|name| Choice::from(*name)).collect() }
    }

    #[test]
    fn only_complete_trials_with_finite_values_are_compared() {
        let mut trials: Vec<StoredTrial> = [
            &[2.0][..],
            &[f64::NAN],
            &[1.0],
            &[f64::NEG_INFINITY],
            &[1.0],
            &[0.0, 0.0],
            &[0.5],
            &[],
        ]
        .iter()
        .enumerate()
        .map(|(number, values)| trial(number as u64, values))
        .collect();
        trials[6].state = TrialState::Pruned;
        trials[7].values = None;
        for (direction, best) in [(Direction::Minimize, 2), (Direction::Maximize, 0)] {
            let objectives = [("value".to_owned(), direction)];
            let report =
                StudyReport { name: "", location: "", objectives: &objectives, trials: &trials };
            let digest = Digest::of(&report).unwrap();
            assert_eq!((digest.complete, digest.best), (vec![0, 2, 4], vec![best]));
        }
    }

    #[test]
    fn the_best_of_several_objectives_are_their_front() {
        let trials =
            [[3.0, 3.0], [2.0, 1.0], [1.0, 2.0], [2.0, 2.0]].map(|values| trial(0, &values));
        let objectives = ["a", "b"].map(|name| (name.to_owned(), Direction::Minimize));
        let report =
            StudyReport { name: "", location: "", objectives: &objectives, trials: &trials };
        assert_eq!(Digest::of(&report).unwrap().best, [2, 1]);
    }

    #[test]
    fn a_column_shows_every_domain_of_its_parameter() {
        let mut trials: Vec<StoredTrial> = (0..4).map(|number| trial(number, &[0.0])).collect();
        trials[0].parameters = vec![parameter("x", float(0.0, 1.0), 1.0)];
        trials[1].parameters =
            vec![parameter("x", float(-1.0, 0.5), 0.5), parameter("c", choices(&["a", "b"]), 1.0)];
        trials[2].parameters =
            vec![parameter("c", choices(&["b", "z"]), 1.0), parameter("x", choices(&["w"]), 0.0)];
        trials[3].parameters =
            vec![parameter("c", choices(&["b"]), 7.0), parameter("x", float(0.0, 1.0), f64::NAN)];
        let columns = columns(&trials);
        let [x, c, other] = columns.as_slice() else { panic!() };
        assert_eq!([x.get(0), x.get(1), x.get(2), x.get(3)], [Some(1.0), Some(0.5), None, None]);
        assert_eq!((x.axis.fraction(-1.0), x.axis.fraction(1.0)), (0.0, 1.0));
        assert_eq!((c.get(1), c.get(2), c.get(3)), (Some(1.0), Some(2.0), None));
        assert_eq!((other.name, other.get(2), other.axis.cells()), ("x", Some(0.0), Some(1)));
    }

    #[test]
    fn thinning_keeps_the_ends() {
        assert_eq!(thinned(&[1, 2, 3], 3), [1, 2, 3]);
        assert_eq!(thinned(&(0..101).collect::<Vec<_>>(), 5), [0, 25, 50, 75, 100]);
        assert!(thinned::<u8>(&[], 5).is_empty());
    }
}
