//! Pooling. Of `u8` codes, NHWC: all channels of a position are one run, so the taps of a window are as many
//! runs, which meet sixteen channels at a time. Of `f32`, NCHW: rows meet before columns.

use super::elementwise::Limits;
use super::{Simd, Task};
use crate::kernels::affine::{AveragePoolU8, PoolDivisor};
use crate::kernels::layout::{Pool2dGeometry, Window2d};
use crate::kernels::reference::larger;

/// Calls `visit` with the codes of every tap of one output that is not in the padding.
#[inline(always)]
fn for_each_tap<'a>(
    geometry: &Pool2dGeometry,
    input: &'a [u8],
    (image, at): (usize, [usize; 2]),
    mut visit: impl FnMut(&'a [u8]),
) {
    let (window, channels) = (geometry.window(), geometry.channels());
    let cols = sources(window, 1, at[1]);
    for row in sources(window, 0, at[0]) {
        for col in cols.clone() {
            let pixel = image * window.input_pixels() + row * window.input[1] + col;
            visit(&input[pixel * channels..][..channels]);
        }
    }
}

/// The coordinates along `axis` that output `at` sees.
#[inline(always)]
fn sources(window: &Window2d, axis: usize, at: usize) -> impl Iterator<Item = usize> + Clone {
    let (first, step, pad) = (at * window.stride[axis], window.dilation[axis], window.pad_begin[axis]);
    window.taps_inside(axis, at).map(move |tap| first + tap * step - pad)
}

/// How many positions of the window at output `at` an average divides by.
fn divisor(window: &Window2d, at: [usize; 2], divisor: PoolDivisor) -> usize {
    let count = |axis: usize| match divisor {
        PoolDivisor::Valid => window.taps_inside(axis, at[axis]).len(),
        PoolDivisor::Padded { pad_end } => {
            let end = (window.pad_begin[axis] + window.input[axis]).saturating_add(pad_end[axis]);
            window.taps_before(axis, at[axis], end)
        }
    };
    count(0).saturating_mul(count(1))
}

/// The image and position of an output pixel.
#[inline(always)]
fn place(geometry: &Pool2dGeometry, pixel: usize) -> (usize, [usize; 2]) {
    let [out_h, out_w] = geometry.window().output;
    (pixel / (out_h * out_w), [pixel / out_w % out_h, pixel % out_w])
}

/// See [`crate::kernels::max_pool_u8`].
pub(crate) struct MaxPoolTask<'a> {
    pub(crate) geometry: &'a Pool2dGeometry,
    pub(crate) input: &'a [u8],
    /// The position at which `out` begins.
    pub(crate) first: usize,
    pub(crate) out: &'a mut [u8],
}

impl Task for MaxPoolTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = false;
    /// The taps of a position are found once; each sixteen channels of them meet in one register.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.geometry.channels();
        let mut taps = Vec::with_capacity(self.geometry.window().most_taps_inside());
        for (pixel, out) in self.out.chunks_exact_mut(channels).enumerate() {
            taps.clear();
            let place = place(self.geometry, self.first + pixel);
            for_each_tap(self.geometry, self.input, place, |codes| taps.push(codes));
            largest(simd, &taps, out);
        }
    }
}

/// The largest of each channel over `taps`, each of which has all channels.
#[inline(always)]
fn largest<S: Simd>(simd: S, taps: &[&[u8]], out: &mut [u8]) {
    let Some((first, others)) = taps.split_first() else { return out.fill(0) };
    assert!(taps.iter().all(|tap| tap.len() == out.len()));
    let whole = out.len() / 16 * 16;
    let mut at = 0;
    while at < whole {
        // SAFETY: by the assertion sixteen codes from `at` on are within each tap and within `out`.
        unsafe {
            let mut best = simd.load_bytes(first.as_ptr().add(at));
            for tap in others {
                best = simd.max_bytes(best, simd.load_bytes(tap.as_ptr().add(at)));
            }
            simd.store_bytes(out.as_mut_ptr().add(at), best);
        }
        at += 16;
    }
    for (at, out) in out.iter_mut().enumerate().skip(whole) {
        *out = taps.iter().map(|tap| tap[at]).max().unwrap_or(0);
    }
}

