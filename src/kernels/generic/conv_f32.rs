//! Convolution in `f32`, NCHW, as a matrix product per image and group:
//!
//! ```text
//! out [O/g × OH·OW] = weights [O/g × C/g·KH·KW] · columns [C/g·KH·KW × OH·OW]
//! ```
//!
//! The matrix of columns is never built: the product asks for one block of it at a time
//! ([`RhsSource`]), and [`Columns`] lays that block out from the image. One row of the block is one
//! tap of one channel over consecutive output pixels, so with stride 1 it is a copy of image rows
//! with zeros at the ends. A 1×1 convolution takes its blocks straight from the image.

use super::gemm_f32::{
    BLOCK_COLS, BLOCK_DEPTH, BlockOf, Finish, Lhs, Part, RhsSource, StridedRhs, multiply, pack_lhs,
};
use super::runs::{copy, copy_strided};
use super::{Simd, Task};
use crate::kernels::layout::{Conv2dGeometry, MatLayout, Window2d};
use crate::kernels::threads::Shared;
use core::ops::Range;

/// Elements of one tile of columns going back to the planes.
const TILE_ELEMENTS: usize = 64 * 1024;

/// The columns of one image and group.
struct Columns<'a> {
    /// Planes of the group.
    planes: &'a [f32],
    window: &'a Window2d,
}

impl RhsSource for Columns<'_> {
    /// Which positions of a plane a tap meets is the same for every plane, and found once.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn fill<S: Simd>(&self, simd: S, BlockOf { depth, cols }: BlockOf, block: &mut [f32], stride: usize) {
        let (window, taps) = (self.window, self.window.taps());
        let mut runs: Vec<TapRun> = Vec::new();
        for first in depth.start..depth.end.min(depth.start + taps) {
            let (_, tap) = plane_and_tap(window, first);
            runs.clear();
            for_each_run(window, tap, cols.clone(), |run| runs.push(run));
            let is_padded = runs.iter().map(|run| run.run.len()).sum::<usize>() < cols.len();
            for k in (first..depth.end).step_by(taps) {
                let plane = &self.planes[k / taps * window.input_pixels()..];
                let row = &mut block[(k - depth.start) * stride..][..cols.len()];
                if is_padded {
                    zero(simd, row);
                }
                for TapRun { run, source } in &runs {
                    copy_strided(simd, &plane[*source..], &mut row[run.clone()], window.stride[1]);
                }
            }
        }
    }
}

/// `to = 0`, in vectors.
#[inline(always)]
fn zero<S: Simd>(simd: S, to: &mut [f32]) {
    const ZEROS: [f32; BLOCK_COLS] = [0.0; BLOCK_COLS];
    for to in to.chunks_mut(BLOCK_COLS) {
        copy(simd, &ZEROS[..to.len()], to);
    }
}

/// The columns with rows and columns exchanged: pixels are the depth.
struct TransposedColumns<'a>(Columns<'a>);

impl RhsSource for TransposedColumns<'_> {
    #[inline(always)]
    fn fill<S: Simd>(&self, simd: S, BlockOf { depth, cols }: BlockOf, block: &mut [f32], stride: usize) {
        let mut pixels = [0.0; BLOCK_DEPTH];
        let pixels = &mut pixels[..depth.len()];
        for (col, k) in cols.enumerate() {
            let of = BlockOf { depth: k..k + 1, cols: depth.clone() };
            self.0.fill(simd, of, pixels, depth.len().max(1));
            for (to, from) in block[col..].iter_mut().step_by(stride).zip(pixels.iter()) {
                *to = *from;
            }
        }
    }
}

/// Output pixels `run` of a block see one tap at plane positions from `source`, a stride apart.
struct TapRun {
    run: Range<usize>,
    source: usize,
}

