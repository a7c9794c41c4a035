//! Which neurons of one group a token needs: a sorted set of indices.

use std::cmp::Ordering;

/// Names one record: a neuron of a group. A group is the feed-forward of one layer today; an expert
/// of a mixture can be a group of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitKey {
    /// Index of the group, in the order in which a token visits them.
    pub group: u32,
    /// Index of the neuron inside its group.
    pub neuron: u32,
}

/// A set of neuron indices of one group, in strictly ascending order.
///
/// Ascending because the down projection adds neurons in that order (the arithmetic contract), and
/// because sorted sets become sorted reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitSet {
    indices: Vec<u32>,
}

impl UnitSet {
    /// The empty set.
    pub fn new() -> UnitSet {
        UnitSet::default()
    }

    /// All of `0..neurons`.
    pub fn full(neurons: u32) -> UnitSet {
        UnitSet { indices: (0..neurons).collect() }
    }

    /// A set from indices that are strictly ascending already; `None` when they are not.
    pub fn from_sorted(indices: Vec<u32>) -> Option<UnitSet> {
        indices.is_sorted_by(|a, b| a < b).then_some(UnitSet { indices })
    }

    /// A set from indices in any order, repeats allowed.
    pub fn from_unsorted(mut indices: Vec<u32>) -> UnitSet {
        indices.sort_unstable();
        indices.dedup();
        UnitSet { indices }
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.indices.clear();
    }

    /// Adds an index above all others.
    ///
    /// # Panics
    /// When `neuron` is not above the last index.
    pub fn push(&mut self, neuron: u32) {
        assert!(self.indices.last().is_none_or(|&last| last < neuron), "indices must ascend");
        self.indices.push(neuron);
    }

    /// Keeps the indices that `keep` is true of.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.indices.retain(|&neuron| keep(neuron));
    }

    /// The indices, ascending.
    pub fn as_slice(&self) -> &[u32] {
        &self.indices
    }

    /// The indices, ascending, one by one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.indices.iter().copied()
    }

    /// How many neurons the set holds.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether the set holds none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Whether `neuron` is in the set.
    pub fn contains(&self, neuron: u32) -> bool {
        self.indices.binary_search(&neuron).is_ok()
    }

    /// Those in either set.
    pub fn union(&self, other: &UnitSet) -> UnitSet {
        self.merge(other, |_| true)
    }

    /// Those in both sets.
    pub fn intersection(&self, other: &UnitSet) -> UnitSet {
        self.merge(other, |side| side == Ordering::Equal)
    }

    /// Those in this set and not in `other`.
    pub fn difference(&self, other: &UnitSet) -> UnitSet {
        self.merge(other, |side| side == Ordering::Less)
    }

    /// Walks both sets in step; `keep` sees `Less` for an index of `self` alone, `Greater` for one of
    /// `other` alone, `Equal` for one of both.
    fn merge(&self, other: &UnitSet, keep: impl Fn(Ordering) -> bool) -> UnitSet {
        let (a, b) = (&self.indices, &other.indices);
        let mut indices = Vec::with_capacity(a.len().max(b.len()));
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let side = match (a.get(i), b.get(j)) {
                (Some(x), Some(y)) => x.cmp(y),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            if keep(side) {
                indices.push(if side == Ordering::Greater { b[j] } else { a[i] });
            }
            i += usize::from(side != Ordering::Greater);
            j += usize::from(side != Ordering::Less);
        }
        UnitSet { indices }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn indices(set: &BTreeSet<u32>) -> UnitSet {
        UnitSet::from_unsorted(set.iter().rev().copied().collect())
    }

    proptest! {
        #[test]
        fn set_algebra_agrees_with_a_tree_set(
            a in proptest::collection::btree_set(0u32..60, 0..40),
            b in proptest::collection::btree_set(0u32..60, 0..40),
        ) {
            let (x, y) = (indices(&a), indices(&b));
            prop_assert!(x.union(&y).iter().eq(a.union(&b).copied()));
            prop_assert!(x.intersection(&y).iter().eq(a.intersection(&b).copied()));
            prop_assert!(x.difference(&y).iter().eq(a.difference(&b).copied()));
            for neuron in 0..60 {
                prop_assert_eq!(x.contains(neuron), a.contains(&neuron));
            }
        }
    }

    #[test]
    fn unsorted_input_is_refused_where_sorted_is_promised() {
        assert_eq!(UnitSet::from_sorted(vec![1, 1]), None);
        assert_eq!(UnitSet::from_sorted(vec![2, 1]), None);
    }
}
