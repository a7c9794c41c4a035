//! Finds markers in text that arrives in pieces.

/// What is known of the markers in a text that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A marker starts at `at`.
    Marker {
        /// Bytes before it.
        at: usize,
        /// Which of the markers.
        which: usize,
    },
    /// No marker starts in the first `safe` bytes; the rest could become one.
    None {
        /// Bytes that no marker can touch.
        safe: usize,
    },
}

/// The first of `markers` in `text`, of which none may be the beginning of another. At the `end` nothing is held back.
pub(super) fn find(text: &str, markers: &[&str], end: bool) -> Found {
    let places = markers.iter().enumerate();
    let found = places.filter_map(|(which, marker)| Some((text.find(marker)?, which))).min();
    if let Some((at, which)) = found {
        return Found::Marker { at, which };
    }
    if end {
        return Found::None { safe: text.len() };
    }
    let longest = markers.iter().map(|marker| marker.len()).max().unwrap_or(0);
    let from = text.len().saturating_sub(longest);
    let mut starts = (from..text.len()).filter(|&at| text.is_char_boundary(at));
    let held = starts.find(|&at| markers.iter().any(|marker| marker.starts_with(&text[at..])));
    Found::None { safe: held.unwrap_or(text.len()) }
}

/// What a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// With this marker.
    With(usize),
    /// It may still become a marker.
    Maybe,
    /// With none.
    Not,
}

/// Whether `text` begins with one of `markers`. At the `end` it cannot become one any more.
pub(super) fn begins(text: &str, markers: &[&str], end: bool) -> Begins {
    if let Some(which) = markers.iter().position(|marker| text.starts_with(marker)) {
        Begins::With(which)
    } else if !end && markers.iter().any(|marker| marker.starts_with(text)) {
        Begins::Maybe
    } else {
        Begins::Not
    }
}

/// Removes the first `bytes` of a buffer and returns them.
pub(super) fn take(buffer: &mut String, bytes: usize) -> String {
    let rest = buffer.split_off(bytes);
    std::mem::replace(buffer, rest)
}

/// Removes white space from the beginning of a buffer.
pub(super) fn skip_space(buffer: &mut String) {
    let space = buffer.len() - buffer.trim_start().len();
    buffer.drain(..space);
}
