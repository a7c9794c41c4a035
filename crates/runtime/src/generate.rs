//! Generation: from a prompt to text, with the reason it ended and what it cost.

use crate::engine::Engine;
use crate::memory::process_memory;
use crate::sample::{Sampler, Sampling};
use crate::stats::{PerToken, Phase, Stats, milliseconds};
use crate::stop::StopText;
use crate::{Mode, NeuronPlan, RuntimeError, Session, TextCodec, TextStream};
use flint_dram_cache::PolicyKind;
use serde::Serialize;
use std::ops::ControlFlow;

/// What to generate.
#[derive(Debug, Clone)]
pub struct Request {
    /// Tokens to start from; at least one.
    pub prompt: Vec<u32>,
    /// Most tokens to generate.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Text that ends generation and is not part of the result.
    pub stop: Option<String>,
    /// Whether to go on past the model's end-of-text token.
    pub ignore_end: bool,
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// As many tokens as were asked for.
    Length,
    /// The model ended the text, the stop text came, or the listener had enough.
    Stop,
    /// The context is full.
    Context,
}

/// The result: the JSON object of the contract.
#[derive(Debug, Clone, Serialize)]
pub struct Generated {
    /// The generated text; empty without a tokenizer.
    pub text: String,
    /// The generated tokens.
    pub tokens: Vec<u32>,
    /// The prompt.
    pub prompt_tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// What it cost.
    pub stats: Stats,
}

