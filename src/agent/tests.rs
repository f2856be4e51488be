//! What all actor-critic agents are tested for: updates as PyTorch makes them, snapshots, bounds.

use std::path::PathBuf;

use serde::Deserialize;

use super::control::{ActorCritic, ActorCriticConfig, ControlBatch, Losses};
use super::{Ddpg, Sac, Td3};
use crate::error::Error;
use crate::explore::Schedule;
use crate::noise::{Gaussian, NoiseConfig, OrnsteinUhlenbeck, ParameterNoise};
use crate::persist::{Array, Snapshot};
use crate::streams::Streams;
use rand::RngExt;

/// Updates that `tests/fixtures/control/control.py` made with PyTorch.
#[derive(Deserialize)]
pub(super) struct Fixture<Settings> {
    pub cases: Vec<Case<Settings>>,
}

#[derive(Deserialize)]
pub(super) struct Case<Settings> {
    pub name: String,
    pub settings: Settings,
    pub start: Weights,
    pub steps: Vec<Step>,
    pub end: Weights,
}

#[derive(Deserialize)]
pub(super) struct Weights {
    pub actor: Vec<f32>,
    pub critics: Vec<f32>,
    #[serde(default)]
    pub actor_target: Vec<f32>,
    #[serde(default)]
    pub critic_targets: Vec<f32>,
}

#[derive(Deserialize)]
pub(super) struct Step {
    pub batch: Rows,
    pub noise: Vec<f32>,
    critic_loss: f32,
    actor_loss: Option<f32>,
    errors: Vec<f32>,
    #[serde(default)]
    temperature: Option<f32>,
}

#[derive(Deserialize)]
pub(super) struct Rows {
    states: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
    next_states: Vec<f32>,
    discounts: Vec<f32>,
    weights: Vec<f32>,
}

impl Rows {
    pub fn batch(&self) -> ControlBatch {
        let mut batch = ControlBatch::default();
        for row in 0..self.rewards.len() {
            batch.push(
                &self.states[3 * row..][..3],
                &self.actions[2 * row..][..2],
                self.rewards[row],
                &self.next_states[3 * row..][..3],
                self.discounts[row],
                self.weights[row],
            );
        }
        batch
    }
}

impl Step {
    /// Compares what an update reports.
    pub fn assert_reported(&self, losses: Losses, errors: &[f32], case: &str) {
        assert_near(&[losses.critic], &[self.critic_loss], &format!("{case}: critic loss"));
        assert_near(errors, &self.errors, &format!("{case}: errors"));
        assert_eq!(losses.actor.is_some(), self.actor_loss.is_some(), "{case}: the delay");
        assert_eq!(losses.temperature.is_some(), self.temperature.is_some(), "{case}");
        for (found, expected) in
            [(losses.actor, self.actor_loss), (losses.temperature, self.temperature)]
        {
            assert_near(
                found.as_slice(),
                expected.as_slice(),
                &format!("{case}: actor loss, temperature"),
            );
        }
    }
}

/// To an absolute 1e-4, and where numbers are above 1 a relative one.
pub(super) fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= 1e-4 * e.abs().max(1.0), "{what} [{place}]: {f} instead of {e}");
    }
}

pub(super) fn fixture<Settings: for<'a> Deserialize<'a>>(name: &str) -> Fixture<Settings> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/control");
    let text = std::fs::read_to_string(path.join(format!("{name}.json"))).unwrap();
    let fixture: Fixture<Settings> = serde_json::from_str(&text).unwrap();
    assert_eq!(fixture.cases.len(), 2);
    assert!(fixture.cases.iter().all(|case| case.steps.len() == 10));
    fixture
}

/// One configuration of every agent and every noise, small.
fn configs() -> Vec<ActorCriticConfig> {
    let td3 = |noise| {
        let normalized = matches!(noise, NoiseConfig::Parameter(_));
        ActorCriticConfig::Td3(Td3 {
            hidden: vec![12, 12],
            actor_layer_norm: normalized,
            noise,
            ..Td3::default()
        })
    };
    let every = ParameterNoise { every: 2, factor: 1.5, ..ParameterNoise::default() };
    vec![
        ActorCriticConfig::Ddpg(Ddpg { hidden: vec![12, 12], ..Ddpg::default() }),
        td3(NoiseConfig::Gaussian(Gaussian::default())),
        td3(NoiseConfig::Parameter(every)),
        ActorCriticConfig::Sac(Sac {
            hidden: vec![12, 12],
            critics: 3,
            prior_scale: 0.5,
            bootstrap: 0.7,
            ..Sac::default()
        }),
    ]
}

