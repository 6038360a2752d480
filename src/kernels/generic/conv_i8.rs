//! Integer convolution, NHWC, as a matrix product per image and group:
//!
//! ```text
//! out [OH·OW × O/g] = rows [OH·OW × KH·KW·C/g] · weights [KH·KW·C/g × O/g]
//! ```
//!
//! A tile of rows is laid out at a time, as many as [`TILE_BYTES`] hold together with their sums. One
//! row is one output pixel; in NHWC each of its taps is a run of `C/g` codes, and neighbouring taps of
//! a row of an ungrouped, undilated window are one longer run. Padding is filled with the zero point,
//! which `Σ (x − z)·w` cancels. A pointwise convolution whose instruction takes codes as they are
//! reads the image itself.

use super::gemm_i8::{PackedWeights, Rows, convert, multiply_rows};
use super::{Dot, DotTask};
use crate::kernels::affine::QuantizedInput;
use crate::kernels::layout::Conv2dGeometry;
use core::ops::Range;

/// Bytes of one tile of rows and its sums: well within a second-level cache.
const TILE_BYTES: usize = 192 * 1024;

/// Rows of a tile however deep they are: each panel of weights is read once for all of them.
const FEWEST_ROWS: usize = 12;
/// Rows of a tile however shallow they are.
const MOST_ROWS: usize = 240;

/// Receives finished rows: image pixel, first output channel, raw sums, `Σ(x−z)·w` still to correct.
pub(crate) trait RowSink {
    /// Takes the sums of output row `row` (pixel or matrix row), channels `first..`.
    fn finish(&mut self, row: usize, first: usize, sums: &[i32]);
    /// Tells what every activation was reduced by.
    fn set_shift(&mut self, shift: i32);
}

/// How many rows of `depth` activations and `columns` sums make one tile.
#[inline(always)]
fn tile_rows<D: Dot>(_: D, depth: usize, columns: usize) -> usize {
    let row_bytes = depth * size_of::<D::Activation>() + columns * size_of::<i32>();
    let fitting = TILE_BYTES / row_bytes.max(1) / D::ROWS * D::ROWS;
    fitting.clamp(FEWEST_ROWS, MOST_ROWS)
}

/// A whole convolution, for [`crate::kernels::arch::run_dot`].
pub(crate) struct ConvTask<'a, R> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: QuantizedInput<'a>,
    /// One for each group.
    pub(crate) weights: &'a [PackedWeights],
    pub(crate) sink: &'a mut R,
}

impl<R: RowSink> DotTask for ConvTask<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        self.sink.set_shift(dot.shift());
        let Some(shape) = self.weights.first() else {
            return;
        };
        let (depth, columns) = (shape.padded_depth, shape.padded_columns);
        let pixels = self.geometry.window().output_pixels();
        let rows = tile_rows(dot, depth, columns).min(pixels);
        let mut tile = Vec::new();
        let mut sums = vec![0; rows * columns];
        for image in 0..self.geometry.batch() {
            for first in (0..pixels).step_by(rows.max(1)) {
                let block = first..pixels.min(first + rows);
                for (group, weights) in self.weights.iter().enumerate() {
                    let source = Source { geometry: self.geometry, input: self.input, image, group };
                    let borrowed = source.borrow_rows(dot, depth, block.clone());
                    let activations = if let Some(borrowed) = borrowed {
                        borrowed
                    } else {
                        tile.resize(rows * depth, D::Activation::default());
                        source.copy_rows(dot, depth, block.clone(), &mut tile);
                        Rows { data: &tile, stride: depth, count: block.len() }
                    };
                    multiply_rows(dot, activations, weights, &mut sums);
                    let channels = self.geometry.out_channels_per_group();
                    for (row, sums) in block.clone().zip(sums.chunks_exact(columns)) {
                        self.sink.finish(image * pixels + row, group * channels, &sums[..channels]);
                    }
                }
            }
        }
    }
}

/// The codes of one image and group.
struct Source<'a> {
    geometry: &'a Conv2dGeometry,
    input: QuantizedInput<'a>,
    image: usize,
    group: usize,
}

