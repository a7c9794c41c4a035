//! The encodings of weights as types, and the one place where a data type becomes such a type.

pub(crate) mod blocks;
pub(crate) mod five_bits;
pub(crate) mod four_bits;
pub(crate) mod q2_k;
pub(crate) mod q3_k;
pub(crate) mod q4_k;
pub(crate) mod q5_k;
pub(crate) mod q6_k;
pub(crate) mod q8_0;
pub(crate) mod tables;

use crate::dot::dot_each;
use crate::element::Element;
use crate::few::{self, dot_few};
use crate::lanes::{Lanes, Line};
use crate::tile::{PackedInputs, dot_panels};
use crate::widen::WidenRow;
use blocks::{Blocks, Widen};
use std::marker::PhantomData;

/// An encoding: how the bytes of a row become numbers and products.
pub(crate) trait Encoding: WidenRow {
    /// The dot products of rows `0..count` with every vector, handed to `put(row, vector, dot)`.
    ///
    /// `row` gives the bytes of a row; all are as long as the vectors.
    fn dot_all<'a, L: Lanes>(
        lanes: L,
        count: usize,
        row: impl Fn(usize) -> &'a [u8],
        x: &PackedInputs<'_>,
        put: impl FnMut(usize, usize, f32),
    );
}

/// Numbers that are stored one by one.
impl<E: Element> WidenRow for E {
    #[inline(always)]
    fn widen<L: Lanes>(lanes: L, row: &[u8], from: usize, to: &mut [Line]) {
        let whole = &E::whole(row)[from..];
        for (to, chunk) in to.iter_mut().zip(whole) {
            lanes.store(E::load(lanes, chunk), &mut to.0);
        }
        if let Some(last) = to.get_mut(whole.len()) {
            lanes.store(E::load(lanes, &E::tail(row)), &mut last.0);
        }
    }
}

impl<E: Element> Encoding for E {
    #[inline(always)]
    fn dot_all<'a, L: Lanes>(
        lanes: L,
        count: usize,
        row: impl Fn(usize) -> &'a [u8],
        x: &PackedInputs<'_>,
        mut put: impl FnMut(usize, usize, f32),
    ) {
        match x.plain() {
            Some(x) => dot_each::<L, E>(lanes, count, row, x, |row, dot| put(row, 0, dot)),
            None if L::MANY_REGISTERS && (2..=few::MOST).contains(&x.tokens()) => {
                dot_few::<L, E>(lanes, count, row, x, put);
            }
            None => dot_panels::<L, Self>(lanes, count, row, x, put),
        }
    }
}

/// Numbers that share scales.
#[derive(Clone, Copy)]
pub(crate) struct Quantised<Q>(pub(crate) Q);

impl<Q: Blocks> WidenRow for Quantised<Q> {
    #[inline(always)]
    fn widen<L: Lanes>(lanes: L, row: &[u8], from: usize, to: &mut [Line]) {
        lanes.enter(Widen::<Q> { row, from, to, blocks: PhantomData });
    }
}

impl<Q: Blocks> Encoding for Quantised<Q> {
    #[inline(always)]
    fn dot_all<'a, L: Lanes>(
        lanes: L,
        count: usize,
        row: impl Fn(usize) -> &'a [u8],
        x: &PackedInputs<'_>,
        put: impl FnMut(usize, usize, f32),
    ) {
        dot_panels::<L, Self>(lanes, count, row, x, put);
    }
}

/// Evaluates one of two expressions with the encoding of a data type: the first where numbers are
/// stored one by one (an `Element`), the second where they share scales (`Blocks`).
macro_rules! dispatch {
    ($dtype:expr, number $number:pat => $alone:expr, block $block:pat => $shared:expr $(,)?) => {
        match $dtype {
            $crate::DType::F16 => {
                let $number = $crate::element::F16;
                $alone
            }
            $crate::DType::Bf16 => {
                let $number = $crate::element::Bf16;
                $alone
            }
            $crate::DType::F32 => {
                let $number = $crate::element::F32;
                $alone
            }
            $crate::DType::Q8_0 => {
                let $block = $crate::encoding::q8_0::Q8_0;
                $shared
            }
            $crate::DType::Q4_0 => {
                let $block = $crate::encoding::four_bits::Q4_0;
                $shared
            }
            $crate::DType::Q4_1 => {
                let $block = $crate::encoding::four_bits::Q4_1;
                $shared
            }
            $crate::DType::Q5_0 => {
                let $block = $crate::encoding::five_bits::Q5_0;
                $shared
            }
            $crate::DType::Q5_1 => {
                let $block = $crate::encoding::five_bits::Q5_1;
                $shared
            }
            $crate::DType::Q2K => {
                let $block = $crate::encoding::q2_k::Q2K;
                $shared
            }
            $crate::DType::Q3K => {
                let $block = $crate::encoding::q3_k::Q3K;
                $shared
            }
            $crate::DType::Q4K => {
                let $block = $crate::encoding::q4_k::Q4K;
                $shared
            }
            $crate::DType::Q5K => {
                let $block = $crate::encoding::q5_k::Q5K;
                $shared
            }
            $crate::DType::Q6K => {
                let $block = $crate::encoding::q6_k::Q6K;
                $shared
            }
            $crate::DType::Iq4Nl => {
                let $block = $crate::encoding::tables::Iq4Nl;
                $shared
            }
            $crate::DType::Iq4Xs => {
                let $block = $crate::encoding::tables::Iq4Xs;
                $shared
            }
            $crate::DType::Mxfp4 => {
                let $block = $crate::encoding::tables::Mxfp4;
                $shared
            }
        }
    };
}
pub(crate) use dispatch;
