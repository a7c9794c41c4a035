//! Reads the wire format of protocol buffers: fields one after the other, nothing else.

/// The fields of a message, as far as they are well-formed.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    /// A whole number, flag or enumeration.
    Number(u64),
    /// Four bytes: a float.
    Fixed(u32),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// Eight bytes, which no field of ours has.
    Wide,
}

/// A message is cut short or not one.
#[derive(Debug, PartialEq)]
pub(super) struct Malformed;

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.number()?;
        let field = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => self.take(8).map(|_| Field::Wide)?,
            2 => {
                let len = usize::try_from(self.number()?).ok()?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed(u32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            _ => return None,
        };
        Some((key >> 3, field))
    }

    /// Seven bits in each byte, the lowest first; the top bit says that more follow.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.take(1)?[0]);
            number |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Malformed);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u64, Field<'_>)>, Malformed> {
        Fields::of(message).collect()
    }

    #[test]
    fn fields_come_in_order_with_their_kinds() {
        let message = [0x08, 0xac, 0x02, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let fields = all(&message).unwrap();
        assert_eq!(fields[0], (1, Field::Number(300)));
        assert_eq!(fields[1], (2, Field::Bytes(b"hi")));
        assert_eq!(fields[2], (3, Field::Fixed(1f32.to_bits())));
        assert_eq!(all(&[0x09, 1, 2, 3, 4, 5, 6, 7, 8]), Ok(vec![(1, Field::Wide)]));
    }

    #[test]
    fn cut_and_endless_messages_are_malformed() {
        for message in [&[0x08][..], &[0x12, 5, 1], &[0x1d, 0, 0], &[0x0b], &[0x08; 1], &[0xff; 12]]
        {
            assert_eq!(all(message), Err(Malformed), "{message:?}");
        }
        let longest = [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(all(&longest), Err(Malformed));
    }
}
