//! Where finished integer sums go: to `i32`, or to codes while they are still in registers.
//!
//! A tile has raw sums `Σ x·w` of activations as they are stored; `Σ (x − z)·w` takes an offset per output
//! channel, which is added here together with the bias.

use super::elementwise::{Addition, Limits, OpenSum, ROUNDING, ROUNDING_BITS};
use super::gemm_i8::{Place, Sink};
use super::{Dot, Floats, Simd};
use crate::kernels::affine::{AddU8, Requantize, RequantizeAdd};
use crate::kernels::reference;

/// What the weights of each output channel sum to.
#[derive(Debug, Clone, Default)]
pub(crate) struct WeightSums {
    /// `Σw`.
    pub(crate) signed: Vec<i32>,
    /// `Σ|w|`, at most `i32::MAX / 255`.
    pub(crate) absolute: Vec<i32>,
}

/// Lanes that are read beyond the last channel, at most: two vectors of any instruction set.
const LANE_SLACK: usize = 16;

/// Finished rows as `i32`.
pub(crate) struct SumSink<'a> {
    zero_point: u8,
    sums: &'a WeightSums,
    /// `−zero_point · Σw`, for activations as they are stored.
    offsets: Vec<i32>,
    out: &'a mut [i32],
}

impl<'a> SumSink<'a> {
    pub(crate) fn new(zero_point: u8, sums: &'a WeightSums, out: &'a mut [i32]) -> Self {
        Self { zero_point, sums, offsets: Vec::new(), out }
    }
}

impl Sink for SumSink<'_> {
    fn begin<D: Dot>(&mut self, dot: D) {
        let unit = dot.shift() - i32::from(self.zero_point);
        self.offsets = self.sums.signed.iter().map(|sum| sum.wrapping_mul(unit)).collect();
    }

    #[inline(always)]
    fn finish_rows<D: Dot>(&mut self, dot: D, at: Place, rows: usize, sums: [D::Sums; 8]) {
        let [a0, b0, a1, b1, a2, b2, a3, b3] = sums;
        self.finish_some(at, unpacked(dot, a0, b0));
        let later = [unpacked(dot, a1, b1), unpacked(dot, a2, b2), unpacked(dot, a3, b3)];
        for (row, sums) in (at.row + 1..at.row + rows).zip(later) {
            self.finish_some(Place { row, ..at }, sums);
        }
    }

    #[inline(always)]
    fn finish_row<D: Dot>(&mut self, dot: D, at: Place, [a, b, c, d]: [D::Sums; 4]) {
        let [near, far] = at.halves(2 * D::LANES);
        self.finish_some(near, unpacked(dot, a, b));
        self.finish_some(far, unpacked(dot, c, d));
    }
}

impl SumSink<'_> {
    fn finish_some(&mut self, at: Place, sums: [i32; LANE_SLACK]) {
        let channels = self.offsets.len();
        let out = &mut self.out[at.row * channels + at.first..][..at.count];
        for ((out, sum), offset) in out.iter_mut().zip(sums).zip(&self.offsets[at.first..]) {
            *out = sum.wrapping_add(*offset);
        }
    }
}

/// Two vectors of sums as an array, which has room for those of any instruction set.
#[inline(always)]
fn unpacked<D: Dot>(dot: D, left: D::Sums, right: D::Sums) -> [i32; LANE_SLACK] {
    let mut sums = [0; LANE_SLACK];
    // SAFETY: the array has room for two vectors of at most eight lanes.
    unsafe {
        dot.store_sums(sums.as_mut_ptr(), left);
        dot.store_sums(sums.as_mut_ptr().add(D::LANES), right);
    }
    sums
}

/// Finished rows as `u8` codes, see [`Requantize`].
///
/// ```text
/// code = bits(limit((sum + offset) as f32 · multiplier) + 1.5·2²³) + (zero_point − bits(1.5·2²³))
/// ```
///
/// `offset` is the bias less `zero_point · Σw`. Adding it wraps; that is the saturating addition of the
/// definition where `255·Σ|w| + |bias|` fits 32 bits, as it nearly always does. Where it does not, rows
/// are finished number by number.
///
/// With a sum, see [`RequantizeAdd`], the output holds the other summand at first. Each place is then to be
/// finished once.
pub(crate) struct RequantizeSink<'a> {
    zero_point: u8,
    sums: &'a WeightSums,
    requantize: &'a Requantize,
    saturates: bool,
    offsets: Vec<i32>,
    multipliers: Vec<f32>,
    limits: Limits,
    sum: Option<Sum>,
    fuses: bool,
    out: &'a mut [u8],
}

/// What is added to the codes of a tile.
#[derive(Clone, Copy)]
struct Sum {
    add: AddU8,
    is_lhs: bool,
    open: OpenSum,
}

impl Sum {
    fn of(&self, code: u8, other: u8) -> u8 {
        let (lhs, rhs) = if self.is_lhs { (code, other) } else { (other, code) };
        reference::add_u8(lhs, rhs, &self.add)
    }
}

