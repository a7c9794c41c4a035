//! The four data files of a bundle and their names: a name is made from a role and a number, never
//! read from disk, so no manifest can name a file outside its directory.

use std::fmt;

/// The manifest: its rename into place is what completes a bundle.
pub(crate) const MANIFEST: &str = "manifest.bin";

/// The manifest while it is being written.
pub(crate) const MANIFEST_PARTIAL: &str = "manifest.partial";

/// Hexadecimal digits of a content suffix.
const SUFFIX_DIGITS: usize = 16;

/// What a data file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataFileKind {
    /// Dense tensors and neuron biases.
    Dense,
    /// Neuron records, group after group.
    Neurons,
    /// One opaque predictor per group.
    Predictors,
    /// Text files of the checkpoint.
    Texts,
}

impl DataFileKind {
    const ALL: [DataFileKind; 4] =
        [DataFileKind::Dense, DataFileKind::Neurons, DataFileKind::Predictors, DataFileKind::Texts];

    /// First word of the file name: `dense`, `neurons`, `predictors` or `texts`.
    pub fn name(self) -> &'static str {
        match self {
            DataFileKind::Dense => "dense",
            DataFileKind::Neurons => "neurons",
            DataFileKind::Predictors => "predictors",
            DataFileKind::Texts => "texts",
        }
    }

    /// Name of the finished file with this content suffix.
    pub(crate) fn file_name(self, suffix: u64) -> String {
        format!("{}-{suffix:016x}.bin", self.name())
    }

    /// Name of the file while it is being written.
    pub(crate) fn partial_name(self) -> String {
        format!("{}.partial", self.name())
    }
}

impl fmt::Display for DataFileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a writer of this crate may have made `name`; only such files are ever removed.
pub(crate) fn is_ours(name: &str) -> bool {
    name == MANIFEST_PARTIAL
        || DataFileKind::ALL
            .iter()
            .any(|role| name == role.partial_name() || is_data_file(*role, name))
}

fn is_data_file(role: DataFileKind, name: &str) -> bool {
    name.strip_prefix(role.name())
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix(".bin"))
        .is_some_and(|digits| digits.len() == SUFFIX_DIGITS && digits.bytes().all(is_lower_hex))
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_writer_makes_are_ours() {
        for role in DataFileKind::ALL {
            assert!(is_ours(&role.file_name(0)) && is_ours(&role.file_name(u64::MAX)));
            assert!(is_ours(&role.partial_name()));
        }
        for foreign in [
            "manifest.bin",
            "dense-.bin",
            "dense-0123.bin",
            "dense-0123456789ABCDEF.bin",
            "dense-0123456789abcdef.bin.bak",
            "notes.partial",
            "dense0123456789abcdef.bin",
        ] {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}
