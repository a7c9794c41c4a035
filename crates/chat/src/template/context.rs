//! The variables of a template: messages, tools and the rest as the values that templates expect.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Error, ErrorKind, Value as Jinja};
use serde_json::{Map, Value, json};

use super::{Moment, RenderOptions, Source};
use crate::message::{Message, Role, ToolCall};
use crate::prompt::{Kind, Visit};

/// How messages are put where templates differ in what they expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// A message without content has none, rather than an empty text.
    pub(super) null_content: bool,
    /// Arguments of calls are objects, rather than JSON text.
    pub(super) object_arguments: bool,
    /// The template knows the role `developer`.
    pub(super) developer: bool,
    /// The template reads thoughts from `thinking`, as that of gpt-oss does.
    pub(super) thinking: bool,
}

/// All variables, with every string that came with the request passed through `visit`.
pub(super) fn variables(
    source: &Source,
    messages: &[Message],
    options: &RenderOptions<'_>,
    shape: Shape,
    visit: &mut Visit<'_>,
) -> Jinja {
    let mut all = Map::new();
    // First, so that a request cannot replace what follows.
    for (name, value) in &options.variables {
        all.insert(name.clone(), json(value, Kind::Word, visit));
    }
    for (name, token) in &source.named_tokens {
        all.insert(name.clone(), token.as_str().into());
    }
    let messages: Vec<Value> = messages.iter().map(|it| message(it, shape, visit)).collect();
    all.insert("messages".into(), messages.into());
    all.insert("tools".into(), list(options.tools, visit));
    all.insert("documents".into(), list(options.documents, visit));
    all.insert("add_generation_prompt".into(), options.add_generation_prompt.into());
    let clock = Jinja::from_function(clock(options.now));
    let pairs = all.into_iter().map(|(name, value)| (name, Jinja::from(Serde(value))));
    let pairs = pairs.chain([("strftime_now".to_owned(), clock)]);
    Jinja::from(pairs.collect::<BTreeMap<String, Jinja>>())
}

fn clock(now: Moment) -> impl Fn(&str) -> Result<String, Error> {
    move |format| {
        now.strftime(format).ok_or_else(|| {
            let text = format!("strftime_now does not know the format {format:?}");
            Error::new(ErrorKind::InvalidOperation, text)
        })
    }
}

/// Absent lists are `none`, as in transformers.
fn list(items: &[Value], visit: &mut Visit<'_>) -> Value {
    if items.is_empty() {
        return Value::Null;
    }
    items.iter().map(|item| json(item, Kind::Word, visit)).collect()
}

fn message(message: &Message, shape: Shape, visit: &mut Visit<'_>) -> Value {
    let mut out = Map::new();
    let role = match message.role {
        Role::Developer if !shape.developer => Role::System,
        role => role,
    };
    out.insert("role".into(), role.as_str().into());
    let calls = !message.tool_calls.is_empty();
    let thoughts = message.reasoning_content.as_deref();
    // The template of gpt-oss takes either a text or thoughts beside a call.
    let thoughts_only = shape.thinking && calls && thoughts.is_some_and(|it| !it.is_empty());
    if !thoughts_only {
        let content = match &message.content {
            Some(content) => visit(&content.joined(), Kind::Text).into(),
            None if shape.null_content => Value::Null,
            None => "".into(),
        };
        out.insert("content".into(), content);
    }
    if let Some(thoughts) = thoughts {
        let thoughts = visit(thoughts, Kind::Text);
        if shape.thinking {
            out.insert("thinking".into(), thoughts.as_str().into());
        }
        out.insert("reasoning_content".into(), thoughts.into());
    }
    if calls {
        let calls: Vec<Value> =
            message.tool_calls.iter().map(|it| call(it, shape, visit)).collect();
        out.insert("tool_calls".into(), calls.into());
    }
    for (key, name) in [("tool_call_id", &message.tool_call_id), ("name", &message.name)] {
        if let Some(name) = name {
            out.insert(key.into(), visit(name, Kind::Name).into());
        }
    }
    out.into()
}

fn call(call: &ToolCall, shape: Shape, visit: &mut Visit<'_>) -> Value {
    let arguments = match call.function.object() {
        Some(object) if shape.object_arguments => json(&object, Kind::Text, visit),
        _ => visit(&call.function.arguments, Kind::Text).into(),
    };
    let name = visit(&call.function.name, Kind::Name);
    let function = json!({ "name": name, "arguments": arguments });
    let mut out = Map::new();
    if !call.id.is_empty() {
        out.insert("id".into(), visit(&call.id, Kind::Name).into());
    }
    out.insert("type".into(), "function".into());
    out.insert("function".into(), function);
    out.into()
}

/// A JSON value with its strings and the keys of its objects visited.
fn json(value: &Value, kind: Kind, visit: &mut Visit<'_>) -> Value {
    match value {
        Value::String(text) => visit(text, kind).into(),
        Value::Array(items) => items.iter().map(|item| json(item, kind, visit)).collect(),
        Value::Object(entries) => {
            let key_kind = if kind == Kind::Text { Kind::Name } else { kind };
            let visited = entries.iter().map(|(key, value)| {
                let key = visit(key, key_kind);
                (key, json(value, kind, visit))
            });
            Value::Object(visited.collect())
        }
        other => other.clone(),
    }
}
