//! A matrix of four-bit blocks times a vector, in each of the arithmetics that a quantised matrix has.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_kernels::{Arithmetic, Compute, DType, Isa, MatrixView, matmul};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const ROWS: usize = 2;
    const COLS: usize = 64;
    // A block of Q4_0: a scale in binary16 (here 0.5), then 32 codes of four bits, eight above what they mean.
    let block: Vec<u8> = [0x00, 0x38].into_iter().chain((0..16).map(|code| code * 17)).collect();
    let bytes = block.repeat(ROWS * COLS / 32);
    let vector: Vec<f32> = (0..COLS).map(|column| (column as f32 * 0.1).sin()).collect();
    let compute = Compute::new(Isa::best(), 2)?;
    for arithmetic in [Arithmetic::F32, Arithmetic::Int16, Arithmetic::Int8] {
        let matrix = MatrixView::new(DType::Q4_0, ROWS, COLS, &bytes)?.with_arithmetic(arithmetic);
        let mut product = [0.0; ROWS];
        matmul(&compute, matrix, &vector, None, &mut product);
        println!("{:>5} on {}: {product:?}", arithmetic.name(), compute.isa());
    }
    Ok(())
}
