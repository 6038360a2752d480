//! Bitlens: quantize an ONNX image network, run it on real integers, and see what fewer bits change.
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::float_cmp))]

pub mod attribution;
pub mod data;
pub mod error;
pub mod exec;
pub mod ir;
pub mod kernels;
pub mod metrics;
pub mod onnx;
pub mod ops;
pub mod passes;
pub mod quant;
pub mod session;
pub mod tensor;
#[cfg(all(feature = "web", target_arch = "wasm32"))]
pub mod web;

#[cfg(test)]
mod tests;

// `tests/golden` names the crate as other crates do, and is read here, too.
#[cfg(test)]
extern crate self as bitlens;
