//! Exact mode cuts each layer's neurons into blocks: the first ones of a layer are pinned, the others
//! streamed in order, so that a layer starts on resident blocks while the rest arrives.

use flint_geometry::ModelShape;

/// Largest block, in bytes: past this throughput no longer grows with the size of a read.
const LARGEST_BLOCK: u64 = 512 << 10;

/// A layer is cut into about this many blocks, so that a small model still has some to pin.
const BLOCKS_PER_LAYER: u64 = 32;

/// Places of the read-ahead ring: at least one to compute on and two on their way.
const LEAST_RING: u64 = 3;

/// Places that keep a fast disk busy while a third of them is computed on. With 24 the disk worked for 3.0 of 3.2 and 2.9
/// of 3.9 s of a token, with 96 for all but 0.02 (opt-6.7b in exact mode at 50 %, two runs each, in turn).
const LARGEST_RING: u64 = 96;

/// Share of the memory for neurons that the ring may take, as a divisor.
const RING_SHARE: u64 = 8;

/// A run of consecutive neurons of one layer that is read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The layer.
    pub layer: u32,
    /// Its first neuron.
    pub first: u32,
    /// How many neurons.
    pub count: u32,
}

/// How every layer is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLayout {
    /// Decoder layers.
    pub layers: u32,
    /// Neurons of each layer.
    pub neurons: u32,
    /// Neurons per block; the last block of a layer may have fewer.
    pub block_neurons: u32,
    /// Bytes of memory for a block.
    pub place_bytes: usize,
}

impl BlockLayout {
    /// No blocks: neurons are not records.
    pub const NONE: BlockLayout =
        BlockLayout { layers: 0, neurons: 0, block_neurons: 1, place_bytes: 1 };

    /// Cuts the layers of `shape`; `lease_bytes` tells the memory for a read of a number of bytes.
    pub fn new(shape: &ModelShape, lease_bytes: impl Fn(usize) -> usize) -> BlockLayout {
        let stride = shape.record.stride();
        let layer_bytes = stride * u64::from(shape.neurons);
        let target = (layer_bytes / BLOCKS_PER_LAYER).clamp(stride, LARGEST_BLOCK.max(stride));
        let block_neurons = (target / stride) as u32;
        let place_bytes = lease_bytes((u64::from(block_neurons) * stride) as usize);
        BlockLayout { layers: shape.layers, neurons: shape.neurons, block_neurons, place_bytes }
    }

    /// Blocks of each layer.
    pub fn per_layer(&self) -> u32 {
        self.neurons.div_ceil(self.block_neurons)
    }

    /// Blocks of all layers.
    pub fn blocks(&self) -> u64 {
        u64::from(self.per_layer()) * u64::from(self.layers)
    }

    /// The block at `index` of `layer`.
    pub fn block(&self, layer: u32, index: u32) -> Block {
        let first = index * self.block_neurons;
        Block { layer, first, count: self.block_neurons.min(self.neurons - first) }
    }
}

/// Which blocks are pinned, and how many places the others stream through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExactPlan {
    /// How layers are cut.
    pub layout: BlockLayout,
    /// Blocks pinned over all layers.
    pub pinned: u64,
    /// Places of the read-ahead ring; none when everything is pinned.
    pub ring: u64,
}

impl ExactPlan {
    /// The least memory that exact mode needs for neurons.
    pub fn least_bytes(layout: BlockLayout) -> u64 {
        layout.blocks().min(LEAST_RING) * layout.place_bytes as u64
    }

    /// Pins what fits in `bytes`, beside a ring to stream the rest through.
    pub fn make(layout: BlockLayout, bytes: u64) -> ExactPlan {
        let places = bytes / layout.place_bytes as u64;
        if places >= layout.blocks() {
            return ExactPlan { layout, pinned: layout.blocks(), ring: 0 };
        }
        let ring = (places / RING_SHARE).clamp(LEAST_RING, LARGEST_RING).min(places);
        ExactPlan { layout, pinned: places - ring, ring }
    }

    /// The same where what is streamed has copies: of some blocks they take as many bytes as `copies` says.
    pub(super) fn make_beside(
        layout: BlockLayout,
        bytes: u64,
        copies: &dyn Fn(u64) -> u64,
    ) -> ExactPlan {
        let all = ExactPlan::make(layout, bytes);
        let fits = |pinned: u64| {
            let plan = ExactPlan { pinned, ..all };
            plan.bytes() + copies(layout.blocks() - pinned) <= bytes
        };
        // Each pinned block takes more than its copy.
        let (mut least, mut most) = (0, all.pinned + 1);
        while most - least > 1 {
            let middle = least.midpoint(most);
            if fits(middle) {
                least = middle;
            } else {
                most = middle;
            }
        }
        let ring = if fits(least) { all.ring } else { all.ring.min(LEAST_RING) };
        ExactPlan { pinned: least, ring, ..all }
    }

    /// The same with everything streamed, through the longest ring that fits.
    pub fn with_nothing_pinned(self) -> ExactPlan {
        ExactPlan { pinned: 0, ring: (self.pinned + self.ring).min(LARGEST_RING), ..self }
    }

    /// Blocks of `layer` that are pinned: its first ones. All layers get the same share, so that reads
    /// and computation alternate evenly.
    pub fn pinned_of(&self, layer: u32) -> u32 {
        let upto = |layer: u64| self.pinned * layer / u64::from(self.layout.layers);
        (upto(u64::from(layer) + 1) - upto(u64::from(layer))) as u32
    }

    /// Whether nothing is streamed.
    pub fn all_pinned(&self) -> bool {
        self.pinned == self.layout.blocks()
    }

    /// Bytes of pinned blocks and ring.
    pub fn bytes(&self) -> u64 {
        (self.pinned + self.ring) * self.layout.place_bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_tile_each_layer_and_stay_in_the_budget(
            layers in 1u32..9, neurons in 1u32..3000, block_neurons in 1u32..64, bytes in 4096u64..1 << 24,
        ) {
            let layout = BlockLayout { layers, neurons, block_neurons, place_bytes: 1024 };
            let covered: u32 = (0..layout.per_layer()).map(|b| layout.block(0, b).count).sum();
            prop_assert_eq!(covered, neurons);

            let plan = ExactPlan::make(layout, bytes);
            prop_assert!(plan.bytes() <= bytes);
            prop_assert!(plan.all_pinned() || plan.ring >= LEAST_RING);
            let pinned: u64 = (0..layers).map(|layer| u64::from(plan.pinned_of(layer))).sum();
            prop_assert_eq!(pinned, plan.pinned);
            prop_assert!((0..layers).all(|layer| plan.pinned_of(layer) <= layout.per_layer()));
        }
    }
}
