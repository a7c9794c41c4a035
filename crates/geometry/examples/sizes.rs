//! How many bytes a layer of a model takes, by data type.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_geometry::{DType, RecordLayout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (hidden, neurons) = (4096u32, 11_008u64);
    for dtype in [DType::F32, DType::F16, DType::Q8_0, DType::Q4K] {
        let row = dtype.row_bytes(u64::from(hidden)).ok_or("no whole number of blocks")?;
        println!(
            "{:>5}: {} bytes a row, {} MB for gate, up and down",
            dtype.name(),
            row,
            3 * neurons * row / 1_000_000
        );
    }
    // One neuron as a record: the three rows side by side, padded to whole sectors.
    let record = RecordLayout::new(DType::F16, hidden, true).ok_or("a width of zero")?;
    println!("a record: {} bytes, one every {}", record.payload_bytes(), record.stride());
    Ok(())
}
