//! Stored groups: what is written is read back, and nothing else is.

use crate::synthetic::{Group, Numbers, compute};
use flint_predictor::Factors;
use flint_predictor::{
    BLOB_HEADER, BlobFault, CascadeGroup, LowRank, LowRankGroup, Predictor, QuantizedGate,
    QuantizedGateLayer, ThresholdLayer,
};
use proptest::prelude::*;

fn low_rank(width: usize, neurons: usize, rank: usize) -> LowRankGroup {
    let mut numbers = Numbers::new(4);
    let factors = Factors::new(
        rank,
        numbers.take(rank * width),
        numbers.take(neurons * rank),
        numbers.take(neurons),
    );
    let mut group = LowRankGroup::quantise(&factors);
    group.set_threshold(-1.25);
    group
}

fn copy(width: usize, neurons: usize, bits: usize) -> QuantizedGateLayer {
    let group = Group::new((width, neurons), 1, 1, 0.1, 9);
    let mut copy = QuantizedGateLayer::copy(&compute(), &group.deciding(), bits);
    copy.set_threshold(0.5);
    copy
}

fn cascade(width: usize, neurons: usize, rank: usize, bits: usize) -> CascadeGroup {
    CascadeGroup::new(low_rank(width, neurons, rank), copy(width, neurons, bits))
}

proptest! {
    #[test]
    fn a_group_reads_back_as_it_was(
        width in 1usize..40, neurons in 1usize..40, rank in 1usize..8, bits in 2usize..=4,
    ) {
        let rank = rank.min(width).min(neurons);
        let group = cascade(width, neurons, rank, bits);
        let bytes = group.to_bytes();
        prop_assert_eq!(bytes.len() as u64, 3 * BLOB_HEADER + group.bytes());
        prop_assert_eq!(CascadeGroup::from_bytes(width, neurons, &bytes), Ok(group));
        let group = low_rank(width, neurons, rank);
        let bytes = group.to_bytes();
        prop_assert_eq!(bytes.len() as u64, BLOB_HEADER + group.bytes());
        prop_assert_eq!(LowRankGroup::from_bytes(width, neurons, &bytes), Ok(group));
        let group = copy(width, neurons, bits);
        let bytes = group.to_bytes();
        prop_assert_eq!(bytes.len() as u64, BLOB_HEADER + group.bytes());
        prop_assert_eq!(QuantizedGateLayer::from_bytes(width, neurons, &bytes), Ok(group));
    }

    #[test]
    fn bytes_cut_or_changed_anywhere_never_panic(
        at in 0usize..400, to: u8, cut in 0usize..400,
    ) {
        let blobs =
            [low_rank(9, 14, 3).to_bytes(), copy(9, 14, 3).to_bytes(), cascade(9, 14, 3, 2).to_bytes()];
        for blob in blobs {
            let mut changed = blob.clone();
            let at = at % blob.len();
            changed[at] = to;
            let cut = &blob[..cut % blob.len()];
            for bytes in [&changed[..], cut] {
                let parsed = LowRankGroup::from_bytes(9, 14, bytes).map(|g| scores(&g));
                let copied = QuantizedGateLayer::from_bytes(9, 14, bytes).map(|g| scores(&g));
                let both = CascadeGroup::from_bytes(9, 14, bytes).map(|g| scores(&g));
                let read = [parsed.is_ok(), copied.is_ok(), both.is_ok()];
                prop_assert!(read.into_iter().filter(|&read| read).count() <= 1, "two kinds at once");
            }
            prop_assert!(LowRankGroup::from_bytes(9, 14, cut).is_err());
            prop_assert!(QuantizedGateLayer::from_bytes(9, 14, cut).is_err());
            prop_assert!(CascadeGroup::from_bytes(9, 14, cut).is_err());
        }
    }
}

fn scores<G: ThresholdLayer>(group: &G) -> Vec<f32> {
    let mut scores = vec![0.0; group.neurons()];
    group.scores(&compute(), &vec![1.0; group.width()], &mut scores);
    scores
}

fn put(blob: &[u8], word: usize, value: u32) -> Vec<u8> {
    let mut blob = blob.to_vec();
    blob[4 * word..4 * word + 4].copy_from_slice(&value.to_le_bytes());
    blob
}

