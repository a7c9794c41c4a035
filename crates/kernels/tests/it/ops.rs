//! The candle ops give what their functions give, and refuse tensors they cannot see in place.

use crate::attention::place;
use crate::twin::{bits, encode, numbers, scalar};
use candle_core::{Device, Tensor};
use flint_kernels::{
    AttentionSpec, DType, KvElement, KvShape, KvStore, MatrixView, PagedKv, Rotary, RotaryScaling,
    ops,
};

fn tensor(tokens: usize, width: usize) -> Tensor {
    ops::from_vec(numbers(tokens * width, 1), (tokens, width)).unwrap()
}

fn tensor_bits(tensor: &Tensor) -> Vec<u32> {
    ops::with_slice(tensor, bits).unwrap()
}

#[test]
fn linear_multiplies() {
    let (weights, bias) = (encode(DType::F16, &numbers(12, 2)), numbers(4, 3));
    let weights = MatrixView::new(DType::F16, 4, 3, &weights).unwrap();
    let out = ops::linear(&tensor(2, 3), scalar(), weights, Some(&bias)).unwrap();
    let mut want = [0.0; 8];
    flint_kernels::matmul(scalar(), weights, &numbers(6, 1), Some(&bias), &mut want);
    assert_eq!(out.dims(), [2, 4]);
    assert_eq!(tensor_bits(&out), bits(&want));
}

#[test]
fn norms_normalise() {
    let (x, weight) = (numbers(10, 1), numbers(5, 2));
    let mut want = [0.0; 10];
    flint_kernels::layer_norm(scalar(), &x, 5, Some(&weight), None, 1e-5, &mut want);
    let out = ops::layer_norm(&tensor(2, 5), scalar(), Some(&weight), None, 1e-5).unwrap();
    assert_eq!(tensor_bits(&out), bits(&want));
    flint_kernels::rms_norm(scalar(), &x, &weight, 1e-5, &mut want);
    let out = ops::rms_norm(&tensor(2, 5), scalar(), &weight, 1e-5).unwrap();
    assert_eq!(tensor_bits(&out), bits(&want));
}

#[test]
fn rotary_turns_and_attention_attends() {
    let spec = AttentionSpec {
        heads: 2,
        kv_heads: 1,
        head_dim: 4,
        scale: 0.5,
        softcap: None,
        window: None,
        sinks: None,
    };
    let shape = KvShape { layers: 1, kv_heads: 1, head_dim: 4, element: KvElement::F32 };
    let mut store = PagedKv::new(shape, 16, 1);
    let rows = place(store.sequence(), 0..2);
    let mut q = numbers(16, 1);
    let rotary = Rotary::new(4, 4, 10_000.0, RotaryScaling::None);
    let turned = ops::rotary(&tensor(2, 8), &rotary, 2, &rows).unwrap();
    rotary.rotate(&mut q, 2, 0..2);
    assert_eq!(tensor_bits(&turned), bits(&q));

    store.append(0, &rows, &numbers(8, 2), &numbers(8, 3)).unwrap();
    let mut want = [0.0; 16];
    flint_kernels::attention(scalar(), &spec, &q, &store, 0, &rows, &mut want);
    let out = ops::attention(&turned, scalar(), &spec, &store, 0, &rows).unwrap();
    assert_eq!(tensor_bits(&out), bits(&want));
}

#[test]
fn a_tensor_that_starts_inside_its_storage_is_seen_where_it_starts() {
    let rows = tensor(4, 3).narrow(0, 2, 2).unwrap();
    assert_eq!(tensor_bits(&rows), bits(&numbers(12, 1)[6..]));
}

#[test]
fn other_tensors_are_refused() {
    let weights = encode(DType::F16, &[0.0; 6]);
    let weights = MatrixView::new(DType::F16, 2, 3, &weights).unwrap();
    let refuse = |x: &Tensor| ops::linear(x, scalar(), weights, None).unwrap_err().to_string();
    assert!(refuse(&tensor(3, 2).t().unwrap()).contains("not contiguous"));
    assert!(refuse(&tensor(2, 2)).contains("not (tokens, 3)"));
    let integers = Tensor::zeros((2, 3), candle_core::DType::U32, &Device::Cpu).unwrap();
    assert!(refuse(&integers).contains("F32"));
    assert!(ops::from_vec(vec![0.0; 3], (2, 2)).is_err());
}
