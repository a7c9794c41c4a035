//! Sequences that leave a pass on its way: the others have the bits that they have alone.

use crate::model::{WAYS, alone, bits, load, options, tokens};
use flint_engine::{CancelToken, EngineError};
use flint_model::Batch;

#[test]
fn rows_of_a_sequence_that_leaves_are_left_out_and_the_others_do_not_notice() {
    for way in WAYS {
        let mut engine = load(way, options(way));
        let texts: Vec<Vec<u32>> = (0..4).map(|i| tokens(6 + 3 * i, i + 40)).collect();
        let want: Vec<_> = texts.iter().map(|text| alone(&mut engine, text).unwrap()).collect();
        let layers = engine.architecture().layers;
        for layer in 0..layers {
            let free = engine.kv_pages_free();
            let mut sequences: Vec<_> = texts.iter().map(|_| engine.begin()).collect();
            let rows = sequences.iter().zip(&texts).flat_map(|(it, text)| it.rows(text, |_| true));
            let batch = Batch::new(rows.collect()).unwrap();
            let leaving = [sequences[1].id(), sequences[3].id()];
            let mut asked = 0;
            let mut stays = |seq| {
                asked += 1;
                // The second leaves at `layer`, the last one from the start.
                !(seq == leaving[1] || (seq == leaving[0] && asked > 4 + 3 * (layer.max(1) - 1)))
            };
            let output = engine.step_while(&batch, &CancelToken::default(), &mut stays).unwrap();
            assert!(output.left_out().contains(&leaving[1]));
            let mut seen = 0;
            let each = &mut |row: usize, logits: &[f32]| {
                let flint_model::Row { seq, position, .. } = batch.rows()[row];
                let i = sequences.iter().position(|sequence| sequence.id() == seq).unwrap();
                assert_eq!(bits(logits), want[i][position], "{way:?}: text {i} at {position}");
                assert!(!output.left_out().contains(&seq));
                seen += 1;
            };
            engine.logits(&output, &CancelToken::default(), each).unwrap();
            let left = |i: usize| output.left_out().contains(&sequences[i].id());
            let stayed: usize = (0..4).filter(|&i| !left(i)).map(|i| texts[i].len()).sum();
            assert_eq!(seen, stayed);
            // Whoever left can come back.
            let again = sequences.remove(3);
            let batch = Batch::new(again.rows(&texts[3], |_| true)).unwrap();
            let output = engine.step(&batch, &CancelToken::default()).unwrap();
            let each = &mut |row: usize, logits: &[f32]| assert_eq!(bits(logits), want[3][row]);
            engine.logits(&output, &CancelToken::default(), each).unwrap();
            engine.end(again);
            sequences.into_iter().for_each(|sequence| engine.end(sequence));
            assert_eq!(engine.kv_pages_free(), free);
        }
    }
}

#[test]
fn a_pass_that_nobody_wants_is_cancelled() {
    let way = WAYS[1];
    let mut engine = load(way, options(way));
    let sequence = engine.begin();
    let batch = Batch::new(sequence.rows(&tokens(5, 1), |_| true)).unwrap();
    let mut layers = 0;
    let stays = &mut |_| {
        layers += 1;
        layers < 3
    };
    let left = engine.step_while(&batch, &CancelToken::default(), stays);
    assert!(matches!(left, Err(EngineError::Cancelled)));
    assert_eq!(engine.kv_pages_of(&sequence), 0);
    let output = engine.step(&batch, &CancelToken::default()).unwrap();
    assert_eq!(output.rows().len(), 5);
    engine.end(sequence);
}
