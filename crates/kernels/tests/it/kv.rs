//! Stores of keys and values against lists that keep every sequence whole.

use crate::attention::{PAGE_TOKENS, place};
use crate::twin::numbers;
use flint_kernels::{KernelError, KvElement, KvRow, KvShape, KvStore, PagedKv, SeqId};
use proptest::prelude::*;

const SHAPE: KvShape = KvShape { layers: 3, kv_heads: 2, head_dim: 4, element: KvElement::F32 };

/// A sequence and, for each layer, what was appended to it: keys and values, position after position.
#[derive(Clone)]
struct Whole {
    seq: SeqId,
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl Whole {
    fn begin(store: &mut PagedKv) -> Whole {
        let empty = vec![Vec::new(); SHAPE.layers];
        Whole { seq: store.sequence(), keys: empty.clone(), values: empty }
    }

    fn len(&self) -> usize {
        self.keys[0].len() / SHAPE.width()
    }

    fn append(&mut self, store: &mut PagedKv, tokens: usize, seed: u64) -> Result<(), KernelError> {
        let rows = place(self.seq, self.len()..self.len() + tokens);
        for layer in 0..SHAPE.layers {
            let keys = numbers(tokens * SHAPE.width(), seed + 2 * layer as u64);
            let values = numbers(tokens * SHAPE.width(), seed + 2 * layer as u64 + 1);
            store.append(layer, &rows, &keys, &values)?;
            self.keys[layer].extend(keys);
            self.values[layer].extend(values);
        }
        Ok(())
    }

    fn truncate(&mut self, store: &mut PagedKv, len: usize) {
        store.truncate(self.seq, len);
        for numbers in self.keys.iter_mut().chain(&mut self.values) {
            numbers.truncate(len * SHAPE.width());
        }
    }

    fn fork(&self, store: &mut PagedKv, len: usize) -> Whole {
        let cut = |numbers: &Vec<f32>| numbers[..len * SHAPE.width()].to_vec();
        Whole {
            seq: store.fork(self.seq, len),
            keys: self.keys.iter().map(cut).collect(),
            values: self.values.iter().map(cut).collect(),
        }
    }

    fn check(&self, store: &PagedKv) {
        assert_eq!(store.len(self.seq), self.len());
        for layer in 0..SHAPE.layers {
            for head in 0..SHAPE.kv_heads {
                let (keys, values) = read(store, layer, head, self.seq);
                assert_eq!(keys, of_head(&self.keys[layer], head), "keys of {:?}", self.seq);
                assert_eq!(values, of_head(&self.values[layer], head), "values of {:?}", self.seq);
            }
        }
    }
}

/// What a list of whole positions has of one head.
fn of_head(numbers: &[f32], head: usize) -> Vec<f32> {
    let heads = numbers.chunks(SHAPE.head_dim).skip(head).step_by(SHAPE.kv_heads);
    heads.flatten().copied().collect()
}

/// All keys and values of one head, run after run.
fn read(store: &PagedKv, layer: usize, head: usize, seq: SeqId) -> (Vec<f32>, Vec<f32>) {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let decode = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks(4).map(|number| f32::from_le_bytes(number.try_into().unwrap())).collect()
    };
    while keys.len() / SHAPE.head_dim < store.len(seq) {
        let position = keys.len() / SHAPE.head_dim;
        let run = store.run(layer, head, KvRow { seq, position });
        keys.extend(decode(run.keys));
        values.extend(decode(run.values));
    }
    (keys, values)
}

