//! `bitlens.QMaxPool`: the largest `uint8` codes, NHWC; what MaxPool, GlobalMaxPool and ReduceMax over
//! positions become on codes. No file can contain it.

use super::{
    Context, ExportStep, ImportNode, Inputs, Layout, LowerContext, Lowered, MaxPool, OpError, Operator,
    TypeInputs, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels;
use crate::kernels::{Pool2dGeometry, Window2d};
use crate::tensor::{DType, Shape, TensorType, Value};

/// Where a largest code is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Searched {
    /// Under a moving window.
    Window(MaxPool),
    /// At all positions of a channel.
    All,
}

/// Maxima of codes: `[N, H, W, C]` to `[N, OH, OW, C]`. Codes grow with the reals that they stand
/// for, so no scale is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct QMaxPool {
    /// Where to look.
    pub searched: Searched,
    /// Whether the two axes of positions stay.
    pub keeps_axes: bool,
}

/// Lowers a maximum over positions of an image whose codes the output shares.
pub(super) fn lower(context: &LowerContext<'_>, searched: Searched, keeps_axes: bool) -> Option<Lowered> {
    let op = QMaxPool { searched, keeps_axes }.into();
    let is_image = context.rank(0) == Some(4);
    (is_image && context.keeps_codes()).then(|| Lowered::new(op, vec![0], Layout::Nhwc))
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
        let geometry = match &self.searched {
            Searched::Window(pool) => pool.geometry(&[n, c, h, w])?,
            Searched::All => Pool2dGeometry::new(n, c, Window2d::whole([h, w]))?,
        };
        let [oh, ow] = geometry.window().output;
        let mut out = Value::zeros::<u8>(&[n, oh, ow, c])?.into_vec::<u8>()?;
        kernels::max_pool_u8(context.isa, &geometry, input.as_slice()?, &mut out)?;
        let shape = if self.keeps_axes { vec![n, oh, ow, c] } else { vec![n, c] };
        Ok(vec![Value::from_vec(&shape, out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QMaxPool {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
