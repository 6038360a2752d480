//! Entry points for integer convolution and matrix product, and the packed weights they take.

use super::affine::{QuantizedInput, Requantize, RequantizeAdd};
use super::arch::{self, DotForm};
use super::contract::{Exactness, IntRange, KernelInfo};
use super::error::{KernelError, Result, check_equal, check_length, check_positive};
use super::generic::conv_i8::{ConvTask, GemmTask};
use super::generic::depthwise_i8::{DepthwiseTask, PackTask as PackDepthwise};
use super::generic::elementwise::LimitTask;
use super::generic::gemm_i8::{PackTask, PackedWeights, Sink};
use super::generic::sinks::{RequantizeSink, SumSink, WeightSums};
use super::isa::{Isa, RelaxedDot, relaxed_dot};
use super::layout::Conv2dGeometry;
use super::threads::{ByRows, cost, rows};
use core::ops::Range;

/// Sum of two adjacent weights' magnitudes up to which a saturating pair sum is exact: `255 · 128 < 2¹⁵`.
const PAIR_LIMIT: u32 = 128;

/// About what a product takes, in picoseconds.
const PRODUCT_COST: u64 = 10;
/// About what a product of a depthwise convolution takes, in picoseconds.
const DEPTHWISE_COST: u64 = 100;
/// Rows of a register tile.
const TILE_ROWS: usize = 4;

/// Weights of a convolution, laid out once for one instruction set.
#[derive(Debug, Clone)]
pub struct PackedConvI8 {
    isa: Isa,
    form: DotForm,
    shape: WeightShape,
    weights: ConvWeights,
    /// For the zero point of the input.
    weight_sums: WeightSums,
}

/// What a geometry must have in common with the one that weights were packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightShape {
    groups: usize,
    in_channels: usize,
    out_channels: usize,
    kernel: [usize; 2],
}

impl WeightShape {
    pub(crate) fn of(geometry: &Conv2dGeometry) -> Self {
        Self {
            groups: geometry.groups(),
            in_channels: geometry.in_channels(),
            out_channels: geometry.out_channels(),
            kernel: geometry.window().kernel,
        }
    }

    /// True when every group has one input and one output channel.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups == self.in_channels && self.groups == self.out_channels
    }

    /// Refuses to add a tensor to a depthwise convolution: its kernels are other ones.
    pub(crate) fn check_sum(&self) -> Result<()> {
        if self.is_depthwise() {
            let requirement = "fewer than the channels, where a tensor is added";
            return Err(KernelError::Parameter { name: "groups", value: self.groups as f64, requirement });
        }
        Ok(())
    }

    /// Refuses a geometry for other weights.
    pub(crate) fn check(&self, geometry: &Conv2dGeometry) -> Result<()> {
        let other = Self::of(geometry);
        check_equal("groups", self.groups, other.groups)?;
        check_equal("input channels", self.in_channels, other.in_channels)?;
        check_equal("output channels", self.out_channels, other.out_channels)?;
        check_equal("kernel height", self.kernel[0], other.kernel[0])?;
        check_equal("kernel width", self.kernel[1], other.kernel[1])
    }
}

#[derive(Debug, Clone)]
enum ConvWeights {
    Depthwise(Vec<i16>),
    Groups(Vec<PackedWeights>),
}

impl PackedConvI8 {
    /// Lays out OIHW weights, any `i8`, for `isa`. Batch, sizes, strides and padding of `geometry` may
    /// differ in later calls.
    ///
    /// # Errors
    /// A length other than [`Conv2dGeometry::weights_len`], a channel whose weights could overflow
    /// the accumulator (`255 · Σ|w| > i32::MAX`), an unavailable `isa`.
    pub fn pack(isa: Isa, geometry: &Conv2dGeometry, weights_oihw: &[i8]) -> Result<Self> {
        Self::pack_differences(isa, geometry, &widened(weights_oihw))
    }

