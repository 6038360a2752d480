//! The algorithms: blocking, packing and tails, written once over the vector traits.
//!
//! Operands have been checked by the entry points; what is left to each `unsafe` block is arithmetic
//! on offsets, and its comment names the extent relied on. Everything that must be compiled for the
//! instruction set is `#[inline(always)]`; but a wasm module is compiled for one set as a whole, so there
//! the large loops that several tasks share are functions, and exist once.
#![allow(
    clippy::inline_always,
    reason = "code compiled for an instruction set must be inlined into the task"
)]
#![allow(unsafe_code, reason = "register tiles read packed panels through pointers")]

pub(crate) mod conv_f32;
pub(crate) mod conv_i8;
pub(crate) mod depthwise_f32;
pub(crate) mod depthwise_i8;
pub(crate) mod elementwise;
pub(crate) mod gemm_f32;
pub(crate) mod gemm_i8;
#[cfg(test)]
mod model;
pub(crate) mod pooling;
mod runs;
pub(crate) mod sinks;
mod tile_f32;
mod vectors;

pub(crate) use vectors::{Dot, DotTask, Floats, Simd, Taps, Task, WeightElement, WeightPanels, limited};
