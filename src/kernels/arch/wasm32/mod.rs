//! WebAssembly vectors. The module would not validate on an engine without them, so code that runs
//! is proof enough and the tokens need no constructor.

#[cfg(target_feature = "relaxed-simd")]
pub(crate) mod relaxed;
pub(crate) mod simd128;
