//! `Softmax` (ONNX opsets 1–13): exponentials, divided by their sum along a row.
//!
//! The largest element of a row is subtracted first, so nothing overflows; the sum is in f64.

use super::pooling::check_gradient;
use super::softmax_rows::Rows;
use super::{Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = exp(x) / Σ exp(x)`, the sum over a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    /// What is normalized together.
    pub rows: Rows,
}

impl Operator for Softmax {
    const OP_TYPE: &'static str = "Softmax";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { rows: Rows::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        self.rows.export(Self::OP_TYPE)
    }

    fn facts(&self) -> Facts {
        Facts { is_softmax: true, ..Facts::default() }
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        self.rows.infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let layout = self.rows.layout(&shape)?;
        let mut x = input.into_vec::<f32>()?;
        for start in layout.starts(x.len()) {
            let (_, each, sum) = layout.exponentials(&x, start);
            for (at, e) in layout.row(start).zip(each) {
                x[at] = (f64::from(e) / sum) as f32;
            }
        }
        Ok(vec![Value::from_vec(&shape, x)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let Some(gradient) = tape.wanted_gradient() else { return Ok(vec![None]) };
        let output = tape.output(0)?;
        let y = output.as_slice::<f32>()?;
        let layout = self.rows.layout(output.shape())?;
        let mut out = check_gradient(gradient, output.shape())?.to_vec();
        for start in layout.starts(y.len()) {
            let mean: f64 = layout.row(start).map(|at| f64::from(out[at]) * f64::from(y[at])).sum();
            for at in layout.row(start) {
                out[at] = (f64::from(y[at]) * (f64::from(out[at]) - mean)) as f32;
            }
        }
        Ok(vec![Some(Value::from_vec(output.shape(), out)?)])
    }

    fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
        Some(Self { rows: self.rows.with_sizes(inputs)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, assert_close, import_node, pattern, run, tensor};

    /// Outputs are compared to a few units in the last place of the largest: exp and the division
    /// round once each, and onnxruntime's exp is off by about one unit itself.
    const TOLERANCE: f32 = 5e-7;

    fn halves() -> Value {
        let x = pattern(&[2, 3, 2], 7, 11).into_array::<f32>().unwrap();
        Value::from_array(x * 0.5)
    }

    fn axis(axis: i64) -> Attrs {
        Attrs::new().with("axis", Attr::Int(axis))
    }

    impl Sampled for Softmax {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let last = [
                0.029_312_23,
                0.970_687_7,
                0.029_312_23,
                0.970_687_7,
                0.880_797,
                0.119_202_9,
                0.880_797,
                0.119_202_9,
                0.029_312_23,
                0.970_687_7,
                0.880_797,
                0.119_202_9,
            ];
            let middle = [
                0.039_112_57,
                0.179_734_1,
                0.175_290_4,
                0.805_512_4,
                0.785_597,
                0.014_753_47,
                0.908_759_9,
                0.179_734_1,
                0.016_644_52,
                0.805_512_4,
                0.074_595_56,
                0.014_753_47,
            ];
            let gives = |y: &[f32]| vec![tensor(&[2, 3, 2], y)];
            let random = || Random::new(12).uniform(&[2, 3, 2], -2.0, 2.0);
            vec![
                Sample::new(Attrs::new()).input(halves()).gives_about(TOLERANCE, gives(&last)),
                Sample::new(axis(1)).opset(13).input(halves()).gives_about(TOLERANCE, gives(&middle)),
                Sample::new(axis(-1)).opset(11).input(halves()).gives_about(TOLERANCE, gives(&last)),
                Sample::new(axis(0)).input(random()).gradients(&[0]),
                Sample::new(axis(-1)).input(random()).gradients(&[0]),
            ]
        }
    }

    /// What the node computes for [`halves`] when it is of opset 11 (onnxruntime 1.31).
    const FROM_AXIS_1: [f32; 12] = [
        0.004_766_123,
        0.157_832_3,
        0.021_360_28,
        0.707_355_4,
        0.095_730_15,
        0.012_955_67,
        0.539_556,
        0.073_020_96,
        0.009_882_313,
        0.327_257_3,
        0.044_289_45,
        0.005_993_926,
    ];

    #[test]
    fn before_opset_13_a_row_spans_all_axes_from_one_on() {
        for (attrs, opset) in [(Attrs::new(), 11), (axis(1), 7), (axis(-2), 12)] {
            let (op, _) = import_node("Softmax", attrs, opset, &[]).unwrap();
            let found = run(&op, &[halves()]);
            assert_close(&found[0], &tensor(&[2, 3, 2], &FROM_AXIS_1), TOLERANCE, "onnxruntime");
        }
        let (op, _) = import_node("Softmax", Attrs::new(), 11, &[]).unwrap();
        let x = Random::new(13).uniform(&[2, 3, 2], -2.0, 2.0);
        crate::ops::testing::check_gradients(&op, &[x], &[0]);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let (op, _) = import_node("Softmax", Attrs::new(), 13, &[]).unwrap();
        let found = run(&op, &[tensor(&[1, 3], &[1e4, 1e4, -1e4])]);
        assert_eq!(found[0].as_slice::<f32>().unwrap(), &[0.5, 0.5, 0.0]);
    }
}
