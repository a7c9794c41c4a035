//! Lists with a limit: what a count claims is compared with it before an item is decoded.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// Layers, and lists with one entry for each.
pub(super) const LAYERS: usize = 1 << 16;

/// Dense tensors.
pub(super) const TENSORS: usize = 1 << 18;

/// Sizes of a tensor. How many a tensor may have in the end is checked later, and named.
pub(super) const SIZES: usize = 1 << 10;

/// Text files.
pub(super) const TEXTS: usize = 1 << 10;

/// Points of a calibration.
pub(super) const POINTS: usize = 1 << 16;

/// Decodes a list of at most `MOST` items. An item may take more memory than bytes of the payload (a predictor
/// that is not there is one byte), so a payload of the largest size could otherwise take forty times as much.
pub(super) fn at_most<'de, const MOST: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    decoder: D,
) -> Result<Vec<T>, D::Error> {
    decoder.deserialize_seq(Items::<T, MOST>(PhantomData))
}

struct Items<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        // The encoding puts the count first, so the hint is exact; the items grow one by one all the same.
        let claimed = items.size_hint().unwrap_or(0);
        if claimed > MOST {
            return Err(A::Error::custom(format!("a list of {claimed}, at most {MOST}")));
        }
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::custom(format!("a list of more than {MOST}")));
            }
            list.push(item);
        }
        Ok(list)
    }
}
