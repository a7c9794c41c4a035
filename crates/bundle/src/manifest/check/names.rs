//! Names: short, printable, unique; those of text files plain.

use crate::{ManifestFault, Named};
use std::collections::HashSet;

/// Most bytes of a name: what file systems allow.
const MAX_NAME: usize = 255;

/// Whether `name` may name a `what`.
pub(crate) fn check_name(what: Named, name: &str) -> Result<(), ManifestFault> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(ManifestFault::NameLength { what, limit: MAX_NAME, got: name.len() });
    }
    let path = what == Named::Text && (matches!(name, "." | "..") || name.contains(['/', '\\']));
    if path || name.contains(char::is_control) {
        return Err(ManifestFault::Name { what, name: name.to_owned() });
    }
    Ok(())
}

/// A copy of `name` when it may name a `what`.
pub(super) fn checked_name(what: Named, name: &str) -> Result<String, ManifestFault> {
    check_name(what, name).map(|()| name.to_owned())
}

/// Whether no name occurs twice.
pub(super) fn check_unique<'a>(
    what: Named,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ManifestFault> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ManifestFault::DuplicateName { what, name: name.to_owned() });
        }
    }
    Ok(())
}