fn batch(rows: usize, seed: u64) -> ControlBatch {
    let mut rng = Streams::new(seed).at("batch", 0);
    let mut numbers =
        |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0f32..1.0)).collect() };
    let mut batch = ControlBatch::default();
    for row in 0..rows {
        let discount = if row % 4 == 0 { 0.0 } else { 0.9 };
        batch.push(&numbers(3), &numbers(2), numbers(1)[0], &numbers(3), discount, 1.0);
    }
    batch
}

/// Everything that an agent does: explores, begins an episode, learns.
fn live(agent: &mut dyn ActorCritic, from: u64, to: u64) -> Vec<f32> {
    let mut done = Vec::new();
    let mut action = Vec::new();
    for trial in from..to {
        let mut rng = Streams::new(7).at("live", trial);
        if trial % 4 == 0 {
            agent.begin_episode(&mut rng);
        }
        agent.explore(&[0.1, -0.2, trial as f32 * 0.1], trial, &mut rng, &mut action);
        done.extend_from_slice(&action);
        let losses = agent.update(&batch(6, trial), &mut rng);
        done.extend([losses.critic, losses.actor.unwrap_or(0.0)]);
        done.extend(losses.temperature);
        agent.act(&[0.3, 0.2, 0.1], &mut action);
        done.extend_from_slice(&action);
    }
    done
}

#[test]
fn a_loaded_agent_goes_on_bit_for_bit() {
    for config in configs() {
        let mut whole = config.build(3, 2, Streams::new(1)).unwrap();
        live(whole.as_mut(), 0, 7);
        let mut snapshot = Snapshot::default();
        whole.save("agent", &mut snapshot).unwrap();
        let stored = Snapshot::from_parts(
            serde_json::from_str(&serde_json::to_string(snapshot.json()).unwrap()).unwrap(),
            &snapshot.arrays_to_bytes().unwrap(),
        )
        .unwrap();
        // The same streams, since what they give (such as priors) is not stored.
        let mut resumed = config.build(3, 2, Streams::new(1)).unwrap();
        resumed.load("agent", &stored).unwrap();
        let (left, right) = (live(whole.as_mut(), 7, 15), live(resumed.as_mut(), 7, 15));
        assert!(left.iter().all(|x| x.is_finite()), "{}", config.name());
        assert_eq!(left, right, "{}", config.name());
    }
}

#[test]
fn a_damaged_snapshot_is_refused_whatever_is_missing_or_wrong() {
    for config in configs() {
        let mut agent = config.build(3, 2, Streams::new(1)).unwrap();
        live(agent.as_mut(), 0, 3);
        let mut snapshot = Snapshot::default();
        agent.save("agent", &mut snapshot).unwrap();
        let bytes = snapshot.arrays_to_bytes().unwrap();
        let mut refused = |snapshot: &Snapshot, what: &str| {
            let error = agent.load("agent", snapshot).expect_err(what);
            assert!(matches!(error, Error::Snapshot { .. }), "{what}: {error}");
        };
        // Every JSON entry left out or replaced.
        for path in snapshot.json().keys() {
            let mut json = snapshot.json().clone();
            json.remove(path);
            refused(&Snapshot::from_parts(json, &bytes).unwrap(), path);
            for wrong in
                [serde_json::json!(-1), serde_json::json!(u64::MAX), serde_json::json!("x")]
            {
                let mut json = snapshot.json().clone();
                json.insert(path.clone(), wrong.clone());
                // A huge learning rate is a learning rate.
                if path.ends_with("learning_rate") && wrong == serde_json::json!(u64::MAX) {
                    continue;
                }
                let damaged = Snapshot::from_parts(json, &bytes).unwrap();
                refused(&damaged, &format!("{path} = {wrong}"));
            }
        }
        // Every array of another length.
        for (path, _) in safetensors::SafeTensors::deserialize(&bytes).unwrap().tensors() {
            let mut damaged = snapshot.clone();
            let (at, key) = path.rsplit_once('/').unwrap();
            damaged.put_array(at, key, Array::F32(vec![0.5; 7]));
            refused(&damaged, &path);
        }
    }
}

#[test]
fn a_temperature_out_of_range_is_refused() {
    let mut agent = Sac::default().build(3, 2, Streams::new(1)).unwrap();
    let mut snapshot = Snapshot::default();
    crate::persist::Persist::save(&agent, "agent", &mut snapshot).unwrap();
    snapshot.put_array("agent", "log-temperature", Array::F32(vec![f32::NAN]));
    assert_eq!(
        crate::persist::Persist::load(&mut agent, "agent", &snapshot).unwrap_err().to_string(),
        "snapshot: `agent/log-temperature`: must be in [-80, 80], found NaN"
    );
}

