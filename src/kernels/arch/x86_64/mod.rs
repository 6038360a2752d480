//! x86-64 vectors, found at run time.

pub(crate) mod avx2;
