//! How the thoughts of a model are shown.

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Thoughts {
    /// In a faint type
    Dim,
    /// Like the answer
    Plain,
    /// Not at all
    Hide,
}

impl Thoughts {
    /// What somebody expects who asked for nothing: a pipe is to carry answers alone.
    pub(super) fn usual(in_terminal: bool) -> Thoughts {
        if in_terminal { Thoughts::Dim } else { Thoughts::Hide }
    }
}
