//! Writes weights as a checkpoint directory.

use super::Matrix;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize_to_file};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// An encoding that is exact for the numbers that `round` gives.
#[derive(Clone, Copy)]
pub(super) struct Encoding {
    dtype: Dtype,
    pub(super) round: fn(f64) -> f64,
    encode: fn(f64) -> Vec<u8>,
}

pub(super) const F32: Encoding = Encoding {
    dtype: Dtype::F32,
    round: |number| f64::from(number as f32),
    encode: |number| (number as f32).to_le_bytes().to_vec(),
};

pub(super) const F16: Encoding = Encoding {
    dtype: Dtype::F16,
    round: |number| half::f16::from_f64(number).to_f64(),
    encode: |number| half::f16::from_f64(number).to_le_bytes().to_vec(),
};

pub(super) const BF16: Encoding = Encoding {
    dtype: Dtype::BF16,
    round: |number| half::bf16::from_f64(number).to_f64(),
    encode: |number| half::bf16::from_f64(number).to_le_bytes().to_vec(),
};

/// Writes `config.json` and `model.safetensors` into `dir`.
pub(super) fn write(dir: &Path, config: &Value, tensors: &[(String, Matrix)], encoding: Encoding) {
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let coded: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, matrix)| {
            let all = vec![matrix.rows, matrix.columns];
            let dims = if matrix.is_vector { all[1..].to_vec() } else { all };
            let data = matrix.numbers.iter().flat_map(|&number| (encoding.encode)(number));
            (name.as_str(), dims, data.collect())
        })
        .collect();
    let views = coded.iter().map(|(name, dims, data)| {
        (*name, TensorView::new(encoding.dtype, dims.clone(), data).unwrap())
    });
    serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}
