//! Chat templates: Jinja texts that turn a conversation into the prompt that a model was trained on.

use minijinja::{Environment, ErrorKind};
use serde_json::{Map, Value};

use crate::error::ChatError;
use crate::message::Message;
use crate::prompt::{ControlTokens, Disguise, Kind, Rendered, Visit, without_generation_marks};

mod clock;
mod context;
mod environment;
mod output;
mod source;
mod to_json;

pub use clock::Moment;
pub use source::{Candidates, Source};

use context::Shape;

/// What a template may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a template's text.
    pub source: usize,
    /// Steps; the making of 64 bytes counts as one.
    pub fuel: u64,
    /// Bytes of the rendered text.
    pub output: usize,
    /// Macros within macros.
    pub recursion: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { source: 1 << 20, fuel: 10_000_000, output: 16 << 20, recursion: 100 }
    }
}

/// What a prompt depends on beside the messages.
#[derive(Clone, Debug)]
pub struct RenderOptions<'a> {
    /// Whether the prompt ends where the model's next answer begins.
    pub add_generation_prompt: bool,
    /// Tool definitions as the client sent them, in its order of keys.
    pub tools: &'a [Value],
    /// Documents for templates that know them.
    pub documents: &'a [Value],
    /// Further variables, such as `enable_thinking`.
    pub variables: Map<String, Value>,
    /// What the template takes for now.
    pub now: Moment,
}

impl RenderOptions<'_> {
    /// A prompt for the next answer, without tools and documents.
    #[must_use]
    pub fn at(now: Moment) -> Self {
        Self { add_generation_prompt: true, tools: &[], documents: &[], variables: Map::new(), now }
    }
}

/// A template, ready to render.
#[derive(Debug)]
pub struct Template {
    source: Source,
    control: ControlTokens,
    limits: Limits,
    env: Environment<'static>,
}

/// The names of the two templates in an environment.
const DEFAULT: &str = "default";
const TOOL_USE: &str = "tool_use";

impl Template {
    /// Compiles the texts of a source, with the usual limits.
    ///
    /// # Errors
    /// [`ChatError::Template`] for a text that is no template, [`ChatError::TemplateTooLong`].
    pub fn new(source: Source) -> Result<Self, ChatError> {
        Self::with_limits(source, Limits::default())
    }

    /// Compiles the texts of a source.
    ///
    /// # Errors
    /// As [`Template::new`].
    pub fn with_limits(mut source: Source, limits: Limits) -> Result<Self, ChatError> {
        for text in [Some(&mut source.default), source.tool_use.as_mut()].into_iter().flatten() {
            if text.len() > limits.source {
                let bytes = text.len();
                return Err(ChatError::TemplateTooLong { bytes, limit: limits.source });
            }
            *text = without_generation_marks(text);
        }
        let texts = [(DEFAULT, Some(&source.default)), (TOOL_USE, source.tool_use.as_ref())];
        let env = compile(texts, &limits)?;
        let known = source.control_tokens.iter().chain(source.named_tokens.values());
        let control = ControlTokens::new(known.map(String::as_str));
        Ok(Self { source, control, limits, env })
    }

    /// The texts and tokens of the template.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The tokens that the source named. A caller who knows the vocabulary knows them better.
    #[must_use]
    pub fn control_tokens(&self) -> &ControlTokens {
        &self.control
    }

    /// The prompt as one text, exactly as transformers renders it.
    ///
    /// # Errors
    /// [`ChatError::Refused`] with the template's own words, [`ChatError::Template`] with the line that failed,
    /// and the two errors of exceeded limits.
    pub fn render_text(
        &self,
        messages: &[Message],
        options: &RenderOptions<'_>,
    ) -> Result<String, ChatError> {
        self.plain(messages, options).map(|(text, _)| text)
    }

