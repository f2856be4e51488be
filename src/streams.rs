//! Randomness without stored generators.
//!
//! A generator is derived from `(seed, purpose, trial)` where it is needed and dropped after use. A
//! draw therefore depends on *what it is for* and not on the order of calls: results are the same
//! for any number of workers, and a resumed study goes on bit for bit.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

/// The generator that every part of the crate draws from.
pub type Generator = ChaCha8Rng;

/// The source of all generators of a study.
///
/// ```
/// use hyperq::streams::Streams;
/// use rand::RngExt;
///
/// let streams = Streams::new(7);
/// let first: f64 = streams.at("noise", 3).random();
/// let again: f64 = streams.at("noise", 3).random();
/// let other: f64 = streams.at("noise", 4).random();
/// assert_eq!(first, again);
/// assert_ne!(first, other);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed that the streams were made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The generator for one purpose in one trial: ChaCha8 keyed by
    /// `(seed, FNV-1a(purpose), trial)`.
    pub fn at(&self, purpose: &str, trial: u64) -> Generator {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(purpose.as_bytes()).to_le_bytes());
        key[16..24].copy_from_slice(&trial.to_le_bytes());
        Generator::from_seed(key)
    }

    /// Streams of their own for a part, such as one run of a benchmark.
    pub fn child(&self, purpose: &str, index: u64) -> Self {
        use rand::Rng;
        Self { seed: self.at(purpose, index).next_u64() }
    }
}

/// The 64-bit Fowler-Noll-Vo hash (variant 1a), stable across platforms and releases.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    fnv1a_further(FNV1A_OF_NOTHING, bytes)
}

/// The hash of no bytes.
pub(crate) const FNV1A_OF_NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash of what `hash` is of, followed by more bytes.
pub(crate) fn fnv1a_further(hash: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn seed_purpose_and_trial_each_change_the_stream() {
        let first = Streams::new(1).at("ask", 0).next_u64();
        assert_eq!(first, Streams::new(1).at("ask", 0).next_u64());
        assert_ne!(first, Streams::new(2).at("ask", 0).next_u64());
        assert_ne!(first, Streams::new(1).at("tell", 0).next_u64());
        assert_ne!(first, Streams::new(1).at("ask", 1).next_u64());
        assert_ne!(Streams::new(1).child("run", 0), Streams::new(1).child("run", 1));
    }

    #[test]
    fn the_hash_matches_its_published_test_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1a_further(fnv1a(b"foo"), b"bar"), fnv1a(b"foobar"));
    }
}
