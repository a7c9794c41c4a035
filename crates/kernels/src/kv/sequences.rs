//! The sequences of a store: which pages each holds, and how far each layer is.

use super::SeqId;

/// One sequence.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    /// Its pages, in the order of positions.
    pub(super) pages: Vec<u32>,
    /// Positions that each layer holds.
    pub(super) filled: Vec<usize>,
}

impl Sequence {
    /// Positions that every layer holds.
    pub(super) fn len(&self) -> usize {
        self.filled.iter().copied().min().unwrap_or(0)
    }
}

/// Sequences by name.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    places: Vec<Place>,
    vacant: Vec<u32>,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    sequence: Option<Sequence>,
}

impl Sequences {
    /// Names `sequence`.
    pub(super) fn insert(&mut self, sequence: Sequence) -> SeqId {
        if let Some(index) = self.vacant.pop() {
            let place = &mut self.places[index as usize];
            place.sequence = Some(sequence);
            return SeqId::new(index, place.generation);
        }
        let index = self.places.len() as u32;
        self.places.push(Place { generation: 0, sequence: Some(sequence) });
        SeqId::new(index, 0)
    }

    /// Forgets the name `seq`.
    pub(super) fn remove(&mut self, seq: SeqId) -> Sequence {
        let removed = std::mem::take(self.get_mut(seq));
        let place = &mut self.places[seq.index()];
        place.sequence = None;
        // A place whose generations are used up stays empty, so that no name comes twice.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.vacant.push(seq.index() as u32);
        }
        removed
    }

    pub(super) fn contains(&self, seq: SeqId) -> bool {
        self.find(seq).is_some()
    }

    pub(super) fn get(&self, seq: SeqId) -> &Sequence {
        match self.find(seq) {
            Some(sequence) => sequence,
            None => unknown(seq),
        }
    }

    pub(super) fn get_mut(&mut self, seq: SeqId) -> &mut Sequence {
        let place = self.places.get_mut(seq.index());
        let place = place.filter(|place| place.generation == seq.generation());
        match place.and_then(|place| place.sequence.as_mut()) {
            Some(sequence) => sequence,
            None => unknown(seq),
        }
    }

    fn find(&self, seq: SeqId) -> Option<&Sequence> {
        let place = self.places.get(seq.index())?;
        place.sequence.as_ref().filter(|_| place.generation == seq.generation())
    }
}

fn unknown(seq: SeqId) -> ! {
    panic!("{seq:?} is not a sequence of this store")
}
