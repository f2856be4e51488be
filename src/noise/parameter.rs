//! Noise on the weights of an actor (Plappert et al. 2018).

use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::Network;
use crate::persist::{Persist, Snapshot};
use crate::streams::Generator;

/// The scale stays in this range, so that neither a constant actor nor a diverged one drives it to
/// where it means nothing.
const SCALES: std::ops::RangeInclusive<f32> = 1e-6..=100.0;

/// The settings of adaptive parameter noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ParameterNoise {
    /// The standard deviation of the weights' noise at the beginning, in `[1e-6, 100]`.
    pub initial: f32,
    /// The distance delta that is aimed at between the actions of the actor and of the disturbed
    /// actor, above 0, where actions span `[-1, 1]`.
    pub distance: f32,
    /// The factor alpha by which the scale is changed, above 1.
    pub factor: f32,
    /// The updates from one change to the next, at least 1.
    pub every: u64,
}

impl Default for ParameterNoise {
    /// alpha = 1.01 (Plappert et al. 2018), every 50 updates as in the authors' program. 0.2 makes actions
    /// differ as much as by one push of [`super::OrnsteinUhlenbeck`].
    fn default() -> Self {
        Self { initial: 0.2, distance: 0.2, factor: 1.01, every: 50 }
    }
}

impl ParameterNoise {
    pub(super) fn check(&self) -> Result<()> {
        let owner = "noise `parameter`";
        if !SCALES.contains(&self.initial) {
            return Err(Error::setting(owner, "initial", "in [1e-6, 100]", self.initial));
        }
        if !(self.distance > 0.0 && self.distance.is_finite()) {
            return Err(Error::setting(owner, "distance", "above 0", self.distance));
        }
        if !(self.factor > 1.0 && self.factor.is_finite()) {
            return Err(Error::setting(owner, "factor", "above 1", self.factor));
        }
        if self.every == 0 {
            return Err(Error::setting(owner, "every", "at least 1", 0));
        }
        Ok(())
    }
}

/// An actor with noise on its weights, `w + N(0, sigma^2)`, and the scale sigma that adapts.
///
/// The noise lasts an episode, so the disturbed actor is a policy of its own and does the same in the
/// same state. How much a change of weights changes actions depends on the network, so sigma follows
/// the distance in the space of actions (Plappert et al. 2018, section 3, "adaptive noise scaling"):
///
/// ```text
/// d = sqrt(mean over states and actions of (pi(s) - pi~(s))^2)
/// sigma <- alpha sigma  if d < delta,  else  sigma / alpha
/// ```
///
/// Gains and shifts of layer norm are left alone.
///
/// ```
/// use hyperq::nn::{Init, MlpShape, Network};
/// use hyperq::noise::{ParameterNoise, Perturbation};
/// use hyperq::streams::Streams;
///
/// let shape = MlpShape { inputs: 3, outputs: 2, layer_norm: true, ..MlpShape::default() };
/// let mut rng = Streams::new(1).at("noise", 0);
/// let actor = Network::new(shape, 1, Init::TorchLinear, &mut rng)?;
/// let mut noise = Perturbation::new(&ParameterNoise::default(), &actor, &mut rng)?;
/// assert!(noise.actor().params() != actor.params());
/// noise.adapt(0.5); // farther than the 0.2 that are aimed at
/// assert!(noise.scale() < 0.2);
/// # Ok::<(), hyperq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbation {
    settings: ParameterNoise,
    scale: f32,
    /// The disturbed actor of this episode.
    actor: Network,
    /// Another one, to measure the distance with; drawn anew for each measurement.
    probe: Network,
    /// Where weights and biases lie.
    places: Vec<Range<usize>>,
}

impl Perturbation {
    /// A first disturbed actor.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where a setting is outside its range; [`Error::Unsuited`] where the actor has
    /// no layer norm, without which the same noise disturbs some layers much more than others
    /// (Plappert et al. 2018, section 3).
    pub fn new(settings: &ParameterNoise, actor: &Network, rng: &mut Generator) -> Result<Self> {
        settings.check()?;
        if !actor.shape().layer_norm && !actor.shape().hidden.is_empty() {
            return Err(Error::unsuited(
                "noise `parameter`",
                "noise on weights needs layer norm in the actor: set `actor-layer-norm`",
            ));
        }
        let places = actor.shape().layers().iter().map(|l| l.weight.start..l.bias.end).collect();
        let mut perturbation = Self {
            settings: settings.clone(),
            scale: settings.initial,
            actor: actor.clone(),
            probe: actor.clone(),
            places,
        };
        perturbation.redraw(actor, rng);
        Ok(perturbation)
    }

    /// The standard deviation sigma of the weights' noise.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The disturbed actor.
    pub fn actor(&self) -> &Network {
        &self.actor
    }

    /// Disturbs the actor anew, for another episode.
    pub fn redraw(&mut self, actor: &Network, rng: &mut Generator) {
        disturb(actor, &self.places, self.scale, rng, &mut self.actor);
    }

    /// Another disturbed actor, to measure the distance with.
    pub fn probe(&mut self, actor: &Network, rng: &mut Generator) -> &Network {
        disturb(actor, &self.places, self.scale, rng, &mut self.probe);
        &self.probe
    }

