//! Bulk data on its way to JavaScript: kept here until it is fetched, once.
//!
//! A fetched array is a copy in JavaScript's own memory, so it can be transferred between threads,
//! and no view on wasm memory outlives a call (growing the memory would detach it).

use super::protocol::BufferRef;
use js_sys::{Float32Array, Uint8Array};
use wasm_bindgen::JsValue;

#[derive(Debug)]
enum Buffer {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// Buffers that wait to be fetched.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    waiting: Vec<(u32, Buffer)>,
    next: u32,
}

impl Buffers {
    /// Keeps bytes.
    pub(super) fn bytes(&mut self, data: Vec<u8>) -> BufferRef {
        let length = data.len();
        self.keep(Buffer::Bytes(data), length)
    }

    /// Keeps floats.
    pub(super) fn floats(&mut self, data: Vec<f32>) -> BufferRef {
        let length = data.len();
        self.keep(Buffer::Floats(data), length)
    }

    /// Hands a buffer out; `undefined` when there is none of that number.
    pub(super) fn take(&mut self, id: u32) -> JsValue {
        let Some(place) = self.waiting.iter().position(|(number, _)| *number == id) else {
            return JsValue::UNDEFINED;
        };
        match self.waiting.swap_remove(place).1 {
            Buffer::Bytes(data) => Uint8Array::from(data.as_slice()).into(),
            Buffer::Floats(data) => Float32Array::from(data.as_slice()).into(),
        }
    }

    /// Drops what was not fetched.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    fn keep(&mut self, buffer: Buffer, length: usize) -> BufferRef {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.waiting.push((id, buffer));
        BufferRef { id, length }
    }
}
