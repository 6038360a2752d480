//! `MaxUnpool` (ONNX opsets 9–22): the maxima of a `MaxPool` back at their places, zeros elsewhere.
//!
//! The places are what `MaxPool` gives as its second output: numbers in the whole result, counted along
//! the last axis first. Where a result of another size is asked for than the window would give, they
//! are numbers in that result, as in ONNX Runtime and PyTorch. Of several maxima with one place the
//! last one stays.

use super::pooling::{check_gradient, split_spatial};
use super::window::{Padding, Window};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, OpError, Operator, Tape, TypeInputs, index, pooling,
};
use crate::ir::AttrError;
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Inputs: maxima, their places, and optionally the shape of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxUnpool {
    /// The window of the `MaxPool`.
    pub window: Window,
}

impl MaxUnpool {
    /// `(size − 1) · stride + taps − padding` for each spatial axis.
    fn sizes(&self, spatial: &[Dim]) -> Result<Vec<Dim>, OpError> {
        if spatial.len() != self.window.kernel.len() {
            return Err(index::count_error("spatial axes", self.window.kernel.len(), spatial.len()));
        }
        let pads = if let Padding::Explicit(pads) = &self.window.padding { pads.as_slice() } else { &[] };
        let size = |(axis, dim): (usize, &Dim)| {
            let Some(size) = dim.fixed() else { return Ok(Dim::Unknown) };
            let stride = self.window.strides.get(axis).copied().unwrap_or(1);
            let padding = pads.get(axis).map_or(0, |[begin, end]| begin + end);
            let reach = size.checked_sub(1).and_then(|steps| steps.checked_mul(stride));
            let whole =
                reach.and_then(|reach| reach.checked_add(self.window.kernel[axis])?.checked_sub(padding));
            whole.map(Dim::Fixed).ok_or_else(|| OpError::Range {
                what: "spatial size",
                expected: "positive and no more than fits in memory".to_owned(),
                got: size.to_string(),
            })
        };
        spatial.iter().enumerate().map(size).collect()
    }

    fn shape(&self, input: &[Dim], stated: Option<&Value>) -> Result<Vec<Dim>, OpError> {
        if let Some(stated) = stated {
            return Ok(index::sizes(stated, "the output shape")?.into_iter().map(Dim::Fixed).collect());
        }
        let (head, spatial) = split_spatial(input)?;
        Ok([head, &self.sizes(spatial)?].concat())
    }
}

/// The place of each maximum, in a result of `cells` elements.
fn places(places: &Value, maxima: &[usize], cells: usize) -> Result<Vec<usize>, OpError> {
    if places.shape() != maxima {
        let (expected, got) = (format!("{maxima:?}"), format!("{:?}", places.shape()));
        return Err(OpError::Shape { what: "indices", expected, got });
    }
    let place = |&at: &i64| {
        usize::try_from(at).ok().filter(|&at| at < cells).ok_or_else(|| OpError::Range {
            what: "index",
            expected: format!("below {cells}, the elements of the result"),
            got: at.to_string(),
        })
    };
    places.as_slice::<i64>()?.iter().map(place).collect()
}

impl Operator for MaxUnpool {
    const OP_TYPE: &'static str = "MaxUnpool";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { window: pooling::import_window(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, self.window.export())])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Other)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.float(0, "input")?;
        let shape = match (&input.shape, inputs.optional(2)) {
            (Shape::Ranked(dims), None) => Shape::Ranked(self.shape(dims, None)?),
            (_, Some(_)) if inputs.constant(2).is_some() => {
                Shape::Ranked(self.shape(&[], inputs.constant(2))?)
            }
            (Shape::Ranked(dims), Some(_)) => index::unknown(dims.len()),
            _ => Shape::Unranked,
        };
        Ok(vec![TensorType::new(DType::F32, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let maxima = inputs.get(0)?;
        let dims: Vec<Dim> = maxima.shape().iter().copied().map(Dim::Fixed).collect();
        let shape: Vec<usize> =
            self.shape(&dims, inputs.optional(2))?.iter().filter_map(Dim::fixed).collect();
        let mut out = index::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let places = places(inputs.get(1)?, maxima.shape(), out.len())?;
        for (&value, at) in maxima.as_slice::<f32>()?.iter().zip(places) {
            out[at] = value;
        }
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.wanted_gradient() else { return Ok(gradients) };
        let gradient = check_gradient(gradient, tape.output(0)?.shape())?;
        let shape = tape.input(0)?.shape();
        let places = places(tape.input(1)?, shape, gradient.len())?;
        let taken = places.into_iter().map(|at| gradient[at]).collect();
        gradients[0] = Some(Value::from_vec(shape, taken)?);
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor, try_run};

    impl Sampled for MaxUnpool {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let attrs = Attrs::new()
                .with("kernel_shape", Attr::Ints(vec![2, 2]))
                .with("strides", Attr::Ints(vec![2, 2]));
            let places = || integers(&[5, 7, 13, 15]).reshaped(&[1, 1, 2, 2]).unwrap();
            let filled = |size: usize| {
                let mut y = vec![0.0; size * size];
                (y[5], y[7], y[13], y[15]) = (1.0, 2.0, 3.0, 4.0);
                tensor(&[1, 1, size, size], &y)
            };
            let maxima = tensor(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
            let sample = |attrs: &Attrs| Sample::new(attrs.clone()).input(maxima.clone()).input(places());
            let line =
                Attrs::new().with("kernel_shape", Attr::Ints(vec![3])).with("pads", Attr::Ints(vec![1, 1]));
            vec![
                sample(&attrs).gives(vec![filled(4)]),
                sample(&attrs).constant(integers(&[1, 1, 5, 5])).gives(vec![filled(5)]).opset(11),
                sample(&attrs).input(integers(&[1, 1, 5, 5])).gives(vec![filled(5)]),
                Sample::new(line)
                    .input(Random::new(43).uniform(&[2, 1, 3], -1.0, 1.0))
                    .constant(integers(&[2, 1, 0, 4, 5, 3]).reshaped(&[2, 1, 3]).unwrap())
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn a_place_outside_the_result_is_refused() {
        let window = Window { kernel: vec![2], ..Window::default() };
        let run = |at: i64| {
            let places = integers(&[at]).reshaped(&[1, 1, 1]).unwrap();
            try_run(&Op::from(MaxUnpool { window: window.clone() }), &[tensor(&[1, 1, 1], &[1.0]), places])
        };
        assert!(run(1).is_ok());
        assert_eq!(
            run(2).unwrap_err().to_string(),
            "index = 2, but it must be below 2, the elements of the result"
        );
        assert!(run(-1).is_err());
    }
}
