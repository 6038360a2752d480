//! Naive definitions, one per kernel family: the oracle of every test.
//!
//! Nothing here is optimized, blocked or vectorized, and nothing may become so. Integers are summed
//! in `i64`, floats in `f64`. The functions expect operands that an entry point has already checked
//! and panic on others.

mod affine;
mod float;
mod integer;

pub use affine::{add_u8, dequantize, fake_quantize, quantize};
pub use float::{
    Bounded, conv2d_f32, conv2d_f32_backward_input, conv2d_f32_backward_weights, gemm_f32, larger,
    max_pool_f32,
};
pub use integer::{average_pool_u8, conv2d_i32, gemm_i32, max_pool_u8, requantize};
