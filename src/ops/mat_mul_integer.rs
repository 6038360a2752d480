//! `MatMulInteger` (ONNX opset 10): matrix products of 8-bit codes into 32-bit sums, as numpy has them
//! with broadcast batches. What quantization while running writes, with `DynamicQuantizeLinear`.
//!
//! A constant right-hand side is laid out for the kernels once. Zero points: one, or one per row of
//! the left-hand and per column of the right-hand side.

use super::mat_mul::{Plan, output_shape};
use super::weight;
use super::{Context, ExportStep, ImportNode, Inputs, Isa, OpError, Operator, Prepared, TypeInputs};
use crate::ir::{AttrError, Attrs};
use crate::kernels::{self, PackedGemmI8, QuantizedInput};
use crate::tensor::{DType, TensorType, Value};

/// `y = Σ (a − a_zero) · (b − b_zero)`. Inputs: `a`, `b`, and their zero points (0 where they are absent).
#[derive(Debug, Clone, PartialEq)]
pub struct MatMulInteger;

/// A right-hand side laid out.
struct Packed {
    gemm: PackedGemmI8,
    /// `Σ (b − b_zero)` of each column.
    sums: Vec<i32>,
}

impl Packed {
    /// From numbers in `K` rows of that many columns.
    fn new(isa: Isa, numbers: &[i16], columns: usize) -> Result<Self, OpError> {
        let rows = numbers.len() / columns.max(1);
        let turned = weight::turned(numbers, columns);
        let gemm = PackedGemmI8::pack_differences(isa, rows, &turned)?;
        let sum = |row: &[i16]| row.iter().map(|&w| i32::from(w)).sum();
        let sums = turned.chunks_exact(rows.max(1)).map(sum).collect();
        Ok(Self { gemm, sums })
    }

    /// A constant right-hand side that is one matrix.
    fn constant(isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Self>, OpError> {
        let input = |slot: usize| inputs.get(slot).copied().flatten();
        // A zero point that is computed would be missing here.
        let is_known = inputs.len() < 4 || input(3).is_some();
        let b = input(1).filter(|b| is_known && b.rank() == 2 && !b.is_empty());
        let Some(b) = b else { return Ok(None) };
        let Some(numbers) = weight::centred(b, input(3), 1) else { return Ok(None) };
        Self::new(isa, &numbers, b.shape()[1]).map(Some)
    }

    /// The sums of rows of codes, whose zero points are one or one per row.
    fn multiply(&self, data: &[u8], zeros: &[u8], out: &mut [i32]) -> Result<(), OpError> {
        let (columns, is_one) = (self.gemm.columns(), zeros.len() == 1);
        let input = QuantizedInput { data, zero_point: if is_one { zeros[0] } else { 0 } };
        kernels::gemm_i32(input, &self.gemm, out)?;
        if !is_one {
            for (out, &zero) in out.chunks_exact_mut(columns).zip(zeros.iter().cycle()) {
                for (out, sum) in out.iter_mut().zip(&self.sums) {
                    // Only the difference is known to fit.
                    *out = out.wrapping_sub(i32::from(zero).wrapping_mul(*sum));
                }
            }
        }
        Ok(())
    }
}

/// Zero points of the left-hand side: one, or one for each of `rows`.
fn zeros(value: Option<&Value>, shift: u8, rows: usize) -> Result<Vec<u8>, OpError> {
    let Some(value) = value else { return Ok(vec![shift]) };
    let (zeros, moved) = weight::activations(value)?;
    if moved != shift || (zeros.len() != 1 && zeros.len() != rows) {
        let expected = format!("one number of the codes' type, or {rows}");
        return Err(OpError::Shape { what: "a_zero_point", expected, got: zeros.len().to_string() });
    }
    Ok(zeros.into_owned())
}

/// The type of sums of products of two tensors of codes.
pub(super) fn check_codes(inputs: &TypeInputs<'_>) -> Result<(), OpError> {
    for slot in [0, 1] {
        let got = inputs.ty(slot)?.dtype;
        if !matches!(got, DType::U8 | DType::I8) {
            return Err(OpError::DType { what: "an input", expected: "uint8 or int8", got });
        }
    }
    Ok(())
}

impl Operator for MatMulInteger {
    const OP_TYPE: &'static str = "MatMulInteger";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        check_codes(inputs)?;
        let shape = output_shape(inputs.shape(0)?, inputs.shape(1)?)?;
        Ok(vec![TensorType::new(DType::I32, shape)])
    }

