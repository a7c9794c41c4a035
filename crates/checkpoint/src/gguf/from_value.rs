//! Rust types that a metadata value can be read as.

use super::error::KeyFault;
use super::value::Item;

/// A type that a single value, or an element of an array, can be read as.
///
/// Integers of every width in the file are accepted where the number fits; floats of both widths where they are
/// finite.
pub trait FromValue<'a>: Sized {
    /// What is expected, for messages.
    const EXPECTED: &'static str;

    /// Reads one value; `None` where it is of another kind.
    ///
    /// # Errors
    /// When it is of the right kind and does not fit.
    fn from_item(item: Item<'a>) -> Result<Option<Self>, KeyFault>;
}

/// Reads `item` as a `T`.
pub(super) fn read<'a, T: FromValue<'a>>(item: Item<'a>) -> Result<T, KeyFault> {
    T::from_item(item)?
        .ok_or_else(|| KeyFault::WrongType { expected: T::EXPECTED, found: name(item).to_owned() })
}

fn name(item: Item<'_>) -> &'static str {
    match item {
        Item::Integer(_) => "integer",
        Item::Float(_) => "float",
        Item::Flag(_) => "bool",
        Item::Text(_) => "string",
    }
}

macro_rules! integers {
    ($($integer:ty: $expected:literal,)*) => {$(
        impl<'a> FromValue<'a> for $integer {
            const EXPECTED: &'static str = $expected;

            fn from_item(item: Item<'a>) -> Result<Option<Self>, KeyFault> {
                let Item::Integer(number) = item else { return Ok(None) };
                let fits = <$integer>::try_from(number);
                fits.map(Some).map_err(|_| out_of_range(number, Self::EXPECTED))
            }
        }
    )*};
}

integers! {
    u32: "integer of 32 bits from zero up",
    u64: "integer of 64 bits from zero up",
    i32: "integer of 32 bits",
    i64: "integer of 64 bits",
}

impl<'a> FromValue<'a> for f32 {
    const EXPECTED: &'static str = "finite float";

    fn from_item(item: Item<'a>) -> Result<Option<Self>, KeyFault> {
        let Item::Float(wide) = item else { return Ok(None) };
        let narrow = wide as f32;
        match narrow.is_finite() {
            true => Ok(Some(narrow)),
            false => Err(out_of_range(wide, Self::EXPECTED)),
        }
    }
}

impl<'a> FromValue<'a> for bool {
    const EXPECTED: &'static str = "bool";

    fn from_item(item: Item<'a>) -> Result<Option<Self>, KeyFault> {
        match item {
            Item::Flag(flag) => Ok(Some(flag)),
            _ => Ok(None),
        }
    }
}

impl<'a> FromValue<'a> for &'a str {
    const EXPECTED: &'static str = "string";

    fn from_item(item: Item<'a>) -> Result<Option<Self>, KeyFault> {
        let Item::Text(bytes) = item else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| KeyFault::NotUtf8)
    }
}

fn out_of_range(value: impl ToString, expected: &'static str) -> KeyFault {
    KeyFault::OutOfRange { value: value.to_string(), expected }
}
