//! Windows that move over the spatial axes: the attributes that Conv and the pools share.
//!
//! A [`Window`] is what a file states: taps, steps and padding, possibly relative to an input whose
//! size is not known yet (`auto_pad`). [`Window::resolve`] places it on an input of known size and
//! checks everything that could overflow or allocate; what comes out, one [`AxisWindow`] per axis,
//! is consistent. One or two spatial axes are treated as three, those that are missing having a size
//! of 1.

use super::{ImportNode, OpError};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::Dim;

/// Largest tap, step or padding that is accepted: coordinates stay within 32 bits.
const LARGEST: i64 = i32::MAX as i64;

/// The window of a convolution or pooling. Lists have one entry per spatial axis, or none at all
/// where every entry has its default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Window {
    /// Taps; empty where the weight's shape gives them.
    pub kernel: Vec<usize>,
    /// Step from one output to the next; 1 by default.
    pub strides: Vec<usize>,
    /// Distance between neighbouring taps; 1 by default.
    pub dilations: Vec<usize>,
    /// What surrounds the input.
    pub padding: Padding,
}

/// How the input is padded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Padding {
    /// `[before, after]` per spatial axis; empty for no padding.
    Explicit(Vec<[usize; 2]>),
    /// As much as makes `output = ⌈input / stride⌉`, the odd one after the input.
    SameUpper,
    /// As much as makes `output = ⌈input / stride⌉`, the odd one before the input.
    SameLower,
}

impl Default for Padding {
    fn default() -> Self {
        Self::Explicit(Vec::new())
    }
}

/// What happens to inputs at the end that do not fill a whole step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// They get no output.
    Down,
    /// They get an output whose window reaches beyond the padding, provided that it begins inside
    /// the input or the padding before it (`ceil_mode`).
    Up,
}

impl Rounding {
    /// From ONNX's `ceil_mode`.
    pub fn from_ceil_mode(ceil_mode: bool) -> Self {
        if ceil_mode { Self::Up } else { Self::Down }
    }
}

/// A window placed along one axis of known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AxisWindow {
    /// Size of the input.
    pub input: usize,
    /// Size of the output.
    pub output: usize,
    /// Taps.
    pub kernel: usize,
    /// Step from one output to the next.
    pub stride: usize,
    /// Distance between neighbouring taps.
    pub dilation: usize,
    /// Padding before the input.
    pub pad_begin: usize,
    /// Padding after the input.
    pub pad_end: usize,
}

/// The taps of one output that lie inside the input: `start`, `start + dilation`, ….
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Input coordinate of the first.
    pub start: usize,
    /// How many there are.
    pub count: usize,
}

impl AxisWindow {
    /// An axis of size 1 that a window does nothing to.
    pub const SINGLE: Self =
        Self { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, pad_begin: 0, pad_end: 0 };

    /// Which taps of output `at` are inside the input.
    pub fn span(&self, at: usize) -> Span {
        let origin = at * self.stride;
        let first_tap = self.pad_begin.saturating_sub(origin).div_ceil(self.dilation);
        let end = (self.pad_begin + self.input).saturating_sub(origin);
        let end_tap = end.div_ceil(self.dilation).min(self.kernel);
        let count = end_tap.saturating_sub(first_tap);
        let start = if count == 0 { 0 } else { origin + first_tap * self.dilation - self.pad_begin };
        Span { start, count }
    }

    /// How many taps of output `at` are inside the input or its padding.
    pub fn padded_count(&self, at: usize) -> usize {
        let end = self.pad_begin + self.input + self.pad_end;
        end.saturating_sub(at * self.stride).div_ceil(self.dilation).min(self.kernel)
    }
}