#[test]
fn actions_stay_in_their_bounds_whatever_the_noise_and_after_divergence() {
    let loud = Schedule::Constant(50.0);
    let td3 = |noise| ActorCriticConfig::Td3(Td3 { hidden: vec![8], noise, ..Td3::default() });
    let mut all = configs();
    all.push(td3(NoiseConfig::Gaussian(Gaussian { sigma: loud })));
    all.push(td3(NoiseConfig::OrnsteinUhlenbeck(OrnsteinUhlenbeck { theta: 0.1, sigma: loud })));
    for config in all {
        let mut agent = config.build(3, 2, Streams::new(1)).unwrap();
        let mut action = Vec::new();
        let mut rng = Streams::new(1).at("explore", 0);
        for diverged in [false, true] {
            if diverged {
                let mut poison = batch(4, 1);
                poison.rewards[0] = f32::NAN;
                for _ in 0..2 {
                    agent.update(&poison, &mut rng);
                }
            }
            for trial in 0..20 {
                agent.explore(&[1.0, 2.0, -3.0], trial, &mut rng, &mut action);
                assert!(action.iter().all(|a| (-1.0..=1.0).contains(a)), "{action:?}");
                agent.act(&[1.0, 2.0, -3.0], &mut action);
                assert!(action.iter().all(|a| (-1.0..=1.0).contains(a)), "{action:?}");
                assert_eq!(action.len(), 2);
            }
        }
    }
}

