//! Where the elements of an operand lie: integers only, no data.
//!
//! A layout that exists is consistent: its constructors have checked that sizes divide, that no
//! extent is zero where it must not be, and that every product fits the address range. Kernels
//! therefore compute offsets without checking again.

use super::error::{KernelError, Result, check_positive, checked_product};

/// A matrix inside a slice: element `(i, j)` is at `i · row_stride + j · col_stride`.
///
/// Transposition exchanges the strides and costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatLayout {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl MatLayout {
    /// A matrix with any two strides, in elements.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`] when the last element's offset does not fit.
    pub fn new(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Result<Self> {
        let layout = Self { rows, cols, row_stride, col_stride };
        let too_large = KernelError::TooLarge { what: "matrix" };
        let last_row = rows.saturating_sub(1).checked_mul(row_stride);
        let last_col = cols.saturating_sub(1).checked_mul(col_stride);
        let end = last_row.zip(last_col).and_then(|(row, col)| row.checked_add(col)?.checked_add(1));
        checked_product("matrix", &[end.ok_or(too_large)?])?;
        checked_product("matrix", &[rows, cols])?;
        Ok(layout)
    }

    /// `rows × cols`, rows one after the other.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`] when `rows · cols` does not fit.
    pub fn row_major(rows: usize, cols: usize) -> Result<Self> {
        Self::new(rows, cols, cols, 1)
    }

    /// [`MatLayout::row_major`] of extents whose product is known to fit.
    pub(crate) fn contiguous(rows: usize, cols: usize) -> Self {
        Self { rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The first rows of it.
    pub(crate) fn with_rows(self, rows: usize) -> Self {
        Self { rows: rows.min(self.rows), ..self }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// Number of rows.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(self) -> usize {
        self.cols
    }

    /// Elements from one row to the next.
    pub fn row_stride(self) -> usize {
        self.row_stride
    }

    /// Elements from one column to the next.
    pub fn col_stride(self) -> usize {
        self.col_stride
    }

    /// Shortest slice that holds the matrix.
    pub fn required_len(self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            0
        } else {
            (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1
        }
    }

    /// Refuses a slice that is too short; a longer one is fine, since a matrix may be a view.
    pub(crate) fn check_slice(self, operand: &'static str, actual: usize) -> Result<()> {
        let expected = self.required_len();
        if actual < expected { Err(KernelError::Length { operand, expected, actual }) } else { Ok(()) }
    }
}

/// A window that moves over a plane; every pair is `[vertical, horizontal]`.
///
/// Output `o` sees the inputs `o · stride + k · dilation − pad_begin` for `k` in `0..kernel`.
/// What lies outside the input is padding, so `pad_begin` and `output` together also say how much
/// padding follows the input; asymmetric padding needs no field of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window2d {
    /// Input height and width.
    pub input: [usize; 2],
    /// Output height and width.
    pub output: [usize; 2],
    /// Taps of the window.
    pub kernel: [usize; 2],
    /// Step from one output to the next.
    pub stride: [usize; 2],
    /// Distance between neighbouring taps.
    pub dilation: [usize; 2],
    /// Padding before the first row and column.
    pub pad_begin: [usize; 2],
}

impl Window2d {
    /// One window over all of an input.
    pub fn whole(input: [usize; 2]) -> Self {
        let one = [1, 1];
        Self { input, output: one, kernel: input, stride: one, dilation: one, pad_begin: [0, 0] }
    }

    fn check(&self) -> Result<()> {
        for axis in 0..2 {
            check_positive("input height and width", self.input[axis])?;
            check_positive("kernel height and width", self.kernel[axis])?;
            check_positive("stride", self.stride[axis])?;
            check_positive("dilation", self.dilation[axis])?;
            let steps = self.output[axis].checked_mul(self.stride[axis]);
            let reach = self.kernel[axis].checked_mul(self.dilation[axis]);
            let farthest = steps.zip(reach).and_then(|(a, b)| a.checked_add(b));
            let pad = self.pad_begin[axis];
            let fits = |extent: usize| i32::try_from(extent).is_ok();
            if !farthest.is_some_and(fits) || !fits(pad) || !fits(self.input[axis]) {
                return Err(KernelError::TooLarge { what: "window" });
            }
        }
        Ok(())
    }

    /// Input coordinate of tap `tap` at output `out` along `axis`; `None` in the padding.
    #[inline]
    pub(crate) fn source(&self, axis: usize, out: usize, tap: usize) -> Option<usize> {
        let padded = out * self.stride[axis] + tap * self.dilation[axis];
        padded.checked_sub(self.pad_begin[axis]).filter(|&at| at < self.input[axis])
    }

    /// Outputs `lo..hi` along `axis` whose tap `tap` lies inside the input.
    pub(crate) fn valid_outputs(&self, axis: usize, tap: usize) -> core::ops::Range<usize> {
        let (stride, pad) = (self.stride[axis], self.pad_begin[axis]);
        let offset = tap * self.dilation[axis];
        let first = pad.saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis] + pad).saturating_sub(offset).div_ceil(stride);
        let end = end.min(self.output[axis]);
        first.min(end)..end
    }

    /// How many taps at output `out` along `axis` lie before `end`, a coordinate that counts from the first
    /// cell of the padding.
    pub(crate) fn taps_before(&self, axis: usize, out: usize, end: usize) -> usize {
        let cells = end.saturating_sub(out * self.stride[axis]);
        // Asked of every window, and most taps are neighbours: a division would show.
        let taps = if self.dilation[axis] == 1 { cells } else { cells.div_ceil(self.dilation[axis]) };
        taps.min(self.kernel[axis])
    }

    /// The taps at output `out` along `axis` that lie inside the input: no more than it is long, however
    /// large the window.
    pub(crate) fn taps_inside(&self, axis: usize, out: usize) -> core::ops::Range<usize> {
        let pad = self.pad_begin[axis];
        self.taps_before(axis, out, pad)..self.taps_before(axis, out, pad + self.input[axis])
    }

    /// Number of output positions.
    pub(crate) fn output_pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Number of input positions.
    pub(crate) fn input_pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Number of taps. Of a convolution they fit the address range, as there is a weight for each.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The most taps that lie inside the input at one output.
    pub(crate) fn most_taps_inside(&self) -> usize {
        self.kernel[0].min(self.input[0]) * self.kernel[1].min(self.input[1])
    }

    /// True when every output sees exactly the input at its own position.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1]
            && self.stride == [1, 1]
            && self.pad_begin == [0, 0]
            && self.output == self.input
    }
}

