//! Tensor files of other tools (`TensorProto`), read apart from the crate's own importer, so that a
//! mistake there cannot hide itself.
//!
//! What the crate widens when it reads a file is widened here, too: every float narrower than
//! float32 becomes float32.

use bitlens::tensor::{Element, I2, I4, U2, U4, Value};
use half::{bf16, f16};
use prost::Message;

/// ONNX `TensorProto`, as far as test files use it.
#[derive(Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    int64_data: Vec<i64>,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    uint64_data: Vec<u64>,
}

/// A tensor of a file.
#[derive(Debug)]
pub(crate) struct FileTensor {
    /// Its elements as the crate holds them.
    pub(crate) value: Value,
    /// How many bits of a number its type keeps, the leading one included; `None` for types whose
    /// numbers are all kept as they are, and compared exactly where they are no floats.
    pub(crate) significant_bits: Option<u32>,
}

/// Reads a tensor, or says what of it cannot be read.
pub(crate) fn read(bytes: &[u8]) -> Result<FileTensor, String> {
    let proto = TensorProto::decode(bytes).map_err(|error| format!("not a tensor: {error}"))?;
    let sizes = proto.dims.iter().map(|&size| usize::try_from(size).map_err(|_| "negative size".to_owned()));
    let shape = sizes.collect::<Result<Vec<usize>, _>>()?;
    let full = |value| (value, None);
    let narrow = |minifloat: Minifloat| -> Result<_, String> {
        let values = patterns(&proto, minifloat.bits())?.into_iter().map(|bits| minifloat.value(bits));
        Ok((tensor(&shape, values.collect())?, Some(minifloat.mantissa + 1)))
    };
    let (value, significant_bits) = match proto.data_type {
        1 => full(typed(&proto, &shape, 32, |bits| f32::from_bits(bits as u32))?),
        2 => full(typed(&proto, &shape, 8, |bits| bits as u8)?),
        3 => full(typed(&proto, &shape, 8, |bits| bits as i8)?),
        4 => full(typed(&proto, &shape, 16, |bits| bits as u16)?),
        5 => full(typed(&proto, &shape, 16, |bits| bits as i16)?),
        6 => full(typed(&proto, &shape, 32, |bits| bits as i32)?),
        7 => full(typed(&proto, &shape, 64, |bits| bits as i64)?),
        9 => full(typed(&proto, &shape, 8, |bits| bits != 0)?),
        10 => (typed(&proto, &shape, 16, |bits| f16::from_bits(bits as u16).to_f32())?, Some(11)),
        11 => full(typed(&proto, &shape, 64, f64::from_bits)?),
        12 => full(typed(&proto, &shape, 32, |bits| bits as u32)?),
        13 => full(typed(&proto, &shape, 64, |bits| bits)?),
        16 => (typed(&proto, &shape, 16, |bits| bf16::from_bits(bits as u16).to_f32())?, Some(8)),
        17 => narrow(Minifloat::new(4, 3, 7, Special::NanOnly))?,
        18 => narrow(Minifloat::new(4, 3, 8, Special::NegativeZero))?,
        19 => narrow(Minifloat::new(5, 2, 15, Special::Ieee))?,
        20 => narrow(Minifloat::new(5, 2, 16, Special::NegativeZero))?,
        21 => full(typed(&proto, &shape, 4, |bits| U4::wrapping(bits as i64))?),
        22 => full(typed(&proto, &shape, 4, |bits| I4::wrapping(bits as i64))?),
        23 => narrow(Minifloat::new(2, 1, 1, Special::None))?,
        24 => {
            let power = |bits| if bits == 255 { f32::NAN } else { 2_f64.powi(bits as i32 - 127) as f32 };
            (typed(&proto, &shape, 8, power)?, Some(1))
        }
        25 => full(typed(&proto, &shape, 2, |bits| U2::wrapping(bits as i64))?),
        26 => full(typed(&proto, &shape, 2, |bits| I2::wrapping(bits as i64))?),
        8 => return Err("text is no tensor here".to_owned()),
        other => return Err(format!("element type {other} is not read")),
    };
    Ok(FileTensor { value, significant_bits })
}

fn tensor<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Value, String> {
    Value::from_vec(shape, elements).map_err(|error| error.to_string())
}

fn typed<T: Element>(
    proto: &TensorProto,
    shape: &[usize],
    bits: u32,
    element: impl Fn(u64) -> T,
) -> Result<Value, String> {
    tensor(shape, patterns(proto, bits)?.into_iter().map(element).collect())
}