    /// Whether the scale is to be adapted after this many updates.
    pub fn is_due(&self, updates: u64) -> bool {
        updates.is_multiple_of(self.settings.every)
    }

    /// Adapts the scale to a measured distance.
    pub fn adapt(&mut self, distance: f32) {
        let factor = self.settings.factor;
        let scale = if distance < self.settings.distance {
            self.scale * factor
        } else {
            self.scale / factor
        };
        self.scale = scale.clamp(*SCALES.start(), *SCALES.end());
    }
}

/// `into = actor + N(0, scale^2)` in the given places.
fn disturb(
    actor: &Network,
    places: &[Range<usize>],
    scale: f32,
    rng: &mut Generator,
    into: &mut Network,
) {
    let weights = into.params_mut();
    weights.copy_from_slice(actor.params());
    for place in places {
        for weight in &mut weights[place.clone()] {
            let normal: f32 = StandardNormal.sample(rng);
            *weight += scale * normal;
        }
    }
}

impl Persist for Perturbation {
    fn save(&self, at: &str, snapshot: &mut Snapshot) -> Result<()> {
        snapshot.put(at, "scale", &self.scale)?;
        self.actor.save(&format!("{at}/actor"), snapshot)
    }

    fn load(&mut self, at: &str, snapshot: &Snapshot) -> Result<()> {
        let scale: f32 = snapshot.get(at, "scale")?;
        if !SCALES.contains(&scale) {
            return Err(Error::snapshot(
                format!("{at}/scale"),
                format!("must be in [1e-6, 100], found {scale}"),
            ));
        }
        self.actor.load(&format!("{at}/actor"), snapshot)?;
        self.scale = scale;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Init, MlpShape};
    use crate::streams::Streams;

    fn actor() -> Network {
        let shape = MlpShape {
            inputs: 3,
            hidden: vec![30, 20],
            outputs: 2,
            layer_norm: true,
            ..MlpShape::default()
        };
        Network::new(shape, 1, Init::TorchLinear, &mut Streams::new(1).at("actor", 0)).unwrap()
    }

    #[test]
    fn weights_are_disturbed_by_the_scale_and_norms_are_not() {
        let actor = actor();
        let settings = ParameterNoise { initial: 0.5, ..ParameterNoise::default() };
        let noise =
            Perturbation::new(&settings, &actor, &mut Streams::new(2).at("noise", 0)).unwrap();
        let differences: Vec<f32> = noise
            .actor()
            .params()
            .iter()
            .zip(actor.params())
            .map(|(disturbed, weight)| disturbed - weight)
            .collect();
        let mut disturbed = Vec::new();
        for layer in actor.shape().layers() {
            for norm in layer.norm.iter().flatten() {
                assert!(differences[norm.clone()].iter().all(|d| *d == 0.0));
            }
            disturbed.extend_from_slice(&differences[layer.weight.start..layer.bias.end]);
        }
        assert_eq!(disturbed.len(), 3 * 30 + 30 + 30 * 20 + 20 + 20 * 2 + 2);
        let square: f32 = disturbed.iter().map(|d| d * d).sum::<f32>() / disturbed.len() as f32;
        assert!((square.sqrt() - 0.5).abs() < 0.05, "{}", square.sqrt());
    }

    #[test]
    fn the_scale_grows_while_actions_are_too_near_and_stays_in_its_range() {
        let settings = ParameterNoise { factor: 2.0, ..ParameterNoise::default() };
        let mut noise =
            Perturbation::new(&settings, &actor(), &mut Streams::new(2).at("noise", 0)).unwrap();
        noise.adapt(0.1);
        assert_eq!(noise.scale(), 0.4);
        noise.adapt(0.2);
        assert_eq!(noise.scale(), 0.2);
        (0..99).for_each(|_| noise.adapt(0.0));
        assert_eq!(noise.scale(), 100.0);
        (0..99).for_each(|_| noise.adapt(f32::NAN));
        assert_eq!(noise.scale(), 1e-6);
    }

    #[test]
    fn an_actor_without_layer_norm_is_refused() {
        let shape = MlpShape { layer_norm: false, ..actor().shape().clone() };
        let mut rng = Streams::new(1).at("actor", 0);
        let bare = Network::new(shape, 1, Init::TorchLinear, &mut rng).unwrap();
        let error = Perturbation::new(&ParameterNoise::default(), &bare, &mut rng).unwrap_err();
        assert!(matches!(&error, Error::Unsuited { .. }), "{error}");
        assert!(error.to_string().contains("actor-layer-norm"));
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        let base = ParameterNoise::default();
        let refused = |settings: ParameterNoise| settings.check().unwrap_err().to_string();
        assert_eq!(
            refused(ParameterNoise { factor: 1.0, ..base.clone() }),
            "noise `parameter`: `factor` must be above 1, found 1"
        );
        assert!(refused(ParameterNoise { initial: 0.0, ..base.clone() }).contains("initial"));
        assert!(
            refused(ParameterNoise { distance: f32::NAN, ..base.clone() }).contains("distance")
        );
        assert!(refused(ParameterNoise { every: 0, ..base }).contains("every"));
    }
}
