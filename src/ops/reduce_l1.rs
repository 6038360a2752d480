//! `ReduceL1` (ONNX opsets 1–18): sum of magnitudes over some axes.
//!
//! The subgradient at 0 is 0.

use super::reduce::{Fold, fold_operator};

const MAGNITUDES: Fold = Fold {
    step: |sum, x| sum + x.abs(),
    whole: Some(|sum, x| sum.wrapping_add(x.wrapping_abs())),
    natural: Some(i64::wrapping_add),
    ..Fold::SUM
};

fold_operator! {
    /// `y = Σ |x|` over the axes of input 1.
    ReduceL1, MAGNITUDES, |x, _y| if x == 0.0 { 0.0 } else { x.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, pattern, run, tensor};
    use crate::tensor::Value;

    impl Sampled for ReduceL1 {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let keep = |keep: i64| Attrs::new().with("keepdims", Attr::Int(keep));
            let random = || Random::new(11).avoiding(&[2, 3, 2, 2], (-1.0, 1.0), &[0.0]);
            let old = keep(0).with("axes", Attr::Ints(vec![-1, 1]));
            let noop = Attrs::new().with("noop_with_empty_axes", Attr::Int(1));
            vec![
                Sample::new(keep(0))
                    .input(pattern(&[2, 3, 2], 7, 11))
                    .constant(integers(&[0, -1]))
                    .gives(vec![tensor(&[3], &[11.0, 14.0, 10.0])]),
                Sample::new(keep(0))
                    .input(integers(&[-3, 4]))
                    .constant(integers(&[0]))
                    .gives(vec![Value::scalar(7_i64)]),
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

    #[test]
    fn the_highest_bit_of_unsigned_integers_is_no_sign() {
        let (op, _) = import_node("ReduceL1", Attrs::new(), 18, &[]).unwrap();
        let x = Value::from_vec(&[2], vec![u64::MAX - 3, 2]).unwrap();
        assert_eq!(run(&op, &[x]), [Value::from_vec(&[1], vec![u64::MAX - 1]).unwrap()]);
    }
}
