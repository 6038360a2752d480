//! Arithmetic on slices and plain layouts; knows no tensor.
//!
//! Three roles, never mixed: `reference` defines every kernel naively, `generic` holds the
//! algorithms (blocking, packing, tails) once, over small vector traits, and `arch` implements those
//! traits for each instruction set. The entry points here check their operands, choose the kernel and
//! call it: what they accept cannot panic.
//!
//! - Activations are `f32` NCHW or `u8` NHWC; weights come as OIHW (or `N × K`) and are packed once,
//!   for one [`Isa`], which then decides what later calls run on.
//! - Integer kernels equal [`mod@reference`] bit for bit on every instruction set. `f32` kernels sum in
//!   another order, and some fuse: within `γ_k · Σ|a||b|` of the exact sum (see [`Exactness`]).
//! - Nothing is allocated but packed weights and, per call, one tile that fits a second-level cache
//!   ([`gemm_f32`] also packs a copy of its left-hand side).
//!
//! What this module does not do: choose scales, know operators, run in parallel.

mod affine;
mod arch;
mod contract;
mod elementwise;
mod error;
mod float;
mod generic;
mod integer;
mod isa;
mod layout;
mod pooling;
pub mod reference;
#[cfg(test)]
mod testing;
pub mod threads;

pub use affine::{
    AddU8, AffineParams, AveragePoolU8, PoolDivisor, QuantizedInput, Requantize, RequantizeAdd,
};
pub use contract::{Exactness, IntRange, KernelInfo};
pub use elementwise::{
    add_u8, dequantize_i8, dequantize_u8, fake_quantize_f32, lookup_u8, quantize_i8, quantize_u8,
    quantize_u8_nchw_to_nhwc, transpose_nchw_to_nhwc, transpose_nhwc_to_nchw,
};
pub use error::{KernelError, Result};
pub use float::{
    Accumulate, Epilogue, EpilogueAdd, GemmF32, PackedConvF32, PackedGemmF32, conv2d_add_f32, conv2d_f32,
    conv2d_f32_backward_input, conv2d_f32_backward_weights, gemm_f32, gemm_packed_f32,
};
pub(crate) use generic::limited;
pub use integer::{PackedConvI8, PackedGemmI8, conv2d_add_u8, conv2d_i32, conv2d_u8, gemm_i32, gemm_u8};
pub use isa::{Isa, RelaxedDot, relaxed_dot};
pub use layout::{Conv2dGeometry, ImageLayout, MatLayout, Pool2dGeometry, Window2d};
pub use pooling::{average_pool_u8, max_pool_f32, max_pool_u8};
