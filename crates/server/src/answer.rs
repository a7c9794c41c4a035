//! An answer while it comes: text, thoughts, calls of tools, and its end. What is streamed and what is sent whole is made of
//! the same pieces.

use crate::schedule::{Chosen, Ended, Ticket, Update};
use crate::usage::Usage;
use flint_chat::{Answer, AnswerFormat, AnswerParser, Event};

/// Why an answer ended, in the words of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
}

impl Finish {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ToolCalls => "tool_calls",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// The prompt is being read.
    Progress { done: usize, total: usize, cached: usize },
    /// What became known of the answer, with the tokens that it came with.
    Pieces { events: Vec<Event>, tokens: Vec<Chosen> },
    /// The end.
    Done { finish: Finish, usage: Usage },
    /// The engine could not go on.
    Failed(String),
}

/// Reads an answer.
#[derive(Debug)]
pub(crate) struct Reading {
    ticket: Ticket,
    parser: AnswerParser,
    called: bool,
    /// What comes after the pieces that the parser held back to the end.
    last: Option<Part>,
}

impl Reading {
    pub(crate) fn new(ticket: Ticket, format: AnswerFormat) -> Reading {
        Reading { ticket, parser: AnswerParser::new(format), called: false, last: None }
    }

    /// The next part. Nothing follows [`Part::Done`] and [`Part::Failed`].
    pub(crate) async fn next(&mut self) -> Part {
        if let Some(last) = self.last.take() {
            return last;
        }
        let update = self.ticket.next().await;
        match update.unwrap_or(Update::Failed("the engine has ended".to_owned())) {
            Update::Progress { done, total, cached } => Part::Progress { done, total, cached },
            Update::Text { text, tokens } => {
                let mut events = Vec::new();
                self.parser.feed(&text, &mut events);
                self.pieces(events, tokens)
            }
            Update::Done(ended, usage) => {
                let mut events = Vec::new();
                self.parser.finish(&mut events);
                let pieces = self.pieces(events, Vec::new());
                let finish = match ended {
                    Ended::Length => Finish::Length,
                    Ended::Stop if self.called => Finish::ToolCalls,
                    Ended::Stop => Finish::Stop,
                };
                self.last = Some(Part::Done { finish, usage });
                pieces
            }
            Update::Failed(why) => Part::Failed(why),
        }
    }

    fn pieces(&mut self, events: Vec<Event>, tokens: Vec<Chosen>) -> Part {
        self.called |= events.iter().any(|event| matches!(event, Event::CallStart { .. }));
        Part::Pieces { events, tokens }
    }

    /// The whole answer.
    pub(crate) async fn whole(mut self) -> Result<Whole, String> {
        let (mut answer, mut all) = (Answer::default(), Vec::new());
        loop {
            match self.next().await {
                Part::Progress { .. } => {}
                Part::Pieces { events, tokens } => {
                    events.into_iter().for_each(|event| answer.apply(event));
                    all.extend(tokens);
                }
                Part::Done { finish, usage } => {
                    return Ok(Whole { answer, tokens: all, finish, usage });
                }
                Part::Failed(why) => return Err(why),
            }
        }
    }
}

/// An answer that is complete.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) answer: Answer,
    pub(crate) tokens: Vec<Chosen>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
}
