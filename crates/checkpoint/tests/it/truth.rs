//! Every extent of a file lies where a second, naive reading of the same bytes finds it.

use crate::writer::{Gguf, Tensor};
use proptest::prelude::*;

/// Types with elements and bytes of a block, as the format's documents list them.
const TYPES: [(u32, u64, u64); 16] = [
    (0, 1, 4),
    (1, 1, 2),
    (2, 32, 18),
    (3, 32, 20),
    (6, 32, 22),
    (7, 32, 24),
    (8, 32, 34),
    (10, 256, 84),
    (11, 256, 110),
    (12, 256, 144),
    (13, 256, 176),
    (14, 256, 210),
    (20, 32, 18),
    (23, 256, 136),
    (30, 1, 2),
    (39, 32, 17),
];

fn tensor() -> impl Strategy<Value = (usize, Vec<u64>)> {
    (0..TYPES.len(), 1..4u64, prop::collection::vec(1..5u64, 0..3))
        .prop_map(|(kind, blocks, more)| (kind, [vec![blocks * TYPES[kind].1], more].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn extents_hold_the_bytes_that_were_written(
        tensors in prop::collection::vec(tensor(), 0..8),
        shift in 3..13u32,
        version in 2..=3u32,
    ) {
        let alignment = 1u64 << shift;
        let mut file = Gguf { version, alignment, ..Gguf::default() }
            .key("general.alignment", crate::writer::u32(alignment as u32));
        let mut written = Vec::new();
        for (number, (kind, dims)) in tensors.iter().enumerate() {
            let (id, elements, size) = TYPES[*kind];
            let count: u64 = dims.iter().product();
            let bytes: Vec<u8> = (0..count / elements * size).map(|at| (at * 7) as u8 ^ number as u8).collect();
            written.push(bytes.clone());
            let name = format!("t{number}").into_bytes();
            file = file.tensor_like(Tensor { name, dims: dims.clone(), dim_count: None, kind: id, offset: None, bytes });
        }
        let bytes = file.bytes();
        let read = file.read().unwrap();
        prop_assert_eq!(read.tensors().len(), written.len());
        for (number, written) in written.iter().enumerate() {
            let tensor = read.tensor(&format!("t{number}")).unwrap();
            let extent = tensor.extent();
            prop_assert_eq!(&bytes[extent.offset() as usize..extent.end() as usize], &written[..]);
            prop_assert_eq!(extent.offset() % alignment, 0);
            prop_assert_eq!(tensor.dims(), &tensors[number].1[..]);
            prop_assert_eq!(tensor.row_len() * tensor.rows(), tensors[number].1.iter().product::<u64>());
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_harmless(at in 0..1000usize, byte in any::<u8>(), keep in 0..1000usize) {
        let mut bytes = Gguf::small().bytes();
        let (at, keep) = (at % bytes.len(), keep % (bytes.len() + 1));
        bytes[at] = byte;
        bytes.truncate(keep.max(bytes.len() / 2));
        if let Ok(file) = crate::writer::read(&bytes) {
            for tensor in file.tensors() {
                prop_assert!(tensor.extent().end() <= bytes.len() as u64);
            }
        }
    }
}
