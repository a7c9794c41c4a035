//! Checkpoints of PyTorch files, real and hostile.

use super::pytorch_file::{Manner, TorchTensor, write};
use super::{copy, refusal};
use crate::families::{converted, meets};
use flint_checkpoint::Checkpoint;
use flint_engine::OpenModel;
use flint_fixtures::{oracle, pytorch_bin};
use safetensors::{Dtype, SafeTensors};
use std::fs;
use std::path::Path;

const FILE: &str = "pytorch_model.bin";

#[test]
fn shards_that_pytorch_wrote_meet_the_reference() {
    meets(&pytorch_bin());
}

/// The tensors of a reference checkpoint.
fn tensors(name: &str) -> Vec<TorchTensor> {
    let bytes = fs::read(oracle(name).join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let converted = tensors.into_iter().map(|(name, view)| {
        let class = match view.dtype() {
            Dtype::F16 => "HalfStorage",
            Dtype::BF16 => "BFloat16Storage",
            Dtype::F32 => "FloatStorage",
            other => panic!("{other:?}"),
        };
        TorchTensor::plain(&name, class, view.shape(), view.data())
    });
    converted.collect()
}

/// A checkpoint in `dir` like the reference `name`, with a PyTorch file of `tensors`.
fn checkpoint(dir: &Path, name: &str, tensors: &[TorchTensor], manner: Manner) {
    fs::copy(oracle(name).join("config.json"), dir.join("config.json")).unwrap();
    write(&dir.join(FILE), tensors, manner);
}

#[test]
fn a_pytorch_file_makes_the_bundle_that_safetensors_make() {
    for name in ["opt-post-ln-free", "falcon-40b-relu", "llama-2"] {
        let (plain, torch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        checkpoint(torch.path(), name, &tensors(name), Manner::default());
        let plain = OpenModel::open(&converted(&oracle(name), plain.path())).unwrap();
        let torch = OpenModel::open(&converted(torch.path(), torch.path())).unwrap();
        let (plain, torch) = (plain.bundle().unwrap(), torch.bundle().unwrap());
        assert!(fs::read(plain.neurons_path()).unwrap() == fs::read(torch.neurons_path()).unwrap());
        assert!(fs::read(plain.dense_path()).unwrap() == fs::read(torch.dense_path()).unwrap());
        assert_ne!(plain.source().fingerprint, torch.source().fingerprint);
    }
}

/// Why a file of tensors that `change` changed, written in `manner`, is refused.
fn refused(change: impl Fn(&mut TorchTensor), manner: Manner) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut tensors = tensors("opt-post-ln-free");
    tensors.iter_mut().for_each(change);
    checkpoint(dir.path(), "opt-post-ln-free", &tensors, manner);
    refusal(dir.path()).to_string()
}

/// Changes the tensor that ends in `name`.
fn only(name: &'static str, change: impl Fn(&mut TorchTensor)) -> impl Fn(&mut TorchTensor) {
    move |tensor| {
        if tensor.name.ends_with(name) {
            change(tensor);
        }
    }
}

#[test]
fn tensors_that_are_not_plain_are_refused_by_name() {
    let plain = Manner::default();
    let transposed = only("layers.1.fc1.weight", |tensor| tensor.strides = vec![1, 256]);
    let said = refused(transposed, plain);
    assert!(said.contains("layers.1.fc1.weight") && said.contains("strides [1, 256]"), "{said}");
    for (change, first) in [(1, 0), (0, 1), (0, i32::MAX as usize)] {
        let beyond = only("layers.0.fc2.weight", move |tensor| {
            tensor.dims[0] += change;
            tensor.first = first;
        });
        let said = refused(beyond, plain);
        assert!(said.contains("layers.0.fc2.weight' does not lie within its storage"), "{said}");
    }
    let said = refused(only("fc1.bias", |tensor| tensor.class = "ShortStorage"), plain);
    assert!(said.contains("fc1.bias") && said.contains("I16"), "{said}");
}

#[test]
fn files_that_are_not_plain_are_refused_with_the_reason() {
    let none = |_: &mut TorchTensor| {};
    let swapped = Manner { byte_order: Some("big"), ..Manner::default() };
    assert!(refused(none, swapped).contains("big-endian"));
    let calls = Manner { rebuild: "os\nsystem", ..Manner::default() };
    let said = refused(none, calls);
    assert!(said.contains("'os.system'") && said.contains(FILE), "{said}");
}

#[test]
fn a_cut_or_foreign_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    checkpoint(dir.path(), "opt-post-ln-free", &tensors("opt-post-ln-free"), Manner::default());
    let file = dir.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    for len in [0, 3, 100, whole.len() / 2, whole.len() - 30, whole.len() - 1] {
        fs::write(&file, &whole[..len]).unwrap();
        assert!(refusal(dir.path()).to_string().contains(FILE), "{len} bytes");
    }
    // A pickle of before PyTorch 1.6, with no archive around it.
    fs::write(&file, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.").unwrap();
    assert!(refusal(dir.path()).to_string().contains("before version 1.6"));
    fs::write(&file, {
        let mut compressed = whole.clone();
        // The method of the first entry, in the directory at the end.
        let at = compressed.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        compressed[at + 10] = 8;
        compressed
    })
    .unwrap();
    assert!(refusal(dir.path()).to_string().contains("compressed"));
}

#[test]
fn changed_bytes_of_a_small_file_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let tensor = TorchTensor::plain("w", "HalfStorage", &[2, 3], &[1; 12]);
    checkpoint(dir.path(), "opt-post-ln-free", &[tensor], Manner::default());
    let file = dir.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            fs::write(&file, changed).unwrap();
            refused += usize::from(Checkpoint::open(dir.path()).is_err());
        }
    }
    // Most bytes count; those of the numbers, of times and of checksums do not.
    assert!(refused > whole.len(), "{refused} of {}", 3 * whole.len());
}

#[test]
fn safetensors_are_preferred_where_both_are_there() {
    let dir = tempfile::tempdir().unwrap();
    copy(&oracle("opt-post-ln-free"), dir.path());
    fs::write(dir.path().join(FILE), b"not a model").unwrap();
    converted(dir.path(), dir.path());
}
