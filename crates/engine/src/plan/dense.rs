//! Dense weights on a small budget: which matrices stay, which are streamed for every pass, and which
//! tables are read row by row.
//!
//! A byte of a matrix that stays saves a byte of reading for every token, which no slot of the cache can
//! beat. So dense weights come first, and as few matrices as possible are streamed.

use super::copies::copy_bytes;
use crate::OpenModel;
use flint_geometry::SECTOR;
use flint_iobuf::PAGE;
use flint_model::{Affine, LayerPart, TensorRole};

/// Most bytes of a matrix that are read as one: enough for the throughput of a disk.
const SMALL_PIECE: u64 = 512 << 10;

/// The same where memory is no matter and nothing but streams is read. A piece is handed to all threads and waited
/// for, twice with its checksum, so fewer pieces leave more time for computing. Beside records that someone waits for,
/// megabytes on their way delay those: opt-6.7b in sparse mode at 25 % took 1.97 s per token with small pieces and 2.48
/// with large ones.
const LARGE_PIECE: u64 = 4 << 20;

/// A matrix is cut into about this many pieces, so that the ring stays small beside it.
const PIECES_PER_MATRIX: u64 = 8;

/// Places of the smallest ring: one to compute on and two on their way.
const LEAST_RING: u32 = 3;

/// Places of a ring where memory is no matter: enough on their way to keep a fast disk busy.
const LARGE_RING: u32 = 16;

/// Bytes of a row's checksum in memory.
const ROW_CHECK_BYTES: u64 = size_of::<u32>() as u64;

/// Places for table rows that are read at once.
const ROW_PLACES: u32 = 8;

/// One dense tensor as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DenseTensor {
    /// What it is for.
    pub role: TensorRole,
    /// Rows; 1 for a vector.
    pub rows: u64,
    /// Bytes of a row as stored.
    pub row_bytes: u64,
    /// Bytes when held in memory.
    pub held_bytes: u64,
    /// Bytes of a copy in 4 bits; `None` where there is none to be had.
    pub copy_bytes: Option<u64>,
    /// Whether it is a table of which a token needs one row.
    pub table: bool,
    /// Whether it is multiplied.
    pub matrix: bool,
    /// Whether it is only needed for logits, which not every pass ends in.
    pub for_logits: bool,
}

/// Everything dense of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseCosts {
    /// In the order of a forward pass.
    pub tensors: Vec<DenseTensor>,
    /// Neuron biases, as f32.
    pub bias_bytes: u64,
    /// Reads start and end on multiples of this.
    pub alignment: u64,
}

impl DenseCosts {
    /// Lists what a model computes with, the tensors in the order of a forward pass.
    pub(crate) fn of(files: &OpenModel, alignment: u64) -> DenseCosts {
        let architecture = &files.architecture;
        let specs = match files.records() {
            Some(_) => architecture.dense_tensors(),
            None => architecture.all_tensors(),
        };
        let tensors = specs.into_iter().filter_map(|spec| {
            let stored = files.tensors.get(spec.role)?;
            let rows = if spec.dims.len() > 1 { spec.dims[0] as u64 } else { 1 };
            let is_head = spec.role == architecture.head_matrix();
            let table = matches!(spec.role, TensorRole::TokenEmbedding | TensorRole::Positions);
            // Of which an expert needs one row, and which are small.
            let of_experts = matches!(spec.role, TensorRole::Layer(_, LayerPart::ExpertBias(_)));
            let numbers: usize = spec.dims.iter().product();
            Some(DenseTensor {
                role: spec.role,
                rows,
                row_bytes: stored.bytes() / rows,
                held_bytes: match spec.dims.len() {
                    1 => (numbers * size_of::<f32>()) as u64,
                    _ => stored.bytes().next_multiple_of(PAGE as u64),
                },
                copy_bytes: copy_bytes(rows, numbers as u64 / rows, stored.bytes()),
                table,
                matrix: spec.dims.len() > 1 && (!table || is_head) && !of_experts,
                for_logits: is_head || spec.role == TensorRole::ProjectOut,
            })
        });
        let tensors = tensors.collect();
        let biases = files.records().into_iter().flat_map(|bundle| {
            let layers = 0..bundle.shape().layers;
            layers.flat_map(|layer| [bundle.gate_bias(layer), bundle.up_bias(layer)]).flatten()
        });
        let biases = biases.map(|bias| bias.dims.iter().product::<u64>() * size_of::<f32>() as u64);
        DenseCosts { tensors, bias_bytes: biases.sum(), alignment }
    }
}

