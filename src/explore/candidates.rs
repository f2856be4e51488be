//! Candidate configurations: what exploration policies choose from where actions are points.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::{Explore, Moment, Selection};
use crate::error::{Error, Result};
use crate::mdp::ActionSet;
use crate::optimizer::sobol_point;
use crate::space::{Configuration, Domain, SearchSpace};
use crate::streams::{Generator, Streams};
use crate::value::Estimates;

/// How candidates are made: points of the unit cube, spread over the whole space and gathered around the
/// best trials, then refined by evolution in which the exploration policy itself is the selection.
///
/// A point is changed coordinate by coordinate: numbers by normal steps, clamped to the cube (an integer
/// or stepped one at least by about a level), a categorical by drawing it anew with probability 1/2.
///
/// Sources: candidates around the incumbents as in SMAC (Hutter, Hoos & Leyton-Brown 2011, section
/// 4.3); steps in a random part of the coordinates as in Regis & Shoemaker 2013; crossover and
/// mutation after Real et al. 2019.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Candidates {
    /// Points of a scrambled Sobol sequence; at least 1.
    pub quasi_random: usize,
    /// So many of the best trials are the parents.
    pub parents: usize,
    /// The standard deviations of steps from a parent, in the unit cube, each above 0.
    pub scales: Vec<f64>,
    /// Children of each parent at each scale.
    pub children: usize,
    /// Points whose coordinates come from one or the other of two parents.
    pub crossovers: usize,
    /// Parents with one coordinate drawn anew.
    pub redrawn: usize,
    /// So many candidates live on to the next round of evolution.
    pub elites: usize,
    /// The standard deviations of the steps in each round, each above 0.
    pub rounds: Vec<f64>,
    /// Children of each elite in a round.
    pub offspring: usize,
}

impl Default for Candidates {
    fn default() -> Self {
        Self {
            quasi_random: 512,
            parents: 5,
            scales: vec![0.2, 0.07, 0.02, 0.006],
            children: 32,
            crossovers: 256,
            redrawn: 256,
            elites: 16,
            rounds: vec![0.1, 0.05, 0.02, 0.01, 0.004, 0.0015, 0.0006],
            offspring: 12,
        }
    }
}

impl Candidates {
    /// Refuses settings outside their ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] with the first one outside its range.
    pub fn check(&self) -> Result<()> {
        let owner = "candidates";
        let counts = [
            ("quasi-random", self.quasi_random, 1),
            ("parents", self.parents, 0),
            ("children", self.children, 0),
            ("crossovers", self.crossovers, 0),
            ("redrawn", self.redrawn, 0),
            ("elites", self.elites, 0),
            ("offspring", self.offspring, 0),
        ];
        for (setting, value, least) in counts {
            if !(least..=1 << 16).contains(&value) {
                let rule = format!("in {least}..=65536");
                return Err(Error::setting(owner, setting, rule, value));
            }
        }
        for (setting, values) in [("scales", &self.scales), ("rounds", &self.rounds)] {
            if let Some(value) = values.iter().find(|value| !(**value > 0.0 && value.is_finite())) {
                return Err(Error::setting(owner, setting, "numbers above 0", value));
            }
        }
        Ok(())
    }

    /// The first candidates: Sobol points, then what comes of the parents, the best trials' points,
    /// best first.
    pub(crate) fn first(
        &self,
        space: &SearchSpace,
        parents: &[Vec<f64>],
        trial: u64,
        streams: Streams,
        rng: &mut Generator,
    ) -> Vec<Vec<f64>> {
        let streams = streams.child("candidates", trial);
        let mut points: Vec<Vec<f64>> = (0..self.quasi_random as u64)
            .map(|index| sobol_point(streams, index, space.len()))
            .collect();
        let near = &parents[..parents.len().min(self.parents)];
        for parent in near {
            for &scale in &self.scales {
                points.extend((0..self.children).map(|_| changed(space, parent, scale, rng)));
            }
        }
        if near.is_empty() {
            return points;
        }
        // Twice as many parents: mixing needs variety.
        let mixed = &parents[..parents.len().min(2 * self.parents)];
        for _ in 0..self.crossovers {
            let pair = [rng.random_range(0..mixed.len()), rng.random_range(0..mixed.len())];
            let coordinate = |place| mixed[pair[usize::from(rng.random::<bool>())]][place];
            points.push((0..space.len()).map(coordinate).collect());
        }
        for _ in 0..self.redrawn {
            let mut point = near[rng.random_range(0..near.len())].clone();
            point[rng.random_range(0..space.len())] = rng.random();
            points.push(point);
        }
        points
    }
}

