//! `LogSoftmax` (ONNX opsets 1–13): the logarithm of Softmax, without going through it.
//!
//! The largest element of a row is subtracted first, so nothing overflows and small probabilities
//! keep their logarithm; the sum is in f64.

use super::pooling::check_gradient;
use super::softmax_rows::Rows;
use super::{Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// `y = x − ln Σ exp(x)`, the sum over a row.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSoftmax {
    /// What is normalized together.
    pub rows: Rows,
}

impl Operator for LogSoftmax {
    const OP_TYPE: &'static str = "LogSoftmax";

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
            let (largest, _, sum) = layout.exponentials(&x, start);
            let log_sum = libm::log(sum);
            for at in layout.row(start) {
                x[at] = (f64::from(x[at]) - f64::from(largest) - log_sum) as f32;
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
            let total: f64 = layout.row(start).map(|at| f64::from(out[at])).sum();
            for at in layout.row(start) {
                out[at] = (f64::from(out[at]) - libm::exp(f64::from(y[at])) * total) as f32;
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

    impl Sampled for LogSoftmax {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let last = [
                -3.529_75,
                -0.029_750_42,
                -3.529_75,
                -0.029_750_42,
                -0.126_928,
                -2.126_928,
                -0.126_928,
                -2.126_928,
                -3.529_75,
                -0.029_750_42,
                -0.126_928,
                -2.126_928,
            ];
            let middle = [
                -3.241_311,
                -1.716_277,
                -1.741_311,
                -0.216_276_7,
                -0.241_311_3,
                -4.216_277,
                -0.095_674_37,
                -1.716_277,
                -4.095_675,
                -0.216_276_7,
                -2.595_674,
                -4.216_277,
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
        -5.346_222,
        -1.846_222,
        -3.846_222,
        -0.346_222,
        -2.346_222,
        -4.346_222,
        -0.617_008_7,
        -2.617_009,
        -4.617_009,
        -1.117_009,
        -3.117_009,
        -5.117_009,
    ];

    #[test]
    fn before_opset_13_a_row_spans_all_axes_from_one_on() {
        for (attrs, opset) in [(Attrs::new(), 11), (axis(1), 7), (axis(-2), 12)] {
            let (op, _) = import_node("LogSoftmax", attrs, opset, &[]).unwrap();
            let found = run(&op, &[halves()]);
            assert_close(&found[0], &tensor(&[2, 3, 2], &FROM_AXIS_1), TOLERANCE, "onnxruntime");
        }
        let (op, _) = import_node("LogSoftmax", Attrs::new(), 11, &[]).unwrap();
        let x = Random::new(13).uniform(&[2, 3, 2], -2.0, 2.0);
        crate::ops::testing::check_gradients(&op, &[x], &[0]);
    }

    #[test]
    fn a_tiny_probability_keeps_its_logarithm() {
        let (op, _) = import_node("LogSoftmax", Attrs::new(), 13, &[]).unwrap();
        let found = run(&op, &[tensor(&[1, 2], &[500.0, -500.0])]);
        assert_eq!(found[0].as_slice::<f32>().unwrap(), &[0.0, -1000.0]);
    }
}