    fn prepare(&self, isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let of = |packed: Packed| {
            let kernel = packed.gemm.kernel().name;
            Prepared::new(packed).on(kernel)
        };
        Ok(Packed::constant(isa, inputs)?.map(of))
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (a, b) = (inputs.get(0)?, inputs.get(1)?);
        let plan = Plan::new(a.shape(), b.shape())?;
        let mut out = super::index::zeros::<i32>(&plan.output_shape)?.into_vec::<i32>()?;
        let (data, shift) = weight::activations(a)?;
        let rows = a.rank().checked_sub(2).map_or(1, |axis| a.shape()[axis]);
        let zeros = zeros(inputs.optional(2), shift, rows)?;
        let numbers = weight::centred(b, inputs.optional(3), b.rank().saturating_sub(1));
        let numbers = numbers.ok_or_else(weight::refused)?;
        let sizes = [plan.lhs, plan.rhs].map(|layout| layout.rows() * layout.cols());
        let out_size = plan.lhs.rows() * plan.rhs.cols();
        for (index, &[left, right]) in plan.pairs.iter().enumerate() {
            let data = &data[left * sizes[0]..(left + 1) * sizes[0]];
            let out = &mut out[index * out_size..(index + 1) * out_size];
            if let Some(packed) = context.prepared::<Packed>() {
                packed.multiply(data, &zeros, out)?;
            } else {
                let numbers = &numbers[right * sizes[1]..(right + 1) * sizes[1]];
                Packed::new(context.isa, numbers, plan.rhs.cols())?.multiply(data, &zeros, out)?;
            }
        }
        Ok(vec![Value::from_vec(&plan.output_shape, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Sample, Sampled, try_run};

    fn some(shape: &[usize], factor: usize, modulus: usize) -> Value {
        let count: usize = shape.iter().product();
        Value::from_vec(shape, (0..count).map(|i| (i * factor % modulus) as u8).collect()).unwrap()
    }

    fn signed(value: &Value) -> Value {
        let data = value.as_slice::<u8>().unwrap().iter().map(|&v| (v ^ 128) as i8).collect();
        Value::from_vec(value.shape(), data).unwrap()
    }

    /// The definition.
    fn sums(a: &Value, b: &Value, zeros: [&[u8]; 2]) -> Vec<i32> {
        let (rows, depth, columns) = (a.shape()[0], a.shape()[1], b.shape()[1]);
        let (a, b) = (a.as_slice::<u8>().unwrap(), b.as_slice::<u8>().unwrap());
        let less = |code: u8, zeros: &[u8], at: usize| i32::from(code) - i32::from(zeros[at % zeros.len()]);
        let sum = |m: usize, n: usize| {
            (0..depth)
                .map(|k| less(a[m * depth + k], zeros[0], m) * less(b[k * columns + n], zeros[1], n))
                .sum()
        };
        (0..rows * columns).map(|at| sum(at / columns, at % columns)).collect()
    }

    impl Sampled for MatMulInteger {
        fn samples() -> Vec<Sample> {
            let (a, b) = (some(&[3, 5], 37, 251), some(&[5, 4], 91, 256));
            let list = |data: &[u8]| Value::from_vec(&[data.len()], data.to_vec()).unwrap();
            let y = |zeros: [&[u8]; 2]| vec![Value::from_vec(&[3, 4], sums(&a, &b, zeros)).unwrap()];
            let single: [&[u8]; 2] = [&[120], &[77]];
            let several: [&[u8]; 2] = [&[3, 250, 0], &[0, 255, 128, 9]];
            let none = || Sample::new(Attrs::new());
            let batch = some(&[2, 1, 2, 3], 37, 251);
            vec![
                none().input(a.clone()).constant(b.clone()).gives(y([&[0], &[0]])).opset(10),
                none()
                    .input(a.clone())
                    .constant(b.clone())
                    .constant(Value::scalar(120_u8))
                    .constant(Value::scalar(77_u8))
                    .gives(y(single)),
                none()
                    .input(a.clone())
                    .constant(b.clone())
                    .input(list(several[0]))
                    .input(list(several[1]))
                    .gives(y(several)),
                none()
                    .input(signed(&a))
                    .constant(signed(&b))
                    .input(signed(&list(&[120])))
                    .constant(signed(&list(several[1])))
                    .gives(y([single[0], several[1]])),
                none().input(batch).input(some(&[3, 3, 2], 91, 256)).input(Value::scalar(9_u8)),
            ]
        }
    }

    #[test]
    fn zero_points_that_do_not_fit_are_refused() {
        let inputs = |zeros: Value| [some(&[3, 2], 1, 2), some(&[2, 2], 1, 2), zeros];
        let run = |zeros: Value| try_run(&Op::from(MatMulInteger), &inputs(zeros)).unwrap_err().to_string();
        let two = Value::from_vec(&[2], vec![0_u8; 2]).unwrap();
        assert_eq!(run(two), "a_zero_point: expected one number of the codes' type, or 3, got 2");
        assert!(run(Value::scalar(0_i8)).contains("codes' type"));
    }
}