/// A pool of candidates: their points, configurations and estimates.
pub(crate) struct Pool<'a> {
    space: &'a SearchSpace,
    /// Writes the estimates of encoded configurations.
    estimate: &'a mut dyn FnMut(&[f32], usize, &mut Estimates),
    points: Vec<Vec<f64>>,
    configurations: Vec<Configuration>,
    estimates: Estimates,
}

impl<'a> Pool<'a> {
    pub fn new(
        space: &'a SearchSpace,
        estimate: &'a mut dyn FnMut(&[f32], usize, &mut Estimates),
    ) -> Self {
        Self {
            space,
            estimate,
            points: Vec::new(),
            configurations: Vec::new(),
            estimates: Estimates::default(),
        }
    }

    /// Adds candidates with their estimates.
    pub fn extend(&mut self, points: Vec<Vec<f64>>, configurations: Vec<Configuration>) {
        let width = self.space.features();
        let mut inputs = vec![0.0; configurations.len() * width];
        for (configuration, into) in configurations.iter().zip(inputs.chunks_exact_mut(width)) {
            self.space.encode(configuration, into);
        }
        let mut fresh = Estimates::default();
        (self.estimate)(&inputs, configurations.len(), &mut fresh);
        let (old, new) = (self.configurations.len(), configurations.len());
        let members = &self.estimates.members;
        let ensemble = fresh.members.len() / new.max(1);
        let interleaved = (0..ensemble).flat_map(|member| {
            let before = members.get(member * old..(member + 1) * old).unwrap_or(&[]);
            before.iter().chain(&fresh.members[member * new..(member + 1) * new]).copied()
        });
        self.estimates.members = interleaved.collect();
        self.estimates.mean.append(&mut fresh.mean);
        self.estimates.spread.append(&mut fresh.spread);
        self.estimates.incumbent = fresh.incumbent;
        self.points.extend(points);
        self.configurations.extend(configurations);
    }

    /// Adds the configurations at points.
    pub fn extend_points(&mut self, points: Vec<Vec<f64>>) {
        let configurations = points.iter().map(|point| self.space.from_unit(point)).collect();
        self.extend(points, configurations);
    }

    /// The places of the `count` candidates that the policy takes first. Every choice draws from the
    /// same generator anew, so that one trial's posterior draw stays one function.
    fn chosen(
        &self,
        policy: &mut dyn Explore,
        allowed: &mut ActionSet,
        count: usize,
        moment: Moment,
    ) -> Vec<usize> {
        let mut places = Vec::with_capacity(count);
        while places.len() < count && !allowed.is_empty() {
            let mut rng = moment.streams.at("explore", moment.trial);
            let place = policy.choose(&self.estimates, allowed, moment, &mut rng);
            allowed.remove(place);
            places.push(place);
        }
        places
    }

    /// Lets the candidates evolve.
    pub fn evolve(
        &mut self,
        settings: &Candidates,
        policy: &mut dyn Explore,
        moment: Moment,
        rng: &mut Generator,
    ) {
        if settings.elites == 0 || settings.offspring == 0 {
            return;
        }
        let mut living = ActionSet::all(self.points.len());
        for &scale in &settings.rounds {
            let elites = self.chosen(policy, &mut living, settings.elites, moment);
            let children: Vec<Vec<f64>> = elites
                .iter()
                .flat_map(|&elite| std::iter::repeat_n(elite, settings.offspring))
                .map(|elite| changed(self.space, &self.points[elite], scale, rng))
                .collect();
            let before = self.points.len();
            self.extend_points(children);
            living = ActionSet::none(self.points.len());
            elites.into_iter().chain(before..self.points.len()).for_each(|p| living.insert(p));
        }
    }

