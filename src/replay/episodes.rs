//! Replay of whole episodes, for networks that read a history.

use std::collections::VecDeque;

use rand::RngExt;

use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// One episode: what was seen, done and earned.
///
/// A step is an action, its reward and the input that it led to. Before the first stands an input of zeros,
/// so that [`Self::inputs`] holds one row more than there are steps, and the first `t + 1` rows are the
/// state in which step `t` was made (Jomaa, Grabocka & Schmidt-Thieme 2019, section 5).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Episode {
    /// What stays the same throughout, such as meta-features.
    pub context: Vec<f32>,
    /// Rows of inputs, the first of zeros.
    pub inputs: Vec<f32>,
    /// The actions.
    pub actions: Vec<usize>,
    /// The rewards.
    pub rewards: Vec<f32>,
}

impl Episode {
    /// Starts again with another context; the buffers are kept.
    pub fn restart(&mut self, context: &[f32], inputs: usize) {
        self.context.clear();
        self.context.extend_from_slice(context);
        self.inputs.clear();
        self.inputs.resize(inputs, 0.0);
        self.actions.clear();
        self.rewards.clear();
    }

    /// Adds a step.
    pub fn push(&mut self, action: usize, reward: f32, input: &[f32]) {
        self.actions.push(action);
        self.rewards.push(reward);
        self.inputs.extend_from_slice(input);
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

/// The newest episodes, whose steps are drawn with the same probability each.
///
/// ```
/// use hyperq::replay::{Episode, EpisodeReplay};
/// use hyperq::streams::Streams;
///
/// let mut replay = EpisodeReplay::new(1, 2, 100)?;
/// let mut episode = Episode::default();
/// episode.restart(&[0.5], 2);
/// episode.push(7, 1.0, &[0.3, 1.0]);
/// replay.push(&mut episode);
/// let (drawn, step) = replay.draw(&mut Streams::new(1).at("draw", 0));
/// assert_eq!((drawn.actions[step], &drawn.inputs[..2]), (7, &[0.0, 0.0][..]));
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeReplay {
    context: usize,
    inputs: usize,
    capacity: usize,
    episodes: VecDeque<Episode>,
    /// How many steps were dropped before the first of each episode, and were held then.
    starts: VecDeque<u64>,
    /// As many as were ever pushed.
    end: u64,
}

impl EpisodeReplay {
    /// An empty replay of episodes with so many numbers in a context and an input, which holds `capacity`
    /// steps.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a capacity that is not in `1..=2^30`.
    pub fn new(context: usize, inputs: usize, capacity: usize) -> Result<Self> {
        if capacity == 0 || capacity > 1 << 30 {
            return Err(Error::setting("replay", "capacity", "in 1..=2^30", capacity));
        }
        let (episodes, starts) = Default::default();
        Ok(Self { context, inputs, capacity, episodes, starts, end: 0 })
    }

    /// Adds an episode, unless it has no steps. The oldest are dropped until the steps are no more than the
    /// capacity; an episode that is longer stays alone. `episode` is left with the buffers of one that was
    /// dropped, so that none is allocated once the replay is full.
    ///
    /// # Panics
    ///
    /// Where the episode's widths or the lengths of its parts do not fit.
    pub fn push(&mut self, episode: &mut Episode) {
        let steps = episode.len();
        assert_eq!(episode.context.len(), self.context, "the context must fit the replay");
        assert_eq!(
            episode.inputs.len(),
            (steps + 1) * self.inputs,
            "the inputs must fit the steps"
        );
        assert_eq!(episode.rewards.len(), steps, "every step must have a reward");
        if steps == 0 {
            return;
        }
        let mut spare = Episode::default();
        while !self.episodes.is_empty() && self.len() + steps > self.capacity {
            spare = self.episodes.pop_front().unwrap_or_default();
            self.starts.pop_front();
        }
        self.episodes.push_back(std::mem::replace(episode, spare));
        self.starts.push_back(self.end);
        self.end += steps as u64;
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.starts.front().map_or(0, |first| (self.end - first) as usize)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }

    /// The episodes from the oldest to the newest.
    pub fn episodes(&self) -> impl ExactSizeIterator<Item = &Episode> {
        self.episodes.iter()
    }

    /// Draws a step: its episode and its place there.
    ///
    /// # Panics
    ///
    /// If the replay is empty.
    pub fn draw(&self, rng: &mut Generator) -> (&Episode, usize) {
        assert!(!self.is_empty(), "an empty replay has nothing to draw");
        let place = rng.random_range(self.starts[0]..self.end);
        let episode = self.starts.partition_point(|start| *start <= place) - 1;
        (&self.episodes[episode], (place - self.starts[episode]) as usize)
    }

    /// Takes over what a snapshot says after checking it; actions must be below `actions`.
    pub(crate) fn load_checked(
        &mut self,
        actions: usize,
        at: &str,
        snapshot: &Snapshot,
    ) -> Result<()> {
        let mut fresh = Self::new(self.context, self.inputs, self.capacity)?;
        for mut episode in read(self.context, self.inputs, actions, at, snapshot)? {
            let too_many = fresh.len() + episode.len() > self.capacity;
            if episode.is_empty() || !fresh.is_empty() && too_many {
                let problem = format!("must be episodes of {} steps together", self.capacity);
                return Err(Error::snapshot(format!("{at}/lengths"), problem));
            }
            fresh.push(&mut episode);
        }
        *self = fresh;
        Ok(())
    }
}

/// Writes episodes as arrays.
pub(crate) fn write<'a>(
    episodes: impl Iterator<Item = &'a Episode> + Clone,
    at: &str,
    snapshot: &mut Snapshot,
) {
    let floats = |part: fn(&Episode) -> &Vec<f32>| {
        Array::F32(episodes.clone().flat_map(part).copied().collect())
    };
    snapshot.put_array(at, "contexts", floats(|episode| &episode.context));
    snapshot.put_array(at, "inputs", floats(|episode| &episode.inputs));
    snapshot.put_array(at, "rewards", floats(|episode| &episode.rewards));
    let actions = episodes.clone().flat_map(|episode| &episode.actions);
    snapshot.put_array(at, "actions", Array::U64(actions.map(|action| *action as u64).collect()));
    let lengths = episodes.map(|episode| episode.len() as u64).collect();
    snapshot.put_array(at, "lengths", Array::U64(lengths));
}

/// Reads episodes back, whose widths must be those given and whose actions must be below `actions`.
pub(crate) fn read(
    context: usize,
    inputs: usize,
    actions: usize,
    at: &str,
    snapshot: &Snapshot,
) -> Result<Vec<Episode>> {
    let integers = |key: &str| match snapshot.array(at, key)? {
        Array::U64(values) => Ok(values.as_slice()),
        _ => Err(Error::snapshot(format!("{at}/{key}"), "must be integers")),
    };
    let (taken, lengths) = (integers("actions")?, integers("lengths")?);
    let steps = lengths.iter().try_fold(0u64, |sum, length| sum.checked_add(*length));
    if steps != Some(taken.len() as u64) {
        let problem = format!("must add up to the {} actions", taken.len());
        return Err(Error::snapshot(format!("{at}/lengths"), problem));
    }
    if let Some(action) = taken.iter().find(|action| **action >= actions as u64) {
        let problem = format!("must be below {actions}, found {action}");
        return Err(Error::snapshot(format!("{at}/actions"), problem));
    }
    let mut contexts = snapshot.f32s(at, "contexts", lengths.len() * context)?;
    let mut rows = snapshot.f32s(at, "inputs", (taken.len() + lengths.len()) * inputs)?;
    let mut rewards = snapshot.f32s(at, "rewards", taken.len())?;
    let mut taken = taken;
    let episodes = lengths.iter().map(|&length| {
        // No longer than what is there, as was just seen.
        let length = length as usize;
        Episode {
            context: take(&mut contexts, context).to_vec(),
            inputs: take(&mut rows, (length + 1) * inputs).to_vec(),
            actions: take(&mut taken, length).iter().map(|action| *action as usize).collect(),
            rewards: take(&mut rewards, length).to_vec(),
        }
    });
    Ok(episodes.collect())
}

/// Takes the first entries off a slice that is known to have them.
fn take<'a, T>(slice: &mut &'a [T], count: usize) -> &'a [T] {
    let (taken, rest) = slice.split_at(count);
    *slice = rest;
    taken
}

