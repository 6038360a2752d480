//! `bitlens.QAveragePool`: means of `uint8` codes, NHWC; what AveragePool, GlobalAveragePool and
//! spatial ReduceMean become on codes. No file can contain it.
//!
//! Sums are integers; the division is part of the factor that brings them to the output's codes.

use super::{
    AveragePool, Codes, Context, ExportStep, ImportNode, Inputs, Layout, LowerContext, Lowered, OpError,
    Operator, TypeInputs, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels::{self, AveragePoolU8, Pool2dGeometry, PoolDivisor, Window2d};
use crate::tensor::{DType, Shape, TensorType, Value};

/// What is averaged.
#[derive(Debug, Clone, PartialEq)]
pub enum Averaged {
    /// Everything under a moving window.
    Window(AveragePool),
    /// All positions of a channel.
    All,
}

/// Means of codes: `[N, H, W, C]` to `[N, OH, OW, C]`; or, of all positions, real numbers
/// `[N, C, 1, 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct QAveragePool {
    /// What is averaged.
    pub averaged: Averaged,
    /// Codes of the input.
    pub input: Codes,
    /// Codes of the output; `None` for real numbers.
    pub output: Option<Codes>,
    /// Whether the averaged axes stay, with size 1.
    pub keeps_axes: bool,
}

impl QAveragePool {
    fn geometry(&self, [n, h, w, c]: [usize; 4]) -> Result<(Pool2dGeometry, PoolDivisor), OpError> {
        let shape = [n, c, h, w];
        match &self.averaged {
            Averaged::Window(pool) => Ok((pool.geometry(&shape)?, pool.divisor(&shape)?)),
            Averaged::All => Ok((Pool2dGeometry::new(n, c, Window2d::whole([h, w]))?, PoolDivisor::Valid)),
        }
    }

    fn shape(&self, [n, h, w, c]: [usize; 4]) -> Vec<usize> {
        if self.keeps_axes { vec![n, h, w, c] } else { vec![n, c] }
    }

    fn real_means(&self, data: &[u8], [n, h, w, c]: [usize; 4]) -> Vec<f32> {
        let positions = h * w;
        let mut means = vec![0.0; n * c];
        for (image, means) in data.chunks_exact((positions * c).max(1)).zip(means.chunks_exact_mut(c.max(1)))
        {
            let mut sums = vec![0_i64; c];
            for codes in image.chunks_exact(c) {
                for (sum, &code) in sums.iter_mut().zip(codes) {
                    *sum += i64::from(code) - i64::from(self.input.zero_point);
                }
            }
            for (mean, sum) in means.iter_mut().zip(sums) {
                *mean = (sum as f64 / positions as f64 * f64::from(self.input.scale)) as f32;
            }
        }
        means
    }
}

/// Lowers an average over positions of an image.
pub(super) fn lower(context: &LowerContext<'_>, averaged: Averaged, keeps_axes: bool) -> Option<Lowered> {
    let input = context.activation(0)?;
    if context.rank(0) != Some(4) {
        return None;
    }
    let op = QAveragePool { averaged, input, output: context.output, keeps_axes };
    Some(Lowered::new(op.into(), vec![0], Layout::Nhwc))
}

impl Operator for QAveragePool {
    const OP_TYPE: &'static str = "bitlens.QAveragePool";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        refuse_import()
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        None
    }

    fn infer(&self, _: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let dtype = if self.output.is_some() { DType::U8 } else { DType::F32 };
        Ok(vec![TensorType::new(dtype, Shape::Unranked)])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let sizes = super::q_conv::image(input)?;
        let [n, _, _, c] = sizes;
        let data = input.as_slice::<u8>()?;
        let Some(output) = self.output else {
            let shape = if self.keeps_axes { vec![n, c, 1, 1] } else { vec![n, c] };
            return Ok(vec![Value::from_vec(&shape, self.real_means(data, sizes))?]);
        };
        let (geometry, divisor) = self.geometry(sizes)?;
        let average = AveragePoolU8 {
            input_zero_point: self.input.zero_point,
            multiplier: self.input.scale / output.scale,
            zero_point: output.zero_point,
            min: output.min,
            max: output.max,
            divisor,
        };
        let [oh, ow] = geometry.window().output;
        let mut out = Value::zeros::<u8>(&[n, oh, ow, c])?.into_vec::<u8>()?;
        kernels::average_pool_u8(context.isa, &geometry, data, &average, &mut out)?;
        Ok(vec![Value::from_vec(&self.shape([n, oh, ow, c]), out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QAveragePool {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
