//! The fields of a request: optional, null where the default is meant, and checked one by one.

use super::problem::Problem;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The object of a request. Fields that nobody asks for are ignored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The object that a request must be.
    pub(crate) fn of(value: &'a Value) -> Result<Fields<'a>, Problem> {
        value.as_object().map(Fields).ok_or_else(|| Problem::wrong("the request is no JSON object"))
    }

    /// A field that is there and not null.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, Problem> {
        let text = |value: &'a Value| value.as_str().ok_or(Problem::field(name, "expected a text"));
        self.get(name).map(text).transpose()
    }

    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, Problem> {
        let flag =
            |value: &Value| value.as_bool().ok_or(Problem::field(name, "expected true or false"));
        self.get(name).map(flag).transpose()
    }

    pub(crate) fn list(self, name: &str) -> Result<Option<&'a Vec<Value>>, Problem> {
        let list =
            |value: &'a Value| value.as_array().ok_or(Problem::field(name, "expected a list"));
        self.get(name).map(list).transpose()
    }

    pub(crate) fn object(self, name: &str) -> Result<Option<Fields<'a>>, Problem> {
        let object = |value: &'a Value| {
            value.as_object().map(Fields).ok_or(Problem::field(name, "expected an object"))
        };
        self.get(name).map(object).transpose()
    }

    /// A number within `range`.
    pub(crate) fn number(
        self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f32>, Problem> {
        let number = |value: &Value| {
            let wrong = || {
                Problem::field(
                    name,
                    format!("expected a number from {} to {}", range.start(), range.end()),
                )
            };
            value.as_f64().filter(|it| range.contains(it)).map(|it| it as f32).ok_or_else(wrong)
        };
        self.get(name).map(number).transpose()
    }

    /// A whole number within `range`. One that is written with a point, such as 5.0, is one.
    pub(crate) fn integer(
        self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let integer = |value: &Value| {
            let wrong = || {
                let (low, high) = (range.start(), range.end());
                Problem::field(name, format!("expected a whole number from {low} to {high}"))
            };
            whole(value).filter(|it| range.contains(it)).ok_or_else(wrong)
        };
        self.get(name).map(integer).transpose()
    }

    /// A count within `range`.
    pub(crate) fn count(
        self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<usize>, Problem> {
        let wrong = || Problem::field(name, "expected a count");
        let count = self.integer(name, range)?;
        count.map(|count| usize::try_from(count).map_err(|_| wrong())).transpose()
    }

    /// A text, or a list of texts.
    pub(crate) fn texts(self, name: &str) -> Result<Vec<String>, Problem> {
        let wrong = || Problem::field(name, "expected a text or a list of texts");
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(list)) => {
                let text = |it: &Value| it.as_str().map(str::to_owned).ok_or_else(wrong);
                list.iter().map(text).collect()
            }
            Some(_) => Err(wrong()),
        }
    }
}

/// Numbers beyond this are not exact as 64-bit floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn whole(value: &Value) -> Option<i64> {
    let rounded = |it: &f64| it.fract() == 0.0 && it.abs() <= EXACT;
    value.as_i64().or_else(|| value.as_f64().filter(rounded).map(|it| it as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_is_absent_and_numbers_are_held_to_their_ranges() {
        let value = json!({"a": null, "b": 5.0, "c": -1, "d": 1e300, "e": "x", "f": 18446744073709551615u64});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.integer("a", 0..=9).unwrap(), None);
        assert_eq!(fields.integer("b", 0..=9).unwrap(), Some(5));
        for name in ["c", "d", "e", "f"] {
            let problem = fields.count(name, 0..=9).unwrap_err();
            assert!(problem.message.starts_with(&format!("{name}: expected")), "{problem:?}");
            assert!(fields.number(name, 0.0..=2.0).is_err());
        }
        assert!(Fields::of(&json!([])).is_err());
        assert_eq!(fields.texts("e").unwrap(), ["x"]);
        assert!(fields.texts("b").is_err());
    }
}
