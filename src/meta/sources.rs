//! Which tasks an agent is trained on, where it is not on all of them.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use rand::seq::SliceRandom;

use super::corpus::Corpus;
use super::standardizer::Standardizer;
use crate::streams::Generator;

/// So many of the training tasks, all of them where there are not more. Written `5`, `5:diverse` or `5:alike`.
///
/// They are the beginning of an order of the tasks, so that fewer are among the more.
///
/// ```
/// use hyperq::meta::{SourceChoice, Sources};
/// let sources: Sources = "5:diverse".parse()?;
/// assert_eq!((sources.count.get(), sources.choice), (5, SourceChoice::Diverse));
/// assert_eq!(sources.to_string(), "5:diverse");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// How many.
    pub count: NonZeroUsize,
    /// Which.
    pub choice: SourceChoice,
}

/// The order that sources are taken in. Resemblance is the Euclidean distance of standardized
/// [meta-features](super::features); all three begin with the same task, drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceChoice {
    /// At random.
    Random,
    /// Each next task is the one that is farthest from the nearest of those before it (Gonzalez 1985, "Clustering to
    /// minimize the maximum intercluster distance").
    Diverse,
    /// Each next task is the one nearest to the first.
    Alike,
}

impl SourceChoice {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Random, "random"), (Self::Diverse, "diverse"), (Self::Alike, "alike")];

    /// As it is written.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(choice, _)| *choice == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.choice {
            SourceChoice::Random => write!(f, "{}", self.count),
            choice => write!(f, "{}:{}", self.count, choice.name()),
        }
    }
}

impl FromStr for Sources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, choice) = text.split_once(':').unwrap_or((text, "random"));
        let choice = SourceChoice::ALL.iter().find(|(_, name)| *name == choice);
        match (count.parse(), choice) {
            (Ok(count), Some(&(choice, _))) => Ok(Self { count, choice }),
            _ => Err("must be a number of at least 1, alone or with `:diverse` or `:alike`".into()),
        }
    }
}

impl Sources {
    /// The places of the tasks that are taken, ascending. `rng` draws the first one, and at random all.
    pub(super) fn of(&self, corpus: &Corpus, rng: &mut Generator) -> Vec<usize> {
        let mut order: Vec<usize> = (0..corpus.tasks().len()).collect();
        order.shuffle(rng);
        if self.choice != SourceChoice::Random {
            order = self.resembling(corpus, order);
        }
        order.truncate(self.count.get());
        order.sort_unstable();
        order
    }

    /// The order by resemblance that begins as `order` does; of equally near tasks its first.
    fn resembling(&self, corpus: &Corpus, order: Vec<usize>) -> Vec<usize> {
        let tasks: Vec<&[f64]> = corpus.tasks().iter().map(|task| task.meta_features()).collect();
        let standardizer = Standardizer::fit(&tasks, corpus.meta_features());
        let points: Vec<Vec<f64>> = tasks.iter().map(|task| standardizer.apply(task)).collect();
        let squared = |a: usize, b: usize| -> f64 {
            points[a].iter().zip(&points[b]).map(|(x, y)| (x - y).powi(2)).sum()
        };
        let mut left = order.into_iter();
        let Some(first) = left.next() else { return Vec::new() };
        // With the squared distance to the nearest task before it, or to the first.
        let mut left: Vec<(usize, f64)> = left.map(|task| (task, squared(task, first))).collect();
        let mut taken = vec![first];
        if self.choice == SourceChoice::Alike {
            left.sort_by(|a, b| a.1.total_cmp(&b.1));
            taken.extend(left.into_iter().map(|(task, _)| task));
            return taken;
        }
        while !left.is_empty() {
            let farther =
                |best: usize, at: usize| if left[at].1 > left[best].1 { at } else { best };
            let (next, _) = left.remove((1..left.len()).fold(0, farther));
            left.iter_mut().for_each(|(task, near)| *near = near.min(squared(*task, next)));
            taken.push(next);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::Streams;

    fn sources(text: &str) -> Sources {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["1", "12:diverse", "3:alike"] {
            assert_eq!(sources(text).to_string(), text);
        }
        assert_eq!(sources("3:random"), sources("3"));
        for wrong in ["", "0", "-1", "3:", "3:near", ":alike", "0:diverse", "3.5"] {
            let error = wrong.parse::<Sources>().unwrap_err();
            assert!(error.starts_with("must be a number of at least 1"), "{wrong}: {error}");
        }
    }

    #[test]
    fn diverse_sources_lie_far_apart_and_alike_ones_close() {
        let corpus = Corpus::open("builtin:svm").unwrap();
        let all = corpus.tasks().len();
        let tasks: Vec<&[f64]> = corpus.tasks().iter().map(|task| task.meta_features()).collect();
        let standardizer = Standardizer::fit(&tasks, corpus.meta_features());
        let points: Vec<Vec<f64>> = tasks.iter().map(|task| standardizer.apply(task)).collect();
        let mean_distance = |chosen: &[usize]| {
            let pairs: Vec<f64> = chosen
                .iter()
                .flat_map(|a| chosen.iter().map(move |b| (a, b)))
                .filter(|(a, b)| a < b)
                .map(|(a, b)| {
                    points[*a]
                        .iter()
                        .zip(&points[*b])
                        .map(|(x, y)| (x - y).powi(2))
                        .sum::<f64>()
                        .sqrt()
                })
                .collect();
            pairs.iter().sum::<f64>() / pairs.len() as f64
        };
        for seed in 0..5 {
            let of =
                |text: &str| sources(text).of(&corpus, &mut Streams::new(seed).at("sources", 0));
            let [diverse, random, alike] = ["5:diverse", "5", "5:alike"].map(of);
            assert!(mean_distance(&diverse) > mean_distance(&random), "seed {seed}");
            assert!(mean_distance(&random) > mean_distance(&alike), "seed {seed}");
            for (few, more) in [("3", "5"), ("3:diverse", "5:diverse"), ("3:alike", "5:alike")] {
                let (few, more) = (of(few), of(more));
                assert_eq!((few.len(), more.len()), (3, 5));
                assert!(few.is_sorted() && few.iter().all(|task| more.contains(task)));
            }
            // The same task is first, and everything is taken where there is not more.
            assert!(of("1") == of("1:diverse") && of("1") == of("1:alike"));
            assert_eq!(of("99:diverse"), (0..all).collect::<Vec<_>>());
        }
    }
}
