//! Where a bundle came from.

/// The checkpoint behind a bundle and what converted it. Each string is at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Model family, such as `opt`.
    pub family: String,
    /// What wrote the bundle, such as `flint 0.1.0`.
    pub converter: String,
    /// A hash of the checkpoint's files.
    pub fingerprint: String,
}
