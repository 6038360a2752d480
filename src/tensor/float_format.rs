//! The float formats that only files have: narrower than float32, and widened to it when read.

/// A float format of 16 bits or fewer.
///
/// Every number of every one of them is a float32, so a tensor of such a format is a tensor of
/// [`DType::F32`](super::DType) here whose elements happen to need few bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are ONNX's")]
pub enum FloatFormat {
    Float16,
    BFloat16,
    Float8E4M3Fn,
    Float8E4M3FnUz,
    Float8E5M2,
    Float8E5M2FnUz,
    Float8E8M0,
    Float4E2M1,
}

/// What the patterns with the greatest exponent mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// Infinity and NaN, as in IEEE 754.
    Ieee,
    /// All ones are NaN, the others numbers ("fn").
    AllOnesIsNan,
    /// Numbers; NaN is what would be −0 ("fnuz").
    NegativeZeroIsNan,
    /// Numbers; there is no NaN.
    None,
}

/// Sign, exponent and mantissa of a format.
#[derive(Debug, Clone, Copy)]
struct Layout {
    exponent_bits: u32,
    mantissa_bits: u32,
    bias: i32,
    special: Special,
}

/// What becomes of numbers that a format does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatRounding {
    /// Numbers beyond the largest become it; else they become infinite, or NaN where the format has
    /// no infinity. Means something for formats of 8 bits only.
    pub saturate: bool,
    /// Which power of two [`FloatFormat::Float8E8M0`] takes.
    pub power: PowerRounding,
}

/// Which neighbouring power of two is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerRounding {
    /// The greater one.
    Up,
    /// The smaller one.
    Down,
    /// The nearer one; half-way the greater.
    Nearest,
}

impl FloatFormat {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Float16,
        Self::BFloat16,
        Self::Float8E4M3Fn,
        Self::Float8E4M3FnUz,
        Self::Float8E5M2,
        Self::Float8E5M2FnUz,
        Self::Float8E8M0,
        Self::Float4E2M1,
    ];

    /// The name that ONNX has for it, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
            Self::Float8E4M3Fn => "float8e4m3fn",
            Self::Float8E4M3FnUz => "float8e4m3fnuz",
            Self::Float8E5M2 => "float8e5m2",
            Self::Float8E5M2FnUz => "float8e5m2fnuz",
            Self::Float8E8M0 => "float8e8m0",
            Self::Float4E2M1 => "float4e2m1",
        }
    }

    /// Bits that one number takes in a file.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Float16 | Self::BFloat16 => 16,
            Self::Float4E2M1 => 4,
            _ => 8,
        }
    }

    const fn layout(self) -> Layout {
        let (exponent_bits, mantissa_bits, bias, special) = match self {
            Self::Float16 => (5, 10, 15, Special::Ieee),
            Self::BFloat16 => (8, 7, 127, Special::Ieee),
            Self::Float8E4M3Fn => (4, 3, 7, Special::AllOnesIsNan),
            Self::Float8E4M3FnUz => (4, 3, 8, Special::NegativeZeroIsNan),
            Self::Float8E5M2 => (5, 2, 15, Special::Ieee),
            Self::Float8E5M2FnUz => (5, 2, 16, Special::NegativeZeroIsNan),
            Self::Float8E8M0 => (8, 0, 127, Special::AllOnesIsNan),
            Self::Float4E2M1 => (2, 1, 1, Special::None),
        };
        Layout { exponent_bits, mantissa_bits, bias, special }
    }

    /// The number that a pattern stands for; bits above the format's are ignored.
    pub fn decode(self, pattern: u16) -> f32 {
        match self {
            Self::Float16 => half::f16::from_bits(pattern).to_f32(),
            Self::BFloat16 => half::bf16::from_bits(pattern).to_f32(),
            Self::Float8E8M0 if pattern & 0xff == 0xff => f32::NAN,
            Self::Float8E8M0 => power_of_two(i32::from(pattern & 0xff) - 127) as f32,
            _ => self.layout().decode(u32::from(pattern)),
        }
    }

    /// The number of the format that `x` is rounded to: the nearest one, half-way the even one. The
    /// one format without NaN takes −0 for it, as the conformance cases do.
    pub fn round(self, x: f64, rounding: FloatRounding) -> f32 {
        match self {
            Self::Float16 => half::f16::from_f64(x).to_f32(),
            Self::BFloat16 => half::bf16::from_f64(x).to_f32(),
            Self::Float8E8M0 => round_to_power(x, rounding),
            Self::Float4E2M1 if x.is_nan() => -0.0,
            Self::Float4E2M1 => self.layout().round(x, true) as f32,
            _ => self.layout().round(x, rounding.saturate) as f32,
        }
    }
}