    /// The configuration that the policy takes among those that are not `taken`, and how it was chosen; `None`
    /// where all are. Where what it takes first is not taken, the others are not looked at.
    pub fn choose(
        self,
        policy: &mut dyn Explore,
        taken: impl Fn(&Configuration) -> bool,
        moment: Moment,
    ) -> Option<(Configuration, Selection)> {
        let mut allowed = ActionSet::all(self.configurations.len());
        let mut place = *self.chosen(policy, &mut allowed, 1, moment).first()?;
        if taken(&self.configurations[place]) {
            // It rarely is alone: of an optimum in a corner of the space evolution leaves hundreds of copies.
            for (other, configuration) in self.configurations.iter().enumerate() {
                if taken(configuration) {
                    allowed.remove(other);
                }
            }
            place = *self.chosen(policy, &mut allowed, 1, moment).first()?;
        }
        // Only a candidate of a higher value can make the choice exploratory, so that few need a look.
        let highest = self.estimates.mean[place];
        allowed.insert(place);
        for (other, configuration) in self.configurations.iter().enumerate() {
            if self.estimates.mean[other] > highest && taken(configuration) {
                allowed.remove(other);
            }
        }
        let selection = Selection::of(&self.estimates.mean, &allowed, place);
        self.configurations.into_iter().nth(place).map(|chosen| (chosen, selection))
    }
}

/// A point changed in a random part of its coordinates, at least one.
fn changed(space: &SearchSpace, point: &[f64], scale: f64, rng: &mut Generator) -> Vec<f64> {
    let share = (2.0 / point.len() as f64).max(0.4);
    let mut child = point.to_vec();
    let mut any = false;
    for (parameter, coordinate) in child.iter_mut().enumerate() {
        if rng.random::<f64>() < share {
            any = true;
            change(&space.parameters()[parameter].domain, coordinate, scale, rng);
        }
    }
    if !any {
        let parameter = rng.random_range(0..point.len());
        change(&space.parameters()[parameter].domain, &mut child[parameter], scale, rng);
    }
    child
}

