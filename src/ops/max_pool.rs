//! `MaxPool` (ONNX opsets 1–22): the largest value under a moving window, over up to three spatial
//! axes.
//!
//! Padding never wins. NaN does: it must not vanish. Of equal values the first in scan order wins; it
//! gets the gradient, and its place is the one in the second output, where the node has one.

use super::pooling::{self, Patch, Pooling, as_floats, first_maximum, from_floats};
use super::window::{Rounding, Window};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Searched,
    Tape, TypeInputs, q_max_pool,
};
use crate::ir::{Attr, AttrError};
use crate::kernels::{self, Pool2dGeometry};
use crate::tensor::{DType, TensorType, Value};

/// `y[n, c, o] = max x[n, c, o · stride + k · dilation − pad]` over the taps `k` inside the input.
/// Outputs: `y`, and where they are wanted the places of the maxima in the whole input.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPool {
    /// The moving window.
    pub window: Window,
    /// What happens at the end of the input.
    pub rounding: Rounding,
    /// How the places of the maxima are counted; `None` where they are not wanted.
    pub indices: Option<StorageOrder>,
}

/// How places in a plane are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageOrder {
    /// Along the last axis first.
    RowMajor,
    /// Along the first spatial axis first.
    ColumnMajor,
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

impl MaxPool {
    /// The largest real numbers, over up to two spatial axes.
    fn largest(&self, context: &Context<'_>, input: &Value) -> Result<Vec<Value>, OpError> {
        let shape = Pooling::new(&self.window, input.shape(), self.rounding)?.output_shape;
        let mut out = Value::zeros::<f32>(&shape)?.into_vec::<f32>()?;
        let geometry = self.geometry(input.shape())?;
        kernels::max_pool_f32(context.isa, &geometry, input.as_slice()?, &mut out)?;
        Ok(vec![Value::from_vec(&shape, out)?])
    }
}

impl StorageOrder {
    /// The number of a place in a plane of that shape, given its number along the last axis first.
    fn number(self, row_major: usize, plane: &[usize]) -> usize {
        if self == Self::RowMajor {
            return row_major;
        }
        let (mut rest, mut number) = (row_major, 0);
        for (axis, &size) in plane.iter().enumerate().rev() {
            let before: usize = plane[..axis].iter().product();
            number += rest % size * before;
            rest /= size;
        }
        number
    }
}

