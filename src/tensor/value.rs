//! [`Value`]: a tensor of any element type.

use super::dtype::with_element;
use super::{DType, Element, TensorError};
use ndarray::{ArcArray, ArrayD, ArrayViewD, IxDyn};
use std::fmt;

/// The elements, as unsigned integers of their width: code that only hands elements on is compiled
/// once per width instead of once per type.
#[derive(Clone, PartialEq, Eq)]
pub enum Storage {
    /// Elements of one byte.
    One(Shared<u8>),
    /// Elements of two bytes.
    Two(Shared<u16>),
    /// Elements of four bytes.
    Four(Shared<u32>),
    /// Elements of eight bytes.
    Eight(Shared<u64>),
}

type Shared<B> = ArcArray<B, IxDyn>;

/// An unsigned integer that holds elements of its width.
pub trait Carrier: Copy + Default + PartialEq + 'static {
    /// Wraps an array.
    fn wrap(array: Shared<Self>) -> Storage;
    /// The array, where its elements have this width.
    fn peek(storage: &Storage) -> Option<&Shared<Self>>;
    /// As [`Carrier::peek`], owned.
    fn unwrap(storage: Storage) -> Option<Shared<Self>>;
}

macro_rules! carriers {
    ($($bits:ty => $variant:ident),*) => { $(
        impl Carrier for $bits {
            fn wrap(array: Shared<Self>) -> Storage {
                Storage::$variant(array)
            }
            fn peek(storage: &Storage) -> Option<&Shared<Self>> {
                if let Storage::$variant(array) = storage { Some(array) } else { None }
            }
            fn unwrap(storage: Storage) -> Option<Shared<Self>> {
                if let Storage::$variant(array) = storage { Some(array) } else { None }
            }
        }
    )* };
}

carriers! { u8 => One, u16 => Two, u32 => Four, u64 => Eight }

