//! Convolutions over up to three spatial axes, as sums of convolutions over two.
//!
//! The kernels know planes. A convolution with a depth is, for every slice of the output and every
//! tap along the depth, a convolution of the input slice that the tap reaches with the slice of the
//! weight that the tap is; those slices are copied out and the results are added up. Conv and
//! ConvTranspose share this: the one's gradient with respect to its input is the other.

use super::pooling::{split_spatial, window_2d};
use super::window::{AxisWindow, Rounding, Window};
use super::{Isa, OpError};
use crate::kernels::{self, Conv2dGeometry, Epilogue, KernelError, PackedConvF32};

/// The shapes of a convolution: `[N, C, …] ∗ [O, C/groups, …] → [N, O, …]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConvShape {
    depth: AxisWindow,
    /// One slice of each.
    pub(super) plane: Conv2dGeometry,
    rank: usize,
}

/// A tensor seen as `outer × depth × inner`, of which one slice of the depth is taken at a time.
#[derive(Debug, Clone, Copy)]
struct Slices {
    depth: usize,
    inner: usize,
}

impl Slices {
    fn take(self, data: &[f32], at: usize) -> Vec<f32> {
        let blocks = data.chunks_exact((self.depth * self.inner).max(1));
        blocks.flat_map(|block| &block[at * self.inner..(at + 1) * self.inner]).copied().collect()
    }

    fn add(self, data: &mut [f32], at: usize, slice: &[f32]) {
        let blocks = data.chunks_exact_mut((self.depth * self.inner).max(1));
        for (block, slice) in blocks.zip(slice.chunks_exact(self.inner.max(1))) {
            let target = &mut block[at * self.inner..(at + 1) * self.inner];
            target.iter_mut().zip(slice).for_each(|(sum, v)| *sum += v);
        }
    }
}

/// Which of the three tensors of a convolution is computed from the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The output.
    Output,
    /// The gradient with respect to the input, from that of the output.
    Input,
    /// The gradient with respect to the weight, from that of the output.
    Weight,
}

impl ConvShape {
    /// From the shapes of input and weight.
    ///
    /// # Errors
    /// Ranks and channels that do not fit together, a window larger than the padded input.
    pub(super) fn new(
        window: &Window,
        groups: usize,
        input: &[usize],
        weight: &[usize],
    ) -> Result<Self, OpError> {
        let (head, spatial) = split_spatial(input)?;
        let (channels, kernel) = split_spatial(weight)?;
        check_rank(weight.len(), input.len())?;
        check_channels(head[1], channels[1], groups)?;
        let axes = window.resolve(spatial, kernel, Rounding::Down)?;
        Self::placed(&axes, groups, [head[0], head[1], channels[0]], input.len())
    }

    /// From a placed window; `[N, C, O]` are the images and the channels of input and output, `rank`
    /// the dimensions of each tensor.
    ///
    /// # Errors
    /// Sizes that do not fit together, or not into memory.
    pub(super) fn placed(
        axes: &[AxisWindow; 3],
        groups: usize,
        [images, inputs, outputs]: [usize; 3],
        rank: usize,
    ) -> Result<Self, OpError> {
        let plane = Conv2dGeometry::new(images, groups, inputs, outputs, window_2d(axes))?;
        let shape = Self { depth: axes[0], plane, rank };
        let lengths = [
            (plane.input_len(), shape.depth.input),
            (plane.output_len(), shape.depth.output),
            (plane.weights_len(), shape.depth.kernel),
        ];
        let fits = |&(plane, depth): &(usize, usize)| isize::try_from(plane.saturating_mul(depth)).is_ok();
        if lengths.iter().all(fits) {
            Ok(shape)
        } else {
            Err(KernelError::TooLarge { what: "convolution" }.into())
        }
    }

    /// Shape of the output.
    pub(super) fn output(&self) -> Vec<usize> {
        let [height, width] = self.plane.window().output;
        self.with_spatial([self.plane.batch(), self.plane.out_channels()], [self.depth.output, height, width])
    }

    /// Shape of the input.
    pub(super) fn input(&self) -> Vec<usize> {
        let [height, width] = self.plane.window().input;
        self.with_spatial([self.plane.batch(), self.plane.in_channels()], [self.depth.input, height, width])
    }

    fn with_spatial(&self, head: [usize; 2], spatial: [usize; 3]) -> Vec<usize> {
        let missing = 5 - self.rank.clamp(2, 5);
        head.into_iter().chain(spatial.into_iter().skip(missing)).collect()
    }

    /// Whether there is a depth.
    pub(super) fn is_volume(&self) -> bool {
        self.depth != AxisWindow::SINGLE
    }

