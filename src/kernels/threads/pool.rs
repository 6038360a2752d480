//! Threads that wait for work, and the call that gives them some.
//!
//! ```text
//! gate:   turn (16 bits) | open | threads inside
//! ```
//!
//! The caller writes down what is to be done, opens the gate with the next turn, and does parts itself until
//! none is left; then it closes the gate and waits until nobody is inside. A thread that sees an open gate
//! of a turn that it has not served goes in, does parts, and leaves. So one that is late, or never comes,
//! costs nothing but its help, and what it works on cannot have gone.
//!
//! Layers follow each other within fractions of a millisecond, and waking a thread takes a good part of
//! that, so both sides look for a while before they sleep.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How often the gate is looked at before sleeping: about a tenth of a millisecond.
const LOOKS: u32 = 50_000;

const OPEN: u32 = 1 << 15;
const INSIDE: u32 = OPEN - 1;
const TURN: u32 = !(OPEN | INSIDE);
const NEXT_TURN: u32 = OPEN << 1;

/// What the caller wants done, for all numbers below `parts`.
#[derive(Clone, Copy)]
struct Job {
    work: *const (dyn Fn(usize) + Sync),
    parts: usize,
}

/// Threads that help one other thread with its work.
pub struct Pool {
    gate: AtomicU32,
    job: UnsafeCell<Option<Job>>,
    /// The first part that nobody has begun.
    next: AtomicUsize,
    entered: AtomicUsize,
    /// How many may be inside at once.
    limit: AtomicUsize,
    asleep: AtomicUsize,
    caller_asleep: AtomicBool,
    /// A part has panicked; the thread went on.
    panicked: AtomicBool,
    /// A thread has stopped inside and will never leave.
    broken: AtomicBool,
    ended: AtomicBool,
    lock: Mutex<()>,
    opened: Condvar,
    left: Condvar,
}

// SAFETY: `job` is written by the one thread that has the pool, while the gate is closed and nobody inside,
// and read by threads that went in after that (see the module documentation).
unsafe impl Sync for Pool {}
// SAFETY: a job that is not under way is never read.
unsafe impl Send for Pool {}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("entered", &self.entered).finish_non_exhaustive()
    }
}

thread_local! {
    /// The pool that helps this thread.
    static CURRENT: Cell<Option<&'static Pool>> = const { Cell::new(None) };
}

/// The pool that helps this thread.
pub(super) fn current() -> Option<&'static Pool> {
    CURRENT.get()
}

/// Does work without the pool.
pub(super) fn alone<R>(work: impl FnOnce() -> R) -> R {
    let pool = CURRENT.take();
    let result = work();
    CURRENT.set(pool);
    result
}

impl Pool {
    /// A pool without threads.
    pub const fn new() -> Self {
        Self {
            gate: AtomicU32::new(0),
            job: UnsafeCell::new(None),
            next: AtomicUsize::new(0),
            entered: AtomicUsize::new(0),
            limit: AtomicUsize::new(INSIDE as usize),
            asleep: AtomicUsize::new(0),
            caller_asleep: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            lock: Mutex::new(()),
            opened: Condvar::new(),
            left: Condvar::new(),
        }
    }

    /// Makes the pool help the calling thread, the only one that it ever helps.
    pub fn help_this_thread(&'static self) {
        CURRENT.set(Some(self));
    }

    /// Lets at most so many threads work, the one that is helped included.
    pub fn limit(&self, threads: usize) {
        self.limit.store(threads.saturating_sub(1).min(INSIDE as usize), SeqCst);
    }

    /// Threads that work, the one that is helped included.
    pub(super) fn threads(&self) -> usize {
        1 + self.entered.load(SeqCst).min(self.limit.load(SeqCst))
    }

    /// Makes the calling thread one of the pool's: it returns when the pool is ended.
    pub fn enter(&self) {
        self.entered.fetch_add(1, SeqCst);
        let mut served = None;
        while self.wait_until_open(served) {
            if let Some(turn) = self.go_in(served) {
                if catch_unwind(AssertUnwindSafe(|| self.do_parts())).is_err() {
                    self.panicked.store(true, SeqCst);
                }
                self.leave();
                served = Some(turn);
            }
        }
    }

    /// Says that a thread of the pool stopped in the middle of its work, as WebAssembly does at a panic. The
    /// caller, who waits for it, panics: nobody knows what was left undone.
    #[cfg(target_arch = "wasm32")]
    pub fn break_down(&self) {
        self.broken.store(true, SeqCst);
        drop(self.locked());
        self.left.notify_all();
    }

