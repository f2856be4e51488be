//! `hyperq transfer`
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use clap::Args;
use super::{Failure, print};
use hyperq::meta::*;
use hyperq::experiment::{self, Summary};
use hyperq::strategy::Strategy;

/// Measures transfer.
#[derive(Args)]
pub struct TransferArgs {
    #[arg(long)] corpus: PathBuf,
    #[arg(long, default_value_t = 5)] folds: usize,
    #[arg(long = "agent")] agents: Vec<String>,
    #[arg(long, default_value_t = 60)] trials: usize,
    #[arg(long, default_value_t = 3)] seeds: usize,
    #[arg(long, default_value_t = 0)] seed: u64,
    #[arg(long, default_value_t = 2)] jobs: usize,
}
impl TransferArgs {
    pub fn run(self) -> Result<(), Failure> {
        let corpus = Corpus::read(&self.corpus).map_err(Failure::usage)?;
        let names: Vec<String> = if self.agents.is_empty() { registered().iter().map(|r| r.name.clone()).collect() } else { self.agents.clone() };
        let mut contenders: Vec<Contender> = names.iter().map(|n| Ok(Contender { name: n.clone(), kind: ContenderKind::Trained(MetaAgent::named(n)?) })).collect::<hyperq::Result<_>>().map_err(Failure::usage)?;
        contenders.push(Contender { name: "prior-ucb-scratch".into(), kind: ContenderKind::Fresh(Strategy::Untrained(MetaAgent::named("prior-ucb").unwrap())) });
        contenders.push(Contender { name: "random".into(), kind: ContenderKind::Fresh(Strategy::Random {}) });
        let t = Transfer { corpus, split: Split::Folds(self.folds), contenders, trials: self.trials, seeds: self.seeds, seed: self.seed, jobs: self.jobs };
        let r = t.run(&|_| (), &AtomicBool::new(false)).map_err(Failure::failed)?;
        let s = Summary::of(&r);
        let mut text = String::new();
        for st in &s.strategies {
            text += &format!("{:28}", st.name);
            for c in &st.normalized_regret { text += &format!(" {}:{:.4}", c.trial, c.mean); }
            text += &format!("  {:?}\n", st.ask_micros);
        }
        for st in &s.stopped { text += &format!("{st:?}\n"); }
        experiment::write(&r, &s, "x", std::path::Path::new("/tmp/transfer")).map_err(Failure::failed)?;
        print(&text)
    }
}
