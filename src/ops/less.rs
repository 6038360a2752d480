//! `Less` (ONNX opsets 7–13): whether `lhs < rhs`, element by element, with multidirectional
//! broadcasting. Not differentiable.

use super::pairwise::{self, Pairwise};
use super::{Inputs, OpError, numbers};
use crate::tensor::{DType, Value};

/// `y = lhs < rhs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Less;

impl Pairwise for Less {
    const NAME: &'static str = "Less";
    const SINCE: u32 = 7;

    fn result(inputs: DType) -> Result<DType, OpError> {
        pairwise::of_numbers(inputs)
    }

    fn compute(inputs: Inputs) -> Result<Value, OpError> {
        Ok(numbers::comparison!(inputs, T => |a, b| a < b))
    }
}

pairwise::operator!(Less);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Sample, Sampled, integers, tensor};

    impl Sampled for Less {
        fn samples() -> Vec<Sample> {
            let bools = |shape: &[usize], data: &[bool]| Value::from_vec(shape, data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .opset(7)
                    .input(tensor(&[2, 2], &[1.0, 2.0, 3.0, f32::NAN]))
                    .constant(tensor(&[1], &[2.0]))
                    .gives(vec![bools(&[2, 2], &[true, false, false, false])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1, 2, 3]))
                    .input(integers(&[2]))
                    .gives(vec![bools(&[3], &[true, false, false])]),
            ]
        }
    }
}
