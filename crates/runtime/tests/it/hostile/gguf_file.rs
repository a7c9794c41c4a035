//! A GGUF file taken apart, so that one thing in it can be spoiled and the rest stay good.

use std::fs;
use std::path::Path;

/// Kinds of metadata values.
pub(super) const U32: u32 = 4;
pub(super) const I32: u32 = 5;
pub(super) const F32: u32 = 6;
pub(super) const TEXT: u32 = 8;
pub(super) const ARRAY: u32 = 9;

/// A file, in its parts.
#[derive(Debug, Clone)]
pub(super) struct GgufParts {
    pub(super) version: u32,
    /// Said instead of how many there are.
    pub(super) counts: (Option<u64>, Option<u64>),
    /// Key, kind and bytes of each value.
    pub(super) keys: Vec<(Vec<u8>, u32, Vec<u8>)>,
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) data: Vec<u8>,
    pub(super) alignment: usize,
}

/// A line of the table of tensors.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    pub(super) name: Vec<u8>,
    pub(super) dims: Vec<u64>,
    pub(super) kind: u32,
    pub(super) offset: u64,
}

/// Reads on.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let (now, rest) = self.0.split_at(bytes);
        self.0 = rest;
        now.to_vec()
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> Vec<u8> {
        let bytes = self.u64() as usize;
        self.take(bytes)
    }

    /// The bytes of a value, with its lengths.
    fn value(&mut self, kind: u32) -> Vec<u8> {
        match kind {
            0 | 1 | 7 => self.take(1),
            2 | 3 => self.take(2),
            U32 | I32 | F32 => self.take(4),
            TEXT => {
                let bytes = self.text();
                [&(bytes.len() as u64).to_le_bytes()[..], &bytes].concat()
            }
            ARRAY => {
                let (kind, items) = (self.u32(), self.u64());
                let mut bytes = [&kind.to_le_bytes()[..], &items.to_le_bytes()].concat();
                (0..items).for_each(|_| bytes.extend(self.value(kind)));
                bytes
            }
            _ => self.take(8),
        }
    }
}

impl GgufParts {
    pub(super) fn read(path: &Path) -> GgufParts {
        let bytes = fs::read(path).unwrap();
        let mut cursor = Cursor(&bytes);
        assert_eq!(cursor.take(4), b"GGUF");
        let (version, tensors, keys) = (cursor.u32(), cursor.u64(), cursor.u64());
        let key = |cursor: &mut Cursor<'_>| {
            let (key, kind) = (cursor.text(), cursor.u32());
            (key, kind, cursor.value(kind))
        };
        let keys = (0..keys).map(|_| key(&mut cursor)).collect();
        let info = |cursor: &mut Cursor<'_>| {
            let (name, dims) = (cursor.text(), cursor.u32());
            let dims = (0..dims).map(|_| cursor.u64()).collect();
            TensorInfo { name, dims, kind: cursor.u32(), offset: cursor.u64() }
        };
        let tensors = (0..tensors).map(|_| info(&mut cursor)).collect();
        let start = (bytes.len() - cursor.0.len()).next_multiple_of(32);
        let data = bytes[start..].to_vec();
        GgufParts { version, counts: (None, None), keys, tensors, data, alignment: 32 }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let text = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat();
        let (tensors, keys) = self.counts;
        let mut all = b"GGUF".to_vec();
        all.extend(self.version.to_le_bytes());
        all.extend(tensors.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        all.extend(keys.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.keys {
            all.extend(text(key));
            all.extend(kind.to_le_bytes());
            all.extend(value);
        }
        for tensor in &self.tensors {
            all.extend(text(&tensor.name));
            all.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| all.extend(dim.to_le_bytes()));
            all.extend(tensor.kind.to_le_bytes());
            all.extend(tensor.offset.to_le_bytes());
        }
        all.resize(all.len().next_multiple_of(self.alignment), 0);
        all.extend(&self.data);
        all
    }

    /// Replaces the value of a key, or adds one.
    pub(super) fn set(&mut self, key: &str, kind: u32, value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        match self.keys.iter_mut().find(|(name, ..)| name == key.as_bytes()) {
            Some(found) => (found.1, found.2) = (kind, value),
            None => self.keys.push((key.as_bytes().to_vec(), kind, value)),
        }
    }

    pub(super) fn set_u32(&mut self, key: &str, value: u32) {
        self.set(key, U32, value.to_le_bytes());
    }

    pub(super) fn set_f32(&mut self, key: &str, value: f32) {
        self.set(key, F32, value.to_le_bytes());
    }

    pub(super) fn set_text(&mut self, key: &str, value: &str) {
        self.set(key, TEXT, [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat());
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.keys.retain(|(name, ..)| name != key.as_bytes());
    }

    pub(super) fn tensor(&mut self, name: &str) -> &mut TensorInfo {
        self.tensors.iter_mut().find(|tensor| tensor.name == name.as_bytes()).unwrap()
    }

    pub(super) fn without(&mut self, name: &str) {
        self.tensors.retain(|tensor| tensor.name != name.as_bytes());
    }
}
