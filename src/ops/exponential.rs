//! `exp` of float32 without branches, tables or conversions, so that compilers make vectors of it:
//! Sigmoid and Softmax ask for it at every element of a layer. Only sums, products and bits, so it is
//! the same number on every machine.
//!
//! With `x = n·ln 2 + r`, `n` whole and `|r| ≤ ½ ln 2`, `exp(x) = 2ⁿ · exp(r)`. The powers of `r` up to
//! the seventh leave less than 6 · 10⁻⁹ of `exp(r)` out. `n · ln 2` is subtracted in two parts, of which
//! the first has nine bits, so that its product is exact.

use std::f32::consts::LOG2_E;

/// The first nine bits of `ln 2`.
const LN_2_HIGH: f32 = 355.0 / 512.0;

/// What `ln 2` is beyond them.
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32;

/// Added to a number, it leaves no bits for fractions: the number is rounded to the nearest whole one.
const WHOLE: f32 = 12_582_912.0; // 1.5 · 2²³

/// Beyond these the result is 0 or infinite.
const LEAST: f32 = -104.0;
const GREATEST: f32 = 89.0;

/// `exp(x)`, off by less than one unit in the last place; NaN for NaN.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x < LEAST { LEAST } else { x };
    let x = if x > GREATEST { GREATEST } else { x };
    let shifted = x * LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let series = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0))));
    let y = 1.0 + (r + r * r * (0.5 + r * series));
    // Two factors: 2ⁿ itself is beyond float32 where the result is close to its ends.
    let n = shifted.to_bits().wrapping_sub(WHOLE.to_bits()) as i32;
    let half = n >> 1;
    y * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `2ⁿ` for `n` from −126 to 127.
#[inline]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_within_one_unit_of_the_exact_number() {
        let mut worst = 0.0_f64;
        for bits in (0..=u32::MAX).step_by(4001) {
            let x = f32::from_bits(bits);
            let (exact, found) = (libm::exp(f64::from(x)), exp(x));
            if x.is_nan() {
                assert!(found.is_nan());
            } else if exact > f64::from(f32::MAX) {
                // From half a unit above the greatest number on, rounding gives infinity.
                assert!(found >= f32::MAX, "exp({x:e}) = {found:e}");
            } else {
                let unit = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - f64::from(exact as f32);
                worst = worst.max((f64::from(found) - exact).abs() / unit.min(f64::from(f32::MAX)));
            }
        }
        println!("off by at most {worst:.3} units in the last place");
        assert!(worst < 1.0, "{worst}");
    }

    #[test]
    fn its_ends_are_those_of_the_function() {
        assert_eq!([0.0, -0.0, f32::NEG_INFINITY, -104.0].map(exp), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!([f32::INFINITY, 1e30, 88.8].map(exp), [f32::INFINITY; 3]);
        assert!(exp(88.72) < f32::INFINITY && exp(-103.0) > 0.0);
    }
}