impl Default for FloatRounding {
    /// What ONNX does where a file says nothing.
    fn default() -> Self {
        Self { saturate: true, power: PowerRounding::Up }
    }
}

/// `2^exponent`, for exponents of normal numbers of f64.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

impl Layout {
    fn decode(self, pattern: u32) -> f32 {
        let sign = 1 << (self.exponent_bits + self.mantissa_bits);
        let mantissa = pattern & ((1 << self.mantissa_bits) - 1);
        let exponent = (pattern & (sign - 1)) >> self.mantissa_bits;
        let is_last = exponent == (1 << self.exponent_bits) - 1;
        let magnitude = match self.special {
            Special::Ieee if is_last && mantissa == 0 => f64::INFINITY,
            Special::Ieee if is_last => f64::NAN,
            Special::AllOnesIsNan if is_last && mantissa == (1 << self.mantissa_bits) - 1 => f64::NAN,
            Special::NegativeZeroIsNan if pattern & (2 * sign - 1) == sign => f64::NAN,
            _ => {
                // The least exponent has no leading one.
                let (leading, exponent) = if exponent == 0 { (0, 1) } else { (1, exponent as i32) };
                let significand = (leading << self.mantissa_bits) | mantissa;
                f64::from(significand) * power_of_two(exponent - self.bias - self.mantissa_bits as i32)
            }
        };
        (if pattern & sign == 0 { magnitude } else { -magnitude }) as f32
    }

    /// The largest number.
    fn largest(self) -> f64 {
        let top = (1 << self.exponent_bits) - 1;
        let (exponent, unused) = match self.special {
            Special::Ieee => (top - 1, 0),
            Special::AllOnesIsNan => (top, 1),
            Special::NegativeZeroIsNan | Special::None => (top, 0),
        };
        let significand = (2 << self.mantissa_bits) - 1 - unused;
        f64::from(significand) * power_of_two(exponent - self.bias - self.mantissa_bits as i32)
    }

    fn round(self, x: f64, saturate: bool) -> f64 {
        let no_negative_zero = self.special == Special::NegativeZeroIsNan;
        if x.is_nan() {
            return x;
        }
        let largest = self.largest();
        let mut magnitude = x.abs();
        if magnitude.is_finite() {
            // The exponent of f64 is the format's, or too small for it.
            let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(1 - self.bias);
            let step = power_of_two(exponent - self.mantissa_bits as i32);
            magnitude = (magnitude / step).round_ties_even() * step;
        }
        if magnitude > largest {
            magnitude = match (saturate, self.special) {
                (true, _) => largest,
                (false, Special::Ieee) => f64::INFINITY,
                (false, _) => f64::NAN,
            };
        }
        if magnitude == 0.0 && no_negative_zero { 0.0 } else { magnitude.copysign(x) }
    }
}

