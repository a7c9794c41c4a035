//! A property of layers that may differ.

use serde::{Deserialize, Serialize};

/// The same value in all layers, or one for each.
///
/// As text, the value or the list of values: what was written when all layers were alike is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLayer<T> {
    /// In all layers.
    Same(T),
    /// One for each layer.
    Each(Vec<T>),
}

impl<T: Copy + PartialEq> PerLayer<T> {
    /// The values of all layers, in order.
    pub fn of(values: Vec<T>) -> PerLayer<T> {
        match values.first() {
            Some(&first) if values.iter().all(|&value| value == first) => PerLayer::Same(first),
            _ => PerLayer::Each(values),
        }
    }

    /// The value of `layer`.
    ///
    /// # Panics
    /// When there is a list and it ends before.
    pub fn at(&self, layer: usize) -> T {
        match self {
            PerLayer::Same(value) => *value,
            PerLayer::Each(values) => values[layer],
        }
    }

    /// The values that occur: one, or that of each layer.
    pub fn values(&self) -> impl Iterator<Item = T> + '_ {
        let values = match self {
            PerLayer::Same(value) => std::slice::from_ref(value),
            PerLayer::Each(values) => values,
        };
        values.iter().copied()
    }

    /// The value of all layers, where they are alike.
    pub fn same(&self) -> Option<T> {
        let first = self.values().next()?;
        self.values().all(|value| value == first).then_some(first)
    }
}

impl<T: Default> Default for PerLayer<T> {
    fn default() -> PerLayer<T> {
        PerLayer::Same(T::default())
    }
}

impl<T> From<T> for PerLayer<T> {
    fn from(value: T) -> PerLayer<T> {
        PerLayer::Same(value)
    }
}
