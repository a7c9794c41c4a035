//! What a GGUF file leaves out, or says and is not followed in: what a user should know of a model before running it.

use super::Metadata;
use crate::{Architecture, ModelError};

/// Sentences about `architecture`, read from a file with this metadata, that matter to who runs it. `name` is what the
/// file calls the model.
///
/// # Errors
/// When a value is of another type.
pub fn gguf_notes(
    metadata: &dyn Metadata,
    architecture: &Architecture,
    name: &str,
) -> Result<Vec<String>, ModelError> {
    const WINDOW: &str = "attention.sliding_window";
    let mut notes = Vec::new();
    let window = metadata.number(WINDOW)?;
    let windowed = (0..architecture.layers).any(|layer| architecture.window(layer).is_some());
    match (architecture.family.as_str(), window) {
        (_, Some(window)) if window > 0 && !windowed => notes.push(format!(
            "the file names a window of {window} tokens, which is not applied: every token sees all before it, as in llama.cpp"
        )),
        ("phi3", None) => notes.push(
            "the window of Phi-3 is not in the file: every token sees all before it".to_owned(),
        ),
        ("llama", None) if name.to_lowercase().contains("mistral") => notes.push(
            "files of Mistral do not name its window (4,096 tokens in version 0.1, none later): every token sees all before it"
                .to_owned(),
        ),
        _ => {}
    }
    let rotary = architecture.attention.rotary.as_ref();
    if let Some(long) = rotary.and_then(|rotary| rotary.long.as_ref()) {
        notes.push(format!(
            "angles of positions change where a run's context (-c, else prompt and -n) exceeds {} tokens",
            long.original_context
        ));
    }
    Ok(notes)
}
