//! [`ValueMap`]: something for some of a graph's values.

use super::ValueId;

/// A map from the values of one graph. Their numbers are dense, so it is a table with a row for each.
#[derive(Debug, Clone)]
pub struct ValueMap<T>(Vec<Option<T>>);

impl<T> ValueMap<T> {
    /// Nothing for any value.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// What there is for a value.
    pub fn get(&self, id: ValueId) -> Option<&T> {
        self.0.get(id.index())?.as_ref()
    }

    /// Whether there is something for a value.
    pub fn contains(&self, id: ValueId) -> bool {
        self.get(id).is_some()
    }

    /// Of how many values there is something.
    pub fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Sets it.
    pub fn insert(&mut self, id: ValueId, item: T) {
        *self.row(id) = Some(item);
    }

    /// The row of a value, to write to.
    pub fn row(&mut self, id: ValueId) -> &mut Option<T> {
        if self.0.len() <= id.index() {
            self.0.resize_with(id.index() + 1, || None);
        }
        &mut self.0[id.index()]
    }
}

impl<T> Default for ValueMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> FromIterator<(ValueId, T)> for ValueMap<T> {
    fn from_iter<I: IntoIterator<Item = (ValueId, T)>>(pairs: I) -> Self {
        let mut map = Self::new();
        pairs.into_iter().for_each(|(id, item)| map.insert(id, item));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_anything_has_nothing() {
        let (low, high) = (ValueId(1), ValueId(7));
        let mut map = ValueMap::new();
        assert!(!map.contains(low));
        map.insert(high, "a");
        map.insert(high, "b");
        assert_eq!((map.get(low), map.get(high), map.get(ValueId(9))), (None, Some(&"b"), None));
        map.row(low).get_or_insert("c");
        assert_eq!(ValueMap::from_iter([(low, 3), (high, 4)]).get(low), Some(&3));
        assert_eq!(map.count(), 2);
    }
}
