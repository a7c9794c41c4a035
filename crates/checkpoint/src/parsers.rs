//! The parsers of checkpoint files over bytes in memory: what the fuzz targets call.

use crate::huggingface::{index, json, safetensors, torch};
use crate::tokenizer;

/// Reads the header of a safetensors file (the text after its length); how many tensors it has.
///
/// # Errors
/// When it is not one; the error is a message for the user.
pub fn safetensors(header: &[u8]) -> Result<usize, String> {
    safetensors::parse(header).map(|(tensors, _)| tensors.len())
}

/// Reads a whole PyTorch file; how many tensors it has, each of which lies within it.
///
/// # Errors
/// When it is not one; the error is a message for the user.
///
/// # Panics
/// When a tensor does not lie within the file: that would be a mistake of the parser.
pub fn pytorch(file: &[u8]) -> Result<usize, String> {
    let header = torch::parse(file, file.len() as u64)?;
    let inside = header.tensors.iter().all(|tensor| tensor.offset <= file.len() as u64);
    assert!(inside, "a tensor outside its file");
    Ok(header.tensors.len())
}

/// Reads the pickle of a PyTorch file; how many plain tensors it names.
///
/// # Errors
/// When it is not one; the error is a message for the user.
pub fn pickle(program: &[u8]) -> Result<usize, String> {
    torch::describe(program)
}

/// Reads an index of shards; how many files it names.
///
/// # Errors
/// When it is not one; the error is a message for the user.
pub fn index(text: &[u8]) -> Result<usize, String> {
    // That of the other JSON files, too.
    let _ = json::problem(text);
    index::parse(text).map(|names| names.len())
}

/// Reads a SentencePiece model and builds its `tokenizer.json`; how many bytes that takes.
///
/// # Errors
/// When it is not one, or needs something that is not built; the error is a message for the user.
pub fn sentencepiece(model: &[u8]) -> Result<usize, String> {
    tokenizer::from_sentencepiece(model)
}

/// Reads a `vocab.json`, its `merges.txt` and the texts of `tokenizer_config.json`, `special_tokens_map.json` and
/// `added_tokens.json`, and builds their `tokenizer.json`; how many bytes that takes.
///
/// # Errors
/// When they are not; the error is a message for the user.
pub fn byte_level(vocabulary: &[u8], merges: &[u8], settings: [&[u8]; 3]) -> Result<usize, String> {
    tokenizer::from_byte_level(vocabulary, merges, settings)
}
