//! Tools in a request, and whether one of them is to be called.

use crate::http::{Fields, Problem};
use flint_chat::ToolFormat;
use serde_json::{Value, json};

/// Longest name of a tool that can be called by force.
const LONGEST_NAME: usize = 64;

/// What a request says of tools.
#[derive(Debug, Clone, Default)]
pub(super) struct Tools {
    /// The tools that the model is shown, in the client's words.
    pub(super) shown: Vec<Value>,
    /// Whether one of them must be called, and which, where one is named.
    forced: Option<Option<String>>,
}

/// A call that the model must make: how it begins, and the schema of what follows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) opening: String,
    pub(super) schema: Value,
}

impl Tools {
    pub(super) fn read(fields: Fields<'_>) -> Result<Tools, Problem> {
        let shown = fields.list("tools")?.cloned().unwrap_or_default();
        for (index, tool) in shown.iter().enumerate() {
            if name(tool).is_none_or(str::is_empty) {
                let message = "expected {\"type\": \"function\", \"function\": {\"name\": ..}}";
                return Err(Problem::field(&format!("tools[{index}]"), message));
            }
        }
        if fields.list("functions")?.is_some_and(|it| !it.is_empty()) {
            return Err(Problem::field("functions", "use tools"));
        }
        let wrong = |what: &str| Problem::field("tool_choice", what);
        let forced = match fields.get("tool_choice") {
            None => None,
            Some(Value::String(choice)) => match choice.as_str() {
                "auto" => None,
                "none" => return Ok(Tools::default()),
                "required" => Some(None),
                _ => return Err(wrong("expected auto, none, required or a function")),
            },
            Some(choice) => match name(choice) {
                Some(name) => Some(Some(name.to_owned())),
                None => return Err(wrong("expected auto, none, required or a function")),
            },
        };
        let tools = Tools { shown, forced };
        if tools.forced.is_some() && tools.forced_ones().is_empty() {
            return Err(wrong("there is no such tool"));
        }
        Ok(tools)
    }

    /// The tools of which one must be called; none where none must.
    fn forced_ones(&self) -> Vec<&Value> {
        let Some(wanted) = &self.forced else { return Vec::new() };
        let is_it = |tool: &&Value| wanted.as_deref().is_none_or(|it| name(tool) == Some(it));
        self.shown.iter().filter(is_it).collect()
    }

    /// The call that must be made, as a model of this format writes it.
    pub(super) fn call(&self, format: ToolFormat) -> Result<Option<Call>, Problem> {
        let tools = self.forced_ones();
        if tools.is_empty() {
            return Ok(None);
        }
        let refused = |why: &str| Problem::field("tool_choice", format!("{why}: use auto or none"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let mut names = tools.iter().filter_map(|tool| name(tool));
        if !names.all(|name| name.len() <= LONGEST_NAME && name.bytes().all(plain)) {
            return Err(refused("only tools of plain names can be called by force"));
        }
        let named = |arguments: &str| match &tools[..] {
            [tool] => named_call(tool, arguments),
            all => {
                let each = all.iter().map(|tool| named_call(tool, arguments));
                json!({ "anyOf": each.collect::<Vec<_>>() })
            }
        };
        let (opening, schema) = match (format, &tools[..]) {
            (ToolFormat::Hermes, _) => ("<tool_call>\n".to_owned(), named("arguments")),
            (ToolFormat::Llama3, _) => (String::new(), named("parameters")),
            (ToolFormat::Harmony, [tool]) => (
                format!(
                    "<|channel|>commentary to=functions.{} <|constrain|>json<|message|>",
                    name(tool).unwrap_or_default()
                ),
                parameters(tool),
            ),
            (ToolFormat::Harmony, _) => return Err(refused("this model must be told which tool")),
            (ToolFormat::None, _) => return Err(refused("this model's template knows no tools")),
        };
        Ok(Some(Call { opening, schema }))
    }
}

fn name(tool: &Value) -> Option<&str> {
    tool.get("function")?.get("name")?.as_str()
}

fn parameters(tool: &Value) -> Value {
    let found = tool.get("function").and_then(|it| it.get("parameters"));
    found.filter(|it| it.is_object()).cloned().unwrap_or_else(|| json!({ "type": "object" }))
}

fn named_call(tool: &Value, arguments: &str) -> Value {
    json!({
        "type": "object",
        "properties": { "name": { "const": name(tool) }, arguments: parameters(tool) },
        "required": ["name", arguments],
        "additionalProperties": false,
    })
}

/// Refuses other forms of answers that are not kept to.
pub(super) fn check(fields: Fields<'_>) -> Result<(), Problem> {
    if fields.list("modalities")?.is_some_and(|all| all.iter().any(|it| it != "text")) {
        return Err(Problem::field("modalities", "only text is supported"));
    }
    match fields.integer("n", i64::MIN..=i64::MAX)? {
        None | Some(1) => Ok(()),
        Some(_) => Err(Problem::field("n", "only one answer per request: n must be 1")),
    }
}
