//! Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).
//!
//! ```text
//! a[k] = 1/(h·w) Σ_ij ∂y_c/∂A[k,i,j]        map = ReLU(Σ_k a[k]·A[k])
//! ```
//!
//! `A` is the last tensor with positions, `y_c` the logit of the class. Cost: the backward walk from
//! the logits to `A` only, usually far below one forward run. On a network that ends in
//! GlobalAveragePool and one linear layer it equals CAM, `ReLU(Σ_k w[c,k]·A[k])/(h·w)`.

use super::{Attribution, AttributionError, Method, Model, Run, find_target};
use crate::exec::{ExecError, gradients};
use crate::tensor::Value;

/// Grad-CAM on the last tensor with positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GradCam;

impl Method for GradCam {
    fn attribute(&self, model: &Model, run: &Run, target: usize) -> Result<Attribution, AttributionError> {
        let graph = model.executor.graph();
        let layer = find_target(graph, model.logits, &run.recording);
        let layer = layer.ok_or(AttributionError::NoSpatialLayer)?;
        let activations = run.recording.get(layer).ok_or(AttributionError::NoSpatialLayer)?;
        let seed = (model.logits, one_hot(model, run, target)?);
        let found = gradients(&model.executor, &run.recording, seed, &[layer])?;
        let [_, channels, height, width] = *activations.shape() else {
            return Err(AttributionError::NoSpatialLayer);
        };
        let data = activations.as_slice::<f32>().map_err(ExecError::from)?;
        // Without a gradient the class does not depend on the tensor: the map is zero.
        let map = match found.into_iter().next().flatten() {
            None => vec![0.0; height * width],
            Some(g) => weighted_sum(data, g.as_slice::<f32>().map_err(ExecError::from)?, channels),
        };
        Ok(Attribution { height, width, map, convergence_delta: None })
    }
}

/// `ReLU(Σ_k mean(gradient[k]) · activations[k])` over channels of equal size.
fn weighted_sum(activations: &[f32], gradient: &[f32], channels: usize) -> Vec<f32> {
    let positions = activations.len() / channels.max(1);
    let mut map = vec![0.0_f64; positions];
    for (a, g) in activations.chunks_exact(positions).zip(gradient.chunks_exact(positions)) {
        let weight = g.iter().copied().map(f64::from).sum::<f64>() / positions as f64;
        for (sum, &v) in map.iter_mut().zip(a) {
            *sum += weight * f64::from(v);
        }
    }
    map.into_iter().map(|v| v.max(0.0) as f32).collect()
}

/// The gradient of one logit with respect to all of them.
fn one_hot(model: &Model, run: &Run, target: usize) -> Result<Value, AttributionError> {
    let classes = run.logits.len();
    if target >= classes {
        return Err(AttributionError::NoSuchClass { target, classes });
    }
    let mut seed = vec![0.0_f32; classes];
    seed[target] = 1.0;
    let shape = run.recording.get(model.logits).map(|v| v.shape().to_vec()).unwrap_or_default();
    Ok(Value::from_vec(&shape, seed).map_err(ExecError::from)?)
}
