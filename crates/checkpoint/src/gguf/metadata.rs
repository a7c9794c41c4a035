//! The metadata of a file by key: typed getters, whose errors name the file, the key and what was found.

use super::error::{GgufError, KeyFault, TokenizerFault};
use super::from_value::{FromValue, read};
use super::value::{Array, Strings, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most layers that a value is repeated for. The deepest models in use have some two hundred.
const MOST_LAYERS: u32 = 4096;

/// Keys and their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    path: PathBuf,
    values: BTreeMap<String, Value>,
}

impl Metadata {
    pub(super) fn new(path: &Path, values: BTreeMap<String, Value>) -> Metadata {
        Metadata { path: path.to_owned(), values }
    }

    /// Every key with its value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of `key`, of whatever type.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The single value of `key`; `None` where there is no such key.
    ///
    /// # Errors
    /// When it is of another type, or does not fit.
    pub fn get<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<T>, GgufError> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        let item = value.item().ok_or_else(|| wrong(value, T::EXPECTED));
        item.and_then(read).map(Some).map_err(|fault| self.fault(key, fault))
    }

    /// The single value of `key`.
    ///
    /// # Errors
    /// When there is no such key, it is of another type, or does not fit.
    pub fn require<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<T, GgufError> {
        self.get(key)?.ok_or_else(|| self.fault(key, KeyFault::Missing))
    }

    /// The array of `key`, still packed; `None` where there is no such key.
    ///
    /// # Errors
    /// When it is not an array.
    pub fn array(&self, key: &str) -> Result<Option<&Array>, GgufError> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        let array = value.array().ok_or_else(|| wrong(value, "array"));
        array.map(Some).map_err(|fault| self.fault(key, fault))
    }

    /// The elements of the array of `key`; `None` where there is no such key.
    ///
    /// # Errors
    /// When it is not an array, or an element is of another type or does not fit.
    pub fn list<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<Vec<T>>, GgufError> {
        let Some(array) = self.array(key)? else { return Ok(None) };
        let list: Result<Vec<T>, KeyFault> = array.iter().map(read).collect();
        list.map(Some).map_err(|fault| self.fault(key, fault))
    }

    /// The texts of the array of `key`, in place; `None` where there is no such key.
    ///
    /// # Errors
    /// When it is not an array of texts in UTF-8.
    pub fn strings(&self, key: &str) -> Result<Option<Strings<'_>>, GgufError> {
        let Some(array) = self.array(key)? else { return Ok(None) };
        Strings::of(array).map(Some).map_err(|fault| self.fault(key, fault))
    }

    /// A value for each of `layers` layers: an array of exactly that length, or one value for all of them; `None`
    /// where there is no such key.
    ///
    /// # Errors
    /// When it is of another type or length, or does not fit.
    pub fn per_layer<'a, T: FromValue<'a> + Clone>(
        &'a self,
        key: &str,
        layers: u32,
    ) -> Result<Option<Vec<T>>, GgufError> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        if layers > MOST_LAYERS {
            let (value, expected) = (layers.to_string(), "number of layers that is read");
            return Err(self.fault(key, KeyFault::OutOfRange { value, expected }));
        }
        let Some(array) = value.array() else {
            let one = self.get::<T>(key)?;
            return Ok(one.map(|one| vec![one; layers as usize]));
        };
        let (expected, got) = (u64::from(layers), array.len() as u64);
        if got != expected {
            return Err(self.fault(key, KeyFault::Length { expected, got }));
        }
        self.list(key)
    }

    /// An error about the value of `key`.
    pub fn fault(&self, key: &str, fault: KeyFault) -> GgufError {
        GgufError::Key { path: self.path.clone(), key: key.to_owned(), fault }
    }

    pub(super) fn tokenizer_fault(&self, fault: TokenizerFault) -> GgufError {
        GgufError::Tokenizer { path: self.path.clone(), fault }
    }
}

fn wrong(value: &Value, expected: &'static str) -> KeyFault {
    KeyFault::WrongType { expected, found: value.type_name() }
}