#[test]
fn every_critic_is_asked_and_gradients_agree_with_finite_differences() {
    for prior_scale in [0.0, 2.0] {
        // Smooth, so that finite differences meet no kinks.
        let activation = crate::nn::Activation::Tanh;
        let sac = Sac { critics: 3, hidden: vec![16], activation, prior_scale, ..Sac::default() };
        let config = ActorCriticConfig::Sac(sac);
        let mut agent = config.build(3, 2, Streams::new(4)).unwrap();
        let inputs = batch(6, 3).inputs;
        let weights: Vec<f32> = (0..18).map(|place| (place as f32 - 8.0) / 5.0).collect();
        let (mut values, mut gradient) = (Vec::new(), Vec::new());
        agent.values(&inputs, 6, &mut values);
        agent.gradient(&inputs, 6, &weights, &mut gradient);
        assert_eq!((values.len(), gradient.len(), agent.critics()), (18, 12, config.critics()));
        for (row, action) in (0..6).flat_map(|row| (0..2).map(move |action| (row, action))) {
            let step = 1e-2;
            let mut moved = |by: f32| -> f32 {
                let mut inputs = inputs.clone();
                inputs[row * 5 + 3 + action] += by;
                agent.values(&inputs, 6, &mut values);
                (0..3).map(|member| weights[member * 6 + row] * values[member * 6 + row]).sum()
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            let found = gradient[row * 2 + action];
            assert!((slope - found).abs() < 5e-3, "{row} {action}: {found} instead of {slope}");
        }
    }
}

#[test]
fn priors_keep_critics_apart_and_bootstrapping_changes_what_they_see() {
    let spread = |prior_scale, bootstrap| {
        let td3 = Td3 { hidden: vec![16], critics: 4, prior_scale, bootstrap, ..Td3::default() };
        let mut agent = td3.build(3, 2, Streams::new(4)).unwrap();
        let mut rng = Streams::new(1).at("learn", 0);
        let rows = batch(12, 3);
        for _ in 0..300 {
            agent.update(&rows, &mut rng);
        }
        let mut values = Vec::new();
        agent.values(&batch(50, 9).inputs, 50, &mut values);
        (0..50)
            .map(|row| {
                let q: Vec<f32> = (0..4).map(|member| values[member * 50 + row]).collect();
                let mean = q.iter().sum::<f32>() / 4.0;
                (q.iter().map(|q| (q - mean).powi(2)).sum::<f32>() / 4.0).sqrt()
            })
            .sum::<f32>()
    };
    let plain = spread(0.0, 1.0);
    let (priors, bootstrapped) = (spread(3.0, 1.0), spread(0.0, 0.3));
    assert!(priors > 1.5 * plain, "{priors} {plain}");
    assert_ne!(bootstrapped, plain);
}

#[test]
fn the_scale_of_parameter_noise_leads_to_the_distance_aimed_at() {
    let noise = ParameterNoise { initial: 5.0, distance: 0.1, factor: 1.05, every: 1 };
    let config = Td3 {
        hidden: vec![32, 32],
        actor_layer_norm: true,
        noise: NoiseConfig::Parameter(noise),
        actor_learning_rate: 1e-6,
        ..Td3::default()
    };
    let mut agent = config.build(3, 2, Streams::new(1)).unwrap();
    let mut rng = Streams::new(1).at("learn", 0);
    for round in 0..200 {
        agent.update(&batch(16, round), &mut rng);
    }
    // The root of the mean square over many disturbed actors.
    let (mut best, mut tried, mut square, mut count) = (Vec::new(), Vec::new(), 0.0, 0.0);
    for round in 0..200 {
        agent.begin_episode(&mut rng);
        for row in batch(16, round).inputs.chunks_exact(5) {
            agent.act(&row[..3], &mut best);
            agent.explore(&row[..3], 0, &mut rng, &mut tried);
            square += best.iter().zip(&tried).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            count += 2.0;
        }
    }
    let (distance, scale) = ((square / count).sqrt(), agent.perturbation_scale().unwrap());
    assert!((distance / 0.1 - 1.0).abs() < 0.3, "{distance} at the scale {scale}");
    assert!(scale < 0.5, "{scale}");
}

#[test]
fn a_disturbed_actor_lasts_an_episode() {
    let config = Td3 {
        actor_layer_norm: true,
        noise: NoiseConfig::Parameter(ParameterNoise::default()),
        ..Td3::default()
    };
    let mut agent = config.build(3, 2, Streams::new(1)).unwrap();
    let mut rng = Streams::new(1).at("explore", 0);
    let mut tries = [Vec::new(), Vec::new(), Vec::new()];
    agent.explore(&[0.1, 0.2, 0.3], 0, &mut rng, &mut tries[0]);
    agent.explore(&[0.1, 0.2, 0.3], 1, &mut rng, &mut tries[1]);
    agent.begin_episode(&mut rng);
    agent.explore(&[0.1, 0.2, 0.3], 2, &mut rng, &mut tries[2]);
    assert_eq!(tries[0], tries[1]);
    assert_ne!(tries[0], tries[2]);
}

#[test]
fn settings_outside_their_range_are_refused() {
    let refused = |toml: &str| match toml::from_str::<ActorCriticConfig>(toml) {
        Ok(config) => config.build(3, 2, Streams::new(1)).err().unwrap().to_string(),
        Err(error) => error.to_string(),
    };
    for agent in ["ddpg", "td3", "sac"] {
        for (setting, rule) in [
            ("hidden = [4, 0]", "`hidden` must be widths of at least 1, found 0"),
            ("critics = 0", "`critics` must be in"),
            ("critics = 65", "`critics` must be in"),
            ("actor-learning-rate = 0.0", "`actor-learning-rate` must be a finite number above 0"),
            (
                "critic-learning-rate = inf",
                "`critic-learning-rate` must be a finite number above 0",
            ),
            (
                "weight-decay = -1.0",
                "`weight-decay` must be a finite number of at least 0, found -1",
            ),
            ("gradient-clip = 0.0", "`gradient-clip` must be a finite number above 0, found 0"),
            ("tau = 1.5", "`tau` must be in (0, 1], found 1.5"),
            ("batch = 0", "`batch` must be at least 1, found 0"),
            ("prior-scale = -1.0", "`prior-scale` must be a finite number of at least 0, found -1"),
            ("bootstrap = 0.0", "`bootstrap` must be in (0, 1], found 0"),
            ("widths = [4]", "unknown field `widths`"),
        ] {
            let error = refused(&format!("[{agent}]\n{setting}"));
            assert!(error.contains(rule), "{agent}: {setting}: {error}");
        }
    }
    for (toml, rule) in [
        ("[ddpg]\nfinal-init = 0.0", "agent `ddpg`: `final-init` must be"),
        ("[ddpg.noise.parameter]", "set `actor-layer-norm`"),
        ("[ddpg.noise.ornstein-uhlenbeck]\ntheta = 2.0", "`theta` must be in (0, 1], found 2"),
        ("[td3]\ncritics = 1", "agent `td3`: `critics` must be in 2..=64, found 1"),
        ("[td3]\npolicy-delay = 0", "`policy-delay` must be at least 1, found 0"),
        ("[td3]\ntarget-noise = nan", "`target-noise` must be"),
        ("[td3]\ntarget-noise-clip = -0.1", "`target-noise-clip` must be"),
        ("[td3.noise.gaussian.sigma]\nconstant = -1.0", "`sigma` must be"),
        ("[sac]\ncritics = 1", "agent `sac`: `critics` must be in 2..=64, found 1"),
        ("[sac]\ntemperature-learning-rate = 0.0", "`temperature-learning-rate` must be"),
        ("[sac]\ninitial-temperature = 0.0", "`initial-temperature` must be in [1e-30, 1e30]"),
        ("[sac]\ntarget-entropy = inf", "`target-entropy` must be a finite number, found inf"),
    ] {
        let error = refused(toml);
        assert!(error.contains(rule), "{toml}: {error}");
    }
    let error = Td3::default().build(0, 2, Streams::new(1)).err().unwrap().to_string();
    assert_eq!(error, "network: `inputs` must be at least 1, found 0");
}
