//! `GreaterOrEqual` (ONNX opsets 12–16): whether `lhs ≥ rhs`, element by element, with multidirectional
//! broadcasting. Not differentiable.

use super::pairwise::{self, Pairwise};
use super::{Inputs, OpError, numbers};
use crate::tensor::{DType, Value};

/// `y = lhs ≥ rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct GreaterOrEqual;

impl Pairwise for GreaterOrEqual {
    const NAME: &'static str = "GreaterOrEqual";
    const SINCE: u32 = 12;

    fn result(inputs: DType) -> Result<DType, OpError> {
        pairwise::of_numbers(inputs)
    }

    fn compute(inputs: Inputs) -> Result<Value, OpError> {
        Ok(numbers::comparison!(inputs, T => |a, b| a >= b))
    }
}

pairwise::operator!(GreaterOrEqual);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for GreaterOrEqual {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(12)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, f32::NAN]))
                    .constant(tensor(&[1], &[2.0]))
                    .gives(vec![bools(&[2, 2], &[false, true, true, false])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, 2, 3]))
                    .input(integers(&[2]))
                    .gives(vec![bools(&[3], &[false, true, true])]),
            ]
        }
    }
}
