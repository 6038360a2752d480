//! The one place where work is divided among threads.
//!
//! A kernel says into how many parts its output can be cut (`parts`, `rows`) and what makes one part
//! (`split`). Only outputs are divided, never sums, so that a result has the same bits whatever the
//! number of threads. A thread has helpers when it has been given a `Pool`: in a build with the feature
//! `threads`, and in native tests. Everywhere else there is one part, and nothing of this is left after
//! compilation.
#![allow(unsafe_code, reason = "threads write disjoint parts of one output")]
#![allow(clippy::inline_always, reason = "what register tiles ask must be inlined into the task")]

#[cfg(any(feature = "threads", all(test, not(target_arch = "wasm32"))))]
mod pool;

use super::error::Result;
use core::marker::PhantomData;
use core::ops::Range;
#[cfg(any(feature = "threads", all(test, not(target_arch = "wasm32"))))]
pub use pool::Pool;
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) use pool::with_threads;

/// The least that is worth a part, in picoseconds: some ten times what handing it over takes.
const LEAST_COST: u64 = if cfg!(test) { 1 } else { 10_000_000 };

/// How many threads work for this one, itself included.
pub fn threads() -> usize {
    #[cfg(any(feature = "threads", all(test, not(target_arch = "wasm32"))))]
    return pool::current().map_or(1, Pool::threads);
    #[cfg(not(any(feature = "threads", all(test, not(target_arch = "wasm32")))))]
    1
}

/// Does work on this thread alone: for when others have work of their own.
pub fn alone<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(any(feature = "threads", all(test, not(target_arch = "wasm32"))))]
    return pool::alone(work);
    #[cfg(not(any(feature = "threads", all(test, not(target_arch = "wasm32")))))]
    work()
}

/// Into how many parts to divide work of `units`, none of which can be divided, that takes one thread about
/// `cost` picoseconds in all: as many as there are threads, where that is worth it. Two or four for each were
/// no faster, and what every part does for itself (rows laid out, weights read) is then done more often.
pub(crate) fn parts(units: usize, cost: u64) -> usize {
    match threads() {
        1 => 1,
        threads => {
            let worthwhile = usize::try_from(cost / LEAST_COST).unwrap_or(usize::MAX);
            units.min(worthwhile).min(threads).max(1)
        }
    }
}

/// Part `index` of `count` of `0..total`, in steps of `step`: all of about the same size.
pub(crate) fn part(index: usize, count: usize, total: usize, step: usize) -> Range<usize> {
    let steps = total.div_ceil(step);
    let at = |index: usize| (steps * index / count * step).min(total);
    at(index)..at(index + 1)
}

/// Calls `work` for every part below `parts`, once, on all threads; the first error that any gives.
///
/// A part must not depend on which thread does it, nor on the others.
pub(crate) fn split(parts: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    #[cfg(any(feature = "threads", all(test, not(target_arch = "wasm32"))))]
    if let Some(pool) = pool::current().filter(|_| parts > 1) {
        let failure = std::sync::OnceLock::new();
        pool.run(parts, &|part| {
            if let Err(error) = work(part) {
                let _ = failure.set(error);
            }
        });
        return failure.into_inner().map_or(Ok(()), Err);
    }
    (0..parts).try_for_each(work)
}

/// What so many things cost that take `each` picoseconds; of a window that reaches far beyond its input there
/// may be more than fit 64 bits.
pub(crate) fn cost(each: u64, extents: &[usize]) -> u64 {
    extents.iter().fold(each, |cost, &extent| cost.saturating_mul(extent as u64))
}

/// How an output is divided into rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByRows {
    /// Elements of a row.
    pub(crate) width: usize,
    /// Rows that are best done together.
    pub(crate) step: usize,
    /// About how long one thread takes for a row, in picoseconds.
    pub(crate) cost: u64,
}

/// Calls `work` for ranges of the rows of `out`, with their part of it; see [`split`].
pub(crate) fn rows<T: Send>(
    out: &mut [T],
    by: ByRows,
    work: impl Fn(Range<usize>, &mut [T]) -> Result<()> + Sync,
) -> Result<()> {
    let total = out.len() / by.width.max(1);
    let count = parts(total.div_ceil(by.step), cost(by.cost, &[total]));
    if count == 1 {
        return work(0..total, out);
    }
    let out = Shared::new(out, by.width);
    split(count, |index| {
        let rows = part(index, count, total, by.step);
        // SAFETY: no two parts have a row in common, so that nobody else holds these.
        let part = unsafe { out.rows(rows.clone()) };
        work(rows, part)
    })
}

/// A row-major output of which threads write different elements at the same time.
#[derive(Debug)]
pub(crate) struct Shared<'a, T> {
    data: *mut T,
    len: usize,
    /// Elements from one row to the next.
    stride: usize,
    lives: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: it hands out addresses, and who writes to one says that no other thread does.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// All of an output, which nobody else can reach meanwhile.
    pub(crate) fn new(out: &'a mut [T], stride: usize) -> Self {
        Self { data: out.as_mut_ptr(), len: out.len(), stride, lives: PhantomData }
    }

    /// The elements `at`, as an output of its own with rows of the same length.
    #[inline(always)]
    pub(crate) fn slice(self, at: Range<usize>) -> Self {
        assert!(at.start <= at.end && at.end <= self.len);
        Self { data: self.data.wrapping_add(at.start), len: at.len(), ..self }
    }

    /// Elements from one row to the next.
    #[inline(always)]
    pub(crate) fn stride(self) -> usize {
        self.stride
    }

    /// The address of an element that is the first of `rows` times `cols`, which all exist.
    #[inline(always)]
    pub(crate) fn tile(self, (row, col): (usize, usize), (rows, cols): (usize, usize)) -> *mut T {
        let first = row * self.stride + col;
        assert!(rows > 0 && first + (rows - 1) * self.stride + cols <= self.len);
        self.data.wrapping_add(first)
    }

    /// Whole rows.
    ///
    /// # Safety
    /// Nobody else reads or writes them as long as the slice is used.
    unsafe fn rows(self, rows: Range<usize>) -> &'a mut [T] {
        let (first, end) = (rows.start * self.stride, rows.end * self.stride);
        assert!(first <= end && end <= self.len);
        // SAFETY: the elements are within the output, and the caller says that they are nobody else's.
        unsafe { core::slice::from_raw_parts_mut(self.data.add(first), end - first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn parts_follow_each_other_and_cover_everything() {
        for (count, total, step) in [(1, 7, 4), (2, 49, 4), (3, 8, 4), (4, 100, 1), (5, 3, 1), (2, 0, 4)] {
            let parts: Vec<_> = (0..count).map(|index| part(index, count, total, step)).collect();
            assert_eq!(parts[0].start, 0);
            assert_eq!(parts[count - 1].end, total);
            for two in parts.windows(2) {
                assert_eq!(two[0].end, two[1].start);
                assert!(two[0].end % step == 0 || two[0].end == total, "{parts:?}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn one_thread_divides_nothing() {
        assert_eq!(threads(), 1);
        assert_eq!(parts(1000, u64::MAX), 1);
    }
}
