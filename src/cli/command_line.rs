//! The command that gives the same results again.

use hyperq::experiment::Plan;

/// A command of this program, as a shell reads it.
pub(super) struct CommandLine(String);

impl CommandLine {
    pub fn new(command: &str) -> Self {
        Self(format!("hyperq {command}"))
    }

    /// Adds an option with its value.
    pub fn option(&mut self, name: &str, value: impl ToString) {
        self.0.push_str(&format!(" --{name} {}", quoted(&value.to_string())));
    }

    /// Adds an option as often as it has values.
    pub fn options<T: ToString>(&mut self, name: &str, values: &[T]) {
        values.iter().for_each(|value| self.option(name, value.to_string()));
    }

    /// Adds an option that has no value.
    pub fn flag(&mut self, name: &str) {
        self.0.push_str(&format!(" --{name}"));
    }

    /// Adds what decides the trials of a plan beside its surfaces and strategies.
    pub fn numbers(&mut self, plan: &Plan) {
        self.option("trials", plan.trials);
        self.option("seeds", plan.seeds);
        self.option("seed", plan.seed);
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
