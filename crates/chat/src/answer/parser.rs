//! The parser that an answer is fed to while it is written.

use super::bare::Bare;
use super::harmony::Harmony;
use super::marked::{Marked, push_content};
use super::think::Think;
use super::{Event, ToolFormat};

/// What to look for in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFormat {
    /// How calls are written.
    pub tools: ToolFormat,
    /// The names of the tools that were offered. [`ToolFormat::Llama3`] takes no other object for a call.
    pub tool_names: Vec<String>,
    /// The marks before and after thoughts. [`ToolFormat::Harmony`] has its own.
    pub think: Option<(String, String)>,
    /// Whether the prompt already opened the thoughts, see [`crate::Rendered::ends_inside`].
    pub inside_thoughts: bool,
}

impl AnswerFormat {
    /// Text and nothing else.
    #[must_use]
    pub fn plain() -> Self {
        let (tool_names, think) = (Vec::new(), None);
        Self { tools: ToolFormat::None, tool_names, think, inside_thoughts: false }
    }

    /// Thoughts between `<think>` and `</think>`, and calls in the form `tools` of the tools named.
    #[must_use]
    pub fn thinking(tools: ToolFormat, tool_names: Vec<String>) -> Self {
        let think = Some(("<think>".into(), "</think>".into()));
        Self { tools, tool_names, think, inside_thoughts: false }
    }
}

#[derive(Debug)]
enum Tools {
    None,
    Marked(Marked),
    Bare(Bare),
    Harmony(Harmony),
}

/// Takes an answer apart while it is written. What it makes of a text does not depend on how the text was cut into
/// pieces, and it holds back no more than what may become a marker, white space beside one, or, for
/// [`ToolFormat::Llama3`], an object that has not named its tool yet.
///
/// It must be fed control tokens, such as `<|channel|>` or `<|python_tag|>`, as their text; of those that end a turn
/// only the ones of [`ToolFormat::Harmony`] may be among them.
#[derive(Debug)]
pub struct AnswerParser {
    think: Option<Think>,
    tools: Tools,
    buffer: String,
}

impl AnswerParser {
    /// A parser at the beginning of an answer.
    #[must_use]
    pub fn new(format: AnswerFormat) -> Self {
        let tools = match format.tools {
            ToolFormat::None => Tools::None,
            ToolFormat::Hermes => Tools::Marked(Marked::new()),
            ToolFormat::Llama3 => Tools::Bare(Bare::new(format.tool_names)),
            ToolFormat::Harmony => Tools::Harmony(Harmony::new()),
        };
        let think = format.think.filter(|_| format.tools != ToolFormat::Harmony);
        let think = think.map(|(open, close)| Think::new(open, close, format.inside_thoughts));
        Self { think, tools, buffer: String::new() }
    }

    /// Takes more text and appends what it tells to `out`.
    pub fn feed(&mut self, text: &str, out: &mut Vec<Event>) {
        self.advance(text, false, out);
    }

    /// Says that nothing follows, and appends what was held back. A call that was cut off stays incomplete.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.advance("", true, out);
    }

    fn advance(&mut self, text: &str, end: bool, out: &mut Vec<Event>) {
        match &mut self.think {
            Some(think) => think.feed(text, end, &mut self.buffer, out),
            None => self.buffer += text,
        }
        let buffer = &mut self.buffer;
        match &mut self.tools {
            Tools::None => push_content(&std::mem::take(buffer), out),
            Tools::Marked(marked) => while marked.step(buffer, end, out) {},
            Tools::Bare(bare) => while bare.step(buffer, end, out) {},
            Tools::Harmony(harmony) => while harmony.step(buffer, end, out) {},
        }
    }
}
