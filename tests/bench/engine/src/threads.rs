//! Threads for `bench threads`: other instances of the module on the same memory, which enter the pool.

use bitlens::kernels::threads::{Pool, threads};
use std::alloc::{Layout, alloc};

static POOL: Pool = Pool::new();

/// Memory for a new instance: its stack, or its thread-local storage. Never freed.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn allocate(size: usize, align: usize) -> *mut u8 {
    match Layout::from_size_align(size.max(1), align) {
        // SAFETY: the layout has a size.
        Ok(layout) => unsafe { alloc(layout) },
        Err(_) => core::ptr::null_mut(),
    }
}

/// Makes the calling instance one of the pool's threads; does not return.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn enter() {
    POOL.enter();
}

/// Lets so many threads work, the calling one included; how many do.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn use_threads(count: usize) -> usize {
    POOL.help_this_thread();
    POOL.limit(count);
    threads()
}
