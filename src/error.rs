//! The error of the crate: one enum over the errors of its modules.
//!
//! Each module has its own enum with fields that carry the evidence (expected, got, node); the
//! session's collects them, with a stable code, the node to blame and what to do.

pub use crate::session::SessionError as Error;