    /// Calls `work` for every part, on the threads that come, and returns when all is done.
    ///
    /// # Panics
    /// When a thread of the pool has panicked.
    pub(super) fn run(&self, parts: usize, work: &(dyn Fn(usize) + Sync)) {
        // Work that is divided itself is done by the thread that has it.
        let outer = CURRENT.take();
        // SAFETY: longer-lived in name only. Nobody is inside when this function is left (`Closing`), and
        // nobody goes in without having seen an open gate.
        let work =
            unsafe { core::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        // SAFETY: the gate is closed and nobody inside, so nobody reads it.
        unsafe { *self.job.get() = Some(Job { work, parts }) };
        self.next.store(0, SeqCst);
        let turn = (self.gate.load(SeqCst) & TURN).wrapping_add(NEXT_TURN);
        self.gate.store(turn | OPEN, SeqCst);
        if self.asleep.load(SeqCst) > 0 {
            drop(self.locked());
            self.opened.notify_all();
        }
        let closing = Closing(self);
        self.do_parts();
        drop(closing);
        CURRENT.set(outer);
        let is_whole = !self.panicked.load(SeqCst) && !self.broken.load(SeqCst);
        assert!(is_whole, "a thread of the pool has broken down");
    }

    fn locked(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, gate: u32, served: Option<u32>) -> bool {
        gate & OPEN != 0
            && served != Some(gate & TURN)
            && ((gate & INSIDE) as usize) < self.limit.load(SeqCst)
    }

    /// False when the pool has ended.
    fn wait_until_open(&self, served: Option<u32>) -> bool {
        let is_over = || self.is_open(self.gate.load(SeqCst), served) || self.ended.load(SeqCst);
        if !looks_until(is_over) {
            self.asleep.fetch_add(1, SeqCst);
            let mut guard = self.locked();
            while !is_over() {
                guard = self.opened.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.fetch_sub(1, SeqCst);
        }
        !self.ended.load(SeqCst)
    }

    /// The turn that was gone in for; `None` when the gate has closed meanwhile.
    fn go_in(&self, served: Option<u32>) -> Option<u32> {
        let more = |gate: u32| self.is_open(gate, served).then_some(gate + 1);
        self.gate.fetch_update(SeqCst, SeqCst, more).ok().map(|gate| gate & TURN)
    }

    fn leave(&self) {
        let gate = self.gate.fetch_sub(1, SeqCst);
        if gate & (OPEN | INSIDE) == 1 && self.caller_asleep.load(SeqCst) {
            drop(self.locked());
            self.left.notify_all();
        }
    }

    /// Does parts until none is left.
    fn do_parts(&self) {
        // SAFETY: a job is written before the gate opens, and not again before this thread has left.
        let Some(job) = (unsafe { *self.job.get() }) else { return };
        loop {
            let part = self.next.fetch_add(1, SeqCst);
            if part >= job.parts {
                return;
            }
            // SAFETY: the caller keeps it until nobody is inside.
            unsafe { (*job.work)(part) };
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

/// Closes the gate and waits until nobody is inside, also when a part has panicked.
struct Closing<'a>(&'a Pool);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let pool = self.0;
        pool.gate.fetch_and(!OPEN, SeqCst);
        let is_over = || pool.gate.load(SeqCst) & INSIDE == 0 || pool.broken.load(SeqCst);
        if looks_until(is_over) {
            return;
        }
        pool.caller_asleep.store(true, SeqCst);
        let mut guard = pool.locked();
        while !is_over() {
            guard = pool.left.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        pool.caller_asleep.store(false, SeqCst);
    }
}

/// Looks again and again, for a while; whether what was looked for came.
fn looks_until(is_over: impl Fn() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        core::hint::spin_loop();
        is_over()
    })
}

/// Runs `work` on a thread with so many helpers that all of them, with it, are `threads`; also how often
/// work was divided.
#[cfg(all(test, not(target_arch = "wasm32")))]
pub(crate) fn with_threads<R>(threads: usize, work: impl FnOnce() -> R) -> (R, u32) {
    let pool: &'static Pool = Box::leak(Box::default());
    let helpers: Vec<_> = (1..threads).map(|_| std::thread::spawn(|| pool.enter())).collect();
    while pool.threads() < threads {
        std::thread::yield_now();
    }
    pool.help_this_thread();
    let result = work();
    CURRENT.set(None);
    pool.ended.store(true, SeqCst);
    drop(pool.locked());
    pool.opened.notify_all();
    for helper in helpers {
        helper.join().unwrap();
    }
    (result, pool.gate.load(SeqCst) / NEXT_TURN)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::super::{ByRows, rows, split, threads};
    use super::*;
    use crate::kernels::KernelError;
    use std::time::Duration;

    #[test]
    fn every_part_is_done_once_whatever_the_number_of_threads() {
        for count in 1..=3 {
            let ((), divided) = with_threads(count, || {
                assert_eq!(threads(), count);
                for parts in 0..200 {
                    let done: Vec<_> = (0..parts).map(|_| AtomicU32::new(0)).collect();
                    let one = |part: usize| {
                        done[part].fetch_add(1, SeqCst);
                        Ok(())
                    };
                    split(parts, one).unwrap();
                    assert!(done.iter().all(|times| times.load(SeqCst) == 1), "{parts} parts");
                }
            });
            assert_eq!(divided, 198, "all but none and one");
        }
    }

    #[test]
    fn helpers_do_parts_and_come_again_after_sleeping() {
        let seen = Mutex::new(std::collections::BTreeSet::new());
        with_threads(2, || {
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(30));
                seen.lock().unwrap().clear();
                let slow = |_| {
                    seen.lock().unwrap().insert(format!("{:?}", std::thread::current().id()));
                    std::thread::sleep(Duration::from_millis(20));
                    Ok(())
                };
                split(16, slow).unwrap();
                assert_eq!(seen.lock().unwrap().len(), 2);
            }
        });
    }

    #[test]
    fn no_more_threads_work_than_the_limit_says() {
        let pool: &'static Pool = Box::leak(Box::default());
        pool.entered.store(3, SeqCst);
        assert_eq!(pool.threads(), 4);
        pool.limit(2);
        assert_eq!(pool.threads(), 2);
        pool.gate.store(OPEN, SeqCst);
        assert_eq!(pool.go_in(None), Some(0));
        assert_eq!(pool.go_in(None), None, "one is inside");
        pool.leave();
        assert_eq!(pool.go_in(Some(0)), None, "the turn was served");
    }

    #[test]
    fn an_error_of_any_part_is_the_result() {
        with_threads(3, || {
            let refuse = KernelError::TooLarge { what: "part" };
            let one = |part| if part == 11 { Err(refuse.clone()) } else { Ok(()) };
            assert_eq!(split(20, one), Err(refuse.clone()));
            assert_eq!(split(11, one), Ok(()));
        });
    }

    #[test]
    fn a_panic_of_a_helper_reaches_the_caller_instead_of_a_wait_without_end() {
        let outcome = with_threads(2, || {
            let caller = std::thread::current().id();
            catch_unwind(AssertUnwindSafe(|| {
                split(8, |_| {
                    std::thread::sleep(Duration::from_millis(10));
                    assert!(std::thread::current().id() == caller, "a helper's part");
                    Ok(())
                })
            }))
        });
        assert!(outcome.0.is_err());
    }

    #[test]
    fn work_within_a_part_is_not_divided_again() {
        with_threads(3, || {
            let inner = |_| {
                assert_eq!(threads(), 1);
                split(4, |_| Ok(()))
            };
            split(6, inner).unwrap();
            assert_eq!(threads(), 3);
        });
    }

    #[test]
    fn work_that_is_to_be_done_alone_is_not_divided() {
        let ((), divided) = with_threads(2, || {
            alone(|| {
                assert_eq!(threads(), 1);
                split(4, |_| Ok(())).unwrap();
            });
            assert_eq!(threads(), 2);
        });
        assert_eq!(divided, 0);
    }

    #[test]
    fn rows_are_handed_out_whole_and_in_steps() {
        for count in 1..=3 {
            let mut out = vec![0; 3 * 49];
            with_threads(count, || {
                let by = ByRows { width: 3, step: 4, cost: 1000 };
                rows(&mut out, by, |rows, part| {
                    assert!(rows.start % 4 == 0 && part.len() == rows.len() * 3);
                    for (row, out) in rows.zip(part.chunks_mut(3)) {
                        out.fill(row + 1);
                    }
                    Ok(())
                })
            })
            .0
            .unwrap();
            assert!(out.iter().enumerate().all(|(at, &row)| row == at / 3 + 1));
        }
    }
}