impl<'a> RequantizeSink<'a> {
    /// Adds what `out` holds.
    pub(crate) fn adding(
        zero_point: u8,
        sums: &'a WeightSums,
        RequantizeAdd { requantize, add, is_lhs }: RequantizeAdd<'a>,
        out: &'a mut [u8],
    ) -> Self {
        let sum = Sum { add, is_lhs, open: OpenSum::new(&add) };
        Self { sum: Some(sum), ..Self::new(zero_point, sums, requantize, out) }
    }

    pub(crate) fn new(
        zero_point: u8,
        sums: &'a WeightSums,
        requantize: &'a Requantize,
        out: &'a mut [u8],
    ) -> Self {
        let channels = sums.signed.len();
        let mut multipliers = match requantize.multiplier.as_slice() {
            [all] => vec![*all; channels],
            each => each.to_vec(),
        };
        multipliers.resize(channels + LANE_SLACK, 0.0);
        let fits =
            |(&sum, &bias): (&i32, &i32)| 255 * i64::from(sum) + i64::from(bias).abs() <= i32::MAX.into();
        Self {
            zero_point,
            sums,
            requantize,
            saturates: !sums.absolute.iter().zip(&requantize.bias).all(fits),
            offsets: Vec::new(),
            multipliers,
            limits: Limits::of_u8(requantize.zero_point, requantize.min, requantize.max),
            sum: None,
            fuses: false,
            out,
        }
    }

    /// One number at a time.
    #[cold]
    #[inline(never)]
    fn finish_some(&mut self, at: Place, sums: [i32; LANE_SLACK]) {
        let channels = self.sums.signed.len();
        let out = &mut self.out[at.row * channels + at.first..][..at.count];
        for ((out, sum), channel) in out.iter_mut().zip(sums).zip(at.first..) {
            let (bias, offset) = (self.requantize.bias[channel], self.offsets[channel]);
            let sum = sum.wrapping_add(offset.wrapping_sub(bias)).saturating_add(bias);
            let code = self.limits.code(sum as f32 * self.multipliers[channel]) as u8;
            *out = self.sum.as_ref().map_or(code, |sum| sum.of(code, *out));
        }
    }

    /// Whole rows of a tile with what the output holds added to them.
    ///
    /// The convolution's code is `rounded − (1.5·2²³ − zero_point)`, exactly, and goes on as the real number
    /// that it is.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn add_rows<S: Simd, const FUSES: bool>(
        &mut self,
        simd: S,
        (open, is_lhs): (&OpenSum, bool),
        (at, rows): (Place, usize),
        sums: &[S::Sums; 8],
    ) {
        let (channels, width) = (self.sums.signed.len(), 2 * S::LANES);
        let finish = Finish::new(simd, &self.offsets, &self.multipliers, (at.first, self.limits));
        let addition = Addition::<S, FUSES>::new(simd, open);
        let origin = simd.splat_f32(ROUNDING - self.limits.zero_point as f32);
        for (row, sums) in (at.row..at.row + rows).zip(sums.as_chunks::<2>().0) {
            let out = &mut self.out[row * channels + at.first..][..width];
            let (left, right) = finish.rounded(simd, (sums[0], sums[1]));
            let (left, right) = (simd.subtract_f32(left, origin), simd.subtract_f32(right, origin));
            // SAFETY: the slice holds two vectors.
            let others = unsafe { simd.load_pair(out.as_ptr()) }.map(|codes| simd.reals(codes));
            let added = if is_lhs {
                [addition.sum(simd, left, others[0]), addition.sum(simd, right, others[1])]
            } else {
                [addition.sum(simd, others[0], left), addition.sum(simd, others[1], right)]
            };
            if addition.is_open(simd, added) {
                self.finish_some(Place { row, ..at }, unpacked(simd, sums[0], sums[1]));
                continue;
            }
            // SAFETY: the slice holds two vectors.
            unsafe { addition.store(simd, out.as_mut_ptr(), added) };
        }
    }
}

