//! `EyeLike` (ONNX opsets 9–22): ones on a diagonal of a matrix of the input's shape, zeros
//! elsewhere. Not differentiable: nothing it reads is a number of the network.

use super::convert::convert;
use super::{Context, ExportStep, FileType, ImportNode, Inputs, OpError, Operator, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, TensorType, Value};

/// A matrix of the shape of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct EyeLike {
    /// Element type of the result; that of the input where there is none.
    pub dtype: Option<DType>,
    /// The diagonal, counted upwards from the main one.
    pub diagonal: i64,
}

impl Operator for EyeLike {
    const OP_TYPE: &'static str = "EyeLike";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let diagonal = node.attrs.take_int("k")?.unwrap_or(0);
        let Some(code) = node.attrs.take_int("dtype")? else { return Ok(Self { dtype: None, diagonal }) };
        // 0 and 1 are the same numbers in every format, so narrow floats are float32 here.
        let unsupported = || AttrError::Unsupported {
            name: "dtype".into(),
            value: code.to_string(),
            reason: "only real numbers, integers and truth values are",
        };
        let dtype = FileType::from_code(code).ok_or_else(unsupported)?.dtype();
        Ok(Self { dtype: Some(dtype), diagonal })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let code = self.dtype.map(|dtype| FileType::from(dtype).code());
        let attrs = Attrs::new().with("k", Attr::Int(self.diagonal));
        let attrs = code.iter().fold(attrs, |attrs, &code| attrs.with("dtype", Attr::Int(code)));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        Ok(vec![TensorType::new(self.dtype.unwrap_or(ty.dtype), ty.shape.clone())])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let &[rows, columns] = x.shape() else {
            return Err(index::count_error("number of dimensions", 2, x.rank()));
        };
        let mut ones = index::zeros::<u8>(x.shape())?.into_vec::<u8>()?;
        for row in 0..rows {
            let column = (row as i64).checked_add(self.diagonal).and_then(|at| usize::try_from(at).ok());
            if let Some(column) = column.filter(|&column| column < columns) {
                ones[row * columns + column] = 1;
            }
        }
        Ok(vec![convert(Value::from_vec(x.shape(), ones)?, self.dtype.unwrap_or(x.dtype()))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node, integers, tensor, try_run};

    impl Sampled for EyeLike {
        fn samples() -> Vec<Sample> {
            let x = || integers(&[9; 6]).reshaped(&[2, 3]).unwrap();
            let attrs = |k, dtype| Attrs::new().with("k", Attr::Int(k)).with("dtype", Attr::Int(dtype));
            vec![
                Sample::new(Attrs::new())
                    .opset(9)
                    .input(x())
                    .gives(vec![integers(&[1, 0, 0, 0, 1, 0]).reshaped(&[2, 3]).unwrap()]),
                Sample::new(attrs(1, 1))
                    .input(x())
                    .gives(vec![tensor(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0])]),
                Sample::new(attrs(i64::MIN, 9))
                    .input(x())
                    .gives(vec![Value::from_vec(&[2, 3], vec![false; 6]).unwrap()]),
            ]
        }
    }

    #[test]
    fn only_matrices_have_a_diagonal() {
        let (op, _) = import_node("EyeLike", Attrs::new(), 9, &[]).unwrap();
        let error = try_run(&op, &[integers(&[1])]).unwrap_err();
        assert_eq!(error.to_string(), "number of dimensions: expected 2, got 1");
    }
}
