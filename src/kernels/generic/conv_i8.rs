//! Integer convolution, NHWC, as a matrix product per image and group:
//!
//! ```text
//! out [OH·OW × O/g] = rows [OH·OW × KH·KW·C/g] · weights [KH·KW·C/g × O/g]
//! ```
//!
//! A tile of rows is laid out at a time, as many as [`TILE_BYTES`] hold. One row is one output pixel; in
//! NHWC each of its taps is a run of `C/g` codes, and neighbouring taps of a row of an ungrouped,
//! undilated window are one longer run. Padding is filled with the zero point, which `Σ (x − z)·w`
//! cancels. A pointwise convolution whose instruction takes codes as they are reads the image itself.

use super::gemm_i8::{CONVERT_SLACK, PackedWeights, Place, Rows, Sink, convert, multiply_rows};
use super::{Dot, DotTask};
use crate::kernels::affine::QuantizedInput;
use crate::kernels::layout::Conv2dGeometry;
use core::ops::Range;

/// Bytes of one tile of rows: within a second-level cache. All weights are read once for each tile, so few
/// are better; this is one for 7 × 7 positions of 4608 16-bit activations.
const TILE_BYTES: usize = 464 * 1024;

/// Rows of a tile however deep they are: each panel of weights is read once for all of them.
const FEWEST_ROWS: usize = 12;
/// Rows of a tile however shallow they are.
const MOST_ROWS: usize = 240;

/// How many rows of `depth` activations make one tile: whole register tiles.
#[inline(always)]
fn tile_rows<D: Dot>(_: D, depth: usize) -> usize {
    let row_bytes = depth * size_of::<D::Activation>();
    let fitting = TILE_BYTES / row_bytes.max(1) / 4 * 4;
    fitting.clamp(FEWEST_ROWS, MOST_ROWS)
}

/// Rows of a convolution, for [`crate::kernels::arch::run_dot`].
pub(crate) struct ConvTask<'a, R> {
    pub(crate) geometry: &'a Conv2dGeometry,
    pub(crate) input: QuantizedInput<'a>,
    /// One for each group.
    pub(crate) weights: &'a [PackedWeights],
    /// Which positions of the output, those of an image after those of the one before.
    pub(crate) rows: Range<usize>,
    /// Its first row is the first of `rows`.
    pub(crate) sink: &'a mut R,
}

