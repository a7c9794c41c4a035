//! Generation: from a prompt to text, with the reason it ended and what it cost.

use crate::draft::DraftState;
use crate::drafting::Next;
use crate::engine::Engine;
use crate::generated::{Finish, Generated};
use crate::meter::Mark;
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
    let mut sampler = Sampler::new(request.sampling);
    let mut answer = Answer {
        ends: ends(engine, codec, request),
        text: Text::new(codec, request),
        tokens: Vec::new(),
        most: request.max_tokens,
        phases: Phases::default(),
        ended: false,
    };

    let start = engine.mark();
    let mut fed = 0;
    let logits = unless_cancelled(engine.feed(sequence, &request.prompt, cancel, &mut |now| {
        fed = now;
        answer.ended |= listen(Event::Prompt(now)).is_break();
    }))?;
    answer.phases.prefill = engine.since(&start, fed as u64);
    answer.phases.first_token = answer.phases.prefill.time;
    live.fed(answer.phases);
    let mut decode_mark = engine.mark();
    let finish = match logits.filter(|_| !answer.ended) {
        None => Finish::Stop,
        Some(_) if request.max_tokens == 0 => Finish::Length,
        Some(row) => {
            let first = sampler.choose(&row, 0);
            answer.phases.first_token = engine.glance(&start, 0).time;
            decode_mark = engine.mark();
            let decode = Decode { engine, sequence, sampler, mark: &decode_mark, controls };
            decode.run(first, &mut answer, listen)?
        }
    };
    let Answer { mut text, tokens, mut phases, ended, .. } = answer;
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

/// What goes on from token to token.
struct Decode<'a> {
    engine: &'a mut Engine,
    sequence: &'a mut Sequence,
    sampler: Sampler,
    /// When the first token was chosen.
    mark: &'a Mark,
    controls: &'a Controls,
}

impl Decode<'_> {
    /// From the first token to the last one.
    fn run(
        mut self,
        first: u32,
        answer: &mut Answer<'_>,
        listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Finish, EngineError> {
        let (mut chosen, mut drafts) = (vec![first], DraftState::default());
        loop {
            for (index, &token) in chosen.iter().enumerate() {
                answer.phases.decode = self.engine.glance(self.mark, answer.tokens.len() as u64);
                if let Some(finish) = answer.take(token, &self.controls.live, listen) {
                    // What was chosen after it is no part of the text.
                    let behind = chosen.len() - 1 - index;
                    self.engine.truncate(self.sequence, self.sequence.len() - behind);
                    return Ok(finish);
                }
            }
            let next = chosen.last().copied().unwrap_or(first);
            match self.after(next, answer, &mut drafts)? {
                Ok(more) => chosen = more,
                Err(finish) => return Ok(finish),
            }
        }
    }

    /// The tokens after `token`, or why there are none.
    fn after(
        &mut self,
        token: u32,
        answer: &Answer<'_>,
        drafts: &mut DraftState,
    ) -> Result<Result<Vec<u32>, Finish>, EngineError> {
        let (sampler, drawn) = (&mut self.sampler, answer.tokens.len());
        let room = self.engine.room(self.sequence);
        if room == 0 {
            return Ok(Err(Finish::Context));
        }
        // The token itself takes a place of each.
        let rows = self.engine.plan().chunk.min(room).min(answer.most - drawn);
        let choose = &mut |logits: &[f32], behind: usize| sampler.choose(logits, drawn + behind);
        let next = Next { token, most: rows - 1, choose, state: drafts };
        let chosen = self.engine.go_on(self.sequence, next, &self.controls.cancel);
        Ok(unless_cancelled(chosen)?.ok_or(Finish::Stop))
    }
}

/// What was generated so far.
struct Answer<'a> {
    ends: Vec<u32>,
    text: Text<'a>,
    tokens: Vec<u32>,
    most: usize,
    phases: Phases,
    /// Whether the listener had enough, or a stop text came.
    ended: bool,
}

impl Answer<'_> {
    /// Tells a token. `Some` when it is the last one.
    fn take(
        &mut self,
        token: u32,
        live: &ProgressHandle,
        listen: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Option<Finish> {
        self.tokens.push(token);
        if self.ends.contains(&token) {
            live.token(token, "", self.phases);
            return Some(Finish::Stop);
        }
        let (new, stopped) = self.text.push(token);
        live.token(token, &new, self.phases);
        self.ended = listen(Event::Token(token, &new)).is_break() || stopped;
        match self.tokens.len() {
            _ if self.ended => Some(Finish::Stop),
            all if all >= self.most => Some(Finish::Length),
            _ => None,
        }
    }
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
