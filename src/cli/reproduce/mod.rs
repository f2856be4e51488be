//! `hyperq reproduce`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hyperq::experiment::{Pair, Results, Summary};
use hyperq::meta::Sources;

use super::ablate::{Ablate, Ablated, effects_table, p_value};
use super::compare::{Compare, Format};
use super::leaderboard::leaderboard;
use super::numbers::Numbers;
use super::transfer::TransferCommand;
use super::{Failure, print};

/// Answer the questions that the literature leaves open, by running what answers them
///
/// Writes a directory for each question, with its configuration, trials, statistics and report, and answers.md with the
/// tables and tests of all. Runs that were finished before are taken over, but for those of transfer, which takes minutes.
/// The whole takes about an hour on two cores, --quick a minute.
#[derive(Args)]
pub struct Reproduce {
    /// Only these questions [default: all]
    #[arg(value_name = "QUESTION")]
    questions: Vec<Question>,
    /// A part of the surfaces, trials and seeds: enough to see how it works, too little to believe the answers
    #[arg(long)]
    quick: bool,
    /// A directory with published tables, svm and nn below it; the question of transfer is then asked of them too
    #[arg(long, value_name = "DIR", env = "HYPERQ_DATA")]
    data: Option<PathBuf>,
    /// Runs at the same time; results do not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = "hyperq-answers")]
    out: PathBuf,
    /// No progress on stderr
    #[arg(long)]
    quiet: bool,
}

/// A question.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Question {
    /// Which exploration policy, on which value function?
    Exploration,
    /// Continuous spaces, or grids of which resolution?
    Resolution,
    /// Reinforcement learning, Bayesian optimization or random search?
    Rivals,
    /// Does training on other data sets help on a new one, and how many of them does it take?
    Transfer,
}

impl Question {
    fn name(self) -> &'static str {
        match self {
            Self::Exploration => "exploration",
            Self::Resolution => "resolution",
            Self::Rivals => "rivals",
            Self::Transfer => "transfer",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Exploration => "Which exploration policy, on which value function?",
            Self::Resolution => "Continuous spaces, or grids of which resolution?",
            Self::Rivals => "Reinforcement learning, Bayesian optimization or random search?",
            Self::Transfer => "Does training on other data sets help on a new one?",
        }
    }

    /// The file that says what is run.
    fn configuration(self) -> Option<&'static str> {
        match self {
            Self::Exploration => Some(include_str!("exploration.toml")),
            Self::Resolution => Some(include_str!("resolution.toml")),
            Self::Rivals => Some(include_str!("rivals.toml")),
            Self::Transfer => None,
        }
    }

    /// The pairs of strategies whose difference is the answer.
    fn pairs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Resolution => &[
                ("dqn-81", "dqn-4096"),
                ("dqn-729", "dqn-4096"),
                ("ensemble-81", "ensemble-4096"),
                ("refine-81", "refine-4096"),
                ("kernel-select-ucb", "ensemble-4096"),
                ("critics-select-ucb", "ensemble-4096"),
                ("td3-select-ucb", "dqn-4096"),
            ],
            Self::Rivals => &[
                ("kernel-select-ucb", "gp"),
                ("kernel-select-ucb", "tpe"),
                ("kernel-select-ucb", "cma-es"),
                ("ensemble-select-ucb", "tpe"),
                ("dqn-select-epsilon-greedy", "tpe"),
                ("dqn-select-epsilon-greedy", "random"),
                ("dqn-refine-softmax", "random-2x"),
                ("table-refine-softmax", "random-2x"),
                ("td3-select-ucb", "gp"),
                ("sac-select-policy", "random-2x"),
                ("ddpg-select-gaussian", "random"),
            ],
            Self::Exploration | Self::Transfer => &[],
        }
    }
}

/// What agents are trained on beside all tasks, in the question of transfer.
const SOURCES: [&str; 5] = ["2", "5", "10", "5:diverse", "5:alike"];

/// The surfaces of `--quick`.
const QUICK: [&str; 4] = ["branin", "hartmann-3", "rastrigin-5", "mixed-conditional"];