impl<R: Sink> DotTask for ConvTask<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        self.sink.begin(dot);
        let Some(shape) = self.weights.first() else {
            return;
        };
        let depth = shape.padded_depth;
        let pixels = self.geometry.window().output_pixels();
        let rows = tile_rows(dot, depth).min(pixels).min(self.rows.len());
        let count = self.geometry.out_channels_per_group();
        let mut tile = Vec::new();
        let mut at = self.rows.start;
        while at < self.rows.end {
            let (image, first) = (at / pixels, at % pixels);
            let block = first..pixels.min(first + rows.min(self.rows.end - at));
            for (group, weights) in self.weights.iter().enumerate() {
                let source = Source { geometry: self.geometry, input: self.input, image, group };
                let borrowed = source.borrow_rows(dot, depth, block.clone());
                let activations = if let Some(borrowed) = borrowed {
                    borrowed
                } else {
                    tile.resize(rows * depth + CONVERT_SLACK, D::Activation::default());
                    source.copy_rows(dot, depth, block.clone(), &mut tile);
                    Rows { data: &tile, stride: depth, count: block.len() }
                };
                let to = Place { row: at - self.rows.start, first: group * count, count };
                multiply_rows(dot, activations, weights, to, self.sink);
            }
            at += block.len();
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

    /// Lays the rows out in `tile`, `depth` apart. The groups' padding beyond the depth meets weights of zero.
    #[inline(always)]
    fn copy_rows<D: Dot>(&self, dot: D, depth: usize, block: Range<usize>, tile: &mut [D::Activation]) {
        let window = self.geometry.window();
        let [_, out_w] = window.output;
        let inside = self.whole_runs();
        let mut source_rows = vec![None; window.kernel[0]];
        let (mut row, mut col) = (block.start / out_w, block.start % out_w);
        for index in 0..block.len() {
            if index == 0 || col == 0 {
                for (kernel_row, source_row) in source_rows.iter_mut().enumerate() {
                    *source_row = window.source(0, row, kernel_row);
                }
            }
            let to = &mut tile[index * depth..];
            if inside.contains(&col) {
                self.copy_runs(dot, &source_rows, col, to);
            } else {
                self.copy_taps(dot, &source_rows, col, to);
            }
            col += 1;
            if col == out_w {
                (row, col) = (row + 1, 0);
            }
        }
    }

    /// The output columns for which all taps of a kernel row are one run of codes.
    fn whole_runs(&self) -> Range<usize> {
        let window = self.geometry.window();
        if self.geometry.groups() != 1 || (window.dilation[1] != 1 && window.kernel[1] != 1) {
            return 0..0;
        }
        window.valid_outputs(1, 0).start..window.valid_outputs(1, window.kernel[1] - 1).end
    }

    /// Lays out a row of the product whose taps are a run in each kernel row.
    #[inline(always)]
    fn copy_runs<D: Dot>(&self, dot: D, rows: &[Option<usize>], col: usize, to: &mut [D::Activation]) {
        let window = self.geometry.window();
        let run = window.kernel[1] * self.geometry.in_channels();
        let first = col * window.stride[1] - window.pad_begin[1];
        for (kernel_row, source_row) in rows.iter().enumerate() {
            let to = &mut to[kernel_row * run..];
            match *source_row {
                Some(row) => convert(dot, &self.input.data[self.offset(row, first)..], to, run),
                None => to[..run].fill(dot.activation(self.input.zero_point)),
            }
        }
    }

    /// Lays out a row of the product tap by tap.
    #[inline(always)]
    fn copy_taps<D: Dot>(&self, dot: D, rows: &[Option<usize>], col: usize, to: &mut [D::Activation]) {
        let window = self.geometry.window();
        let channels = self.geometry.in_channels_per_group();
        let taps = rows.iter().flat_map(|row| (0..window.kernel[1]).map(move |tap| (*row, tap)));
        for (index, (source_row, tap)) in taps.enumerate() {
            let to = &mut to[index * channels..];
            match source_row.zip(window.source(1, col, tap)) {
                Some((row, source_col)) => convert(dot, self.tap(row, source_col), to, channels),
                None => to[..channels].fill(dot.activation(self.input.zero_point)),
            }
        }
    }

    /// The codes from a tap on.
    #[inline(always)]
    fn tap(&self, source_row: usize, source_col: usize) -> &'a [u8] {
        let channels = self.geometry.in_channels_per_group();
        &self.input.data[self.offset(source_row, source_col) + self.group * channels..]
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

impl<R: Sink> DotTask for GemmTask<'_, R> {
    type Output = ();
    #[inline(always)]
    fn run<D: Dot>(self, dot: D) {
        self.sink.begin(dot);
        let depth = self.weights.padded_depth;
        let count = self.input.data.len() / self.depth;
        let rows = tile_rows(dot, depth).min(count);
        let mut tile = Vec::new();
        for first in (0..count).step_by(rows.max(1)) {
            let block = first..count.min(first + rows);
            let codes = &self.input.data[first * self.depth..block.end * self.depth];
            let borrowed = dot.borrow_codes(codes).filter(|_| depth == self.depth);
            let data = if let Some(data) = borrowed {
                data
            } else {
                tile.resize(rows * depth + CONVERT_SLACK, D::Activation::default());
                for index in 0..block.len() {
                    convert(dot, &codes[index * self.depth..], &mut tile[index * depth..], self.depth);
                }
                &tile
            };
            let to = Place { row: first, first: 0, count: self.columns };
            let rows = Rows { data, stride: depth, count: block.len() };
            multiply_rows(dot, rows, self.weights, to, self.sink);
        }
    }
}
