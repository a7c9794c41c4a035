//! Random weights, block by block: a seed gives the same file everywhere.

use super::layout::Tensor;
use super::routers;
use flint_geometry::DType;
use half::f16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::io::{self, Write};

/// Bytes made at once, about: whole blocks of the data type.
const PIECE: usize = 1 << 20;

/// Root mean square of a whole number from -128 to 127, all equally likely.
const RMS_OF_A_BYTE: f64 = 73.9;

/// Writes the data of a tensor: matrices random, the weights of norms one, biases zero. Each tensor has a
/// stream of random numbers of its own.
pub(super) fn write(
    out: &mut impl Write,
    tensor: &Tensor,
    seed: u64,
    number: u64,
    written: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    if tensor.dtype == DType::F32 && tensor.name.contains("ffn_gate_inp") {
        let bytes = router(tensor, &mut random);
        out.write_all(&bytes)?;
        written(bytes.len() as u64);
        return Ok(());
    }
    if tensor.dtype == DType::F32 {
        let value: f32 = if tensor.name.ends_with("bias") { 0.0 } else { 1.0 };
        let bytes = value.to_le_bytes().repeat(tensor.rows.unwrap_or(1) * tensor.columns);
        out.write_all(&bytes)?;
        written(bytes.len() as u64);
        return Ok(());
    }
    // Whole blocks, and whole words of eight bytes.
    let block = tensor.dtype.block_bytes() * 8;
    let mut piece = vec![0; PIECE / block * block];
    let mut left = tensor.stored().bytes();
    while left > 0 {
        random.fill_bytes(&mut piece);
        let mean = if tensor.has_mean { routers::EMBEDDING_MEAN } else { 0.0 };
        scale(&mut piece, tensor.dtype, tensor.gain / (tensor.columns as f64).sqrt(), mean);
        let now = left.min(piece.len() as u64);
        out.write_all(&piece[..now as usize])?;
        left -= now;
        written(now);
    }
    Ok(())
}

/// The numbers of a router, or of its bias.
fn router(tensor: &Tensor, random: &mut ChaCha8Rng) -> Vec<u8> {
    let numbers = match tensor.rows {
        None => routers::bias(random, tensor.columns),
        Some(rows) => {
            (0..rows).flat_map(|_| routers::row(random, tensor.columns, !tensor.has_mean)).collect()
        }
    };
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// Makes random bytes weights of nearly the root mean square `ideal`, and of a mean of as many of these. Codes stay random;
/// scales are set.
fn scale(bytes: &mut [u8], dtype: DType, ideal: f64, mean: f64) {
    match dtype {
        DType::F16 | DType::Bf16 => mask(bytes, dtype, ideal),
        DType::Q8_0 => set(bytes, 34, &[(0, ideal / RMS_OF_A_BYTE)]),
        // Codes of 5 bits around 16.
        DType::Q5_0 => set(bytes, 22, &[(0, ideal / 9.25)]),
        // A code from 0 to 15 times a scale from 0 to 63, less a minimum from 0 to 63: the two means cancel out, and the
        // root mean square is 367 times the first factor.
        DType::Q4K => {
            // The minimum has a mean of 31.5 times its factor.
            let minimum = 7.5 * ideal / 367.0 - mean * ideal / 31.5;
            set(bytes, 144, &[(0, ideal / 367.0), (2, minimum)]);
        }
        // Codes of 6 bits around 32, times a scale of 8 bits.
        DType::Q6K => set(bytes, 210, &[(208, ideal / (18.5 * RMS_OF_A_BYTE))]),
        // One scale for 32 codes, a power of two: a code is at most 6.
        DType::Mxfp4 => bytes.chunks_exact_mut(17).for_each(|block| {
            block[0] = (127.0 + (ideal / 2.7).log2().round()) as u8;
        }),
        other => unreachable!("no file type holds {other}"),
    }
}

/// Sets the f16 numbers at these offsets of each block.
fn set(bytes: &mut [u8], block: usize, numbers: &[(usize, f64)]) {
    for block in bytes.chunks_exact_mut(block) {
        for &(at, number) in numbers {
            block[at..at + 2].copy_from_slice(&f16::from_f64(number).to_le_bytes());
        }
    }
}

/// Random sign and mantissa under a fixed exponent. Between 2^-e and 2^-(e+1) the root mean square is 0.76 x 2^-e.
fn mask(bytes: &mut [u8], dtype: DType, ideal: f64) {
    let exponent = (1.0 / ideal).log2().round() as u64;
    let (keep, set) = match dtype {
        DType::F16 => (each(0x83ff), each((15_u64.saturating_sub(1 + exponent)).max(1) << 10)),
        _ => (each(0x807f), each((127_u64.saturating_sub(1 + exponent)).max(1) << 7)),
    };
    for word in bytes.as_chunks_mut::<8>().0 {
        *word = (u64::from_le_bytes(*word) & keep | set).to_le_bytes();
    }
}

/// The same 16 bits four times.
fn each(bits: u64) -> u64 {
    bits * 0x0001_0001_0001_0001
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_kernels::{Compute, Isa, MatrixView, gather_rows};

    const COLUMNS: usize = 1024;

    fn numbers(dtype: DType) -> Vec<f32> {
        let (stack, rows, columns) = (None, Some(513), COLUMNS);
        let name = "m.weight".into();
        let tensor = Tensor { name, stack, rows, columns, dtype, has_mean: false, gain: 1.0 };
        let mut out = Vec::new();
        let mut told = 0;
        write(&mut out, &tensor, 7, 3, &mut |bytes| told += bytes).unwrap();
        let bytes = tensor.stored().bytes();
        assert_eq!((out.len() as u64, told), (bytes, bytes));
        let compute = Compute::new(Isa::Scalar, 1).unwrap();
        let matrix = MatrixView::new(dtype, 513, COLUMNS, &out).unwrap();
        let mut numbers = vec![0.0; 513 * COLUMNS];
        gather_rows(&compute, matrix, &Vec::from_iter(0..513), &mut numbers);
        numbers
    }

    #[test]
    fn weights_keep_the_size_of_what_they_multiply() {
        let types = [DType::F16, DType::Bf16, DType::Q8_0, DType::Q5_0, DType::Q4K, DType::Q6K];
        for dtype in types.into_iter().chain([DType::Mxfp4]) {
            let numbers = numbers(dtype);
            let count = numbers.len() as f32;
            let mean = numbers.iter().sum::<f32>() / count;
            let size = (numbers.iter().map(|x| x * x).sum::<f32>() / count).sqrt();
            assert!(mean.abs() < 2e-3, "{dtype}: {mean}");
            let ideal = 1.0 / (COLUMNS as f32).sqrt();
            assert!(size > ideal / 2.0 && size < ideal * 2.0, "{dtype}: {size}");
            // Some types have few different numbers, so neighbours are equal now and then.
            let equal = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert!(equal * 8 < numbers.len(), "{dtype}: {equal} of {}", numbers.len());
        }
    }

    #[test]
    fn norms_are_one_and_biases_zero() {
        for (name, value) in [("n.weight", 1.0f32), ("n.bias", 0.0)] {
            let dtype = DType::F32;
            let (name, stack, rows) = (name.into(), None, None);
            let tensor =
                Tensor { name, stack, rows, columns: 3, dtype, has_mean: false, gain: 1.0 };
            let mut out = Vec::new();
            write(&mut out, &tensor, 0, 0, &mut |_| {}).unwrap();
            assert_eq!(out, value.to_le_bytes().repeat(3));
        }
    }
}