impl Reproduce {
    /// Runs the questions, one after the other, and writes the answers.
    pub fn run(&self) -> Result<(), Failure> {
        let questions: Vec<Question> = Question::value_variants()
            .iter()
            .copied()
            .filter(|question| self.questions.is_empty() || self.questions.contains(question))
            .collect();
        let mut answers = "# Answers\n".to_owned();
        if self.quick {
            answers.push_str("\nMade with `--quick`: too few runs to believe.\n");
        }
        for question in questions {
            let directory = self.out.join(question.name());
            std::fs::create_dir_all(&directory)
                .map_err(|error| Failure::Usage(format!("{}: {error}", directory.display())))?;
            if !self.quiet {
                eprintln!("{}", question.title());
            }
            let answer = match question {
                Question::Exploration => self.exploration(&directory)?,
                Question::Resolution | Question::Rivals => self.comparison(question, &directory)?,
                Question::Transfer => self.transfer(&directory)?,
            };
            let section = format!("\n## {}\n\n{answer}", question.title());
            print(&format!("{section}\n"))?;
            answers.push_str(&section);
        }
        let path = self.out.join("answers.md");
        write(&path, &answers)?;
        print(&format!("\nanswers: {}\n", path.display()))
    }

    /// What is not the question's own.
    fn numbers(&self) -> Numbers {
        let quick = |number| self.quick.then_some(number);
        Numbers { trials: quick(25), seeds: quick(2), seed: None, jobs: self.jobs }
    }

    fn surfaces(&self) -> Vec<String> {
        if self.quick { QUICK.map(str::to_owned).into() } else { Vec::new() }
    }

    fn exploration(&self, directory: &Path) -> Result<String, Failure> {
        let config = configuration(Question::Exploration, directory)?;
        let ablate = Ablate {
            config,
            surfaces: self.surfaces(),
            numbers: self.numbers(),
            out: directory.to_owned(),
            format: Format::Table,
            quiet: self.quiet,
        };
        let Ablated { results, summary, findings, command, .. } = ablate.execute()?;
        going_on(&results)?;
        let mut answer = block(&command);
        for effects in &findings.effects {
            answer.push_str(&block(&effects_table(effects)));
        }
        answer.push_str(&block(&leaderboard(&summary)));
        Ok(answer)
    }

    fn comparison(&self, question: Question, directory: &Path) -> Result<String, Failure> {
        let config = configuration(question, directory)?;
        let compare = Compare {
            surfaces: self.surfaces(),
            strategies: Vec::new(),
            config: Some(config),
            numbers: self.numbers(),
            out: directory.to_owned(),
            resume: true,
            format: Format::Table,
            quiet: self.quiet,
        };
        let (results, summary, _, command) = compare.execute()?;
        going_on(&results)?;
        let pairs = question.pairs().iter().filter_map(|(a, b)| Pair::of(&results, a, b));
        let mut answer = block(&command);
        answer.push_str(&block(&leaderboard(&summary)));
        answer.push_str(&clock(&summary));
        answer.push_str(&verdicts(pairs));
        Ok(answer)
    }

    fn transfer(&self, directory: &Path) -> Result<String, Failure> {
        // The learners' own tables, and a directory for the results of each corpus.
        let learners: &[&str] = match self.quick {
            true => &["svm"],
            false => &["svm", "random-forest", "gradient-boosting", "mlp"],
        };
        let mut corpora: Vec<(String, String, usize)> = learners
            .iter()
            .map(|learner| (format!("builtin:{learner}"), (*learner).to_owned(), 60))
            .collect();
        if let Some(data) = &self.data {
            let own = corpora.len();
            for (name, trials) in [("svm", 60), ("nn", 100)] {
                let corpus = data.join(name);
                if corpus.join("space.json").is_file() {
                    let corpus = corpus.to_string_lossy().into_owned();
                    corpora.push((corpus, format!("published-{name}"), trials));
                }
            }
            if corpora.len() == own {
                let message = "has neither `svm` nor `nn` with a space.json below it";
                return Err(Failure::Usage(format!("--data: {} {message}", data.display())));
            }
        }
        // Hyp-RL's network trains for minutes.
        let agents: &[&str] = match self.quick {
            true => &["prior-ucb", "average-rank"],
            false => &["prior-ucb", "average-rank", "hyp-rl"],
        };
        let sources: Vec<Sources> = SOURCES
            .iter()
            .map(|sources| sources.parse().map_err(Failure::Failed))
            .collect::<Result<_, _>>()?;
        let mut answer = String::new();
        for (corpus, name, trials) in corpora {
            let command = TransferCommand {
                corpus,
                folds: Some(5),
                leave_one_out: false,
                test: None,
                agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
                sources: sources.clone(),
                config: None,
                trials: if self.quick { 20 } else { trials },
                seeds: if self.quick { 1 } else { 3 },
                seed: 0,
                jobs: self.jobs,
                out: directory.join(name),
                format: Format::Table,
                quiet: self.quiet,
            };
            let (results, summary, _, more) = command.execute()?;
            going_on(&results)?;
            answer.push_str(&block(&command.command()));
            answer.push_str(&block(&leaderboard(&summary)));
            answer.push_str(&block(&more));
            answer.push_str(&verdicts(summary.pairs.into_iter().filter(asked)));
        }
        Ok(answer)
    }
}

