//! Numbers that share scales, sixteen sub-blocks at a time.
//!
//! A round is sixteen sub-blocks of sixteen or of thirty-two numbers: one sub-block per lane, so
//! that a round has one vector of scales and, in integer arithmetic, one vector of sums. Its codes
//! come in two halves of two groups; group g of half h belongs to lanes 4 q + 2 h + g, q = 0 to 3: quarter q
//! of its bytes is the first sixteen codes of that lane's sub-block, and where there are thirty-two,
//! a second register has the others. [`sub_block`] says which sub-block a lane has.

use crate::lanes::{Bytes, Kernel, LANES, Lanes, Line};
use std::marker::PhantomData;

/// How far ahead of its use a cache line of a row is asked for, in bytes.
const AHEAD: usize = 1024;

/// A cache line, in bytes.
const LINE: usize = 64;

/// An encoding in blocks: how sixteen sub-blocks are unpacked.
///
/// A number is `scale * (code - BIAS) - minimum`: a product, then a difference, each rounded.
pub(crate) trait Blocks: Copy {
    /// Numbers per sub-block: 16 or 32.
    const SUB: usize;

    /// What a code stands above the integer that it means: zero, or a power of two.
    const BIAS: u8;

    /// Whether a code may exceed 128.
    const WIDE: bool;

    /// Whether numbers have a minimum.
    const MINIMA: bool;

    /// The stored bytes of sixteen sub-blocks.
    type Round: Round;

    /// The codes of half `half` of a round: two groups of [`Blocks::SUB`] / 16 registers; what is
    /// behind those is never looked at.
    fn codes<L: Bytes>(lanes: L, round: &View<'_, Self>, half: usize) -> [[L::B; 2]; 2];

    /// Scales and minima, lane by lane.
    fn factors<L: Lanes>(lanes: L, round: &View<'_, Self>) -> [L::V; 2];
}

/// The blocks of a round, wherever they lie.
pub(crate) type View<'a, Q> = <<Q as Blocks>::Round as Round>::View<'a>;

/// Which sub-block of a round lane `lane` has, where a sub-block has `size` numbers.
///
/// It is the order in which codes leave the registers that they were unpacked in: of 16 numbers, lane 4 q + r
/// has sub-block 4 r + q; of 32, lane 4 q + 2 h + g has sub-block 8 h + 2 q + g.
pub(crate) const fn sub_block(size: usize, lane: usize) -> usize {
    let (quarter, rest) = (lane / 4, lane % 4);
    match size {
        16 => 4 * rest + quarter,
        _ => 8 * (rest / 2) + 2 * quarter + rest % 2,
    }
}

/// The lane that sub-block `index` of a round belongs to: the inverse of [`sub_block`].
pub(crate) const fn lane_of(size: usize, index: usize) -> usize {
    match size {
        16 => 4 * (index % 4) + index / 4,
        _ => 4 * (index % 8 / 2) + 2 * (index / 8) + index % 2,
    }
}

/// Some stored blocks that together have sixteen sub-blocks.
pub(crate) trait Round: Copy {
    /// Bytes of a round.
    const BYTES: usize;

    /// Blocks of a round.
    const BLOCKS: usize;

    /// The whole rounds of a row.
    fn whole(row: &[u8]) -> &[Self];

    /// The blocks behind the whole rounds of a row, followed by zeros.
    fn tail(row: &[u8]) -> Self;

    /// Its blocks one by one.
    type View<'a>
    where
        Self: 'a;

    /// Its blocks.
    fn view(&self) -> Self::View<'_>;

    /// Blocks of the tails of four rows as one round, where a block is a sub-block: block `4 part + j` of the tail of row q
    /// where lane 4 q + j takes it from; `zero` past the end.
    fn tails<'a>(rows: [&'a [u8]; 4], part: usize, zero: &'a Self) -> Self::View<'a>;

    /// A round of zeros.
    const ZERO: Self;
}

impl<const BYTES: usize, const COUNT: usize> Round for [[u8; BYTES]; COUNT] {
    const BYTES: usize = BYTES * COUNT;
    const BLOCKS: usize = COUNT;

    #[inline(always)]
    fn whole(row: &[u8]) -> &[Self] {
        row.as_chunks::<BYTES>().0.as_chunks::<COUNT>().0
    }

    #[inline(always)]
    fn tail(row: &[u8]) -> Self {
        let mut tail = [[0; BYTES]; COUNT];
        let rest = row.as_chunks::<BYTES>().0.as_chunks::<COUNT>().1;
        tail[..rest.len()].copy_from_slice(rest);
        tail
    }

    type View<'a> = [&'a [u8; BYTES]; COUNT];

    const ZERO: Self = [[0; BYTES]; COUNT];

    #[inline(always)]
    fn view(&self) -> [&[u8; BYTES]; COUNT] {
        self.each_ref()
    }

    #[inline(always)]
    fn tails<'a>(rows: [&'a [u8]; 4], part: usize, zero: &'a Self) -> [&'a [u8; BYTES]; COUNT] {
        let mut view = zero.each_ref();
        for q in 0..4 {
            let rest = rows[q].as_chunks::<BYTES>().0.as_chunks::<COUNT>().1;
            for j in 0..4 {
                if let Some(block) = rest.get(4 * part + j) {
                    view[sub_block(32, 4 * q + j)] = block;
                }
            }
        }
        view
    }
}

