//! `MaxPool` (ONNX opsets 1–22): the largest value under a moving window, over one or two spatial
//! axes.
//!
//! Padding never wins. NaN does: it must not vanish. The output `Indices` is not supported, and
//! with it `storage_order` has no effect. The gradient goes to the first maximum in scan order,
//! where several are equal.

use super::pooling::{self, Pooling, first_maximum};
use super::window::{Rounding, Window};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, Layout, LowerContext, Lowered, OpError, Operator,
    QMaxPool, Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError};
use crate::kernels::Pool2dGeometry;
use crate::tensor::{TensorType, Value};

/// `y[n, c, o] = max x[n, c, o · stride + k · dilation − pad]` over the taps `k` inside the input.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPool {
    /// The moving window.
    pub window: Window,
    /// What happens at the end of the input.
    pub rounding: Rounding,
}

impl MaxPool {
    /// Shapes for the integer kernels, for an input `[N, C, H, W]` or `[N, C, W]` (then `H = 1`).
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn geometry(&self, input: &[usize]) -> Result<Pool2dGeometry, OpError> {
        pooling::geometry(&self.window, input, self.rounding)
    }
}

impl Operator for MaxPool {
    const OP_TYPE: &'static str = "MaxPool";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let window = pooling::import_window(node)?;
        let rounding = Rounding::from_ceil_mode(node.attrs.take_bool("ceil_mode", false)?);
        node.attrs.take_int("storage_order")?; // the order of Indices, which are not made
        if node.output_count > 1 {
            return Err(AttrError::Unsupported {
                name: "Indices (output 1)".to_owned(),
                value: "used".to_owned(),
                reason: "positions of the maxima are not computed",
            });
        }
        Ok(Self { window, rounding })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        if self.rounding == Rounding::Up {
            attrs.insert("ceil_mode", Attr::Int(1));
        }
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        pooling::infer(&self.window, inputs, self.rounding)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let mut out = Value::zeros::<f32>(&pooling.output_shape)?.into_vec::<f32>()?;
        let planes = input.as_slice::<f32>()?.chunks_exact(pooling.input_cells());
        for (plane, out) in planes.zip(out.chunks_exact_mut(pooling.output_cells())) {
            for (patch, out) in pooling.patches().zip(out) {
                *out = plane[first_maximum(plane, patch.first(), patch.cells())];
            }
        }
        Ok(vec![Value::from_vec(&pooling.output_shape, out)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let op = QMaxPool { pool: self.clone() }.into();
        let is_image = context.rank(0) == Some(4);
        (is_image && context.keeps_codes()).then(|| Lowered { op, inputs: vec![0], layout: Layout::Nhwc })
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let gradient = pooling::check_gradient(gradient, &pooling.output_shape)?;
        let mut out = vec![0.0_f32; input.len()];
        let planes = input.as_slice::<f32>()?.chunks_exact(pooling.input_cells());
        let out_planes = out.chunks_exact_mut(pooling.input_cells());
        let gradients = gradient.chunks_exact(pooling.output_cells());
        for ((plane, gradient), out) in planes.zip(gradients).zip(out_planes) {
            for (patch, gradient) in pooling.patches().zip(gradient) {
                out[first_maximum(plane, patch.first(), patch.cells())] += gradient;
            }
        }
        Ok(vec![Some(Value::from_vec(input.shape(), out)?)])
    }
}
