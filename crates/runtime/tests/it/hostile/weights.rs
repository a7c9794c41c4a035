//! Attacks by the numbers of a checkpoint: each weight is looked at while it is copied.

use super::Victim;
use safetensors::SafeTensors;
use std::fs;

const FILE: &str = "model.safetensors";

/// The file of the reference, with `value` as number `index` of `tensor`.
fn with(name: &str, tensor: &str, index: usize, value: u16) -> Vec<u8> {
    let mut bytes = fs::read(flint_fixtures::oracle(name).join(FILE)).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let place = metadata.info(tensor).unwrap().data_offsets.0 + 8 + header + 2 * index;
    bytes[place..place + 2].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_tensor_and_place() {
    // NaN and the infinities of f16; in every kind of tensor, at either end.
    let victim = Victim::small();
    for (tensor, index, value, said) in [
        ("model.decoder.embed_tokens.weight", 0, 0x7e00, "NaN at number 0"),
        ("model.decoder.layers.0.self_attn.q_proj.bias", 63, 0xfe01, "NaN at number 63"),
        ("model.decoder.layers.3.fc1.weight", 256 * 64 - 1, 0x7c00, "inf at number 16383"),
        ("model.decoder.layers.1.fc1.bias", 7, 0xfc00, "-inf at number 7"),
        ("model.decoder.layers.2.fc2.weight", 64 * 256 - 1, 0x7d00, "NaN at number 16383"),
    ] {
        victim.write(FILE, with("opt-post-ln-free", tensor, index, value));
        victim.refused_late(tensor, &[FILE, tensor, said]);
    }
    // The largest finite number is a weight like any other.
    let tensor = "model.decoder.layers.1.fc1.bias";
    victim.write(FILE, with("opt-post-ln-free", tensor, 7, 0x7bff));
    assert_eq!(victim.convert().status, Some(0));
}

#[test]
fn numbers_of_fused_tensors_are_named_as_they_are_stored() {
    let victim = Victim::of("phi-2-relu");
    let name = "model.layers.0.mlp.fc1.weight";
    victim.write(FILE, with("phi-2-relu", name, 64 * 3 + 5, 0x7fff));
    victim.refused_late(name, &[FILE, name, "NaN at number 197"]);
    let victim = Victim::of("falcon-7b-relu");
    let name = "transformer.h.0.self_attention.query_key_value.weight";
    // In the rows of the values, which are the last.
    victim.write(FILE, with("falcon-7b-relu", name, 64 * 96 - 1, 0xff80));
    victim.refused_late(name, &[FILE, name, "-inf at number 6143"]);
}

#[test]
fn a_bundle_that_is_replaced_survives() {
    let victim = Victim::small();
    assert_eq!(victim.convert().status, Some(0));
    let before = fs::read(victim.out().join("manifest.bin")).unwrap();
    victim.write(FILE, with("opt-post-ln-free", "model.decoder.layers.1.fc1.bias", 7, 0x7c00));
    let (dir, out) = (victim.dir(), victim.out());
    let out = out.to_str().unwrap();
    let arguments = ["convert", dir.to_str().unwrap(), "--out", out, "--no-predictor", "--force"];
    super::flint(&arguments).refused("forced", &["inf at number 7"]);
    assert_eq!(fs::read(victim.out().join("manifest.bin")).unwrap(), before);
    assert_eq!(super::flint(&["verify", out]).status, Some(0));
}
