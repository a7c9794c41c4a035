//! What a pickle may build: dictionaries, storages, tensors.

use super::global::Global;
use super::machine::Machine;
use super::value::{Text, Value};
use super::{PickleError, Storage, Tensor};

/// No tensor of a model has more.
const MOST_DIMENSIONS: usize = 8;

/// Nothing on the list takes more.
const MOST_ARGUMENTS: usize = 8;

/// Longest name of a tensor, in bytes.
const LONGEST_NAME: u32 = 512;

/// Longest name of a storage, in bytes: PyTorch numbers them. Each use copies it.
const LONGEST_KEY: u32 = 64;

impl<'a> Machine<'a> {
    /// A storage, by the name under which the archive keeps it.
    pub(super) fn persistent(&mut self) -> Result<(), PickleError> {
        let items = self.pop_tuple()?;
        let [Value::Text(what), Value::Global(Global::Storage(kind)), Value::Text(key), ..] =
            items[..]
        else {
            return Err(self.malformed("a storage"));
        };
        if self.text(what)? != "storage" {
            return Err(self.malformed("a storage"));
        }
        if key.len > LONGEST_KEY {
            return Err(self.malformed("a storage of a short name"));
        }
        let key = self.text(key)?.into();
        self.storages.push(Storage { kind, key });
        self.push(Value::Storage(self.storages.len() - 1));
        Ok(())
    }

    /// Builds one of the things on the list from its arguments.
    pub(super) fn reduce(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop_tuple()?;
        let Value::Global(what) = self.pop()? else {
            return Err(self.malformed("the name of what to build"));
        };
        match (what, &arguments[..]) {
            (Global::OrderedDictionary, []) => self.push_dictionary(),
            (Global::RebuildTensor, arguments) => self.push_tensor(arguments),
            // Wrapped once: how to build it, its class, the arguments; then attributes, which are not of use here.
            (
                Global::RebuildFromType,
                &[
                    Value::Global(Global::RebuildTensor),
                    Value::Global(Global::TensorClass),
                    Value::Tuple(inner),
                    ..,
                ],
            ) => {
                let arguments = self.tuples[inner].clone();
                self.push_tensor(&arguments)
            }
            (Global::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => {
                self.push(tensor);
                Ok(())
            }
            _ => Err(self.malformed("arguments that fit what is to be built")),
        }
    }

    fn push_tensor(&mut self, arguments: &[Value]) -> Result<(), PickleError> {
        let &[
            Value::Storage(storage),
            Value::Int(first),
            Value::Tuple(dims),
            Value::Tuple(strides),
            ..,
        ] = arguments
        else {
            return Err(self.malformed("arguments that fit what is to be built"));
        };
        if arguments.len() > MOST_ARGUMENTS {
            return Err(self.malformed("a tuple of at most 8 arguments"));
        }
        let tensor = self.rebuild(storage, first, dims, strides)?;
        self.tensors.push(tensor);
        self.push(Value::Tensor(self.tensors.len() - 1));
        Ok(())
    }

    fn rebuild(
        &self,
        storage: usize,
        first: i64,
        dims: usize,
        strides: usize,
    ) -> Result<Tensor, PickleError> {
        let (dims, strides) = (self.sizes(dims)?, self.sizes(strides)?);
        let first = u64::try_from(first).map_err(|_| self.malformed("an offset from zero on"))?;
        if dims.len() != strides.len() {
            return Err(self.malformed("as many strides as dimensions"));
        }
        Ok(Tensor { storage: self.storages[storage].clone(), first, dims, strides })
    }

    /// The whole numbers in a tuple, none negative.
    fn sizes(&self, tuple: usize) -> Result<Vec<u64>, PickleError> {
        let items = &self.tuples[tuple];
        if items.len() > MOST_DIMENSIONS {
            return Err(self.malformed("at most 8 dimensions"));
        }
        let size = |item: &Value| match *item {
            Value::Int(size) => u64::try_from(size).ok(),
            _ => None,
        };
        let sizes: Option<Vec<u64>> = items.iter().map(size).collect();
        sizes.ok_or_else(|| self.malformed("sizes"))
    }

    fn pop_tuple(&mut self) -> Result<Vec<Value>, PickleError> {
        match self.pop()? {
            Value::Tuple(index) if self.tuples[index].len() <= MOST_ARGUMENTS => {
                Ok(self.tuples[index].clone())
            }
            _ => Err(self.malformed("a tuple of at most 8 arguments")),
        }
    }

    /// The name of a tensor.
    pub(super) fn name(&self, text: Text) -> Result<&'a str, PickleError> {
        if text.len > LONGEST_NAME {
            return Err(self.malformed("a name of at most 512 bytes"));
        }
        self.text(text)
    }
}
