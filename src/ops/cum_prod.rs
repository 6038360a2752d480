//! `CumProd` (ONNX opset 26): running products along an axis, which is an input.
//!
//! Multiplied in f64; integers in 64 bits, wrapping around.

use super::reduce::Fold;
use super::scan::Scan;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::AttrError;
use crate::tensor::{TensorType, Value};

/// Inputs: `x`, `axis` (one number).
#[derive(Debug, Clone, PartialEq)]
pub struct CumProd {
    /// Which elements a product is made of.
    pub scan: Scan,
}

impl Operator for CumProd {
    const OP_TYPE: &'static str = "CumProd";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { scan: Scan::import(node)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![self.scan.export(Self::OP_TYPE).since(26)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        Scan::infer(inputs)
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        Ok(vec![self.scan.run(inputs.get(0)?, inputs.get(1)?, &Fold::PRODUCT)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |g| self.gradient(tape.input(0)?, tape.input(1)?, g))
    }
}

impl CumProd {
    /// What reaches element i is what stands before it, times a sum over the products it is in; that
    /// sum is built from the end, without a division, so that zeros do no harm:
    /// `s(i) = g(i) + x(i + 1) · s(i + 1)`, or with exclusive products `g(i + 1) + x(i + 1) · s(i + 1)`.
    fn gradient(&self, x: &Value, axis: &Value, gradient: &Value) -> Result<Value, OpError> {
        let before = Self { scan: Scan { exclusive: true, ..self.scan } };
        let before = before.scan.run(x, axis, &Fold::PRODUCT)?;
        let rows = Scan::rows(x, axis)?;
        let gradient = super::pooling::check_gradient(gradient, x.shape())?;
        let (data, before) = (x.as_slice::<f32>()?, before.as_slice::<f32>()?);
        let mut found = vec![0.0_f32; data.len()];
        for start in rows.starts(data.len()) {
            let (mut sum, mut next) = (0.0_f64, (0.0_f64, 0.0_f64)); // of the next element: g, x
            for at in self.scan.order(rows, start).into_iter().rev() {
                let own = f64::from(gradient[at]);
                sum = next.1 * sum + if self.scan.exclusive { next.0 } else { own };
                found[at] = (f64::from(before[at]) * sum) as f32;
                next = (own, data[at].into());
            }
        }
        Ok(Value::from_vec(x.shape(), found)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, tensor};

    impl Sampled for CumProd {
        fn samples() -> Vec<Sample> {
            let flags = |exclusive, reverse| {
                Attrs::new().with("exclusive", Attr::Int(exclusive)).with("reverse", Attr::Int(reverse))
            };
            let x = || tensor(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            let random = || Random::new(3).uniform(&[2, 3, 2], -1.0, 1.0);
            let zeros = || tensor(&[4], &[2.0, 0.0, 3.0, 0.0]);
            let mut samples = vec![
                Sample::new(Attrs::new())
                    .opset(26)
                    .input(x())
                    .constant(Value::scalar(-1_i32))
                    .gives(vec![tensor(&[2, 3], &[1.0, 2.0, 6.0, 4.0, 20.0, 120.0])]),
                Sample::new(flags(1, 1))
                    .opset(26)
                    .input(x())
                    .constant(integers(&[0]))
                    .gives(vec![tensor(&[2, 3], &[4.0, 5.0, 6.0, 1.0, 1.0, 1.0])]),
            ];
            samples.extend([(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().flat_map(|(exclusive, reverse)| {
                let of = |x, axis: &[i64]| {
                    let sample = Sample::new(flags(exclusive, reverse)).opset(26);
                    sample.input(x).input(integers(axis)).gradients(&[0])
                };
                [of(random(), &[1]), of(zeros(), &[0])]
            }));
            samples
        }
    }
}
