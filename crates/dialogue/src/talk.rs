//! A conversation on a sequence of its own: each turn feeds only what the sequence does not hold yet.

use crate::{DialogueError, Prompt, Prompter};
use flint_chat::{
    Answer, AnswerParser, Conversation, Event, Message, Moment, RenderOptions, call_id,
};
use flint_engine::{
    Controls, Engine, Generated, Request, Sampling, Sequence, Tokenizer, generate_on,
};
use serde_json::{Map, Value};
use std::ops::ControlFlow;

/// What happens when a conversation outgrows the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The turn is refused.
    #[default]
    Stop,
    /// The oldest turns are forgotten, until there is room for an answer; instructions stay.
    DropOldest,
}

/// What a turn depends on beside the conversation.
#[derive(Debug, Clone)]
pub struct TurnOptions {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Most tokens of the answer; as many as there is room for when `None`.
    pub max_tokens: Option<usize>,
    /// Texts that end the answer and are no part of it.
    pub stop: Vec<String>,
    /// What the template takes for now.
    pub now: Moment,
    /// Further variables of the template.
    pub variables: Map<String, Value>,
    /// When the conversation outgrows the context.
    pub overflow: Overflow,
}

impl TurnOptions {
    /// The likeliest answer, as long as there is room.
    pub fn at(now: Moment) -> TurnOptions {
        TurnOptions {
            sampling: Sampling::greedy(),
            max_tokens: None,
            stop: Vec::new(),
            now,
            variables: Map::new(),
            overflow: Overflow::Stop,
        }
    }
}

/// What a listener hears during a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TalkEvent {
    /// The prompt is made: tokens in all, tokens that were kept from before, and turns that were forgotten for it.
    Prompt {
        /// Tokens of the conversation.
        tokens: usize,
        /// How many of them were fed before.
        kept: usize,
        /// Turns that were forgotten.
        dropped: usize,
    },
    /// This number of the new tokens was fed.
    Fed(usize),
    /// Something became known of the answer.
    Answer(Event),
}

/// A turn that was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The answer, taken apart.
    pub answer: Answer,
    /// The same as it was generated, and what it cost.
    pub generated: Generated,
    /// Tokens of the prompt that had been fed before.
    pub kept: usize,
    /// Turns that were forgotten for it.
    pub dropped: usize,
}

/// A conversation and what the engine holds of it.
#[derive(Debug, Default)]
pub struct Talk {
    conversation: Conversation,
    sequence: Option<Sequence>,
    turns: u64,
}

impl Talk {
    /// A conversation in which nothing was said.
    pub fn new() -> Talk {
        Talk::default()
    }

    /// What was said.
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// What was said, to be changed: what the engine holds of it is compared at the next turn.
    pub fn conversation_mut(&mut self) -> &mut Conversation {
        &mut self.conversation
    }

    /// Gives the engine back what it holds of the conversation.
    pub fn release(&mut self, engine: &mut Engine) {
        if let Some(sequence) = self.sequence.take() {
            engine.end(sequence);
        }
    }

    /// Says something and hears the answer, both of which become part of the conversation. An answer that is cancelled
    /// counts as far as it came; before its first token the question is taken back.
    ///
    /// # Errors
    /// When the conversation does not fit, its template refuses it, or the engine fails. The question is taken back then.
    #[expect(clippy::too_many_arguments, reason = "who, with what, and who listens")]
    pub fn ask(
        &mut self,
        engine: &mut Engine,
        codec: &Tokenizer,
        prompter: &Prompter,
        question: Message,
        options: &TurnOptions,
        controls: &Controls,
        listen: &mut dyn FnMut(TalkEvent) -> ControlFlow<()>,
    ) -> Result<Reply, DialogueError> {
        let before = self.conversation.clone();
        self.conversation.push(question);
        let asked = self.answer(engine, codec, prompter, options, controls, listen);
        match &asked {
            Ok(reply) if !reply.generated.tokens.is_empty() => {
                self.turns += 1;
                let turn = self.turns;
                self.conversation.push_answer(reply.answer.clone(), |call| call_id(turn, call));
            }
            _ => self.conversation = before,
        }
        asked
    }

