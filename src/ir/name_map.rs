//! [`NameMap`]: something for each of some names.

use std::collections::BTreeMap;

/// A map from names. One tree finds the places of names whatever there is for them, so only a list is
/// compiled anew for each type of item.
#[derive(Debug, Clone)]
pub struct NameMap<T> {
    places: BTreeMap<String, usize>,
    items: Vec<T>,
}

impl<T> NameMap<T> {
    /// Nothing for any name.
    pub const fn new() -> Self {
        Self { places: BTreeMap::new(), items: Vec::new() }
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What there is for a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.entry(name).map(|(_, item)| item)
    }

    /// As [`NameMap::get`], with the name as it is held here.
    pub fn entry(&self, name: &str) -> Option<(&str, &T)> {
        let (name, &place) = self.places.get_key_value(name)?;
        Some((name, self.items.get(place)?))
    }

    /// Sets it.
    pub fn insert(&mut self, name: &str, item: T) {
        match self.places.get(name) {
            Some(&place) => self.items[place] = item,
            None => self.push(name, item),
        }
    }

    /// What there is for a name, to write to, made where there was nothing.
    pub fn get_or_insert_with(&mut self, name: &str, make: impl FnOnce() -> T) -> &mut T {
        let place = self.places.get(name).copied().unwrap_or(self.items.len());
        if place == self.items.len() {
            self.push(name, make());
        }
        &mut self.items[place]
    }

    fn push(&mut self, name: &str, item: T) {
        self.places.insert(name.to_owned(), self.items.len());
        self.items.push(item);
    }

    /// All names with what there is for them, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.places.iter().map(|(name, &place)| (name.as_str(), &self.items[place]))
    }

    /// What there is for all names, in their order.
    pub fn into_items(self) -> Vec<T> {
        let mut items: Vec<Option<T>> = self.items.into_iter().map(Some).collect();
        self.places.into_values().filter_map(|place| items[place].take()).collect()
    }
}

impl<T> Default for NameMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: AsRef<str>, T> Extend<(N, T)> for NameMap<T> {
    fn extend<I: IntoIterator<Item = (N, T)>>(&mut self, pairs: I) {
        pairs.into_iter().for_each(|(name, item)| self.insert(name.as_ref(), item));
    }
}

impl<N: AsRef<str>, T> FromIterator<(N, T)> for NameMap<T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_the_order_of_their_names() {
        let mut map: NameMap<i32> = [("b", 1), ("a", 2), ("b", 3)].into_iter().collect();
        assert_eq!((map.get("a"), map.entry("b"), map.get("c")), (Some(&2), Some(("b", &3)), None));
        *map.get_or_insert_with("0", || 5) += 1;
        *map.get_or_insert_with("a", || 5) += 1;
        assert_eq!(map.iter().collect::<Vec<_>>(), [("0", &6), ("a", &3), ("b", &3)]);
        assert_eq!((map.is_empty(), map.into_items()), (false, vec![6, 3, 3]));
    }
}
