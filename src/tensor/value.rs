//! [`Value`]: a tensor of any element type.

use super::{DType, Element, TensorError};
use ndarray::{ArcArray, ArrayD, ArrayViewD, IxDyn};

#[derive(Debug, Clone, PartialEq)]
pub enum Storage {
    F32(ArcArray<f32, IxDyn>),
    F64(ArcArray<f64, IxDyn>),
    I64(ArcArray<i64, IxDyn>),
    I32(ArcArray<i32, IxDyn>),
    U8(ArcArray<u8, IxDyn>),
    I8(ArcArray<i8, IxDyn>),
    Bool(ArcArray<bool, IxDyn>),
}

macro_rules! each {
    ($storage:expr, $array:ident => $body:expr) => {
        match $storage {
            Storage::F32($array) => $body,
            Storage::F64($array) => $body,
            Storage::I64($array) => $body,
            Storage::I32($array) => $body,
            Storage::U8($array) => $body,
            Storage::I8($array) => $body,
            Storage::Bool($array) => $body,
        }
    };
}

/// A tensor: any rank, any [`DType`], always contiguous in row-major order.
///
/// Cloning shares the elements; they are copied only when a shared tensor is written to
/// ([`Value::into_vec`], [`Value::into_array`]).
///
/// ```
/// use bitlens::tensor::{DType, Value};
/// let x = Value::from_vec(&[2, 3], vec![1.0_f32; 6]).unwrap();
/// assert_eq!((x.dtype(), x.shape()), (DType::F32, &[2, 3][..]));
/// assert!(x.as_slice::<i64>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Value(Storage);

impl Value {
    /// A tensor of `shape` with the elements of `data` in row-major order.
    ///
    /// # Errors
    /// [`TensorError::Length`] when `data` has another number of elements than `shape`.
    pub fn from_vec<T: Element>(shape: &[usize], data: Vec<T>) -> Result<Self, TensorError> {
        let expected = element_count(shape)?;
        let got = data.len();
        let length = || TensorError::Length { shape: shape.to_vec(), expected, got };
        if got != expected {
            return Err(length());
        }
        let array = ArcArray::from_shape_vec(IxDyn(shape), data).map_err(|_| length())?;
        Ok(Self(T::wrap(array)))
    }

    /// A tensor from an array, brought into row-major order when it is not.
    pub fn from_array<T: Element>(array: ArrayD<T>) -> Self {
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        Self(T::wrap(array.into_shared()))
    }

    /// A tensor without dimensions.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_array(ndarray::arr0(value).into_dyn())
    }

    /// A tensor of default elements (zero, false).
    ///
    /// # Errors
    /// [`TensorError::TooLarge`] when the elements cannot be allocated.
    pub fn zeros<T: Element>(shape: &[usize]) -> Result<Self, TensorError> {
        Self::from_vec(shape, try_zeroed::<T>(shape)?)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match &self.0 {
            Storage::F32(_) => DType::F32,
            Storage::F64(_) => DType::F64,
            Storage::I64(_) => DType::I64,
            Storage::I32(_) => DType::I32,
            Storage::U8(_) => DType::U8,
            Storage::I8(_) => DType::I8,
            Storage::Bool(_) => DType::Bool,
        }
    }

    /// The size of each dimension.
    pub fn shape(&self) -> &[usize] {
        each!(&self.0, array => array.shape())
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        each!(&self.0, array => array.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the elements take in memory.
    pub fn size_bytes(&self) -> usize {
        self.len() * self.dtype().size_bytes()
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        let array = T::peek(&self.0).ok_or_else(|| self.not_a::<T>())?;
        // Contiguity is the type's invariant, so the fallback is never taken.
        Ok(array.as_slice().unwrap_or_default())
    }

    /// The tensor as an `ndarray` view.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, TensorError> {
        T::peek(&self.0).map(|array| array.view()).ok_or_else(|| self.not_a::<T>())
    }

    /// The tensor as an array of its own; copies only when the elements are shared.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn into_array<T: Element>(self) -> Result<ArrayD<T>, TensorError> {
        let got = self.dtype();
        let array = T::unwrap(self.0).map_err(|_| TensorError::DType { expected: T::DTYPE, got })?;
        Ok(array.into_owned())
    }

    /// The elements in row-major order as a vector; copies only when they are shared.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn into_vec<T: Element>(self) -> Result<Vec<T>, TensorError> {
        let array = self.into_array::<T>()?;
        let len = array.len();
        let (data, offset) = array.into_raw_vec_and_offset();
        Ok(match offset {
            None | Some(0) if data.len() == len => data,
            offset => data.into_iter().skip(offset.unwrap_or(0)).take(len).collect(),
        })
    }

    /// The same elements under another shape; nothing is copied.
    ///
    /// # Errors
    /// [`TensorError::Length`] when `shape` holds another number of elements.
    pub fn reshaped(self, shape: &[usize]) -> Result<Self, TensorError> {
        let expected = element_count(shape)?;
        let got = self.len();
        let length = || TensorError::Length { shape: shape.to_vec(), expected, got };
        if got != expected {
            return Err(length());
        }
        each!(self.0, array => reshape(array, shape)).ok_or_else(length)
    }

    fn not_a<T: Element>(&self) -> TensorError {
        TensorError::DType { expected: T::DTYPE, got: self.dtype() }
    }
}

fn reshape<T: Element>(array: ArcArray<T, IxDyn>, shape: &[usize]) -> Option<Value> {
    Some(Value(T::wrap(array.into_shape_with_order(IxDyn(shape)).ok()?)))
}

/// Number of elements of a tensor of `shape`, refused where it overflows.
fn element_count(shape: &[usize]) -> Result<usize, TensorError> {
    shape
        .iter()
        .try_fold(1_usize, |n, &d| n.checked_mul(d))
        .filter(|&n| isize::try_from(n).is_ok())
        .ok_or_else(|| TensorError::TooLarge { shape: shape.to_vec() })
}

/// A zeroed buffer for a tensor of `shape`, or an error where memory does not suffice.
fn try_zeroed<T: Element>(shape: &[usize]) -> Result<Vec<T>, TensorError> {
    let len = element_count(shape)?;
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| TensorError::TooLarge { shape: shape.to_vec() })?;
    data.resize(len, T::default());
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_length_is_refused() {
        let error = Value::from_vec(&[2, 2], vec![0_u8; 3]).unwrap_err();
        assert_eq!(error.to_string(), "a tensor of shape [2, 2] needs 4 elements, got 3");
    }

    #[test]
    fn an_impossible_shape_is_refused_before_anything_is_allocated() {
        assert!(matches!(Value::zeros::<f32>(&[usize::MAX, 2]), Err(TensorError::TooLarge { .. })));
        assert!(matches!(Value::zeros::<f32>(&[usize::MAX / 8]), Err(TensorError::TooLarge { .. })));
    }

    #[test]
    fn writing_to_a_clone_leaves_the_original() {
        let x = Value::from_vec(&[2], vec![1.0_f32, 2.0]).unwrap();
        let mut copy = x.clone().into_vec::<f32>().unwrap();
        copy[0] = 9.0;
        assert_eq!(x.as_slice::<f32>().unwrap(), &[1.0, 2.0]);
    }

    #[test]
    fn transposed_arrays_become_row_major() {
        let array = ndarray::arr2(&[[1, 2, 3], [4, 5, 6]]).reversed_axes().into_dyn();
        let value = Value::from_array::<i32>(array);
        assert_eq!(value.shape(), &[3, 2]);
        assert_eq!(value.as_slice::<i32>().unwrap(), &[1, 4, 2, 5, 3, 6]);
    }
}