/// See [`crate::kernels::max_pool_f32`].
pub(crate) struct MaxPoolF32Task<'a> {
    pub(crate) geometry: &'a Pool2dGeometry,
    pub(crate) input: &'a [f32],
    pub(crate) out: &'a mut [f32],
}

impl Task for MaxPoolF32Task<'_> {
    type Output = ();
    const SUMS_REALS: bool = false;
    /// First the rows under a row of windows meet in one row, then the columns of that.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let window = self.geometry.window();
        let [rows, cols] = window.output;
        let width = window.input[1];
        let mut joined = JoinedRow::new(window, S::F32_LANES);
        for (index, plane) in self.input.chunks_exact(window.input_pixels()).enumerate() {
            for row in 0..rows {
                let lines = sources(window, 0, row).map(|line| &plane[line * width..][..width]);
                join_rows(simd, lines, joined.inside(width));
                join_cols(simd, window, &joined, &mut self.out[(index * rows + row) * cols..][..cols]);
            }
        }
    }
}

/// A row of the input with −∞ on both sides, as far as vectors of windows reach, or alone where that is far
/// beyond what it holds.
struct JoinedRow {
    data: Vec<f32>,
    first: usize,
    /// How many outputs may be computed as vectors.
    padded: usize,
}

impl JoinedRow {
    fn new(window: &Window2d, lanes: usize) -> Self {
        let [cols, width, first] = [window.output[1], window.input[1], window.pad_begin[1]];
        let windows = cols.checked_mul(window.stride[1]);
        let taps = window.kernel[1].checked_mul(window.dilation[1]);
        let reach = windows.zip(taps).and_then(|(windows, taps)| windows.checked_add(taps));
        let ends = |reach: usize| reach.max(first + width).saturating_add(2 * lanes);
        match reach
            .map(ends)
            .filter(|&len| window.stride[1] <= 2 && len <= LONGEST_ROW.max(4 * (cols + width)))
        {
            Some(len) => Self { data: vec![f32::NEG_INFINITY; len], first, padded: cols / lanes * lanes },
            None => Self { data: vec![f32::NEG_INFINITY; width], first: 0, padded: 0 },
        }
    }

    fn inside(&mut self, width: usize) -> &mut [f32] {
        &mut self.data[self.first..][..width]
    }
}

/// Elements that a row may have with its padding, whatever is in it.
const LONGEST_ROW: usize = 1 << 16;

/// The largest of each column over `lines`.
#[inline(always)]
fn join_rows<'a, S: Simd>(simd: S, mut lines: impl Iterator<Item = &'a [f32]>, joined: &mut [f32]) {
    let Some(line) = lines.next() else { return joined.fill(f32::NEG_INFINITY) };
    joined.copy_from_slice(line);
    for line in lines {
        let vectors = joined.len() / S::F32_LANES * S::F32_LANES;
        assert!(line.len() == joined.len());
        let (to, from) = (joined.as_mut_ptr(), line.as_ptr());
        let mut at = 0;
        while at < vectors {
            // SAFETY: `at` counts whole vectors of both, which are of one length.
            unsafe {
                let larger = simd.maximum(simd.load_f32(to.add(at)), simd.load_f32(from.add(at)));
                simd.store_f32(to.add(at), larger);
            };
            at += S::F32_LANES;
        }
        for (to, &from) in joined[vectors..].iter_mut().zip(&line[vectors..]) {
            *to = larger(*to, from);
        }
    }
}

