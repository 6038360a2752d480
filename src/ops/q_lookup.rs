//! `bitlens.QLookup`: one `uint8` code for each other; what every elementwise operator with one
//! input becomes on codes. No file can contain it.
//!
//! There are only 256 codes, so the table is made with the operator itself: dequantized, computed in
//! float, quantized. It agrees with the definition exactly.

use super::{
    Codes, Context, ExportStep, ImportNode, Inputs, Isa, Op, OpError, Operator, TypeInputs, refuse_import,
};
use crate::ir::AttrError;
use crate::kernels;
use crate::tensor::{DType, TensorType, Value};

/// A table from code to code.
#[derive(Debug, Clone, PartialEq)]
pub struct QLookup {
    /// The output's code for each code of the input.
    pub table: Box<[u8; 256]>,
}

impl QLookup {
    /// The table of an elementwise operator whose constant inputs, if any, are `others`.
    ///
    /// # Errors
    /// What the operator says of 256 numbers.
    pub fn of(op: &Op, codes: (Codes, Codes), others: &[Option<Value>]) -> Result<Self, OpError> {
        let (input, output) = codes;
        let real = (0..=u8::MAX).map(|code| input.dequantize(code)).collect();
        let mut inputs = vec![Some(Value::from_vec(&[256], real)?)];
        inputs.extend_from_slice(others);
        let results = op.forward(&Context::new(Isa::Portable), Inputs::new(inputs))?;
        let result = results.first().ok_or(OpError::MissingInput { index: 0 })?.as_slice::<f32>()?;
        let mut table = Box::new([0_u8; 256]);
        for (code, &real) in table.iter_mut().zip(result) {
            *code = output.quantize(real);
        }
        Ok(Self { table })
    }

    /// The table that changes codes and leaves real numbers, as far as `output` has them.
    pub fn requantizing(input: Codes, output: Codes) -> Self {
        let mut table = Box::new([0_u8; 256]);
        for (code, to) in (0..=u8::MAX).zip(table.iter_mut()) {
            *to = output.quantize(input.dequantize(code));
        }
        Self { table }
    }
}

impl Operator for QLookup {
    const OP_TYPE: &'static str = "bitlens.QLookup";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        refuse_import()
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        None
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Ok(vec![TensorType::new(DType::U8, inputs.shape(0)?.clone())])
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        let mut out = Value::zeros::<u8>(input.shape())?.into_vec::<u8>()?;
        kernels::lookup_u8(context.isa, &self.table, input.as_slice()?, &mut out)?;
        Ok(vec![Value::from_vec(input.shape(), out)?])
    }
}

/// No file can contain it: it is tested by what it is lowered from.
#[cfg(test)]
impl super::testing::Sampled for QLookup {
    fn samples() -> Vec<super::testing::Sample> {
        Vec::new()
    }
}
