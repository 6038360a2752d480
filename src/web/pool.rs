//! Threads of the page: workers whose instances share the memory of the engine's, and enter its pool.
//!
//! `pool/start.js` starts them and `pool/thread.js` is what each runs; `cargo xtask build` puts both beside
//! the generated files. They are scripts of the page's own origin, so that its policy need not allow others.
#![allow(unreachable_pub, reason = "exported to JavaScript, where Rust's visibility ends")]

use crate::kernels::threads::{Pool, threads};
use wasm_bindgen::prelude::wasm_bindgen;

static POOL: Pool = Pool::new();

/// Makes the calling worker one of the pool's threads; does not return.
#[wasm_bindgen(js_name = enterPool)]
pub fn enter_pool() {
    POOL.enter();
}

/// Lets the pool help the calling worker; how many threads work now, itself included.
#[wasm_bindgen(js_name = joinPool)]
pub fn join_pool() -> usize {
    POOL.help_this_thread();
    threads()
}

/// Says that one of the pool's threads has stopped for good.
#[wasm_bindgen(js_name = breakPool)]
pub fn break_pool() {
    POOL.break_down();
}
