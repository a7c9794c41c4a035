//! Records of your own, streamed: what recent steps used stays in memory, the rest is read straight into free slots.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use flint_dram_cache::{Admission, CacheConfig, PolicyKind, SlotCache};
use flint_flash_io::{FileId, Options, Priority, Reader, RecordRead, TIMEOUT};
use flint_geometry::{DType, RecordLayout, UnitKey, UnitSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A file of 1000 records of 2048 bytes, each filled with its number; memory for 100 of them.
    let path = std::env::temp_dir().join(format!("stream-records-{}", std::process::id()));
    std::fs::write(&path, (0..1000u32).flat_map(|n| [n as u8; 2048]).collect::<Vec<u8>>())?;
    let record = RecordLayout::new(DType::F32, 256, false).ok_or("no width")?;
    let mut reader = Reader::open(std::slice::from_ref(&path), Options::default())?;
    let config = CacheConfig {
        groups: vec![1000],
        slot_bytes: reader.lease_bytes(2048),
        policy: PolicyKind::default(),
    };
    let mut cache = SlotCache::new(&config, config.bytes_for(100))?;
    let mut admission = Admission::new();
    for step in 0..20u32 {
        let wanted = UnitSet::from_unsorted((step * 5..step * 5 + 50).collect());
        cache.admit(0, &wanted, &mut admission)?;
        let (hits, misses) = (admission.resident.len(), admission.missing.len());
        let mut reads: Vec<RecordRead> = Vec::new();
        for miss in admission.missing.drain(..) {
            let extent = record.extent(miss.neuron).ok_or("beyond the file")?;
            reads.push(RecordRead::new(miss.neuron.into(), FileId(0), extent, miss.lease));
        }
        reader.submit(&mut reads, Priority::Demand);
        while let Some(done) = reader.next_within(TIMEOUT)? {
            done.result?;
            cache.fill(UnitKey { group: 0, neuron: done.tag as u32 }, done.into);
        }
        cache.end_token();
        println!("step {step}: {hits} were there, {misses} were read");
    }
    Ok(std::fs::remove_file(path)?)
}
