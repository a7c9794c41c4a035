//! Watches growing text for stop texts, and holds back what may turn out to be the beginning of one.

/// Stop texts that may be spread over several pieces of text. An empty one never comes.
#[derive(Debug)]
pub struct StopTexts {
    stops: Vec<String>,
    held: String,
}

impl StopTexts {
    /// Watches for `stops`.
    pub fn new(stops: impl IntoIterator<Item = String>) -> StopTexts {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        StopTexts { stops, held: String::new() }
    }

    /// Adds a piece; returns what is certain not to be part of a stop text, and whether one came.
    pub fn push(&mut self, piece: &str) -> (String, bool) {
        self.held += piece;
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        // The longest end of the text that is a beginning of a stop text.
        let begins = |&at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.held[at..]));
        let keep = self.held.char_indices().map(|(at, _)| at).find(begins);
        let rest = self.held.split_off(keep.unwrap_or(self.held.len()));
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back when no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut watch = StopTexts::new(stops.iter().map(|&stop| stop.to_owned()));
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
        assert_eq!(run(&["END"], &["one E", "N", "D two"]), ("one ".to_owned(), true));
        assert_eq!(run(&["END"], &["one EN", "x"]), ("one ENx".to_owned(), false));
        assert_eq!(run(&[""], &["a", "b"]), ("ab".to_owned(), false));
        assert_eq!(run(&["aab"], &["aa", "ab"]), ("a".to_owned(), true));
    }

    #[test]
    fn the_first_of_several_counts() {
        assert_eq!(run(&["xyz", "b"], &["a", "bxyz"]), ("a".to_owned(), true));
        assert_eq!(run(&["bcd", "c"], &["ab", "c"]), ("ab".to_owned(), true));
        assert_eq!(run(&[], &["ab", "c"]), ("abc".to_owned(), false));
    }
}
