//! The wasm-bindgen surface of the page: one [`Engine`] per worker.
//!
//! `begin(request, files)` starts a piece of work, `step(budget)` does some milliseconds of it and
//! returns what happened, `cancel()` drops it. Between steps the worker is free to look for messages.
//! A file is an array, or the number of an upload: `reserveUpload(length)` makes room for it and
//! `writeUpload(id, chunk)` fills that as the file is read.
//! Errors are thrown as `{code, message, node, hint}`; a panic reaches the page as an exception of
//! the wasm module, after which the worker must be restarted. This is the only module that knows
//! JavaScript.

mod buffers;
mod engine;
#[cfg(feature = "threads")]
mod pool;
mod protocol;
mod uploads;

use crate::session::view::ErrorView;
use engine::Core;
use js_sys::Uint8Array;
use protocol::{Request, StepResult};
use tsify::Ts;
use uploads::UploadError;
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

    /// Makes room for a file of `length` bytes; its number, to be given in place of an array.
    ///
    /// # Errors
    /// Throws `{code, message, node, hint}` when there is not enough memory.
    #[wasm_bindgen(js_name = reserveUpload)]
    pub fn reserve_upload(&mut self, length: f64) -> Result<u32, JsValue> {
        self.0.uploads.reserve(length).map_err(thrown)
    }

    /// Takes the next bytes of an upload; `chunk` is copied before this returns.
    ///
    /// # Errors
    /// Throws `{code, message, node, hint}` when the file becomes longer than was said.
    #[wasm_bindgen(js_name = writeUpload)]
    pub fn write_upload(&mut self, id: u32, chunk: &Uint8Array) -> Result<(), JsValue> {
        let length = chunk.length() as usize;
        self.0.uploads.write(id, length, |to| chunk.copy_to(to)).map_err(thrown)
    }

    /// Starts a piece of work; one that is under way is dropped, and so are uploads that are not among
    /// `files`.
    ///
    /// # Errors
    /// Throws `{code, message, node, hint}`.
    #[allow(clippy::needless_pass_by_value, reason = "JavaScript hands values over, not references")]
    pub fn begin(
        &mut self,
        request: Ts<Request>,
        #[wasm_bindgen(unchecked_param_type = "(Uint8Array | number)[]")] files: Vec<JsValue>,
    ) -> Result<(), JsValue> {
        let request = request.to_rust().map_err(|e| JsValue::from_str(&e.to_string()))?;
        let files = files.iter().map(|file| self.file(file)).collect::<Result<_, _>>();
        self.0.uploads.clear();
        self.0.begin(request, files.map_err(thrown)?).map_err(|e| thrown(&e))
    }

    /// Works for about `budget_ms` milliseconds, at least one step.
    ///
    /// # Errors
    /// Throws `{code, message, node, hint}`; the work is then gone.
    pub fn step(&mut self, budget_ms: f64) -> Result<Ts<StepResult>, JsValue> {
        let result = self.0.step(budget_ms).map_err(|e| thrown(&e))?;
        Ts::from_rust(&result).map_err(|e| JsValue::from_str(&e.to_string()))
    }

    /// Drops the work under way and all uploads; what it found before stays.
    pub fn cancel(&mut self) {
        self.0.uploads.clear();
        self.0.cancel();
    }

    /// A typed array that a response named; `undefined` the second time.
    #[wasm_bindgen(js_name = takeBuffer, unchecked_return_type = "Uint8Array | Float32Array | undefined")]
    pub fn take_buffer(&mut self, id: u32) -> JsValue {
        self.0.take_buffer(id)
    }
}

impl Engine {
    /// The bytes of a file: those of an upload, or of an array, which are copied.
    fn file(&mut self, file: &JsValue) -> Result<Vec<u8>, UploadError> {
        match file.as_f64() {
            Some(id) => self.0.uploads.take(id as u32),
            None => Ok(Uint8Array::new(file).to_vec()),
        }
    }
}

/// An error as the page receives it.
fn thrown(error: impl Into<ErrorView>) -> JsValue {
    let view = error.into();
    serde_wasm_bindgen::to_value(&view).unwrap_or_else(|_| JsValue::from_str(&view.message))
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
