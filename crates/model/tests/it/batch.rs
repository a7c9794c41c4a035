//! Rows of a batch have the bits that they have alone: in company, in pages of any size, after forks and cuts.

use crate::describe::config;
use crate::tiny::{Tiny, compute};
use flint_kernels::{KvStore, PagedKv, SeqId};
use flint_model::{Architecture, Batch, ModelError, PerLayer, Row, describe};
use serde_json::json;

/// Families that differ in what a row passes through: learned and rotary positions, norms before, after and on
/// heads, serial and parallel blocks, shared heads, windows on some layers.
fn architectures() -> Vec<Architecture> {
    let shared = json!({ "num_key_value_heads": 2 });
    let windows = json!({ "head_dim": 16, "use_sliding_window": true, "sliding_window": 5,
        "max_window_layers": 1, "num_key_value_heads": 1 });
    let after = json!({ "do_layer_norm_before": false, "word_embed_proj_dim": 32 });
    [
        ("opt", json!({})),
        ("opt", after),
        ("llama", shared),
        ("falcon", json!({})),
        ("phi", json!({})),
        ("persimmon", json!({})),
        ("qwen3", windows),
    ]
    .into_iter()
    .map(|(kind, more)| describe(config(kind, &more).to_string().as_bytes()).unwrap().1)
    .collect()
}

/// Tokens that look random.
fn tokens(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| ((i * i * 7 + i * 13 + seed * 31) % 100) as u32).collect()
}

/// The bits of the logits after each of `tokens`, in one pass of one sequence.
fn alone(tiny: &mut Tiny, tokens: &[u32]) -> Vec<Vec<u32>> {
    let mut kv = tiny.store(16, 128);
    let seq = kv.sequence();
    let batch = Batch::of_tokens(seq, 0, tokens, |_| true).unwrap();
    tiny.step(&mut kv, &batch).unwrap()
}

/// Feeds `tokens` to what `seq` holds; gives the bits of the logits after the last.
fn feed(tiny: &mut Tiny, kv: &mut PagedKv, seq: SeqId, tokens: &[u32]) -> Vec<u32> {
    let last = tokens.len() - 1;
    let batch = Batch::of_tokens(seq, kv.len(seq), tokens, |index| index == last).unwrap();
    tiny.step(kv, &batch).unwrap().remove(0)
}

#[test]
fn rows_in_company_of_seven_other_sequences_have_the_bits_of_rows_alone() {
    let lengths = [20, 1, 33, 17, 2, 48, 16, 5];
    let fed = [3, 1, 1, 2, 1, 1, 1, 5];
    for architecture in architectures() {
        let mut tiny = Tiny::new(architecture, compute(2));
        let texts: Vec<Vec<u32>> = (0..8).map(|i| tokens(lengths[i], i)).collect();
        let want: Vec<_> = texts.iter().map(|text| alone(&mut tiny, text)).collect();
        for page_tokens in [1, 16, 64] {
            let mut kv = tiny.store(page_tokens, 8 * 64);
            let seqs: Vec<SeqId> = texts.iter().map(|_| kv.sequence()).collect();
            for i in 0..8 {
                let before = &texts[i][..lengths[i] - fed[i]];
                if !before.is_empty() {
                    feed(&mut tiny, &mut kv, seqs[i], before);
                }
            }
            // Rows of a sequence stand between those of others.
            let rows: Vec<(usize, usize)> = (0..5)
                .flat_map(|turn| (0..8).rev().map(move |i| (i, turn)))
                .filter(|&(i, turn)| turn < fed[i])
                .collect();
            let row = |&(i, turn): &(usize, usize)| {
                let position = lengths[i] - fed[i] + turn;
                Row { seq: seqs[i], position, token: texts[i][position], wants_logits: true }
            };
            let batch = Batch::new(rows.iter().map(row).collect()).unwrap();
            let got = tiny.step(&mut kv, &batch).unwrap();
            for ((i, turn), got) in rows.iter().zip(got) {
                let position = lengths[*i] - fed[*i] + turn;
                let family = &tiny.decoder.architecture().family;
                assert_eq!(got, want[*i][position], "{family}: {i} at {position}, {page_tokens}");
            }
        }
    }
}

#[test]
fn the_length_of_a_chunk_changes_nothing() {
    for architecture in architectures() {
        let mut tiny = Tiny::new(architecture, compute(1));
        let text = tokens(41, 3);
        let want = alone(&mut tiny, &text);
        for (page_tokens, chunk) in [(16, 1), (16, 7), (64, 16), (1, 5)] {
            let mut kv = tiny.store(page_tokens, 64);
            let seq = kv.sequence();
            let mut at = 0;
            for part in text.chunks(chunk) {
                at += part.len();
                let got = feed(&mut tiny, &mut kv, seq, part);
                assert_eq!(got, want[at - 1], "chunks of {chunk}, pages of {page_tokens}");
            }
        }
    }
}