/// What a test does next; the numbers choose among what exists.
#[derive(Debug, Clone)]
enum Step {
    Begin,
    Append(usize, usize),
    Reserve(usize, usize),
    Truncate(usize, usize),
    Fork(usize, usize),
    Free(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => Just(Step::Begin),
        6 => (any::<usize>(), 1usize..40).prop_map(|(which, tokens)| Step::Append(which, tokens)),
        1 => (any::<usize>(), 0usize..40).prop_map(|(which, tokens)| Step::Reserve(which, tokens)),
        3 => any::<(usize, usize)>().prop_map(|(which, len)| Step::Truncate(which, len)),
        3 => any::<(usize, usize)>().prop_map(|(which, len)| Step::Fork(which, len)),
        1 => any::<usize>().prop_map(Step::Free),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Does one step on the store and on the lists.
fn act(store: &mut PagedKv, all: &mut Vec<Whole>, step: &Step, seed: u64) {
    let count = all.len().max(1);
    match *step {
        Step::Begin => all.push(Whole::begin(store)),
        _ if all.is_empty() => {}
        Step::Append(which, tokens) => {
            let whole = &mut all[which % count];
            let free = store.pages_free();
            if let Err(error) = store.reserve(whole.seq, tokens) {
                assert!(matches!(error, KernelError::KvPagesExhausted { .. }), "{error}");
                assert_eq!(store.pages_free(), free, "a refusal takes nothing");
                return;
            }
            whole.append(store, tokens, seed).unwrap();
        }
        Step::Reserve(which, tokens) => drop(store.reserve(all[which % count].seq, tokens)),
        Step::Truncate(which, len) => {
            let whole = &mut all[which % count];
            let len = len % (whole.len() + 1);
            whole.truncate(store, len);
        }
        Step::Fork(which, len) => {
            let whole = &all[which % count];
            let fork = whole.fork(store, len % (whole.len() + 1));
            all.push(fork);
        }
        Step::Free(which) => {
            let whole = all.swap_remove(which % count);
            store.free(whole.seq);
            assert!(!store.contains(whole.seq));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sequences_hold_what_was_appended_to_them_whatever_becomes_of_others(
        steps in steps(),
        page_tokens in proptest::sample::select(&PAGE_TOKENS),
        room in 40usize..400,
    ) {
        let pages = room.div_ceil(page_tokens);
        let mut store = PagedKv::new(SHAPE, page_tokens, pages);
        let mut all = Vec::new();
        for (seed, step) in (0u64..).zip(&steps) {
            act(&mut store, &mut all, step, 10 * seed);
            all.iter().for_each(|whole| whole.check(&store));
        }
        all.iter().for_each(|whole| store.free(whole.seq));
        prop_assert_eq!(store.pages_free(), pages);
    }
}

#[test]
fn forks_share_pages_until_one_writes() {
    let mut store = PagedKv::new(SHAPE, 16, 8);
    let mut whole = Whole::begin(&mut store);
    whole.append(&mut store, 40, 1).unwrap();
    assert_eq!(store.pages_free(), 5);
    let mut fork = whole.fork(&mut store, 35);
    assert_eq!((store.pages_free(), store.pages_of(fork.seq)), (5, 3));
    fork.append(&mut store, 1, 2).unwrap();
    assert_eq!(store.pages_free(), 4, "the page that is partly filled is copied");
    whole.append(&mut store, 8, 3).unwrap();
    assert_eq!(store.pages_free(), 4, "the other's page is its own by then");
    whole.check(&store);
    fork.check(&store);
    store.free(whole.seq);
    assert_eq!(store.pages_free(), 5, "the fork holds the full pages on");
    fork.check(&store);
}

#[test]
fn a_page_that_cannot_be_had_is_told_before_anything_changes() {
    let mut store = PagedKv::new(SHAPE, 16, 3);
    let mut whole = Whole::begin(&mut store);
    whole.append(&mut store, 20, 1).unwrap();
    let said = store.reserve(whole.seq, 29).unwrap_err().to_string();
    assert_eq!(said, "2 pages of keys and values are needed, 1 of 3 are free");
    store.reserve(whole.seq, 28).unwrap();
    assert_eq!(store.pages_free(), 0);
    whole.append(&mut store, 28, 2).unwrap();
    whole.check(&store);
    let fork = whole.fork(&mut store, 47);
    let said = store.reserve(fork.seq, 1).unwrap_err().to_string();
    assert_eq!(said, "1 pages of keys and values are needed, 0 of 3 are free");
}

#[test]
fn a_layer_may_be_ahead_and_is_cut_back() {
    let mut store = PagedKv::new(SHAPE, 16, 2);
    let mut whole = Whole::begin(&mut store);
    whole.append(&mut store, 10, 1).unwrap();
    let width = SHAPE.width();
    store
        .append(0, &place(whole.seq, 10..20), &vec![9.0; 10 * width], &vec![9.0; 10 * width])
        .unwrap();
    assert_eq!(store.len(whole.seq), 10);
    store.truncate(whole.seq, 10);
    assert_eq!(store.pages_free(), 1);
    whole.check(&store);
    whole.append(&mut store, 10, 2).unwrap();
    whole.check(&store);
}

#[test]
fn numbers_that_would_not_be_finite_are_refused_with_their_place() {
    for (element, number, said) in [
        (KvElement::F16, 65520.0, Some("65520, which f16 does not hold")),
        (KvElement::F16, 65504.0, None),
        (KvElement::F32, 65520.0, None),
        (KvElement::F32, f32::INFINITY, Some("inf, which f32 does not hold")),
        (KvElement::F32, f32::NAN, Some("NaN, which f32 does not hold")),
    ] {
        let mut store = PagedKv::new(KvShape { element, ..SHAPE }, 16, 1);
        let rows = place(store.sequence(), 0..2);
        let (sound, mut odd) = (vec![1.0; 16], vec![1.0; 16]);
        odd[13] = number;
        for (keys, values) in [(&odd, &sound), (&sound, &odd)] {
            store.truncate(rows[0].seq, 0);
            let stored = store.append(2, &rows, keys, values);
            let got = stored.err().map(|error| error.to_string());
            let want =
                said.map(|said| format!("a key or value of layer 2 at position 1 is {said}"));
            assert_eq!(got, want);
        }
    }
}

#[test]
fn names_do_not_come_twice() {
    let mut store = PagedKv::new(SHAPE, 16, 1);
    let first = store.sequence();
    store.free(first);
    let second = store.sequence();
    assert_eq!(first.index(), second.index());
    assert!(first != second && !store.contains(first) && store.contains(second));
}

#[test]
fn pages_are_counted_in_bytes() {
    let shape = KvShape { element: KvElement::F16, ..SHAPE };
    assert_eq!(PagedKv::bytes_for(&shape, 16, 5), 5 * 16 * 3 * 2 * 4 * 2 * 2);
    let huge = KvShape { layers: usize::MAX, ..SHAPE };
    assert_eq!(PagedKv::bytes_for(&huge, 16, 5), u64::MAX);
}

#[test]
fn a_page_past_the_address_space_is_refused() {
    let shape = KvShape { kv_heads: usize::MAX / 2, ..SHAPE };
    let mut store = PagedKv::new(shape, 16, 1);
    let seq = store.sequence();
    let said = store.reserve(seq, 1).unwrap_err().to_string();
    assert!(said.contains("shorter context"), "{said}");
}

#[test]
#[should_panic(expected = "goes on at 0 in layer 1")]
fn positions_cannot_be_left_out() {
    let mut store = PagedKv::new(SHAPE, 16, 1);
    let rows = place(store.sequence(), 3..4);
    drop(store.append(1, &rows, &[0.0; 8], &[0.0; 8]));
}

#[test]
#[should_panic(expected = "is not a sequence of this store")]
fn a_freed_name_is_no_sequence() {
    let mut store = PagedKv::new(SHAPE, 16, 1);
    let seq = store.sequence();
    store.free(seq);
    store.len(seq);
}

#[test]
fn pages_go_from_one_store_to_another() {
    const PAGE: usize = 4;
    let mut from = PagedKv::new(SHAPE, PAGE, 8);
    let mut whole = Whole::begin(&mut from);
    whole.append(&mut from, 3 * PAGE + 1, 7).unwrap();
    let mut to = PagedKv::new(SHAPE, PAGE, 3);
    let seq = to.sequence();
    for page in 0..2 {
        to.push_page(seq, from.page(whole.seq, page)).unwrap();
    }
    let mut moved = whole.clone();
    moved.truncate(&mut from, 2 * PAGE);
    moved.seq = seq;
    moved.check(&to);
    // It goes on as any other.
    moved.append(&mut to, 1, 9).unwrap();
    moved.check(&to);
    let full = to.sequence();
    let refused = to.push_page(full, from.page(whole.seq, 0)).unwrap_err();
    assert!(matches!(refused, KernelError::KvPagesExhausted { .. }), "{refused}");
    assert_eq!(to.len(full), 0);
}
