//! `Equal` (ONNX opsets 7–19): whether `lhs = rhs`, element by element, with multidirectional
//! broadcasting. Not differentiable.

use super::pairwise::{self, Pairwise};
use super::{Inputs, OpError, broadcast, numbers};
use crate::tensor::{DType, Value};

/// Whether `lhs = rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Equal;

impl Pairwise for Equal {
    const NAME: &'static str = "Equal";
    const SINCE: u32 = 7;

    fn result(inputs: DType) -> Result<DType, OpError> {
        if inputs == DType::Bool {
            return Ok(inputs);
        }
        pairwise::of_numbers(inputs)
    }

    #[allow(clippy::float_cmp, reason = "ONNX defines Equal of floats as exact")]
    fn compute(inputs: Inputs) -> Result<Value, OpError> {
        if inputs.get(0)?.dtype() == DType::Bool {
            return broadcast::compare::<bool>(inputs.get(0)?, inputs.get(1)?, &|a, b| a == b);
        }
        Ok(numbers::comparison!(inputs, T => |a, b| a == b))
    }
}

pairwise::operator!(Equal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for Equal {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, f32::NAN]))
                    .constant(tensor(&[1], &[2.0]))
                    .gives(vec![bools(&[2, 2], &[false, true, false, false])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, 2, 3]))
                    .input(integers(&[2]))
                    .gives(vec![bools(&[3], &[false, true, false])]),
            ]
        }
    }
}
