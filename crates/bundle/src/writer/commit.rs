//! The one operation that completes a bundle.

use super::directory::Directory;
use super::partial::Partial;
use super::section_file::SectionFile;
use crate::bundle::wait_for_openers;
use crate::contents::Contents;
use crate::data_file_kind::{MANIFEST, MANIFEST_PARTIAL};
use crate::{Bundle, BundleError, manifest};
use std::fs::File;

/// Hears bytes done and bytes there are.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Publishes the finished `files`, then the manifest that names them, then removes what it does not
/// name. Until the manifest is renamed the directory holds the bundle that was there before. With
/// `verified`, everything is read back and checked before that.
pub(crate) fn commit(
    directory: &Directory,
    contents: &Contents,
    mut files: Vec<SectionFile>,
    verified: Option<Progress<'_>>,
) -> Result<Bundle, BundleError> {
    let bytes = manifest::encode(&directory.path().join(MANIFEST), contents)?;
    let mut manifest = Partial::create(directory.path(), MANIFEST_PARTIAL)?;
    manifest.write(&bytes)?;
    manifest.sync()?;
    files.iter_mut().try_for_each(SectionFile::publish)?;
    directory.sync()?;
    if let Some(progress) = verified {
        Bundle::of(directory.path(), contents.clone())?.verify(progress)?;
    }
    // Kept before the rename: should it fail half way, a manifest must never name removed files.
    files.iter_mut().for_each(SectionFile::keep);
    let replaced = File::open(directory.path().join(MANIFEST));
    manifest.rename(MANIFEST)?;
    manifest.keep();
    directory.sync()?;
    if let Ok(replaced) = replaced {
        wait_for_openers(&replaced);
    }
    directory.remove_all_but(Some(contents));
    Bundle::open(directory.path())
}
