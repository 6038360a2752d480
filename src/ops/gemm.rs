//! `Gemm` (ONNX opsets 7–13): a matrix product with a summand, and optionally a clamp on its output.
//!
//! A constant right-hand side is laid out for the kernels once. Only the plain product, without
//! factors and without a transposed left-hand side, presents itself to quantizers as linear.

use super::linear::{self, apply_clamp, export_clamp};
use super::pooling::check_gradient;
use super::{
    Clamp, Columns, Context, ExportStep, Facts, ImportNode, Inputs, Isa, Kind, Linear, LowerContext, Lowered,
    OpError, Operator, Prepared, Tape, TypeInputs, q_gemm,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::kernels::{self, Accumulate, Epilogue, GemmF32, MatLayout, PackedGemmF32};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// `y = alpha · a' · b' + beta · c`, limited to `clamp`; `a'` is `a` or its transpose, `[M, K]`, `b'`
/// likewise, `[K, N]`; `c` is absent or can be broadcast to `[M, N]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gemm {
    /// Factor of the product.
    pub alpha: f32,
    /// Factor of the summand.
    pub beta: f32,
    /// Whether `a` is stored as `[K, M]`.
    pub trans_a: bool,
    /// Whether `b` is stored as `[N, K]`.
    pub trans_b: bool,
    /// Range of the output.
    pub clamp: Option<Clamp>,
}

impl Default for Gemm {
    /// The plain product.
    fn default() -> Self {
        Self { alpha: 1.0, beta: 1.0, trans_a: false, trans_b: false, clamp: None }
    }
}

/// Where the operands lie, after transposition: `[M, K]` and `[K, N]`.
#[derive(Debug, Clone, Copy)]
struct Layouts {
    lhs: MatLayout,
    rhs: MatLayout,
}

impl Layouts {
    fn output_shape(self) -> [usize; 2] {
        [self.lhs.rows(), self.rhs.cols()]
    }
}

impl Gemm {
    fn layouts(&self, a: &[usize], b: &[usize]) -> Result<Layouts, OpError> {
        let layouts = Layouts { lhs: matrix("a (input 0)", a, self.trans_a)?, rhs: self.rhs_layout(b)? };
        if layouts.lhs.cols() == layouts.rhs.rows() {
            return Ok(layouts);
        }
        Err(OpError::Shape {
            what: "columns of the left-hand side",
            expected: format!("{}, the rows of the right-hand side", layouts.rhs.rows()),
            got: layouts.lhs.cols().to_string(),
        })
    }

    fn rhs_layout(&self, b: &[usize]) -> Result<MatLayout, OpError> {
        matrix("b (input 1)", b, self.trans_b)
    }

    /// `alpha · b'`, laid out for the kernels.
    fn pack(&self, isa: Isa, b: &Value) -> Result<PackedGemmF32, OpError> {
        let layout = self.rhs_layout(b.shape())?;
        let b = b.as_slice::<f32>()?;
        if is_one(self.alpha) {
            return Ok(PackedGemmF32::pack(isa, b, layout)?);
        }
        let scaled: Vec<f32> = b.iter().map(|b| self.alpha * b).collect();
        Ok(PackedGemmF32::pack(isa, &scaled, layout)?)
    }

    /// `alpha` times a product, or its transpose, as a tensor of `shape`.
    fn product(
        &self,
        isa: Isa,
        operands: &GemmF32<'_>,
        (transpose, shape): (bool, &[usize]),
    ) -> Result<Value, OpError> {
        let exchanged = transposed(operands);
        let operands = if transpose { &exchanged } else { operands };
        let mut out = Value::zeros::<f32>(shape)?.into_vec::<f32>()?;
        kernels::gemm_f32(isa, operands, &mut out, Accumulate::Overwrite)?;
        if !is_one(self.alpha) {
            for v in &mut out {
                *v *= self.alpha;
            }
        }
        Ok(Value::from_vec(shape, out)?)
    }
}

/// Whether a factor changes nothing.
fn is_one(factor: f32) -> bool {
    factor.to_bits() == 1.0_f32.to_bits()
}

/// The layout of a matrix, transposed where that is asked for.
fn matrix(what: &'static str, shape: &[usize], transposed: bool) -> Result<MatLayout, OpError> {
    let &[rows, cols] = shape else {
        let (expected, got) = ("two dimensions".to_owned(), format!("{shape:?}"));
        return Err(OpError::Shape { what, expected, got });
    };
    let layout = MatLayout::row_major(rows, cols)?;
    Ok(if transposed { layout.transposed() } else { layout })
}

