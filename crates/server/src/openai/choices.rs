//! What all answers of this interface have: names, times, and what they took.

use crate::ask::random;
use crate::hosted::Hosted;
use crate::usage::Usage;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What every part of one answer repeats.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    /// A number of this request alone, for the names of its calls.
    pub(super) number: u64,
}

impl Head {
    pub(super) fn new(kind: &str, hosted: &Hosted) -> Head {
        let number = random();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (created, model) = (since.as_secs(), hosted.name.clone());
        Head { id: format!("{kind}-{number:016x}"), created, model, number }
    }

    /// An object of this answer with `choices`.
    pub(super) fn object(&self, object: &str, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": concat!("flint-", env!("CARGO_PKG_VERSION")),
            "choices": choices,
        })
    }
}

/// Tokens that were used.
pub(super) fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.generated,
        "total_tokens": usage.prompt + usage.generated,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
    })
}

/// The same for several prompts.
pub(super) fn sum(all: &[Usage]) -> Usage {
    let mut sum = Usage::default();
    for usage in all {
        sum.prompt += usage.prompt;
        sum.cached += usage.cached;
        sum.generated += usage.generated;
        sum.prefill += usage.prefill;
        sum.decode += usage.decode;
    }
    sum
}

/// What it took, as llama-server tells it.
pub(super) fn timings(usage: &Usage) -> Value {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let per = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    let fed = (usage.prompt - usage.cached.min(usage.prompt)) as f64;
    let (prefill, decode) = (milliseconds(usage.prefill), milliseconds(usage.decode));
    let generated = usage.generated as f64;
    json!({
        "cache_n": usage.cached,
        "prompt_n": fed as u64,
        "prompt_ms": prefill,
        "prompt_per_token_ms": per(prefill, fed),
        "prompt_per_second": per(fed * 1e3, prefill),
        "predicted_n": usage.generated,
        "predicted_ms": decode,
        "predicted_per_token_ms": per(decode, generated),
        "predicted_per_second": per(generated * 1e3, decode),
        "queued_ms": milliseconds(usage.queued),
    })
}
