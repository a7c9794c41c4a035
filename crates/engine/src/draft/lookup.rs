//! Drafts from the text itself: what followed the last time that it went like this.

use super::{Draft, Host, Kind, MOST_DRAFTED, Offer, Proposal};
use crate::EngineError;

/// Fewest tokens that must be the same: one alone says little.
const LEAST: usize = 2;

/// Tokens beyond which a longer match says no more.
const LONGEST: usize = 16;

/// Looks the end of a text up in what came before it.
#[derive(Debug, Default)]
pub(crate) struct Lookup;

/// An earlier place like the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Match {
    /// Where that goes on.
    at: usize,
    /// Tokens that are the same before it.
    length: usize,
}

impl Match {
    fn kind(self) -> Kind {
        Kind(match self.length {
            ..=2 => 0,
            3 => 1,
            4..=6 => 2,
            _ => 3,
        })
    }
}

/// The longest match of the end of `tokens` and `next`, the latest of those as long. It looks at each token once, which is
/// little beside the attention over all of them.
fn find(tokens: &[u32], next: u32) -> Option<Match> {
    let mut best: Option<Match> = None;
    for at in (1..=tokens.len()).rev() {
        if tokens[at - 1] != next {
            continue;
        }
        let (before, end) = (&tokens[..at - 1], tokens);
        let same = before.iter().rev().zip(end.iter().rev()).take(LONGEST - 1);
        let length = 1 + same.take_while(|(a, b)| a == b).count();
        if length > best.map_or(LEAST - 1, |best| best.length) {
            best = Some(Match { at, length });
            if length == LONGEST {
                break;
            }
        }
    }
    best
}

/// What follows a match, `count` tokens of it. Where the text ends it goes on with what was just drafted: a period.
fn follow(tokens: &[u32], next: u32, found: Match, count: usize) -> Vec<u32> {
    let mut drafted: Vec<u32> = Vec::with_capacity(count);
    for at in found.at..found.at + count {
        drafted.push(match at.checked_sub(tokens.len()) {
            None => tokens[at],
            Some(0) => next,
            Some(behind) => drafted[behind - 1],
        });
    }
    drafted
}

impl Draft for Lookup {
    fn offer(&mut self, tokens: &[u32], next: u32) -> Option<Offer> {
        find(tokens, next).map(|found| Offer { kind: found.kind(), most: MOST_DRAFTED })
    }

    fn propose(
        &mut self,
        _: &mut dyn Host,
        proposals: &mut [Proposal<'_, '_>],
    ) -> Result<(), EngineError> {
        for Proposal { request, tokens: count } in proposals {
            let (fed, next) = (request.fed, request.next);
            if let Some(found) = find(fed, next) {
                request.drafted = follow(fed, next, found, *count);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drafted(text: &[u32], count: usize) -> Option<(usize, Vec<u32>)> {
        let (&next, tokens) = text.split_last()?;
        let found = find(tokens, next)?;
        Some((found.length, follow(tokens, next, found, count)))
    }

    #[test]
    fn what_followed_the_longest_match_is_drafted() {
        let text = [1, 2, 3, 4, 5, 9, 2, 3, 7, 8, 1, 2, 3];
        assert_eq!(drafted(&text, 2), Some((3, vec![4, 5])));
        // The latest of two as long.
        assert_eq!(drafted(&[2, 3, 4, 9, 2, 3, 7, 8, 2, 3], 1), Some((2, vec![7])));
        assert_eq!(drafted(&[1, 2, 3, 3, 4], 3), None);
        assert_eq!(drafted(&[], 3), None);
        assert_eq!(drafted(&[1], 3), None);
    }

    #[test]
    fn a_period_goes_on() {
        let text = [7, 1, 2, 3, 1, 2, 3];
        assert_eq!(drafted(&text, 8), Some((3, vec![1, 2, 3, 1, 2, 3, 1, 2])));
        assert_eq!(drafted(&[5; 40], 3), Some((LONGEST, vec![5; 3])));
    }

    proptest! {
        #[test]
        fn no_earlier_place_is_more_like_the_end(
            text in prop::collection::vec(0u32..4, 1..60), count in 1usize..9,
        ) {
            // The slow obvious twin: every place and every length.
            let like = |at: usize, length: usize| {
                length <= at && text[at - length..at] == text[text.len() - length..]
            };
            let places = || 1..text.len();
            let longest = (LEAST..=LONGEST).rev().find(|&n| places().any(|at| like(at, n)));
            let at = longest.and_then(|n| places().rev().find(|&at| like(at, n)));
            let expected = longest.zip(at).map(|(length, at)| {
                let mut all = text.clone();
                (0..count).for_each(|i| all.push(all[at + i]));
                (length, all.split_off(text.len()))
            });
            prop_assert_eq!(drafted(&text, count), expected);
        }
    }
}