/// The summand, as far as it is one number per column.
fn row_of(c: &Value, beta: f32, cols: usize) -> Result<Option<Vec<f32>>, OpError> {
    let data = c.as_slice::<f32>()?;
    let per_column = match *c.shape() {
        [] => true,
        [n] | [1, n] => n == 1 || n == cols,
        _ => false,
    };
    let scaled = data.iter().map(|c| beta * c);
    Ok(per_column.then(|| if data.len() == cols { scaled.collect() } else { vec![beta * data[0]; cols] }))
}

/// The steps from row to row and from column to column of a summand broadcast to `[M, N]`.
fn summand_steps(shape: &[usize], [rows, cols]: [usize; 2]) -> Result<[usize; 2], OpError> {
    let [m, n] = match *shape {
        [] => [1, 1],
        [n] => [1, n],
        [m, n] => [m, n],
        _ => [usize::MAX; 2],
    };
    if (m == 1 || m == rows) && (n == 1 || n == cols) {
        return Ok([if m == 1 { 0 } else { n }, usize::from(n != 1)]);
    }
    let expected = format!("a shape that can be broadcast to [{rows}, {cols}]");
    Err(OpError::Shape { what: "c (input 2)", expected, got: format!("{shape:?}") })
}

/// Calls `visit(output position, summand position)` for every output.
fn for_each_summand(
    shape: &[usize],
    [rows, cols]: [usize; 2],
    mut visit: impl FnMut(usize, usize),
) -> Result<(), OpError> {
    let [row_step, col_step] = summand_steps(shape, [rows, cols])?;
    for row in 0..rows {
        for col in 0..cols {
            visit(row * cols + col, row * row_step + col * col_step);
        }
    }
    Ok(())
}