/// The bit patterns of all elements, each `bits` wide, from whichever field holds them.
fn patterns(proto: &TensorProto, bits: u32) -> Result<Vec<u64>, String> {
    let count: i64 = proto.dims.iter().product();
    let count = usize::try_from(count).map_err(|_| "negative size".to_owned())?;
    let mut found: Vec<u64> = if !proto.float_data.is_empty() {
        proto.float_data.iter().map(|v| u64::from(v.to_bits())).collect()
    } else if !proto.double_data.is_empty() {
        proto.double_data.iter().map(|v| v.to_bits()).collect()
    } else if !proto.int64_data.is_empty() {
        proto.int64_data.iter().map(|&v| v as u64).collect()
    } else if !proto.uint64_data.is_empty() {
        proto.uint64_data.clone()
    } else if !proto.int32_data.is_empty() {
        let words: Vec<u64> = proto.int32_data.iter().map(|&v| v as u64).collect();
        if bits < 8 { unpack(words.iter().map(|&word| word as u8), bits) } else { words }
    } else if bits < 8 {
        unpack(proto.raw_data.iter().copied(), bits)
    } else {
        let little_endian = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
        proto.raw_data.chunks(bits as usize / 8).map(little_endian).collect()
    };
    // Elements narrower than a byte fill the last byte up.
    let filled_up = if bits < 8 { found.len().saturating_sub(count) * bits as usize } else { 0 };
    if filled_up > 0 && filled_up < 8 {
        found.truncate(count);
    }
    if found.len() == count { Ok(found) } else { Err(format!("{} elements instead of {count}", found.len())) }
}

/// Elements narrower than a byte; the first stands in the lowest bits.
fn unpack(bytes: impl Iterator<Item = u8>, bits: u32) -> Vec<u64> {
    let mask = (1 << bits) - 1;
    bytes.flat_map(|byte| (0..8 / bits).map(move |i| u64::from(byte >> (i * bits) & mask))).collect()
}

/// What a float of 8 bits or fewer means by the patterns with the largest exponent.
#[derive(Clone, Copy, PartialEq)]
enum Special {
    /// Infinity and NaN, as in IEEE 754.
    Ieee,
    /// All ones is NaN, the others are numbers.
    NanOnly,
    /// They are numbers; NaN is what would be −0.
    NegativeZero,
    /// They are numbers; there is no NaN.
    None,
}

/// A float format of 8 bits or fewer.
#[derive(Clone, Copy)]
struct Minifloat {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    special: Special,
}

impl Minifloat {
    fn new(exponent: u32, mantissa: u32, bias: i32, special: Special) -> Self {
        Self { exponent, mantissa, bias, special }
    }

    fn bits(self) -> u32 {
        1 + self.exponent + self.mantissa
    }

    fn value(self, pattern: u64) -> f32 {
        let sign_bit = 1 << (self.exponent + self.mantissa);
        let mantissa = pattern & ((1 << self.mantissa) - 1);
        let exponent = (pattern & (sign_bit - 1)) >> self.mantissa;
        let is_last = exponent == (1 << self.exponent) - 1;
        let magnitude = match self.special {
            Special::Ieee if is_last && mantissa == 0 => f64::INFINITY,
            Special::Ieee if is_last => f64::NAN,
            Special::NanOnly if is_last && mantissa == (1 << self.mantissa) - 1 => f64::NAN,
            Special::NegativeZero if pattern == sign_bit => f64::NAN,
            _ => {
                let (leading, exponent) = if exponent == 0 { (0, 1) } else { (1, exponent as i32) };
                let significand = ((leading << self.mantissa) | mantissa) as f64;
                significand * 2_f64.powi(exponent - self.bias - self.mantissa as i32)
            }
        };
        (if pattern & sign_bit == 0 { magnitude } else { -magnitude }) as f32
    }
}

#[test]
fn floats_of_eight_bits_have_the_extremes_of_their_definitions() {
    let e4m3fn = Minifloat::new(4, 3, 7, Special::NanOnly);
    let e5m2 = Minifloat::new(5, 2, 15, Special::Ieee);
    let e4m3fnuz = Minifloat::new(4, 3, 8, Special::NegativeZero);
    let e2m1 = Minifloat::new(2, 1, 1, Special::None);
    assert_eq!((e4m3fn.value(0x7e), e4m3fn.value(0x01)), (448.0, 1.0 / 512.0));
    assert!(e4m3fn.value(0xff).is_nan() && e4m3fnuz.value(0x80).is_nan());
    assert_eq!((e5m2.value(0x7b), e5m2.value(0xfc)), (57344.0, f32::NEG_INFINITY));
    assert_eq!((e4m3fnuz.value(0x7f), e2m1.value(0xf)), (240.0, -6.0));
}

#[test]
fn narrow_elements_come_lowest_bits_first() {
    assert_eq!(unpack([0xe4].into_iter(), 2), [0, 1, 2, 3]);
    assert_eq!(unpack([0x21, 0x03].into_iter(), 4), [1, 2, 3, 0]);
}
