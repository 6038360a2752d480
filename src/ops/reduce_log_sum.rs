//! `ReduceLogSum` (ONNX opsets 1–18): logarithm of the sum over some axes.

use super::reduce::{Fold, fold_operator};

fold_operator! {
    /// `y = ln(Σ x)` over the axes of input 1.
    ReduceLogSum, Fold { finish: |sum, _| libm::log(sum), whole: None, ..Fold::SUM }, |_x, y| libm::exp(-y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for ReduceLogSum {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let random = || Random::new(11).uniform(&[2, 3, 2, 2], 0.5, 2.0);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            let noop = Attrs::new().with("noop_with_empty_axes", Attr::Int(1));
            vec![
                Sample::new(keep(0))
                    .input(tensor(&[2, 2], &[0.25, 3.0, 0.75, -2.0]))
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[2], &[0.0, 0.0])]),
                Sample::new(keep(0))
                    .input(tensor(&[2, 0], &[]))
                    .constant(integers(&[1]))
                    .gives(vec![tensor(&[2], &[f32::NEG_INFINITY; 2])]),
                Sample::new(keep(1)).input(random()).constant(integers(&[1, -1])).gradients(&[0]),
                Sample::new(old).opset(11).input(random()).gradients(&[0]),
                Sample::new(noop).input(random()).gradients(&[0]),
                Sample::new(keep(0)).input(random()).input(integers(&[0])).gradients(&[0]),
            ]
        }
    }
}
