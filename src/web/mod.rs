//! The wasm-bindgen surface of the page. See ARCHITECTURE.md.

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of the crate this module was built from, for the page's footer and for reports.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
