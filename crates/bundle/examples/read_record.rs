//! Writes a bundle of two neurons, and reads the record of one of them, checked.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_bundle::{Bundle, BundleWriter, Overwrite, Provenance};
use flint_geometry::{DType, ModelShape, RecordLayout, UnitKey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let record = RecordLayout::new(DType::F32, 4, false).ok_or("a width of zero")?;
    let shape =
        ModelShape { layers: 1, neurons: 2, vocabulary: 10, context: 8, kv_width: 4, record };
    let source = Provenance {
        family: "example".into(),
        converter: "read_record".into(),
        fingerprint: "none".into(),
    };
    let dir = std::env::temp_dir().join(format!("read-record-{}.flint", std::process::id()));
    let mut writer = BundleWriter::create(&dir, Overwrite::Refuse, shape, source, "{}".into())?;
    writer.begin_group(2, None, None)?;
    for neuron in [1.0f32, 2.0] {
        let row: Vec<u8> = [neuron; 4].into_iter().flat_map(f32::to_le_bytes).collect();
        writer.record(&[&row, &row])?;
    }
    writer.finish_group()?;
    writer.commit()?;

    let bundle = Bundle::open(&dir)?;
    let mut bytes = vec![0; bundle.shape().record.payload_bytes()];
    bundle.read_record(UnitKey { group: 0, neuron: 1 }, &mut bytes)?;
    let up = &bytes[bundle.shape().record.up()];
    println!("the up row of neuron 1 begins with {:02x?}", &up[..4]);
    Ok(std::fs::remove_dir_all(&dir)?)
}