    /// Computes one of the three tensors from the other two, given as input, weight and output with
    /// nothing in the place of the one that is computed. `out` is replaced.
    ///
    /// # Errors
    /// Lengths that do not fit.
    pub(super) fn compute(
        &self,
        isa: Isa,
        unknown: Unknown,
        [input, weight, output]: [&[f32]; 3],
        out: &mut [f32],
    ) -> Result<(), OpError> {
        if !self.is_volume() {
            return self.compute_plane(isa, unknown, [input, weight, output], out);
        }
        let window = self.plane.window();
        let pixels = |[height, width]: [usize; 2]| height * width;
        let slices = [
            Slices { depth: self.depth.input, inner: pixels(window.input) },
            Slices { depth: self.depth.kernel, inner: pixels(window.kernel) },
            Slices { depth: self.depth.output, inner: pixels(window.output) },
        ];
        let lengths = [self.plane.input_len(), self.plane.weights_len(), self.plane.output_len()];
        let computed = unknown.position();
        let mut part = vec![0.0; lengths[computed]];
        out.fill(0.0);
        for to in 0..self.depth.output {
            for tap in 0..self.depth.kernel {
                let from = to * self.depth.stride + tap * self.depth.dilation;
                let from = from.checked_sub(self.depth.pad_begin).filter(|&from| from < self.depth.input);
                let Some(from) = from else { continue };
                let at = [from, tap, to];
                let take = |i: usize, data: &[f32]| {
                    if i == computed { Vec::new() } else { slices[i].take(data, at[i]) }
                };
                let given = [take(0, input), take(1, weight), take(2, output)];
                self.compute_plane(isa, unknown, [&given[0], &given[1], &given[2]], &mut part)?;
                slices[computed].add(out, at[computed], &part);
            }
        }
        Ok(())
    }

    fn compute_plane(
        &self,
        isa: Isa,
        unknown: Unknown,
        [input, weight, output]: [&[f32]; 3],
        out: &mut [f32],
    ) -> Result<(), OpError> {
        let plane = &self.plane;
        match unknown {
            Unknown::Output => {
                let packed = PackedConvF32::pack(isa, plane, weight)?;
                kernels::conv2d_f32(plane, input, &packed, Epilogue::default(), out)?;
            }
            Unknown::Input => kernels::conv2d_f32_backward_input(isa, plane, output, weight, out)?,
            Unknown::Weight => kernels::conv2d_f32_backward_weights(isa, plane, input, output, out)?,
        }
        Ok(())
    }
}

impl Unknown {
    /// Its place among input, weight and output.
    fn position(self) -> usize {
        match self {
            Self::Input => 0,
            Self::Weight => 1,
            Self::Output => 2,
        }
    }
}

/// Adds to each channel of `[N, O, …]` its bias.
pub(super) fn add_bias(out: &mut [f32], bias: &[f32], pixels: usize) {
    for (plane, bias) in out.chunks_exact_mut(pixels.max(1)).zip(bias.iter().cycle()) {
        for v in plane {
            *v += bias;
        }
    }
}

/// The gradient with respect to a bias: the sum over each channel of `[N, O, …]`, in f64.
pub(super) fn bias_gradient(gradient: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; channels];
    for (i, plane) in gradient.chunks_exact(pixels.max(1)).enumerate() {
        sums[i % channels] += plane.iter().map(|&g| f64::from(g)).sum::<f64>();
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// Refuses a weight of another rank than the input.
pub(super) fn check_rank(weight: usize, input: usize) -> Result<(), OpError> {
    if weight == input {
        return Ok(());
    }
    let expected = format!("{input}, as the input has it");
    Err(OpError::Shape { what: "rank of the weight", expected, got: weight.to_string() })
}

/// Refuses an input with another number of channels than the weight has in all groups together.
pub(super) fn check_channels(input: usize, weight: usize, groups: usize) -> Result<(), OpError> {
    if weight.checked_mul(groups) == Some(input) {
        return Ok(());
    }
    Err(OpError::Shape {
        what: "channels of the input",
        expected: format!("{weight} per group of the weight times {groups} groups"),
        got: input.to_string(),
    })
}

/// Takes the attribute `group`.
pub(super) fn take_groups(attrs: &mut crate::ir::Attrs) -> Result<usize, crate::ir::AttrError> {
    let group = attrs.take_int("group")?.unwrap_or(1);
    usize::try_from(group).ok().filter(|&groups| groups > 0).ok_or_else(|| {
        crate::ir::AttrError::Unsupported {
            name: "group".to_owned(),
            value: group.to_string(),
            reason: "there must be at least one group",
        }
    })
}