/// What a listener hears while text is generated.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// So many tokens of the prompt were fed.
    Prompt(usize),
    /// A token was chosen, and this text became certain (possibly none).
    Token(u32, &'a str),
    /// Text that had been held back became certain at the end.
    Text(&'a str),
}

/// Generates. `listen` may end it early.
///
/// # Errors
/// When the prompt is empty or too long for the planned context, or a read fails.
pub fn generate(
    engine: &mut Engine,
    codec: Option<&TextCodec>,
    request: &Request,
    listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Generated, RuntimeError> {
    if request.prompt.is_empty() {
        return Err(RuntimeError::EmptyPrompt);
    }
    let ends =
        if request.ignore_end { Vec::new() } else { engine.architecture().end_of_text.clone() };
    let mut session = Session::new(engine)?;
    let mut sampler = Sampler::new(request.sampling);
    let mut text = Text::new(codec, request)?;
    let mut tokens = Vec::new();

    let start = session.mark();
    let mut ended = false;
    let mut logits = session.feed(&request.prompt, &mut |fed| {
        ended |= listen(Event::Prompt(fed)).is_break();
    })?;
    let prefill = session.since(&start, request.prompt.len() as u64);
    let mut first_token = prefill.time;
    let mut decode_mark = session.mark();
    let finish = loop {
        if ended {
            break Finish::Stop;
        }
        if tokens.len() == request.max_tokens {
            break Finish::Length;
        }
        let token = sampler.choose(&logits);
        if tokens.is_empty() {
            first_token = session.since(&start, 0).time;
            decode_mark = session.mark();
        }
        tokens.push(token);
        if ends.contains(&token) {
            break Finish::Stop;
        }
        let (new, stopped) = text.push(token)?;
        ended = listen(Event::Token(token, &new)).is_break() || stopped;
        if !ended && tokens.len() < request.max_tokens {
            if session.room() == 0 {
                break Finish::Context;
            }
            logits = session.feed(&[token], &mut |_| {})?;
        }
    };
    let decode = session.since(&decode_mark, (tokens.len() as u64).saturating_sub(1));
    let stats = stats(&session, &prefill, &decode, milliseconds(first_token));
    let rest = text.finish();
    if !ended && !rest.is_empty() {
        // Nothing follows, so nothing is left to end.
        let _ = listen(Event::Text(&rest));
    }
    Ok(Generated { text: text.shown, tokens, prompt_tokens: request.prompt.clone(), finish, stats })
}

/// The text so far, and what of it was shown.
struct Text<'a> {
    stream: Option<TextStream<'a>>,
    stop: StopText,
    shown: String,
}

impl<'a> Text<'a> {
    fn new(codec: Option<&'a TextCodec>, request: &Request) -> Result<Text<'a>, RuntimeError> {
        let stream = codec.map(|codec| codec.stream(&request.prompt)).transpose()?;
        let stop = StopText::new(request.stop.clone().unwrap_or_default());
        Ok(Text { stream, stop, shown: String::new() })
    }

    /// Text that may be shown now, and whether the stop text came.
    fn push(&mut self, token: u32) -> Result<(String, bool), RuntimeError> {
        let Some(stream) = &mut self.stream else { return Ok((String::new(), false)) };
        let (new, stopped) = self.stop.push(&stream.push(token)?);
        self.shown += &new;
        Ok((new, stopped))
    }

    /// The end of the text, if some of it was held back.
    fn finish(&mut self) -> String {
        let rest = self.stop.finish();
        self.shown += &rest;
        rest
    }
}

/// What both phases of a run on `session` cost.
pub(crate) fn stats(
    session: &Session<'_>,
    prefill: &Phase,
    decode: &Phase,
    first_token_ms: f64,
) -> Stats {
    let engine = session.engine();
    let (plan, path, shape) = (engine.plan(), engine.path(), engine.bundle().shape());
    let neurons_total = u64::from(shape.layers) * u64::from(shape.neurons);
    let (window, policy) = match (plan.mode, engine.options.policy) {
        (Mode::Exact, _) => (0, "none".to_owned()),
        (Mode::Sparse, kind @ PolicyKind::Window { tokens }) => {
            let effective = || effective_window(engine, decode);
            (tokens.map_or_else(effective, std::num::NonZero::get), kind.to_string())
        }
        (Mode::Sparse, kind) => (0, kind.to_string()),
    };
    let decode_seconds = decode.time.as_secs_f64();
    Stats {
        mode: plan.mode.name(),
        io_backend: path.backend,
        direct_io: path.direct,
        widened: path.widened,
        io_reasons: path.reasons,
        window,
        policy,
        simd: engine.compute.isa().name(),
        threads: engine.compute.threads(),
        context: plan.context,
        chunk: plan.chunk,
        weights_bytes: plan.weights_bytes,
        memory_budget_bytes: plan.budget_bytes,
        resident_bytes: plan.resident_bytes,
        predictor_bytes: plan.predictor_bytes,
        cache_bytes: plan.cache_bytes,
        kv_bytes: plan.kv_bytes,
        buffer_bytes: plan.buffer_bytes,
        process_bytes: plan.process_bytes,
        peak_rss_bytes: process_memory().peak,
        prefill_tokens: prefill.tokens,
        prefill_ms: milliseconds(prefill.time),
        prefill_bytes_read: prefill.effort.bytes_read,
        first_token_ms,
        decode_tokens: decode.tokens,
        decode_ms: milliseconds(decode.time),
        tokens_per_second: if decode.tokens > 0 {
            decode.tokens as f64 / decode_seconds
        } else {
            0.0
        },
        decode_bytes_read: decode.effort.bytes_read,
        decode_storage_bytes: decode.storage_bytes,
        quality_cost: quality_cost(engine),
        per_token: PerToken::of(decode, neurons_total),
    }
}

/// How many tokens a neuron stays in an open window, on average: as many as it takes to load every slot once.
fn effective_window(engine: &Engine, decode: &Phase) -> u32 {
    let NeuronPlan::Sparse { config, bytes } = &engine.plan().neurons else { return 0 };
    let slots = u64::from(config.slots_for(*bytes)) * decode.tokens;
    match slots.checked_div(decode.effort.neurons_loaded) {
        Some(tokens) => tokens.min(engine.plan().context as u64) as u32,
        // Nothing had to be loaded: everything that was used stayed.
        None => engine.plan().context as u32,
    }
}

/// What sparse mode costs in quality, as measured when the predictors were made.
fn quality_cost(engine: &Engine) -> Option<f64> {
    if engine.plan().mode == Mode::Exact {
        return Some(1.0);
    }
    let measured = engine.bundle().calibration()?;
    Some(measured.perplexity_sparse? / measured.perplexity_exact?)
}