impl Operator for Gemm {
    const OP_TYPE: &'static str = "Gemm";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "broadcasting had other rules before opset 7")?;
        let attrs = &mut node.attrs;
        Ok(Self {
            alpha: attrs.take_float("alpha")?.unwrap_or(1.0),
            beta: attrs.take_float("beta")?.unwrap_or(1.0),
            trans_a: attrs.take_bool("transA", false)?,
            trans_b: attrs.take_bool("transB", false)?,
            clamp: None,
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = Attrs::new();
        for (name, factor) in [("alpha", self.alpha), ("beta", self.beta)] {
            if !is_one(factor) {
                attrs.insert(name, Attr::Float(factor));
            }
        }
        for (name, transposed) in [("transA", self.trans_a), ("transB", self.trans_b)] {
            if transposed {
                attrs.insert(name, Attr::Int(1));
            }
        }
        Some(export_clamp(ExportStep::new(Self::OP_TYPE, attrs), self.clamp))
    }

    fn facts(&self) -> Facts {
        if !is_one(self.alpha) || !is_one(self.beta) || self.trans_a {
            return Facts::default();
        }
        let channel_axis = usize::from(!self.trans_b);
        let kind = Kind::Linear(Linear { weight: 1, bias: Some(2), channel_axis });
        Facts { clamp_fused: self.clamp.is_some(), ..Facts::of(kind) }
    }

    fn columns<'a>(&self, input: &'a Value, weight: &[usize]) -> Option<Columns<'a>> {
        let &[first, second] = weight else { return None };
        let terms = if self.trans_b { second } else { first };
        if self.trans_a { None } else { Columns::of_rows(input, terms) }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let (a, b) = (inputs.float(0, "a")?, inputs.float(1, "b")?);
        if inputs.optional(2).is_some() {
            inputs.float(2, "c")?;
        }
        let side = |what, shape: &Shape, axis: usize| match shape.dims() {
            None => Ok(Dim::Unknown),
            Some([rows, cols]) => Ok([rows, cols][axis].clone()),
            Some(_) => {
                let (expected, got) = ("two dimensions".to_owned(), shape.to_string());
                Err(OpError::Shape { what, expected, got })
            }
        };
        if let (Some(a), Some(b)) = (a.shape.to_fixed(), b.shape.to_fixed()) {
            self.layouts(&a, &b)?;
        }
        let rows = side("a (input 0)", &a.shape, usize::from(self.trans_a))?;
        let cols = side("b (input 1)", &b.shape, usize::from(!self.trans_b))?;
        Ok(vec![TensorType::new(a.dtype, Shape::Ranked(vec![rows, cols]))])
    }

    fn prepare(&self, isa: Isa, inputs: &[Option<&Value>]) -> Result<Option<Prepared>, OpError> {
        let rhs = inputs.get(1).copied().flatten();
        let of = |rhs: &Value| {
            Ok(Prepared::of_weight(rhs.shape(), self.pack(isa, rhs)?).on(PackedGemmF32::KERNEL))
        };
        rhs.map(of).transpose()
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let a = inputs.get(0)?;
        let layouts = self.layouts(a.shape(), context.weight_shape(&inputs)?)?;
        let shape = layouts.output_shape();
        let c = inputs.optional(2).filter(|_| self.beta != 0.0);
        if let Some(c) = c {
            summand_steps(c.shape(), shape)?;
        }
        let row = c.map(|c| row_of(c, self.beta, shape[1])).transpose()?.flatten();
        let later = c.filter(|_| row.is_none());
        let clamp_now = self.clamp.filter(|_| later.is_none());
        let made_now;
        let packed = if let Some(packed) = context.prepared::<PackedGemmF32>() {
            packed
        } else {
            made_now = self.pack(context.isa, inputs.get(1)?)?;
            &made_now
        };
        let mut out = Value::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let epilogue =
            Epilogue { bias: row.as_deref(), clamp: clamp_now.map(|clamp| (clamp.min, clamp.max)) };
        kernels::gemm_packed_f32(a.as_slice()?, layouts.lhs, packed, epilogue, &mut out)?;
        if let Some(c) = later {
            let data = c.as_slice::<f32>()?;
            for_each_summand(c.shape(), shape, |to, from| out[to] += self.beta * data[from])?;
            apply_clamp(&mut out, self.clamp);
        }
        Ok(vec![Value::from_vec(&shape, out)?])
    }

    fn backward(&self, context: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let (a, b) = (tape.input(0)?, tape.input(1)?);
        let layouts = self.layouts(a.shape(), b.shape())?;
        let shape = layouts.output_shape();
        check_gradient(gradient, &shape)?;
        let gradient = linear::unclamped_gradient(gradient, self.clamp, tape)?;
        let gradient = gradient.as_slice::<f32>()?;
        let gradient_layout = MatLayout::row_major(shape[0], shape[1])?;
        if tape.wants(0) {
            // g · b'ᵀ
            let (lhs, lhs_layout, rhs) = (gradient, gradient_layout, b.as_slice()?);
            let operands = GemmF32 { lhs, lhs_layout, rhs, rhs_layout: layouts.rhs.transposed() };
            gradients[0] = Some(self.product(context.isa, &operands, (self.trans_a, a.shape()))?);
        }
        if tape.wants(1) {
            // a'ᵀ · g
            let (lhs, rhs, rhs_layout) = (a.as_slice()?, gradient, gradient_layout);
            let operands = GemmF32 { lhs, lhs_layout: layouts.lhs.transposed(), rhs, rhs_layout };
            gradients[1] = Some(self.product(context.isa, &operands, (self.trans_b, b.shape()))?);
        }
        if let Some(c) = tape.inputs.get(2).copied().flatten().filter(|_| tape.wants(2)) {
            let mut sums = vec![0.0_f64; c.len()];
            for_each_summand(c.shape(), shape, |from, to| sums[to] += f64::from(gradient[from]))?;
            let sums = sums.into_iter().map(|sum| (f64::from(self.beta) * sum) as f32).collect();
            gradients[2] = Some(Value::from_vec(c.shape(), sums)?);
        }
        Ok(gradients)
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        let plain = is_one(self.alpha) && is_one(self.beta) && !self.trans_a;
        plain.then(|| q_gemm::lower(context, self.trans_b, self.clamp))?
    }

    fn fuse_clamp(&self, clamp: Clamp) -> Option<Self> {
        let clamp = Some(self.clamp.map_or(clamp, |first| first.then(clamp)));
        Some(Self { clamp, ..self.clone() })
    }

    fn without_clamp(&self) -> Option<(Self, Clamp)> {
        Some((Self { clamp: None, ..self.clone() }, self.clamp?))
    }
}