fn change(domain: &Domain, coordinate: &mut f64, scale: f64, rng: &mut Generator) {
    if let Domain::Categorical { .. } = domain {
        if rng.random::<bool>() {
            *coordinate = rng.random();
        }
        return;
    }
    // Smaller steps than about a level would leave most integers as they are.
    let level = domain.cardinality().map_or(0.0, |levels| 0.6 / levels as f64);
    let z: f64 = StandardNormal.sample(rng);
    *coordinate = (*coordinate + scale.max(level) * z).clamp(0.0, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::{Exploration, Greedy};
    use crate::space::Parameter;
    use crate::value::Signals;
    use proptest::prelude::*;

    fn space() -> SearchSpace {
        SearchSpace::new([
            Parameter::float("x", -1.0, 1.0),
            Parameter::int("depth", 1, 8),
            Parameter::categorical("kind", ["a", "b", "c"]),
        ])
        .unwrap()
    }

    proptest! {
        #[test]
        fn candidates_lie_in_the_cube_and_are_as_many_as_said(
            seed in any::<u64>(),
            parents in 0usize..12,
            scale in 1e-4f64..3.0,
        ) {
            let settings = Candidates {
                quasi_random: 9, parents: 3, scales: vec![scale, 1e-3], children: 4, crossovers: 5,
                redrawn: 6, ..Candidates::default()
            };
            let streams = Streams::new(seed);
            let mut rng = streams.at("test", 0);
            let near: Vec<Vec<f64>> =
                (0..parents).map(|_| (0..3).map(|_| rng.random()).collect()).collect();
            let points = settings.first(&space(), &near, 7, streams, &mut rng);
            let expected = if parents == 0 { 9 } else { 9 + parents.min(3) * 2 * 4 + 5 + 6 };
            prop_assert_eq!(points.len(), expected);
            for point in &points {
                prop_assert_eq!(point.len(), 3);
                prop_assert!(point.iter().all(|u| (0.0..=1.0).contains(u)), "{:?}", point);
            }
        }
    }

    #[test]
    fn small_steps_still_change_integers_and_choices() {
        let parent = space().to_unit(&space().from_unit(&[0.5, 0.5, 0.5]));
        let mut rng = Streams::new(1).at("test", 0);
        let children: Vec<Configuration> = (0..200)
            .map(|_| space().from_unit(&changed(&space(), &parent, 1e-6, &mut rng)))
            .collect();
        let distinct = |name: &str| {
            let values = children.iter().map(|child| format!("{:?}", child.get(name).unwrap()));
            values.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(distinct("kind"), 3);
        assert!(distinct("depth") >= 3);
    }

    /// A smooth function of the features with its maximum at x = 0.4, depth 3, kind b.
    fn estimate(inputs: &[f32], rows: usize, into: &mut Estimates) {
        *into = Estimates::default();
        assert_eq!(inputs.len(), rows * 5);
        for row in inputs.chunks_exact(5) {
            let value = -(row[0] - 0.4).powi(2) - (row[1] + 0.375).powi(2) + row[3];
            into.mean.push(value);
            into.spread.push(0.0);
            into.members.extend([value, -value].iter().take(1));
        }
    }

    #[test]
    fn evolution_finds_the_maximum_and_what_is_taken_is_passed_over() {
        let space = space();
        let streams = Streams::new(2);
        let moment = Moment { trial: 3, episode: 0, streams };
        let greedy = Exploration::Greedy(Greedy::default());
        let mut policy = greedy.build("test", Signals::default()).unwrap();
        let settings = Candidates { quasi_random: 64, ..Candidates::default() };
        let mut best = |taken: &[Configuration]| {
            let mut rng = streams.at("test", 1);
            let mut estimate = estimate;
            let mut pool = Pool::new(&space, &mut estimate);
            pool.extend_points(settings.first(&space, &[], 3, streams, &mut rng));
            pool.evolve(&settings, policy.as_mut(), moment, &mut rng);
            assert_eq!(pool.estimates.mean.len(), pool.configurations.len());
            assert_eq!(pool.estimates.members, pool.estimates.mean);
            pool.choose(policy.as_mut(), |candidate| taken.contains(candidate), moment).unwrap().0
        };
        let first = best(&[]);
        assert!((first.float("x").unwrap() - 0.4).abs() < 1e-2, "{first}");
        assert_eq!((first.int("depth").unwrap(), first.text("kind").unwrap()), (3, "b"));
        let second = best(std::slice::from_ref(&first));
        assert_ne!(first, second);
        assert_eq!(second.text("kind").unwrap(), "b");
    }

    #[test]
    fn members_stay_member_after_member_as_the_pool_grows() {
        let space = SearchSpace::new([Parameter::float("x", 0.0, 1.0)]).unwrap();
        let mut estimate = |inputs: &[f32], rows: usize, into: &mut Estimates| {
            *into = Estimates::default();
            into.mean.extend_from_slice(inputs);
            into.spread.resize(rows, 1.0);
            for member in 1..=3 {
                into.members.extend(inputs.iter().map(|x| x * member as f32));
            }
        };
        let mut pool = Pool::new(&space, &mut estimate);
        pool.extend_points(vec![vec![1.0]]);
        pool.extend_points(vec![vec![0.0], vec![0.75]]);
        assert_eq!(pool.estimates.mean, [1.0, -1.0, 0.5]);
        let members = [1.0, -1.0, 0.5, 2.0, -2.0, 1.0, 3.0, -3.0, 1.5];
        assert_eq!(pool.estimates.members, members);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |candidates: Candidates| candidates.check().unwrap_err().to_string();
        assert_eq!(
            refused(Candidates { quasi_random: 0, ..Candidates::default() }),
            "candidates: `quasi-random` must be in 1..=65536, found 0"
        );
        assert!(
            refused(Candidates { scales: vec![0.1, 0.0], ..Candidates::default() })
                .contains("`scales` must be numbers above 0, found 0")
        );
        assert!(
            refused(Candidates { rounds: vec![f64::NAN], ..Candidates::default() })
                .contains("rounds")
        );
        assert!(
            refused(Candidates { children: 1 << 20, ..Candidates::default() }).contains("children")
        );
        assert!(Candidates::default().check().is_ok());
    }
}
