//! Random weights, block by block: a seed gives the same file everywhere.

use super::layout::{Element, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::io::{self, Write};

/// Bytes made at once; divides by what is masked at once.
const BLOCK: usize = 1 << 20;

/// Writes the data of a tensor: matrices random, the weights of norms one, biases zero. Each tensor has a
/// stream of random numbers of its own.
pub(super) fn write(
    out: &mut impl Write,
    tensor: &Tensor,
    seed: u64,
    number: u64,
    written: &mut dyn FnMut(u64),
) -> io::Result<()> {
    if tensor.rows.is_none() {
        let value: f32 = if tensor.name.ends_with("bias") { 0.0 } else { 1.0 };
        let bytes = value.to_le_bytes().repeat(tensor.columns);
        out.write_all(&bytes)?;
        written(bytes.len() as u64);
        return Ok(());
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let (keep, set) = masks(tensor.element, tensor.columns);
    let mut block = vec![0; BLOCK];
    let mut left = tensor.bytes();
    while left > 0 {
        random.fill_bytes(&mut block);
        let (words, _) = block.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_le_bytes(*word) & keep | set).to_le_bytes();
        }
        let now = left.min(BLOCK as u64);
        out.write_all(&block[..now as usize])?;
        left -= now;
        written(now);
    }
    Ok(())
}

/// Random sign and mantissa under a fixed exponent: numbers of mean zero and of nearly the size at which a
/// row of `columns` neither grows nor shrinks what it multiplies. Which bits stay random, and which are set.
fn masks(element: Element, columns: usize) -> (u64, u64) {
    // Between 2^-e and 2^-(e+1) the root mean square is 0.76 x 2^-e.
    let exponent = (columns as f64).sqrt().log2().round() as u64;
    match element {
        Element::F16 => (each(0x83ff), each((15_u64.saturating_sub(1 + exponent)).max(1) << 10)),
        Element::Bf16 => (each(0x807f), each((127_u64.saturating_sub(1 + exponent)).max(1) << 7)),
        Element::F32 => (each(0), each(0)),
    }
}

/// The same 16 bits four times.
fn each(bits: u64) -> u64 {
    bits * 0x0001_0001_0001_0001
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    fn numbers(element: Element) -> Vec<f32> {
        let tensor = Tensor { name: "m.weight".into(), rows: Some(513), columns: 1024, element };
        let mut out = Vec::new();
        let mut told = 0;
        write(&mut out, &tensor, 7, 3, &mut |bytes| told += bytes).unwrap();
        assert_eq!((out.len() as u64, told), (tensor.bytes(), tensor.bytes()));
        let (pairs, _) = out.as_chunks::<2>();
        let number = |pair: &[u8; 2]| match element {
            Element::F16 => f16::from_le_bytes(*pair).to_f32(),
            _ => bf16::from_le_bytes(*pair).to_f32(),
        };
        pairs.iter().map(number).collect()
    }

    #[test]
    fn weights_keep_the_size_of_what_they_multiply() {
        for element in [Element::F16, Element::Bf16] {
            let numbers = numbers(element);
            let count = numbers.len() as f32;
            let mean = numbers.iter().sum::<f32>() / count;
            let size = (numbers.iter().map(|x| x * x).sum::<f32>() / count).sqrt();
            assert!(mean.abs() < 1e-3, "{mean}");
            let ideal = 1.0 / 1024f32.sqrt();
            assert!(size > ideal / 2.0 && size < ideal * 2.0, "{size}");
            // Of bf16 there are few different numbers, so neighbours are equal now and then.
            let equal = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert!(equal * 50 < numbers.len(), "{equal} of {}", numbers.len());
        }
    }

    #[test]
    fn norms_are_one_and_biases_zero() {
        for (name, value) in [("n.weight", 1.0f32), ("n.bias", 0.0)] {
            let element = Element::F32;
            let tensor = Tensor { name: name.into(), rows: None, columns: 3, element };
            let mut out = Vec::new();
            write(&mut out, &tensor, 0, 0, &mut |_| {}).unwrap();
            assert_eq!(out, value.to_le_bytes().repeat(3));
        }
    }
}
