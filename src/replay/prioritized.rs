//! Prioritized experience replay (Schaul, Quan, Antonoglou & Silver 2016), proportional variant.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{Batch, Replay};
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// The settings of prioritized replay; the defaults are those of the paper (section 4, table 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Prioritized {
    /// How much priorities count, in `[0, 1]`: `P(i) = p_i^alpha / sum_k p_k^alpha`.
    pub alpha: f32,
    /// The exponent of the importance weights at the beginning, in `[0, 1]`:
    /// `w_i = (N P(i))^-beta / max_k w_k`.
    pub beta: f32,
    /// The draws over which beta grows linearly to 1; counted in batches.
    pub beta_batches: u64,
    /// Added to every absolute error, above 0, so that none is never drawn.
    pub epsilon: f32,
}

impl Default for Prioritized {
    fn default() -> Self {
        Self { alpha: 0.6, beta: 0.4, beta_batches: 10_000, epsilon: 1e-6 }
    }
}

/// A ring of the newest transitions, drawn in proportion to a power of their errors.
///
/// The powers lie in a complete binary tree of sums, so that a push, a draw and an update take
/// `O(log capacity)`.
#[derive(Debug, Clone)]
pub struct PrioritizedReplay {
    config: Prioritized,
    capacity: usize,
    ring: Vec<u64>,
    next: usize,
    /// `tree[1]` is the sum of all, `tree[i]` that of `tree[2 i]` and `tree[2 i + 1]`; leaves last.
    tree: Vec<f64>,
    leaves: usize,
    /// The largest priority so far, which new transitions get so that each is seen at least once.
    largest: f32,
    batches: u64,
}

impl PrioritizedReplay {
    /// An empty replay.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where alpha or beta leave `[0, 1]` or epsilon is not above 0.
    pub fn new(config: &Prioritized, capacity: usize) -> Result<Self> {
        for (name, value) in [("alpha", config.alpha), ("beta", config.beta)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting("replay `prioritized`", name, "in [0, 1]", value));
            }
        }
        if !(config.epsilon > 0.0 && config.epsilon.is_finite()) {
            return Err(Error::setting(
                "replay `prioritized`",
                "epsilon",
                "above 0",
                config.epsilon,
            ));
        }
        Ok(Self {
            config: config.clone(),
            capacity,
            ring: Vec::new(),
            next: 0,
            tree: vec![0.0; 2],
            leaves: 1,
            largest: 1.0,
            batches: 0,
        })
    }

    fn set(&mut self, slot: usize, weight: f64) {
        let mut node = self.leaves + slot;
        self.tree[node] = weight;
        while node > 1 {
            node /= 2;
            // Summed anew rather than changed by the difference, so that rounding does not pile up.
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1];
        }
    }

    /// Doubles the leaves; the tree grows with the transitions, not with the capacity.
    fn grow(&mut self) {
        let old = self.tree[self.leaves..].to_vec();
        self.leaves *= 2;
        self.tree = vec![0.0; 2 * self.leaves];
        self.tree[self.leaves..][..old.len()].copy_from_slice(&old);
        for node in (1..self.leaves).rev() {
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1];
        }
    }

    fn weight_of(&self, priority: f32) -> f64 {
        f64::from(priority).powf(f64::from(self.config.alpha))
    }

    /// The slot at which the cumulative sum of weights exceeds `mass`.
    fn find(&self, mut mass: f64) -> usize {
        let mut node = 1;
        while node < self.leaves {
            let left = self.tree[2 * node];
            // Rounding may leave a mass beyond the right sum; an empty right half is never entered.
            if mass < left || self.tree[2 * node + 1] <= 0.0 {
                node *= 2;
            } else {
                mass -= left;
                node = 2 * node + 1;
            }
        }
        node - self.leaves
    }
}

impl Replay for PrioritizedReplay {
    fn push(&mut self, position: usize) {
        let slot = if self.ring.len() < self.capacity {
            self.ring.push(position as u64);
            self.ring.len() - 1
        } else {
            let slot = self.next;
            self.ring[slot] = position as u64;
            self.next = (self.next + 1) % self.capacity;
            slot
        };
        if slot >= self.leaves {
            self.grow();
        }
        self.set(slot, self.weight_of(self.largest));
    }

    fn positions(&self) -> &[u64] {
        &self.ring
    }

    /// Draws one transition from each of `count` segments of equal mass (section 3.3 of the paper).
    fn sample(&mut self, count: usize, rng: &mut Generator, into: &mut Batch) {
        assert!(!self.ring.is_empty(), "an empty replay has nothing to draw");
        let share = (self.batches as f64 / self.config.beta_batches.max(1) as f64).min(1.0);
        let beta = f64::from(self.config.beta) + share * (1.0 - f64::from(self.config.beta));
        self.batches = self.batches.saturating_add(1);
        into.positions.clear();
        into.slots.clear();
        into.weights.clear();
        let total = self.tree[1];
        for segment in 0..count {
            let mass = total * (segment as f64 + rng.random::<f64>()) / count as f64;
            let slot = self.find(mass).min(self.ring.len() - 1);
            into.slots.push(slot);
            into.positions.push(self.ring[slot] as usize);
            let probability = self.tree[self.leaves + slot] / total;
            into.weights.push((self.ring.len() as f64 * probability).powf(-beta) as f32);
        }
        let largest = into.weights.iter().copied().fold(0.0, f32::max);
        into.weights.iter_mut().for_each(|weight| *weight /= largest);
    }

