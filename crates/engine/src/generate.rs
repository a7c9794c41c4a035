//! Generation: from a prompt to text, with the reason it ended and what it cost.

use crate::engine::Engine;
use crate::generated::{Finish, Generated};
use crate::sample::{Sampler, Sampling};
use crate::stats::Phases;
use crate::stop::StopTexts;
use crate::{CancelToken, EngineError, ProgressHandle, Sequence, TextStream, Tokenizer};
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
    /// Texts that end generation and are not part of the result. The text of a special token stands for that token.
    pub stop: Vec<String>,
    /// Whether to go on past the model's end-of-text token.
    pub ignore_end: bool,
}

/// What a listener hears while text is generated.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// This number of tokens of the prompt was fed, or that part of the work was done.
    Prompt(usize),
    /// A token was chosen, and this text became certain (possibly none).
    Token(u32, &'a str),
    /// Text that had been held back became certain at the end.
    Text(&'a str),
}

/// How a generation is watched and ended from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Controls {
    /// Ends it early when it is asked to, even inside a token. What was generated until then is the result.
    pub cancel: CancelToken,
    /// Shows how far it is.
    pub live: ProgressHandle,
}

/// Generates on a sequence of its own. `listen` may end it early; so may [`Controls::cancel`].
///
/// # Errors
/// When the prompt is empty or too long for the planned context, or a read fails.
pub fn generate(
    engine: &mut Engine,
    codec: Option<&Tokenizer>,
    request: &Request,
    controls: &Controls,
    listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Generated, EngineError> {
    engine.with_sequence(|engine, sequence| {
        generate_on(engine, sequence, codec, request, controls, listen)
    })
}

/// The same after the tokens of `sequence`, which the prompt and all generated tokens but the last one join.
///
/// # Errors
/// As for [`generate`].
pub fn generate_on(
    engine: &mut Engine,
    sequence: &mut Sequence,
    codec: Option<&Tokenizer>,
    request: &Request,
    controls: &Controls,
    listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Generated, EngineError> {
    if request.prompt.is_empty() {
        return Err(EngineError::EmptyPrompt);
    }
    let Controls { cancel, live } = controls;
    let setting = engine.setting();
    live.begin(setting.clone(), &request.prompt);
    let ends = ends(engine, codec, request);
    let mut sampler = Sampler::new(request.sampling);
    let mut text = Text::new(codec, request);
    let mut tokens = Vec::new();
    let mut phases = Phases::default();

    let start = engine.mark();
    let (mut fed, mut ended) = (0, false);
    let mut logits =
        unless_cancelled(engine.feed(sequence, &request.prompt, cancel, &mut |now| {
            fed = now;
            ended |= listen(Event::Prompt(now)).is_break();
        }))?;
    phases.prefill = engine.since(&start, fed as u64);
    phases.first_token = phases.prefill.time;
    live.fed(phases);
    let mut decode_mark = engine.mark();
    let finish = loop {
        let Some(row) = logits.as_ref().filter(|_| !ended) else { break Finish::Stop };
        if tokens.len() == request.max_tokens {
            break Finish::Length;
        }
        let token = sampler.choose(row, tokens.len());
        if tokens.is_empty() {
            phases.first_token = engine.glance(&start, 0).time;
            decode_mark = engine.mark();
        }
        tokens.push(token);
        phases.decode = engine.glance(&decode_mark, tokens.len() as u64 - 1);
        if ends.contains(&token) {
            live.token(token, "", phases);
            break Finish::Stop;
        }
        let (new, stopped) = text.push(token);
        live.token(token, &new, phases);
        ended = listen(Event::Token(token, &new)).is_break() || stopped;
        if !ended && tokens.len() < request.max_tokens {
            if engine.room(sequence) == 0 {
                break Finish::Context;
            }
            logits = unless_cancelled(engine.feed(sequence, &[token], cancel, &mut |_| {}))?;
        }
    };
    phases.decode.storage_bytes = engine.since(&decode_mark, 0).storage_bytes;
    let rest = text.finish();
    if !ended && !rest.is_empty() {
        // Nothing follows, so nothing is left to end.
        let _ = listen(Event::Text(&rest));
    }
    let mut stats = setting.stats(&phases);
    stats.forecast = engine.forecast_report(&stats);
    Ok(Generated { text: text.shown, tokens, prompt_tokens: request.prompt.clone(), finish, stats })
}

/// Tokens that end the text.
fn ends(engine: &Engine, codec: Option<&Tokenizer>, request: &Request) -> Vec<u32> {
    let of_model = engine.architecture().end_of_text.iter().copied();
    let special = |stop: &String| codec.and_then(|codec| codec.special_token(stop));
    of_model
        .filter(|_| !request.ignore_end)
        .chain(request.stop.iter().filter_map(special))
        .collect()
}

/// `None` when the end was asked for.
fn unless_cancelled<T>(result: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match result {
        Err(EngineError::Cancelled) => Ok(None),
        other => other.map(Some),
    }
}

/// The text so far, and what of it was shown.
struct Text<'a> {
    stream: Option<TextStream<'a>>,
    stop: StopTexts,
    shown: String,
}

impl<'a> Text<'a> {
    fn new(codec: Option<&'a Tokenizer>, request: &Request) -> Text<'a> {
        let stream = codec.map(|codec| codec.stream(&request.prompt));
        let stop = StopTexts::new(request.stop.iter().cloned());
        Text { stream, stop, shown: String::new() }
    }

    /// Text that may be shown now, and whether a stop text came.
    fn push(&mut self, token: u32) -> (String, bool) {
        let Some(stream) = &mut self.stream else { return (String::new(), false) };
        let (new, stopped) = self.stop.push(&stream.push(token));
        self.shown += &new;
        (new, stopped)
    }

    /// The end of the text, if some of it was held back.
    fn finish(&mut self) -> String {
        let held = self.stream.as_mut().map(TextStream::finish).unwrap_or_default();
        let (mut rest, stopped) = self.stop.push(&held);
        if !stopped {
            rest += &self.stop.finish();
        }
        self.shown += &rest;
        rest
    }
}
