//! The trained model against values of an independent implementation.

use crate::model::{Twin, all_logits, greedy, load, options, unseen_prompt};
use flint_engine::{CancelToken, OpenModel, perplexity};
use flint_fixtures::{TinyReference, tiny_opt, tiny_opt_bundle};

const TOLERANCE: f32 = 5e-4;

#[test]
fn greedy_text_of_the_trained_model_is_the_reference_token_for_token() {
    let reference = TinyReference::read(&tiny_opt()).unwrap();
    for prompt in &reference.prompts {
        let context = prompt.prompt_ids.len() + prompt.greedy_ids.len();
        let mut engine = load(&tiny_opt_bundle(), &options(75.0), context, None);
        let generated = greedy(&mut engine, &prompt.prompt_ids, prompt.greedy_ids.len());
        assert_eq!(generated.tokens, prompt.greedy_ids, "{:?}", prompt.prompt);
    }
}

#[test]
fn logits_after_a_prompt_are_those_of_the_reference() {
    let reference = TinyReference::read(&tiny_opt()).unwrap();
    for prompt in &reference.prompts {
        let mut engine = load(&tiny_opt_bundle(), &options(75.0), prompt.prompt_ids.len(), None);
        let logits = all_logits(&mut engine, &prompt.prompt_ids).unwrap().pop().unwrap();
        for expected in &prompt.top5_next {
            let off = (logits[expected.id as usize] - expected.logit).abs();
            assert!(off <= TOLERANCE, "token {}: off by {off}", expected.id);
        }
    }
}

#[test]
fn prompts_become_the_tokens_of_the_reference() {
    let reference = TinyReference::read(&tiny_opt()).unwrap();
    let codec = OpenModel::open(&tiny_opt_bundle()).unwrap().codec().unwrap().unwrap();
    for prompt in &reference.prompts {
        assert_eq!(codec.encode(&prompt.prompt, true).unwrap(), prompt.prompt_ids);
    }
}

#[test]
fn an_unseen_prompt_gives_the_bits_of_the_model_held_whole_in_memory() {
    let prompt = unseen_prompt();
    let mut twin = Twin::open(&tiny_opt_bundle());
    let mut engine = load(&tiny_opt_bundle(), &options(60.0), prompt.len() + 12, None);
    let generated = greedy(&mut engine, &prompt, 12);
    assert_eq!(generated.tokens, twin.greedy(&prompt, 12));

    assert_eq!(all_logits(&mut engine, &prompt).unwrap(), twin.logits(&prompt));
}

#[test]
fn perplexity_of_held_out_text_is_near_the_loss_of_the_reference() {
    let text = std::fs::read_to_string(tiny_opt().join("heldout.txt")).unwrap();
    let text: String = text.chars().take(6000).collect();
    let codec = OpenModel::open(&tiny_opt_bundle()).unwrap().codec().unwrap().unwrap();
    let tokens = codec.encode(&text, false).unwrap();
    let mut engine = load(&tiny_opt_bundle(), &options(400.0), 256, None);
    let found = perplexity(&mut engine, &tokens, &CancelToken::default(), &mut |_| {}).unwrap();
    assert_eq!(found.tokens, tokens.len());
    // The reference loss is 3.65 nats over the whole file, split at its documents.
    assert!((3.0..4.3).contains(&found.perplexity.ln()), "{}", found.perplexity.ln());
}
