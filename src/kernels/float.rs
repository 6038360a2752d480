//! Entry points for `f32` matrix product and convolution, and the packed weights they take.

use super::arch;
use super::error::{KernelError, Result, check_equal, check_length};
use super::generic::conv_f32::{BackwardInputTask, BackwardWeightsTask, ConvTask, PackPanels};
use super::generic::depthwise_f32::{DepthwiseBackwardInput, DepthwiseBackwardWeights, DepthwiseForward};
use super::generic::gemm_f32::{
    Added, Division, Finish, PackRhs, PackedRhs, ProductTask, RhsSource, StridedRhs,
};
use super::integer::WeightShape;
use super::isa::Isa;
use super::layout::{Conv2dGeometry, MatLayout};
use super::threads::{ByRows, Shared, cost, rows, split};

/// About what a product takes, in picoseconds.
const PRODUCT_COST: u64 = 40;
/// About what a product of a depthwise convolution takes, in picoseconds.
const DEPTHWISE_COST: u64 = 120;
/// Rows of a register tile.
const TILE_ROWS: usize = 4;

/// Whether a product replaces what the output holds or adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accumulate {
    /// `out = product`.
    Overwrite,
    /// `out = out + product`.
    Add,
}

/// What happens to a sum before it is stored: `clamp(sum + bias)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// One per output channel (convolution) or per column (matrix product).
    pub bias: Option<&'a [f32]>,
    /// Smallest and largest value stored; NaN stays NaN.
    pub clamp: Option<(f32, f32)>,
}

impl Epilogue<'_> {
    fn check(&self, channels: usize) -> Result<()> {
        if let Some(bias) = self.bias {
            check_equal("length of the bias", channels, bias.len())?;
        }
        check_clamp(self.clamp)
    }
}

fn check_clamp(clamp: Option<(f32, f32)>) -> Result<()> {
    match clamp {
        Some((lo, hi)) if lo > hi || lo.is_nan() || hi.is_nan() => {
            let requirement = "a range with its smaller end first";
            Err(KernelError::Parameter { name: "clamp", value: f64::from(lo), requirement })
        }
        _ => Ok(()),
    }
}

/// What happens to a sum where another tensor is added to the output: `clamp(epilogue(sum) + other)`.
#[derive(Debug, Clone, Copy)]
pub struct EpilogueAdd<'a> {
    /// What happens to it first.
    pub epilogue: Epilogue<'a>,
    /// As large as the output, and laid out as it is.
    pub other: &'a [f32],
    /// Smallest and largest value stored; NaN stays NaN.
    pub clamp: Option<(f32, f32)>,
}

/// Operands of [`gemm_f32`]: any strides, so a transpose is a change of layout.
#[derive(Debug, Clone, Copy)]
pub struct GemmF32<'a> {
    /// `M × K`.
    pub lhs: &'a [f32],
    /// Where its elements lie.
    pub lhs_layout: MatLayout,
    /// `K × N`.
    pub rhs: &'a [f32],
    /// Where its elements lie.
    pub rhs_layout: MatLayout,
}

/// `out = lhs · rhs` or `out += lhs · rhs`, row-major `M × N`.
///
/// Each call packs a copy of `lhs` and blocks of `rhs`; for a constant `rhs` see [`PackedGemmF32`].
///
/// ```
/// use bitlens::kernels::{Accumulate, GemmF32, Isa, MatLayout, gemm_f32};
/// let square = MatLayout::row_major(2, 2)?;
/// let (lhs, rhs) = (&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0, 1.0, 0.0]);
/// let operands = GemmF32 { lhs, lhs_layout: square, rhs, rhs_layout: square };
/// let mut out = [0.0; 4];
/// gemm_f32(Isa::best(), &operands, &mut out, Accumulate::Overwrite)?;
/// assert_eq!(out, [2.0, 1.0, 4.0, 3.0]);
/// # Ok::<(), bitlens::kernels::KernelError>(())
/// ```
///
/// # Errors
/// Slices that do not hold their layouts, layouts that disagree about `K`, an unavailable `isa`.
pub fn gemm_f32(isa: Isa, operands: &GemmF32<'_>, out: &mut [f32], accumulate: Accumulate) -> Result<()> {
    let GemmF32 { lhs, lhs_layout, rhs, rhs_layout } = *operands;
    lhs_layout.check_slice("lhs", lhs.len())?;
    rhs_layout.check_slice("rhs", rhs.len())?;
    check_equal("rows of rhs", lhs_layout.cols(), rhs_layout.rows())?;
    let cols = rhs_layout.cols();
    MatLayout::row_major(lhs_layout.rows(), cols)?;
    check_length("out", lhs_layout.rows() * cols, out.len())?;
    let finish = Finish { accumulate: accumulate == Accumulate::Add, ..Finish::default() };
    let rhs = &StridedRhs { data: rhs, layout: rhs_layout };
    product(isa, ProductTask { lhs, lhs_layout, rhs, cols, finish, out })
}