#[test]
fn each_lie_in_a_header_is_named() {
    let blob = low_rank(9, 14, 3).to_bytes();
    let fault = |bytes: &[u8]| LowRankGroup::from_bytes(9, 14, bytes).unwrap_err().to_string();
    assert_eq!(fault(&blob[..23]), "23 bytes are too few for a header of 24");
    assert_eq!(fault(b""), "0 bytes are too few for a header of 24");
    let copy = copy(9, 14, 3).to_bytes();
    assert_eq!(fault(&copy), "it starts with [46, 4c, 67, 63], expected [46, 4c, 6c, 72]");
    assert_eq!(fault(&put(&blob, 1, 2)), "it has version 2, this program reads version 1");
    assert_eq!(fault(&put(&blob, 2, 10)), "the width is 10, expected 9 to 9");
    assert_eq!(
        fault(&put(&blob, 3, u32::MAX)),
        "the number of neurons is 4294967295, expected 14 to 14"
    );
    assert_eq!(fault(&put(&blob, 4, 0)), "the rank is 0, expected 1 to 9");
    assert_eq!(fault(&put(&blob, 4, u32::MAX)), "the rank is 4294967295, expected 1 to 9");
    assert_eq!(fault(&put(&blob, 4, 4)), "it has 193 bytes, its sizes ask for 220");
    assert_eq!(
        fault(&put(&blob, 5, f32::NAN.to_bits())),
        "number 0 of the threshold is not finite"
    );
    assert_eq!(
        fault(&put(&blob, 7, f32::INFINITY.to_bits())),
        "number 1 of the scales of the first matrix is not finite"
    );
    let mut long = blob.clone();
    long.push(0);
    assert_eq!(fault(&long), "it has 194 bytes, its sizes ask for 193");
    for bits in [0, 1, 5, u32::MAX] {
        let fault = QuantizedGateLayer::from_bytes(9, 14, &put(&copy, 4, bits)).unwrap_err();
        assert!(matches!(fault, BlobFault::Size { least: 2, most: 4, got, .. } if got == bits));
    }
}

#[test]
fn each_lie_in_a_cascade_is_named() {
    let blob = cascade(9, 14, 3, 2).to_bytes();
    let fault = |bytes: &[u8]| CascadeGroup::from_bytes(9, 14, bytes).unwrap_err().to_string();
    let first = 24 + low_rank(9, 14, 3).to_bytes().len();
    assert_eq!(fault(&put(&blob, 4, 0)), "the rank of the first stage is 0, expected 1 to 9");
    assert_eq!(fault(&put(&blob, 4, 2)), "it has 166 bytes, its sizes ask for 193");
    assert_eq!(fault(&blob[..first - 1]), "it has 216 bytes, its sizes ask for 217");
    assert_eq!(fault(&blob[..first]), "0 bytes are too few for a header of 24");
    assert_eq!(
        fault(&put(&blob, 5, f32::NAN.to_bits())),
        "number 0 of the threshold is not finite"
    );
    assert_eq!(
        fault(&put(&blob, 6, 0)),
        "it starts with [00, 00, 00, 00], expected [46, 4c, 6c, 72]"
    );
    let mut long = blob.clone();
    long.push(0);
    assert!(fault(&long).contains("its sizes ask for"), "{}", fault(&long));
}

#[test]
fn a_predictor_of_blobs_names_the_group_that_is_wrong() {
    let good = low_rank(9, 14, 3);
    let blobs = [Some(good.to_bytes()), None, Some(vec![0; 30])];
    let error = LowRank::from_blobs(9, 14, blobs).unwrap_err().to_string();
    assert!(error.starts_with("the predictor of group 2: it starts with"), "{error}");
    let whole = LowRank::from_blobs(9, 14, [Some(good.to_bytes()), None]).unwrap();
    assert_eq!(whole.groups(), [Some(good.clone()), None]);
    assert_eq!(whole.bytes(), good.bytes());
    assert!(QuantizedGate::from_blobs(9, 14, [Some(good.to_bytes())]).is_err());
}

#[test]
fn sizes_are_known_before_anything_is_made() {
    assert_eq!(LowRankGroup::bytes_of(256, 1024, 100), low_rank(256, 1024, 100).bytes());
    assert_eq!(QuantizedGateLayer::bytes_of(257, 10, 3), copy(257, 10, 3).bytes());
    assert_eq!(LowRankGroup::bytes_of(256, 1024, 100), 100 * 1280 + 4 * 100 + 8 * 1024);
}