/// To a power of two, 2⁻¹²⁷ to 2¹²⁷; NaN for what is negative.
fn round_to_power(x: f64, rounding: FloatRounding) -> f32 {
    let (least, largest) = (power_of_two(-127), power_of_two(127));
    if x.is_nan() || x < 0.0 {
        return f32::NAN;
    }
    let power = if x.is_finite() && x >= least {
        let below = power_of_two((x.to_bits() >> 52) as i32 - 1023);
        let goes_up = match rounding.power {
            PowerRounding::Up => x > below,
            PowerRounding::Down => false,
            PowerRounding::Nearest => x >= 1.5 * below,
        };
        if goes_up { 2.0 * below } else { below }
    } else {
        x
    };
    match (power < least || power > largest, rounding.saturate) {
        (false, _) => power as f32,
        (true, true) => power.clamp(least, largest) as f32,
        (true, false) => f32::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: [FloatFormat; 5] = [
        FloatFormat::Float8E4M3Fn,
        FloatFormat::Float8E4M3FnUz,
        FloatFormat::Float8E5M2,
        FloatFormat::Float8E5M2FnUz,
        FloatFormat::Float4E2M1,
    ];
    const WRAPPING: FloatRounding = FloatRounding { saturate: false, power: PowerRounding::Nearest };

    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn numbers_of_a_format_are_rounded_to_themselves() {
        for format in FloatFormat::ALL {
            for pattern in 0..1_u32 << format.bits() {
                let number = format.decode(pattern as u16);
                let rounded = format.round(f64::from(number), WRAPPING);
                assert!(same(number, rounded), "{}: {number} became {rounded}", format.name());
            }
        }
    }

    #[test]
    fn what_lies_between_two_numbers_is_rounded_to_the_nearer_one_and_half_way_to_the_even_one() {
        for format in SMALL {
            let mut positive: Vec<(f32, u16)> = (0..1_u16 << (format.bits() - 1))
                .map(|pattern| (format.decode(pattern), pattern))
                .filter(|(number, _)| number.is_finite())
                .collect();
            positive.sort_by(|a, b| a.0.total_cmp(&b.0));
            for pair in positive.windows(2) {
                let ((low, even), (high, _)) = (pair[0], pair[1]);
                let middle = f64::midpoint(f64::from(low), f64::from(high));
                let expected = if even % 2 == 0 { low } else { high };
                let round = |x: f64| format.round(x, WRAPPING);
                assert_eq!(round(middle), expected, "{} {low} {high}", format.name());
                assert_eq!((round(middle.next_down()), round(middle.next_up())), (low, high));
                assert_eq!(round(-middle.next_up()), -high);
            }
        }
    }

    #[test]
    fn the_extremes_are_those_of_the_definitions() {
        let round = |format: FloatFormat, x: f64| format.round(x, FloatRounding::default());
        let wrap = |format: FloatFormat, x: f64| format.round(x, WRAPPING);
        let largest = SMALL.map(|format| round(format, f64::INFINITY));
        assert_eq!(largest, [448.0, 240.0, 57344.0, 57344.0, 6.0]);
        assert_eq!(SMALL.map(|format| round(format, -1e30)), largest.map(|v| -v));
        assert_eq!(wrap(FloatFormat::Float8E5M2, -1e6), f32::NEG_INFINITY);
        assert!(
            wrap(FloatFormat::Float8E4M3Fn, 1e6).is_nan() && wrap(FloatFormat::Float8E5M2FnUz, 1e6).is_nan()
        );
        assert_eq!(wrap(FloatFormat::Float16, 65520.0), f32::INFINITY);
        assert!(same(round(FloatFormat::Float4E2M1, f64::NAN), -0.0));
        assert!(same(round(FloatFormat::Float8E4M3FnUz, -0.0), 0.0));
        assert!(same(round(FloatFormat::Float8E4M3Fn, -0.0), -0.0));
    }

    #[test]
    fn powers_of_two_are_taken_as_asked() {
        let take = |power, x| FloatFormat::Float8E8M0.round(x, FloatRounding { saturate: true, power });
        assert_eq!([2.9, 3.0, 2.0].map(|x| take(PowerRounding::Nearest, x)), [2.0, 4.0, 2.0]);
        assert_eq!([2.1, 2.0].map(|x| take(PowerRounding::Up, x)), [4.0, 2.0]);
        assert_eq!([3.9, 2.0].map(|x| take(PowerRounding::Down, x)), [2.0, 2.0]);
        assert_eq!(take(PowerRounding::Up, 0.0), 2.0_f32.powi(-127));
        assert_eq!(take(PowerRounding::Up, f64::INFINITY), 2.0_f32.powi(127));
        assert!(FloatFormat::Float8E8M0.round(0.0, WRAPPING).is_nan());
    }
}
