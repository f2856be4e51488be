//! The product of the factors, and what of it is a strategy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Ablation, Sets};
use crate::error::{Error, Result};
use crate::experiment::config::merge;
use crate::explore::Exploration;
use crate::optimizer::Problem;
use crate::strategy::{Strategy, registry};
use crate::streams::Streams;
use crate::surface::Surface;
use crate::value::Signals;

/// The combinations of an ablation.
#[derive(Debug, Clone, PartialEq)]
pub struct Combinations {
    /// The factors' names.
    pub factors: Vec<String>,
    /// The names of each factor's levels.
    pub levels: Vec<Vec<String>>,
    /// Those that run.
    pub runnable: Vec<Combination>,
    /// Those that cannot.
    pub refused: Vec<Refused>,
}

/// A combination of levels that is a strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Combination {
    /// Its name in the results: the levels' names with `+` between.
    pub name: String,
    /// For each factor the place of its level.
    pub levels: Vec<usize>,
    /// The strategy.
    pub strategy: Strategy,
}

/// A combination of levels that is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// The levels' names.
    pub levels: Vec<String>,
    /// Why.
    pub reason: String,
}

/// The parts that a strategy's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts {
    pub value: String,
    pub framing: String,
    pub exploration: String,
}

impl Parts {
    /// The parts of a strategy; `None` where it has none that an ablation can exchange.
    pub fn of(strategy: &Strategy) -> Option<Self> {
        let (value, framing, exploration) = match strategy {
            Strategy::Q(q) => (q.agent.value.name(), q.framing.name(), q.agent.exploration.name()),
            Strategy::ContinuousQ(q) => (q.value.name(), "select", q.exploration.name()),
            _ => return None,
        };
        let [value, framing, exploration] = [value, framing, exploration].map(str::to_owned);
        Some(Self { value, framing, exploration })
    }

    /// The registered strategy of these parts, or why there is none.
    fn strategy(&self) -> Result<Strategy, String> {
        let with = |fits: &dyn Fn(&Self) -> bool| {
            registry().iter().find(|r| Self::of(&r.strategy).is_some_and(|parts| fits(&parts)))
        };
        if let Some(registered) = with(&|parts| parts == self) {
            return Ok(registered.strategy.clone());
        }
        let Self { value, framing, exploration } = self;
        let Some(relative) = with(&|p| p.value == *value && p.framing == *framing) else {
            return Err(format!("value function `{value}` has no framing `{framing}`"));
        };
        // The framing is there, so it is the policy that the value function has no use for.
        let policy = with(&|parts| parts.exploration == *exploration);
        let policy = policy.and_then(|registered| policy_of(&registered.strategy));
        let refusal = policy.and_then(|policy| {
            policy.build(value, supplies(&relative.strategy)).err().map(|error| error.to_string())
        });
        Err(refusal.unwrap_or_else(|| {
            format!("there is no strategy of `{value}`, `{framing}` and `{exploration}`")
        }))
    }
}

fn policy_of(strategy: &Strategy) -> Option<&Exploration> {
    match strategy {
        Strategy::Q(q) => Some(&q.agent.exploration),
        Strategy::ContinuousQ(q) => Some(&q.exploration),
        _ => None,
    }
}

fn supplies(strategy: &Strategy) -> Signals {
    match strategy {
        Strategy::Q(q) => q.agent.value.supplies(),
        Strategy::ContinuousQ(q) => q.value.supplies(),
        _ => Signals::default(),
    }
}

