//! What the pools share: placing a window on `[N, C, …]` and walking over it.
//!
//! A [`Pooling`] is made once per call. It lists, for every output row and column, which input rows
//! and columns its window covers, so that the loops over planes have no padding to think about.

use super::window::{AxisWindow, Rounding, Span, Window};
use super::{ImportNode, OpError, TypeInputs};
use crate::ir::AttrError;
use crate::kernels::{Pool2dGeometry, Window2d};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// A window placed on the planes of one tensor.
#[derive(Debug)]
pub(super) struct Pooling {
    axes: [AxisWindow; 2],
    rows: Vec<Span>,
    cols: Vec<Span>,
    /// `[N, C, …]` of the output.
    pub(super) output_shape: Vec<usize>,
}

/// The cells of one plane that one output sees, in scan order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    rows: Span,
    cols: Span,
    row_step: usize,
    col_step: usize,
    first: usize,
}

impl Patch {
    /// Position of the first cell in its plane.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// Number of cells, at least 1.
    pub(super) fn count(&self) -> usize {
        self.rows.count * self.cols.count
    }

    /// Positions of the cells in their plane, row by row.
    #[inline]
    pub(super) fn cells(self) -> impl Iterator<Item = usize> {
        (0..self.rows.count).flat_map(move |row| {
            let start = self.first + row * self.row_step;
            (0..self.cols.count).map(move |col| start + col * self.col_step)
        })
    }
}

impl Pooling {
    /// Places `window` on an input of `shape` (`[N, C, W]` or `[N, C, H, W]`).
    ///
    /// # Errors
    /// Ranks that differ, sizes that do not fit, and windows that lie wholly in the padding.
    pub(super) fn new(window: &Window, shape: &[usize], rounding: Rounding) -> Result<Self, OpError> {
        let axes = window.resolve(spatial(shape)?, &window.kernel, rounding)?;
        let spans = |axis: &AxisWindow| (0..axis.output).map(|at| axis.span(at)).collect::<Vec<_>>();
        let [rows, cols] = [spans(&axes[0]), spans(&axes[1])];
        if rows.iter().chain(&cols).any(|span| span.count == 0) {
            return Err(OpError::Range {
                what: "pads",
                expected: "so small that every window covers at least one cell of the input".to_owned(),
                got: format!("{:?}", window.padding),
            });
        }
        let mut output_shape = shape.to_vec();
        for (size, axis) in output_shape.iter_mut().rev().zip(axes.iter().rev()).take(shape.len() - 2) {
            *size = axis.output;
        }
        Ok(Self { axes, rows, cols, output_shape })
    }

    /// Cells of one input plane, at least 1. A tensor without elements may have planes of any size.
    pub(super) fn input_cells(&self) -> usize {
        self.axes[0].input.saturating_mul(self.axes[1].input)
    }

    /// Cells of one output plane, at least 1.
    pub(super) fn output_cells(&self) -> usize {
        self.rows.len().saturating_mul(self.cols.len())
    }

    /// For every cell of an output plane, row by row, what its window covers.
    #[inline]
    pub(super) fn patches(&self) -> impl Iterator<Item = Patch> {
        let width = self.axes[1].input;
        let [row_step, col_step] = [self.axes[0].dilation * width, self.axes[1].dilation];
        self.rows.iter().flat_map(move |&rows| {
            self.cols.iter().map(move |&cols| {
                let first = rows.start * width + cols.start;
                Patch { rows, cols, row_step, col_step, first }
            })
        })
    }

    /// For every cell of an output plane the number of taps inside the input or its padding.
    pub(super) fn padded_counts(&self) -> Vec<usize> {
        let [rows, cols] = &self.axes;
        let counts = (0..rows.output)
            .flat_map(|row| (0..cols.output).map(move |col| rows.padded_count(row) * cols.padded_count(col)));
        counts.collect()
    }
}

/// Refuses the window attributes that no pooling can have.
pub(super) fn import_window(node: &mut ImportNode<'_>) -> Result<Window, AttrError> {
    use super::window::Padding;
    let window = Window::import(node)?;
    let refuse = |name: &str, value: String, reason| {
        Err(AttrError::Unsupported { name: name.to_owned(), value, reason })
    };
    if window.kernel.is_empty() {
        return Err(AttrError::Missing { name: "kernel_shape".to_owned() });
    }
    match &window.padding {
        Padding::Explicit(pads) => {
            let kernel_at = |i: usize| window.kernel.get(i).copied().unwrap_or(1);
            if pads.iter().enumerate().any(|(i, pair)| pair.iter().any(|&p| p >= kernel_at(i))) {
                return refuse("pads", format!("{pads:?}"), "padding must be smaller than the window");
            }
        }
        _ if window.is_dilated() => {
            let value = format!("{:?}", window.dilations);
            return refuse("dilations", value, "with auto_pad, runtimes disagree on the padding");
        }
        _ => {}
    }
    Ok(window)
}

