//! `ReduceSumSquare` (ONNX opsets 1–18): sum of squares over some axes.

use super::reduce::{Fold, fold_operator};

fold_operator! {
    /// `y = Σ x²` over the axes of input 1.
    ReduceSumSquare, Fold::SQUARES, |x, _y| 2.0 * x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, pattern, tensor};
    use crate::tensor::Value;

    impl Sampled for ReduceSumSquare {
        /// Expected values from onnxruntime 1.31, but for the integers, which it sums in floats.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let random = || Random::new(11).avoiding(&[2, 3, 2, 2], (-1.0, 1.0), &[0.0]);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            let noop = Attrs::new().with("noop_with_empty_axes", Attr::Int(1));
            vec![
                Sample::new(keep(0))
                    .input(pattern(&[2, 3, 2], 7, 11))
                    .constant(integers(&[0, -1]))
                    .gives(vec![tensor(&[3], &[45.0, 54.0, 36.0])]),
                Sample::new(keep(0))
                    .input(integers(&[1 << 30, -4]))
                    .constant(integers(&[0]))
                    .gives(vec![Value::scalar((1_i64 << 60) + 16)]),
                Sample::new(keep(0))
                    .input(tensor(&[2, 0], &[]))
                    .constant(integers(&[1]))
                    .gives(vec![tensor(&[2], &[0.0; 2])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(noop).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }
}
