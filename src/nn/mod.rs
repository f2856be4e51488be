//! Networks that are fast: multilayer perceptrons and a recurrent network in 32-bit floats on one core.
//!
//! What an update of a small network costs is mostly not arithmetic but allocation, concatenation
//! and passes over memory. So a [`Network`] keeps the weights of all its members (twin critics, an
//! ensemble) in one flat vector; gradients, target weights and Adam's moments have the same layout,
//! which makes [`Adam::step`] and [`polyak`] one pass each; forward and backward work on slices and
//! in the buffers of a [`Workspace`], which after the first call of a size are never allocated again.
//! The matrix products are our own, since a product of 64 x 64 x 64 takes a few microseconds and general
//! libraries allocate in each.
//!
//! One regression step:
//!
//! ```
//! use hyperq::nn::{Adam, AdamSettings, Init, MlpShape, Network, Workspace};
//! use hyperq::streams::Streams;
//!
//! let shape = MlpShape { inputs: 2, hidden: vec![16, 16], outputs: 1, ..MlpShape::default() };
//! let mut network = Network::new(shape, 1, Init::TorchLinear, &mut Streams::new(1).at("weights", 0))?;
//! let mut adam = Adam::new(AdamSettings::default(), network.params().len())?;
//! let mut gradient = vec![0.0; network.params().len()];
//! let mut workspace = Workspace::default();
//!
//! let (x, target) = ([0.0, 1.0, 1.0, 0.5, -1.0, 0.25], [1.0, 0.0, -1.0]);
//! let y = network.forward(0, &x, 3, &mut workspace);
//! let d_y: Vec<f32> = y.iter().zip(target).map(|(y, t)| (y - t) / 3.0).collect();
//! network.backward(0, &x, 3, &d_y, Some(&mut gradient), None, &mut workspace);
//! adam.step(network.params_mut(), &gradient);
//! # Ok::<(), hyperq::Error>(())
//! ```

mod adam;
mod candle_op;
pub(crate) mod kernel;
mod lstm;
mod mlp;
mod polyak;
pub(crate) mod product;
mod rmsprop;
mod sequences;

pub use adam::{Adam, AdamSettings, clip_by_norm};
pub use candle_op::{MlpOp, forward_candle};
#[doc(hidden)]
pub use kernel::product_by_gemm;
pub use kernel::{TANH_ERROR, tanh_in_place};
pub use lstm::{Lstm, LstmGradient, LstmMemory, LstmShape, LstmWorkspace};
pub use mlp::{Activation, Init, MlpShape, Network, Workspace};
pub use polyak::polyak;
pub use rmsprop::{RmsProp, RmsPropSettings};
pub use sequences::Sequences;