impl Window {
    /// Takes `kernel_shape`, `strides`, `dilations`, `pads` and `auto_pad`.
    ///
    /// # Errors
    /// Values that the definition does not allow, and windows over more than three axes.
    pub fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let attrs = &mut node.attrs;
        let kernel = take_sizes(attrs, "kernel_shape", 1)?;
        let strides = take_sizes(attrs, "strides", 1)?;
        let dilations = take_sizes(attrs, "dilations", 1)?;
        let pads = take_sizes(attrs, "pads", 0)?;
        let mut rank = kernel.len();
        let lists = [("strides", strides.len()), ("dilations", dilations.len()), ("pads", pads.len() / 2)];
        for (name, len) in lists {
            if len != 0 && rank != 0 && len != rank {
                return Err(unsupported(name, format!("{len} axes"), "the lists differ in length"));
            }
            rank = rank.max(len);
        }
        let padding = import_padding(attrs, &pads)?;
        let unless_ones = |list: Vec<usize>| if list.iter().all(|&v| v == 1) { Vec::new() } else { list };
        Ok(Self { kernel, strides: unless_ones(strides), dilations: unless_ones(dilations), padding })
    }

    /// The attributes that [`Window::import`] reads back, defaults left out.
    pub fn export(&self) -> Attrs {
        let mut attrs = Attrs::new();
        let lists =
            [("kernel_shape", &self.kernel), ("strides", &self.strides), ("dilations", &self.dilations)];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            attrs.insert(name, Attr::Ints(list.iter().map(|&v| v as i64).collect()));
        }
        match &self.padding {
            Padding::Explicit(pads) if pads.is_empty() => {}
            Padding::Explicit(pads) => {
                let side = |i: usize| pads.iter().map(move |pair| pair[i] as i64);
                attrs.insert("pads", Attr::Ints(side(0).chain(side(1)).collect()));
            }
            Padding::SameUpper => attrs.insert("auto_pad", Attr::String("SAME_UPPER".to_owned())),
            Padding::SameLower => attrs.insert("auto_pad", Attr::String("SAME_LOWER".to_owned())),
        }
        attrs
    }

    /// Whether neighbouring taps are apart along some axis.
    pub fn is_dilated(&self) -> bool {
        self.dilations.iter().any(|&d| d != 1)
    }

    /// The window on an input of those spatial sizes: depth, height and width, of which a file may
    /// leave out the first or the first two. `kernel` has the taps, as the weight's shape gives them.
    ///
    /// # Errors
    /// Ranks that differ, a window that is larger than the padded input, sizes that overflow.
    pub fn resolve(
        &self,
        input: &[usize],
        kernel: &[usize],
        rounding: Rounding,
    ) -> Result<[AxisWindow; 3], OpError> {
        self.check_rank(input.len(), kernel)?;
        let mut axes = [AxisWindow::SINGLE; 3];
        let Some(missing) = axes.len().checked_sub(input.len()) else {
            return Err(too_many_axes(input.len()));
        };
        for (i, slot) in axes[missing..].iter_mut().enumerate() {
            *slot = self.resolve_axis(i, input[i], kernel[i], rounding)?;
        }
        Ok(axes)
    }

    /// Output sizes before a run: a number where the input's is one, the input's name where the
    /// window keeps the size.
    ///
    /// # Errors
    /// As [`Window::resolve`], for the sizes that are numbers.
    pub fn output_dims(
        &self,
        input: &[Dim],
        kernel: &[Option<usize>],
        rounding: Rounding,
    ) -> Result<Vec<Dim>, OpError> {
        let known: Vec<usize> = kernel.iter().map(|k| k.unwrap_or(1)).collect();
        self.check_rank(input.len(), &known)?;
        let dims = input.iter().zip(kernel).enumerate().map(|(i, (dim, kernel))| match (dim, kernel) {
            (Dim::Fixed(size), Some(kernel)) => {
                Ok(Dim::Fixed(self.resolve_axis(i, *size, *kernel, rounding)?.output))
            }
            (dim, kernel) if self.keeps_size(i, *kernel) => Ok(dim.clone()),
            _ => Ok(Dim::Unknown),
        });
        dims.collect()
    }

    fn check_rank(&self, rank: usize, kernel: &[usize]) -> Result<(), OpError> {
        let explicit = if let Padding::Explicit(pads) = &self.padding { pads.len() } else { 0 };
        let lists = [
            ("kernel_shape", self.kernel.len()),
            ("strides", self.strides.len()),
            ("dilations", self.dilations.len()),
            ("pads (pairs)", explicit),
        ];
        let wrong = lists.into_iter().find(|&(_, len)| len != 0 && len != rank);
        let wrong = wrong.or((kernel.len() != rank).then_some(("kernel", kernel.len())));
        if let Some((what, len)) = wrong {
            let expected = format!("{rank}, one for each spatial axis of the input");
            return Err(OpError::Shape { what, expected, got: len.to_string() });
        }
        if !self.kernel.is_empty() && self.kernel != kernel {
            return Err(OpError::Shape {
                what: "kernel_shape",
                expected: format!("{kernel:?}, as the weight has it"),
                got: format!("{:?}", self.kernel),
            });
        }
        Ok(())
    }

    fn resolve_axis(
        &self,
        axis: usize,
        input: usize,
        kernel: usize,
        rounding: Rounding,
    ) -> Result<AxisWindow, OpError> {
        let stride = at(&self.strides, axis);
        let dilation = at(&self.dilations, axis);
        let out_of_range = || OpError::Range {
            what: "window",
            expected: format!("made of taps, steps and distances of at least 1, and at most {LARGEST} wide"),
            got: format!("{kernel} taps at distance {dilation}, step {stride}, on an input of {input}"),
        };
        let fits = |n: usize| i64::try_from(n).is_ok_and(|n| n <= LARGEST);
        let extent = kernel.checked_sub(1).and_then(|taps| taps.checked_mul(dilation)?.checked_add(1));
        let positive = stride > 0 && dilation > 0;
        let Some(extent) = extent.filter(|&extent| positive && fits(extent) && fits(input)) else {
            return Err(out_of_range());
        };
        let [pad_begin, pad_end] =
            self.pads(axis, AxisWindow { input, stride, ..AxisWindow::SINGLE }, extent);
        let bound = input.saturating_add(extent);
        if pad_begin > bound || pad_end > bound {
            return Err(OpError::Range {
                what: "padding",
                expected: format!("at most the input's size {input} and the window's {extent} together"),
                got: format!("{pad_begin} before and {pad_end} after"),
            });
        }
        let padded = input.saturating_add(pad_begin).saturating_add(pad_end);
        let Some(room) = padded.checked_sub(extent).filter(|_| input > 0 && fits(padded)) else {
            return Err(OpError::Shape {
                what: "padded input",
                expected: format!("at least the window's size {extent}"),
                got: format!("{padded} ({input} + {pad_begin} + {pad_end})"),
            });
        };
        let mut output = 1 + if rounding == Rounding::Up { room.div_ceil(stride) } else { room / stride };
        let last_start = (output - 1).saturating_mul(stride);
        if rounding == Rounding::Up && last_start >= input + pad_begin {
            output -= 1;
        }
        Ok(AxisWindow { input, output, kernel, stride, dilation, pad_begin, pad_end })
    }

    fn pads(&self, axis: usize, window: AxisWindow, extent: usize) -> [usize; 2] {
        if let Padding::Explicit(pads) = &self.padding {
            return pads.get(axis).copied().unwrap_or([0; 2]);
        }
        let steps = window.input.div_ceil(window.stride).saturating_sub(1);
        let total = (steps * window.stride).saturating_add(extent).saturating_sub(window.input);
        let (less, more) = (total / 2, total - total / 2);
        if self.padding == Padding::SameUpper { [less, more] } else { [more, less] }
    }

    /// Whether the output is as large as the input, whatever that is.
    fn keeps_size(&self, axis: usize, kernel: Option<usize>) -> bool {
        let stride_1 = at(&self.strides, axis) == 1;
        let Padding::Explicit(pads) = &self.padding else { return stride_1 };
        let total = pads.get(axis).map_or(0, |[begin, end]| begin.saturating_add(*end));
        let reach = kernel.map(|k| k.saturating_sub(1).saturating_mul(at(&self.dilations, axis)));
        stride_1 && reach == Some(total)
    }
}

