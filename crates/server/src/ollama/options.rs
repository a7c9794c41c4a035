//! What a request of this interface says of how tokens are chosen, and what is refused because it cannot be kept to.

use crate::app::App;
use crate::ask::{Wishes, check_stops, max_tokens, penalties, sampling};
use crate::http::{Fields, Problem};
use crate::schedule::Penalties;
use serde_json::{Map, Value, json};

/// The object `options`. Those that are for hardware are ignored.
pub(super) fn wishes(fields: Fields<'_>, app: &App) -> Result<Wishes, Problem> {
    let none = Map::new();
    let options = fields.object("options")?.unwrap_or(Fields(&none));
    let stops = options.texts("stop")?;
    check_stops(&stops)?;
    Ok(Wishes {
        max_tokens: max_tokens(options, &["num_predict"])?,
        sampling: sampling(options, app.defaults.sampling)?,
        penalties: Penalties { ..penalties(options)? },
        stops,
        logprobs: None,
        form: None,
    })
}

/// The schema that the answer is held to; `None` where any text will do.
pub(super) fn schema(fields: Fields<'_>) -> Result<Option<Value>, Problem> {
    match fields.get("format") {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text == "json" => Ok(Some(json!({ "type": "object" }))),
        Some(Value::String(_)) => Err(Problem::field("format", "expected json or a schema")),
        Some(schema) => Ok(Some(schema.clone())),
    }
}

/// Refuses pictures, and what would change the prompt.
pub(super) fn check(fields: Fields<'_>) -> Result<(), Problem> {
    if fields.list("images")?.is_some_and(|it| !it.is_empty()) {
        return Err(Problem::field("images", "this model reads text alone"));
    }
    for name in ["suffix", "template"] {
        if fields.text(name)?.is_some_and(|it| !it.is_empty()) {
            return Err(Problem::field(name, "not supported"));
        }
    }
    if fields.list("context")?.is_some_and(|it| !it.is_empty()) {
        return Err(Problem::field("context", "not supported: use /api/chat"));
    }
    Ok(())
}

/// Variables of the template that `think` stands for.
pub(super) fn thinking(fields: Fields<'_>) -> Result<Map<String, Value>, Problem> {
    let mut variables = Map::new();
    match fields.get("think") {
        None => {}
        Some(Value::Bool(think)) => {
            variables.insert("enable_thinking".to_owned(), (*think).into());
        }
        Some(Value::String(effort)) if ["low", "medium", "high"].contains(&effort.as_str()) => {
            variables.insert("enable_thinking".to_owned(), true.into());
            variables.insert("reasoning_effort".to_owned(), effort.as_str().into());
        }
        Some(_) => {
            return Err(Problem::field("think", "expected true, false, low, medium or high"));
        }
    }
    Ok(variables)
}

/// Whether the model is to be unloaded, which a server of one model does not do but says.
pub(super) fn load_reason(fields: Fields<'_>) -> &'static str {
    let unload = match fields.get("keep_alive") {
        Some(Value::Number(seconds)) => seconds.as_f64() == Some(0.0),
        Some(Value::String(text)) => text.trim_end_matches(char::is_alphabetic) == "0",
        _ => false,
    };
    if unload { "unload" } else { "load" }
}
