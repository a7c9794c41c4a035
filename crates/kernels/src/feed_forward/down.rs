//! The second half of the feed-forward: adds each listed neuron's down column, neuron by neuron.

use crate::element::Element;
use crate::encoding::dispatch;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::split::{Block, blocks};
use crate::weighted::add_each;
use crate::{Compute, RecordLayout};

/// `out += acts[record] * down[record]` for each token, in the order of the list: one fused
/// multiply-add per neuron and column, none for an activation of zero.
///
/// `records` are payloads of `layout` in ascending order of their neurons, `acts` is tokens x
/// `records.len()`, `out` tokens x `layout.width()`.
///
/// # Panics
/// When the sizes do not agree, or numbers share scales: a column is cut between any two numbers.
pub fn accumulate_down(
    c: &Compute,
    layout: &RecordLayout,
    records: &[&[u8]],
    acts: &[f32],
    out: &mut [f32],
) {
    let width = layout.width();
    let tokens = out.len() / width;
    assert_eq!(out.len(), tokens * width, "accumulate_down adds to whole rows");
    assert_eq!(acts.len(), tokens * records.len(), "one activation per token and record");
    let touched = acts.iter().filter(|&&act| act != 0.0).count() * layout.row_bytes();
    // One strip per thread: a narrower one would cut the down columns into shorter reads.
    let columns = width.div_ceil(c.threads()).next_multiple_of(4 * LANES);
    c.share(touched, blocks(out, width, columns), |block| {
        let path = c.path();
        dispatch!(
            layout.element(),
            number encoding => path.run(Columns { encoding, layout, records, acts, block }),
            block _ => panic!("no down columns of {}", layout.element()),
        );
    });
}

/// A strip of columns against all tokens.
struct Columns<'a, 'b, E> {
    #[expect(dead_code, reason = "its type is what counts")]
    encoding: E,
    layout: &'a RecordLayout,
    records: &'a [&'a [u8]],
    acts: &'a [f32],
    block: Block<'b>,
}

/// Records added to every token before the next ones are read: their strips stay in the second cache.
const PANEL: usize = 64;

impl<E: Element> Kernel for Columns<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Columns { layout, records, acts, mut block, .. } = self;
        let element = E::CHUNK_BYTES / LANES;
        let start = layout.down().start + block.first * element;
        let bytes = start..start + block.len() * element;
        let panel = if block.tokens.len() > 1 { PANEL } else { records.len().max(1) };
        let mut active: Vec<(f32, &[u8])> = Vec::with_capacity(panel.min(records.len()));
        for first in (0..records.len()).step_by(panel) {
            let panel = &records[first..records.len().min(first + panel)];
            for (token, out) in block.tokens.iter_mut().enumerate() {
                let acts = &acts[token * records.len() + first..][..panel.len()];
                let nonzero = acts.iter().zip(panel).filter(|(act, _)| **act != 0.0);
                active.clear();
                active.extend(nonzero.map(|(act, record)| (*act, &record[bytes.clone()])));
                add_each::<L, E>(lanes, active.len(), |index| active[index], out);
            }
        }
    }
}