/// Type of a pool's output.
pub(super) fn infer(
    window: &Window,
    inputs: &TypeInputs<'_>,
    rounding: Rounding,
) -> Result<Vec<TensorType>, OpError> {
    let input = inputs.float(0, "input")?;
    let Shape::Ranked(dims) = &input.shape else { return Ok(vec![input.clone()]) };
    let (head, spatial) = split_spatial(dims)?;
    let kernel: Vec<Option<usize>> = window.kernel.iter().copied().map(Some).collect();
    let mut dims = head.to_vec();
    dims.extend(window.output_dims(spatial, &kernel, rounding)?);
    Ok(vec![TensorType::new(input.dtype, Shape::Ranked(dims))])
}

/// Shapes of a pooling for the integer kernels.
pub(super) fn geometry(
    window: &Window,
    shape: &[usize],
    rounding: Rounding,
) -> Result<Pool2dGeometry, OpError> {
    let axes = window.resolve(spatial(shape)?, &window.kernel, rounding)?;
    Ok(Pool2dGeometry::new(shape[0], shape[1], window_2d(&axes))?)
}

/// A placed window as the kernels want it.
pub(super) fn window_2d(axes: &[AxisWindow; 2]) -> Window2d {
    let pair = |of: fn(&AxisWindow) -> usize| [of(&axes[0]), of(&axes[1])];
    Window2d {
        input: pair(|axis| axis.input),
        output: pair(|axis| axis.output),
        kernel: pair(|axis| axis.kernel),
        stride: pair(|axis| axis.stride),
        dilation: pair(|axis| axis.dilation),
        pad_begin: pair(|axis| axis.pad_begin),
    }
}

/// The sizes behind batch and channels.
pub(super) fn spatial(shape: &[usize]) -> Result<&[usize], OpError> {
    Ok(split_spatial(shape)?.1)
}

/// Batch and channels, and what is behind them, of which there must be something.
pub(super) fn split_spatial<T>(dims: &[T]) -> Result<(&[T], &[T]), OpError> {
    dims.split_at_checked(2).filter(|(_, spatial)| !spatial.is_empty()).ok_or_else(|| OpError::Shape {
        what: "rank of the input",
        expected: "batch, channels and at least one spatial axis".to_owned(),
        got: dims.len().to_string(),
    })
}

/// `[N, C, 1, …]` for an input type `[N, C, …]`: what global pools make.
pub(super) fn infer_global(inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
    let input = inputs.float(0, "input")?;
    let Shape::Ranked(dims) = &input.shape else { return Ok(vec![input.clone()]) };
    let (head, spatial) = split_spatial(dims)?;
    let ones = spatial.iter().map(|_| Dim::Fixed(1));
    let dims = head.iter().cloned().chain(ones).collect();
    Ok(vec![TensorType::new(input.dtype, Shape::Ranked(dims))])
}

/// Shape `[N, C, 1, …]` for an input `[N, C, …]`, and the number of cells of one plane.
pub(super) fn global_shape(shape: &[usize]) -> Result<(Vec<usize>, usize), OpError> {
    let (head, spatial) = split_spatial(shape)?;
    let cells = spatial.iter().try_fold(1_usize, |cells, &size| cells.checked_mul(size));
    let Some(cells) = cells.filter(|&cells| cells > 0) else {
        let expected = "at least one position, and no more than fit in memory".to_owned();
        return Err(OpError::Shape { what: "spatial sizes", expected, got: format!("{spatial:?}") });
    };
    Ok((head.iter().copied().chain(spatial.iter().map(|_| 1)).collect(), cells))
}

/// Position of the first largest of `cells`, or of the first NaN if there is one.
#[inline]
pub(super) fn first_maximum(plane: &[f32], first: usize, cells: impl Iterator<Item = usize>) -> usize {
    let (mut best_at, mut best) = (first, plane[first]);
    for at in cells {
        let value = plane[at];
        if value > best || (value.is_nan() && !best.is_nan()) {
            (best_at, best) = (at, value);
        }
    }
    best_at
}

/// Refuses a gradient whose shape is not the output's.
pub(super) fn check_gradient<'a>(gradient: &'a Value, expected: &[usize]) -> Result<&'a [f32], OpError> {
    if gradient.shape() == expected {
        return Ok(gradient.as_slice()?);
    }
    let (expected, got) = (format!("{expected:?}"), format!("{:?}", gradient.shape()));
    Err(OpError::Shape { what: "gradient", expected, got })
}
