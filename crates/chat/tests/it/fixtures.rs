//! The templates of real models and the moment their expected texts were rendered at.

use std::collections::BTreeMap;

use flint_chat::{Message, Moment, RenderOptions, Source, Template};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub(crate) struct Models {
    pub(crate) templates: Vec<Model>,
    pub(crate) refused: Vec<Refused>,
}

#[derive(Deserialize)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) special_tokens: BTreeMap<String, String>,
    pub(crate) template: String,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) messages: Vec<Message>,
    pub(crate) add_generation_prompt: bool,
    pub(crate) expected: String,
}

#[derive(Deserialize)]
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) error: String,
}

#[derive(Deserialize)]
pub(crate) struct WithTools {
    pub(crate) model: String,
    pub(crate) name: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Option<Vec<Value>>,
    pub(crate) variables: Map<String, Value>,
    pub(crate) expected: Option<String>,
    pub(crate) error: Option<String>,
}

pub(crate) fn models() -> Models {
    serde_json::from_str(include_str!("../../../../fixtures/chat/templates.json")).unwrap()
}

pub(crate) fn with_tools() -> Vec<WithTools> {
    serde_json::from_str(include_str!("../../../../fixtures/chat/tools.json")).unwrap()
}

impl Model {
    pub(crate) fn named(name: &str) -> Self {
        models().templates.into_iter().find(|model| model.name == name).unwrap()
    }

    pub(crate) fn template(&self) -> Template {
        let named_tokens = self.special_tokens.clone();
        Template::new(Source { named_tokens, ..Source::new(self.template.clone()) }).unwrap()
    }
}

/// 14 March 2025, 09:26:53, when all expected texts were rendered.
pub(crate) fn options<'a>() -> RenderOptions<'a> {
    RenderOptions::at(Moment::from_date(2025, 3, 14).unwrap().at(9, 26, 53).unwrap())
}

/// A template text without named tokens.
pub(crate) fn template(text: &str) -> Template {
    Template::new(Source::new(text)).unwrap()
}
