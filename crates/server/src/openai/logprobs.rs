//! Probabilities of tokens in the two forms that this interface has.

use crate::schedule::{Chosen, Likely};
use flint_engine::Tokenizer;
use serde_json::{Map, Value, json};

/// One token: its text, with a mark for what is no whole character, and its bytes.
fn entry(codec: &Tokenizer, likely: Likely) -> Value {
    let bytes = codec.bytes(likely.token);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    json!({ "token": text, "bytes": bytes, "logprob": likely.logprob })
}

/// Those of chat answers.
pub(super) fn of_chat(codec: &Tokenizer, tokens: &[Chosen]) -> Value {
    let content = tokens.iter().map(|chosen| {
        let mut taken = entry(codec, chosen.taken);
        let top = chosen.top.iter().map(|&likely| entry(codec, likely)).collect::<Vec<_>>();
        taken["top_logprobs"] = top.into();
        taken
    });
    json!({ "content": content.collect::<Vec<_>>(), "refusal": null })
}

/// Those of completions; `offset` is where the text of the first token begins, in characters.
pub(super) fn of_completion(codec: &Tokenizer, tokens: &[Chosen], offset: &mut usize) -> Value {
    let (mut texts, mut logprobs, mut tops, mut offsets) = (vec![], vec![], vec![], vec![]);
    let text = |token| String::from_utf8_lossy(&codec.bytes(token)).into_owned();
    for chosen in tokens {
        let taken = text(chosen.taken.token);
        offsets.push(*offset);
        *offset += taken.chars().count();
        texts.push(taken);
        logprobs.push(chosen.taken.logprob);
        let top = chosen.top.iter().map(|likely| (text(likely.token), likely.logprob.into()));
        tops.push(top.collect::<Map<String, Value>>());
    }
    json!({ "tokens": texts, "token_logprobs": logprobs, "top_logprobs": tops, "text_offset": offsets })
}
