//! How often drafted tokens are right, of late.

/// What is left of what was seen, each time that more is seen.
const DECAY: f64 = 0.92;

/// Tokens that whoever judged before counts as.
const WEIGHT: f64 = 3.0;

/// Decayed counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Acceptance {
    right: f64,
    judged: f64,
}

impl Acceptance {
    /// Of `drafted` tokens the first `accepted` were right. Those after the first wrong one say nothing.
    pub(crate) fn saw(&mut self, drafted: usize, accepted: usize) {
        let judged = drafted.min(accepted + 1);
        self.right = self.right * DECAY + accepted as f64;
        self.judged = self.judged * DECAY + judged as f64;
    }

    /// The share that is right; `before` is what was believed before anything was seen.
    pub(crate) fn share(&self, before: f64) -> f64 {
        (self.right + WEIGHT * before) / (self.judged + WEIGHT)
    }

    /// Tokens that were judged, as far as they still count.
    pub(crate) fn judged(&self) -> f64 {
        self.judged
    }
}

/// Tokens that a pass with `drafted` tokens gives on average, where each is right with probability `share` if the one
/// before it is: those that are right, and the one after them.
pub(crate) fn expected_tokens(share: f64, drafted: usize) -> f64 {
    (0..=drafted as i32).map(|right| share.powi(right)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_what_was_seen_of_late() {
        let mut seen = Acceptance::default();
        assert_eq!(seen.share(0.3), 0.3);
        for _ in 0..60 {
            seen.saw(4, 4);
        }
        assert!(seen.share(0.3) > 0.95);
        for _ in 0..40 {
            seen.saw(4, 0);
        }
        assert!(seen.share(0.3) < 0.2, "{}", seen.share(0.3));
        // One right and one wrong: the third says nothing.
        let mut seen = Acceptance::default();
        seen.saw(3, 1);
        assert_eq!((seen.right, seen.judged()), (1.0, 2.0));
    }

    #[test]
    fn a_pass_gives_what_is_right_and_one_more() {
        assert_eq!(expected_tokens(0.0, 4), 1.0);
        assert_eq!(expected_tokens(1.0, 4), 5.0);
        assert!((expected_tokens(0.5, 2) - 1.75).abs() < 1e-12);
        assert_eq!(expected_tokens(0.9, 0), 1.0);
    }
}
