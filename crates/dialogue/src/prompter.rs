//! How a model is talked to: its template, its control tokens, and what ends its answers.

mod ends;

use crate::DialogueError;
use ends::Ends;
use flint_chat::{
    AnswerFormat, Candidates, ControlTokens, Message, RenderOptions, Rendered, Segment, Source,
    Template, ToolFormat,
};
use flint_engine::{ChatTexts, OpenModel, PromptPart, Tokenizer};

/// Special tokens that tell the parts of an answer from each other, so the parser must see their texts.
const MARKS: [&str; 12] = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<|python_tag|>",
    "<|start|>",
    "<|channel|>",
    "<|constrain|>",
    "<|message|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
];

/// How many of [`MARKS`] enclose thoughts, whatever tools there are.
const THINK_MARKS: usize = 2;

/// Makes prompts for one model.
#[derive(Debug)]
pub struct Prompter {
    template: Template,
    control: ControlTokens,
    /// The token that every text of the model begins with, and its text.
    begin: Option<(u32, String)>,
    ends: Ends,
    tools: ToolFormat,
    thinks: bool,
    /// Marks that are special tokens of this model.
    marks: Vec<(u32, &'static str)>,
}

/// A conversation as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens, with the begin-of-text token where the model wants one.
    pub tokens: Vec<u32>,
    /// The same as text.
    pub text: String,
    /// Whether the template opened the model's thoughts at the end.
    pub inside_thoughts: bool,
}

/// How an answer is to be read: what it is made of, and which special tokens are part of its text.
#[derive(Debug, Clone)]
pub struct Answering {
    /// What to look for.
    pub format: AnswerFormat,
    /// Special tokens that are shown to the parser, with their texts.
    pub marks: Vec<(u32, &'static str)>,
}

impl Answering {
    /// The text of a special token that the parser must see.
    pub fn mark(&self, token: u32) -> Option<&'static str> {
        self.marks.iter().find(|(mark, _)| *mark == token).map(|&(_, text)| text)
    }
}

impl Prompter {
    /// Finds the template of a model; `asked` is `chatml` or the text of a template to take instead.
    ///
    /// # Errors
    /// When the model has none and none was asked for, or it is no template.
    pub fn new(
        files: &OpenModel,
        codec: &Tokenizer,
        asked: Option<&str>,
    ) -> Result<Prompter, DialogueError> {
        let ends = &files.architecture().end_of_text;
        Prompter::of_texts(&files.chat_texts()?, ends, codec, asked)
    }

    /// The same for a model of which only the texts are there; `end_of_text` are its tokens that end a text.
    ///
    /// # Errors
    /// As for [`Prompter::new`].
    pub fn of_texts(
        texts: &ChatTexts,
        end_of_text: &[u32],
        codec: &Tokenizer,
        asked: Option<&str>,
    ) -> Result<Prompter, DialogueError> {
        let mut source = Source::choose(Candidates {
            asked,
            jinja_file: texts.jinja.as_deref(),
            tokenizer_config: texts.tokenizer_config.as_deref(),
            gguf: texts.gguf.as_deref(),
            gguf_tool_use: texts.gguf_tool_use.as_deref(),
        })?;
        for (name, token) in &texts.named {
            if let Some(text) = codec.piece(*token) {
                source.named_tokens.entry(name.clone()).or_insert(text);
            }
        }
        let special = codec.special_tokens();
        let control = ControlTokens::new(special.iter().map(String::as_str));
        source.control_tokens.extend(special);
        let template = Template::new(source)?;
        let begin = codec.begin()?;
        let begin = begin.and_then(|token| Some((token, codec.piece(token)?)));
        let ends = Ends::find(end_of_text, &template, &control, codec);
        let text = &template.source().default;
        let mark = |text: &'static str| Some((codec.special_token(text)?, text));
        Ok(Prompter {
            tools: ToolFormat::detect(template.source().tool_use.as_ref().unwrap_or(text)),
            thinks: text.contains(MARKS[0]) || text.contains(MARKS[1]),
            marks: MARKS.iter().filter_map(|text| mark(text)).collect(),
            template,
            control,
            begin,
            ends,
        })
    }

    /// The template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// How the model writes calls of tools.
    pub fn tool_format(&self) -> ToolFormat {
        self.tools
    }

    /// Tokens that end an answer.
    pub fn ends(&self) -> &[u32] {
        &self.ends.tokens
    }

    /// Texts that end an answer and are no part of it, where the model has no token for that.
    pub fn stops(&self) -> &[String] {
        &self.ends.texts
    }

    /// Whether the model thinks before it answers.
    pub fn thinks(&self) -> bool {
        self.thinks || self.tools == ToolFormat::Harmony
    }

    /// A conversation as the model was trained on it.
    ///
    /// # Errors
    /// When the template refuses it, or the tokenizer cannot express it.
    pub fn prompt(
        &self,
        codec: &Tokenizer,
        messages: &[Message],
        options: &RenderOptions<'_>,
    ) -> Result<Prompt, DialogueError> {
        self.tokens(codec, &self.template.render(messages, options)?)
    }

    /// A conversation that the template rendered, as tokens.
    ///
    /// # Errors
    /// When the tokenizer cannot express it.
    pub fn tokens(&self, codec: &Tokenizer, rendered: &Rendered) -> Result<Prompt, DialogueError> {
        let segments = rendered.segments(&self.control);
        let parts = segments.iter().map(|segment| match segment {
            Segment::Control(text) => PromptPart::Control(text),
            Segment::Text(text) => PromptPart::Text(text),
        });
        let mut tokens = codec.encode_parts(&parts.collect::<Vec<_>>())?;
        let mut text = rendered.text();
        if let Some((token, name)) = &self.begin
            && !rendered.begins_with(name)
        {
            tokens.insert(0, *token);
            text.insert_str(0, name);
        }
        let inside_thoughts = self.thinks && rendered.ends_inside(MARKS[0], MARKS[1]);
        Ok(Prompt { tokens, text, inside_thoughts })
    }

    /// How the answer to a prompt is to be read, with the names of the tools that it offers.
    pub fn answering(&self, prompt: &Prompt, tool_names: Vec<String>) -> Answering {
        let harmony = self.tools == ToolFormat::Harmony;
        let calls = harmony || !tool_names.is_empty();
        let format = AnswerFormat {
            tools: if calls { self.tools } else { ToolFormat::None },
            inside_thoughts: prompt.inside_thoughts,
            think: self.thinks.then(|| (MARKS[0].to_owned(), MARKS[1].to_owned())),
            tool_names,
        };
        let known = if calls { &MARKS[..] } else { &MARKS[..THINK_MARKS] };
        let marks = self.marks.iter().filter(|(_, text)| known.contains(text));
        Answering { format, marks: marks.copied().collect() }
    }
}
