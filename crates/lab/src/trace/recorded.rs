//! The neurons that each token asked for, layer by layer: what a cache has to serve.

use flint_geometry::UnitSet;

/// The needs of consecutive tokens.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// Neurons of each group.
    neurons: u32,
    /// For each group, one set per token.
    sets: Vec<Vec<UnitSet>>,
}

impl Recorded {
    /// From one list per group, all equally long, of sets within `0..neurons`.
    ///
    /// # Panics
    /// When the lists are not equally long.
    pub(super) fn new(neurons: u32, sets: Vec<Vec<UnitSet>>) -> Recorded {
        assert!(sets.iter().all(|group| group.len() == sets[0].len()), "a layer missed a token");
        Recorded { neurons, sets }
    }

    /// Groups that each token visits.
    pub(super) fn groups(&self) -> usize {
        self.sets.len()
    }

    /// Neurons of each group.
    pub(super) fn neurons(&self) -> u32 {
        self.neurons
    }

    /// Neurons of all groups.
    pub(super) fn records(&self) -> u64 {
        self.groups() as u64 * u64::from(self.neurons)
    }

    /// Tokens in all.
    pub(super) fn tokens(&self) -> usize {
        self.sets.first().map_or(0, Vec::len)
    }

    /// Neurons that each token asked for: what it loads without a cache.
    pub(super) fn needed(&self) -> Vec<u64> {
        let needed = |token: usize| self.sets.iter().map(|sets| sets[token].len() as u64).sum();
        (0..self.tokens()).map(needed).collect()
    }

    /// The visits of one token: a group, and what it needs at once. As in the engine, what does not fit in
    /// `slots` is split, lowest neurons first.
    pub(super) fn visits(&self, token: usize, slots: u32) -> impl Iterator<Item = (u32, &[u32])> {
        (0..).zip(&self.sets).flat_map(move |(group, sets)| {
            sets[token].as_slice().chunks(slots as usize).map(move |part| (group, part))
        })
    }
}
