//! Answers that a request wants in a form.

use crate::app::App;
use crate::chat::Prompted;
use crate::form::Form;
use crate::http::Problem;
use flint_chat::ToolFormat;
use serde_json::Value;
use std::sync::Arc;

/// The form of an answer that is JSON of `schema`, which the field `name` of the request asks for.
pub(crate) async fn held_to(
    schema: Value,
    name: &str,
    app: &Arc<App>,
    prompted: &Prompted,
) -> Result<Form, Problem> {
    if prompted.with_tools {
        return Err(Problem::field(name, "cannot be combined with tools"));
    }
    if prompted.answering.format.tools == ToolFormat::Harmony {
        return Err(Problem::field(name, "not for models that write in channels"));
    }
    prompted.after_thoughts(app.form(schema, name).await?, name)
}
