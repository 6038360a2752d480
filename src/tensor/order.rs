//! Sorting that is compiled once: the standard library's sorts are compiled anew, at several kilobytes,
//! for each type of element and each way of comparing two.

use std::cmp::Ordering;

/// The positions `0..count` in the order in which `compare` wants what is there; equal ones stay in theirs.
pub fn ordered(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..count).collect();
    sort_positions(&mut positions, compare);
    positions
}

/// The items in their own order.
pub fn sorted<T: Ord + Copy>(items: &[T]) -> Vec<T> {
    ordered(items.len(), &|a, b| items[a].cmp(&items[b])).into_iter().map(|at| items[at]).collect()
}

/// As [`ordered`], for some of the positions.
pub fn sort_positions(positions: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    positions.sort_by(|&a, &b| compare(a, b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_stay_in_their_order() {
        let words = ["bb", "a", "cc", "d", ""];
        let by_length = |a: usize, b: usize| words[a].len().cmp(&words[b].len());
        assert_eq!(ordered(5, &by_length), [4, 1, 3, 0, 2]);
        assert_eq!(sorted(&words), ["", "a", "bb", "cc", "d"]);
        let mut some = [2, 3, 0];
        sort_positions(&mut some, &by_length);
        assert_eq!(some, [3, 2, 0]);
    }
}
