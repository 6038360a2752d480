//! Instruction sets: each implements the vector traits of `generic`, and nothing else.
//!
//! A token such as `Avx2` can only be made where its instructions exist, so holding one is the proof
//! that every later call relies on. [`run`] and [`run_dot`] are the only ways in: they compile the
//! whole of a task for the instruction set, since everything in it is inlined.
#![allow(
    clippy::inline_always,
    reason = "code compiled for an instruction set must be inlined into the task"
)]
#![allow(unsafe_code, reason = "intrinsics and pointers; see the module documentation")]

#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
pub(crate) mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm32;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

use super::error::{KernelError, Result};
use super::generic::{DotTask, Task};
use super::isa::{Dot16, Isa};

/// Which integer dot product packed weights were laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DotForm {
    /// 16-bit pairs: exact everywhere.
    Pairs,
    /// Four 8-bit products, activations as they are.
    Quads,
    /// Four 8-bit products, activations less 128.
    ShiftedQuads,
}

/// Runs a task on an instruction set, or on the one that differs from it only in fusing products and sums
/// of `f32`, where the task has none ([`Task::SUMS_REALS`]).
///
/// # Errors
/// [`KernelError::IsaUnavailable`].
pub(crate) fn run<T: Task>(isa: Isa, task: T) -> Result<T::Output> {
    match isa {
        #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
        Isa::Portable => Ok(task.run(portable::Portable)),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Isa::Simd128 if T::SUMS_REALS || cfg!(not(target_feature = "relaxed-simd")) => {
            Ok(task.run(wasm32::simd128::Simd128))
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        Isa::RelaxedSimd | Isa::Simd128 => Ok(task.run(wasm32::relaxed::Relaxed)),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2Unfused if T::SUMS_REALS => match x86_64::avx2::Avx2::<false>::new() {
            Some(avx2) => Ok(avx2.run(task)),
            None => Err(KernelError::IsaUnavailable { isa }),
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 | Isa::Avx2Unfused => match x86_64::avx2::Avx2::<true>::new() {
            Some(avx2) => Ok(avx2.run(task)),
            None => Err(KernelError::IsaUnavailable { isa }),
        },
        #[allow(unreachable_patterns, reason = "depends on the target")]
        _ => Err(KernelError::IsaUnavailable { isa }),
    }
}

/// Runs an integer task on an instruction set, with the dot product of `form`.
///
/// # Errors
/// [`KernelError::IsaUnavailable`].
pub(crate) fn run_dot<T: DotTask>(isa: Isa, form: DotForm, task: T) -> Result<T::Output> {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    if isa == Isa::RelaxedSimd {
        match form {
            DotForm::Quads => return Ok(task.run(wasm32::relaxed::Quads)),
            DotForm::ShiftedQuads => return Ok(task.run(wasm32::relaxed::ShiftedQuads)),
            DotForm::Pairs => {}
        }
    }
    let _ = form;
    run(isa, PairTask(task))
}

/// An integer task on the pairs that every instruction set has.
struct PairTask<T>(T);

impl<T: DotTask> Task for PairTask<T> {
    type Output = T::Output;
    const SUMS_REALS: bool = false;
    #[inline(always)]
    fn run<S: super::generic::Simd>(self, simd: S) -> T::Output {
        self.0.run(simd)
    }
}

/// The relaxed dot product of this engine; `None` in a build without it.
#[allow(clippy::unnecessary_wraps, reason = "builds without relaxed SIMD have none")]
pub(crate) fn relaxed_instruction() -> Option<Dot16> {
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    return Some(wasm32::relaxed::dot16);
    #[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
    None
}
