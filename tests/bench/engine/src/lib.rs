//! Networks and kernels behind plain exported functions, for `cargo xtask bench`.
//!
//! The page's own engine measures what a user would see; this measures what the crate can do, without
//! messages in between. One buffer carries bytes both ways: JavaScript asks for its address, writes a
//! file or numbers into it, and reads results from it. Functions that fail return −1 and leave the
//! message in the buffer.
#![cfg(target_arch = "wasm32")]

mod kernels;
mod networks;
mod peak;
#[cfg(feature = "threads")]
mod threads;

use std::cell::RefCell;

#[link(wasm_import_module = "clock")]
unsafe extern "C" {
    /// Milliseconds, growing.
    safe fn now() -> f64;
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The buffer, made `len` bytes long.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(len: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(len, 0);
        buffer.as_mut_ptr()
    })
}

/// Takes the buffer's bytes.
fn take() -> Vec<u8> {
    BUFFER.take()
}

/// Leaves bytes in the buffer; their number.
fn leave(bytes: Vec<u8>) -> i32 {
    let len = bytes.len();
    BUFFER.set(bytes);
    len as i32
}

/// What a function returns that has failed.
fn refuse(message: &str) -> i32 {
    leave(message.as_bytes().to_vec());
    -1
}

/// Opens the ONNX file in the buffer; its number.
#[unsafe(no_mangle)]
pub extern "C" fn open() -> i32 {
    networks::open(take()).unwrap_or_else(|error| refuse(&error))
}

/// Takes the float32 image `[1, 3, side, side]` in the buffer as the input of later runs.
#[unsafe(no_mangle)]
pub extern "C" fn image(side: usize) -> i32 {
    networks::set_image(&take(), side).map_or_else(|error| refuse(&error), |()| 0)
}

/// Runs a network on the image.
#[unsafe(no_mangle)]
pub extern "C" fn run(network: usize) -> i32 {
    networks::run(network).map_or_else(|error| refuse(&error), |()| 0)
}

/// Leaves the last run's output in the buffer, float32; its length in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> i32 {
    leave(networks::output())
}

/// Runs a network so often and leaves what each node took as JSON; its length.
#[unsafe(no_mangle)]
pub extern "C" fn profile(network: usize, runs: usize) -> i32 {
    networks::profile(network, runs).map_or_else(|error| refuse(&error), |text| leave(text.into_bytes()))
}

/// Measures the kernels whose name contains the text in the buffer and leaves their rates as JSON; its
/// length.
#[unsafe(no_mangle)]
pub extern "C" fn kernels() -> i32 {
    let filter = String::from_utf8_lossy(&take()).into_owned();
    kernels::measure(&filter).map_or_else(|error| refuse(&error), |text| leave(text.into_bytes()))
}
