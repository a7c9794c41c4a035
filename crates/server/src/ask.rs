//! From the fields of a request to a job for the engine: what all interfaces have in common.

use crate::form::Form;
use crate::hosted::Hosted;
use crate::http::{Fields, Problem};
use crate::schedule::{Job, Penalties};
use flint_engine::Sampling;
use serde_json::Value;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Most stop texts of a request, and the longest, in bytes.
const MOST_STOPS: usize = 64;
const LONGEST_STOP: usize = 4096;

/// Most of the likeliest tokens that are named.
pub(crate) const MOST_LOGPROBS: i64 = 20;

/// How a request wants its tokens.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    /// As many as there is room for when `None`.
    pub(crate) max_tokens: Option<usize>,
    pub(crate) sampling: Sampling,
    pub(crate) penalties: Penalties,
    pub(crate) stops: Vec<String>,
    pub(crate) logprobs: Option<usize>,
    pub(crate) form: Option<Form>,
}

impl Wishes {
    /// Reads the fields that OpenAI's interface and llama-server's have for it; `usual` is taken where they say nothing.
    pub(crate) fn read(
        fields: Fields<'_>,
        usual: Sampling,
        vocabulary: usize,
    ) -> Result<Wishes, Problem> {
        let stops = fields.texts("stop")?;
        check_stops(&stops)?;
        Ok(Wishes {
            max_tokens: max_tokens(fields, &["max_completion_tokens", "max_tokens", "n_predict"])?,
            sampling: sampling(fields, usual)?,
            penalties: Penalties { bias: bias(fields, vocabulary)?, ..penalties(fields)? },
            stops,
            logprobs: None,
            form: None,
        })
    }

    /// The job for `prompt`, which answers end on `ends`.
    pub(crate) fn job(
        self,
        prompt: Vec<u32>,
        hosted: &Hosted,
        ends: Vec<u32>,
        marks: Vec<(u32, &'static str)>,
    ) -> Result<Job, Problem> {
        let (context, length) = (hosted.facts.context, prompt.len());
        if prompt.is_empty() {
            return Err(Problem::wrong(
                "the prompt is empty and the model has no begin-of-text token",
            ));
        }
        if let Some(token) = prompt.iter().find(|&&token| token as usize >= hosted.facts.vocabulary)
        {
            return Err(Problem::field("prompt", format!("there is no token {token}")));
        }
        if length >= context && (length > context || self.max_tokens != Some(0)) {
            return Err(Problem::too_long(length, context));
        }
        let room = context - length;
        Ok(Job {
            prompt,
            max_tokens: self.max_tokens.unwrap_or(room).min(room),
            sampling: self.sampling,
            penalties: self.penalties,
            stops: self.stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            ends,
            marks,
            logprobs: self.logprobs,
            form: self.form,
        })
    }
}

pub(crate) fn check_stops(stops: &[String]) -> Result<(), Problem> {
    if stops.len() > MOST_STOPS {
        return Err(Problem::field("stop", format!("at most {MOST_STOPS} texts")));
    }
    match stops.iter().find(|stop| stop.len() > LONGEST_STOP) {
        Some(_) => {
            Err(Problem::field("stop", format!("a text has more than {LONGEST_STOP} bytes")))
        }
        None => Ok(()),
    }
}

/// The first of `names` that is there; -1 and -2 are no limit, as in llama-server and Ollama.
pub(crate) fn max_tokens(fields: Fields<'_>, names: &[&str]) -> Result<Option<usize>, Problem> {
    let mut first = None;
    for name in names {
        let count = fields.integer(name, -2..=i64::from(u32::MAX))?;
        first = first.or(count);
    }
    Ok(first.and_then(|count| usize::try_from(count).ok()))
}

/// How tokens are chosen.
pub(crate) fn sampling(fields: Fields<'_>, usual: Sampling) -> Result<Sampling, Problem> {
    let top_k = fields.integer("top_k", -1..=i64::from(u32::MAX))?;
    Ok(Sampling {
        temperature: fields.number("temperature", 0.0..=100.0)?.unwrap_or(usual.temperature),
        top_k: top_k.map_or(usual.top_k, |top| usize::try_from(top).unwrap_or(0)),
        top_p: fields.number("top_p", 0.0..=1.0)?.unwrap_or(usual.top_p),
        min_p: fields.number("min_p", 0.0..=1.0)?.unwrap_or(usual.min_p),
        seed: seed(fields)?.unwrap_or_else(random),
    })
}

fn seed(fields: Fields<'_>) -> Result<Option<u64>, Problem> {
    let Some(value) = fields.get("seed") else { return Ok(None) };
    if let Some(seed) = value.as_u64() {
        return Ok(Some(seed));
    }
    match fields.integer("seed", i64::MIN..=i64::MAX)? {
        Some(-1) | None => Ok(None),
        Some(seed) => Ok(Some(seed.cast_unsigned())),
    }
}

/// A number that nobody foresees; it need be no better than that.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub(crate) fn penalties(fields: Fields<'_>) -> Result<Penalties, Problem> {
    let none = Penalties::default();
    if fields.number("typical_p", 0.0..=1.0)?.is_some_and(|it| it != 1.0) {
        return Err(Problem::field("typical_p", "only 1 is supported"));
    }
    let last = fields.integer("repeat_last_n", -1..=i64::from(u32::MAX))?;
    Ok(Penalties {
        frequency: fields.number("frequency_penalty", -2.0..=2.0)?.unwrap_or(none.frequency),
        presence: fields.number("presence_penalty", -2.0..=2.0)?.unwrap_or(none.presence),
        repeat: fields.number("repeat_penalty", 0.01..=100.0)?.unwrap_or(none.repeat),
        // -1 is the whole context.
        repeat_last: last
            .map_or(none.repeat_last, |last| usize::try_from(last).unwrap_or(usize::MAX)),
        bias: Vec::new(),
    })
}

/// A map from token to what is added to its logit.
fn bias(fields: Fields<'_>, vocabulary: usize) -> Result<Vec<(u32, f32)>, Problem> {
    let Some(map) = fields.object("logit_bias")? else { return Ok(Vec::new()) };
    let wrong = |what: &str| Problem::field("logit_bias", what);
    let entry = |(token, bias): (&String, &Value)| {
        let token: u32 = token.parse().map_err(|_| wrong("a key is no token"))?;
        if token as usize >= vocabulary {
            return Err(wrong("a key is past the vocabulary"));
        }
        let bias = bias.as_f64().filter(|it| (-100.0..=100.0).contains(it));
        Ok((token, bias.ok_or_else(|| wrong("expected numbers from -100 to 100"))? as f32))
    };
    map.0.iter().map(entry).collect()
}
