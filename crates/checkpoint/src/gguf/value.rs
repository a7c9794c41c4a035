//! Values of metadata keys as they lie in the file: arrays stay packed, texts stay bytes until they are asked for.

use super::cursor::Cursor;
use super::error::{Counted, GgufError, HeaderFault, KeyFault};
use std::fmt;
use std::io::Read;

/// The type of a single value, or of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 32 bits.
    I32,
    /// A float of 32 bits.
    F32,
    /// A byte, 0 or 1.
    Bool,
    /// A length of 64 bits, then that number of bytes.
    String,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 64 bits.
    I64,
    /// A float of 64 bits.
    F64,
}

/// The format's number of an array.
const ARRAY: u32 = 9;

impl Kind {
    fn from_id(id: u32) -> Option<Kind> {
        Some(match id {
            0 => Kind::U8,
            1 => Kind::I8,
            2 => Kind::U16,
            3 => Kind::I16,
            4 => Kind::U32,
            5 => Kind::I32,
            6 => Kind::F32,
            7 => Kind::Bool,
            8 => Kind::String,
            10 => Kind::U64,
            11 => Kind::I64,
            12 => Kind::F64,
            _ => return None,
        })
    }

    /// The format's number of it.
    fn id(self) -> u32 {
        match self {
            Kind::U8 => 0,
            Kind::I8 => 1,
            Kind::U16 => 2,
            Kind::I16 => 3,
            Kind::U32 => 4,
            Kind::I32 => 5,
            Kind::F32 => 6,
            Kind::Bool => 7,
            Kind::String => 8,
            Kind::U64 => 10,
            Kind::I64 => 11,
            Kind::F64 => 12,
        }
    }

    /// Its name, as gguf-py writes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::U8 => "u8",
            Kind::I8 => "i8",
            Kind::U16 => "u16",
            Kind::I16 => "i16",
            Kind::U32 => "u32",
            Kind::I32 => "i32",
            Kind::F32 => "f32",
            Kind::Bool => "bool",
            Kind::String => "string",
            Kind::U64 => "u64",
            Kind::I64 => "i64",
            Kind::F64 => "f64",
        }
    }

    /// Bytes of one; of a string, of its length alone.
    fn bytes(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 | Kind::Bool => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 | Kind::String => 8,
        }
    }
}

/// One number, flag or text, whatever its width in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// A whole number.
    Integer(i128),
    /// A float.
    Float(f64),
    /// A flag.
    Flag(bool),
    /// Bytes that should be UTF-8.
    Text(&'a [u8]),
}

/// The value of a metadata key.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    kind: Kind,
    held: Held,
}

#[derive(Debug, Clone, PartialEq)]
enum Held {
    /// The bytes of one value; of a text without its length.
    One(Vec<u8>),
    Array(Array),
}

impl Value {
    pub(super) fn read<R: Read>(cursor: &mut Cursor<'_, R>) -> Result<Value, GgufError> {
        let id = cursor.u32()?;
        let kind = |cursor: &Cursor<'_, R>, id| {
            Kind::from_id(id).ok_or_else(|| cursor.fault(HeaderFault::UnknownKind(id)))
        };
        if id == ARRAY {
            let inner = cursor.u32()?;
            if inner == ARRAY {
                return Err(cursor.fault(HeaderFault::NestedArray));
            }
            let kind = kind(cursor, inner)?;
            return Ok(Value { kind, held: Held::Array(Array::read(kind, cursor)?) });
        }
        let kind = kind(cursor, id)?;
        let mut bytes = Vec::new();
        let len = if kind == Kind::String { cursor.u64()? } else { kind.bytes() as u64 };
        cursor.append(len, &mut bytes)?;
        if kind == Kind::Bool {
            check_flags(cursor, &bytes)?;
        }
        Ok(Value { kind, held: Held::One(bytes) })
    }

    /// Appends the value with its type, as a file has it.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        match &self.held {
            Held::One(bytes) => {
                into.extend(self.kind.id().to_le_bytes());
                if self.kind == Kind::String {
                    into.extend((bytes.len() as u64).to_le_bytes());
                }
                into.extend(bytes);
            }
            Held::Array(array) => array.write(into),
        }
    }

    /// The single value; `None` for an array.
    pub fn item(&self) -> Option<Item<'_>> {
        match &self.held {
            Held::One(bytes) => Some(item(self.kind, bytes)),
            Held::Array(_) => None,
        }
    }

    /// The array; `None` for a single value.
    pub fn array(&self) -> Option<&Array> {
        match &self.held {
            Held::One(_) => None,
            Held::Array(array) => Some(array),
        }
    }

    /// The name of its type.
    pub fn type_name(&self) -> String {
        match &self.held {
            Held::One(_) => self.kind.name().to_owned(),
            Held::Array(_) => format!("array of {}", self.kind.name()),
        }
    }
}

