//! The wasm-bindgen surface of the page. See ARCHITECTURE.md.

use wasm_bindgen::prelude::wasm_bindgen;

/// The version of the crate this module was built from, for the page's footer and for reports.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn version_is_three_numbers() {
        let version = version();
        let numbers: Vec<_> = version.split('.').map(str::parse::<u32>).collect();
        assert_eq!(numbers.len(), 3, "{version}");
        assert!(numbers.iter().all(Result::is_ok), "{version}");
    }
}