    fn update(&mut self, batch: &Batch, errors: &[f32]) {
        for (&slot, &error) in batch.slots.iter().zip(errors) {
            // A network that diverged must not take the tree with it.
            let error = if error.is_finite() { error.abs() } else { self.largest };
            let priority = error + self.config.epsilon;
            self.largest = self.largest.max(priority);
            self.set(slot, self.weight_of(priority));
        }
    }
}

impl Persist for PrioritizedReplay {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "next", &self.next)?;
        snapshot.put(at, "batches", &self.batches)?;
        snapshot.put_array(at, "largest", Array::F32(vec![self.largest]));
        snapshot.put_array(at, "ring", Array::U64(self.ring.clone()));
        snapshot.put_array(
            at,
            "weights",
            Array::F64(self.tree[self.leaves..][..self.ring.len()].to_vec()),
        );
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let next: usize = snapshot.get(at, "next")?;
        let ring = match snapshot.array(at, "ring")? {
            Array::U64(ring) if ring.len() <= self.capacity && next < self.capacity => ring.clone(),
            _ => {
                return Err(Error::snapshot(
                    format!("{at}/ring"),
                    format!("must be at most {} integers", self.capacity),
                ));
            }
        };
        let weights = snapshot.f64s(at, "weights", ring.len())?;
        let largest = snapshot.f32s(at, "largest", 1)?[0];
        let positive = |x: f64| x > 0.0 && x.is_finite();
        for (name, fits) in [
            ("weights", weights.iter().all(|weight| positive(*weight))),
            ("largest", positive(f64::from(largest))),
        ] {
            if !fits {
                return Err(Error::snapshot(format!("{at}/{name}"), "must be finite and above 0"));
            }
        }
        let mut fresh = Self::new(&self.config, self.capacity)?;
        while fresh.leaves < ring.len() {
            fresh.grow();
        }
        for (slot, &weight) in weights.iter().enumerate() {
            fresh.set(slot, weight);
        }
        fresh.ring = ring;
        fresh.next = next;
        fresh.batches = snapshot.get(at, "batches")?;
        fresh.largest = largest;
        *self = fresh;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tree_is_the_sum_of_its_leaves(
            capacity in 1usize..40,
            steps in prop::collection::vec((any::<bool>(), 0.0f32..100.0), 1..120),
        ) {
            let mut replay = PrioritizedReplay::new(&Prioritized::default(), capacity).unwrap();
            let mut rng = Streams::new(0).at("test", 0);
            let mut batch = Batch::default();
            for (index, (push, error)) in steps.into_iter().enumerate() {
                if push || replay.is_empty() {
                    replay.push(index);
                } else {
                    replay.sample(3, &mut rng, &mut batch);
                    replay.update(&batch, &[error; 3]);
                }
                let sum: f64 = replay.tree[replay.leaves..].iter().sum();
                prop_assert!((sum - replay.tree[1]).abs() <= 1e-9 * sum.max(1.0));
                prop_assert!(replay.tree[replay.leaves..][..replay.len()].iter().all(|w| *w > 0.0));
            }
            let mut snapshot = Snapshot::default();
            replay.save("r", &mut snapshot).unwrap();
            let mut back = PrioritizedReplay::new(&Prioritized::default(), capacity).unwrap();
            back.load("r", &snapshot).unwrap();
            prop_assert_eq!(&back.tree, &replay.tree);
            prop_assert_eq!(&back.ring, &replay.ring);
        }
    }

    #[test]
    fn draws_in_proportion_to_the_power_of_the_error_and_weights_undo_it() {
        let config = Prioritized { alpha: 1.0, beta: 1.0, epsilon: 1e-6, ..Prioritized::default() };
        let mut replay = PrioritizedReplay::new(&config, 4).unwrap();
        (0..4).for_each(|p| replay.push(p));
        let all =
            Batch { positions: (0..4).collect(), slots: (0..4).collect(), weights: vec![1.0; 4] };
        replay.update(&all, &[1.0, 2.0, 3.0, 4.0]);
        let mut batch = Batch::default();
        replay.sample(100_000, &mut Streams::new(1).at("test", 0), &mut batch);
        let mut counts = [0f64; 4];
        batch.positions.iter().for_each(|&p| counts[p] += 1.0);
        for (p, count) in counts.iter().enumerate() {
            assert!((count / 1e5 - (p + 1) as f64 / 10.0).abs() < 0.005, "{counts:?}");
        }
        // With beta = 1 weight times probability is the same for all.
        for (&p, &w) in batch.positions.iter().zip(&batch.weights).take(100) {
            assert!((w * (p + 1) as f32 - 1.0).abs() < 1e-4);
        }
    }
}
