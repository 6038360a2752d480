//! `bitlens.QTranspose`: images of `uint8` codes from one layout to the other. No file can contain
//! it.

use super::{Context, ExportStep, ImportNode, Inputs, Layout, OpError, Operator, TypeInputs, refuse_import};
use crate::ir::AttrError;
use crate::kernels::{self, ImageLayout};
use crate::tensor::{DType, Shape, TensorType, Value};

/// Codes in another layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QTranspose {
    /// The layout to make; the input has the other one.
    pub to: Layout,
}

impl Operator for QTranspose {
    const OP_TYPE: &'static str = "bitlens.QTranspose";

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
        let [n, a, b, c] = super::q_conv::image(input)?;
        let data = input.as_slice::<u8>()?;
        let mut out = Value::zeros::<u8>(input.shape())?.into_vec::<u8>()?;
        let shape = match self.to {
            Layout::Nhwc => {
                let layout = ImageLayout { batch: n, channels: a, pixels: b * c };
                kernels::transpose_nchw_to_nhwc(context.isa, layout, data, &mut out)?;
                [n, b, c, a]
            }
            Layout::Nchw => {
                let layout = ImageLayout { batch: n, channels: c, pixels: a * b };
                kernels::transpose_nhwc_to_nchw(context.isa, layout, data, &mut out)?;
                [n, c, a, b]
            }
        };
        Ok(vec![Value::from_vec(&shape, out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QTranspose {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