    /// Lays out OIHW differences of 8-bit codes, −255 to 255, for `isa`, as [`PackedConvI8::pack`] does
    /// weights. Where one needs nine bits, the kernel takes pairs of 16.
    ///
    /// # Errors
    /// As [`PackedConvI8::pack`]; a number that is no such difference.
    pub fn pack_differences(isa: Isa, geometry: &Conv2dGeometry, weights_oihw: &[i16]) -> Result<Self> {
        check_length("weights", geometry.weights_len(), weights_oihw.len())?;
        let weight_sums = checked_sums(weights_oihw, geometry.depth())?;
        let shape = WeightShape::of(geometry);
        let taps = geometry.window().taps();
        if geometry.is_depthwise() {
            let task = PackDepthwise { weights: weights_oihw, channels: geometry.out_channels(), taps };
            let weights = ConvWeights::Depthwise(arch::run(isa, task)?);
            return Ok(Self { isa, form: DotForm::Pairs, shape, weights, weight_sums });
        }
        let weights = taps_first(weights_oihw, geometry.in_channels_per_group(), taps);
        let form = choose_form(isa, relaxed_dot(), &weights, geometry.depth());
        let columns = geometry.out_channels_per_group();
        let groups = weights.chunks_exact(columns * geometry.depth()).map(|weights_nk| {
            let task = PackTask { weights_nk, columns, depth: geometry.depth() };
            arch::run_dot(isa, form, task)
        });
        let weights = ConvWeights::Groups(groups.collect::<Result<_>>()?);
        Ok(Self { isa, form, shape, weights, weight_sums })
    }

    /// The kernel that these weights will run on.
    pub fn kernel(&self) -> KernelInfo {
        match self.weights {
            ConvWeights::Depthwise(_) => {
                KernelInfo { name: "depthwise i16-pairs", ..info(self.isa, self.form) }
            }
            ConvWeights::Groups(_) => info(self.isa, self.form),
        }
    }

    fn check(&self, geometry: &Conv2dGeometry, input: QuantizedInput<'_>, out: usize) -> Result<()> {
        self.shape.check(geometry)?;
        check_length("input", geometry.input_len(), input.data.len())?;
        check_length("out", geometry.output_len(), out)
    }

    /// Some rows of the output, an image's positions one after the other; the sink's first is the first.
    fn run(
        &self,
        geometry: &Conv2dGeometry,
        input: QuantizedInput<'_>,
        rows: Range<usize>,
        sink: &mut impl Sink,
    ) -> Result<()> {
        match &self.weights {
            ConvWeights::Depthwise(weights) => {
                arch::run(self.isa, DepthwiseTask { geometry, input, weights, rows, sink })
            }
            ConvWeights::Groups(weights) => {
                arch::run_dot(self.isa, self.form, ConvTask { geometry, input, weights, rows, sink })
            }
        }
    }

    fn by_rows(&self, geometry: &Conv2dGeometry) -> ByRows {
        let width = geometry.out_channels();
        let (step, product) = match self.weights {
            ConvWeights::Depthwise(_) => (1, DEPTHWISE_COST),
            ConvWeights::Groups(_) => (TILE_ROWS, PRODUCT_COST),
        };
        ByRows { width, step, cost: cost(product, &[width, geometry.depth()]) }
    }
}

/// Convolution of `[N, H, W, C]` codes to `[N, OH, OW, O]` codes, see [`Requantize`].
///
/// Padding reads as `input.zero_point`. The instruction set is the one `packed` was made for.
///
/// # Errors
/// Lengths and shapes that do not fit, parameters that [`Requantize`] excludes.
pub fn conv2d_u8(
    geometry: &Conv2dGeometry,
    input: QuantizedInput<'_>,
    packed: &PackedConvI8,
    requantize: &Requantize,
    out: &mut [u8],
) -> Result<()> {
    packed.check(geometry, input, out.len())?;
    requantize.check(geometry.out_channels())?;
    rows(out, packed.by_rows(geometry), |rows, out| {
        let mut sink = RequantizeSink::new(input.zero_point, &packed.weight_sums, requantize, out);
        packed.run(geometry, input, rows, &mut sink)?;
        limit_channels(packed.isa, &requantize.limits, out)
    })
}

/// Convolution of `[N, H, W, C]` codes to `[N, OH, OW, O]` codes, and the codes in `out` added to them:
/// `out` is the other summand, and becomes the sum, see [`RequantizeAdd`]. The same codes as those of
/// [`conv2d_u8`] and [`add_u8`](super::add_u8), in one pass.
///
/// # Errors
/// Lengths and shapes that do not fit, parameters that [`Requantize`] or [`AddU8`](super::AddU8) excludes, a
/// depthwise convolution, limits of channels.
pub fn conv2d_add_u8(
    geometry: &Conv2dGeometry,
    input: QuantizedInput<'_>,
    packed: &PackedConvI8,
    finish: RequantizeAdd<'_>,
    out: &mut [u8],
) -> Result<()> {
    packed.check(geometry, input, out.len())?;
    finish.check(geometry.out_channels())?;
    packed.shape.check_sum()?;
    rows(out, packed.by_rows(geometry), |rows, out| {
        let mut sink = RequantizeSink::adding(input.zero_point, &packed.weight_sums, finish, out);
        packed.run(geometry, input, rows, &mut sink)
    })
}

