//! A chat as a request asks for it, whichever interface it came through: messages and tools to a prompt, and how the
//! answer to it is read.

use crate::form::Form;
use crate::hosted::Hosted;
use crate::http::{Fields, Problem};
use flint_chat::{ChatError, Message, Moment, RenderOptions};
use flint_dialogue::{Answering, DialogueError, Prompt};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What closes a model's thoughts.
const END_OF_THOUGHTS: &str = "</think>";

/// What is said.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub(crate) messages: Vec<Message>,
    /// Tools as the client sent them, in its order of keys.
    pub(crate) tools: Vec<Value>,
    /// Further variables of the template.
    pub(crate) variables: Map<String, Value>,
    /// Whether the prompt ends where an answer begins.
    pub(crate) add_generation_prompt: bool,
    /// What the template takes for now.
    pub(crate) now: Moment,
}

/// A chat as tokens.
#[derive(Debug, Clone)]
pub(crate) struct Prompted {
    pub(crate) prompt: Prompt,
    pub(crate) answering: Answering,
    /// Whether the model is shown tools.
    pub(crate) with_tools: bool,
}

impl Prompted {
    /// The same form, of what comes after the model's thoughts.
    pub(crate) fn after_thoughts(&self, form: Form, name: &str) -> Result<Form, Problem> {
        if !self.prompt.inside_thoughts {
            return Ok(form);
        }
        let end = self.answering.marks.iter().find(|(_, text)| *text == END_OF_THOUGHTS);
        let none = || Problem::field(name, "the model thinks first, and has no token that ends it");
        Ok(form.after(Some(end.ok_or_else(none)?.0)))
    }
}

impl Chat {
    /// The prompt. Templates are programs, so a thread of its own runs them.
    pub(crate) async fn prompt(self, hosted: &Arc<Hosted>) -> Result<Prompted, Problem> {
        let hosted = Arc::clone(hosted);
        let made = tokio::task::spawn_blocking(move || self.prompt_now(&hosted)).await;
        made.unwrap_or_else(|_| Err(Problem::wrong("the chat template failed")))
    }

    fn prompt_now(&self, hosted: &Hosted) -> Result<Prompted, Problem> {
        let prompter = hosted.prompter.as_ref().map_err(Problem::wrong)?;
        let options = RenderOptions {
            add_generation_prompt: self.add_generation_prompt,
            tools: &self.tools,
            variables: self.variables.clone(),
            ..RenderOptions::at(self.now)
        };
        let rendered = prompter.template().render(&self.messages, &options);
        let rendered = rendered.map_err(|error| problem(error.into()))?;
        hosted.check_length(rendered.text().len())?;
        let prompt = prompter.tokens(&hosted.codec, &rendered).map_err(problem)?;
        let answering = prompter.answering(&prompt, tool_names(&self.tools));
        Ok(Prompted { prompt, answering, with_tools: !self.tools.is_empty() })
    }
}

/// Whatever a template or a tokenizer has against a request is the request's mistake: clients try again what is called the
/// server's.
fn problem(error: DialogueError) -> Problem {
    match error {
        DialogueError::Chat(error @ ChatError::Refused(_)) => {
            Problem::wrong(format!("the model's chat template refuses this: {error}"))
        }
        other => Problem::wrong(other.to_string()),
    }
}

fn tool_names(tools: &[Value]) -> Vec<String> {
    let name = |tool: &Value| {
        let function = tool.get("function").unwrap_or(tool);
        function.get("name").and_then(Value::as_str).map(str::to_owned)
    };
    tools.iter().filter_map(name).collect()
}

/// Now, in UTC.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), 0)
}

/// The day that a request names as today.
pub(crate) fn date(fields: Fields<'_>) -> Result<Option<Moment>, Problem> {
    let Some(text) = fields.text("date")? else { return Ok(None) };
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i32>().ok();
    let day = || {
        let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
        let written = format!("{year:04}-{month:02}-{day:02}") == text;
        Moment::from_date(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
            .filter(|_| written)
    };
    day().map(Some).ok_or_else(|| Problem::field("date", "expected a day as 2026-02-28"))
}