/// The operands whose product is the transpose: `(l · r)ᵀ = rᵀ · lᵀ`.
fn transposed<'a>(operands: &GemmF32<'a>) -> GemmF32<'a> {
    GemmF32 {
        lhs: operands.rhs,
        lhs_layout: operands.rhs_layout.transposed(),
        rhs: operands.lhs,
        rhs_layout: operands.lhs_layout.transposed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{
        Random, Sample, Sampled, check_gradients, import_node, pattern, run, tensor, try_run,
    };

    fn flag(name: &str) -> Attrs {
        Attrs::new().with(name, Attr::Int(1))
    }

    impl Sampled for Gemm {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let scaled = || flag("transB").with("alpha", Attr::Float(0.5)).with("beta", Attr::Float(2.0));
            let product = || Sample::new(scaled()).input(pattern(&[2, 3], 7, 11));
            let with = |c: &[usize], y: [f32; 8]| {
                product()
                    .constant(pattern(&[4, 3], 5, 7))
                    .input(pattern(c, 3, 5))
                    .gives(vec![tensor(&[2, 4], &y)])
            };
            let one = [4.5, 2.0, -7.5, -10.0, -19.5, -18.0, -20.0, -18.5];
            let row = [4.5, 8.0, -5.5, -2.0, -19.5, -12.0, -18.0, -10.5];
            let mut random = Random::new(16);
            let mut any = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            let layer = Sample::new(flag("transB")).input(any(&[2, 3])).constant(any(&[4, 3]));
            let layer = layer.constant(any(&[4])).gradients(&[0, 1, 2]);
            let mut differentiated = |attrs: Attrs, [a, b, c]: [&[usize]; 3]| {
                Sample::new(attrs).input(any(a)).constant(any(b)).input(any(c)).gradients(&[0, 1, 2])
            };
            vec![
                with(&[], one),
                with(&[1], one),
                with(&[4], row),
                with(&[1, 4], row),
                with(&[2, 1], [4.5, 2.0, -7.5, -10.0, -13.5, -12.0, -14.0, -12.5]),
                with(&[2, 4], [4.5, 8.0, -5.5, -2.0, -15.5, -18.0, -14.0, -16.5]),
                Sample::new(flag("transA"))
                    .input(pattern(&[3, 2], 7, 11))
                    .input(pattern(&[3, 2], 5, 7))
                    .gives(vec![tensor(&[2, 2], &[30.0, 7.0, -23.0, -17.0])]),
                // As exporters write a layer with its bias.
                layer,
                differentiated(Attrs::new(), [&[2, 3], &[3, 4], &[4]]).opset(7),
                differentiated(scaled(), [&[2, 3], &[4, 3], &[2, 1]]),
                differentiated(flag("transA"), [&[3, 2], &[3, 4], &[]]),
                differentiated(scaled().with("transA", Attr::Int(1)), [&[3, 2], &[4, 3], &[2, 4]]),
            ]
        }
    }

    fn gemm(attrs: Attrs) -> crate::ops::Op {
        import_node("Gemm", attrs, 13, &[]).unwrap().0
    }

    #[test]
    fn a_clamp_comes_after_the_summand_whatever_its_shape() {
        let clamp = Clamp { min: -6.0, max: 3.0 };
        for c in [&[][..], &[4], &[2, 1], &[2, 4]] {
            let inputs = [pattern(&[2, 3], 7, 11), pattern(&[3, 4], 5, 7), pattern(c, 3, 5)];
            let free = run(&gemm(Attrs::new()), &inputs).remove(0).into_array::<f32>().unwrap();
            let limited = run(&gemm(Attrs::new()).fuse_clamp(clamp).unwrap(), &inputs).remove(0);
            assert_eq!(limited, Value::from_array(free.mapv(|y| y.clamp(-6.0, 3.0))));
        }
        let inputs = [tensor(&[1, 1], &[2.0]), tensor(&[1, 3], &[-4.0, 1.0, 4.0])];
        check_gradients(&gemm(Attrs::new()).fuse_clamp(clamp).unwrap(), &inputs, &[0, 1]);
    }

    #[test]
    fn an_empty_sum_is_the_summand() {
        let inputs = [tensor(&[2, 0], &[]), tensor(&[0, 2], &[]), tensor(&[2], &[1.0, 2.0])];
        let found = run(&gemm(Attrs::new()), &inputs);
        assert_eq!(found[0].as_slice::<f32>().unwrap(), &[1.0, 2.0, 1.0, 2.0]);
    }

    #[test]
    fn only_the_plain_product_is_linear() {
        let axis = |op: &crate::ops::Op| match op.facts().kind {
            Kind::Linear(linear) => Some(linear.channel_axis),
            _ => None,
        };
        assert_eq!(axis(&gemm(Attrs::new())), Some(1));
        assert_eq!(axis(&gemm(flag("transB"))), Some(0));
        assert_eq!(axis(&gemm(flag("transA"))), None);
        assert_eq!(axis(&gemm(Attrs::new().with("alpha", Attr::Float(2.0)))), None);
    }

    #[test]
    fn operands_that_do_not_fit_name_what_is_expected() {
        let refused = |shapes: [&[usize]; 3]| {
            let inputs = shapes.map(|shape| pattern(shape, 1, 2));
            try_run(&gemm(Attrs::new()), &inputs).unwrap_err().to_string()
        };
        assert!(refused([&[2, 3], &[4, 2], &[2]]).contains("expected 4, the rows"));
        assert!(refused([&[2, 3, 1], &[3, 2], &[2]]).contains("a (input 0): expected two dimensions"));
        assert!(refused([&[2, 3], &[3, 2], &[3]]).contains("broadcast to [2, 2]"));
        assert!(refused([&[2, 3], &[3, 2], &[1, 2, 2]]).contains("broadcast to [2, 2]"));
    }
}