/// The parts of output pixels `cols` whose tap lies inside the plane, one image row at a time.
#[inline(always)]
fn for_each_run(window: &Window2d, tap: [usize; 2], cols: Range<usize>, mut visit: impl FnMut(TapRun)) {
    let out_w = window.output[1];
    let valid = window.valid_outputs(1, tap[1]);
    let mut pixel = cols.start;
    while pixel < cols.end {
        let (out_row, first) = (pixel / out_w, pixel % out_w);
        let end = out_w.min(first + cols.end - pixel);
        let (from, to) = (valid.start.max(first), valid.end.min(end));
        if let Some(source_row) = window.source(0, out_row, tap[0])
            && from < to
        {
            let offset = from * window.stride[1] + tap[1] * window.dilation[1] - window.pad_begin[1];
            let start = pixel - cols.start;
            visit(TapRun {
                run: start + from - first..start + to - first,
                source: source_row * window.input[1] + offset,
            });
        }
        pixel += end - first;
    }
}

/// Row `k` of the columns as a plane and the tap in it.
#[inline(always)]
fn plane_and_tap(window: &Window2d, k: usize) -> (usize, [usize; 2]) {
    let tap = k % window.taps();
    (k / window.taps(), [tap / window.kernel[1], tap % window.kernel[1]])
}

/// Lays out the weights of every group as panels; depthwise weights stay as they are.
pub(crate) struct PackPanels<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) weights: &'a [f32],
}

impl Task for PackPanels<'_> {
    type Output = Vec<f32>;
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Vec<f32> {
        if self.geometry.is_depthwise() {
            return self.weights.to_vec();
        }
        let layout = weight_matrix(self.geometry);
        let groups = self.weights.chunks_exact(layout.required_len());
        groups.flat_map(|group| pack_lhs(group, layout)).collect()
    }
}

/// The weights of one group: `O/g × C/g·KH·KW`.
#[inline(always)]
fn weight_matrix(geometry: &Conv2dGeometry) -> MatLayout {
    MatLayout::contiguous(geometry.out_channels_per_group(), geometry.depth())
}

/// A part of a convolution, for [`crate::kernels::arch::run`].
pub(crate) struct ConvTask<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: &'a [f32],
    /// Panels of each group, one group after the other.
    pub(crate) panels: &'a [f32],
    pub(crate) finish: Finish<'a>,
    /// Of the product of every image and group.
    pub(crate) part: Part,
    /// Rows are of one channel.
    pub(crate) out: Shared<'a, f32>,
}

impl Task for ConvTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = true;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let geometry = self.geometry;
        let window = geometry.window();
        let (rows, depth) = (geometry.out_channels_per_group(), geometry.depth());
        let group_in = geometry.in_channels_per_group() * window.input_pixels();
        let group_out = rows * window.output_pixels();
        for index in 0..geometry.batch() * geometry.groups() {
            let group = index % geometry.groups();
            let planes = &self.input[index * group_in..][..group_in];
            let out = self.out.slice(index * group_out..(index + 1) * group_out);
            let panels = &self.panels[group * rows * depth..][..rows * depth];
            let lhs = Lhs { panels, rows, depth };
            let row_bias = self.finish.row_bias.map(|bias| &bias[group * rows..][..rows]);
            let added = self.finish.added.map(|added| added.from(index * group_out));
            let finish = Finish { row_bias, added, ..self.finish };
            multiply_columns(simd, window, (lhs, planes), finish, (out, self.part.clone()));
        }
    }
}

#[inline(always)]
fn multiply_columns<S: Simd>(
    simd: S,
    window: &Window2d,
    (lhs, planes): (Lhs<'_>, &[f32]),
    finish: Finish<'_>,
    to: (Shared<'_, f32>, Part),
) {
    if window.is_pointwise() {
        let layout = MatLayout::contiguous(lhs.depth, window.output_pixels());
        multiply(simd, lhs, &StridedRhs { data: planes, layout }, finish, to);
    } else {
        multiply(simd, lhs, &Columns { planes, window }, finish, to);
    }
}

/// Gradient with respect to the input: columns are computed a tile at a time and added to the planes.
pub(crate) struct BackwardInputTask<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) grad_out: &'a [f32],
    pub(crate) weights: &'a [f32],
    pub(crate) grad_in: &'a mut [f32],
}