/// All combinations in the order of nested loops, the last factor fastest.
pub(super) fn product(
    ablation: &Ablation,
    surfaces: &[Arc<dyn Surface>],
    trials: usize,
) -> Result<Combinations> {
    let sizes: Vec<usize> = ablation.factors.iter().map(|factor| factor.levels.len()).collect();
    let count = sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let count = count.filter(|count| *count <= Ablation::MOST).ok_or_else(|| {
        let rule = format!("so few that there are at most {} combinations", Ablation::MOST);
        Error::setting("ablation", "factor", rule, format!("{sizes:?} levels"))
    })?;
    let names = |levels: &[usize]| -> Vec<String> {
        let pairs = ablation.factors.iter().zip(levels);
        pairs.map(|(factor, level)| factor.levels[*level].name.clone()).collect()
    };
    let (mut runnable, mut refused) = (Vec::new(), Vec::new());
    for index in 0..count {
        let mut rest = index;
        let mut levels = vec![0; sizes.len()];
        for (level, size) in levels.iter_mut().zip(&sizes).rev() {
            (*level, rest) = (rest % size, rest / size);
        }
        let strategy = strategy(ablation, &levels).and_then(|strategy| {
            let problems = surfaces.iter().map(|surface| surface.spec());
            for spec in problems {
                let problem = Problem {
                    grid: spec.grid.clone(),
                    meta_features: spec.meta_features.clone(),
                    direction: spec.direction,
                    budget: Some(trials),
                    optimum: spec.optimum.and_then(|value| spec.direction.score(value).ok()),
                    ..Problem::new(spec.space.clone())
                };
                strategy
                    .build(&problem, Streams::new(0))
                    .map_err(|error| format!("on {}: {error}", spec.name))?;
            }
            Ok(strategy)
        });
        match strategy {
            Ok(strategy) => {
                let name = names(&levels).join("+");
                runnable.push(Combination { name, levels, strategy });
            }
            Err(reason) => refused.push(Refused { levels: names(&levels), reason }),
        }
    }
    Ok(Combinations {
        factors: ablation.factors.iter().map(|factor| factor.name.clone()).collect(),
        levels: ablation
            .factors
            .iter()
            .map(|factor| factor.levels.iter().map(|level| level.name.clone()).collect())
            .collect(),
        runnable,
        refused,
    })
}

/// The strategy of a combination, or why it is none.
fn strategy(ablation: &Ablation, levels: &[usize]) -> Result<Strategy, String> {
    let chosen = || {
        let pairs = ablation.factors.iter().zip(levels);
        pairs.map(|(factor, level)| (factor, &factor.levels[*level]))
    };
    let own = Parts::of(&ablation.base);
    let mut strategy = ablation.base.clone();
    if let Some(mut parts) = own.clone() {
        for (_, level) in chosen() {
            match level.sets {
                Sets::Framing => parts.framing.clone_from(&level.name),
                Sets::Value => parts.value.clone_from(&level.name),
                Sets::Exploration => parts.exploration.clone_from(&level.name),
                Sets::Schedule(_) | Sets::Settings(_) => {}
            }
        }
        if Some(&parts) != own.as_ref() {
            strategy = parts.strategy()?;
        }
    }
    for (factor, level) in chosen() {
        let settings = match &level.sets {
            Sets::Framing | Sets::Value | Sets::Exploration => continue,
            Sets::Settings(settings) => settings.clone(),
            Sets::Schedule(policies) => schedule(&strategy, policies, &level.name)?,
        };
        let mut merged = serde_json::to_value(&strategy).map_err(|error| error.to_string())?;
        merge(&mut merged, Value::Object(settings));
        strategy = Strategy::deserialize(merged)
            .map_err(|error| format!("{} `{}`: {error}", factor.name, level.name))?;
    }
    Ok(strategy)
}

