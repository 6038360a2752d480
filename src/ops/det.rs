//! `Det` (ONNX opsets 11–22): the determinant of each matrix of a batch, by elimination in f64.
//!
//! The gradient is the determinant times the transposed inverse, which a singular matrix does not
//! have.

use super::convert::convert;
use super::pooling::check_gradient;
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::{AttrError, Attrs};
use crate::tensor::{DType, Shape, TensorType, Value};

/// One number for each square matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Det;

impl Operator for Det {
    const OP_TYPE: &'static str = "Det";

    fn import(_: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self)
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, Attrs::new())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let ty = inputs.ty(0)?;
        check_type(ty.dtype)?;
        let shape = match ty.shape.dims() {
            Some([batch @ .., _, _]) => Shape::Ranked(batch.to_vec()),
            Some(dims) => return Err(index::count_error("number of dimensions", 2, dims.len())),
            None => Shape::Unranked,
        };
        Ok(vec![TensorType::new(ty.dtype, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        check_type(x.dtype())?;
        let (batch, size) = matrices(x.shape())?;
        let wide = convert(x.clone(), DType::F64)?;
        let mut found = index::zeros::<f64>(batch)?.into_vec::<f64>()?;
        let mut matrices = wide.as_slice::<f64>()?.chunks_exact((size * size).max(1));
        for slot in &mut found {
            let matrix = matrices.next().unwrap_or_default();
            *slot = Elimination::new(matrix, size).run();
        }
        Ok(vec![convert(Value::from_vec(batch, found)?, x.dtype())?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |gradient| {
            let x = tape.input(0)?;
            let (batch, size) = matrices(x.shape())?;
            let gradient = check_gradient(gradient, batch)?;
            let mut found = vec![0.0_f32; x.len()];
            let matrices = x.as_slice::<f32>()?.chunks_exact((size * size).max(1));
            let slots = found.chunks_exact_mut((size * size).max(1));
            for ((matrix, slot), &g) in matrices.zip(slots).zip(gradient) {
                let mut elimination = Elimination::with_identity(matrix, size);
                let determinant = elimination.run();
                if determinant == 0.0 {
                    let expected = "other than 0 for a gradient".to_owned();
                    return Err(OpError::Range { what: "a determinant", expected, got: "0".to_owned() });
                }
                for (at, slot) in slot.iter_mut().enumerate() {
                    let (row, column) = (at / size, at % size);
                    *slot = (f64::from(g) * determinant * elimination.inverse(column, row)) as f32;
                }
            }
            Ok(Value::from_vec(x.shape(), found)?)
        })
    }
}

fn check_type(dtype: DType) -> Result<(), OpError> {
    if dtype.is_float() {
        return Ok(());
    }
    Err(OpError::DType { what: "the input", expected: "float32 or float64", got: dtype })
}

/// The shape of the batch and the size of its matrices.
fn matrices(shape: &[usize]) -> Result<(&[usize], usize), OpError> {
    match shape {
        [batch @ .., rows, columns] if rows == columns => Ok((batch, *rows)),
        _ => {
            let got = format!("{shape:?}");
            Err(OpError::Shape { what: "input", expected: "square matrices".to_owned(), got })
        }
    }
}

/// Gauss–Jordan elimination of a matrix, possibly with the identity to the right of it.
struct Elimination {
    rows: Vec<Vec<f64>>,
}

impl Elimination {
    fn new(matrix: &[f64], size: usize) -> Self {
        Self { rows: matrix.chunks_exact(size.max(1)).map(<[f64]>::to_vec).collect() }
    }

    fn with_identity(matrix: &[f32], size: usize) -> Self {
        let identity = |row: usize| (0..size).map(move |column| if row == column { 1.0 } else { 0.0 });
        let rows = matrix.chunks_exact(size.max(1)).enumerate();
        let extended = rows.map(|(at, row)| row.iter().map(|&v| v.into()).chain(identity(at)).collect());
        Self { rows: extended.collect() }
    }

    /// Turns the left-hand matrix into the identity, as far as it goes; returns its determinant.
    fn run(&mut self) -> f64 {
        let mut determinant = 1.0;
        for at in 0..self.rows.len() {
            let magnitude = |&row: &usize| self.rows[row][at].abs();
            let best = (at..self.rows.len()).max_by(|a, b| magnitude(a).total_cmp(&magnitude(b)));
            let best = best.unwrap_or(at);
            if best != at {
                self.rows.swap(at, best);
                determinant = -determinant;
            }
            let pivot = self.rows[at].clone();
            determinant *= pivot[at];
            if pivot[at] == 0.0 {
                return 0.0;
            }
            for (other, row) in self.rows.iter_mut().enumerate() {
                let factor = row[at] / pivot[at];
                if other != at && factor != 0.0 {
                    row.iter_mut().zip(&pivot).for_each(|(to, from)| *to -= factor * from);
                }
            }
        }
        determinant
    }

    /// An element of the inverse, after the run.
    fn inverse(&self, row: usize, column: usize) -> f64 {
        self.rows[row][self.rows.len() + column] / self.rows[row][row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, tensor, try_run};

    impl Sampled for Det {
        fn samples() -> Vec<Sample> {
            let three = [0.0, 2.0, 1.0, 3.0, 0.0, -1.0, 1.0, 4.0, 0.5];
            vec![
                Sample::new(Attrs::new())
                    .opset(11)
                    .input(tensor(&[2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 1.0, 2.0, 2.0, 4.0]))
                    .gives(vec![tensor(&[2], &[-2.0, 0.0])]),
                // 0·4 − 2·(1.5 + 1) + 1·12
                Sample::new(Attrs::new())
                    .input(tensor(&[3, 3], &three))
                    .gives_about(1e-6, vec![tensor(&[], &[7.0])]),
                Sample::new(Attrs::new()).input(tensor(&[2, 0, 0], &[])).gives(vec![tensor(&[2], &[1.0; 2])]),
                Sample::new(Attrs::new())
                    .input(Random::new(4).uniform(&[2, 3, 3], -1.0, 1.0))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn only_square_matrices_have_a_determinant() {
        let error = try_run(&Op::from(Det), &[tensor(&[1, 2], &[0.0; 2])]).unwrap_err();
        assert_eq!(error.to_string(), "input: expected square matrices, got [1, 2]");
    }
}
