//! `CumSum` (ONNX opsets 11–14): running sums along an axis, which is an input.
//!
//! Summed in f64; integers in 64 bits, wrapping around.

use super::reduce::Fold;
use super::scan::Scan;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `axis` (one number).
#[derive(Debug, Clone, PartialEq)]
pub struct CumSum {
    /// Which elements a sum is made of.
    pub scan: Scan,
}

impl Operator for CumSum {
    const OP_TYPE: &'static str = "CumSum";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { scan: Scan::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![self.scan.export(Self::OP_TYPE)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Scan::infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![self.scan.run(inputs.get(0)?, inputs.get(1)?, &Fold::SUM)?])
    }

    /// The running sums of the gradient from the other end.
    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let back = Scan { reverse: !self.scan.reverse, ..self.scan };
        index::first_gradient(tape, |g| back.run(g, tape.input(1)?, &Fold::SUM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, run, tensor};

    impl Sampled for CumSum {
        fn samples() -> Vec<Sample> {
            let flags = |exclusive, reverse| {
                Attrs::new().with("exclusive", Attr::Int(exclusive)).with("reverse", Attr::Int(reverse))
            };
            let x = || tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let random = || Random::new(3).uniform(&[2, 3, 2], -1.0, 1.0);
            let mut samples = vec![
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(x())
                    .constant(Value::scalar(-1_i32))
                    .gives(vec![tensor(&[2, 3], &[1.0, 3.0, 6.0, 4.0, 9.0, 15.0])]),
                Sample::new(flags(1, 1))
                    .input(x())
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[2, 3], &[4.0, 5.0, 6.0, 0.0, 0.0, 0.0])]),
            ];
            samples.extend([(0, 0), (1, 0), (0, 1), (1, 1)].map(|(exclusive, reverse)| {
                Sample::new(flags(exclusive, reverse)).input(random()).input(integers(&[1])).gradients(&[0])
            }));
            samples
        }
    }

    #[test]
    fn integers_wrap_around_in_their_own_type() {
        let (op, _) = crate::ops::testing::import_node("CumSum", Attrs::new(), 14, &[]).unwrap();
        let bytes = Value::from_vec(&[3], vec![200_u8, 100, 1]).unwrap();
        let sums = run(&op, &[bytes, integers(&[0])]);
        assert_eq!(sums, [Value::from_vec(&[3], vec![200_u8, 44, 45]).unwrap()]);
    }
}
