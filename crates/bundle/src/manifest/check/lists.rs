//! Lists of neurons, and lists whose length something else decides.

use crate::{Counted, ManifestFault};

/// Whether there are as many as there must be.
pub(super) fn check_count(what: Counted, expected: u64, got: usize) -> Result<(), ManifestFault> {
    let got = got as u64;
    if got == expected { Ok(()) } else { Err(ManifestFault::Count { what, expected, got }) }
}

/// Whether `list` names neurons below `neurons` and none of them twice.
pub(crate) fn distinct_neurons(
    what: Counted,
    group: u32,
    list: &[u32],
    neurons: u32,
) -> Result<(), ManifestFault> {
    // No larger than what the list can fill: a shape may claim more neurons than the list has.
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    let outside = sorted.last().copied().filter(|&last| last >= neurons);
    match twice.or(outside) {
        None => Ok(()),
        Some(neuron) => Err(ManifestFault::Neuron { what, group, neuron }),
    }
}