    fn answer(
        &mut self,
        engine: &mut Engine,
        codec: &Tokenizer,
        prompter: &Prompter,
        options: &TurnOptions,
        controls: &Controls,
        listen: &mut dyn FnMut(TalkEvent) -> ControlFlow<()>,
    ) -> Result<Reply, DialogueError> {
        let context = engine.plan().context;
        let (prompt, dropped) = self.fitting(codec, prompter, options, context)?;
        let (mut sequence, kept) = self.rewound(engine, &prompt.tokens);
        let _ = listen(TalkEvent::Prompt { tokens: prompt.tokens.len(), kept, dropped });
        let ends = prompter.ends().iter().filter_map(|&end| codec.piece(end));
        let stop = options.stop.iter().chain(prompter.stops()).cloned().chain(ends);
        let request = Request {
            prompt: prompt.tokens[kept..].to_vec(),
            max_tokens: options.max_tokens.unwrap_or(usize::MAX),
            sampling: options.sampling,
            stop: stop.collect(),
            ignore_end: false,
        };
        let answering = prompter.answering(&prompt, Vec::new());
        let mut parser = AnswerParser::new(answering.format.clone());
        let mut answer = Answer::default();
        let mut events = Vec::new();
        let mut tell = |events: &mut Vec<Event>, listen: &mut dyn FnMut(_) -> ControlFlow<()>| {
            events.drain(..).try_for_each(|event| {
                answer.apply(event.clone());
                listen(TalkEvent::Answer(event))
            })
        };
        let generated =
            generate_on(engine, &mut sequence, Some(codec), &request, controls, &mut |event| {
                match event {
                    flint_engine::Event::Prompt(fed) => return listen(TalkEvent::Fed(fed)),
                    flint_engine::Event::Token(token, text) => {
                        parser.feed(text, &mut events);
                        if let Some(mark) = answering.mark(token) {
                            parser.feed(mark, &mut events);
                        }
                    }
                    flint_engine::Event::Text(text) => parser.feed(text, &mut events),
                }
                tell(&mut events, listen)
            });
        self.sequence = Some(sequence);
        let generated = generated?;
        parser.finish(&mut events);
        let _ = tell(&mut events, listen);
        Ok(Reply { answer, generated, kept, dropped })
    }

    /// The prompt for the next answer, with room for some of it, and how many turns were forgotten for that.
    fn fitting(
        &mut self,
        codec: &Tokenizer,
        prompter: &Prompter,
        options: &TurnOptions,
        context: usize,
    ) -> Result<(Prompt, usize), DialogueError> {
        let mut render = RenderOptions::at(options.now);
        render.variables = options.variables.clone();
        let wanted = options.max_tokens.unwrap_or(usize::MAX).clamp(1, (context / 4).max(1));
        let mut dropped = 0;
        loop {
            let prompt = prompter.prompt(codec, self.conversation.messages(), &render)?;
            let needed = prompt.tokens.len();
            let room = context.saturating_sub(needed);
            let may_drop = options.overflow == Overflow::DropOldest && room < wanted;
            if may_drop && self.conversation.drop_oldest() {
                dropped += 1;
            } else if room == 0 {
                return Err(DialogueError::ContextFull { needed, limit: context });
            } else {
                return Ok((prompt, dropped));
            }
        }
    }

    /// The sequence cut to what it has in common with `prompt`, of which at least the last token is left to feed.
    fn rewound(&mut self, engine: &mut Engine, prompt: &[u32]) -> (Sequence, usize) {
        let mut sequence = self.sequence.take().unwrap_or_else(|| engine.begin());
        let same = sequence.tokens().iter().zip(prompt).take_while(|(a, b)| a == b).count();
        let kept = same.min(prompt.len().saturating_sub(1));
        engine.truncate(&mut sequence, kept);
        (sequence, kept)
    }
}
