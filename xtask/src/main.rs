//! `cargo xtask <command>`: the only build tool of the project.
fn main() {}