/// What a schedule sets in a strategy.
fn schedule(
    strategy: &Strategy,
    policies: &Map<String, Value>,
    level: &str,
) -> Result<Map<String, Value>, String> {
    let lacking = || "the strategy has no exploration policy with a schedule".to_owned();
    let policy = policy_of(strategy).ok_or_else(lacking)?;
    let name = policy.name();
    let settings = policies
        .get(name)
        .ok_or_else(|| format!("schedule `{level}` says nothing of exploration `{name}`"))?;
    let exploration = json!({ "exploration": { name: settings } });
    let whole = match strategy {
        Strategy::Q(_) => json!({ "agent": exploration }),
        _ => exploration,
    };
    match whole {
        Value::Object(settings) => Ok(settings),
        _ => Err(lacking()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn combinations(text: &str) -> Combinations {
        let surfaces = crate::surface::open("branin").unwrap();
        let ablation = Ablation::parse(text, Path::new("a.toml")).unwrap();
        ablation.combinations(&surfaces, 20).unwrap()
    }

    #[test]
    fn every_combination_runs_or_is_refused_with_the_reason() {
        let all = combinations(
            "[[factor]]\nname = 'value'\nlevels = ['table', 'ensemble', 'kernel']\n\
             [[factor]]\nname = 'framing'\nlevels = ['select', 'refine']\n\
             [[factor]]\nname = 'exploration'\nlevels = ['ucb', 'thompson']\n",
        );
        let names: Vec<&str> = all.runnable.iter().map(|c| c.name.as_str()).collect();
        let expected = [
            "table+select+ucb",
            "table+refine+ucb",
            "ensemble+select+ucb",
            "ensemble+select+thompson",
            "ensemble+refine+ucb",
            "ensemble+refine+thompson",
            "kernel+select+ucb",
            "kernel+select+thompson",
        ];
        assert_eq!(names, expected);
        for one in &all.runnable {
            let [value, framing, exploration] = one.name.split('+').collect::<Vec<_>>()[..] else {
                panic!("{}", one.name)
            };
            let registered = Strategy::named(&format!("{value}-{framing}-{exploration}")).unwrap();
            assert_eq!(one.strategy, registered);
        }
        let reasons: Vec<_> =
            all.refused.iter().map(|r| (r.levels.join(" "), r.reason.as_str())).collect();
        assert_eq!(reasons.len(), 4);
        assert_eq!(reasons[0].0, "table select thompson");
        assert!(reasons[0].1.contains("thompson needs a spread, which value function `table`"));
        assert_eq!(reasons[2].0, "kernel refine ucb");
        assert_eq!(reasons[2].1, "value function `kernel` has no framing `refine`");
    }

    #[test]
    fn schedules_speak_of_some_policies_and_settings_of_any_strategy() {
        let all = combinations(
            "base = 'dqn-select-ucb'\n\
             [[factor]]\nname = 'exploration'\nlevels = ['ucb', 'softmax', 'greedy']\n\
             [[factor]]\nname = 'schedule'\nlevels = [\n\
             { name = 'high', ucb = { coefficient = { constant = 3.0 } }, greedy = {} },\n\
             { name = 'low', softmax = { temperature = { constant = 0.1 } } }]\n\
             [[factor]]\nname = 'discount'\nlevels = [\n\
             { name = 'none', agent = { discount = 0.0 } }, { name = 'wrong', discount = 0.5 }]\n",
        );
        let names: Vec<&str> = all.runnable.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["ucb+high+none", "softmax+low+none", "greedy+high+none"]);
        let Strategy::Q(q) = &all.runnable[0].strategy else { panic!() };
        let Exploration::Ucb(ucb) = &q.agent.exploration else { panic!() };
        assert_eq!(ucb.coefficient, crate::explore::Schedule::Constant(3.0));
        let reason = |levels: &str| {
            let found = all.refused.iter().find(|r| r.levels.join(" ") == levels);
            found.unwrap_or_else(|| panic!("{levels}")).reason.as_str()
        };
        assert_eq!(reason("ucb low none"), "schedule `low` says nothing of exploration `ucb`");
        assert!(reason("ucb high wrong").starts_with("discount `wrong`: unknown field `discount`"));
    }

    #[test]
    fn what_a_surface_refuses_is_left_out_with_its_name() {
        let surfaces = crate::surface::open("michalewicz-5").unwrap();
        let text = "[[factor]]\nname = 'reward'\nlevels = [\n\
                    { name = 'score', reward = { kind = 'score' } },\n\
                    { name = 'gain', reward = { kind = 'improvement' } }]\n\
                    [[factor]]\nname = 'value'\nlevels = ['dqn', 'kernel']\n";
        let ablation = Ablation::parse(text, Path::new("a.toml")).unwrap();
        let all = ablation.combinations(&surfaces, 20).unwrap();
        assert_eq!(all.runnable.len(), 3);
        assert_eq!(all.refused[0].levels, ["gain", "kernel"]);
        assert!(all.refused[0].reason.starts_with("on michalewicz-5: reward `improvement`"));
    }
}
