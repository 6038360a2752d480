//! `Or` (ONNX opset 7): whether `lhs ∨ rhs`, element by element, with multidirectional broadcasting.
//! Not differentiable.

use super::pairwise::{self, Pairwise};
use super::{Inputs, OpError, broadcast};
use crate::tensor::{DType, Value};

/// `y = lhs ∨ rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Or;

impl Pairwise for Or {
    const NAME: &'static str = "Or";
    const SINCE: u32 = 7;

    fn result(inputs: DType) -> Result<DType, OpError> {
        pairwise::of_truth_values(inputs)
    }

    fn compute(inputs: Inputs) -> Result<Value, OpError> {
        broadcast::compare::<bool>(inputs.get(0)?, inputs.get(1)?, &|a, b| a | b)
    }
}

pairwise::operator!(Or);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Sample, Sampled};

    impl Sampled for Or {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(bools(&[4], &[true, true, false, false]))
                    .input(bools(&[4], &[true, false, true, false]))
                    .gives(vec![bools(&[4], &[true, true, true, false])]),
            ]
        }
    }
}
