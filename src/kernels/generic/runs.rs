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
    while at < len {
        // The last vector ends with the run; what it has in common with the one before is written twice.
        let start = at.min(len - lanes);
        // SAFETY: a vector from `start` on is within both, which are of one length.
        unsafe { simd.store_f32(to.add(start), simd.load_f32(from.add(start))) };
        at += lanes;
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