/// A constant right-hand side `K × N`, laid out once for one instruction set.
#[derive(Debug, Clone)]
pub struct PackedGemmF32 {
    isa: Isa,
    rhs: PackedRhs,
}

impl PackedGemmF32 {
    /// Name of the kernel for reports.
    pub const KERNEL: &'static str = "f32-tiles";

    /// Lays out `rhs`, `K × N` in any strides, for `isa`.
    ///
    /// # Errors
    /// A slice that does not hold its layout, an unavailable `isa`.
    pub fn pack(isa: Isa, rhs: &[f32], layout: MatLayout) -> Result<Self> {
        layout.check_slice("rhs", rhs.len())?;
        Ok(Self { isa, rhs: arch::run(isa, PackRhs { rhs, layout })? })
    }

    /// `K`.
    pub fn depth(&self) -> usize {
        self.rhs.depth
    }

    /// `N`.
    pub fn columns(&self) -> usize {
        self.rhs.cols
    }
}

/// `out = clamp(lhs · packed + bias)`; `lhs` is `M × K`, `out` row-major `M × N`, `bias` one per column.
///
/// # Errors
/// Lengths that do not fit, a clamp whose ends are exchanged or NaN.
pub fn gemm_packed_f32(
    lhs: &[f32],
    lhs_layout: MatLayout,
    packed: &PackedGemmF32,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) -> Result<()> {
    lhs_layout.check_slice("lhs", lhs.len())?;
    check_equal("columns of lhs", packed.depth(), lhs_layout.cols())?;
    let cols = packed.columns();
    MatLayout::row_major(lhs_layout.rows(), cols)?;
    check_length("out", lhs_layout.rows() * cols, out.len())?;
    epilogue.check(cols)?;
    let finish = Finish { col_bias: epilogue.bias, clamp: epilogue.clamp, ..Finish::default() };
    product(packed.isa, ProductTask { lhs, lhs_layout, rhs: &packed.rhs, cols, finish, out })
}

/// A product, divided by rows.
fn product<R: RhsSource + Sync>(isa: Isa, task: ProductTask<'_, R>) -> Result<()> {
    let ProductTask { lhs, lhs_layout, rhs, cols, finish, out } = task;
    let by = ByRows { width: cols, step: TILE_ROWS, cost: cost(PRODUCT_COST, &[cols, lhs_layout.cols()]) };
    rows(out, by, |rows, out| {
        let lhs = &lhs[(rows.start * lhs_layout.row_stride()).min(lhs.len())..];
        let lhs_layout = lhs_layout.with_rows(rows.len());
        arch::run(isa, ProductTask { lhs, lhs_layout, rhs, cols, finish, out })
    })
}

/// Weights of a convolution, laid out once for one instruction set.
#[derive(Debug, Clone)]
pub struct PackedConvF32 {
    isa: Isa,
    shape: WeightShape,
    /// Panels of each group, or the weights as they are for a depthwise convolution.
    weights: Vec<f32>,
}

impl PackedConvF32 {
    /// Lays out OIHW weights for `isa`. Batch, sizes, strides and padding of `geometry` may differ in
    /// later calls.
    ///
    /// # Errors
    /// A length other than [`Conv2dGeometry::weights_len`], an unavailable `isa`.
    pub fn pack(isa: Isa, geometry: &Conv2dGeometry, weights_oihw: &[f32]) -> Result<Self> {
        check_length("weights", geometry.weights_len(), weights_oihw.len())?;
        let weights = arch::run(isa, PackPanels { geometry, weights: weights_oihw })?;
        Ok(Self { isa, shape: WeightShape::of(geometry), weights })
    }

    /// Name of the kernel that these weights will run on.
    pub fn kernel(&self) -> &'static str {
        if self.shape.is_depthwise() { "depthwise f32" } else { PackedGemmF32::KERNEL }
    }
}