/// The largest under each window of a row.
#[inline(always)]
fn join_cols<S: Simd>(simd: S, window: &Window2d, joined: &JoinedRow, out: &mut [f32]) {
    match window.stride[1] {
        1 => join_vectors::<S, 1>(simd, window, joined, out),
        _ => join_vectors::<S, 2>(simd, window, joined, out),
    }
    for (col, out) in out.iter_mut().enumerate().skip(joined.padded) {
        let under = sources(window, 1, col).map(|at| joined.data[joined.first + at]);
        *out = under.reduce(larger).unwrap_or(f32::NEG_INFINITY);
    }
}

/// As [`join_cols`], for the outputs that are computed as vectors; a stride other than 1 or 2 has none.
#[inline(always)]
fn join_vectors<S: Simd, const STRIDE: usize>(
    simd: S,
    window: &Window2d,
    joined: &JoinedRow,
    out: &mut [f32],
) {
    let (lanes, step) = (S::F32_LANES, window.dilation[1]);
    let mut done = 0;
    while done < joined.padded {
        let from = &joined.data[done * STRIDE..][..(window.kernel[1] - 1) * step + 2 * lanes];
        let load = |tap: usize| {
            // SAFETY: the slice holds two vectors from the last tap on.
            unsafe {
                let from = from.as_ptr().add(tap * step);
                if STRIDE == 1 { simd.load_f32(from) } else { simd.load_even(from) }
            }
        };
        let mut best = load(0);
        for tap in 1..window.kernel[1] {
            best = simd.maximum(best, load(tap));
        }
        let out = &mut out[done..][..lanes];
        // SAFETY: a vector of outputs is left.
        unsafe { simd.store_f32(out.as_mut_ptr(), best) };
        done += lanes;
    }
}

/// See [`crate::kernels::average_pool_u8`].
pub(crate) struct AveragePoolTask<'a> {
    pub(crate) geometry: &'a Pool2dGeometry,
    pub(crate) input: &'a [u8],
    pub(crate) average: &'a AveragePoolU8,
    pub(crate) out: &'a mut [u8],
}

impl Task for AveragePoolTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let AveragePoolU8 { zero_point, min, max, .. } = *self.average;
        let limits = Limits::of_u8(zero_point, min, max);
        let input_zero_point = i32::from(self.average.input_zero_point);
        let mut sums = vec![0_i32; self.geometry.channels()];
        for (pixel, out) in self.out.chunks_exact_mut(self.geometry.channels()).enumerate() {
            let place = place(self.geometry, pixel);
            sums.fill(0);
            for_each_tap(self.geometry, self.input, place, |codes| {
                add_codes(simd, codes, input_zero_point, &mut sums);
            });
            let count = divisor(self.geometry.window(), place.1, self.average.divisor).max(1);
            let multiplier = self.average.multiplier / count as f32;
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = limits.code(sum as f32 * multiplier) as u8;
            }
        }
    }
}

/// `sums += codes − zero_point`.
#[inline(always)]
fn add_codes<S: Simd>(simd: S, codes: &[u8], zero_point: i32, sums: &mut [i32]) {
    let (lanes, minus) = (S::LANES, simd.splat_sums(-zero_point));
    let len = sums.len().min(codes.len());
    let mut at = 0;
    while at + 4 * lanes <= len {
        // SAFETY: four vectors are left in both.
        unsafe {
            let [a, b, c, d] = simd.load_codes(codes.as_ptr().add(at));
            let to = sums.as_mut_ptr().add(at);
            let add = |to: *mut i32, code: S::Sums| {
                simd.store_sums(to, simd.add_sums(simd.load_sums(to), simd.add_sums(code, minus)));
            };
            add(to, a);
            add(to.add(lanes), b);
            add(to.add(2 * lanes), c);
            add(to.add(3 * lanes), d);
        }
        at += 4 * lanes;
    }
    for (sum, &code) in sums[at..].iter_mut().zip(&codes[at..]) {
        *sum += i32::from(code) - zero_point;
    }
}
