//! The manual says what the code does: every page is reachable, every part has its page, every
//! default, name and file in it is real.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hyperq::agent::{Ddpg, Sac, Td3};
use hyperq::experiment::ablation::Ablation;
use hyperq::experiment::config::Config;
use hyperq::explore::{Candidates, EpsilonGreedy, Softmax, Thompson, Ucb};
use hyperq::mdp::{ContinuousRefine, ContinuousSelect, Refine, Reward, Select};
use hyperq::noise::{Gaussian, OrnsteinUhlenbeck, ParameterNoise};
use hyperq::optimizer::{Acting, ActionCandidates, CmaEs, Dyna, Tpe};
use hyperq::replay::Prioritized;
use hyperq::strategy::{Kind, Strategy, registry};
use hyperq::value::{Critics, DeepQ, Ensemble, GaussianProcess, Kernel, Table};
use serde_json::{Map, Value};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file below a directory.
fn pages_below(directory: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages.extend(pages_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// The manual's pages and the repository's own.
fn all_pages() -> Vec<PathBuf> {
    let mut pages = pages_below(&root().join("docs/src"));
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    pages
}

/// The targets of the links of a page that lead to files: without pictures, addresses and anchors.
fn linked_files(page: &Path) -> Vec<PathBuf> {
    let text = read(page);
    let directory = page.parent().unwrap();
    text.match_indices("](")
        .filter(|(at, _)| !is_picture(&text[..*at]))
        .map(|(at, _)| text[at + 2..].split(')').next().unwrap())
        .map(|target| target.split('#').next().unwrap())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(|target| directory.join(target))
        .collect()
}

fn is_picture(before: &str) -> bool {
    before.rfind('[').is_some_and(|open| before[..open].ends_with('!'))
}

#[test]
fn every_link_leads_to_a_file() {
    let mut links = 0;
    for page in all_pages() {
        for target in linked_files(&page) {
            assert!(target.is_file(), "{} links to {}", page.display(), target.display());
            links += 1;
        }
    }
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn the_summary_lists_every_page_once() {
    let summary = root().join("docs/src/SUMMARY.md");
    let listed = linked_files(&summary);
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), distinct.len(), "a page is listed twice");
    let present: BTreeSet<_> =
        pages_below(&root().join("docs/src")).into_iter().filter(|page| *page != summary).collect();
    assert_eq!(distinct, present);
}

#[test]
fn every_part_of_a_registered_strategy_has_its_page() {
    let docs = root().join("docs/src");
    let mut parts = BTreeSet::new();
    for registered in registry() {
        match &registered.strategy {
            Strategy::Q(q) => {
                parts.insert(docs.join(format!("policies/{}.md", q.agent.exploration.name())));
                parts.insert(docs.join(format!("values/{}.md", q.agent.value.name())));
                let framing = q.framing.name();
                assert!(
                    read(&docs.join("mdp.md"))
                        .to_lowercase()
                        .contains(&format!("\n## {framing}\n")),
                    "mdp.md has no section on `{framing}`"
                );
            }
            Strategy::ContinuousQ(q) => {
                parts.insert(docs.join(format!("policies/{}.md", q.exploration.name())));
                parts.insert(docs.join(format!("values/{}.md", q.value.name())));
            }
            Strategy::ActorCritic(continuous) => {
                parts.insert(docs.join(format!("agents/{}.md", continuous.agent.name())));
                let framing = format!("\n## Continuous {}\n", continuous.framing.name());
                assert!(read(&docs.join("mdp.md")).contains(&framing), "mdp.md lacks {framing}");
                if let Acting::Candidates { exploration, .. } = &continuous.acting {
                    parts.insert(docs.join(format!("policies/{}.md", exploration.name())));
                }
            }
            _ => assert!(
                registered.kind != Kind::Baseline
                    || read(&docs.join("baselines.md"))
                        .contains(&format!("\n| `{}` |", registered.name)),
                "baselines.md has no line on `{}`",
                registered.name
            ),
        }
    }
    for page in &parts {
        assert!(page.is_file(), "{} is missing", page.display());
    }
    assert_eq!(parts.len(), 6 + 6 + 3, "{parts:?}");
    // And the other way round: a page on nothing is a page too many.
    for folder in ["policies", "values"] {
        for page in pages_below(&docs.join(folder)) {
            assert!(page.ends_with("index.md") || parts.contains(&page), "{}", page.display());
        }
    }
}

/// The default settings of a part as JSON. By way of text, so that an `f32` keeps its short form.
fn defaults<T: serde::Serialize + Default>() -> Map<String, Value> {
    let text = serde_json::to_string(&T::default()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The rows of the table after `<!-- settings: NAME -->`: the setting and its default, as written.
fn settings_table(name: &str) -> Vec<(String, String)> {
    let marker = format!("<!-- settings: {name} -->\n");
    let mut found = pages_below(&root().join("docs/src"))
        .into_iter()
        .filter_map(|page| read(&page).split_once(&marker).map(|(_, after)| after.to_owned()));
    let after = found.next().unwrap_or_else(|| panic!("no page has the settings of `{name}`"));
    assert!(found.next().is_none(), "two pages have the settings of `{name}`");
    after
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
        })
        .collect()
}

/// A default as it is written in TOML; `none` is one that is not given.
fn from_toml(text: &str) -> Value {
    if text == "none" {
        return Value::Null;
    }
    let table: toml::Table =
        format!("value = {text}").parse().unwrap_or_else(|error| panic!("`{text}`: {error}"));
    serde_json::to_value(&table["value"]).unwrap()
}

#[test]
fn the_tables_of_settings_have_every_setting_and_its_default() {
    for (name, defaults) in [
        ("epsilon-greedy", defaults::<EpsilonGreedy>()),
        ("softmax", defaults::<Softmax>()),
        ("ucb", defaults::<Ucb>()),
        ("thompson", defaults::<Thompson>()),
        ("table", defaults::<Table>()),
        ("dqn", defaults::<DeepQ>()),
        ("prioritized", defaults::<Prioritized>()),
        ("ensemble", defaults::<Ensemble>()),
        ("critics", defaults::<Critics>()),
        ("kernel", defaults::<Kernel>()),
        ("gaussian-process", defaults::<GaussianProcess>()),
        ("candidates", defaults::<Candidates>()),
        ("select", defaults::<Select>()),
        ("refine", defaults::<Refine>()),
        ("reward", defaults::<Reward>()),
        ("ddpg", defaults::<Ddpg>()),
        ("td3", defaults::<Td3>()),
        ("sac", defaults::<Sac>()),
        ("gaussian", defaults::<Gaussian>()),
        ("ornstein-uhlenbeck", defaults::<OrnsteinUhlenbeck>()),
        ("parameter", defaults::<ParameterNoise>()),
        ("continuous select", defaults::<ContinuousSelect>()),
        ("continuous refine", defaults::<ContinuousRefine>()),
        ("action-candidates", defaults::<ActionCandidates>()),
        ("dyna", defaults::<Dyna>()),
        ("tpe", defaults::<Tpe>()),
        ("cma-es", defaults::<CmaEs>()),
    ] {
        let documented = settings_table(name);
        let names: BTreeSet<&str> =
            documented.iter().map(|(setting, _)| setting.as_str()).collect();
        let settings: BTreeSet<&str> = defaults.keys().map(String::as_str).collect();
        assert_eq!(names, settings, "the settings of `{name}`");
        for (setting, default) in &documented {
            // An ensemble's networks have the defaults of `dqn`, which are a table of their own.
            if setting == "network" {
                let ensemble = serde_json::to_string(&Ensemble::default().network).unwrap();
                assert_eq!(ensemble, serde_json::to_string(&DeepQ::default()).unwrap());
                continue;
            }
            let (documented, actual) = (from_toml(default), &defaults[setting]);
            assert_eq!(&documented, actual, "`{setting}` of `{name}` in the manual");
        }
    }
}

#[test]
fn strategies_and_surfaces_of_printed_commands_exist() {
    let mut names = 0;
    for page in all_pages() {
        let text = read(&page);
        for command in text.lines().filter(|line| line.contains("compare ")) {
            let words: Vec<&str> = command.split_whitespace().collect();
            for pair in words.windows(2) {
                match pair {
                    ["--strategy", name] => {
                        Strategy::named(name)
                            .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
                        names += 1;
                    }
                    // Directories are the reader's.
                    ["--surface", name]
                        if !name.starts_with(['$', '`'])
                            && !name.starts_with("yahpo:")
                            && !name.contains("path/") =>
                    {
                        #[cfg(not(feature = "live"))]
                        if name.starts_with("live/") {
                            continue;
                        }
                        hyperq::surface::open(name)
                            .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
                        names += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(names > 20, "only {names} names were found");
}

#[test]
fn comparisons_written_in_toml_are_read() {
    let mut blocks = 0;
    for page in all_pages() {
        let text = read(&page);
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if block.contains("[agent.") {
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(&file, block).unwrap();
                let agents = hyperq::meta::MetaAgent::read_all(file.path())
                    .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
                let grid = hyperq::space::GridSize::Resolution(2);
                let space = hyperq::surface::open("branin").unwrap()[0].spec().space.clone();
                let grid = std::sync::Arc::new(hyperq::space::Grid::new(&space, grid).unwrap());
                for (name, agent) in agents {
                    let streams = hyperq::streams::Streams::new(0);
                    agent
                        .untrained(std::sync::Arc::clone(&grid), 0, streams)
                        .map(|_| ())
                        .unwrap_or_else(|error| panic!("{}: {name}: {error}", page.display()));
                }
                continue;
            }
            if block.contains("[[factor]]") {
                let ablation =
                    Ablation::parse(block, &page).unwrap_or_else(|error| panic!("{error}"));
                let surfaces = hyperq::surface::open("branin").unwrap();
                let all = ablation.combinations(&surfaces, 30).unwrap();
                assert!(!all.runnable.is_empty(), "{}", page.display());
                blocks += 1;
                continue;
            }
            let config = Config::parse(block, &page).unwrap_or_else(|error| panic!("{error}"));
            for entrant in &config.strategies {
                let problem = hyperq::optimizer::Problem::new(
                    hyperq::surface::open("branin").unwrap()[0].spec().space.clone(),
                );
                entrant.strategy.build(&problem, hyperq::streams::Streams::new(0)).unwrap_or_else(
                    |error| panic!("{}: {}: {error}", page.display(), entrant.name),
                );
            }
            blocks += 1;
        }
    }
    assert!(blocks > 0);
}

#[test]
fn the_table_that_the_manual_brings_into_our_layout_is_read() {
    let text = read(&root().join("docs/src/surfaces.md"));
    let section = text.split("### Bringing a data set into this layout").nth(1).unwrap();
    let block = |kind: &str, place: usize| {
        let block = section.split(&format!("```{kind}\n")).nth(place).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("tasks")).unwrap();
    std::fs::write(at("space.json"), block("json", 1)).unwrap();
    std::fs::write(at("tasks/wine.csv"), block("csv", 1)).unwrap();
    std::fs::write(at("meta_features.csv"), block("csv", 2)).unwrap();
    let tables = hyperq::surface::Table::read_all(directory.path()).unwrap();
    let spec = hyperq::surface::Surface::spec(&tables[0]);
    assert_eq!(spec.optimum, Some(0.97));
    assert_eq!(spec.meta_features, [178.0, 13.0, 3.0]);
}
