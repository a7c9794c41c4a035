//! From a JSON schema to a form, for the tokens of one model.

use super::{Form, first_line};
use flint_engine::Tokenizer;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use std::sync::Arc;

/// States of the automaton of one form: each takes one or two kilobytes.
const MOST_STATES: usize = 20_000;

/// Symbols in the rules of one form.
const MOST_SYMBOLS: usize = 100_000;

/// What begins a special token among the words of a vocabulary: no text does.
const SPECIAL: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

/// Makes forms.
pub(crate) struct Forms(ParserFactory);

impl Forms {
    /// For a model whose texts end on any of `ends`.
    pub(crate) fn new(codec: &Tokenizer, vocabulary: usize, ends: &[u32]) -> Result<Forms, String> {
        let ends: Vec<u32> =
            ends.iter().copied().filter(|&end| (end as usize) < vocabulary).collect();
        let &[first, ..] = &ends[..] else {
            return Err("answers of a model without an end-of-text token have no form".to_owned());
        };
        let word = |token: u32| {
            let bytes = codec.bytes(token);
            match codec.is_special(token) || ends.contains(&token) {
                true => [&[SPECIAL][..], &bytes].concat(),
                false => bytes,
            }
        };
        let words: Vec<Vec<u8>> = (0..vocabulary as u32).map(word).collect();
        let info = TokRxInfo::new(vocabulary as u32, first);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
        let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&tokens).map_err(|error| first_line(&error))?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_lexer_states: MOST_STATES,
            max_grammar_size: MOST_SYMBOLS,
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(Forms(factory))
    }

    /// JSON of `schema`, written as Python writes it: no token is spent on more white space than that.
    pub(crate) fn json(&self, schema: &Value) -> Result<Form, String> {
        let mut schema = match schema {
            Value::Bool(true) => json!({}),
            Value::Object(_) => schema.clone(),
            _ => return Err("expected a JSON schema".to_owned()),
        };
        schema["x-guidance"] =
            json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
        let parser = self.0.create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            Some(error) => Err(first_line(&error)),
            None => Ok(Form::new(matcher)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms() -> Forms {
        let files = flint_engine::OpenModel::open(&flint_fixtures::tiny_opt_bundle()).unwrap();
        let codec = files.codec().unwrap().unwrap();
        Forms::new(&codec, files.architecture().vocabulary, &[2]).unwrap()
    }

    #[test]
    fn what_cannot_be_a_schema_is_one_line() {
        let forms = forms();
        for schema in [
            json!(false),
            json!([]),
            json!({"type": "nonsense"}),
            json!({"$ref": "#/nowhere"}),
            json!({"$ref": "http://elsewhere/schema"}),
            json!({"type": "string", "pattern": "("}),
            json!({"type": "integer", "minimum": 3, "maximum": 2}),
            json!({"not": {"type": "string"}}),
        ] {
            let why = forms.json(&schema).map(|_| ()).unwrap_err();
            assert!(!why.is_empty() && !why.contains('\n'), "{schema}: {why}");
        }
        assert!(forms.json(&json!({"anyOf": [{"type": "null"}, {"const": 3}]})).is_ok());
    }

    /// Tokens that may come next.
    fn allowed(form: &mut Form) -> Vec<usize> {
        let mut logits = vec![0.0; forms_vocabulary()];
        form.constrain(&mut logits).unwrap();
        (0..logits.len()).filter(|&token| logits[token] == 0.0).collect()
    }

    fn forms_vocabulary() -> usize {
        let files = flint_engine::OpenModel::open(&flint_fixtures::tiny_opt_bundle()).unwrap();
        files.architecture().vocabulary
    }

    #[test]
    fn a_form_begins_after_thoughts_and_after_its_opening() {
        let form = || forms().json(&json!({ "const": 7 })).unwrap();
        let first = allowed(&mut form());
        assert!((1..100).contains(&first.len()), "{first:?}");
        let mut later = form().opened_by(vec![11, 12]).after(Some(9));
        for token in [5, 8] {
            assert_eq!(allowed(&mut later).len(), forms_vocabulary());
            assert_eq!(later.take(token), Ok(false));
        }
        assert_eq!(later.take(9), Ok(false));
        for token in [11, 12] {
            assert_eq!(allowed(&mut later), [token]);
            assert_eq!(later.take(token as u32), Ok(false));
        }
        assert_eq!(allowed(&mut later), first);
        assert_eq!(later.take(first[0] as u32), Ok(true));
        assert!(form().take(5).is_err());
    }

    #[test]
    fn a_schema_that_is_too_much_is_refused_soon() {
        let forms = forms();
        let wide: serde_json::Map<String, Value> =
            (0..200_000).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect();
        assert!(forms.json(&json!({"type": "object", "properties": wide})).is_err());
        let began = std::time::Instant::now();
        let hard = json!({"type": "string", "pattern": "^(a|b|ab|(a+b?){2,30}){30,60}c$"});
        drop(forms.json(&hard));
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}
