//! Tokenizers built from the metadata of GGUF files.

mod built;
mod hostile;
mod published;
