//! How many bits a quantised activation has.

use crate::lanes::{Bytes, Products};

/// Integers of one width, sixty-four to a piece, arranged as the products take them.
pub(crate) trait Width: Copy + Send + Sync + 'static {
    /// The largest magnitude of a code.
    const LARGEST: f32;

    /// Sixty-four codes.
    type Piece: Copy + Send + Sync;

    /// Sixty-four zeros.
    const ZERO: Self::Piece;

    /// Puts sixteen codes where quarter `quarter` of the weights' bytes meets them.
    fn put<P: Products>(products: P, piece: &mut Self::Piece, quarter: usize, codes: P::I);

    /// A piece with quarter `quarter` of `piece` in each of its own.
    fn spread(piece: &Self::Piece, quarter: usize) -> Self::Piece;

    /// Adds the products of a piece with sixty-four unsigned codes of weights, four to a sum.
    fn dot<P: Products>(
        products: P,
        sum: P::I,
        codes: <P::L as Bytes>::B,
        piece: &Self::Piece,
        wide: bool,
    ) -> P::I;
}

/// Codes of 8 bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eight;

/// Codes of 16 bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sixteen;

/// Sixty-four codes of 8 bits in their order.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytewise([i8; 64]);

/// Sixty-four codes of 16 bits: those at even places, then those at odd ones, as bytes of weights are widened
/// in place.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct EvenAndOdd([[i16; 32]; 2]);

impl Width for Eight {
    const LARGEST: f32 = 127.0;

    type Piece = Bytewise;

    const ZERO: Bytewise = Bytewise([0; 64]);

    #[inline(always)]
    fn put<P: Products>(products: P, piece: &mut Bytewise, quarter: usize, codes: P::I) {
        products.store8(codes, &mut piece.0.as_chunks_mut().0[quarter]);
    }

    fn spread(piece: &Bytewise, quarter: usize) -> Bytewise {
        let mut spread = Self::ZERO;
        let from: &[i8; 16] = &piece.0.as_chunks().0[quarter];
        spread.0.as_chunks_mut().0.iter_mut().for_each(|to| *to = *from);
        spread
    }

    #[inline(always)]
    fn dot<P: Products>(
        products: P,
        sum: P::I,
        codes: <P::L as Bytes>::B,
        piece: &Bytewise,
        wide: bool,
    ) -> P::I {
        products.dot8(sum, codes, &piece.0, wide)
    }
}

impl Width for Sixteen {
    const LARGEST: f32 = 32767.0;

    type Piece = EvenAndOdd;

    const ZERO: EvenAndOdd = EvenAndOdd([[0; 32]; 2]);

    #[inline(always)]
    fn put<P: Products>(products: P, piece: &mut EvenAndOdd, quarter: usize, codes: P::I) {
        let [even, odd] = &mut piece.0;
        let even = &mut even.as_chunks_mut().0[quarter];
        products.store16(codes, even, &mut odd.as_chunks_mut().0[quarter]);
    }

    fn spread(piece: &EvenAndOdd, quarter: usize) -> EvenAndOdd {
        let mut spread = Self::ZERO;
        for (to, from) in spread.0.iter_mut().zip(&piece.0) {
            let from: &[i16; 8] = &from.as_chunks().0[quarter];
            to.as_chunks_mut().0.iter_mut().for_each(|to| *to = *from);
        }
        spread
    }

    #[inline(always)]
    fn dot<P: Products>(
        products: P,
        sum: P::I,
        codes: <P::L as Bytes>::B,
        piece: &EvenAndOdd,
        _wide: bool,
    ) -> P::I {
        products.dot16(sum, codes, &piece.0)
    }
}