impl Persist for EpisodeReplay {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        write(self.episodes.iter(), at, snapshot);
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        self.load_checked(usize::MAX, at, snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;
    use proptest::prelude::*;

    fn episode(number: usize, steps: usize) -> Episode {
        let mut episode = Episode::default();
        episode.restart(&[number as f32], 2);
        (0..steps).for_each(|step| episode.push(number, step as f32, &[step as f32, 1.0]));
        episode
    }

    proptest! {
        #[test]
        fn holds_the_newest_episodes_whole_and_comes_back(
            capacity in 1usize..30,
            lengths in prop::collection::vec(0usize..12, 0..30),
        ) {
            let mut replay = EpisodeReplay::new(1, 2, capacity).unwrap();
            for (number, steps) in lengths.iter().enumerate() {
                replay.push(&mut episode(number, *steps));
            }
            let mut expected = Vec::new();
            let mut room = capacity;
            for (number, steps) in lengths.iter().enumerate().rev().filter(|(_, steps)| **steps > 0) {
                if *steps > room && !expected.is_empty() { break; }
                room = room.saturating_sub(*steps);
                expected.insert(0, episode(number, *steps));
            }
            prop_assert!(replay.episodes().eq(&expected));
            prop_assert_eq!(replay.len(), expected.iter().map(Episode::len).sum::<usize>());

            let mut snapshot = Snapshot::default();
            replay.save("r", &mut snapshot).unwrap();
            let mut back = EpisodeReplay::new(1, 2, capacity).unwrap();
            back.load("r", &snapshot).unwrap();
            prop_assert!(back.episodes().eq(&expected));
            prop_assert_eq!(back.len(), replay.len());
        }
    }

    #[test]
    fn draws_every_step_evenly() {
        let mut replay = EpisodeReplay::new(1, 2, 10).unwrap();
        for (number, steps) in [4, 1, 6, 3].into_iter().enumerate() {
            replay.push(&mut episode(number, steps));
        }
        let mut rng = Streams::new(1).at("test", 0);
        let mut counts = [[0f64; 6]; 4];
        for _ in 0..100_000 {
            let (episode, step) = replay.draw(&mut rng);
            counts[episode.actions[step]][step] += 1.0;
        }
        let held: Vec<f64> =
            counts.iter().flatten().copied().filter(|count| *count > 0.0).collect();
        assert_eq!(held.len(), 10);
        // Chi-squared with 9 degrees of freedom: 27.9 is exceeded once in a thousand.
        let chi: f64 = held.iter().map(|c| (c - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 27.9, "{chi}");
    }

    #[test]
    fn damaged_snapshots_are_refused() {
        let mut replay = EpisodeReplay::new(1, 2, 10).unwrap();
        replay.push(&mut episode(0, 4));
        let mut good = Snapshot::default();
        replay.save("r", &mut good).unwrap();
        for (key, array) in [
            ("lengths", Array::U64(vec![5])),
            ("lengths", Array::U64(vec![u64::MAX, 5])),
            ("lengths", Array::U64(vec![4, 0])),
            ("lengths", Array::F32(vec![4.0])),
            ("actions", Array::U64(vec![9; 4])),
            ("actions", Array::U64(vec![0; 3])),
            ("inputs", Array::F32(vec![0.0; 9])),
            ("contexts", Array::F32(vec![])),
            ("rewards", Array::F64(vec![0.0; 4])),
        ] {
            let mut bad = good.clone();
            bad.put_array("r", key, array);
            let error = replay.load_checked(9, "r", &bad).unwrap_err().to_string();
            assert!(error.contains("`r/"), "{error}");
        }
        assert!(replay.load_checked(9, "other", &good).is_err());
        replay.load_checked(9, "r", &good).unwrap();
    }
}
