//! JSON whose names may come once only, with a limit to how much of it there is: looked through at any depth, or read.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

/// An object of at most `MOST` values, each with a name of its own.
pub(crate) struct Named<V, const MOST: usize>(pub(crate) HashMap<String, V>);

impl<'de, V: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Named<V, MOST> {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Named<V, MOST>, D::Error> {
        parser.deserialize_map(Entries::<V, MOST>(PhantomData))
    }
}

struct Entries<V, const MOST: usize>(PhantomData<V>);

impl<'de, V: Deserialize<'de>, const MOST: usize> Visitor<'de> for Entries<V, MOST> {
    type Value = Named<V, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<V, MOST>, A::Error> {
        let mut named = HashMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if named.len() == MOST {
                return Err(A::Error::custom(format!("more than {MOST} names")));
            }
            match named.entry(name) {
                Entry::Vacant(place) => place.insert(map.next_value()?),
                Entry::Occupied(twice) => {
                    let name: String = twice.key().chars().take(80).collect();
                    return Err(A::Error::custom(format!("'{name}' is there twice")));
                }
            };
        }
        Ok(Named(named))
    }
}

/// Most values of a text that is looked through. Parsed, an object takes seven hundred bytes, however little it
/// holds; the settings with the most tokens known have fifty thousand values.
const MOST_VALUES: u32 = 1 << 16;

/// What is wrong with the names or the number of values of a text, as a message for the user; `None` too for a text
/// that is not JSON, which its own parser will say.
pub(crate) fn problem(text: &[u8]) -> Option<String> {
    let mut found = Found { problem: None, values: 0 };
    let mut parser = serde_json::Deserializer::from_slice(text);
    // The only errors of interest are those that were noted down. The parser bounds the depth.
    let _ = Walk(&mut found).deserialize(&mut parser);
    found.problem
}

struct Found {
    problem: Option<String>,
    values: u32,
}

impl Found {
    /// Notes a problem down, and stops the parser.
    fn stop<E: Error>(&mut self, problem: String) -> E {
        self.problem = Some(problem);
        E::custom("")
    }
}

struct Walk<'a>(&'a mut Found);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        self.0.values += 1;
        if self.0.values > MOST_VALUES {
            return Err(self.0.stop(format!("holds more than {MOST_VALUES} values")));
        }
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                let name: String = name.chars().take(80).collect();
                return Err(self.0.stop(format!("names '{name}' twice")));
            }
            seen.insert(name);
            map.next_value_seed(Walk(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Walk(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_come_again_in_another_object_only() {
        let said = |text: &str| problem(text.as_bytes());
        let apart =
            r#"{"a": {"b": 1, "c": [true, null, -1, 0.5, "b"]}, "b": [{"a": 1}, {"a": 2}]}"#;
        assert_eq!(said(apart), None);
        assert_eq!(said(r#"{"a": 1, "a": 1}"#).as_deref(), Some("names 'a' twice"));
        let nested = r#"[0, {"x": {"b": 1, "\u0062": 2}}]"#;
        assert_eq!(said(nested).as_deref(), Some("names 'b' twice"));
        for other in ["", "{", "{\"a\": 1", "\u{0}", &"[".repeat(100_000)] {
            assert_eq!(said(other), None);
        }
    }

    #[test]
    fn values_are_counted() {
        let most = format!("[{}0]", "{},".repeat(MOST_VALUES as usize - 2));
        assert_eq!(problem(most.as_bytes()), None);
        let more = most.replace("0]", "0,0]");
        let said = problem(more.as_bytes());
        assert_eq!(said.as_deref(), Some("holds more than 65536 values"));
    }
}
