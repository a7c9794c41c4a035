//! What is looked for in a `tokenizer.json` before its library sees it.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most values: the largest tokenizers in use have half of it. The library takes up to a hundred bytes for each.
const MOST_VALUES: u32 = 4 << 20;

/// Most objects: the library parses some of them into trees, which take seven hundred bytes for each.
const MOST_OBJECTS: u32 = 1 << 16;

/// Refused wherever it stands: the library reserves the memory that its table claims to take, and believes
/// every offset in it. No family here uses one.
const REFUSED: &str = "Precompiled";

/// Looks through a text.
///
/// # Errors
/// When it is not JSON, or holds what the library should not see; the error is a message for the user.
pub(super) fn screen(json: &[u8]) -> Result<(), String> {
    let mut left = Left { values: MOST_VALUES, objects: MOST_OBJECTS };
    let mut parser = serde_json::Deserializer::from_slice(json);
    Screen { left: &mut left, is_type: false }
        .deserialize(&mut parser)
        .map_err(|error| error.to_string())
}

/// What may still come.
struct Left {
    values: u32,
    objects: u32,
}

impl Left {
    fn take<E: Error>(left: &mut u32, most: u32, what: &str) -> Result<(), E> {
        *left = left
            .checked_sub(1)
            .ok_or_else(|| E::custom(format!("it has more than {most} {what}")))?;
        Ok(())
    }
}

struct Screen<'a> {
    left: &'a mut Left,
    /// Whether this is the value of a field named `type`.
    is_type: bool,
}

impl<'de> DeserializeSeed<'de> for Screen<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        Left::take::<D::Error>(&mut self.left.values, MOST_VALUES, "values")?;
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Screen<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        Left::take::<A::Error>(&mut self.left.objects, MOST_OBJECTS, "objects")?;
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(Screen { left: self.left, is_type: name == "type" })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Screen { left: self.left, is_type: false })?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.is_type && text == REFUSED {
            true => Err(E::custom(format!("a part of type {REFUSED} is not supported"))),
            false => Ok(()),
        }
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

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_part_is_found_at_any_depth_and_however_it_is_written() {
        let nested = r#"{"normalizer": {"normalizers": [{"type": "NFC"}, {"\u0074ype": "\u0050recompiled"}]}}"#;
        assert!(screen(nested.as_bytes()).unwrap_err().contains("Precompiled"));
        let token =
            r#"{"model": {"vocab": {"Precompiled": 1, "type": 2}}, "x": ["type", "Precompiled"]}"#;
        assert_eq!(screen(token.as_bytes()), Ok(()));
    }

    #[test]
    fn values_are_counted_before_they_are_kept() {
        let many = format!("[{}0]", "[],".repeat(MOST_VALUES as usize));
        assert!(screen(many.as_bytes()).unwrap_err().contains("4194304 values"));
        let many = format!("[{}{{}}]", "{},".repeat(MOST_OBJECTS as usize));
        assert!(screen(many.as_bytes()).unwrap_err().contains("65536 objects"));
    }
}
