//! The strings of a request, shown one by one to whoever replaces or only looks at them.

/// What kind of text a string of the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Free text.
    Text,
    /// The name of a speaker, a tool, a call or an argument.
    Name,
    /// A string of a tool definition, a document or a variable; those are looked into by templates.
    Word,
}

/// Is shown a string and says what stands in its place.
pub(crate) type Visit<'a> = dyn FnMut(&str, Kind) -> String + 'a;