/// Matrices that are read in one cycle.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamPlan {
    /// Each matrix with the rows of its pieces, in the order in which they are multiplied.
    pub matrices: Vec<(TensorRole, u64)>,
    /// Bytes of one place of the ring.
    pub place_bytes: usize,
    /// Places of the ring.
    pub places: u32,
}

/// What happens to each dense tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct DensePlan {
    /// Matrices of the layers that are read for every pass.
    pub body: StreamPlan,
    /// Matrices that are read whenever logits are wanted.
    pub head: StreamPlan,
    /// Tables that are not held: a token's row is read when it is needed.
    pub by_row: Vec<TensorRole>,
    /// Dense weights, biases and buffers for reading the others.
    pub bytes: u64,
    /// Bytes of one place for a row, and how many there are.
    pub rows: (usize, u32),
}

impl DensePlan {
    /// Everything in memory.
    pub fn hold_all(costs: &DenseCosts) -> DensePlan {
        DensePlan::build(costs, &[], Vec::new())
    }

    /// Everything in memory but tables of which a token needs one row.
    pub fn hold_matrices(costs: &DenseCosts) -> DensePlan {
        let tables = costs.tensors.iter().filter(|tensor| tensor.table && !tensor.matrix);
        DensePlan::build(costs, &[], tables.map(|tensor| tensor.role).collect())
    }

    /// The plan with the fewest streamed matrices that takes at most `bytes`; the smallest there is when
    /// none fits.
    pub fn within(costs: &DenseCosts, bytes: u64) -> DensePlan {
        DensePlan::within_beside(costs, bytes, &|_| 0)
    }

    /// The same where each streamed matrix has as many bytes beside it as `beside` says.
    pub(super) fn within_beside(
        costs: &DenseCosts,
        bytes: u64,
        beside: &dyn Fn(&DenseTensor) -> u64,
    ) -> DensePlan {
        let mut left = bytes;
        let mut plan = DensePlan::hold_all(costs);
        if plan.bytes <= bytes {
            return plan;
        }
        plan = DensePlan::hold_matrices(costs);
        let mut streamed = Vec::new();
        for role in streaming_order(costs) {
            if plan.bytes <= left {
                break;
            }
            streamed.push(role);
            let mut by_row = plan.by_row;
            if let Some(tensor) = costs.tensors.iter().find(|tensor| tensor.role == role) {
                left = left.saturating_sub(beside(tensor));
                by_row.extend(tensor.table.then_some(role));
            }
            plan = DensePlan::build(costs, &streamed, by_row);
        }
        plan
    }

    /// The smallest plan.
    pub fn least(costs: &DenseCosts) -> DensePlan {
        DensePlan::within(costs, 0)
    }

    /// The same with longer rings, more bytes on their way: each of at most `most` bytes, and all together at most `room`
    /// more than they take. Pieces are larger, too, where nothing but streams is read (`alone`).
    pub fn with_long_rings(
        mut self,
        costs: &DenseCosts,
        most: u64,
        mut room: u64,
        alone: bool,
    ) -> DensePlan {
        for stream in [&mut self.body, &mut self.head] {
            let longer = costs.longer(stream, most.min(stream.bytes() + room), alone);
            if longer.bytes() > stream.bytes() {
                let added = longer.bytes() - stream.bytes();
                (self.bytes, room) = (self.bytes + added, room - added);
                *stream = longer;
            }
        }
        self
    }