/// Shapes of a 2-D convolution: `[N, C, H, W] ∗ [O, C/groups, KH, KW] → [N, O, OH, OW]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dGeometry {
    batch: usize,
    groups: usize,
    in_channels: usize,
    out_channels: usize,
    window: Window2d,
}

impl Conv2dGeometry {
    /// Checks and keeps the shapes of a convolution.
    ///
    /// # Errors
    /// Zero extents, channels that `groups` does not divide, sizes beyond the address range.
    pub fn new(
        batch: usize,
        groups: usize,
        in_channels: usize,
        out_channels: usize,
        window: Window2d,
    ) -> Result<Self> {
        check_positive("groups", groups)?;
        check_positive("input channels", in_channels)?;
        check_positive("output channels", out_channels)?;
        for (which, channels) in [("input", in_channels), ("output", out_channels)] {
            if channels % groups != 0 {
                return Err(KernelError::Groups { which, channels, groups });
            }
        }
        window.check()?;
        let [in_h, in_w] = window.input;
        let [out_h, out_w] = window.output;
        let [kernel_h, kernel_w] = window.kernel;
        checked_product("convolution input", &[batch.max(1), in_channels, in_h, in_w])?;
        checked_product("convolution output", &[batch.max(1), out_channels, out_h.max(1), out_w])?;
        checked_product("weights", &[out_channels, in_channels / groups, kernel_h, kernel_w])?;
        Ok(Self { batch, groups, in_channels, out_channels, window })
    }

    /// Number of images.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Channels of the input.
    pub fn in_channels(&self) -> usize {
        self.in_channels
    }

    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        self.out_channels
    }

    /// The moving window.
    pub fn window(&self) -> &Window2d {
        &self.window
    }

    /// Input channels that one output channel sees.
    pub fn in_channels_per_group(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of one group.
    pub fn out_channels_per_group(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Products summed for one output: `C/groups · KH · KW`.
    pub fn depth(&self) -> usize {
        self.in_channels_per_group() * self.window.taps()
    }

    /// True when every group has one input and one output channel.
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.in_channels && self.groups == self.out_channels
    }

    /// `N · C · H · W`.
    pub fn input_len(&self) -> usize {
        self.batch * self.in_channels * self.window.input_pixels()
    }

    /// `O · C/groups · KH · KW`.
    pub fn weights_len(&self) -> usize {
        self.out_channels * self.depth()
    }

    /// `N · O · OH · OW`.
    pub fn output_len(&self) -> usize {
        self.batch * self.out_channels * self.window.output_pixels()
    }

    /// Multiply-accumulates of one call, padding included.
    pub fn macs(&self) -> u64 {
        self.output_len() as u64 * self.depth() as u64
    }
}

/// Shapes of a 2-D pooling: `[N, C, H, W] → [N, C, OH, OW]`, whatever the memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool2dGeometry {
    batch: usize,
    channels: usize,
    window: Window2d,
}

impl Pool2dGeometry {
    /// Checks and keeps the shapes of a pooling.
    ///
    /// # Errors
    /// Zero extents and sizes beyond the address range.
    pub fn new(batch: usize, channels: usize, window: Window2d) -> Result<Self> {
        check_positive("channels", channels)?;
        window.check()?;
        let [in_h, in_w] = window.input;
        let [out_h, out_w] = window.output;
        checked_product("pooling input", &[batch.max(1), channels, in_h, in_w])?;
        checked_product("pooling output", &[batch.max(1), channels, out_h.max(1), out_w])?;
        Ok(Self { batch, channels, window })
    }

    /// One window that covers the whole plane: global pooling.
    ///
    /// # Errors
    /// As [`Pool2dGeometry::new`].
    pub fn global(batch: usize, channels: usize, input: [usize; 2]) -> Result<Self> {
        let window = Window2d {
            input,
            output: [1, 1],
            kernel: input,
            stride: [1, 1],
            dilation: [1, 1],
            pad_begin: [0, 0],
        };
        Self::new(batch, channels, window)
    }

    /// Number of images.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The moving window.
    pub fn window(&self) -> &Window2d {
        &self.window
    }

    /// `N · C · H · W`.
    pub fn input_len(&self) -> usize {
        self.batch * self.channels * self.window.input_pixels()
    }

    /// `N · C · OH · OW`.
    pub fn output_len(&self) -> usize {
        self.batch * self.channels * self.window.output_pixels()
    }
}

/// A batch of images for a change of memory order: `[N, C, P]` ↔ `[N, P, C]`, `P = H · W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLayout {
    /// Number of images.
    pub batch: usize,
    /// Number of channels.
    pub channels: usize,
    /// Positions of one plane.
    pub pixels: usize,
}

impl ImageLayout {
    /// Number of elements.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`] when the product does not fit.
    pub fn checked_len(self) -> Result<usize> {
        checked_product("image batch", &[self.batch, self.channels, self.pixels])
    }
}
