//! Unique names.

use crate::ir::NameMap;
use std::collections::BTreeSet;

/// The names taken so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The number to try next behind a name, so that many equal names do not take quadratic time.
    next: NameMap<usize>,
}

impl Names {
    /// Takes names, equal ones once.
    pub(super) fn reserve<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.taken.extend(names.into_iter().map(str::to_owned));
    }

    /// Takes `wanted`, with a number behind it where it is taken already.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let next = self.next.get_or_insert_with(wanted, || 2);
        loop {
            let candidate = format!("{wanted}_{next}");
            *next += 1;
            if self.taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    }

    /// Takes the first free name of `<stem>_0`, `<stem>_1`, ….
    pub(super) fn numbered(&mut self, stem: &str, counter: &mut usize) -> String {
        loop {
            let candidate = format!("{stem}_{counter}");
            *counter += 1;
            if self.taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}