/// A value as one line: texts escaped and cut, arrays by their length.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters of a text that are shown.
        const SHOWN: usize = 100;
        match &self.held {
            Held::Array(array) => write!(f, "{} x {}", array.len(), self.kind.name()),
            Held::One(bytes) => match item(self.kind, bytes) {
                Item::Integer(number) => write!(f, "{number}"),
                // As it was written: widened, 0.1 would show more digits than it has.
                Item::Float(number) if self.kind == Kind::F32 => write!(f, "{}", number as f32),
                Item::Float(number) => write!(f, "{number}"),
                Item::Flag(flag) => write!(f, "{flag}"),
                Item::Text(bytes) => {
                    let text = String::from_utf8_lossy(bytes);
                    let start: String = text.chars().take(SHOWN).collect();
                    let more = if start.len() < text.len() { "..." } else { "" };
                    write!(f, "'{}'{more}", start.escape_debug())
                }
            },
        }
    }
}

/// Values of one type, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    kind: Kind,
    bytes: Vec<u8>,
    /// Where each text ends in `bytes`; empty for other types.
    ends: Vec<u32>,
}

impl Array {
    fn read<R: Read>(kind: Kind, cursor: &mut Cursor<'_, R>) -> Result<Array, GgufError> {
        let count = cursor.u64()?;
        cursor.expect(count, kind.bytes() as u64)?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        if kind != Kind::String {
            cursor.append(count * kind.bytes() as u64, &mut bytes)?;
            if kind == Kind::Bool {
                check_flags(cursor, &bytes)?;
            }
            return Ok(Array { kind, bytes, ends });
        }
        for _ in 0..count {
            let len = cursor.u64()?;
            cursor.append(len, &mut bytes)?;
            // The largest header is smaller than this.
            ends.push(u32::try_from(bytes.len()).map_err(|_| {
                let (what, count, most) = (Counted::HeaderBytes, len, u64::from(u32::MAX));
                cursor.fault(HeaderFault::TooMany { what, count, most })
            })?);
        }
        Ok(Array { kind, bytes, ends })
    }

    fn write(&self, into: &mut Vec<u8>) {
        into.extend(ARRAY.to_le_bytes());
        into.extend(self.kind.id().to_le_bytes());
        into.extend((self.len() as u64).to_le_bytes());
        if self.kind != Kind::String {
            into.extend(&self.bytes);
            return;
        }
        for item in self.iter() {
            if let Item::Text(text) = item {
                into.extend((text.len() as u64).to_le_bytes());
                into.extend(text);
            }
        }
    }

    /// The type of its elements.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self.kind {
            Kind::String => self.ends.len(),
            _ => self.bytes.len() / self.kind.bytes(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`; `None` past the end.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        if self.kind == Kind::String {
            let end = *self.ends.get(index)?;
            let start = if index == 0 { 0 } else { self.ends[index - 1] };
            return Some(Item::Text(&self.bytes[start as usize..end as usize]));
        }
        let size = self.kind.bytes();
        let bytes = self.bytes.get(index.checked_mul(size)?..)?.get(..size)?;
        Some(item(self.kind, bytes))
    }

    /// Its elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// The texts of an array, each known to be UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct Strings<'a> {
    array: &'a Array,
}

impl<'a> Strings<'a> {
    /// Checks every text once.
    pub(super) fn of(array: &'a Array) -> Result<Strings<'a>, KeyFault> {
        let text = |item| matches!(item, Item::Text(bytes) if std::str::from_utf8(bytes).is_ok());
        match array.iter().all(text) {
            true => Ok(Strings { array }),
            false => Err(KeyFault::NotUtf8),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.array.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.array.is_empty()
    }

    /// The text at `index`; `None` past the end.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        match self.array.get(index)? {
            Item::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let array = self.array;
        (0..array.len()).filter_map(move |index| Strings { array }.get(index))
    }
}

fn check_flags<R: Read>(cursor: &Cursor<'_, R>, bytes: &[u8]) -> Result<(), GgufError> {
    match bytes.iter().find(|&&byte| byte > 1) {
        Some(&byte) => Err(cursor.fault(HeaderFault::BadFlag(byte))),
        None => Ok(()),
    }
}

/// Reads one value; `bytes` are as many as its type has.
fn item(kind: Kind, bytes: &[u8]) -> Item<'_> {
    let mut wide = [0; 8];
    let len = bytes.len().min(8);
    wide[..len].copy_from_slice(&bytes[..len]);
    let unsigned = u64::from_le_bytes(wide);
    // Sign extension: the value's own sign bit is shifted to the top and back.
    let shift = 64 - 8 * u32::try_from(kind.bytes()).unwrap_or(8);
    let signed = (i64::from_le_bytes(wide) << shift) >> shift;
    match kind {
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => Item::Integer(unsigned.into()),
        Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64 => Item::Integer(signed.into()),
        Kind::F32 => {
            let [a, b, c, d, ..] = wide;
            Item::Float(f32::from_le_bytes([a, b, c, d]).into())
        }
        Kind::F64 => Item::Float(f64::from_le_bytes(wide)),
        Kind::Bool => Item::Flag(unsigned != 0),
        Kind::String => Item::Text(bytes),
    }
}
