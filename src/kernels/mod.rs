//! See ARCHITECTURE.md.
/// Placeholder until the kernels land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust.
    Portable,
}
/// Placeholder until the kernels land.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KernelError {}
impl Isa {
    /// Placeholder until the kernels land.
    pub fn best() -> Self {
        Self::Portable
    }
}