    /// Whether everything dense is held.
    pub fn holds_all(&self) -> bool {
        let streams = [&self.body, &self.head];
        self.by_row.is_empty() && streams.iter().all(|stream| stream.matrices.is_empty())
    }

    /// Whether this matrix is streamed.
    pub fn streams(&self, role: TensorRole) -> bool {
        self.body.matrices.iter().chain(&self.head.matrices).any(|(other, _)| *other == role)
    }

    fn build(costs: &DenseCosts, streamed: &[TensorRole], by_row: Vec<TensorRole>) -> DensePlan {
        let stream = |for_logits| {
            let some = costs.tensors.iter().filter(|tensor| streamed.contains(&tensor.role));
            costs.stream(some.filter(|tensor| tensor.for_logits == for_logits), SMALL_PIECE)
        };
        let (body, head) = (stream(false), stream(true));
        let away = |role| streamed.contains(&role) || by_row.contains(&role);
        let tables = || costs.tensors.iter().filter(|tensor| by_row.contains(&tensor.role));
        let checks: u64 = tables().map(|table| table.rows * ROW_CHECK_BYTES).sum();
        let rows = match tables().map(|table| table.row_bytes).max() {
            Some(bytes) => (costs.place_bytes(bytes), ROW_PLACES),
            None => (0, 0),
        };
        let held = costs.tensors.iter().filter(|tensor| !away(tensor.role));
        let held: u64 = held.map(|tensor| tensor.held_bytes).sum();
        let buffers = body.bytes() + head.bytes() + rows.0 as u64 * u64::from(rows.1) + checks;
        DensePlan { body, head, by_row, bytes: held + costs.bias_bytes + buffers, rows }
    }
}

impl StreamPlan {
    /// Bytes of the ring.
    pub fn bytes(&self) -> u64 {
        self.place_bytes as u64 * u64::from(self.places)
    }
}

impl DenseCosts {
    /// A cycle over some matrices, in pieces of at most `most` bytes; embeddings that are multiplied come last, as
    /// logits do.
    fn stream<'a>(&self, matrices: impl Iterator<Item = &'a DenseTensor>, most: u64) -> StreamPlan {
        let mut matrices: Vec<&DenseTensor> = matrices.collect();
        matrices.sort_by_key(|tensor| tensor.table);
        let piece = |tensor: &&DenseTensor| piece_rows(tensor, most) * tensor.row_bytes;
        let Some(largest) = matrices.iter().map(piece).max() else { return StreamPlan::default() };
        StreamPlan {
            matrices: matrices
                .iter()
                .map(|tensor| (tensor.role, piece_rows(tensor, most)))
                .collect(),
            place_bytes: self.place_bytes(largest),
            places: LEAST_RING,
        }
    }

    /// `stream` through a ring of at most `bytes`, but for the smallest there is.
    fn longer(&self, stream: &StreamPlan, bytes: u64, alone: bool) -> StreamPlan {
        let largest = if alone { LARGE_PIECE } else { SMALL_PIECE };
        let piece = (bytes / u64::from(LARGE_RING)).clamp(SMALL_PIECE, largest);
        // Both ends of a read may lie inside a block: that much less is left for the piece.
        let piece = (piece - 4 * self.alignment.max(SECTOR)).max(SMALL_PIECE);
        let streamed =
            |tensor: &&DenseTensor| stream.matrices.iter().any(|(role, _)| *role == tensor.role);
        let cut = self.stream(self.tensors.iter().filter(streamed), piece);
        let places = bytes / cut.place_bytes.max(1) as u64;
        let places = places.clamp(u64::from(LEAST_RING), u64::from(LARGE_RING)) as u32;
        StreamPlan { places, ..cut }
    }

    /// Memory for a read of `bytes` that start anywhere.
    fn place_bytes(&self, bytes: u64) -> usize {
        let alignment = self.alignment.max(SECTOR);
        // Both ends may lie inside a block.
        (bytes + 2 * alignment).next_multiple_of(alignment) as usize
    }
}