/// Convolution of `[N, H, W, C]` codes to the `[N, OH, OW, O]` accumulators `Σ (x − zero_point)·w`.
///
/// # Errors
/// Lengths and shapes that do not fit.
pub fn conv2d_i32(
    geometry: &Conv2dGeometry,
    input: QuantizedInput<'_>,
    packed: &PackedConvI8,
    out: &mut [i32],
) -> Result<()> {
    packed.check(geometry, input, out.len())?;
    rows(out, packed.by_rows(geometry), |rows, out| {
        packed.run(geometry, input, rows, &mut SumSink::new(input.zero_point, &packed.weight_sums, out))
    })
}

/// Weights `N × K` of a matrix product, laid out once for one instruction set.
#[derive(Debug, Clone)]
pub struct PackedGemmI8 {
    isa: Isa,
    form: DotForm,
    depth: usize,
    weights: PackedWeights,
    weight_sums: WeightSums,
}

impl PackedGemmI8 {
    /// Lays out row-major `N × K` weights (`depth` is `K`), any `i8`, for `isa`.
    ///
    /// # Errors
    /// A length that `depth` does not divide, no weights at all, a row whose weights could overflow
    /// the accumulator (`255 · Σ|w| > i32::MAX`), an unavailable `isa`.
    pub fn pack(isa: Isa, depth: usize, weights_nk: &[i8]) -> Result<Self> {
        Self::pack_differences(isa, depth, &widened(weights_nk))
    }

    /// Lays out row-major `N × K` differences of 8-bit codes, −255 to 255, for `isa`, as
    /// [`PackedGemmI8::pack`] does weights. Where one needs nine bits, the kernel takes pairs of 16.
    ///
    /// # Errors
    /// As [`PackedGemmI8::pack`]; a number that is no such difference.
    pub fn pack_differences(isa: Isa, depth: usize, weights_nk: &[i16]) -> Result<Self> {
        check_positive("depth", depth)?;
        check_positive("number of weights", weights_nk.len())?;
        let columns = weights_nk.len() / depth;
        check_length("weights", columns * depth, weights_nk.len())?;
        let weight_sums = checked_sums(weights_nk, depth)?;
        let form = choose_form(isa, relaxed_dot(), weights_nk, depth);
        let weights = arch::run_dot(isa, form, PackTask { weights_nk, columns, depth })?;
        Ok(Self { isa, form, depth, weights, weight_sums })
    }

    /// `K`.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// `N`.
    pub fn columns(&self) -> usize {
        self.weight_sums.signed.len()
    }

    /// The kernel that these weights will run on.
    pub fn kernel(&self) -> KernelInfo {
        info(self.isa, self.form)
    }

    /// Some rows of the product; the sink's first is the first.
    fn run(&self, input: QuantizedInput<'_>, rows: Range<usize>, sink: &mut impl Sink) -> Result<()> {
        let (depth, columns) = (self.depth, self.columns());
        let input = QuantizedInput { data: &input.data[rows.start * depth..rows.end * depth], ..input };
        let task = GemmTask { input, depth, columns, weights: &self.weights, sink };
        arch::run_dot(self.isa, self.form, task)
    }

    fn by_rows(&self) -> ByRows {
        let cost = cost(PRODUCT_COST, &[self.columns(), self.depth]);
        ByRows { width: self.columns(), step: TILE_ROWS, cost }
    }

    fn check(&self, input: QuantizedInput<'_>, out: usize) -> Result<()> {
        let rows = input.data.len() / self.depth;
        check_length("lhs", rows * self.depth, input.data.len())?;
        check_length("out", rows * self.columns(), out)
    }
}

/// Matrix product of `M × K` codes and packed weights to `M × N` codes, see [`Requantize`].
///
/// # Errors
/// Lengths that do not fit, parameters that [`Requantize`] excludes.
pub fn gemm_u8(
    lhs: QuantizedInput<'_>,
    packed: &PackedGemmI8,
    requantize: &Requantize,
    out: &mut [u8],
) -> Result<()> {
    packed.check(lhs, out.len())?;
    requantize.check(packed.columns())?;
    rows(out, packed.by_rows(), |rows, out| {
        let mut sink = RequantizeSink::new(lhs.zero_point, &packed.weight_sums, requantize, out);
        packed.run(lhs, rows, &mut sink)?;
        limit_channels(packed.isa, &requantize.limits, out)
    })
}

