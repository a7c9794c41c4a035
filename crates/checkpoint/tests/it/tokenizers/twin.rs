//! Tokens against a slow twin that merges neighbours one by one, over vocabularies drawn at random.

use super::Tokens;
use crate::writer::{f32s, flag, strings};
use flint_checkpoint::gguf::Specials::Plain;
use proptest::prelude::*;

/// Merges the neighbours of the lowest rank, the leftmost of them first, until none are left.
fn merged(text: &str, rank: impl Fn(&str, &str) -> Option<usize>) -> Vec<String> {
    let mut parts: Vec<String> = text.chars().map(String::from).collect();
    loop {
        let pairs = parts.windows(2).enumerate();
        let best = pairs.filter_map(|(at, pair)| Some((rank(&pair[0], &pair[1])?, at))).min();
        let Some((_, at)) = best else { return parts };
        let right = parts.remove(at + 1);
        parts[at].push_str(&right);
    }
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[abc]{2,5}", 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn scores_decide_what_is_merged(words in words(), text in "[abcx]{0,20}") {
        let mut list = vec!["a".to_owned(), "b".to_owned(), "c".to_owned(), "x".to_owned()];
        for word in words {
            if !list.contains(&word) {
                list.push(word);
            }
        }
        let texts: Vec<&str> = list.iter().map(String::as_str).collect();
        let tokens = Tokens::pieces(&texts).key("add_space_prefix", flag(0));
        // As the format has it: the pair whose product has the highest score. Scores fall along the list.
        let rank = |left: &str, right: &str| list.iter().position(|known| *known == format!("{left}{right}"));
        prop_assert_eq!(tokens.encode(&text, false, Plain), merged(&text, rank));
    }

    #[test]
    fn ranks_decide_what_is_merged(picks in prop::collection::vec((0..30usize, 0..30usize), 0..20), text in "[abcde]{0,20}") {
        let mut known: Vec<String> = ["a", "b", "c", "d", "e"].map(String::from).into();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (left, right) in picks {
            let pair = (known[left % known.len()].clone(), known[right % known.len()].clone());
            let made = format!("{}{}", pair.0, pair.1);
            if made.len() <= 6 && !pairs.contains(&pair) {
                if !known.contains(&made) {
                    known.push(made);
                }
                pairs.push(pair);
            }
        }
        let merges: Vec<String> = pairs.iter().map(|(left, right)| format!("{left} {right}")).collect();
        let merges: Vec<&str> = merges.iter().map(String::as_str).collect();
        let tokens = Tokens::merges("gpt-2", &merges);
        let rank = |left: &str, right: &str| pairs.iter().position(|pair| (pair.0.as_str(), pair.1.as_str()) == (left, right));
        prop_assert_eq!(tokens.encode(&text, false, Plain), merged(&text, rank));
    }
}

#[test]
fn the_first_of_two_equal_merges_counts() {
    let tokens =
        Tokens::merges("gpt-2", &["a b", "b c"]).key("merges", strings(&["b c", "a b", "b c"]));
    assert_eq!(tokens.encode("abc", false, Plain), ["a", "bc"]);
    let tokens = Tokens::pieces(&["ab", "bc", "a", "b", "c"]).key("add_space_prefix", flag(0));
    assert_eq!(tokens.encode("abc", false, Plain), ["ab", "c"]);
    let scores = vec![0.0; tokens.list.len()];
    let tokens = tokens.key("scores", f32s(&scores));
    assert_eq!(tokens.encode("abc", false, Plain), ["ab", "c"]);
}
