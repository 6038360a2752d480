//! The errors of the crate.
