//! `MatMul` (ONNX opsets 1–13): matrix products as numpy has them, with broadcast batches and
//! operands of one dimension, and optionally a clamp on the output.
//!
//! A right-hand side that is one matrix multiplies the whole batch in one product, and is laid out
//! for the kernels once when it is a constant. Quantizers may take input 1 for a weight only where
//! it has two dimensions.
//!
//! Doubles are multiplied as they are, by a plain loop, and have no gradient.

use super::linear::{self, apply_clamp, export_clamp};
use super::numbers;
use super::pooling::check_gradient;
use super::{
    Clamp, Columns, Context, ExportStep, Facts, Gemm, ImportNode, Inputs, Isa, Kind, Linear, LowerContext,
    Lowered, Op, OpError, Operator, Prepared, Tape, TypeInputs, q_gemm,
};
use crate::ir::{AttrError, Attrs};
use crate::kernels::{self, Accumulate, Epilogue, GemmF32, MatLayout, PackedGemmF32};
use crate::tensor::{DType, Dim, Shape, TensorType, Value, broadcast_shapes, broadcast_types};

/// `y = a · b`, limited to `clamp`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MatMul {
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

/// A batch of products `[M, K] · [K, N]`.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) lhs: MatLayout,
    pub(super) rhs: MatLayout,
    /// For each product which matrix of the left-hand and which of the right-hand side it takes;
    /// none where an operand has no elements, so that every sum is empty.
    pub(super) pairs: Vec<[usize; 2]>,
    pub(super) output_shape: Vec<usize>,
}

/// An operand as a batch of matrices.
#[derive(Debug)]
struct Operand<'a> {
    batch: &'a [usize],
    rows: usize,
    cols: usize,
    is_vector: bool,
}

impl<'a> Operand<'a> {
    /// A vector is a row on the left and a column on the right.
    fn new(what: &'static str, shape: &'a [usize], vector_is_row: bool) -> Result<Self, OpError> {
        match *shape {
            [] => {
                let expected = "at least one dimension".to_owned();
                Err(OpError::Shape { what, expected, got: "a scalar".to_owned() })
            }
            [n] => {
                let (rows, cols) = if vector_is_row { (1, n) } else { (n, 1) };
                Ok(Self { batch: &[], rows, cols, is_vector: true })
            }
            [ref batch @ .., rows, cols] => Ok(Self { batch, rows, cols, is_vector: false }),
        }
    }
}

impl Plan {
    pub(super) fn new(a: &[usize], b: &[usize]) -> Result<Self, OpError> {
        let lhs = Operand::new("a (input 0)", a, true)?;
        let rhs = Operand::new("b (input 1)", b, false)?;
        if lhs.cols != rhs.rows {
            return Err(OpError::Shape {
                what: "columns of the left-hand side",
                expected: format!("{}, the rows of the right-hand side", rhs.rows),
                got: lhs.cols.to_string(),
            });
        }
        let batch = broadcast_shapes(lhs.batch, rhs.batch)?;
        let mut output_shape = batch.clone();
        output_shape.extend((!lhs.is_vector).then_some(lhs.rows));
        output_shape.extend((!rhs.is_vector).then_some(rhs.cols));
        let empty = a.contains(&0) || b.contains(&0);
        let (rows, pairs) = if rhs.batch.is_empty() {
            // One right-hand side: the matrices on the left are one tall matrix.
            let too_large = || crate::tensor::TensorError::TooLarge { shape: a.to_vec() };
            let rows = lhs.batch.iter().try_fold(lhs.rows, |rows, &n| rows.checked_mul(n));
            (rows.ok_or_else(too_large)?, if empty { Vec::new() } else { vec![[0, 0]] })
        } else {
            (lhs.rows, if empty { Vec::new() } else { pairs(&batch, lhs.batch, rhs.batch)? })
        };
        Ok(Self {
            lhs: MatLayout::row_major(rows, lhs.cols)?,
            rhs: MatLayout::row_major(rhs.rows, rhs.cols)?,
            pairs,
            output_shape,
        })
    }

