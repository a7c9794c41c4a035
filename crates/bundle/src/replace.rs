//! New predictors for a bundle whose weights stay as they are.

use crate::manifest::check_name;
use crate::writer::{Directory, SectionFile, commit};
use crate::{Bundle, BundleError, Calibration, DataFileKind, Named, PredictorEntry, Predictors};
use std::path::Path;

/// Gives the bundle at `dir` new predictors, one per group: a blob, or `None` where every neuron of
/// the group is computed. `calibration` replaces what was measured with the old ones.
///
/// The bundle is complete at every moment: it has the old predictors until it has the new ones.
///
/// # Errors
/// When there is no bundle, when another process writes to it, when there is not one
/// predictor per group, or when the system refuses.
pub fn replace_predictors<B: AsRef<[u8]>>(
    dir: &Path,
    kind: &str,
    blobs: impl IntoIterator<Item = Option<B>>,
    calibration: Option<Calibration>,
) -> Result<Bundle, BundleError> {
    let directory = Directory::existing(dir)?;
    check_name(Named::PredictorKind, kind).map_err(|fault| directory.fault(fault))?;
    let mut contents = Bundle::open(dir)?.into_contents();
    let mut file = SectionFile::create(&directory, DataFileKind::Predictors)?;
    let mut groups = Vec::with_capacity(contents.groups.len());
    for blob in blobs {
        groups.push(match blob {
            None => PredictorEntry::Dense,
            Some(blob) => {
                let (extent, crc) = file.section(blob.as_ref())?;
                PredictorEntry::Blob { extent, crc }
            }
        });
    }
    contents.predictors_file = Some(file.finish()?);
    contents.predictors = Some(Predictors { kind: kind.to_owned(), groups });
    contents.calibration = calibration;
    commit(&directory, &contents, vec![file], None)
}
