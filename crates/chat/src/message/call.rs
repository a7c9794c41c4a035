//! A call of a tool as an assistant message carries it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A call with the name by which its result refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The name of this call; a tool message repeats it.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type", default = "function_kind")]
    pub kind: String,
    /// What is called.
    pub function: FunctionCall,
}

/// A function and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text. A JSON value in its place is accepted and kept as its text.
    #[serde(default, deserialize_with = "json_text")]
    pub arguments: String,
}

impl ToolCall {
    /// A call of `name` with `arguments` as JSON text.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        let function = FunctionCall { name: name.into(), arguments: arguments.into() };
        Self { id: id.into(), kind: function_kind(), function }
    }
}

impl FunctionCall {
    /// The arguments as an object, which is what most templates expect; `None` if they are none.
    #[must_use]
    pub fn object(&self) -> Option<Value> {
        if self.arguments.trim().is_empty() {
            return Some(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_str(&self.arguments).ok().filter(Value::is_object)
    }
}

fn function_kind() -> String {
    "function".into()
}

fn null_as_empty<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn json_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}
