//! Which record lies in which slot: one dense array per group, no hashing.

use crate::admission::Slot;
use flint_geometry::UnitKey;

/// No slot.
const ABSENT: u32 = u32::MAX;

/// Set beside the slot while the record is being read into it.
const READING: u32 = 1 << 31;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In no slot.
    Absent,
    /// On its way into a slot.
    Reading(Slot),
    /// In a slot.
    Resident(Slot),
}

/// The place of every record.
#[derive(Debug)]
pub(crate) struct Residency {
    /// By group and neuron.
    places: Vec<Vec<u32>>,
}

impl Residency {
    /// Bytes of heap of a map of these groups.
    pub(crate) fn bytes_for(groups: &[u32]) -> u64 {
        let entries: u64 = groups.iter().map(|&neurons| u64::from(neurons)).sum();
        entries * size_of::<u32>() as u64 + (groups.len() * size_of::<Vec<u32>>()) as u64
    }

    /// A map of groups with these numbers of neurons, all absent.
    pub(crate) fn new(groups: &[u32]) -> Residency {
        let places = groups.iter().map(|&neurons| vec![ABSENT; neurons as usize]).collect();
        Residency { places }
    }

    /// Where `key` is.
    pub(crate) fn get(&self, key: UnitKey) -> Place {
        match self.places[key.group as usize][key.neuron as usize] {
            ABSENT => Place::Absent,
            place if place & READING != 0 => Place::Reading(Slot(place & !READING)),
            slot => Place::Resident(Slot(slot)),
        }
    }

    /// Puts `key` where it now is.
    pub(crate) fn set(&mut self, key: UnitKey, place: Place) {
        self.places[key.group as usize][key.neuron as usize] = match place {
            Place::Absent => ABSENT,
            Place::Reading(slot) => slot.0 | READING,
            Place::Resident(slot) => slot.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_reads_back() {
        let mut map = Residency::new(&[2, 3]);
        let key = UnitKey { group: 1, neuron: 2 };
        assert_eq!(map.get(key), Place::Absent);
        let last = Slot(crate::arena::Arena::MOST_SLOTS - 1);
        for place in [Place::Reading(Slot(0)), Place::Resident(last), Place::Reading(last)] {
            map.set(key, place);
            assert_eq!(map.get(key), place);
        }
        assert_eq!(map.get(UnitKey { group: 0, neuron: 1 }), Place::Absent);
    }
}