impl<'a> Source<'a> {
    /// The rows as they lie in the image, when that is possible.
    #[inline(always)]
    fn borrow_rows<'t, D>(&self, dot: D, depth: usize, block: Range<usize>) -> Option<Rows<'t, D::Activation>>
    where
        'a: 't,
        D: Dot + 't,
    {
        let geometry = self.geometry;
        if !geometry.window().is_pointwise() || geometry.groups() != 1 || depth != geometry.depth() {
            return None;
        }
        let data: &'a [u8] = self.input.data;
        let first = self.image * geometry.window().input_pixels() + block.start;
        let codes = &data[first * depth..][..block.len() * depth];
        dot.borrow_codes(codes).map(|data| Rows { data, stride: depth, count: block.len() })
    }

    /// Lays the rows out in `tile`, `depth` apart.
    #[inline(always)]
    fn copy_rows<D: Dot>(&self, dot: D, depth: usize, block: Range<usize>, tile: &mut [D::Activation]) {
        let [_, out_w] = self.geometry.window().output;
        for (pixel, row) in block.zip(tile.chunks_exact_mut(depth)) {
            self.copy_row(dot, [pixel / out_w, pixel % out_w], row);
        }
    }

    #[inline(always)]
    fn copy_row<D: Dot>(&self, dot: D, at: [usize; 2], row: &mut [D::Activation]) {
        let window = self.geometry.window();
        let channels = self.geometry.in_channels_per_group();
        let padding = dot.activation(self.input.zero_point);
        let (taps, rest) = row.split_at_mut(self.geometry.depth());
        rest.fill(D::Activation::default());
        for (kernel_row, run) in taps.chunks_exact_mut(window.kernel[1] * channels).enumerate() {
            let Some(source_row) = window.source(0, at[0], kernel_row) else {
                run.fill(padding);
                continue;
            };
            if let Some(codes) = self.contiguous(source_row, at[1]) {
                convert(dot, codes, run);
                continue;
            }
            for (kernel_col, tap) in run.chunks_exact_mut(channels).enumerate() {
                match window.source(1, at[1], kernel_col) {
                    Some(source_col) => convert(dot, self.tap(source_row, source_col), tap),
                    None => tap.fill(padding),
                }
            }
        }
    }

    /// All taps of one kernel row, where they are one run of codes.
    #[inline(always)]
    fn contiguous(&self, source_row: usize, out_col: usize) -> Option<&'a [u8]> {
        let window = self.geometry.window();
        let first = window.source(1, out_col, 0)?;
        window.source(1, out_col, window.kernel[1] - 1)?;
        if self.geometry.groups() != 1 || window.dilation[1] != 1 {
            return None;
        }
        let at = self.offset(source_row, first);
        Some(&self.input.data[at..at + window.kernel[1] * self.geometry.in_channels()])
    }

    #[inline(always)]
    fn tap(&self, source_row: usize, source_col: usize) -> &'a [u8] {
        let channels = self.geometry.in_channels_per_group();
        &self.input.data[self.offset(source_row, source_col) + self.group * channels..][..channels]
    }

    #[inline(always)]
    fn offset(&self, source_row: usize, source_col: usize) -> usize {
        let window = self.geometry.window();
        let pixel = self.image * window.input_pixels() + source_row * window.input[1] + source_col;
        pixel * self.geometry.in_channels()
    }
}

/// A matrix product with packed weights: rows of `depth` codes.
pub(crate) struct GemmTask<'a, R> {
    pub(crate) input: QuantizedInput<'a>,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
    pub(crate) weights: &'a PackedWeights,
    pub(crate) sink: &'a mut R,
}

impl<R: RowSink> DotTask for GemmTask<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        self.sink.set_shift(dot.shift());
        let (depth, columns) = (self.weights.padded_depth, self.weights.padded_columns);
        let count = self.input.data.len() / self.depth;
        let rows = tile_rows(dot, depth, columns).min(count);
        let mut tile = Vec::new();
        let mut sums = vec![0; rows * columns];
        for first in (0..count).step_by(rows.max(1)) {
            let block = first..count.min(first + rows);
            let codes = &self.input.data[first * self.depth..block.end * self.depth];
            let borrowed = dot.borrow_codes(codes).filter(|_| depth == self.depth);
            let data = if let Some(data) = borrowed {
                data
            } else {
                tile.resize(rows * depth, D::Activation::default());
                for (codes, row) in codes.chunks_exact(self.depth).zip(tile.chunks_exact_mut(depth)) {
                    convert(dot, codes, row);
                }
                &tile
            };
            multiply_rows(dot, Rows { data, stride: depth, count: block.len() }, self.weights, &mut sums);
            for (row, sums) in block.zip(sums.chunks_exact(columns)) {
                self.sink.finish(row, 0, &sums[..self.columns]);
            }
        }
    }
}
