//! Commands whose arguments name parameters.

use std::ffi::OsString;
use std::process::Command;

use crate::error::{Error, Result};
use crate::space::{Choice, Configuration, Domain, SearchSpace, Value};

/// The beginning of the variables that hold parameters.
const VARIABLES: &str = "HYPERQ_PARAM_";
/// The placeholder of the trial's number.
const TRIAL: &str = "trial";

/// A command whose arguments name parameters of a space, as the [module](crate::command) describes.
///
/// ```
/// use hyperq::command::CommandTemplate;
/// use hyperq::space::{Parameter, SearchSpace};
///
/// let space = SearchSpace::new([
///     Parameter::categorical("kernel", ["rbf", "linear"]),
///     Parameter::float("gamma", 0.0, 1.0).when("kernel", ["rbf"]),
/// ])?;
/// let words = ["./fit", "--kernel={kernel}", "--gamma", "{gamma}", "--out", "{trial}.txt"];
/// let template = CommandTemplate::new(words.map(String::from).to_vec(), &space)?;
/// let rbf = template.arguments(7, &space.from_unit(&[0.0, 0.5]))?;
/// assert_eq!(rbf.join(" "), "./fit --kernel=rbf --gamma 0.5 --out 7.txt");
/// let linear = template.arguments(7, &space.from_unit(&[0.9, 0.5]))?;
/// assert_eq!(linear.join(" "), "./fit --kernel=linear --out 7.txt");
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CommandTemplate {
    space: SearchSpace,
    arguments: Vec<Argument>,
    /// The name of each parameter's variable.
    variables: Vec<String>,
}

#[derive(Debug, Clone)]
struct Argument {
    pieces: Vec<Piece>,
    /// Whether the argument before is a flag that means nothing without this one.
    has_flag: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    /// The parameter at this position of the space.
    Parameter(usize),
    Trial,
}

