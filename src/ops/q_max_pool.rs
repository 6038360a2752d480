//! `bitlens.QMaxPool`: the largest `uint8` code under a moving window, NHWC; what
//! [`MaxPool`] becomes on codes. No file can contain it.

use super::{Context, ExportStep, ImportNode, Inputs, MaxPool, OpError, Operator, TypeInputs, refuse_import};
use crate::ir::AttrError;
use crate::kernels;
use crate::tensor::{DType, Shape, TensorType, Value};

/// Maxima of codes: `[N, H, W, C]` to `[N, OH, OW, C]`. Codes grow with the reals that they stand
/// for, so no scale is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct QMaxPool {
    /// The window.
    pub pool: MaxPool,
}

impl Operator for QMaxPool {
    const OP_TYPE: &'static str = "bitlens.QMaxPool";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        refuse_import()
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        None
    }

    fn infer(&self, _: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(DType::U8, Shape::Unranked)])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let [n, h, w, c] = super::q_conv::image(input)?;
        let geometry = self.pool.geometry(&[n, c, h, w])?;
        let [oh, ow] = geometry.window().output;
        let mut out = Value::zeros::<u8>(&[n, oh, ow, c])?.into_vec::<u8>()?;
        kernels::max_pool_u8(context.isa, &geometry, input.as_slice()?, &mut out)?;
        Ok(vec![Value::from_vec(&[n, oh, ow, c], out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QMaxPool {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
