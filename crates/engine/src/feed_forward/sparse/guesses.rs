//! Whether to guess the neurons of a layer before its attention, how many, and how good that was.
//!
//! The disk would idle during attention. A guess that comes true is a read that nobody waits for; one that
//! does not costs a slot and, where it is still in flight, a little delay. So as many are asked for as the
//! disk managed lately, and a layer whose guesses mostly fail is left alone for a while.

use crate::plan::MIN_PREFETCH;
use flint_geometry::{UnitKey, UnitSet};

/// Prefetches of a layer must come true this often.
const LEAST_PRECISION: f32 = 0.5;

/// Weight of the newest visit in the running precision.
const NEWEST: f32 = 0.125;

/// Visits after which a layer that was left alone is tried again.
const PAUSE: u32 = 64;

/// Prefetches of a layer that were asked for, and the record of earlier ones.
#[derive(Debug)]
pub(super) struct Prefetches {
    enabled: bool,
    layers: Vec<Layer>,
    /// What the disk managed during the last attentions, with a little on top.
    most: usize,
    /// Slots that guesses may take.
    limit: usize,
    layer: u32,
    asked: Vec<u32>,
    pub(super) read: u64,
    pub(super) right: u64,
}

#[derive(Debug, Clone, Copy)]
struct Layer {
    precision: f32,
    paused: u32,
}

impl Prefetches {
    /// Prefetches for `layers` layers, in at most `limit` slots; none at all unless `enabled`.
    pub(super) fn new(enabled: bool, layers: u32, limit: usize) -> Prefetches {
        Prefetches {
            enabled,
            // Start optimistic: prefetch until measured precision falls below the limit.
            layers: vec![Layer { precision: 1.0, paused: 0 }; layers as usize],
            most: MIN_PREFETCH,
            limit,
            layer: 0,
            asked: Vec::new(),
            read: 0,
            right: 0,
        }
    }

    /// Whether any layer is guessed.
    pub(super) fn enabled(&self) -> bool {
        self.enabled
    }

    /// How many neurons of `layer` to ask for; `None` where it is not worth the prediction.
    pub(super) fn worth(&mut self, layer: u32) -> Option<usize> {
        let state = &mut self.layers[layer as usize];
        if state.paused > 0 {
            state.paused -= 1;
            return None;
        }
        Some(self.most.min(self.limit))
    }

    /// Begins the guesses of `layer`; returns the list for what was asked.
    pub(super) fn begin(&mut self, layer: u32) -> &mut Vec<u32> {
        self.layer = layer;
        self.asked.clear();
        &mut self.asked
    }

    /// Judges the guesses of `layer` by what it needs. `recalled` of them were not even begun.
    pub(super) fn judge(&mut self, layer: u32, needed: &UnitSet, recalled: &mut [UnitKey]) {
        if self.layer != layer || self.asked.is_empty() {
            return;
        }
        recalled.sort_unstable();
        let taken_back =
            |&neuron: &u32| recalled.binary_search(&UnitKey { group: layer, neuron }).is_ok();
        self.asked.retain(|neuron| !taken_back(neuron));
        let read = self.asked.len();
        let right = self.asked.iter().filter(|&&neuron| needed.contains(neuron)).count();
        self.asked.clear();
        self.read += read as u64;
        self.right += right as u64;
        // Everything begun: the disk could have done more. Otherwise a little more than it did.
        self.most =
            if recalled.is_empty() { self.most + MIN_PREFETCH } else { read + MIN_PREFETCH };
        self.most = self.most.min(self.limit);
        if read > 0 {
            let state = &mut self.layers[layer as usize];
            state.precision += NEWEST * (right as f32 / read as f32 - state.precision);
            if state.precision < LEAST_PRECISION {
                // Tried again with the benefit of the doubt, and a short memory of failure.
                *state = Layer { precision: LEAST_PRECISION + NEWEST, paused: PAUSE };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(guesses: &mut Prefetches, asked: u32, right: u32, recalled: u32) -> bool {
        if guesses.worth(0).is_none() {
            return false;
        }
        guesses.begin(0).extend(0..asked);
        let needed = (0..right).collect();
        let from = asked - recalled;
        let mut back: Vec<UnitKey> =
            (from..asked).map(|neuron| UnitKey { group: 0, neuron }).collect();
        guesses.judge(0, &UnitSet::from_unsorted(needed), &mut back);
        true
    }

    #[test]
    fn a_layer_whose_guesses_fail_is_left_alone_and_tried_again() {
        let mut guesses = Prefetches::new(true, 1, 1000);
        let good = (0..100).all(|_| visit(&mut guesses, 20, 15, 0));
        assert!(good, "three of four are right");
        let tried = (0..1000).filter(|_| visit(&mut guesses, 20, 2, 0)).count();
        assert!((10..100).contains(&tried), "tried {tried} times of 1000");
    }

    #[test]
    fn what_the_disk_did_not_begin_is_asked_for_no_more_and_counts_neither_way() {
        let mut guesses = Prefetches::new(true, 1, 1000);
        for _ in 0..50 {
            visit(&mut guesses, 20, 0, 20);
        }
        assert_eq!((guesses.read, guesses.worth(0)), (0, Some(MIN_PREFETCH)));
        for _ in 0..50 {
            visit(&mut guesses, 20, 20, 0);
        }
        assert_eq!((guesses.read, guesses.right), (1000, 1000));
        assert_eq!(guesses.worth(0), Some(1000), "the limit is the slots that guesses may take");
    }
}