impl CommandTemplate {
    /// Reads a command: the program and its arguments, which are not split any further.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for a name that is no parameter; [`Error::Setting`] where there is no program, the
    /// program names a conditional parameter or `{trial}` could be the trial's number and a parameter of this
    /// name; [`Error::Unsuited`] where two parameters would have one environment variable.
    pub fn new(argv: Vec<String>, space: &SearchSpace) -> Result<Self> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(Error::setting("command", "program", "the first argument", "none"));
        }
        let mut arguments: Vec<Argument> = Vec::with_capacity(argv.len());
        for (position, text) in argv.iter().enumerate() {
            let pieces = read(text, space)?;
            let alone = matches!(pieces[..], [Piece::Parameter(_)]);
            let has_flag = alone && position > 1 && is_flag(&argv[position - 1]);
            arguments.push(Argument { pieces, has_flag });
        }
        for piece in &arguments[0].pieces {
            if let Piece::Parameter(index) = piece
                && !space.parameters()[*index].condition.is_empty()
            {
                return Err(Error::setting(
                    "command",
                    "program",
                    "there in every trial, without conditional parameters",
                    format!("`{}`", argv[0]),
                ));
            }
        }
        let variables: Vec<String> =
            space.parameters().iter().map(|parameter| variable(&parameter.name)).collect();
        for (index, name) in variables.iter().enumerate() {
            if let Some(first) = variables[..index].iter().position(|other| other == name) {
                return Err(Error::unsuited(
                    "the command's environment",
                    format!(
                        "parameters `{}` and `{}` would both be the variable {name}",
                        space.parameters()[first].name,
                        space.parameters()[index].name
                    ),
                ));
            }
        }
        Ok(Self { space: space.clone(), arguments, variables })
    }

    /// The space whose parameters it names.
    pub fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The program and its arguments in a trial.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuited`] where the configuration is one of another space.
    pub fn arguments(&self, trial: u64, configuration: &Configuration) -> Result<Vec<String>> {
        let values = self.values(configuration)?;
        let mut filled = Vec::with_capacity(self.arguments.len());
        let mut flag_kept = false;
        for argument in &self.arguments {
            match fill(&argument.pieces, trial, &values) {
                Some(text) => {
                    filled.push(text);
                    flag_kept = true;
                }
                None => {
                    if argument.has_flag && flag_kept {
                        filled.pop();
                    }
                    flag_kept = false;
                }
            }
        }
        Ok(filled)
    }

    /// The variables that a trial's environment has beside those of this process; without a value those
    /// that it must not have.
    ///
    /// # Errors
    ///
    /// As [`CommandTemplate::arguments`].
    pub fn environment(
        &self,
        trial: u64,
        configuration: &Configuration,
    ) -> Result<Vec<(String, Option<String>)>> {
        let values = self.values(configuration)?;
        let json = serde_json::to_string(configuration)
            .map_err(|error| Error::configuration("", "must have a JSON form", error))?;
        let mut variables: Vec<(String, Option<String>)> =
            self.variables.iter().cloned().zip(values).collect();
        variables.push(("HYPERQ_TRIAL".to_owned(), Some(trial.to_string())));
        variables.push(("HYPERQ_CONFIGURATION".to_owned(), Some(json)));
        Ok(variables)
    }

    /// The command of a trial, ready to be started by a process that has the `inherited` variables.
    pub(super) fn command(
        &self,
        trial: u64,
        configuration: &Configuration,
        inherited: impl IntoIterator<Item = OsString>,
    ) -> Result<Command> {
        let arguments = self.arguments(trial, configuration)?;
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]);
        // A study may itself run inside of a trial: the values of that trial are not those of this one.
        for name in inherited {
            if name.as_encoded_bytes().starts_with(VARIABLES.as_bytes()) {
                command.env_remove(name);
            }
        }
        for (name, value) in self.environment(trial, configuration)? {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(command)
    }

    /// The printed values in the order of the space's parameters, `None` where inactive.
    fn values(&self, configuration: &Configuration) -> Result<Vec<Option<String>>> {
        if configuration.space() != &self.space {
            return Err(Error::unsuited(
                "the command",
                "the configuration is one of another space",
            ));
        }
        Ok(configuration
            .values()
            .iter()
            .zip(self.space.parameters())
            .map(|(value, parameter)| value.map(|value| print(value, &parameter.domain)))
            .collect())
    }
}

/// The text of an argument, `None` where a parameter in it is inactive.
fn fill(pieces: &[Piece], trial: u64, values: &[Option<String>]) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Parameter(index) => text.push_str(values[*index].as_deref()?),
            Piece::Trial => text.push_str(&trial.to_string()),
        }
    }
    Some(text)
}

/// Rust's `{:?}` has the fewest digits that read back as the same number, and an exponent where plain
/// decimals would be long.
fn print(value: Value, domain: &Domain) -> String {
    match (value, domain) {
        (Value::Float(value), _) => format!("{value:?}"),
        (Value::Int(value), _) => value.to_string(),
        (Value::Category(index), Domain::Categorical { choices }) => match &choices[index] {
            Choice::Float(value) => format!("{value:?}"),
            other => other.to_string(),
        },
        (Value::Category(index), _) => index.to_string(),
    }
}

fn variable(parameter: &str) -> String {
    let name = parameter.chars().map(|character| match character.to_ascii_uppercase() {
        upper @ ('A'..='Z' | '0'..='9' | '_') => upper,
        _ => '_',
    });
    VARIABLES.chars().chain(name).collect()
}

fn is_flag(argument: &str) -> bool {
    argument.starts_with('-')
        && !matches!(argument, "-" | "--")
        && !argument.contains('=')
        && argument.parse::<f64>().is_err()
}

/// Cuts an argument into text and placeholders.
fn read(argument: &str, space: &SearchSpace) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = argument;
    while let Some(start) = rest.find('{') {
        let (before, braces) = rest.split_at(start);
        text.push_str(before);
        let inner = braces.trim_start_matches('{');
        let opened = braces.len() - inner.len();
        let name = &inner[..inner.find(['{', '}']).unwrap_or(inner.len())];
        let after = &inner[name.len()..];
        let closed = after.len() - after.trim_start_matches('}').len();
        let pairs = opened.min(closed);
        if pairs == 0 || !(is_name(name) || space.position(name).is_ok()) {
            text.push_str(&braces[..opened]);
            rest = inner;
            continue;
        }
        // The braces that have no partner are text; of the pairs, two make one literal brace, and the
        // innermost one that is left over encloses a placeholder.
        text.push_str(&braces[..opened - pairs + pairs / 2]);
        if pairs % 2 == 1 {
            let placeholder = resolve(name, argument, space)?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(placeholder);
        } else {
            text.push_str(name);
        }
        text.push_str(&after[..pairs / 2]);
        rest = &after[pairs..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}

fn resolve(name: &str, argument: &str, space: &SearchSpace) -> Result<Piece> {
    match (name == TRIAL, space.position(name)) {
        (false, Ok(index)) => Ok(Piece::Parameter(index)),
        (true, Err(_)) => Ok(Piece::Trial),
        (true, Ok(_)) => Err(Error::setting(
            "command",
            argument,
            "clear: `{trial}` is the trial's number, but a parameter has this name too",
            "`{trial}`",
        )),
        (false, Err(_)) => Err(Error::unknown(
            "parameter",
            name,
            space.parameters().iter().map(|parameter| parameter.name.as_str()).chain([TRIAL]),
            &format!("it stands in the argument `{argument}`; literal braces are `{{{{{name}}}}}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Parameter;
    use proptest::prelude::*;

    fn space() -> SearchSpace {
        SearchSpace::new([
            Parameter::categorical("kernel", ["rbf", "linear"]),
            Parameter::float("gamma", 0.0, 1.0).when("kernel", ["rbf"]),
            Parameter::int("layer.size", 1, 9),
        ])
        .unwrap()
    }

    fn words(argv: &[&str]) -> Vec<String> {
        argv.iter().map(ToString::to_string).collect()
    }

    fn filled(argv: &[&str], kernel: usize) -> Vec<String> {
        let space = space();
        let mut values = vec![("kernel", Value::Category(kernel)), ("layer.size", Value::Int(3))];
        if kernel == 0 {
            values.push(("gamma", Value::Float(0.25)));
        }
        let template = CommandTemplate::new(words(argv), &space).unwrap();
        template.arguments(12, &space.configuration(values).unwrap()).unwrap()
    }

    fn refusal(argv: &[&str], space: &SearchSpace) -> String {
        CommandTemplate::new(words(argv), space).unwrap_err().to_string()
    }

    #[test]
    fn placeholders_are_replaced_and_other_braces_stay() {
        for (argument, expected) in [
            ("{gamma}", "0.25"),
            ("--n={layer.size},{gamma}", "--n=3,0.25"),
            ("{kernel}-{trial}", "rbf-12"),
            ("{{gamma}}", "{gamma}"),
            ("{{anything}}", "{anything}"),
            ("{{{gamma}}}", "{0.25}"),
            ("{{{{gamma}}}}", "{{gamma}}"),
            ("{{gamma},{layer.size}}", "{0.25,3}"),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#"{"a":{"gamma":{gamma}}}"#, r#"{"a":{"gamma":0.25}}"#),
            (r#"{"a": {"b": {}}}"#, r#"{"a": {"b": {}}}"#),
            ("{}", "{}"),
            ("{{}}", "{{}}"),
            ("{gamma", "{gamma"),
            ("gamma}", "gamma}"),
            ("{a b}", "{a b}"),
            ("}{", "}{"),
            ("", ""),
        ] {
            assert_eq!(filled(&["p", argument], 0), ["p", expected], "{argument}");
        }
        assert_eq!(filled(&["bin/{kernel}"], 1), ["bin/linear"]);
    }

    #[test]
    fn an_inactive_parameter_takes_its_argument_and_its_flag_along() {
        for (arguments, expected) in [
            (&["--gamma", "{gamma}", "rest"][..], &["rest"][..]),
            (&["--gamma={gamma}", "rest"], &["rest"]),
            (&["--verbose", "g={gamma}"], &["--verbose"]),
            (&["-v", "--gamma", "{gamma}"], &["-v"]),
            (&["plain", "{gamma}"], &["plain"]),
            (&["--", "{gamma}"], &["--"]),
            (&["-", "{gamma}"], &["-"]),
            (&["--a=1", "{gamma}"], &["--a=1"]),
            (&["-1", "{gamma}"], &["-1"]),
            (&["--pair", "{gamma}", "{gamma}", "x"], &["x"]),
            (&["-a", "-b={gamma}", "{gamma}"], &["-a"]),
        ] {
            let command: Vec<&str> = ["p"].iter().chain(arguments).copied().collect();
            assert_eq!(filled(&command, 1)[1..], *expected, "{arguments:?}");
        }
        assert_eq!(filled(&["p", "--gamma", "{gamma}"], 0), ["p", "--gamma", "0.25"]);
    }

    #[test]
    fn what_cannot_be_filled_is_refused_with_the_argument() {
        assert_eq!(
            refusal(&["p", "--rate={gama}"], &space()),
            "unknown parameter `gama`; did you mean `gamma`? it stands in the argument \
             `--rate={gama}`; literal braces are `{{gama}}`"
        );
        assert_eq!(
            refusal(&["run-{gamma}"], &space()),
            "command: `program` must be there in every trial, without conditional parameters, \
             found `run-{gamma}`"
        );
        for argv in [&[][..], &["", "x"]] {
            assert_eq!(
                refusal(argv, &space()),
                "command: `program` must be the first argument, found none"
            );
        }
        let trial = SearchSpace::new([Parameter::int("trial", 0, 3)]).unwrap();
        assert!(refusal(&["p", "{trial}"], &trial).contains("a parameter has this name too"));
        assert!(CommandTemplate::new(words(&["p", "{{trial}}"]), &trial).is_ok());
        let twins =
            SearchSpace::new([Parameter::int("a-b", 0, 3), Parameter::int("A.b", 0, 3)]).unwrap();
        assert_eq!(
            refusal(&["p"], &twins),
            "the command's environment cannot be built: parameters `a-b` and `A.b` would both be the \
             variable HYPERQ_PARAM_A_B"
        );
    }

    #[test]
    fn a_configuration_of_another_space_is_refused() {
        let other = SearchSpace::new([Parameter::int("n", 0, 3)]).unwrap();
        let template = CommandTemplate::new(words(&["p"]), &space()).unwrap();
        assert_eq!(
            template.arguments(0, &other.from_unit(&[0.5])).unwrap_err().to_string(),
            "the command cannot be built: the configuration is one of another space"
        );
    }

    #[test]
    fn the_environment_has_every_active_parameter() {
        let space = space();
        let template = CommandTemplate::new(words(&["p"]), &space).unwrap();
        let values = [("kernel", Value::Category(1)), ("layer.size", Value::Int(3))];
        let environment = template.environment(4, &space.configuration(values).unwrap()).unwrap();
        let expected = [
            ("HYPERQ_PARAM_KERNEL", Some("linear")),
            ("HYPERQ_PARAM_GAMMA", None),
            ("HYPERQ_PARAM_LAYER_SIZE", Some("3")),
            ("HYPERQ_TRIAL", Some("4")),
            ("HYPERQ_CONFIGURATION", Some(r#"{"kernel":"linear","layer.size":3}"#)),
        ];
        let found: Vec<(&str, Option<&str>)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn values_of_a_trial_around_this_one_are_removed() {
        let space = SearchSpace::new([Parameter::int("n", 0, 3)]).unwrap();
        let template = CommandTemplate::new(words(&["p"]), &space).unwrap();
        let inherited = ["HYPERQ_PARAM_RATE", "HYPERQ_PARAM_N", "PATH"].map(OsString::from);
        let command = template.command(0, &space.from_unit(&[0.99]), inherited).unwrap();
        let of = |name: &str| {
            command.get_envs().find(|(key, _)| *key == name).map(|(_, value)| value.is_some())
        };
        assert_eq!(of("HYPERQ_PARAM_RATE"), Some(false));
        assert_eq!(of("HYPERQ_PARAM_N"), Some(true));
        assert_eq!(of("PATH"), None);
    }

    #[test]
    fn a_parameter_of_any_name_can_be_named() {
        let space = SearchSpace::new([Parameter::int("größe 2", 0, 3)]).unwrap();
        let template = CommandTemplate::new(words(&["p", "{größe 2}"]), &space).unwrap();
        assert_eq!(template.arguments(0, &space.from_unit(&[0.99])).unwrap(), ["p", "3"]);
        assert_eq!(template.variables, ["HYPERQ_PARAM_GR__E_2"]);
    }

    proptest! {
        #[test]
        fn numbers_read_back_exactly(
            float in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL
                | proptest::num::f64::ZERO,
            int in -(1i64 << 50) + 1..1 << 50,
        ) {
            let wide = Domain::Float { low: -1.0, high: 1.0, log: false, step: None };
            let printed = print(Value::Float(float), &wide);
            prop_assert_eq!(printed.parse::<f64>().unwrap().to_bits(), float.to_bits());
            prop_assert!(printed.len() < 25, "{}", printed);
            let choice = Domain::Categorical { choices: vec![Choice::Float(float)] };
            prop_assert_eq!(print(Value::Category(0), &choice), printed);
            prop_assert_eq!(print(Value::Int(int), &wide).parse::<i64>().unwrap(), int);
        }

        #[test]
        fn no_argument_panics_and_none_without_a_name_changes(
            argument in r#"[{}a"\\ ü.:0-]{0,12}|([{]{0,4}(gamma|kernel|trial|x)?[}]{0,4}){0,3}"#,
        ) {
            let space = space();
            let configuration = space.from_unit(&[0.1, 0.5, 0.5]);
            match CommandTemplate::new(words(&["p", &argument]), &space) {
                Ok(template) => {
                    let filled = template.arguments(0, &configuration).unwrap();
                    let named = argument.split(['{', '}']).any(is_name);
                    prop_assert!(named || filled[1] == argument);
                }
                Err(error) => {
                    let named = error.to_string().contains(&format!("`{argument}`"));
                    prop_assert!(named, "{}", error);
                }
            }
        }

        #[test]
        fn doubled_braces_give_the_name_back(name in "[A-Za-z0-9_.:-]{1,12}", depth in 1usize..4) {
            let argument = format!("{}{name}{}", "{{".repeat(depth), "}}".repeat(depth));
            let expected = format!("{}{name}{}", "{".repeat(depth), "}".repeat(depth));
            prop_assert_eq!(filled(&["p", &argument], 0), ["p".to_owned(), expected]);
        }
    }
}
