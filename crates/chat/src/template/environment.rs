//! What a template finds around it: the functions, filters and rules of transformers' sandboxed Jinja.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::{Limits, to_json};

/// The text that a template passed to `raise_exception`.
#[derive(Debug)]
pub(super) struct Raised(pub(super) String);

impl fmt::Display for Raised {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// An environment without templates. Nothing in it reads files, and no template can include another.
pub(super) fn environment(limits: &Limits) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(limits.fuel));
    env.set_recursion_limit(limits.recursion);
    env.set_unknown_method_callback(method);
    env.set_formatter(print);
    env.add_filter("tojson", to_json::filter);
    env.add_test("iterable", |value: &Value| {
        value.kind() == ValueKind::String || value.try_iter().is_ok()
    });
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map)
    });
    env.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        let raised = Raised(message);
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(raised))
    });
    Ok(env)
}

/// Prints as Python does where minijinja differs.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Number && !value.is_integer() {
        return out.write_str(&to_json::number(value)).map_err(Error::from);
    }
    minijinja::escape_formatter(out, state, value)
}

/// The methods of Python's strings, lists and dictionaries.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return unknown_method_callback(state, value, name, args);
    };
    let first = || args.first().and_then(Value::as_str);
    match (name, args.len()) {
        ("removeprefix", 1) => {
            let prefix = first().ok_or(ErrorKind::InvalidOperation)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        ("removesuffix", 1) => {
            let suffix = first().ok_or(ErrorKind::InvalidOperation)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        ("partition" | "rpartition", 1) => {
            let separator = first().filter(|separator| !separator.is_empty());
            let separator = separator.ok_or(ErrorKind::InvalidOperation)?;
            Ok(Value::from(partition(text, separator, name == "rpartition")))
        }
        ("rsplit", 1 | 2) => {
            let separator = first().filter(|separator| !separator.is_empty());
            let separator = separator.ok_or(ErrorKind::InvalidOperation)?;
            let most = args.get(1).map_or(Ok(-1), |most| i64::try_from(most.clone()))?;
            let most = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
            let mut parts: Vec<Value> = text.rsplitn(most, separator).map(Value::from).collect();
            parts.reverse();
            Ok(Value::from(parts))
        }
        _ => unknown_method_callback(state, value, name, args),
    }
}

fn partition(text: &str, separator: &str, last: bool) -> Vec<String> {
    let found = if last { text.rsplit_once(separator) } else { text.split_once(separator) };
    match found {
        Some((before, after)) => vec![before.into(), separator.into(), after.into()],
        None if last => vec![String::new(), String::new(), text.into()],
        None => vec![text.into(), String::new(), String::new()],
    }
}
