//! Shapes with names in them, as ONNX graphs have (`batch × 3 × 224 × 224`).

use super::{DType, TensorError};
use std::fmt;
use std::sync::Arc;

/// The size of one dimension, as far as it is known before a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A name: every dimension of that name has one size in a run (ONNX `dim_param`).
    Symbolic(Arc<str>),
    /// Nothing is known.
    Unknown,
}

impl Dim {
    /// The size, where it is a number.
    pub fn fixed(&self) -> Option<usize> {
        if let Self::Fixed(n) = self { Some(*n) } else { None }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Self {
        Self::Fixed(n)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Symbolic(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// The shape of a tensor before a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The number of dimensions is known.
    Ranked(Vec<Dim>),
    /// Nothing is known.
    Unranked,
}

impl Shape {
    /// A shape of numbers only.
    pub fn fixed(sizes: &[usize]) -> Self {
        Self::Ranked(sizes.iter().copied().map(Dim::Fixed).collect())
    }

    /// The dimensions, where their number is known.
    pub fn dims(&self) -> Option<&[Dim]> {
        if let Self::Ranked(dims) = self { Some(dims) } else { None }
    }

    /// Number of dimensions, where it is known.
    pub fn rank(&self) -> Option<usize> {
        self.dims().map(<[Dim]>::len)
    }

    /// All sizes, where every one is a number.
    pub fn to_fixed(&self) -> Option<Vec<usize>> {
        self.dims()?.iter().map(Dim::fixed).collect()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unranked => f.write_str("?"),
            Self::Ranked(dims) if dims.is_empty() => f.write_str("scalar"),
            Self::Ranked(dims) => {
                for (i, dim) in dims.iter().enumerate() {
                    if i > 0 {
                        f.write_str("×")?;
                    }
                    write!(f, "{dim}")?;
                }
                Ok(())
            }
        }
    }
}

/// Element type and shape of a tensor before a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Shape, as far as it is known.
    pub shape: Shape,
}

impl TensorType {
    /// Both together.
    pub fn new(dtype: DType, shape: Shape) -> Self {
        Self { dtype, shape }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}

/// The shape of an elementwise result (ONNX "Multidirectional Broadcasting").
///
/// # Errors
/// [`TensorError::Broadcast`] where two sizes differ and neither is 1.
pub fn broadcast_shapes(lhs: &[usize], rhs: &[usize]) -> Result<Vec<usize>, TensorError> {
    let rank = lhs.len().max(rhs.len());
    let size = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (size(lhs, i), size(rhs, i)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(TensorError::Broadcast {
                lhs: Shape::fixed(lhs).to_string(),
                rhs: Shape::fixed(rhs).to_string(),
            }),
        })
        .collect()
}

/// As [`broadcast_shapes`], before a run: a name meets itself, and a number other than 1 decides.
///
/// # Errors
/// [`TensorError::Broadcast`] where two numbers differ and neither is 1.
pub fn broadcast_types(lhs: &Shape, rhs: &Shape) -> Result<Shape, TensorError> {
    let (Shape::Ranked(a), Shape::Ranked(b)) = (lhs, rhs) else { return Ok(Shape::Unranked) };
    let rank = a.len().max(b.len());
    let one = Dim::Fixed(1);
    let at = |dims: &'_ [Dim], i: usize| {
        (i + dims.len()).checked_sub(rank).map_or(one.clone(), |i| dims[i].clone())
    };
    let dims = (0..rank).map(|i| match (at(a, i), at(b, i)) {
        (a, b) if a == b => Ok(a),
        (Dim::Fixed(1), dim) | (dim, Dim::Fixed(1)) => Ok(dim),
        (Dim::Fixed(_), Dim::Fixed(_)) => {
            Err(TensorError::Broadcast { lhs: lhs.to_string(), rhs: rhs.to_string() })
        }
        (Dim::Fixed(n), _) | (_, Dim::Fixed(n)) => Ok(Dim::Fixed(n)),
        _ => Ok(Dim::Unknown),
    });
    Ok(Shape::Ranked(dims.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_onnx() {
        assert_eq!(broadcast_shapes(&[2, 1, 4], &[3, 1]).unwrap(), vec![2, 3, 4]);
        assert_eq!(broadcast_shapes(&[], &[5]).unwrap(), vec![5]);
        let error = broadcast_shapes(&[2, 3], &[4]).unwrap_err();
        assert_eq!(error.to_string(), "shapes 2×3 and 4 cannot be broadcast together");
    }

    #[test]
    fn a_symbolic_batch_survives_broadcasting() {
        let batch = Dim::Symbolic("batch".into());
        let x = Shape::Ranked(vec![batch.clone(), Dim::Fixed(8)]);
        let bias = Shape::fixed(&[8]);
        assert_eq!(broadcast_types(&x, &bias).unwrap(), Shape::Ranked(vec![batch, Dim::Fixed(8)]));
        assert_eq!(x.to_string(), "batch×8");
    }
}
