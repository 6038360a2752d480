//! What the pools share: placing a window on `[N, C, …]` and walking over it.
//!
//! A [`Pooling`] is made once per call. It lists, for every output slice, row and column, which input
//! slices, rows and columns its window covers, so that the loops have no padding to think about. What
//! one channel of one image has, one number per position, is called a plane here, also where it has a
//! depth.

use super::window::{AxisWindow, Rounding, Span, Window};
use super::{ImportNode, OpError, TypeInputs};
use crate::ir::AttrError;
use crate::kernels::{Pool2dGeometry, Window2d};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};
use std::borrow::Cow;

/// A window placed on the planes of one tensor.
#[derive(Debug)]
pub(super) struct Pooling {
    axes: [AxisWindow; 3],
    /// For each axis and each place of the window along it, what it covers.
    spans: [Vec<Span>; 3],
    /// `[N, C, …]` of the output.
    pub(super) output_shape: Vec<usize>,
}

/// The cells of one plane that one output sees, in scan order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    /// How many slices, rows and columns.
    counts: [usize; 3],
    /// Cells from one slice, row and column to the next.
    steps: [usize; 3],
    first: usize,
}

impl Patch {
    /// Position of the first cell in its plane.
    pub(super) fn first(&self) -> usize {
        self.first
    }

    /// Number of cells, at least 1.
    pub(super) fn count(&self) -> usize {
        self.counts.iter().product()
    }

    /// Calls `visit` with the positions of the cells in their plane, row by row.
    #[inline]
    pub(super) fn for_each(self, mut visit: impl FnMut(usize)) {
        let ([slices, rows, cols], steps) = (self.counts, self.steps);
        for slice in 0..slices {
            for row in 0..rows {
                let start = self.first + slice * steps[0] + row * steps[1];
                for col in 0..cols {
                    visit(start + col * steps[2]);
                }
            }
        }
    }

    /// As [`Patch::for_each`], one after the other.
    #[inline]
    pub(super) fn cells(self) -> impl Iterator<Item = usize> {
        let ([slices, rows, cols], steps) = (self.counts, self.steps);
        (0..slices).flat_map(move |slice| {
            (0..rows).flat_map(move |row| {
                let start = self.first + slice * steps[0] + row * steps[1];
                (0..cols).map(move |col| start + col * steps[2])
            })
        })
    }
}