impl Operator for MaxPool {
    const OP_TYPE: &'static str = "MaxPool";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let window = pooling::import_window(node)?;
        let rounding = Rounding::from_ceil_mode(node.attrs.take_bool("ceil_mode", false)?);
        let column_major = node.attrs.take_bool("storage_order", false)?;
        let order = if column_major { StorageOrder::ColumnMajor } else { StorageOrder::RowMajor };
        Ok(Self { window, rounding, indices: (node.output_count > 1).then_some(order) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mut attrs = self.window.export();
        if self.rounding == Rounding::Up {
            attrs.insert("ceil_mode", Attr::Int(1));
        }
        if self.indices == Some(StorageOrder::ColumnMajor) {
            attrs.insert("storage_order", Attr::Int(1));
        }
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn scaled_channels(&self, _: &TypeInputs<'_>) -> Option<usize> {
        self.indices.is_none().then_some(1)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.ty(0)?;
        if !matches!(input.dtype, DType::F32 | DType::U8 | DType::I8) {
            let expected = "float32, uint8 or int8";
            return Err(OpError::DType { what: "input", expected, got: input.dtype });
        }
        let mut types = pooling::infer_of(&self.window, input, self.rounding)?;
        let places = types.first().map(|ty| TensorType::new(DType::I64, ty.shape.clone()));
        types.extend(places.filter(|_| self.indices.is_some()));
        Ok(types)
    }

    fn forward(&self, context: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.get(0)?;
        if input.dtype() == DType::F32 && self.indices.is_none() && input.rank() <= 4 {
            return self.largest(context, input);
        }
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let Some(order) = self.indices else {
            // NaN wins, and stays.
            let larger = |best: f32, v: f32| if best.is_nan() || v <= best { best } else { v };
            let output = pooling.reduce_separably(&as_floats(input)?, larger)?;
            return Ok(vec![from_floats(output, input.dtype())?]);
        };
        let mut places = Vec::new();
        let largest = |plane: &[f32], patch: Patch| {
            let at = first_maximum(plane, patch.first(), patch.cells());
            places.push(at);
            plane[at]
        };
        let output = pooling.reduce(&as_floats(input)?, largest)?;
        let plane = pooling::spatial(input.shape())?;
        let place = |(out, &at): (usize, &usize)| {
            (out / pooling.output_cells() * pooling.input_cells() + order.number(at, plane)) as i64
        };
        let places = places.iter().enumerate().map(place).collect();
        Ok(vec![from_floats(output, input.dtype())?, Value::from_vec(&pooling.output_shape, places)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        if context.rank(0) != Some(4) {
            return context.rearranged(self.clone().into());
        }
        q_max_pool::lower(context, Searched::Window(self.clone()), true)
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let input = tape.input(0)?;
        let pooling = Pooling::new(&self.window, input.shape(), self.rounding)?;
        let to_first = |out: &mut [f32], plane: &[f32], patch: Patch, (_, gradient): (usize, f32)| {
            out[first_maximum(plane, patch.first(), patch.cells())] += gradient;
        };
        Ok(vec![Some(pooling.spread((input.as_slice()?, input.shape()), gradient, to_first)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{
        Random, Sample, Sampled, import_node, integers, pattern, run, tensor, try_run,
    };

    fn attrs(lists: &[(&str, &[i64])]) -> Attrs {
        lists.iter().fold(Attrs::new(), |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
    }

    fn same(how: &str) -> Attr {
        Attr::String(how.to_owned())
    }

    impl Sampled for MaxPool {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let on_pattern = |attrs: Attrs, shape: [usize; 2], y: &[f32]| {
                let y = tensor(&[1, 1, shape[0], shape[1]], y);
                Sample::new(attrs).input(pattern(&[1, 1, 5, 6], 7, 11)).gives(vec![y])
            };
            let spaced = |attrs: Attrs, shape: &[usize]| {
                Sample::new(attrs).input(Random::new(7).spaced(shape)).gradients(&[0])
            };
            let places = |order: Attrs, places: &[i64]| {
                let window = order
                    .with("kernel_shape", Attr::Ints(vec![1, 2, 2]))
                    .with("strides", Attr::Ints(vec![1, 1, 2]));
                let y = [2., 5., 3., 4., 4., 5., 4., 2., 5., 3., 4., 3., 5., 4., 2., 5.];
                let [y, places] =
                    [tensor(&[16], &y), integers(places)].map(|v| v.reshaped(&[1, 2, 2, 2, 2]).unwrap());
                Sample::new(window)
                    .input(pattern(&[1, 2, 2, 3, 4], 7, 11))
                    .output_count(2)
                    .gives(vec![y, places])
            };
            let up = |attrs: Attrs| attrs.with("ceil_mode", Attr::Int(1));
            let two = [("kernel_shape", &[2, 2][..]), ("strides", &[3, 3]), ("pads", &[0, 0, 1, 1])];
            let apart = [("kernel_shape", &[2, 2][..]), ("dilations", &[2, 3]), ("pads", &[1, 0, 0, 1])];
            let three = [("kernel_shape", &[3, 3][..]), ("strides", &[2, 2])];
            let valid = attrs(&[("kernel_shape", &[4, 3]), ("strides", &[2, 2])]);
            let lower = attrs(&[("kernel_shape", &[3, 2]), ("strides", &[2, 2])]);
            vec![
                on_pattern(up(attrs(&three)), [2, 3], &[5.0, 5.0, 4.0, 5.0, 5.0, 4.0]),
                on_pattern(up(attrs(&two)), [2, 2], &[4.0, 5.0, 5.0, 4.0]),
                on_pattern(
                    lower.with("auto_pad", same("SAME_LOWER")),
                    [3, 3],
                    &[4.0, 5.0, 1.0, 4.0, 5.0, 4.0, 5.0, 3.0, 4.0],
                )
                .opset(12),
                on_pattern(
                    attrs(&apart),
                    [4, 4],
                    &[4., 0., -4., 3., 5., 2., 5., 5., 4., 0., 3., 3., 2., 5., 5., 1.],
                ),
                on_pattern(
                    up(valid).with("auto_pad", same("VALID")),
                    [2, 3],
                    &[5.0, 5.0, 4.0, 5.0, 5.0, 4.0],
                ),
                spaced(up(attrs(&three)), &[2, 2, 6, 5]),
                spaced(attrs(&apart), &[1, 3, 5, 6]),
                spaced(attrs(&[("kernel_shape", &[3]), ("pads", &[1, 2])]), &[2, 1, 6]).opset(7),
                spaced(
                    attrs(&[("kernel_shape", &[2, 1, 2]), ("pads", &[1, 0, 1, 0, 0, 0])]),
                    &[1, 2, 2, 2, 3],
                ),
                places(Attrs::new(), &[1, 3, 9, 6, 17, 14, 17, 23, 25, 31, 28, 31, 36, 39, 45, 47]),
                places(
                    Attrs::new().with("storage_order", Attr::Int(1)),
                    &[6, 18, 10, 14, 9, 13, 9, 23, 30, 44, 26, 44, 25, 43, 35, 47],
                ),
                Sample::new(attrs(&[("kernel_shape", &[2]), ("strides", &[2])]))
                    .opset(12)
                    .input(Value::from_vec(&[1, 2, 2], vec![7_u8, 255, 3, 1]).unwrap())
                    .gives(vec![Value::from_vec(&[1, 2, 1], vec![255_u8, 3]).unwrap()]),
                Sample::new(attrs(&[("kernel_shape", &[2])]))
                    .input(Value::from_vec(&[1, 1, 3], vec![-128_i8, -3, 127]).unwrap())
                    .gives(vec![Value::from_vec(&[1, 1, 2], vec![-3_i8, 127]).unwrap()]),
            ]
        }
    }

    fn pool(kernel: i64) -> crate::ops::Op {
        import_node("MaxPool", attrs(&[("kernel_shape", &[kernel, kernel])]), 18, &[]).unwrap().0
    }

    #[test]
    fn the_first_of_equal_maxima_gets_the_gradient() {
        let x = tensor(&[1, 1, 2, 2], &[1.0, 3.0, 3.0, 3.0]);
        let y = run(&pool(2), std::slice::from_ref(&x));
        let g = tensor(&[1, 1, 1, 1], &[2.0]);
        let tape = Tape { inputs: &[Some(&x)], outputs: &[&y[0]], gradients: &[Some(&g)], wanted: &[true] };
        let found = pool(2).backward(&Context::new(crate::ops::Isa::Portable), &tape).unwrap();
        assert_eq!(found[0].as_ref().unwrap().as_slice::<f32>().unwrap(), &[0.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn nan_wins_and_padding_never_does() {
        let x = tensor(&[1, 1, 2, 2], &[f32::NAN, 3.0, -1.0, 3.0]);
        assert!(run(&pool(2), &[x])[0].as_slice::<f32>().unwrap()[0].is_nan());
        let padded = attrs(&[("kernel_shape", &[2]), ("pads", &[1, 1])]);
        let (op, _) = import_node("MaxPool", padded, 18, &[]).unwrap();
        let x = tensor(&[1, 1, 1], &[f32::NEG_INFINITY]);
        assert_eq!(run(&op, &[x])[0].as_slice::<f32>().unwrap(), &[f32::NEG_INFINITY; 2]);
    }

    #[test]
    fn a_window_that_does_not_fit_is_an_error() {
        let error = try_run(&pool(3), &[tensor(&[1, 1, 2, 2], &[0.0; 4])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "padded input: expected at least the window's size 3, got 2 (2 + 0 + 0)"
        );
        let apart = attrs(&[("kernel_shape", &[2]), ("dilations", &[2]), ("pads", &[1, 1])]);
        let (op, _) = import_node("MaxPool", apart, 18, &[]).unwrap();
        let error = try_run(&op, &[tensor(&[1, 1, 1], &[0.0])]).unwrap_err();
        assert!(error.to_string().contains("covers at least one cell"), "{error}");
    }

    #[test]
    fn attributes_that_are_not_supported_say_why() {
        let refused = |attrs: Attrs| import_node("MaxPool", attrs, 18, &[]).unwrap_err().to_string();
        let kernel = || attrs(&[("kernel_shape", &[2, 2])]);
        let with = |name: &str, list: &[i64]| refused(kernel().with(name, Attr::Ints(list.to_vec())));
        assert!(with("strides", &[0, 1]).contains("at least 1"));
        assert!(with("pads", &[-1, 0, 0, 0]).contains("must not be negative"));
        assert!(with("pads", &[2, 0, 0, 0]).contains("smaller than the window"));
        assert!(with("strides", &[1, i64::MAX]).contains("not supported"));
        assert!(with("strides", &[1]).contains("differ in length"));
        assert!(with("dilations", &[1, 1, 1]).contains("differ in length"));
        assert!(refused(Attrs::new()).contains("`kernel_shape` is missing"));
        assert!(refused(kernel().with("auto_pad", same("FULL"))).contains("SAME_UPPER"));
        let dilated = kernel().with("dilations", Attr::Ints(vec![2, 2]));
        assert!(refused(dilated.with("auto_pad", same("SAME_UPPER"))).contains("disagree"));
    }
}
