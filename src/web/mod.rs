//! The wasm-bindgen surface of the page: one [`Engine`] per worker.
//!
//! `begin(request, files)` starts a piece of work, `step(budget)` does some milliseconds of it and
//! returns what happened, `cancel()` drops it. Between steps the worker is free to look for messages.
//! Errors are thrown as `{code, message, node, hint}`; a panic reaches the page as an exception of
//! the wasm module, after which the worker must be restarted. This is the only module that knows
//! JavaScript.

mod buffers;
mod engine;
mod protocol;

use crate::session::SessionError;
use crate::session::view::ErrorView;
use engine::Core;
use js_sys::Uint8Array;
use protocol::{Request, StepResult};
use tsify::Ts;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

/// The version of the crate this module was built from, for the page's footer and for reports.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// One user's work, in one worker.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine(Core);

#[wasm_bindgen]
impl Engine {
    /// An engine without a network.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "JavaScript has constructors, not defaults")]
    pub fn new() -> Self {
        console_error_panic_hook::set_once();
        Self(Core::new(now))
    }

    /// Starts a piece of work; one that is under way is dropped.
    ///
    /// # Errors
    /// Throws `{code, message, node, hint}`.
    #[allow(clippy::needless_pass_by_value, reason = "JavaScript hands values over, not references")]
    pub fn begin(&mut self, request: Ts<Request>, files: Vec<Uint8Array>) -> Result<(), JsValue> {
        let request = request.to_rust().map_err(|e| JsValue::from_str(&e.to_string()))?;
        let files = files.iter().map(Uint8Array::to_vec).collect();
        self.0.begin(request, files).map_err(|e| thrown(&e))
    }

    /// Works for about `budget_ms` milliseconds, at least one step.
    ///
    /// # Errors
    /// Throws `{code, message, node, hint}`; the work is then gone.
    pub fn step(&mut self, budget_ms: f64) -> Result<Ts<StepResult>, JsValue> {
        let result = self.0.step(budget_ms).map_err(|e| thrown(&e))?;
        Ts::from_rust(&result).map_err(|e| JsValue::from_str(&e.to_string()))
    }

    /// Drops the work under way; what it found before stays.
    pub fn cancel(&mut self) {
        self.0.cancel();
    }

    /// A typed array that a response named; `undefined` the second time.
    #[wasm_bindgen(js_name = takeBuffer, unchecked_return_type = "Uint8Array | Float32Array | undefined")]
    pub fn take_buffer(&mut self, id: u32) -> JsValue {
        self.0.take_buffer(id)
    }
}

/// An error as the page receives it.
fn thrown(error: &SessionError) -> JsValue {
    serde_wasm_bindgen::to_value(&ErrorView::from(error))
        .unwrap_or_else(|_| JsValue::from_str(&error.to_string()))
}

/// Milliseconds since the worker began.
fn now() -> f64 {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    scope.performance().map_or_else(js_sys::Date::now, |performance| performance.now())
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