    /// The elements of matrix `index` of a batch with that layout.
    fn matrix<T>(data: &[T], layout: MatLayout, index: usize) -> &[T] {
        let size = layout.rows() * layout.cols();
        data.get(index * size..(index + 1) * size).unwrap_or_default()
    }

    /// The same, to write to.
    fn matrix_mut<T>(data: &mut [T], layout: MatLayout, index: usize) -> &mut [T] {
        let size = layout.rows() * layout.cols();
        data.get_mut(index * size..(index + 1) * size).unwrap_or_default()
    }

    fn output_layout(&self) -> Result<MatLayout, OpError> {
        Ok(MatLayout::row_major(self.lhs.rows(), self.rhs.cols())?)
    }
}

/// For each matrix of the broadcast batch the numbers of the two that are multiplied.
fn pairs(batch: &[usize], lhs: &[usize], rhs: &[usize]) -> Result<Vec<[usize; 2]>, OpError> {
    // An index tensor of each batch, broadcast by ndarray, is the list that is needed.
    let numbers = |own: &[usize]| {
        let count: usize = own.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)).unwrap_or(0);
        let list = ndarray::Array::from_iter(0..count).into_shape_with_order(own.to_vec()).ok()?;
        Some(list.broadcast(batch.to_vec())?.iter().copied().collect::<Vec<_>>())
    };
    let too_large = || crate::tensor::TensorError::TooLarge { shape: batch.to_vec() };
    let (lhs, rhs) = numbers(lhs).zip(numbers(rhs)).ok_or_else(too_large)?;
    Ok(lhs.into_iter().zip(rhs).map(|(l, r)| [l, r]).collect())
}

impl MatMul {
    fn pack(isa: Isa, rhs: &Value) -> Result<Option<PackedGemmF32>, OpError> {
        let operand = Operand::new("b (input 1)", rhs.shape(), false)?;
        if !operand.batch.is_empty() {
            return Ok(None);
        }
        let layout = MatLayout::row_major(operand.rows, operand.cols)?;
        Ok(Some(PackedGemmF32::pack(isa, rhs.as_slice()?, layout)?))
    }
}

/// The products of doubles.
fn of_doubles(plan: &Plan, lhs: &[f64], rhs: &[f64]) -> Result<Value, OpError> {
    let mut out = Value::zeros::<f64>(&plan.output_shape)?.into_vec::<f64>()?;
    let (inner, cols) = (plan.rhs.rows(), plan.rhs.cols());
    let layout = plan.output_layout()?;
    for (index, &[left, right]) in plan.pairs.iter().enumerate() {
        let (lhs, rhs) = (Plan::matrix(lhs, plan.lhs, left), Plan::matrix(rhs, plan.rhs, right));
        let rows = Plan::matrix_mut(&mut out, layout, index).chunks_exact_mut(cols);
        for (row, factors) in rows.zip(lhs.chunks_exact(inner)) {
            for (factor, summands) in factors.iter().zip(rhs.chunks_exact(cols)) {
                row.iter_mut().zip(summands).for_each(|(sum, summand)| *sum += factor * summand);
            }
        }
    }
    Ok(Value::from_vec(&plan.output_shape, out)?)
}

/// The shape of a product, as far as it is known.
pub(super) fn output_shape(a: &Shape, b: &Shape) -> Result<Shape, OpError> {
    let (Some(lhs), Some(rhs)) = (a.dims(), b.dims()) else { return Ok(Shape::Unranked) };
    if let (Some(lhs), Some(rhs)) = (a.to_fixed(), b.to_fixed()) {
        return Ok(Shape::fixed(&Plan::new(&lhs, &rhs)?.output_shape));
    }
    let batch = |dims: &[Dim]| Shape::Ranked(dims[..dims.len().saturating_sub(2)].to_vec());
    let Shape::Ranked(mut dims) = broadcast_types(&batch(lhs), &batch(rhs))? else {
        return Ok(Shape::Unranked);
    };
    dims.extend(lhs.len().checked_sub(2).and_then(|i| lhs.get(i)).cloned());
    dims.extend(rhs.last().filter(|_| rhs.len() > 1).cloned());
    Ok(Shape::Ranked(dims))
}