/// The refusal of windows over more axes than three.
pub(super) fn too_many_axes(got: usize) -> OpError {
    OpError::Shape { what: "spatial axes", expected: "1, 2 or 3".to_owned(), got: got.to_string() }
}

/// An entry of a list whose default is 1.
pub(super) fn at(list: &[usize], axis: usize) -> usize {
    list.get(axis).copied().unwrap_or(1)
}

fn unsupported(name: &str, value: String, reason: &'static str) -> AttrError {
    AttrError::Unsupported { name: name.to_owned(), value, reason }
}

/// Takes a list of sizes of at least `least`, one per spatial axis, empty where it is absent.
pub(super) fn take_sizes(attrs: &mut Attrs, name: &str, least: i64) -> Result<Vec<usize>, AttrError> {
    let Some(list) = attrs.take_ints(name)? else { return Ok(Vec::new()) };
    let allowed = if name == "pads" { [2, 4, 6] } else { [1, 2, 3] };
    if !allowed.contains(&list.len()) {
        let reason = "only windows over one, two or three axes are supported";
        return Err(unsupported(name, format!("{list:?}"), reason));
    }
    if list.iter().any(|&v| v < least || v > LARGEST) {
        let reason = if least == 0 { "padding must not be negative" } else { "sizes must be at least 1" };
        return Err(unsupported(name, format!("{list:?}"), reason));
    }
    Ok(list.into_iter().map(|v| v as usize).collect())
}

