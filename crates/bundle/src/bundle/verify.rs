//! Every byte of every data file against the manifest.

use super::Bundle;
use super::scan::Scan;
use crate::contents::DataFile;
use crate::layout::next_section;
use crate::{BundleError, Group, Part, PredictorEntry};
use flint_geometry::Extent;

impl Bundle {
    /// Reads every data file and compares each section and record with its checksum and the padding
    /// with zero. Together with [`Bundle::open`], which covers the manifest, no byte is left out.
    ///
    /// `progress` is told the bytes done and the bytes there are.
    ///
    /// # Errors
    /// At the first byte run that differs, or when the system refuses.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), BundleError> {
        let total = self.file_bytes();
        let mut done = 0;
        let mut read = |bytes| {
            done += bytes;
            progress(done, total);
        };
        let contents = &self.contents;
        let tensors = contents
            .tensors
            .iter()
            .map(|tensor| (tensor.extent, tensor.crc, Part::Tensor(tensor.name.clone())));
        self.verify_sections(&contents.dense_file, tensors, &mut read)?;
        self.verify_records(&mut read)?;
        let texts = contents
            .texts
            .iter()
            .map(|text| (text.extent, text.crc, Part::Text(text.name.clone())));
        self.verify_sections(&contents.texts_file, texts, &mut read)?;
        if let Some(file) = &contents.predictors_file {
            let entries = contents.predictors.iter().flat_map(|all| &all.groups);
            let blobs = (0u32..).zip(entries).filter_map(|(group, entry)| match *entry {
                PredictorEntry::Dense => None,
                PredictorEntry::Blob { extent, crc } => {
                    Some((extent, crc, Part::Predictor { group }))
                }
            });
            self.verify_sections(file, blobs, &mut read)?;
        }
        Ok(())
    }

    fn verify_sections(
        &self,
        file: &DataFile,
        sections: impl Iterator<Item = (Extent, u32, Part)>,
        read: &mut dyn FnMut(u64),
    ) -> Result<(), BundleError> {
        let mut scan = Scan::open(file.path(&self.dir), read)?;
        for (extent, crc, part) in sections {
            scan.part(extent.len(), crc, || part)?;
            scan.zeros_to(padded(extent))?;
        }
        Ok(())
    }

    fn verify_records(&self, read: &mut dyn FnMut(u64)) -> Result<(), BundleError> {
        let mut scan = Scan::open(self.neurons_path(), read)?;
        for (index, group) in (0u32..).zip(&self.contents.groups) {
            verify_group(&mut scan, index, group)?;
            scan.zeros_to(padded(group.extent()))?;
        }
        Ok(())
    }
}

fn verify_group(scan: &mut Scan<'_>, index: u32, group: &Group) -> Result<(), BundleError> {
    for position in 0..group.neurons() {
        let extent = group.record_extent(position);
        let part = || Part::Record { group: index, neuron: group.neuron_at(position) };
        scan.part(extent.len(), group.record_crc(position), part)?;
        scan.zeros_to(extent.offset() + group.record.stride())?;
    }
    Ok(())
}

/// Where the section after `extent` starts. The parser computed it before, inside 64 bits.
fn padded(extent: Extent) -> u64 {
    next_section(extent.end()).unwrap_or_else(|| unreachable!("a checked section"))
}