impl Pooling {
    /// Places `window` on an input of `shape`: `[N, C, W]`, `[N, C, H, W]` or `[N, C, D, H, W]`.
    ///
    /// # Errors
    /// Ranks that differ, sizes that do not fit, and windows that lie wholly in the padding.
    pub(super) fn new(window: &Window, shape: &[usize], rounding: Rounding) -> Result<Self, OpError> {
        let axes = window.resolve(spatial(shape)?, &window.kernel, rounding)?;
        let spans = axes.map(|axis| (0..axis.output).map(|at| axis.span(at)).collect::<Vec<_>>());
        if spans.iter().flatten().any(|span| span.count == 0) {
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
        Ok(Self { axes, spans, output_shape })
    }

    /// Cells of one input plane, at least 1. A tensor without elements may have planes of any size.
    pub(super) fn input_cells(&self) -> usize {
        self.axes.iter().fold(1, |cells, axis| cells.saturating_mul(axis.input))
    }

    /// Cells of one output plane, at least 1.
    pub(super) fn output_cells(&self) -> usize {
        self.axes.iter().fold(1, |cells, axis| cells.saturating_mul(axis.output))
    }

    /// Calls `visit` for every cell of an output plane, row by row, with what its window covers.
    pub(super) fn for_each_patch(&self, mut visit: impl FnMut(usize, Patch)) {
        let [_, height, width] = self.axes.map(|axis| axis.input);
        let dilation = self.axes.map(|axis| axis.dilation);
        let steps = [dilation[0] * height * width, dilation[1] * width, dilation[2]];
        let [slices, rows, cols] = &self.spans;
        let mut at = 0;
        for slice in slices {
            for row in rows {
                let line = (slice.start * height + row.start) * width;
                for col in cols {
                    let counts = [slice.count, row.count, col.count];
                    visit(at, Patch { counts, steps, first: line + col.start });
                    at += 1;
                }
            }
        }
    }

    /// For every cell of an output plane the number of taps inside the input or its padding.
    pub(super) fn padded_counts(&self) -> Vec<usize> {
        let mut counts = vec![1];
        for axis in &self.axes {
            let along = |&count: &usize| (0..axis.output).map(move |at| count * axis.padded_count(at));
            counts = counts.iter().flat_map(along).collect();
        }
        counts
    }

    /// `f(plane of the input, what a window covers)` for every cell of the output.
    pub(super) fn reduce(
        &self,
        input: &[f32],
        mut f: impl FnMut(&[f32], Patch) -> f32,
    ) -> Result<Value, OpError> {
        let mut out = Value::zeros::<f32>(&self.output_shape)?.into_vec::<f32>()?;
        let planes = input.chunks_exact(self.input_cells());
        for (plane, out) in planes.zip(out.chunks_exact_mut(self.output_cells())) {
            self.for_each_patch(|at, patch| out[at] = f(plane, patch));
        }
        Ok(Value::from_vec(&self.output_shape, out)?)
    }

    /// `join` of all cells that a window covers, for every cell of the output: first down the rows, a
    /// whole row of the input at a time, then along what that gives. So `join` must not mind the
    /// order of the cells.
    pub(super) fn reduce_separably(
        &self,
        input: &[f32],
        join: impl Fn(f32, f32) -> f32,
    ) -> Result<Value, OpError> {
        let mut out = Value::zeros::<f32>(&self.output_shape)?.into_vec::<f32>()?;
        let ([_, height, width], dilation) =
            (self.axes.map(|axis| axis.input), self.axes.map(|axis| axis.dilation));
        let [slices, rows, cols] = &self.spans;
        let mut joined = Vec::new();
        let planes = input.chunks_exact(self.input_cells());
        let lines = slices.iter().flat_map(|slice| rows.iter().map(move |row| (slice, row)));
        for (plane, out) in planes.zip(out.chunks_exact_mut(self.output_cells())) {
            for ((slice, row), out) in lines.clone().zip(out.chunks_exact_mut(cols.len())) {
                let covered = (0..slice.count * row.count).map(|at| {
                    let depth = slice.start + at / row.count * dilation[0];
                    let line = depth * height + row.start + at % row.count * dilation[1];
                    &plane[line * width..][..width]
                });
                for (at, line) in covered.enumerate() {
                    if at == 0 {
                        joined.clear();
                        joined.extend_from_slice(line);
                    } else {
                        joined.iter_mut().zip(line).for_each(|(so_far, &v)| *so_far = join(*so_far, v));
                    }
                }
                for (out, col) in out.iter_mut().zip(cols) {
                    let covered = (1..col.count).map(|at| joined[col.start + at * dilation[2]]);
                    *out = covered.fold(joined[col.start], &join);
                }
            }
        }
        Ok(Value::from_vec(&self.output_shape, out)?)
    }

    /// The gradient of [`Pooling::reduce`]: `f` adds to the gradient of a plane what one cell of the
    /// output, whose place in the output and gradient it is told, gives to what its window covers.
    pub(super) fn spread(
        &self,
        (input, shape): (&[f32], &[usize]),
        gradient: &Value,
        mut f: impl FnMut(&mut [f32], &[f32], Patch, (usize, f32)),
    ) -> Result<Value, OpError> {
        let gradient = check_gradient(gradient, &self.output_shape)?;
        let mut out = vec![0.0_f32; input.len()];
        let planes = input.chunks_exact(self.input_cells()).zip(out.chunks_exact_mut(self.input_cells()));
        let cells = self.output_cells();
        for (index, ((plane, out), gradient)) in planes.zip(gradient.chunks_exact(cells)).enumerate() {
            self.for_each_patch(|at, patch| f(out, plane, patch, (index * cells + at, gradient[at])));
        }
        Ok(Value::from_vec(shape, out)?)
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
    infer_of(window, inputs.float(0, "input")?, rounding)
}

/// As [`infer`], for an input of any element type.
pub(super) fn infer_of(
    window: &Window,
    input: &TensorType,
    rounding: Rounding,
) -> Result<Vec<TensorType>, OpError> {
    let Shape::Ranked(dims) = &input.shape else { return Ok(vec![input.clone()]) };
    let (head, spatial) = split_spatial(dims)?;
    let kernel: Vec<Option<usize>> = window.kernel.iter().copied().map(Some).collect();
    let mut dims = head.to_vec();
    dims.extend(window.output_dims(spatial, &kernel, rounding)?);
    Ok(vec![TensorType::new(input.dtype, Shape::Ranked(dims))])
}

/// Shapes of a pooling over one or two axes for the integer kernels.
pub(super) fn geometry(
    window: &Window,
    shape: &[usize],
    rounding: Rounding,
) -> Result<Pool2dGeometry, OpError> {
    let axes = window.resolve(spatial(shape)?, &window.kernel, rounding)?;
    Ok(Pool2dGeometry::new(shape[0], shape[1], window_2d(&axes))?)
}

/// A placed window as the kernels want it: height and width.
pub(super) fn window_2d(axes: &[AxisWindow; 3]) -> Window2d {
    let pair = |of: fn(&AxisWindow) -> usize| [of(&axes[1]), of(&axes[2])];
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
    // `fold`, not a loop: the cells lie in nested ranges, which walk themselves faster than they step.
    let larger = |(best_at, best): (usize, f32), at: usize| {
        let value = plane[at];
        let wins = value > best || (value.is_nan() && !best.is_nan());
        if wins { (at, value) } else { (best_at, best) }
    };
    cells.fold((first, plane[first]), larger).0
}

/// Refuses a gradient whose shape is not the output's.
pub(super) fn check_gradient<'a>(gradient: &'a Value, expected: &[usize]) -> Result<&'a [f32], OpError> {
    if gradient.shape() == expected {
        return Ok(gradient.as_slice()?);
    }
    let (expected, got) = (format!("{expected:?}"), format!("{:?}", gradient.shape()));
    Err(OpError::Shape { what: "gradient", expected, got })
}

/// The elements of a tensor of floats or codes as floats, which hold them exactly.
pub(super) fn as_floats(value: &Value) -> Result<Cow<'_, [f32]>, OpError> {
    Ok(match value.dtype() {
        DType::F32 => value.as_slice::<f32>()?.into(),
        DType::U8 => value.as_slice::<u8>()?.iter().map(|&v| v.into()).collect::<Vec<_>>().into(),
        DType::I8 => value.as_slice::<i8>()?.iter().map(|&v| v.into()).collect::<Vec<_>>().into(),
        got => return Err(OpError::DType { what: "input", expected: "float32, uint8 or int8", got }),
    })
}

/// Back from [`as_floats`].
pub(super) fn from_floats(value: Value, dtype: DType) -> Result<Value, OpError> {
    let data = |value: &Value| Ok::<_, OpError>(value.as_slice::<f32>()?.to_vec());
    Ok(match dtype {
        DType::U8 => Value::from_vec(value.shape(), data(&value)?.into_iter().map(|v| v as u8).collect())?,
        DType::I8 => Value::from_vec(value.shape(), data(&value)?.into_iter().map(|v| v as i8).collect())?,
        _ => value,
    })
}