#[test]
fn forks_and_sequences_that_were_cut_go_on_as_if_nothing_had_been() {
    for architecture in architectures() {
        let mut tiny = Tiny::new(architecture, compute(1));
        let text = tokens(40, 1);
        let other = [&text[..21], &tokens(9, 5)].concat();
        let (want, want_other) = (alone(&mut tiny, &text), alone(&mut tiny, &other));
        for page_tokens in [1, 16, 64] {
            let mut kv = tiny.store(page_tokens, 4 * 64);
            let seq = kv.sequence();
            feed(&mut tiny, &mut kv, seq, &text[..30]);
            let fork = kv.fork(seq, 21);
            assert_eq!(feed(&mut tiny, &mut kv, fork, &other[21..]), want_other[29]);
            assert_eq!(feed(&mut tiny, &mut kv, seq, &text[30..]), want[39]);
            // The other's words, then back.
            kv.truncate(seq, 21);
            assert_eq!(feed(&mut tiny, &mut kv, seq, &other[21..]), want_other[29]);
            kv.truncate(seq, 21);
            assert_eq!(feed(&mut tiny, &mut kv, seq, &text[21..]), want[39]);
            kv.free(seq);
            kv.truncate(fork, 29);
            assert_eq!(feed(&mut tiny, &mut kv, fork, &other[29..]), want_other[29]);
        }
    }
}

/// With a window of one on every layer a row knows nothing of those before it; one layer without is enough to know.
#[test]
fn each_layer_has_its_own_window() {
    let text = |first| [vec![first], tokens(6, 2)].concat();
    let last = |window: PerLayer<Option<usize>>, first: u32| {
        let mut architecture = architectures().remove(2);
        architecture.attention.window = window;
        let mut tiny = Tiny::new(architecture, compute(1));
        alone(&mut tiny, &text(first)).pop().unwrap()
    };
    let each = |windows: [Option<usize>; 2]| PerLayer::Each(windows.to_vec());
    for blind in [PerLayer::Same(Some(1)), each([Some(1), Some(1)])] {
        assert_eq!(last(blind.clone(), 5), last(blind, 6));
    }
    for seeing in [each([None, Some(1)]), each([Some(1), None])] {
        assert_ne!(last(seeing.clone(), 5), last(seeing, 6));
    }
    assert_ne!(last(each([None, Some(3)]), 5), last(each([Some(3), None]), 5));
}

#[test]
fn layers_may_have_feed_forwards_of_their_own_size() {
    let mut architecture = architectures().remove(2);
    let uniform = alone(&mut Tiny::new(architecture.clone(), compute(1)), &tokens(3, 0));
    architecture.feed_forward.neurons = PerLayer::Each(vec![256, 40]);
    let apart = alone(&mut Tiny::new(architecture, compute(1)), &tokens(3, 0));
    assert_ne!(uniform, apart);
}

#[test]
fn rows_that_make_no_batch_are_refused() {
    let mut tiny = Tiny::new(architectures().remove(0), compute(1));
    let mut kv = tiny.store(16, 32);
    let seq = kv.sequence();
    let row = |position, token| Row { seq, position, token, wants_logits: false };
    assert!(matches!(Batch::new(Vec::new()), Err(ModelError::EmptyBatch)));
    for rows in [[row(0, 1), row(2, 1)], [row(1, 1), row(0, 1)], [row(0, 1), row(0, 1)]] {
        let said = Batch::new(rows.to_vec()).unwrap_err().to_string();
        assert!(said.contains("its sequence goes on at"), "{said}");
    }
    let mut refused = |rows: Vec<Row>| {
        let batch = Batch::new(rows).unwrap();
        tiny.step(&mut kv, &batch).unwrap_err().to_string()
    };
    assert_eq!(refused(vec![row(0, 100)]), "token 100 is outside the vocabulary of 100");
    let gap = "a row stands at position 1, but its sequence goes on at 0";
    assert_eq!(refused(vec![row(1, 1)]), gap);
    let far = "position 128 is beyond the model's context of 128 tokens";
    assert_eq!(refused(vec![row(128, 1)]), far);
    let full = refused((0..33).map(|position| row(position, 1)).collect());
    assert_eq!(full, "3 pages of keys and values are needed, 2 of 2 are free");
    kv.free(seq);
    let batch = Batch::new(vec![row(0, 1)]).unwrap();
    let said = tiny.step(&mut kv, &batch).unwrap_err();
    assert!(matches!(said, ModelError::UnknownSequence { .. }), "{said}");
}

#[test]
fn a_batch_without_room_leaves_every_sequence_as_it_was() {
    let mut tiny = Tiny::new(architectures().remove(0), compute(1));
    let mut kv = tiny.store(16, 48);
    let (a, b) = (kv.sequence(), kv.sequence());
    feed(&mut tiny, &mut kv, a, &tokens(10, 0));
    let row = |seq, position| Row { seq, position, token: 1, wants_logits: true };
    let rows = (10..26).map(|position| row(a, position)).chain((0..17).map(|p| row(b, p)));
    let batch = Batch::new(rows.collect()).unwrap();
    let said = tiny.step(&mut kv, &batch).unwrap_err().to_string();
    assert_eq!(said, "2 pages of keys and values are needed, 1 of 3 are free");
    assert_eq!((kv.len(a), kv.len(b), kv.pages_free()), (10, 0, 2));
}

#[test]
fn a_batch_knows_its_sequences() {
    let (a, b) = (SeqId::new(3, 0), SeqId::new(5, 1));
    let row = |seq, position, wants_logits| Row { seq, position, token: 0, wants_logits };
    let rows = vec![row(b, 7, false), row(a, 0, true), row(b, 8, true), row(a, 1, false)];
    let batch = Batch::new(rows).unwrap();
    let spans: Vec<_> =
        batch.spans().iter().map(|span| (span.seq, span.first, span.rows)).collect();
    assert_eq!(spans, [(b, 7, 2), (a, 0, 2)]);
    assert_eq!(batch.wanted().collect::<Vec<_>>(), [1, 2]);
}
