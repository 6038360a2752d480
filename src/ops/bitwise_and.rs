//! `BitwiseAnd` (ONNX opset 18): `lhs` and `rhs`, bit by bit, with multidirectional broadcasting. Integers
//! only; not differentiable.

use super::pairwise::{self, Pairwise};
use super::{Inputs, OpError};
use crate::tensor::{DType, Value};

/// `y = lhs` and `rhs`, bit by bit.
#[derive(Debug, Clone, PartialEq)]
pub struct BitwiseAnd;

impl Pairwise for BitwiseAnd {
    const NAME: &'static str = "BitwiseAnd";
    const SINCE: u32 = 18;

    fn result(inputs: DType) -> Result<DType, OpError> {
        pairwise::of_integers(inputs)
    }

    fn compute(inputs: Inputs) -> Result<Value, OpError> {
        Ok(pairwise::on_bits!(inputs, B => |a, b| a & b))
    }
}

pairwise::operator!(BitwiseAnd);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{Sample, Sampled, integers};

    impl Sampled for BitwiseAnd {
        fn samples() -> Vec<Sample> {
            let bytes = |data: &[i8]| Value::from_vec(&[3], data.to_vec()).unwrap();
            vec![
                Sample::new(Attrs::new())
                    .input(bytes(&[12, -1, 7]))
                    .input(bytes(&[10, 1, -8]))
                    .gives(vec![bytes(&[8, 1, 0])]),
                Sample::new(Attrs::new())
                    .input(integers(&[1 << 40, 3]))
                    .constant(integers(&[1 << 40]))
                    .gives(vec![integers(&[1 << 40, 0])]),
            ]
        }
    }
}
