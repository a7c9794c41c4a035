//! Lists what a GGUF file says of its model, and its tensors: `cargo run --example list -- MODEL.gguf`.

use flint_checkpoint::gguf::GgufFile;
use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give a GGUF file")?;
    let file = GgufFile::open(Path::new(&path))?;
    let mut out = stdout().lock();
    for (key, value) in file.metadata().iter() {
        writeln!(out, "{key} = {value}")?;
    }
    for tensor in file.tensors() {
        let dims: Vec<String> = tensor.dims().iter().map(u64::to_string).collect();
        let usable = if tensor.kind().dtype().is_some() { "" } else { " (not supported)" };
        let (kind, place) = (tensor.kind(), tensor.extent());
        writeln!(
            out,
            "{:40} {kind:8} {:20} file {} bytes {} to {}{usable}",
            tensor.name(),
            dims.join(" x "),
            tensor.shard(),
            place.offset(),
            place.end()
        )?;
    }
    Ok(())
}
