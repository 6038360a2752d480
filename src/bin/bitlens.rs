//! The `bitlens` command line.
fn main() {}
