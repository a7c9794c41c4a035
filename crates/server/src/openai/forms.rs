//! The form that a request wants its answer in, in the words of OpenAI, llama-server and vLLM; what is not understood is
//! refused, because leaving it out would silently change the answer.

use crate::http::{Fields, Problem};
use serde_json::{Value, json};

/// The schema of the answer; `None` where any text will do.
pub(super) fn schema(fields: Fields<'_>) -> Result<Option<Value>, Problem> {
    for name in ["grammar", "guided_regex", "guided_grammar", "guided_choice"] {
        let asked = match fields.get(name) {
            None => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        };
        if asked {
            return Err(Problem::field(name, "answers can be held to a JSON schema alone"));
        }
    }
    let mut found = response_format(fields)?;
    for name in ["json_schema", "guided_json"] {
        let Some(schema) = fields.get(name) else { continue };
        let schema = match schema {
            Value::String(text) => serde_json::from_str(text)
                .map_err(|error| Problem::field(name, format!("not JSON: {error}")))?,
            other => other.clone(),
        };
        if found.replace(schema).is_some() {
            return Err(Problem::field(name, "the answer has two forms"));
        }
    }
    Ok(found)
}

fn response_format(fields: Fields<'_>) -> Result<Option<Value>, Problem> {
    const NAME: &str = "response_format";
    let Some(form) = fields.object(NAME)? else { return Ok(None) };
    let schema = match form.text("type")? {
        Some("text") | None => return Ok(None),
        Some("json_object") => {
            form.get("schema").cloned().or_else(|| Some(json!({ "type": "object" })))
        }
        Some("json_schema") => match form.object("json_schema")? {
            Some(named) => named.get("schema").cloned(),
            None => form.get("schema").cloned(),
        },
        Some(other) => {
            return Err(Problem::field(
                NAME,
                format!("unknown form {other}: expected text, json_object or json_schema"),
            ));
        }
    };
    schema.map(Some).ok_or_else(|| Problem::field(NAME, "json_schema has no schema"))
}
