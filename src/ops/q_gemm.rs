//! `bitlens.QGemm`: `uint8` codes times integer weights with 32-bit accumulators; what Gemm and
//! MatMul with a constant right-hand side become between DequantizeLinear and QuantizeLinear. No
//! file can contain it.
//!
//! Input: the codes; where they are made while the network runs, then their scale and zero point.

use super::linear::{IntegerEpilogue, dynamic_codes};
use super::weight::pack_gemm;
use super::{
    Clamp, Context, ExportStep, ImportNode, Inputs, Isa, Layout, LowerContext, Lowered, OpError, Operator,
    Prepared, TypeInputs, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels::{self, PackedGemmI8, QuantizedInput};
use crate::tensor::{Shape, TensorType, Value};

/// A matrix product on codes: `[…, K]` `uint8` to `[…, N]`, `uint8` or real.
#[derive(Debug, Clone, PartialEq)]
pub struct QGemm {
    /// The weight in units of its scales, `[N, K]`: `int8`, or `int16` of at most 255 in magnitude.
    pub weight: Value,
    /// Code of zero in the input; `None` where it is an input of its own.
    pub input_zero_point: Option<u8>,
    /// What becomes of the accumulators.
    pub epilogue: IntegerEpilogue,
}

impl QGemm {
    fn pack(&self, isa: Isa) -> Result<PackedGemmI8, OpError> {
        let depth = self.weight.shape().get(1).copied().unwrap_or(0);
        pack_gemm(isa, depth, &self.weight)
    }
}

/// Lowers a product with a weight of two dimensions, `[N, K]` when `transposed`, else `[K, N]`.
pub(super) fn lower(context: &LowerContext<'_>, transposed: bool, clamp: Option<Clamp>) -> Option<Lowered> {
    let input_zero_point = context.activation(0).map(|codes| codes.zero_point);
    let (scale, axis) = context.scales(1)?;
    let weight = context.weight(1, !transposed)?;
    let per_column = scale.len() == 1 || axis == usize::from(!transposed);
    if weight.rank() != 2 || !per_column {
        return None;
    }
    let epilogue = IntegerEpilogue::of(context, weight.shape()[0], clamp)?;
    let op = QGemm { weight, input_zero_point, epilogue };
    Some(Lowered::new(op.into(), vec![0], Layout::Nchw))
}

impl Operator for QGemm {
    const OP_TYPE: &'static str = "bitlens.QGemm";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        refuse_import()
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        None
    }

    fn infer(&self, _: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(self.epilogue.dtype(), Shape::Unranked)])
    }

    fn prepare(&self, isa: Isa, _: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let packed = self.pack(isa)?;
        let kernel = packed.kernel().name;
        Ok(Some(Prepared::new(packed).on(kernel)))
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let made_now;
        let packed = if let Some(packed) = context.prepared::<PackedGemmI8>() {
            packed
        } else {
            made_now = self.pack(context.isa)?;
            &made_now
        };
        let mut shape = input.shape().to_vec();
        let Some(last) = shape.last_mut().filter(|k| **k == packed.depth()) else {
            let (expected, got) = (format!("[…, {}]", packed.depth()), format!("{:?}", input.shape()));
            return Err(OpError::Shape { what: "codes", expected, got });
        };
        *last = packed.columns();
        let (input_scale, zero_point) = match self.input_zero_point {
            Some(zero_point) => (1.0, zero_point),
            None => dynamic_codes(&inputs)?,
        };
        let data = QuantizedInput { data: input.as_slice()?, zero_point };
        let output = match &self.epilogue {
            IntegerEpilogue::Codes(requantize) => {
                let mut out = Value::zeros::<u8>(&shape)?.into_vec::<u8>()?;
                kernels::gemm_u8(data, packed, requantize, &mut out)?;
                Value::from_vec(&shape, out)?
            }
            IntegerEpilogue::Real(real) => {
                let mut sums = Value::zeros::<i32>(&shape)?.into_vec::<i32>()?;
                kernels::gemm_i32(data, packed, &mut sums)?;
                let columns = packed.columns();
                let out = sums.iter().enumerate().map(|(at, &sum)| real.of(sum, at % columns)).collect();
                Value::from_vec(&shape, out)?
            }
            IntegerEpilogue::Dynamic(dynamic) => {
                let mut sums = Value::zeros::<i32>(&shape)?.into_vec::<i32>()?;
                kernels::gemm_i32(data, packed, &mut sums)?;
                let mut out = Value::zeros::<f32>(&shape)?.into_vec::<f32>()?;
                dynamic.rows(input_scale, &sums, &mut out);
                Value::from_vec(&shape, out)?
            }
        };
        Ok(vec![output])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QGemm {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