/// Rows of a matrix that are read as one, of at most `most` bytes.
fn piece_rows(tensor: &DenseTensor, most: u64) -> u64 {
    let matrix = tensor.rows * tensor.row_bytes;
    let piece = (matrix / PIECES_PER_MATRIX).min(most);
    (piece / tensor.row_bytes.max(1)).clamp(1, tensor.rows)
}

/// Which matrices go first: one of each layer in turn, so that reads are spread over the pass; the
/// largest of all, the head, last.
fn streaming_order(costs: &DenseCosts) -> Vec<TensorRole> {
    let part = |role: TensorRole| match role {
        TensorRole::Layer(_, LayerPart::Down) => -3,
        TensorRole::Layer(_, LayerPart::Up(Affine::Weight)) => -2,
        TensorRole::Layer(_, LayerPart::Gate(Affine::Weight)) => -1,
        TensorRole::Layer(_, LayerPart::Output(Affine::Weight)) => 0,
        TensorRole::Layer(_, LayerPart::Query(Affine::Weight)) => 1,
        TensorRole::Layer(_, LayerPart::Key(Affine::Weight)) => 2,
        TensorRole::Layer(_, LayerPart::Value(Affine::Weight)) => 3,
        TensorRole::Layer(..) => 4,
        _ => 5,
    };
    let matrices = costs.tensors.iter().filter(|tensor| tensor.matrix).map(|tensor| tensor.role);
    let mut order: Vec<TensorRole> = matrices.collect();
    order.sort_by_key(|&role| (part(role), spread(role)));
    order
}

/// Layers in an order whose every beginning is spread over the model: the bits of the number reversed.
fn spread(role: TensorRole) -> u32 {
    match role {
        TensorRole::Layer(layer, _) => (layer as u32).reverse_bits(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Layers of one matrix each, of `rows` rows of 8 KiB.
    fn costs(layers: usize, rows: u64) -> DenseCosts {
        let tensor = |layer| DenseTensor {
            role: TensorRole::Layer(layer, LayerPart::Query(Affine::Weight)),
            rows,
            row_bytes: 8192,
            held_bytes: rows * 8192,
            copy_bytes: None,
            table: false,
            matrix: true,
            for_logits: false,
        };
        DenseCosts { tensors: (0..layers).map(tensor).collect(), bias_bytes: 0, alignment: 512 }
    }

    proptest! {
        #[test]
        fn rings_grow_within_what_they_may_take(
            layers in 1usize..5, rows in 1u64..5000, most in 0u64..200 << 20, room in 0u64..100 << 20,
            alone: bool,
        ) {
            let costs = costs(layers, rows);
            let least = DensePlan::least(&costs);
            let long = least.clone().with_long_rings(&costs, most, room, alone);
            prop_assert_eq!(long.bytes - least.bytes, long.body.bytes() - least.body.bytes());
            prop_assert!(long.bytes - least.bytes <= room);
            prop_assert!(long.body.bytes() <= most.max(least.body.bytes()));
            prop_assert!(long.body.places >= LEAST_RING && long.body.places <= LARGE_RING);
            let piece = long.body.matrices.iter().map(|(_, rows)| rows * 8192).max().unwrap();
            let largest = if alone { LARGE_PIECE } else { SMALL_PIECE };
            prop_assert!(piece <= largest);
            prop_assert!(piece <= long.body.place_bytes as u64);
        }
    }

    #[test]
    fn a_stream_alone_gets_large_pieces_and_one_beside_records_small_ones() {
        let costs = costs(3, 4096);
        let plan = |alone, room| {
            let long = DensePlan::least(&costs).with_long_rings(&costs, 128 << 20, room, alone);
            (long.body.matrices[0].1 * 8192, long.body.places)
        };
        assert_eq!(plan(false, u64::MAX >> 1), (SMALL_PIECE, LARGE_RING));
        assert_eq!(plan(true, u64::MAX >> 1), (LARGE_PIECE - 8192, LARGE_RING));
        assert_eq!(plan(true, 8 << 20).1, LARGE_RING, "a little room is enough for a ring");
        assert_eq!(plan(true, 0), (SMALL_PIECE, LEAST_RING));
    }
}