/// Whether a pair is one that the question of transfer is about: whole agents among each other, and an agent that
/// knows few sources against the same one that knows all, or others.
fn asked(pair: &Pair) -> bool {
    match pair.strategy.split_once("-from-") {
        Some((agent, _)) => {
            pair.against == agent || pair.against.starts_with(&format!("{agent}-from-"))
        }
        None => true,
    }
}

/// Writes the question's file into its directory, so that the printed command runs as it stands.
fn configuration(question: Question, directory: &Path) -> Result<PathBuf, Failure> {
    let path = directory.join(format!("{}.toml", question.name()));
    write(&path, question.configuration().unwrap_or_default())?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}

/// Stops where the user has.
fn going_on(results: &Results) -> Result<(), Failure> {
    if results.interrupted { Err(Failure::Interrupted) } else { Ok(()) }
}

/// A block of text as it stands.
fn block(text: &str) -> String {
    format!("```text\n{}\n```\n\n", text.trim_matches('\n'))
}

/// What strategies reach by the clock.
fn clock(summary: &Summary) -> String {
    let Some(first) = summary.strategies.iter().find(|s| !s.wall_clock.is_empty()) else {
        return String::new();
    };
    let mut text = "Mean normalized regret by the clock, where an evaluation takes".to_owned();
    for clock in &first.wall_clock {
        let _ =
            write!(text, " {} s ({:.0} s in all),", clock.evaluation_seconds, clock.budget_seconds);
    }
    text.pop();
    text.push_str(":\n\n| strategy |");
    for clock in &first.wall_clock {
        let _ = write!(text, " {} s |", clock.evaluation_seconds);
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(first.wall_clock.len()));
    for strategy in &summary.strategies {
        let _ = write!(text, "\n| `{}` |", strategy.name);
        for clock in &strategy.wall_clock {
            let _ = write!(text, " {:.4} |", clock.regret);
        }
    }
    text.push_str("\n\n");
    text
}

/// A sentence a pair: what is better after the last trial, and whether that may be chance.
fn verdicts(pairs: impl Iterator<Item = Pair>) -> String {
    let mut text = String::new();
    for pair in pairs {
        let Some(last) = pair.differences.last() else { continue };
        let Pair { strategy, against, surfaces, .. } = &pair;
        let shown = last.p.is_some_and(|p| p < 0.05);
        let which = match (shown, last.mean < 0.0) {
            (true, true) => format!("`{strategy}` is better than `{against}`"),
            (true, false) => format!("`{strategy}` is worse than `{against}`"),
            (false, _) => format!("`{strategy}` and `{against}`: no difference is shown"),
        };
        let _ = write!(text, "- {which} after {} trials: {:+.4}", last.trial, last.mean);
        if let Some([low, high]) = last.interval {
            let _ = write!(text, " ({low:+.4} to {high:+.4})");
        }
        let p = last.p.map_or_else(|| "all equal".to_owned(), |p| format!("p {}", p_value(p)));
        let _ = writeln!(text, ", {p}, {surfaces} surfaces.");
    }
    if !text.is_empty() {
        text.push_str(
            "\nDifferences are of mean normalized regret, with 95 % bootstrap intervals over surfaces and \
             p-values of Wilcoxon's signed-rank test, not corrected for their number.\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyperq::experiment::ablation::Ablation;
    use hyperq::experiment::config::Config;

    #[test]
    fn sources_are_read() {
        assert!(SOURCES.iter().all(|sources| sources.parse::<Sources>().is_ok()));
    }

    #[test]
    fn every_question_has_a_file_that_can_be_run() {
        let path = Path::new("question.toml");
        for question in Question::value_variants() {
            let Some(text) = question.configuration() else { continue };
            if *question == Question::Exploration {
                let ablation = Ablation::parse(text, path).unwrap();
                let surfaces = hyperq::surface::open("branin").unwrap();
                let all = ablation.combinations(&surfaces, 25).unwrap();
                // Thompson sampling needs a spread, which a single network lacks.
                assert_eq!((all.runnable.len(), all.refused.len()), (19, 1));
                assert_eq!(all.refused[0].levels, ["dqn", "thompson"]);
                continue;
            }
            let config = Config::parse(text, path).unwrap();
            let names: Vec<&str> = config.strategies.iter().map(|e| e.name.as_str()).collect();
            for (strategy, against) in question.pairs() {
                for name in [strategy, against] {
                    assert!(names.contains(name) || *name == "random-2x", "{name}");
                }
            }
            // The quick surfaces are among those of the whole.
            assert!(QUICK.iter().all(|quick| config.surfaces.iter().any(|name| name == quick)));
        }
    }
}
