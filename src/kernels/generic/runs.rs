//! Copies of runs of numbers, in vectors.

use super::Simd;

/// `to = from`, in vectors: for runs so short that calling a function for each would show.
#[inline(always)]
pub(crate) fn copy<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) {
    let (lanes, len) = (S::F32_LANES, to.len());
    assert!(from.len() == len);
    if len < lanes {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
        return;
    }
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    let mut at = 0;
    // SAFETY: both are of one length, which is that of a vector or more, and each vector ends within it.
    unsafe {
        while at + 4 * lanes <= len {
            let (first, second) = (simd.load_f32(from.add(at)), simd.load_f32(from.add(at + lanes)));
            let third = simd.load_f32(from.add(at + 2 * lanes));
            let fourth = simd.load_f32(from.add(at + 3 * lanes));
            simd.store_f32(to.add(at), first);
            simd.store_f32(to.add(at + lanes), second);
            simd.store_f32(to.add(at + 2 * lanes), third);
            simd.store_f32(to.add(at + 3 * lanes), fourth);
            at += 4 * lanes;
        }
        while at + lanes <= len {
            simd.store_f32(to.add(at), simd.load_f32(from.add(at)));
            at += lanes;
        }
        // The last vector ends with the run; what it has in common with the one before is written twice.
        let last = len - lanes;
        simd.store_f32(to.add(last), simd.load_f32(from.add(last)));
    }
}

/// `to[i] = from[stride · i]`.
#[inline(always)]
pub(crate) fn copy_strided<S: Simd>(simd: S, from: &[f32], to: &mut [f32], stride: usize) {
    if stride == 1 {
        return copy(simd, &from[..to.len()], to);
    }
    let mut done = 0;
    if stride == 2 {
        while to.len() - done >= S::F32_LANES && from.len() - 2 * done >= 2 * S::F32_LANES {
            // SAFETY: as was just seen, two vectors are left in `from` and one in `to`.
            unsafe {
                let even = simd.load_even(from.as_ptr().add(2 * done));
                simd.store_f32(to.as_mut_ptr().add(done), even);
            }
            done += S::F32_LANES;
        }
    }
    for at in done..to.len() {
        to[at] = from[at * stride];
    }
}