macro_rules! each {
    ($storage:expr, $array:ident => $body:expr) => {
        match $storage {
            Storage::One($array) => $body,
            Storage::Two($array) => $body,
            Storage::Four($array) => $body,
            Storage::Eight($array) => $body,
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
#[derive(Clone)]
pub struct Value {
    dtype: DType,
    storage: Storage,
}

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
        let array = ArcArray::from_shape_vec(IxDyn(shape), T::into_bits(data)).map_err(|_| length())?;
        Ok(Self { dtype: T::DTYPE, storage: T::Bits::wrap(array) })
    }

    /// A tensor from an array, brought into row-major order when it is not.
    pub fn from_array<T: Element>(array: ArrayD<T>) -> Self {
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        let shape = array.raw_dim();
        let data = T::into_bits(elements_of(array));
        // As many elements as the array had, so the fallback is never taken.
        let array = ArcArray::from_shape_vec(shape, data).unwrap_or_default();
        Self { dtype: T::DTYPE, storage: T::Bits::wrap(array) }
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

    /// As [`Value::zeros`], for an element type that only the run knows.
    ///
    /// # Errors
    /// [`TensorError::TooLarge`] when the elements cannot be allocated.
    pub fn zeros_of(dtype: DType, shape: &[usize]) -> Result<Self, TensorError> {
        let zeros = match dtype.size_bytes() {
            1 => Self::zeros::<u8>(shape),
            2 => Self::zeros::<u16>(shape),
            4 => Self::zeros::<u32>(shape),
            _ => Self::zeros::<u64>(shape),
        };
        Ok(Self { dtype, ..zeros? }) // all patterns zero is 0 or false of every type
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size of each dimension.
    pub fn shape(&self) -> &[usize] {
        each!(&self.storage, array => array.shape())
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        each!(&self.storage, array => array.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the elements take in memory.
    pub fn size_bytes(&self) -> usize {
        self.len() * self.dtype.size_bytes()
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        let array = T::Bits::peek(&self.storage).filter(|_| self.dtype == T::DTYPE);
        let array = array.ok_or_else(|| self.not_a(T::DTYPE))?;
        // Contiguity is the type's invariant, so the fallback is never taken.
        Ok(T::view(array.as_slice().unwrap_or_default()))
    }

    /// The tensor as an `ndarray` view.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, TensorError> {
        let data = self.as_slice::<T>()?;
        ArrayViewD::from_shape(IxDyn(self.shape()), data).map_err(|_| self.not_as_long(data.len()))
    }

    /// The tensor as an array of its own; copies only when the elements are shared.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn into_array<T: Element>(self) -> Result<ArrayD<T>, TensorError> {
        let shape = self.shape().to_vec();
        let data = self.into_vec::<T>()?;
        let (expected, got) = (data.len(), data.len());
        ArrayD::from_shape_vec(IxDyn(&shape), data).map_err(|_| TensorError::Length { shape, expected, got })
    }

    /// The elements in row-major order as a vector; copies only when they are shared.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the tensor holds another type than `T`.
    pub fn into_vec<T: Element>(self) -> Result<Vec<T>, TensorError> {
        let wrong = TensorError::DType { expected: T::DTYPE, got: self.dtype };
        let storage = Some(self.storage).filter(|_| self.dtype == T::DTYPE);
        let array = storage.and_then(T::Bits::unwrap).ok_or(wrong)?;
        Ok(T::from_bits(elements_of(array.into_owned())))
    }

    /// The same elements under another shape; nothing is copied.
    ///
    /// # Errors
    /// [`TensorError::Length`] when `shape` holds another number of elements.
    pub fn reshaped(self, shape: &[usize]) -> Result<Self, TensorError> {
        let expected = element_count(shape)?;
        let (dtype, got) = (self.dtype, self.len());
        let length = || TensorError::Length { shape: shape.to_vec(), expected, got };
        if got != expected {
            return Err(length());
        }
        let storage = each!(self.storage, array => reshape(array, shape)).ok_or_else(length)?;
        Ok(Self { dtype, storage })
    }

    /// The same bit patterns as unsigned integers of their width; nothing is copied. For code that
    /// hands elements on without looking at them.
    #[must_use]
    pub fn into_bits(self) -> Self {
        let dtype = match self.dtype.size_bytes() {
            1 => DType::U8,
            2 => DType::U16,
            4 => DType::U32,
            _ => DType::U64,
        };
        Self { dtype, ..self }
    }

    /// The same bit patterns as elements of another type of the same width; nothing is copied. What
    /// the type has no pattern for is brought into its range: to truth values everything but 0 is
    /// true, and of integers narrower than a byte the low bits count.
    ///
    /// # Errors
    /// [`TensorError::DType`] when the two types differ in width.
    pub fn reinterpreted(self, dtype: DType) -> Result<Self, TensorError> {
        if self.dtype.size_bytes() != dtype.size_bytes() {
            return Err(self.not_a(dtype));
        }
        let is_any_pattern = dtype.file_bits() == 8 * dtype.size_bytes() && dtype != DType::Bool;
        if is_any_pattern || self.dtype == dtype {
            return Ok(Self { dtype, ..self });
        }
        self.into_bits().narrowed(dtype)
    }

    /// Bytes as elements of a type that does not use all patterns of a byte.
    fn narrowed(self, dtype: DType) -> Result<Self, TensorError> {
        let shape = self.shape().to_vec();
        let mut bytes = self.into_vec::<u8>()?;
        for byte in &mut bytes {
            let value = i64::from(*byte);
            *byte = match dtype {
                DType::I4 => super::I4::wrapping(value).get() as u8,
                DType::I2 => super::I2::wrapping(value).get() as u8,
                DType::U4 => super::U4::wrapping(value).get(),
                DType::U2 => super::U2::wrapping(value).get(),
                DType::Bool => u8::from(value != 0),
                _ => *byte,
            };
        }
        Ok(Self { dtype, ..Self::from_vec(&shape, bytes)? })
    }

    fn not_a(&self, expected: DType) -> TensorError {
        TensorError::DType { expected, got: self.dtype }
    }

    fn not_as_long(&self, got: usize) -> TensorError {
        TensorError::Length { shape: self.shape().to_vec(), expected: self.len(), got }
    }
}

/// Floats are compared as numbers: NaN is not itself, and −0 is 0.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        fn same<T: Element>(a: &Value, b: &Value) -> bool {
            a.shape() == b.shape() && a.as_slice::<T>() == b.as_slice::<T>()
        }
        match (self.dtype, other.dtype) {
            (DType::F32, DType::F32) => same::<f32>(self, other),
            (DType::F64, DType::F64) => same::<f64>(self, other),
            (a, b) => a == b && self.storage == other.storage,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ", self.dtype, self.shape())?;
        with_element!(self.dtype, T => f.debug_list().entries(self.as_slice::<T>().unwrap_or_default()).finish())
    }
}

fn reshape<B: Carrier>(array: Shared<B>, shape: &[usize]) -> Option<Storage> {
    Some(B::wrap(array.into_shape_with_order(IxDyn(shape)).ok()?))
}

/// The elements of an array in row-major order.
fn elements_of<T: Copy>(array: ArrayD<T>) -> Vec<T> {
    let len = array.len();
    let (data, offset) = array.into_raw_vec_and_offset();
    match offset {
        None | Some(0) if data.len() == len => data,
        offset => data.into_iter().skip(offset.unwrap_or(0)).take(len).collect(),
    }
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
    bytemuck::try_zeroed_vec(len).map_err(|()| TensorError::TooLarge { shape: shape.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{I4, U2};

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
    fn patterns_survive_the_way_through_their_width() {
        let x = Value::from_vec(&[2], vec![-1.5_f32, f32::INFINITY]).unwrap();
        let bits = x.clone().into_bits();
        assert_eq!(bits.as_slice::<u32>().unwrap(), &[0xbfc0_0000, 0x7f80_0000]);
        assert_eq!(bits.clone().reinterpreted(DType::F32).unwrap(), x);
        assert!(bits.reinterpreted(DType::F64).is_err());
        let flags = Value::from_vec(&[3], vec![true, false, true]).unwrap();
        let bits = flags.clone().into_bits();
        assert_eq!(bits.clone().reinterpreted(DType::Bool).unwrap(), flags);
        assert_eq!(flags.into_vec::<bool>().unwrap(), [true, false, true]);
    }

    #[test]
    fn patterns_that_a_type_does_not_have_are_brought_into_its_range() {
        let bytes = Value::from_vec(&[3], vec![0_u8, 2, 0xff]).unwrap();
        let as_type = |dtype| bytes.clone().reinterpreted(dtype).unwrap();
        assert_eq!(as_type(DType::Bool).as_slice::<bool>().unwrap(), [false, true, true]);
        assert_eq!(as_type(DType::I4), Value::from_vec(&[3], [0, 2, -1].map(I4::wrapping).to_vec()).unwrap());
        assert_eq!(as_type(DType::U2), Value::from_vec(&[3], [0, 2, 3].map(U2::wrapping).to_vec()).unwrap());
    }

    #[test]
    fn floats_are_compared_as_numbers() {
        let of = |x: f32| Value::scalar(x);
        assert_eq!(of(0.0), of(-0.0));
        assert_ne!(of(f32::NAN), of(f32::NAN));
        assert_ne!(Value::scalar(0_i32), Value::scalar(0_u32));
    }

    #[test]
    fn transposed_arrays_become_row_major() {
        let array = ndarray::arr2(&[[1, 2, 3], [4, 5, 6]]).reversed_axes().into_dyn();
        let value = Value::from_array::<i32>(array);
        assert_eq!(value.shape(), &[3, 2]);
        assert_eq!(value.as_slice::<i32>().unwrap(), &[1, 4, 2, 5, 3, 6]);
    }
}
