//! The networks among candle's tensors.
//!
//! [`MlpOp`] runs forward and backward of the fast networks as one candle operation on the CPU, so
//! that they compose with candle's autograd; [`forward_candle`] is the same function written in
//! candle's own operations, for every other device.

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Shape, Tensor, bail};

use super::{Activation, MlpShape, Network, Workspace, kernel};

/// The outputs of one network of a shape as a candle operation over `(x, parameters)`: `x` is
/// `rows x inputs`, the parameters are a vector in the layout of [`MlpShape`], both of 32-bit floats
/// on the CPU. Gradients flow to both.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use hyperq::nn::{Init, MlpOp, MlpShape, Network};
/// use hyperq::streams::Streams;
///
/// let shape = MlpShape { inputs: 2, outputs: 1, ..MlpShape::default() };
/// let network = Network::new(shape.clone(), 1, Init::TorchLinear, &mut Streams::new(1).at("w", 0))?;
/// let params = Var::from_slice(network.params(), shape.len(), &Device::Cpu)?;
/// let x = Tensor::new(&[[0.5f32, 1.0]], &Device::Cpu)?;
/// let loss = MlpOp::new(shape)?.forward(&x, &params)?.sqr()?.sum_all()?;
/// assert!(loss.backward()?.get(&params).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MlpOp {
    shape: MlpShape,
}

impl MlpOp {
    /// The operation of a shape.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Setting`] where a layer is empty.
    pub fn new(shape: MlpShape) -> crate::Result<Self> {
        shape.check()?;
        Ok(Self { shape })
    }

    /// The outputs, `rows x outputs`.
    ///
    /// # Errors
    ///
    /// Where a tensor has another shape, type or device.
    pub fn forward(&self, x: &Tensor, params: &Tensor) -> candle_core::Result<Tensor> {
        x.contiguous()?.apply_op2(&params.contiguous()?, self.clone())
    }

    fn rows(&self, x: &[usize], params: &[usize]) -> candle_core::Result<usize> {
        match (x, params) {
            (&[rows, inputs], &[len]) if inputs == self.shape.inputs && len == self.shape.len() => {
                Ok(rows)
            }
            _ => bail!(
                "mlp: x must be rows x {} and the parameters {}, found {x:?} and {params:?}",
                self.shape.inputs,
                self.shape.len()
            ),
        }
    }
}

/// The numbers of a contiguous CPU tensor.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((start, end))) => Ok(&all[start..end]),
        _ => bail!("mlp: tensors must be contiguous and of 32-bit floats"),
    }
}

impl CustomOp2 for MlpOp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        params: &CpuStorage,
        params_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let rows = self.rows(x_layout.dims(), params_layout.dims())?;
        let (x, params) = (floats(x, x_layout)?, floats(params, params_layout)?);
        let network = Network::from_params(self.shape.clone(), params.to_vec());
        let y = network.forward(0, x, rows, &mut Workspace::default()).to_vec();
        Ok((CpuStorage::F32(y), Shape::from((rows, self.shape.outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        params: &Tensor,
        _outputs: &Tensor,
        d_outputs: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let rows = self.rows(x.dims(), params.dims())?;
        let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
        let (values, d_outputs) = (flat(x)?, flat(d_outputs)?);
        // candle asks for both gradients; only those that lead to a variable are worth computing.
        let mut d_x = x.track_op().then(|| vec![0.0; values.len()]);
        let mut d_params = params.track_op().then(|| vec![0.0; self.shape.len()]);
        let network = Network::from_params(self.shape.clone(), flat(params)?);
        let mut workspace = Workspace::default();
        // Candle keeps no state between the passes, so the activations are computed again.
        network.forward(0, &values, rows, &mut workspace);
        network.backward(
            0,
            &values,
            rows,
            &d_outputs,
            d_params.as_deref_mut(),
            d_x.as_deref_mut(),
            &mut workspace,
        );
        let tensor = |d: Option<Vec<f32>>, like: &Tensor| {
            d.map(|d| Tensor::from_vec(d, like.shape(), like.device())).transpose()
        };
        Ok((tensor(d_x, x)?, tensor(d_params, params)?))
    }
}

/// The same outputs as [`MlpOp`]'s in candle's own operations, on any device: `x` is
/// `rows x inputs`, `params` a vector in the layout of [`MlpShape`], both of 32-bit floats.
///
/// Note that candle's ReLU has the derivative 1 at exactly 0, where [`MlpOp`] has 0.
///
/// # Errors
///
/// Where a tensor has another shape or type, or the device fails.
pub fn forward_candle(
    shape: &MlpShape,
    params: &Tensor,
    x: &Tensor,
) -> candle_core::Result<Tensor> {
    if x.dtype() != DType::F32 || params.dtype() != DType::F32 {
        bail!("mlp: tensors must be of 32-bit floats");
    }
    let take = |range: &std::ops::Range<usize>| params.narrow(0, range.start, range.len());
    let layers = shape.layers();
    let mut h = x.clone();
    for (index, layer) in layers.iter().enumerate() {
        let weight = take(&layer.weight)?.reshape((layer.inputs, layer.outputs))?;
        h = h.matmul(&weight)?.broadcast_add(&take(&layer.bias)?)?;
        if let Some([gain, shift]) = &layer.norm {
            let centred = h.broadcast_sub(&h.mean_keepdim(1)?)?;
            let variance = centred.sqr()?.mean_keepdim(1)?;
            let deviation = (variance + f64::from(kernel::NORM_EPSILON))?.sqrt()?;
            h = centred
                .broadcast_div(&deviation)?
                .broadcast_mul(&take(gain)?)?
                .broadcast_add(&take(shift)?)?;
        }
        if index + 1 < layers.len() {
            h = match shape.activation {
                Activation::Relu => h.relu()?,
                Activation::Tanh => h.tanh()?,
            };
        }
    }
    Ok(h)
}
