//! Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).
//!
//! ```text
//! a[k] = 1/(h·w) Σ_ij ∂y_c/∂A[k,i,j]        map = ReLU(Σ_k a[k]·A[k])
//! ```
//!
//! `A` is the last tensor with places, `y_c` the logit of the class. Of tokens it is the last tensor
//! that all of the network passes through and whose places the class depends on: what enters the last
//! attention where a class token is read, what is averaged where all tokens are. Tokens that stand for
//! no place are left out. Cost: the backward walk from the logits to `A` only, usually far below one
//! forward run. On a network that ends in GlobalAveragePool and one linear layer it equals CAM,
//! `ReLU(Σ_k w[c,k]·A[k])/(h·w)`.

use super::places::Places;
use super::{Attribution, AttributionError, Method, Model, Run, Target};
use crate::exec::{ExecError, gradients};
use crate::tensor::Value;

/// Grad-CAM on the last tensor with places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GradCam;

impl GradCam {
    /// The tensor that the map of a class is read from, and the gradient of the class's logit with
    /// respect to it; none where the class does not depend on it.
    ///
    /// # Errors
    /// [`AttributionError::NoSpatialLayer`], [`AttributionError::NoGradient`],
    /// [`AttributionError::NoSuchClass`], [`AttributionError::Exec`].
    pub fn layer(
        model: &Model,
        run: &Run,
        class: usize,
    ) -> Result<(Target, Option<Value>), AttributionError> {
        let (&last, others) = run.targets.split_last().ok_or(AttributionError::NoSpatialLayer)?;
        for &target in others {
            let gradient = gradient_at(model, run, (class, target))?;
            let Some(found) = &gradient else { return Ok((target, None)) };
            let found = found.as_slice::<f32>().map_err(ExecError::from)?;
            let depends = |(place, channel)| found[target.places.at(place, channel)] != 0.0;
            let places = target.places;
            let mut all = (0..places.count()).flat_map(|p| (0..places.channels).map(move |k| (p, k)));
            // Nothing at all: the class depends on no token, and no other tensor will say more.
            if all.any(depends) || found.iter().all(|&g| g == 0.0) {
                return Ok((target, gradient));
            }
        }
        Ok((last, gradient_at(model, run, (class, last))?))
    }
}

impl Method for GradCam {
    fn attribute(&self, model: &Model, run: &Run, target: usize) -> Result<Attribution, AttributionError> {
        let (layer, gradient) = Self::layer(model, run, target)?;
        let activations = run.recording.get(layer.value).ok_or(AttributionError::NoSpatialLayer)?;
        let data = activations.as_slice::<f32>().map_err(ExecError::from)?;
        let places = layer.places;
        // Without a gradient the class does not depend on the tensor: the map is zero.
        let map = match gradient {
            None => vec![0.0; places.count()],
            Some(g) => weighted_sum(data, g.as_slice::<f32>().map_err(ExecError::from)?, places),
        };
        Ok(Attribution { height: places.height, width: places.width, map, convergence_delta: None })
    }
}

fn gradient_at(
    model: &Model,
    run: &Run,
    (class, target): (usize, Target),
) -> Result<Option<Value>, AttributionError> {
    let seed = (model.logits, one_hot(model, run, class)?);
    match gradients(&model.executor, &run.recording, seed, &[target.value]) {
        Ok(found) => Ok(found.into_iter().next().flatten()),
        Err(error) => Err(match error.not_differentiable() {
            Some((node, op_type)) => AttributionError::NoGradient { node: node.to_owned(), op_type },
            None => error.into(),
        }),
    }
}

/// `ReLU(Σ_k mean(gradient[k]) · activations[k])` over the channels.
fn weighted_sum(activations: &[f32], gradient: &[f32], places: Places) -> Vec<f32> {
    let count = places.count();
    let mut map = vec![0.0_f64; count];
    for channel in 0..places.channels {
        let sum: f64 = (0..count).map(|place| f64::from(gradient[places.at(place, channel)])).sum();
        let weight = sum / count as f64;
        for (place, sum) in map.iter_mut().enumerate() {
            *sum += weight * f64::from(activations[places.at(place, channel)]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Executor;
    use crate::ir::GraphBuilder;
    use crate::ops::{GlobalAveragePool, Hardmax, Isa, Op, Rows};
    use crate::tensor::{DType, Shape, TensorType};

    #[test]
    fn an_operator_without_gradient_is_named() {
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 2, 3, 3])));
        let pooled = builder.op("pool", Op::from(GlobalAveragePool), &[x]);
        let hard = builder.op("hard", Op::from(Hardmax { rows: Rows::Along(1) }), &[pooled]);
        builder.output(hard);
        let model = Model::new(Executor::new(builder.finish().unwrap(), Isa::Portable).unwrap()).unwrap();
        let run = model.run(Value::zeros::<f32>(&[1, 2, 3, 3]).unwrap()).unwrap();
        let error = GradCam.attribute(&model, &run, 0).unwrap_err();
        assert_eq!(error.to_string(), "Hardmax `hard` has no gradient, so there is no map to draw");
    }
}