    /// The prompt, split into what the template wrote and what came with the request; [`Rendered`] says what
    /// that split guarantees.
    ///
    /// # Errors
    /// As [`Template::render_text`].
    pub fn render(
        &self,
        messages: &[Message],
        options: &RenderOptions<'_>,
    ) -> Result<Rendered, ChatError> {
        let (text, shape) = self.plain(messages, options)?;
        let visit_all = |visit: &mut Visit<'_>| {
            context::variables(&self.source, messages, options, shape, visit);
        };
        let template = self.text(options);
        let disguises = Disguise::candidates(
            template,
            self.source.named_tokens.values().map(String::as_str),
            &self.control,
            visit_all,
        );
        for disguise in disguises {
            let mut put_on = |text: &str, kind: Kind| disguise.put_on(text, kind);
            let context = context::variables(&self.source, messages, options, shape, &mut put_on);
            let rendered = match disguise.template(template) {
                None => self.run(&self.env, self.name(options), context),
                Some(other) => compile([(DEFAULT, Some(&other))], &self.limits)
                    .and_then(|env| self.run(&env, DEFAULT, context)),
            };
            // A disguise can mislead a template that looks into texts: then it may fail, or write something else.
            if let Ok(rendered) = rendered.map(|text| disguise.take_off(&text))
                && rendered.text() == text
            {
                return Ok(rendered);
            }
        }
        Ok(Rendered::by_name(&text, &self.control, visit_all))
    }

    /// Renders with the shapes of messages that templates expect, until one is accepted.
    fn plain(
        &self,
        messages: &[Message],
        options: &RenderOptions<'_>,
    ) -> Result<(String, Shape), ChatError> {
        let mut first = None;
        for shape in self.shapes(messages, options) {
            let visit = &mut |text: &str, _| text.to_owned();
            let context = context::variables(&self.source, messages, options, shape, visit);
            match self.run(&self.env, self.name(options), context) {
                Ok(text) => return Ok((text, shape)),
                Err(error @ ChatError::Template { .. }) => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(first.unwrap_or(error)),
            }
        }
        Err(first.unwrap_or(ChatError::Template { line: 0, reason: "not rendered".into() }))
    }

    /// The shapes to try: the one of transformers first.
    fn shapes(&self, messages: &[Message], options: &RenderOptions<'_>) -> Vec<Shape> {
        let template = self.text(options);
        let speaks_of = |forms: [&str; 3]| forms.iter().any(|form| template.contains(form));
        let first = Shape {
            null_content: true,
            object_arguments: true,
            developer: template.contains("developer"),
            thinking: speaks_of([".thinking", "'thinking'", "\"thinking\""]),
        };
        let mut shapes = vec![first];
        if messages.iter().any(|message| message.content.is_none()) {
            shapes.push(Shape { null_content: false, ..first });
        }
        if messages.iter().any(|message| !message.tool_calls.is_empty()) {
            let text_arguments = |shape: &Shape| Shape { object_arguments: false, ..*shape };
            shapes.extend(shapes.clone().iter().map(text_arguments));
        }
        shapes
    }

    fn name(&self, options: &RenderOptions<'_>) -> &'static str {
        let tool_use = self.source.tool_use.is_some() && !options.tools.is_empty();
        if tool_use { TOOL_USE } else { DEFAULT }
    }

    fn text(&self, options: &RenderOptions<'_>) -> &str {
        let tool_use = self.source.tool_use.as_deref().filter(|_| !options.tools.is_empty());
        tool_use.unwrap_or(&self.source.default)
    }

    fn run(
        &self,
        env: &Environment<'static>,
        name: &str,
        context: minijinja::Value,
    ) -> Result<String, ChatError> {
        let mut out = output::Bounded::new(self.limits.output);
        let template = env.get_template(name).map_err(|error| cause(&error, &self.limits))?;
        let result = template.render_captured_to(context, &mut out).map(|_| ());
        if out.overflowed() {
            return Err(ChatError::TooMuchText { limit: self.limits.output });
        }
        result.map_err(|error| cause(&error, &self.limits))?;
        Ok(out.into_text())
    }
}

/// An environment with templates under their names.
fn compile<const N: usize>(
    texts: [(&'static str, Option<&String>); N],
    limits: &Limits,
) -> Result<Environment<'static>, ChatError> {
    let compiled = || {
        let mut env = environment::environment(limits)?;
        for (name, text) in texts {
            if let Some(text) = text {
                env.add_template_owned(name, text.clone())?;
            }
        }
        Ok(env)
    };
    compiled().map_err(|error| cause(&error, limits))
}

/// Finds what a template engine's error means here.
fn cause(error: &minijinja::Error, limits: &Limits) -> ChatError {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = next {
        if let Some(raised) = inner.downcast_ref::<environment::Raised>() {
            return ChatError::Refused(raised.0.clone());
        }
        let engine = inner.downcast_ref::<minijinja::Error>().map(minijinja::Error::kind);
        if engine == Some(ErrorKind::OutOfFuel) {
            return ChatError::TooMuchWork { fuel: limits.fuel };
        }
        next = inner.source();
    }
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    ChatError::Template { line: error.line().unwrap_or(0), reason }
}