/// Limits finished rows, see [`Requantize::limits`]. A pass of its own over rows that are still in a cache:
/// the few networks that want it do not cost the others a register of their tiles.
fn limit_channels(isa: Isa, limits: &[u8], out: &mut [u8]) -> Result<()> {
    if limits.is_empty() {
        return Ok(());
    }
    arch::run(isa, LimitTask { limits, out })
}

/// Matrix product of `M × K` codes and packed weights to the accumulators `Σ (x − zero_point)·w`.
///
/// # Errors
/// Lengths that do not fit.
pub fn gemm_i32(lhs: QuantizedInput<'_>, packed: &PackedGemmI8, out: &mut [i32]) -> Result<()> {
    packed.check(lhs, out.len())?;
    rows(out, packed.by_rows(), |rows, out| {
        packed.run(lhs, rows, &mut SumSink::new(lhs.zero_point, &packed.weight_sums, out))
    })
}

/// The same weights in 16 bits.
pub(crate) fn widened(weights: &[i8]) -> Vec<i16> {
    weights.iter().map(|&w| w.into()).collect()
}

/// OIHW to OHWI: the depth in the order in which NHWC activations are read.
fn taps_first(weights_oihw: &[i16], channels: usize, taps: usize) -> Vec<i16> {
    let depth = channels * taps;
    let place = |index: usize| {
        let (output, tap, channel) = (index / depth, index % depth / channels, index % channels);
        output * depth + channel * taps + tap
    };
    (0..weights_oihw.len()).map(|index| weights_oihw[place(index)]).collect()
}

/// Sums per output channel; refuses channels whose accumulator could overflow, and what is no difference of
/// codes.
fn checked_sums(weights: &[i16], depth: usize) -> Result<WeightSums> {
    let admitted = IntRange::DIFFERENCES;
    if let Some(&w) = weights.iter().find(|&&w| !(admitted.min..=admitted.max).contains(&w.into())) {
        let requirement = "within -255..=255";
        return Err(KernelError::Parameter { name: "weight", value: w.into(), requirement });
    }
    let mut sums = WeightSums::default();
    for (channel, row) in weights.chunks_exact(depth).enumerate() {
        let weight_sum: i64 = row.iter().map(|&w| i64::from(w).abs()).sum();
        if weight_sum * 255 > i64::from(i32::MAX) {
            return Err(KernelError::AccumulatorOverflow { channel, weight_sum });
        }
        sums.signed.push(row.iter().map(|&w| i32::from(w)).sum());
        sums.absolute.push(weight_sum as i32);
    }
    Ok(sums)
}

/// The fastest dot product of `isa` that is exact for these weights (`N × K`) with any `u8`.
fn choose_form(isa: Isa, relaxed: RelaxedDot, weights_nk: &[i16], depth: usize) -> DotForm {
    if isa != Isa::RelaxedSimd || weights_nk.iter().any(|&w| i8::try_from(w).is_err()) {
        return DotForm::Pairs;
    }
    match relaxed {
        RelaxedDot::Unsigned => DotForm::Quads,
        RelaxedDot::Signed => DotForm::ShiftedQuads,
        RelaxedDot::UnsignedSaturating if pairs_are_bounded(weights_nk, depth) => DotForm::Quads,
        RelaxedDot::UnsignedSaturating | RelaxedDot::Unusable => DotForm::Pairs,
    }
}

/// True when `|w0| + |w1| ≤ 128` for every two weights that are multiplied as a pair.
fn pairs_are_bounded(weights_nk: &[i16], depth: usize) -> bool {
    weights_nk.chunks_exact(depth).all(|row| {
        row.chunks(2).all(|pair| pair.iter().map(|w| u32::from(w.unsigned_abs())).sum::<u32>() <= PAIR_LIMIT)
    })
}

fn info(isa: Isa, form: DotForm) -> KernelInfo {
    let (name, rhs, exactness) = match form {
        DotForm::Pairs => ("i16-pairs", IntRange::DIFFERENCES, Exactness::BitExact),
        DotForm::Quads if relaxed_dot() == RelaxedDot::UnsignedSaturating => {
            ("u8-quads", IntRange::I8, Exactness::BitExactForBoundedPairs)
        }
        DotForm::Quads => ("u8-quads", IntRange::I8, Exactness::BitExact),
        DotForm::ShiftedQuads => ("shifted-quads", IntRange::I8, Exactness::BitExact),
    };
    KernelInfo { name, isa, lhs: IntRange::U8, rhs, exactness }
}
