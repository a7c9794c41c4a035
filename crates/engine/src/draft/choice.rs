//! Who drafts, as asked for.

/// Most tokens that are drafted for one pass.
pub const MOST_DRAFTED: usize = 8;

/// Who drafts. Only time depends on it: the text is the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DraftChoice {
    /// Nobody: one token per pass.
    #[default]
    Off,
    /// Whoever pays, by what passes and drafts take in this run; nobody where that is fastest.
    Auto,
    /// The text so far: what followed the last time that it went like this.
    Lookup,
    /// The model itself, with low-bit copies of the weights that are streamed.
    Substitute,
    /// A smaller model of the same vocabulary, which is named beside.
    Model,
}

impl DraftChoice {
    /// The name used on the command line and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            DraftChoice::Off => "off",
            DraftChoice::Auto => "auto",
            DraftChoice::Lookup => "lookup",
            DraftChoice::Substitute => "substitute",
            DraftChoice::Model => "model",
        }
    }

    /// Whether anybody may draft.
    pub fn is_on(&self) -> bool {
        *self != DraftChoice::Off
    }
}

impl std::str::FromStr for DraftChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<DraftChoice, String> {
        use DraftChoice::{Auto, Lookup, Model, Off, Substitute};
        let all = [Off, Auto, Lookup, Substitute, Model];
        let found = all.into_iter().find(|choice| choice.name() == text);
        found.ok_or_else(|| {
            format!("unknown draft '{text}': expected off, auto, lookup, substitute or model")
        })
    }
}
