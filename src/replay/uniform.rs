//! Uniform experience replay (Lin 1992; Mnih et al. 2015).

use rand::RngExt;

use super::{Batch, Replay};
use crate::error::{Error, Result};
use crate::persist::{Array, Persist, Snapshot};
use crate::streams::Generator;

/// A ring of the newest transitions, each drawn with the same probability.
#[derive(Debug, Clone)]
pub struct UniformReplay {
    capacity: usize,
    ring: Vec<u64>,
    /// The slot that the next transition goes into once the ring is full.
    next: usize,
}

impl UniformReplay {
    /// An empty replay of at least one transition's capacity.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ring: Vec::new(), next: 0 }
    }
}

impl Replay for UniformReplay {
    fn push(&mut self, position: usize) {
        if self.ring.len() < self.capacity {
            self.ring.push(position as u64);
        } else {
            self.ring[self.next] = position as u64;
            self.next = (self.next + 1) % self.capacity;
        }
    }

    fn positions(&self) -> &[u64] {
        &self.ring
    }

    fn sample(&mut self, count: usize, rng: &mut Generator, into: &mut Batch) {
        into.positions.clear();
        into.slots.clear();
        into.weights.clear();
        let all = self.ring.len() <= count;
        for place in 0..count.min(self.ring.len()) {
            let slot = if all { place } else { rng.random_range(0..self.ring.len()) };
            into.slots.push(slot);
            into.positions.push(self.ring[slot] as usize);
            into.weights.push(1.0);
        }
    }

    fn update(&mut self, _batch: &Batch, _errors: &[f32]) {}
}

impl Persist for UniformReplay {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "next", &self.next)?;
        snapshot.put_array(at, "ring", Array::U64(self.ring.clone()));
        Ok(())
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let next: usize = snapshot.get(at, "next")?;
        match snapshot.array(at, "ring")? {
            Array::U64(ring) if ring.len() <= self.capacity && next < self.capacity => {
                self.ring = ring.clone();
                self.next = next;
                Ok(())
            }
            _ => Err(Error::snapshot(
                format!("{at}/ring"),
                format!("must be at most {} integers", self.capacity),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_exactly_the_newest(capacity in 1usize..20, pushes in 1usize..60) {
            let mut replay = UniformReplay::new(capacity);
            for position in 0..pushes { replay.push(position); }
            let mut held: Vec<u64> = replay.ring.clone();
            held.sort_unstable();
            let newest: Vec<u64> = (pushes.saturating_sub(capacity)..pushes).map(|p| p as u64).collect();
            prop_assert_eq!(held, newest);
        }
    }

    #[test]
    fn draws_evenly() {
        let mut replay = UniformReplay::new(10);
        (0..10).for_each(|p| replay.push(p));
        let mut batch = Batch::default();
        let mut rng = Streams::new(1).at("test", 0);
        let mut counts = [0f64; 10];
        for _ in 0..20_000 {
            replay.sample(5, &mut rng, &mut batch);
            batch.positions.iter().for_each(|&p| counts[p] += 1.0);
        }
        // Chi-squared with 9 degrees of freedom: 27.9 is exceeded once in a thousand.
        let chi: f64 = counts.iter().map(|c| (c - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 27.9, "{chi}");
    }
}
