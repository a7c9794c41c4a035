//! The stack machine of a pickle, with the instructions that state dictionaries use.

use super::global::Global;
use super::value::{Text, Value};
use super::{PickleError, Storage, Tensor};
use std::collections::HashMap;

/// Most values that are pushed in all, and most things under marks or in the memo: real files stay under a
/// quarter. Everything that is kept was pushed once, so this bounds memory.
const MOST: usize = 1 << 18;

/// Where a pickle is being read.
pub(super) struct Machine<'a> {
    program: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Values that were pushed so far.
    pushed: usize,
    /// Heights of the stack that were marked.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    pub(super) tuples: Vec<Vec<Value>>,
    pub(super) dictionaries: Vec<Vec<(Value, Value)>>,
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: Vec<Tensor>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(program: &'a [u8]) -> Machine<'a> {
        Machine {
            program,
            at: 0,
            stack: Vec::new(),
            pushed: 0,
            marks: Vec::new(),
            memo: HashMap::new(),
            tuples: Vec::new(),
            dictionaries: Vec::new(),
            storages: Vec::new(),
            tensors: Vec::new(),
        }
    }

    /// Runs to the end; gives what the pickle describes.
    pub(super) fn run(&mut self) -> Result<Value, PickleError> {
        loop {
            let at = self.at;
            let [code] = self.take()?;
            if code == b'.' {
                return self.pop();
            }
            self.instruction(at, code)?;
            if self.pushed.max(self.marks.len()).max(self.memo.len()) > MOST {
                return Err(PickleError::TooMuch { at, most: MOST });
            }
        }
    }

    fn instruction(&mut self, at: usize, code: u8) -> Result<(), PickleError> {
        match code {
            // Version and framing say nothing about the contents.
            0x80 => self.take::<1>().map(drop),
            0x95 => self.take::<8>().map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'}' => self.push_dictionary(),
            b'c' | 0x93 => self.global(at, code),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memory(code),
            b')' | b't' | 0x85..=0x87 => self.tuple(code),
            b'K' | b'M' | b'J' | 0x8a | b'G' | b'N' | 0x88 | 0x89 => self.number(code),
            b'X' | 0x8c => self.literal(code),
            b's' | b'u' => self.set_items(code),
            b'b' => self.build(),
            b'Q' => self.persistent(),
            b'R' => self.reduce(),
            code => Err(PickleError::Instruction { at, code }),
        }
    }

    /// The memo: store the top of the stack, or push what was stored.
    fn memory(&mut self, code: u8) -> Result<(), PickleError> {
        let key = match code {
            b'q' | b'h' => u32::from(self.take::<1>()?[0]),
            b'r' | b'j' => u32::from_le_bytes(self.take()?),
            _ => self.memo.len() as u32,
        };
        if matches!(code, b'h' | b'j') {
            let known = self.memo.get(&key).copied();
            self.push(known.ok_or_else(|| self.malformed("a value met before"))?);
            return Ok(());
        }
        let top = self.stack.last().copied().ok_or_else(|| self.malformed("a value"))?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn tuple(&mut self, code: u8) -> Result<(), PickleError> {
        let items = match code {
            b')' => Vec::new(),
            b't' => self.pop_to_mark()?,
            // One to three items: the code says how many.
            _ => self.pop_many(usize::from(code - 0x84))?,
        };
        self.tuples.push(items);
        self.push(Value::Tuple(self.tuples.len() - 1));
        Ok(())
    }

    fn number(&mut self, code: u8) -> Result<(), PickleError> {
        let value = match code {
            b'K' => Value::Int(i64::from(self.take::<1>()?[0])),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.take()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.take()?))),
            0x8a => Value::Int(self.long()?),
            b'G' => {
                self.take::<8>()?;
                Value::Other
            }
            _ => Value::Other,
        };
        self.push(value);
        Ok(())
    }

    /// A whole number of up to eight bytes, least first, the last one's top bit its sign.
    fn long(&mut self) -> Result<i64, PickleError> {
        let [len] = self.take()?;
        let bytes = self.take_slice(usize::from(len))?;
        let negative = bytes.last().is_some_and(|&last| last >= 0x80);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        let into = all.get_mut(..bytes.len());
        into.ok_or_else(|| self.malformed("a number of 64 bits"))?.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(all))
    }

    fn literal(&mut self, code: u8) -> Result<(), PickleError> {
        let len = match code {
            b'X' => u32::from_le_bytes(self.take()?),
            _ => u32::from(self.take::<1>()?[0]),
        };
        let start = self.at as u32;
        self.take_slice(len as usize)?;
        self.push(Value::Text(Text { start, len }));
        Ok(())
    }

    /// Names something of Python: two lines, or two texts on the stack.
    fn global(&mut self, at: usize, code: u8) -> Result<(), PickleError> {
        let (module, name) = match code {
            b'c' => (self.line()?, self.line()?),
            _ => match self.pop_many(2)?[..] {
                [Value::Text(module), Value::Text(name)] => (self.text(module)?, self.text(name)?),
                _ => return Err(self.malformed("a module and a name")),
            },
        };
        let global = Global::named(module, name).ok_or_else(|| {
            let name = format!("{module}.{name}").chars().take(80).collect();
            PickleError::Forbidden { at, name }
        })?;
        self.push(Value::Global(global));
        Ok(())
    }

    fn set_items(&mut self, code: u8) -> Result<(), PickleError> {
        let items = if code == b's' { self.pop_many(2)? } else { self.pop_to_mark()? };
        let (pairs, rest) = items.as_chunks::<2>();
        match self.stack.last() {
            Some(&Value::Dictionary(index)) if rest.is_empty() => {
                self.dictionaries[index].extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(self.malformed("a dictionary and pairs for it")),
        }
    }

    /// Attributes of a dictionary (its metadata): not of use here.
    fn build(&mut self) -> Result<(), PickleError> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Dictionary(_)) => Ok(()),
            _ => Err(self.malformed("a dictionary")),
        }
    }

    pub(super) fn push_dictionary(&mut self) -> Result<(), PickleError> {
        self.dictionaries.push(Vec::new());
        self.push(Value::Dictionary(self.dictionaries.len() - 1));
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value) {
        self.pushed += 1;
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Result<Value, PickleError> {
        // Values under a mark belong to an earlier instruction.
        match self.marks.last() {
            Some(&mark) if self.stack.len() <= mark => Err(self.malformed("a value")),
            _ => self.stack.pop().ok_or_else(|| self.malformed("a value")),
        }
    }

    /// Takes `count` values, the deepest first.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, PickleError> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        values.reverse();
        Ok(values)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.malformed("a mark")),
        }
    }

    pub(super) fn malformed(&self, expected: &'static str) -> PickleError {
        PickleError::Malformed { at: self.at, expected }
    }

    pub(super) fn dictionary(&self, index: usize) -> &[(Value, Value)] {
        &self.dictionaries[index]
    }

    pub(super) fn tensor(&self, index: usize) -> &Tensor {
        &self.tensors[index]
    }

    pub(super) fn text(&self, text: Text) -> Result<&'a str, PickleError> {
        let bytes = &self.program[text.start as usize..][..text.len as usize];
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a text in UTF-8"))
    }

    /// The rest of a line.
    fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = &self.program[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n');
        let len = len.ok_or(PickleError::Truncated { at: self.program.len() })?;
        self.at += len + 1;
        std::str::from_utf8(&rest[..len]).map_err(|_| self.malformed("a name in UTF-8"))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let bytes = self.program[self.at..].first_chunk().copied();
        self.at += N;
        bytes.ok_or(PickleError::Truncated { at: self.program.len() })
    }

    fn take_slice(&mut self, len: usize) -> Result<&'a [u8], PickleError> {
        let bytes = self.program[self.at..].get(..len);
        let bytes = bytes.ok_or(PickleError::Truncated { at: self.program.len() })?;
        self.at += len;
        Ok(bytes)
    }
}
