//! Watches growing text for a stop text, and holds back what may turn out to be its beginning.

/// A stop text that may be spread over several pieces of text. An empty one never comes.
#[derive(Debug)]
pub(crate) struct StopText {
    stop: String,
    held: String,
}

impl StopText {
    pub(crate) fn new(stop: String) -> StopText {
        StopText { stop, held: String::new() }
    }

    /// Adds a piece; returns what is certain not to be part of the stop text, and whether that came.
    pub(crate) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held += piece;
        if self.stop.is_empty() {
            return (std::mem::take(&mut self.held), false);
        }
        if let Some(at) = self.held.find(&self.stop) {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        // The longest end of the text that is a beginning of the stop text.
        let begins = |&at: &usize| self.stop.starts_with(&self.held[at..]);
        let starts = self.held.char_indices().map(|(at, _)| at);
        let keep = starts.into_iter().find(begins).unwrap_or(self.held.len());
        let rest = self.held.split_off(keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back when no more text comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stop: &str, pieces: &[&str]) -> (String, bool) {
        let mut watch = StopText::new(stop.to_owned());
        let mut shown = String::new();
        for piece in pieces {
            let (new, stopped) = watch.push(piece);
            shown += &new;
            if stopped {
                return (shown, true);
            }
        }
        (shown + &watch.finish(), false)
    }

    #[test]
    fn a_stop_text_is_found_across_pieces_and_cut() {
        assert_eq!(run("END", &["one E", "N", "D two"]), ("one ".to_owned(), true));
        assert_eq!(run("END", &["one EN", "x"]), ("one ENx".to_owned(), false));
        assert_eq!(run("", &["a", "b"]), ("ab".to_owned(), false));
        assert_eq!(run("aab", &["aa", "ab!"]), ("a".to_owned(), true));
    }
}
