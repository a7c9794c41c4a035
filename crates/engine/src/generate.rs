//! Generation: from a prompt to text, with the reason it ended and what it cost.

use crate::engine::Engine;
use crate::generated::{Finish, Generated};
use crate::sample::{Sampler, Sampling};
use crate::stats::Phases;
use crate::stop::StopText;
use crate::{EngineError, Live, Session, TextCodec, TextStream};
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

/// What a listener hears while text is generated.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// So many tokens of the prompt were fed, or the work of so many was done.
    Prompt(usize),
    /// A token was chosen, and this text became certain (possibly none).
    Token(u32, &'a str),
    /// Text that had been held back became certain at the end.
    Text(&'a str),
}

/// Generates. `listen` may end it early; so may [`RunOptions::halt`](crate::RunOptions), even inside a token.
///
/// # Errors
/// When the prompt is empty or too long for the planned context, or a read fails.
pub fn generate(
    engine: &mut Engine,
    codec: Option<&TextCodec>,
    request: &Request,
    listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Generated, EngineError> {
    generate_live(engine, codec, request, &Live::default(), listen)
}

/// The same, and shows in `live` how far it is.
///
/// # Errors
/// As for [`generate`].
pub fn generate_live(
    engine: &mut Engine,
    codec: Option<&TextCodec>,
    request: &Request,
    live: &Live,
    listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<Generated, EngineError> {
    if request.prompt.is_empty() {
        return Err(EngineError::EmptyPrompt);
    }
    let setting = engine.setting();
    live.begin(setting.clone(), &request.prompt);
    let ends =
        if request.ignore_end { Vec::new() } else { engine.architecture().end_of_text.clone() };
    let mut session = Session::new(engine)?;
    let mut sampler = Sampler::new(request.sampling);
    let mut text = Text::new(codec, request)?;
    let mut tokens = Vec::new();
    let mut phases = Phases::default();

    let start = session.mark();
    let (mut fed, mut ended) = (0, false);
    let mut logits = unless_halted(session.feed(&request.prompt, &mut |now| {
        fed = now;
        ended |= listen(Event::Prompt(now)).is_break();
    }))?;
    phases.prefill = session.since(&start, fed as u64);
    phases.first_token = phases.prefill.time;
    live.fed(phases);
    let mut decode_mark = session.mark();
    let finish = loop {
        let Some(row) = logits.as_ref().filter(|_| !ended) else { break Finish::Stop };
        if tokens.len() == request.max_tokens {
            break Finish::Length;
        }
        let token = sampler.choose(row);
        if tokens.is_empty() {
            phases.first_token = session.glance(&start, 0).time;
            decode_mark = session.mark();
        }
        tokens.push(token);
        phases.decode = session.glance(&decode_mark, tokens.len() as u64 - 1);
        if ends.contains(&token) {
            live.token(token, "", phases);
            break Finish::Stop;
        }
        let (new, stopped) = text.push(token)?;
        live.token(token, &new, phases);
        ended = listen(Event::Token(token, &new)).is_break() || stopped;
        if !ended && tokens.len() < request.max_tokens {
            if session.room() == 0 {
                break Finish::Context;
            }
            logits = unless_halted(session.feed(&[token], &mut |_| {}))?;
        }
    };
    phases.decode.storage_bytes = session.since(&decode_mark, 0).storage_bytes;
    let rest = text.finish();
    if !ended && !rest.is_empty() {
        // Nothing follows, so nothing is left to end.
        let _ = listen(Event::Text(&rest));
    }
    let mut stats = setting.stats(&phases);
    stats.forecast = session.engine().forecast_report(&stats);
    Ok(Generated { text: text.shown, tokens, prompt_tokens: request.prompt.clone(), finish, stats })
}

/// `None` when the run was asked to halt.
fn unless_halted<T>(result: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match result {
        Err(EngineError::Halted) => Ok(None),
        other => other.map(Some),
    }
}

/// The text so far, and what of it was shown.
struct Text<'a> {
    stream: Option<TextStream<'a>>,
    stop: StopText,
    shown: String,
}

impl<'a> Text<'a> {
    fn new(codec: Option<&'a TextCodec>, request: &Request) -> Result<Text<'a>, EngineError> {
        let stream = codec.map(|codec| codec.stream(&request.prompt)).transpose()?;
        let stop = StopText::new(request.stop.clone().unwrap_or_default());
        Ok(Text { stream, stop, shown: String::new() })
    }

    /// Text that may be shown now, and whether the stop text came.
    fn push(&mut self, token: u32) -> Result<(String, bool), EngineError> {
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