/// Convolution of `[N, C, H, W]` to `[N, O, OH, OW]`: `clamp(Σ x·w + bias)`, padding reads as zero.
///
/// The instruction set is the one `packed` was made for.
///
/// # Errors
/// Lengths and shapes that do not fit, a clamp whose ends are exchanged or NaN.
pub fn conv2d_f32(
    geometry: &Conv2dGeometry,
    input: &[f32],
    packed: &PackedConvF32,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) -> Result<()> {
    packed.shape.check(geometry)?;
    check_length("input", geometry.input_len(), input.len())?;
    check_length("out", geometry.output_len(), out.len())?;
    epilogue.check(geometry.out_channels())?;
    let Epilogue { bias, clamp } = epilogue;
    if geometry.is_depthwise() {
        let weights = &packed.weights;
        let (width, seen) = (geometry.window().output_pixels(), geometry.window().input_pixels());
        let cost = cost(DEPTHWISE_COST, &[width, geometry.depth()]);
        return rows(out, ByRows { width, step: 1, cost }, |planes, out| {
            let (first, input) = (planes.start, &input[planes.start * seen..planes.end * seen]);
            arch::run(packed.isa, DepthwiseForward { geometry, input, first, weights, bias, clamp, out })
        });
    }
    convolve(geometry, input, packed, Finish { row_bias: bias, clamp, ..Finish::default() }, out)
}

/// Convolution of `[N, C, H, W]` to `[N, O, OH, OW]`, and another tensor added to it, see [`EpilogueAdd`]:
/// the same bits as of [`conv2d_f32`] and a sum, in one pass.
///
/// # Errors
/// As of [`conv2d_f32`]; a depthwise convolution.
pub fn conv2d_add_f32(
    geometry: &Conv2dGeometry,
    input: &[f32],
    packed: &PackedConvF32,
    finish: EpilogueAdd<'_>,
    out: &mut [f32],
) -> Result<()> {
    packed.shape.check(geometry)?;
    check_length("input", geometry.input_len(), input.len())?;
    check_length("other", geometry.output_len(), finish.other.len())?;
    check_length("out", geometry.output_len(), out.len())?;
    finish.epilogue.check(geometry.out_channels())?;
    check_clamp(finish.clamp)?;
    packed.shape.check_sum()?;
    let Epilogue { bias, clamp } = finish.epilogue;
    let added = Some(Added { other: finish.other, clamp: finish.clamp });
    convolve(geometry, input, packed, Finish { row_bias: bias, clamp, added, ..Finish::default() }, out)
}

/// A convolution that is not depthwise, of operands that fit.
fn convolve(
    geometry: &Conv2dGeometry,
    input: &[f32],
    packed: &PackedConvF32,
    finish: Finish<'_>,
    out: &mut [f32],
) -> Result<()> {
    let product = [geometry.out_channels_per_group(), geometry.window().output_pixels()];
    let all = cost(PRODUCT_COST, &[geometry.output_len(), geometry.depth()]);
    let division = Division::of(product, all);
    let out = Shared::new(out, product[1]);
    split(division.count, |index| {
        let part = division.part(index);
        arch::run(packed.isa, ConvTask { geometry, input, panels: &packed.weights, finish, part, out })
    })
}

/// Gradient of a convolution with respect to its input, `[N, C, H, W]`, replaced.
///
/// # Errors
/// Lengths that do not fit `geometry`, an unavailable `isa`.
pub fn conv2d_f32_backward_input(
    isa: Isa,
    geometry: &Conv2dGeometry,
    grad_out: &[f32],
    weights: &[f32],
    grad_in: &mut [f32],
) -> Result<()> {
    check_length("gradient of the output", geometry.output_len(), grad_out.len())?;
    check_length("weights", geometry.weights_len(), weights.len())?;
    check_length("gradient of the input", geometry.input_len(), grad_in.len())?;
    grad_in.fill(0.0);
    if geometry.is_depthwise() {
        return arch::run(isa, DepthwiseBackwardInput { geometry, grad_out, weights, grad_in });
    }
    arch::run(isa, BackwardInputTask { geometry, grad_out, weights, grad_in })
}

/// Gradient of a convolution with respect to its weights, OIHW, replaced; summed over the batch.
///
/// # Errors
/// Lengths that do not fit `geometry`, an unavailable `isa`.
pub fn conv2d_f32_backward_weights(
    isa: Isa,
    geometry: &Conv2dGeometry,
    input: &[f32],
    grad_out: &[f32],
    grad_weights: &mut [f32],
) -> Result<()> {
    check_length("input", geometry.input_len(), input.len())?;
    check_length("gradient of the output", geometry.output_len(), grad_out.len())?;
    check_length("gradient of the weights", geometry.weights_len(), grad_weights.len())?;
    grad_weights.fill(0.0);
    if geometry.is_depthwise() {
        return arch::run(isa, DepthwiseBackwardWeights { geometry, input, grad_out, grad_weights });
    }
    arch::run(isa, BackwardWeightsTask { geometry, input, grad_out, grad_weights })
}