impl Task for BackwardInputTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = true;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let geometry = self.geometry;
        let window = geometry.window();
        let (depth, pixels) = (geometry.out_channels_per_group(), window.output_pixels());
        let rows = geometry.depth();
        let layout = weight_matrix(geometry);
        let tile_cols = (TILE_ELEMENTS / rows).clamp(16, BLOCK_COLS);
        let mut tile = vec![0.0; rows * tile_cols.min(pixels)];
        let group_in = geometry.in_channels_per_group() * window.input_pixels();
        for group in 0..geometry.groups() {
            let weights = &self.weights[group * layout.required_len()..][..layout.required_len()];
            let panels = pack_lhs(weights, layout.transposed());
            let lhs = Lhs { panels: &panels, rows, depth };
            for image in 0..geometry.batch() {
                let index = image * geometry.groups() + group;
                let grad_out = &self.grad_out[index * depth * pixels..][..depth * pixels];
                let planes = &mut self.grad_in[index * group_in..][..group_in];
                for first in (0..pixels).step_by(tile_cols) {
                    let cols = first..pixels.min(first + tile_cols);
                    let source = Shifted { data: grad_out, row_stride: pixels, first };
                    let tile = &mut tile[..rows * cols.len()];
                    let part = Part { rows: 0..rows, cols: 0..cols.len() };
                    let out = Shared::new(tile, cols.len());
                    multiply(simd, lhs, &source, Finish::default(), (out, part));
                    add_columns(window, tile, cols, planes);
                }
            }
        }
    }
}

/// Columns from `first` on of a matrix.
struct Shifted<'a> {
    data: &'a [f32],
    row_stride: usize,
    first: usize,
}

impl RhsSource for Shifted<'_> {
    #[inline(always)]
    fn fill<S: Simd>(&self, simd: S, BlockOf { depth, cols }: BlockOf, block: &mut [f32], stride: usize) {
        for (k, row) in depth.zip(block.chunks_mut(stride)) {
            let from = &self.data[k * self.row_stride + self.first + cols.start..];
            copy(simd, &from[..cols.len()], &mut row[..cols.len()]);
        }
    }
}

/// Adds a tile of columns to the planes that they were taken from: the reverse of [`Columns`].
#[inline(always)]
fn add_columns(window: &Window2d, tile: &[f32], cols: Range<usize>, planes: &mut [f32]) {
    for (k, row) in tile.chunks_exact(cols.len()).enumerate() {
        let (plane, tap) = plane_and_tap(window, k);
        let plane = &mut planes[plane * window.input_pixels()..][..window.input_pixels()];
        for_each_run(window, tap, cols.clone(), |TapRun { run, source }| {
            let to = plane[source..].iter_mut().step_by(window.stride[1]);
            for (to, from) in to.zip(&row[run]) {
                *to += from;
            }
        });
    }
}

/// Gradient with respect to the weights: the product of `grad_out` and the transposed columns.
pub(crate) struct BackwardWeightsTask<'a> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: &'a [f32],
    pub(crate) grad_out: &'a [f32],
    pub(crate) grad_weights: &'a mut [f32],
}

impl Task for BackwardWeightsTask<'_> {
    type Output = ();
    const SUMS_REALS: bool = true;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let geometry = self.geometry;
        let window = geometry.window();
        let (rows, depth) = (geometry.out_channels_per_group(), window.output_pixels());
        let cols = geometry.depth();
        let group_in = geometry.in_channels_per_group() * window.input_pixels();
        let finish = Finish { accumulate: true, ..Finish::default() };
        for index in 0..geometry.batch() * geometry.groups() {
            let group = index % geometry.groups();
            let grad_out = &self.grad_out[index * rows * depth..][..rows * depth];
            let panels = pack_lhs(grad_out, MatLayout::contiguous(rows, depth));
            let lhs = Lhs { panels: &panels, rows, depth };
            let planes = &self.input[index * group_in..][..group_in];
            let rhs = TransposedColumns(Columns { planes, window });
            let grad_weights = &mut self.grad_weights[group * rows * cols..][..rows * cols];
            let part = Part { rows: 0..rows, cols: 0..cols };
            multiply(simd, lhs, &rhs, finish, (Shared::new(grad_weights, cols), part));
        }
    }
}