/// Two floats of one type.
fn check_types(a: DType, b: DType) -> Result<(), OpError> {
    if !a.is_float() {
        return Err(OpError::DType { what: "a", expected: "float32 or float64", got: a });
    }
    numbers::check_same(a, b)
}

impl Operator for MatMul {
    const OP_TYPE: &'static str = "MatMul";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self::default())
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(export_clamp(ExportStep::new(Self::OP_TYPE, Attrs::new()), self.clamp))
    }

    fn facts(&self) -> Facts {
        let kind = Kind::Linear(Linear { weight: 1, bias: None, channel_axis: 1 });
        Facts { clamp_fused: self.clamp.is_some(), ..Facts::of(kind) }
    }

    fn columns<'a>(&self, input: &'a Value, weight: &[usize]) -> Option<Columns<'a>> {
        let &[terms, _] = weight else { return None };
        Columns::of_rows(input, terms)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (a, b) = (inputs.ty(0)?, inputs.ty(1)?);
        check_types(a.dtype, b.dtype)?;
        Ok(vec![TensorType::new(a.dtype, output_shape(&a.shape, &b.shape)?)])
    }

    fn prepare(&self, isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let rhs = inputs.get(1).copied().flatten().filter(|rhs| rhs.dtype() == DType::F32);
        let Some(rhs) = rhs else { return Ok(None) };
        let of = |packed| Prepared::of_weight(rhs.shape(), packed).on(PackedGemmF32::KERNEL);
        Ok(Self::pack(isa, rhs)?.map(of))
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let a = inputs.get(0)?;
        // A weight that is not there was packed, and so is float32.
        check_types(a.dtype(), inputs.optional(1).map_or(DType::F32, Value::dtype))?;
        let plan = Plan::new(a.shape(), context.weight_shape(&inputs)?)?;
        if a.dtype() == DType::F64 {
            return Ok(vec![of_doubles(&plan, a.as_slice()?, inputs.get(1)?.as_slice()?)?]);
        }
        let mut out = Value::zeros::<f32>(&plan.output_shape)?.into_vec::<f32>()?;
        let lhs = a.as_slice::<f32>()?;
        if plan.pairs.is_empty() {
            return Ok(vec![Value::from_vec(&plan.output_shape, out)?]);
        }
        let packed = context.prepared::<PackedGemmF32>();
        if let Some(packed) = packed {
            let clamp = self.clamp.map(|clamp| (clamp.min, clamp.max));
            let epilogue = Epilogue { bias: None, clamp };
            kernels::gemm_packed_f32(lhs, plan.lhs, packed, epilogue, &mut out)?;
            return Ok(vec![Value::from_vec(&plan.output_shape, out)?]);
        }
        let (rhs, output_layout) = (inputs.get(1)?.as_slice::<f32>()?, plan.output_layout()?);
        for (index, &[left, right]) in plan.pairs.iter().enumerate() {
            let operands = GemmF32 {
                lhs: Plan::matrix(lhs, plan.lhs, left),
                lhs_layout: plan.lhs,
                rhs: Plan::matrix(rhs, plan.rhs, right),
                rhs_layout: plan.rhs,
            };
            let out = Plan::matrix_mut(&mut out, output_layout, index);
            kernels::gemm_f32(context.isa, &operands, out, Accumulate::Overwrite)?;
        }
        apply_clamp(&mut out, self.clamp);
        Ok(vec![Value::from_vec(&plan.output_shape, out)?])
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let (a, b) = (tape.input(0)?, tape.input(1)?);
        let plan = Plan::new(a.shape(), b.shape())?;
        check_gradient(gradient, &plan.output_shape)?;
        let gradient = linear::unclamped_gradient(gradient, self.clamp, tape)?;
        let (lhs, rhs) = (a.as_slice::<f32>()?, b.as_slice::<f32>()?);
        let gradient = gradient.as_slice::<f32>()?;
        let layout = plan.output_layout()?;
        for (input, value) in [a, b].into_iter().enumerate().filter(|&(input, _)| tape.wants(input)) {
            // A matrix that is broadcast takes part in several products; its gradients add up.
            let mut out = Value::zeros::<f32>(value.shape())?.into_vec::<f32>()?;
            for (index, &[left, right]) in plan.pairs.iter().enumerate() {
                let g = Plan::matrix(gradient, layout, index);
                let (operands, out) = if input == 0 {
                    let (rhs, rhs_layout) = (Plan::matrix(rhs, plan.rhs, right), plan.rhs.transposed());
                    let operands = GemmF32 { lhs: g, lhs_layout: layout, rhs, rhs_layout };
                    (operands, Plan::matrix_mut(&mut out, plan.lhs, left))
                } else {
                    let (lhs, lhs_layout) = (Plan::matrix(lhs, plan.lhs, left), plan.lhs.transposed());
                    let operands = GemmF32 { lhs, lhs_layout, rhs: g, rhs_layout: layout };
                    (operands, Plan::matrix_mut(&mut out, plan.rhs, right))
                };
                kernels::gemm_f32(context.isa, &operands, out, Accumulate::Add)?;
            }
            gradients[input] = Some(Value::from_vec(value.shape(), out)?);
        }
        Ok(gradients)
    }

    fn with_bias_input(&self, inputs: &TypeInputs<'_>) -> Option<Op> {
        let is_matrix = |index: usize| inputs.shape(index).is_ok_and(|shape| shape.rank() == Some(2));
        // A bias would come before the clamp; behind it, it cannot be taken in.
        let plain = self.clamp.is_none() && is_matrix(0) && is_matrix(1);
        plain.then(|| Gemm::default().into())
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        q_gemm::lower(context, false, self.clamp)
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        Some(Self { clamp: Some(self.clamp.map_or(clamp, |first| first.then(clamp))) })
    }

    fn without_clamp(&self) -> Option<(Self, Clamp)> {
        Some((Self { clamp: None }, self.clamp?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, check_gradients, pattern, run, tensor, try_run};

    impl Sampled for MatMul {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let exact = |[a, b, y]: [&[usize]; 3], values: &[f32]| {
                Sample::new(Attrs::new())
                    .input(pattern(a, 7, 11))
                    .constant(pattern(b, 5, 7))
                    .gives(vec![tensor(y, values)])
            };
            let mut random = Random::new(17);
            let mut differentiated = |a: &[usize], b: &[usize]| {
                let a = random.uniform(a, -1.0, 1.0);
                Sample::new(Attrs::new()).input(a).constant(random.uniform(b, -1.0, 1.0)).gradients(&[0, 1])
            };
            vec![
                exact([&[3], &[3], &[]], &[29.0]),
                exact([&[3], &[2, 3, 2], &[2, 2]], &[19.0, -6.0, 23.0, 19.0]),
                exact(
                    [&[2, 1, 2, 3], &[3, 3, 2], &[2, 3, 2, 2]],
                    &[
                        19., -6., -30., -1., 23., 19., -3., -30., -1., 23., -4., -3., -24., 4., -18., 9., 4.,
                        -24., 11., -18., 4., 4., 12., 11.,
                    ],
                ),
                exact([&[2, 2, 3], &[3], &[2, 2]], &[29.0, -19.0, -12.0, -5.0]),
                exact([&[2, 2, 3], &[3, 2], &[2, 2, 2]], &[19., -6., -30., -1., -24., 4., -18., 9.]).opset(7),
                differentiated(&[2, 3], &[3, 4]),
                differentiated(&[2, 2, 3], &[3, 2]),
                differentiated(&[3], &[3]),
                differentiated(&[3], &[2, 3, 2]),
                differentiated(&[2, 1, 2, 3], &[3, 3, 2]),
                differentiated(&[2, 2, 3], &[3]),
            ]
        }
    }

    #[test]
    fn a_fused_clamp_limits_the_output_and_stops_the_gradient() {
        let op = MatMul::default().fuse_clamp(Clamp { min: -6.0, max: 3.0 }).unwrap();
        let inputs = [tensor(&[1, 1], &[2.0]), tensor(&[1, 3], &[-4.0, 1.0, 4.0])];
        assert_eq!(run(&op.clone().into(), &inputs)[0].as_slice::<f32>().unwrap(), &[-6.0, 2.0, 3.0]);
        check_gradients(&op.clone().into(), &inputs, &[0, 1]);
        let prepared = op.prepare(Isa::Portable, &[None, Some(&inputs[1])]).unwrap();
        let context = Context { isa: Isa::Portable, prepared: prepared.as_ref() };
        let found = op.forward(&context, Inputs::new(inputs.map(Some).to_vec())).unwrap();
        assert_eq!(found[0].as_slice::<f32>().unwrap(), &[-6.0, 2.0, 3.0]);
    }

    #[test]
    fn of_nothing_it_is_zero_or_empty() {
        let product = |a: &[usize], b: &[usize]| {
            run(&MatMul::default().into(), &[tensor(a, &[]), tensor(b, &[])]).remove(0)
        };
        assert_eq!(product(&[2, 0], &[0, 2]), tensor(&[2, 2], &[0.0; 4]));
        assert_eq!(product(&[3, 2, 0], &[1, 0, 2]).shape(), &[3, 2, 2]);
        assert_eq!(product(&[0, 2], &[2, 0]).shape(), &[0, 0]);
        let many = usize::MAX / 4;
        let huge = [tensor(&[many, 2, 0], &[]), tensor(&[many, 0, 2], &[])];
        assert!(try_run(&MatMul::default().into(), &huge).is_err());
    }

    #[test]
    fn doubles_keep_their_digits() {
        let doubles = |shape: &[usize], values: &[f64]| Value::from_vec(shape, values.to_vec()).unwrap();
        let small = 1e-12;
        let a = doubles(&[2, 1, 2], &[1.0, small, 2.0, 3.0]);
        let b = doubles(&[2, 3], &[1.0, 2.0, 3.0, 1.0, 0.0, -1.0]);
        let wanted = doubles(&[2, 1, 3], &[1.0 + small, 2.0, 3.0 - small, 5.0, 4.0, 3.0]);
        assert_eq!(run(&MatMul::default().into(), &[a.clone(), b]), [wanted]);
        let pair = doubles(&[2, 2, 1], &[1.0, 0.0, 0.5, 1.0]);
        assert_eq!(run(&MatMul::default().into(), &[a, pair]), [doubles(&[2, 1, 1], &[1.0, 4.0])]);
        let nothing = run(&MatMul::default().into(), &[doubles(&[2, 0], &[]), doubles(&[0, 2], &[])]);
        assert_eq!(nothing, [doubles(&[2, 2], &[0.0; 4])]);
        let mixed = [doubles(&[1], &[1.0]), tensor(&[1], &[1.0])];
        let error = try_run(&MatMul::default().into(), &mixed).unwrap_err();
        assert_eq!(error.to_string(), "expected a tensor of float64, got float32");
        let integers = [Value::scalar(1_i64), Value::scalar(1_i64)];
        let error = try_run(&MatMul::default().into(), &integers).unwrap_err();
        assert_eq!(error.to_string(), "a is int64, which is not supported: it must be float32 or float64");
    }

    #[test]
    fn a_product_of_two_matrices_can_take_a_bias() {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, Shape::fixed(shape));
        let (two, three) = (ty(&[2, 2]), ty(&[1, 2, 2]));
        let gemm = |lhs: &TensorType, op: MatMul| {
            op.with_bias_input(&TypeInputs::new(vec![Some((lhs, None)), Some((&two, None))]))
        };
        assert_eq!(gemm(&two, MatMul::default()), Some(Gemm::default().into()));
        assert_eq!(gemm(&three, MatMul::default()), None);
        assert_eq!(gemm(&two, MatMul { clamp: Some(Clamp::RELU) }), None);
    }

    #[test]
    fn operands_that_do_not_fit_name_what_is_expected() {
        let refused = |a: &[usize], b: &[usize]| {
            let inputs = [pattern(a, 1, 2), pattern(b, 1, 2)];
            try_run(&MatMul::default().into(), &inputs).unwrap_err().to_string()
        };
        assert!(refused(&[2, 3], &[2, 3]).contains("expected 2, the rows of the right-hand side, got 3"));
        assert!(refused(&[], &[2, 3]).contains("at least one dimension"));
        assert!(refused(&[2, 1, 2], &[3, 2, 1]).contains("cannot be broadcast"));
    }
}