impl Sink for RequantizeSink<'_> {
    fn begin<D: Dot>(&mut self, dot: D) {
        self.fuses = dot.whole().fuses();
        let unit = dot.shift() - i32::from(self.zero_point);
        let pairs = self.sums.signed.iter().zip(&self.requantize.bias);
        self.offsets = pairs.map(|(sum, bias)| sum.wrapping_mul(unit).wrapping_add(*bias)).collect();
        self.offsets.resize(self.offsets.len() + LANE_SLACK, 0);
    }

    #[inline(always)]
    fn finish_rows<D: Dot>(&mut self, dot: D, at: Place, rows: usize, sums: [D::Sums; 8]) {
        let [a0, b0, a1, b1, a2, b2, a3, b3] = sums;
        let width = 2 * D::LANES;
        if at.count < width || self.saturates {
            self.finish_some(at, unpacked(dot, a0, b0));
            let later = [unpacked(dot, a1, b1), unpacked(dot, a2, b2), unpacked(dot, a3, b3)];
            for (row, sums) in (at.row + 1..at.row + rows).zip(later) {
                self.finish_some(Place { row, ..at }, sums);
            }
            return;
        }
        if let Some(Sum { open, is_lhs, .. }) = self.sum {
            let (simd, of, place) = (dot.whole(), (&open, is_lhs), (at, rows));
            let sums = [a0, b0, a1, b1, a2, b2, a3, b3];
            if self.fuses {
                self.add_rows::<_, true>(simd, of, place, &sums);
            } else {
                self.add_rows::<_, false>(simd, of, place, &sums);
            }
            return;
        }
        let channels = self.sums.signed.len();
        let out = &mut self.out[at.row * channels + at.first..][..(rows - 1) * channels + width];
        let finish = Finish::new(dot, &self.offsets, &self.multipliers, (at.first, self.limits));
        // SAFETY: the slice reaches to two vectors of the last row.
        unsafe {
            let to = out.as_mut_ptr();
            finish.store(dot, (a0, b0), to);
            if rows > 1 {
                finish.store(dot, (a1, b1), to.add(channels));
            }
            if rows > 2 {
                finish.store(dot, (a2, b2), to.add(2 * channels));
            }
            if rows > 3 {
                finish.store(dot, (a3, b3), to.add(3 * channels));
            }
        }
    }

    #[inline(always)]
    fn finish_row<D: Dot>(&mut self, dot: D, at: Place, [a, b, c, d]: [D::Sums; 4]) {
        let width = 2 * D::LANES;
        if at.count < 2 * width || self.saturates || self.sum.is_some() {
            let [near, far] = at.halves(width);
            self.finish_some(near, unpacked(dot, a, b));
            return self.finish_some(far, unpacked(dot, c, d));
        }
        let channels = self.sums.signed.len();
        let out = &mut self.out[at.row * channels + at.first..][..2 * width];
        let near = Finish::new(dot, &self.offsets, &self.multipliers, (at.first, self.limits));
        let far = Finish::new(dot, &self.offsets, &self.multipliers, (at.first + width, self.limits));
        // SAFETY: the slice holds four vectors.
        unsafe {
            near.store(dot, (a, b), out.as_mut_ptr());
            far.store(dot, (c, d), out.as_mut_ptr().add(width));
        }
    }
}

/// What makes codes of the sums of two vectors of channels.
struct Finish<D: Dot> {
    offsets: (D::Sums, D::Sums),
    multipliers: (D::Reals, D::Reals),
    limits: (D::Reals, D::Reals),
    /// [`ROUNDING`].
    shift: D::Reals,
    zero: D::Sums,
}

impl<D: Dot> Finish<D> {
    #[inline(always)]
    fn new(dot: D, offsets: &[i32], multipliers: &[f32], (first, limits): (usize, Limits)) -> Self {
        let offsets = offsets[first..][..2 * D::LANES].as_ptr();
        let multipliers = multipliers[first..][..2 * D::LANES].as_ptr();
        // SAFETY: both slices hold two vectors.
        let (offsets, multipliers) = unsafe {
            (
                (dot.load_sums(offsets), dot.load_sums(offsets.add(D::LANES))),
                (dot.load_reals(multipliers), dot.load_reals(multipliers.add(D::LANES))),
            )
        };
        Self {
            offsets,
            multipliers,
            limits: (dot.splat_reals(limits.lo), dot.splat_reals(limits.hi)),
            shift: dot.splat_reals(ROUNDING),
            zero: dot.splat_sums(limits.zero_point.wrapping_sub(ROUNDING_BITS)),
        }
    }

    /// Two vectors of codes as real numbers, each [`ROUNDING`] and how far the code is from the zero point.
    #[inline(always)]
    fn rounded(&self, simd: D, (left, right): (D::Sums, D::Sums)) -> (D::Reals, D::Reals)
    where
        D: Floats<F32 = D::Reals>,
    {
        let left = simd.scale(simd.add_sums(left, self.offsets.0), self.multipliers.0);
        let right = simd.scale(simd.add_sums(right, self.offsets.1), self.multipliers.1);
        let rounded = |x| simd.add_f32(simd.limit(x, self.limits), self.shift);
        (rounded(left), rounded(right))
    }

    /// # Safety
    /// Two vectors of codes are writable.
    #[inline(always)]
    unsafe fn store(&self, dot: D, (left, right): (D::Sums, D::Sums), to: *mut u8) {
        let left = dot.scale(dot.add_sums(left, self.offsets.0), self.multipliers.0);
        let right = dot.scale(dot.add_sums(right, self.offsets.1), self.multipliers.1);
        let left = dot.add_sums(dot.limited_bits(left, self.limits, self.shift), self.zero);
        let right = dot.add_sums(dot.limited_bits(right, self.limits, self.shift), self.zero);
        // SAFETY: the caller says so.
        unsafe { dot.store_codes(to, left, right) }
    }
}
