//! `ReduceL2` (ONNX opsets 1–18): root of the sum of squares over some axes.
//!
//! The subgradient at 0 is 0.

use super::reduce::{Fold, fold_operator};

fold_operator! {
    /// `y = √(Σ x²)` over the axes of input 1.
    ReduceL2, Fold { finish: |sum, _| sum.sqrt(), whole: None, ..Fold::SQUARES }, |x, y| if y == 0.0 { 0.0 } else { x / y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for ReduceL2 {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let random = || Random::new(11).avoiding(&[2, 3, 2, 2], (-1.0, 1.0), &[0.0]);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            let noop = Attrs::new().with("noop_with_empty_axes", Attr::Int(1));
            vec![
                Sample::new(keep(0))
                    .input(tensor(&[2, 2], &[3.0, 5.0, -4.0, 12.0]))
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[2], &[5.0, 13.0])]),
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
