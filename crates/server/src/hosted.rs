//! The model that is served: what it is called, what it is, and how it is talked to.

use crate::http::Problem;
use flint_dialogue::Prompter;
use flint_engine::{OpenModel, Tokenizer};
use serde_json::Value;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sizes and names that clients ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Family, such as `llama`.
    pub family: String,
    /// `bundle`, `gguf` or `checkpoint`.
    pub source: &'static str,
    /// The most common type of its weights.
    pub weights: String,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Tokens of context that the model was trained for.
    pub trained_context: usize,
    /// Tokens of context of a request here.
    pub context: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers in all weights.
    pub parameters: u64,
    /// Bytes of all weights.
    pub bytes: u64,
}

/// A model under its name.
pub struct Hosted {
    /// The name that clients see.
    pub name: String,
    /// When it was opened, in seconds since 1970.
    pub created: u64,
    /// What it is.
    pub facts: Facts,
    /// Its tokenizer.
    pub codec: Arc<Tokenizer>,
    /// How it is talked to; why not, where it has no template.
    pub prompter: Result<Prompter, String>,
    /// Tokens that end a text.
    pub ends: Vec<u32>,
    /// Bytes of the longest token.
    longest: usize,
}

impl Hosted {
    /// The model of `files` with requests of `context` tokens; `template` as for [`Prompter::new`].
    pub fn new(
        files: &OpenModel,
        codec: Tokenizer,
        context: usize,
        template: Option<&str>,
    ) -> Hosted {
        let architecture = files.architecture();
        let numbers =
            |tensor: &flint_model::TensorSpec| tensor.dims.iter().product::<usize>() as u64;
        let facts = Facts {
            family: architecture.family.clone(),
            source: files.kind().name(),
            weights: files
                .bytes_by_dtype()
                .first()
                .map_or("F16", |(dtype, _)| dtype.name())
                .to_owned(),
            vocabulary: architecture.vocabulary,
            trained_context: architecture.context,
            context,
            hidden: architecture.hidden,
            layers: architecture.layers,
            parameters: architecture.all_tensors().iter().map(numbers).sum(),
            bytes: files.weights_bytes(),
        };
        let prompter = Prompter::new(files, &codec, template).map_err(|error| error.to_string());
        let lengths = (0..architecture.vocabulary as u32).map(|token| codec.bytes(token).len());
        let longest = lengths.max().unwrap_or(0).max(1);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Hosted {
            name: name(files),
            created: since.as_secs(),
            facts,
            codec: Arc::new(codec),
            prompter,
            ends: architecture.end_of_text.clone(),
            longest,
        }
    }

    /// Refuses a text that is too long for the context whatever its tokens are: taking it apart would cost memory and time.
    pub(crate) fn check_length(&self, bytes: usize) -> Result<(), Problem> {
        match bytes.div_ceil(self.longest) {
            tokens if tokens > self.facts.context => {
                Err(Problem::too_long(tokens, self.facts.context))
            }
            _ => Ok(()),
        }
    }

    /// The same for what a template is given, of which it may leave something out.
    pub(crate) fn check_given<'a>(
        &self,
        given: impl IntoIterator<Item = &'a Value>,
    ) -> Result<(), Problem> {
        self.check_length(given.into_iter().map(text_bytes).sum::<usize>() / LEFT_OUT)
    }

    /// The tokens of a text, special ones recognised.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, Problem> {
        self.check_length(text.len())?;
        self.codec.encode(text, true).map_err(|error| Problem::wrong(error.to_string()))
    }
}

/// Templates leave out thoughts of earlier answers: of that much more than fits the rest may fit.
const LEFT_OUT: usize = 4;

/// Bytes of all texts in a value.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(text_bytes).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + text_bytes(value)).sum(),
        _ => 0,
    }
}

/// The name of the file or directory without its ending.
fn name(files: &OpenModel) -> String {
    let path = files.path().canonicalize().unwrap_or_else(|_| files.path().to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gguf").or_else(|| name.strip_suffix(".flint")).unwrap_or(&name);
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}