fn import_padding(attrs: &mut Attrs, pads: &[usize]) -> Result<Padding, AttrError> {
    let auto_pad = attrs.take_string("auto_pad")?.unwrap_or_else(|| "NOTSET".to_owned());
    let zero = pads.iter().all(|&p| p == 0);
    let (begin, end) = pads.split_at(pads.len() / 2);
    match auto_pad.as_str() {
        "NOTSET" | "" if zero => Ok(Padding::default()),
        "NOTSET" | "" => Ok(Padding::Explicit(begin.iter().zip(end).map(|(&b, &e)| [b, e]).collect())),
        _ if !zero => Err(unsupported("pads", format!("{pads:?}"), "auto_pad is set as well")),
        "VALID" => Ok(Padding::default()),
        "SAME_UPPER" => Ok(Padding::SameUpper),
        "SAME_LOWER" => Ok(Padding::SameLower),
        _ => Err(unsupported("auto_pad", auto_pad, "it must be NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, pads: [usize; 2]) -> Window {
        Window {
            kernel: vec![kernel],
            strides: vec![stride],
            padding: Padding::Explicit(vec![pads]),
            ..Window::default()
        }
    }

    fn output(window: &Window, input: usize, rounding: Rounding) -> Result<usize, OpError> {
        Ok(window.resolve(&[input], &window.kernel, rounding)?[2].output)
    }

    #[test]
    fn rounding_up_adds_a_window_only_if_it_begins_inside() {
        // Starts 0, 2, 4 on 6 cells: 4 begins inside; with 5 cells padded at the end by 1 as well.
        assert_eq!(output(&window(3, 2, [0, 0]), 6, Rounding::Down).unwrap(), 2);
        assert_eq!(output(&window(3, 2, [0, 0]), 6, Rounding::Up).unwrap(), 3);
        // Starts 0, 3, 6: cell 6 is already padding, so that window is dropped.
        assert_eq!(output(&window(2, 3, [0, 1]), 6, Rounding::Up).unwrap(), 2);
    }

    #[test]
    fn same_padding_puts_the_odd_cell_where_it_says() {
        let mut same = Window { padding: Padding::SameUpper, ..window(3, 2, [0, 0]) };
        let axis = same.resolve(&[8], &[3], Rounding::Down).unwrap()[2];
        assert_eq!((axis.output, axis.pad_begin, axis.pad_end), (4, 0, 1));
        same.padding = Padding::SameLower;
        let axis = same.resolve(&[8], &[3], Rounding::Down).unwrap()[2];
        assert_eq!((axis.output, axis.pad_begin, axis.pad_end), (4, 1, 0));
    }

    #[test]
    fn a_window_larger_than_the_padded_input_names_both() {
        let error = output(&window(5, 1, [1, 0]), 3, Rounding::Down).unwrap_err();
        assert_eq!(
            error.to_string(),
            "padded input: expected at least the window's size 5, got 4 (3 + 1 + 0)"
        );
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        let mut huge = window(usize::MAX, 1, [0, 0]);
        assert!(output(&huge, 3, Rounding::Down).is_err());
        huge = window(1, 1, [usize::MAX, usize::MAX]);
        assert!(output(&huge, 3, Rounding::Down).is_err());
        huge = Window { dilations: vec![usize::MAX], ..window(3, 1, [0, 0]) };
        assert!(output(&huge, 3, Rounding::Down).is_err());
        assert!(output(&window(1, 1, [0, 0]), usize::MAX, Rounding::Down).is_err());
        assert!(output(&window(1, 1, [0, 0]), 0, Rounding::Down).is_err());
        assert!(output(&window(0, 1, [0, 0]), 3, Rounding::Down).is_err());
    }

    #[test]
    fn spans_hold_exactly_the_taps_inside_the_input() {
        for input in 1..6_usize {
            for (kernel, stride, dilation, pad) in [(3, 1, 1, 1), (2, 2, 3, 1), (4, 3, 2, 3), (1, 2, 1, 0)] {
                let axis =
                    AxisWindow { input, output: 3, kernel, stride, dilation, pad_begin: pad, pad_end: 1 };
                for out in 0..axis.output {
                    let padded = |tap: usize| out * stride + tap * dilation;
                    let inside: Vec<usize> = (0..kernel)
                        .filter_map(|tap| padded(tap).checked_sub(pad))
                        .filter(|&at| at < input)
                        .collect();
                    let span = axis.span(out);
                    let taps: Vec<usize> = (0..span.count).map(|i| span.start + i * dilation).collect();
                    assert_eq!(taps, inside, "{axis:?} at {out}");
                    let counted = (0..kernel).filter(|&tap| padded(tap) < pad + input + 1).count();
                    assert_eq!(axis.padded_count(out), counted, "{axis:?} at {out}");
                }
            }
        }
    }

    #[test]
    fn a_symbolic_size_survives_a_window_that_keeps_it() {
        let height = Dim::Symbolic("h".into());
        let input = [height];
        let dims = |w: &Window| w.output_dims(&input, &[Some(3)], Rounding::Down).unwrap();
        assert_eq!(dims(&window(3, 1, [1, 1])), input);
        assert_eq!(dims(&window(3, 1, [1, 0])), [Dim::Unknown]);
        assert_eq!(dims(&Window { padding: Padding::SameLower, ..window(3, 2, [0, 0]) }), [Dim::Unknown]);
    }
}