/// `N` bytes of a block, or numbers of other things, from `at` on.
#[inline(always)]
pub(crate) fn part<T, const N: usize>(block: &[T], at: usize) -> &[T; N] {
    match block[at..].first_chunk() {
        Some(part) => part,
        None => unreachable!("a field of {N} bytes at {at} of {}", block.len()),
    }
}

/// The binary16 at `at` in each of sixteen blocks, lane by lane.
#[inline(always)]
pub(crate) fn halves<const N: usize>(round: &[&[u8; N]; LANES], at: usize) -> [[u8; 2]; LANES] {
    let mut halves = [[0; 2]; LANES];
    for (lane, half) in halves.iter_mut().enumerate() {
        *half = *part(round[sub_block(32, lane)], at);
    }
    halves
}

/// The same binary16 with the other sign.
#[inline(always)]
pub(crate) fn negated(halves: [[u8; 2]; LANES]) -> [[u8; 2]; LANES] {
    by_lane(|lane| [halves[lane][0], halves[lane][1] ^ 0x80])
}

/// The codes of sixteen blocks that keep two in a byte, sixteen bytes from `at` on: the low ones
/// are the first half of the block.
#[inline(always)]
pub(crate) fn nibbles<L: Bytes, const N: usize>(
    lanes: L,
    round: &[&[u8; N]; LANES],
    at: usize,
    half: usize,
) -> [[L::B; 2]; 2] {
    let block = |group: usize, quarter: usize| part(round[8 * half + 2 * quarter + group], at);
    let even = lanes.quarters([block(0, 0), block(0, 1), block(0, 2), block(0, 3)]);
    let odd = lanes.quarters([block(1, 0), block(1, 1), block(1, 2), block(1, 3)]);
    [low_and_high(lanes, even), low_and_high(lanes, odd)]
}

/// The low and the high four bits of each byte.
#[inline(always)]
pub(crate) fn low_and_high<L: Bytes>(lanes: L, bytes: L::B) -> [L::B; 2] {
    [lanes.right::<0>(bytes, 15), lanes.right::<4>(bytes, 15)]
}

/// Writes the numbers of a row from chunk `from` on; `to` ends with the row or before it. A kernel of its own, or
/// every user of it would have a copy of this much code.
pub(crate) struct Widen<'a, Q> {
    pub(crate) row: &'a [u8],
    pub(crate) from: usize,
    pub(crate) to: &'a mut [Line],
    pub(crate) blocks: PhantomData<Q>,
}

impl<Q: Blocks> Kernel for Widen<'_, Q> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let rounds = Q::Round::whole(self.row);
        // A round of sixteen sub-blocks has as many chunks of sixteen as a sub-block has numbers.
        for (index, to) in (self.from / Q::SUB..).zip(self.to.chunks_mut(Q::SUB)) {
            let tail;
            let round = match rounds.get(index) {
                Some(round) => round,
                None => {
                    tail = Q::Round::tail(self.row);
                    &tail
                }
            };
            let ahead = (&raw const *round).cast::<u8>().wrapping_add(AHEAD);
            for line in (0..Q::Round::BYTES).step_by(LINE) {
                lanes.prefetch(ahead.wrapping_add(line));
            }
            widen_round::<L, Q>(lanes, round, to);
        }
    }
}

/// Writes the numbers of a round to at most [`Blocks::SUB`] lines.
#[inline(always)]
fn widen_round<L: Lanes, Q: Blocks>(lanes: L, round: &Q::Round, to: &mut [Line]) {
    let registers = Q::SUB / LANES;
    let round = &round.view();
    let [scales, minima] = Q::factors(lanes, round);
    let mut factors = [Line::ZERO; 2];
    lanes.store(scales, &mut factors[0].0);
    lanes.store(minima, &mut factors[1].0);
    let bias = lanes.splat(f32::from(Q::BIAS));
    for half in 0..2 {
        for (group, codes) in Q::codes(lanes, round, half).into_iter().enumerate() {
            for (register, codes) in codes.into_iter().take(registers).enumerate() {
                for (quarter, codes) in lanes.unsigned(codes).into_iter().enumerate() {
                    let lane = 4 * quarter + 2 * half + group;
                    let code = lanes.sub(codes, bias);
                    let mut number = lanes.mul(lanes.splat(factors[0].0[lane]), code);
                    if Q::MINIMA {
                        number = lanes.sub(number, lanes.splat(factors[1].0[lane]));
                    }
                    let line = sub_block(Q::SUB, lane) * registers + register;
                    if let Some(to) = to.get_mut(line) {
                        lanes.store(number, &mut to.0);
                    }
                }
            }
        }
    }
}

/// A byte of each of sixteen sub-blocks of sixteen numbers, lane by lane, in every quarter.
#[inline(always)]
pub(crate) fn in_lanes<L: Bytes>(lanes: L, by_sub_block: &[u8; LANES]) -> L::B {
    const ORDER: [u8; 64] = {
        let mut order = [0; 64];
        let mut i = 0;
        while i < 64 {
            order[i] = sub_block(16, i % LANES) as u8;
            i += 1;
        }
        order
    };
    lanes.look_up(by_sub_block, lanes.bytes(&ORDER))
}

/// What `each` gives for every lane.
#[inline(always)]
pub(crate) fn by_lane<T: Copy + Default>(each: impl Fn(usize) -> T) -> [T; LANES] {
    let mut all = [T::default(); LANES];
    for (lane, to) in all.iter_mut().enumerate() {
        *to = each(lane);
    }
    all
}
