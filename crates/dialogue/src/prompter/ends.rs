//! What ends an answer: the model's own tokens, and what its template writes after an answer.
//!
//! Files say which token ends a text; in a chat it is often another one that ends a turn, and files of base models do not
//! know it. The template does: it writes it after every answer of a conversation.

use flint_chat::{ControlTokens, Message, Moment, RenderOptions, Segment, Template};
use flint_engine::Tokenizer;

/// An answer that no template writes by itself.
const ANSWER: &str = "Answer7f3a";

/// Tokens and texts that end answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ends {
    pub(super) tokens: Vec<u32>,
    pub(super) texts: Vec<String>,
}

impl Ends {
    /// Those of a model with the tokens `of_text` that end its texts.
    pub(super) fn find(
        of_text: &[u32],
        template: &Template,
        control: &ControlTokens,
        codec: &Tokenizer,
    ) -> Ends {
        let mut ends = Ends { tokens: of_text.to_vec(), texts: Vec::new() };
        let named = template.source().named_tokens.get("eos_token");
        ends.tokens.extend(named.and_then(|text| codec.special_token(text)));
        match after_answer(template, control) {
            Some(Segment::Control(text)) => ends.tokens.extend(codec.special_token(&text)),
            Some(Segment::Text(text)) => ends.texts.push(text),
            None => {}
        }
        ends.tokens.sort_unstable();
        ends.tokens.dedup();
        ends
    }
}

/// What the template writes directly after an answer: a control token, or another text.
fn after_answer(template: &Template, control: &ControlTokens) -> Option<Segment> {
    let talk = [Message::user("Question"), Message::assistant(ANSWER)];
    let mut options = RenderOptions::at(Moment::from_unix(0, 0));
    options.add_generation_prompt = false;
    let segments = template.render(&talk, &options).ok()?.segments(control);
    let mut segments = segments.into_iter();
    let rest = segments.find_map(|segment| match segment {
        Segment::Text(text) => text.rsplit_once(ANSWER).map(|(_, rest)| rest.trim().to_owned()),
        Segment::Control(_) => None,
    })?;
    match rest.is_empty() {
        true => segments.next().filter(|next| matches!(next, Segment::Control(_))),
        false => Some(Segment::Text(rest)),
    }
}
