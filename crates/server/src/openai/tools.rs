//! Tools and forms of answers in a request: what is understood, and what is refused because leaving it out would silently
//! change the answer.

use crate::http::{Fields, Problem};
use serde_json::Value;

/// The tools that the model is shown, in the client's words.
pub(super) fn tools(fields: Fields<'_>) -> Result<Vec<Value>, Problem> {
    let tools = fields.list("tools")?.cloned().unwrap_or_default();
    for (index, tool) in tools.iter().enumerate() {
        let name = tool.get("function").and_then(|it| it.get("name")).and_then(Value::as_str);
        if name.is_none_or(str::is_empty) {
            let message = "expected {\"type\": \"function\", \"function\": {\"name\": ..}}";
            return Err(Problem::field(&format!("tools[{index}]"), message));
        }
    }
    if fields.list("functions")?.is_some_and(|it| !it.is_empty()) {
        return Err(Problem::field("functions", "use tools"));
    }
    match fields.get("tool_choice") {
        None => Ok(tools),
        Some(Value::String(choice)) => match choice.as_str() {
            "auto" => Ok(tools),
            "none" => Ok(Vec::new()),
            "required" => {
                Err(Problem::field("tool_choice", "a call cannot be forced: use auto or none"))
            }
            _ => Err(Problem::field("tool_choice", "expected auto or none")),
        },
        Some(Value::Object(_)) => {
            Err(Problem::field("tool_choice", "a call cannot be forced: use auto or none"))
        }
        Some(_) => Err(Problem::field("tool_choice", "expected auto or none")),
    }
}

/// Refuses forms of answers that are not kept to.
pub(super) fn check_form(fields: Fields<'_>) -> Result<(), Problem> {
    if let Some(form) = fields.object("response_format")? {
        match form.text("type")? {
            Some("text") | None => {}
            Some(other) => {
                let message =
                    format!("answers cannot be held to the form {other}: only text is supported");
                return Err(Problem::field("response_format", message));
            }
        }
    }
    for name in ["grammar", "json_schema", "guided_json", "guided_regex", "guided_grammar"] {
        let asked = match fields.get(name) {
            None => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
            Some(_) => true,
        };
        if asked {
            return Err(Problem::field(name, "answers cannot be held to a form"));
        }
    }
    if fields.list("modalities")?.is_some_and(|all| all.iter().any(|it| it != "text")) {
        return Err(Problem::field("modalities", "only text is supported"));
    }
    match fields.integer("n", i64::MIN..=i64::MAX)? {
        None | Some(1) => Ok(()),
        Some(_) => Err(Problem::field("n", "only one answer per request: n must be 1")),
    }
}
