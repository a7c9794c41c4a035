//! What lies in the place of a file that was downloaded: mostly, a download that went wrong in a way that is well known.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes from the beginning of a file that are looked at.
pub(crate) const SEEN: usize = 512;

/// What lies in the place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookalike {
    /// Nothing.
    Empty,
    /// The text that git-lfs leaves in the place of a large file.
    LfsPointer,
    /// A page of a web site.
    WebPage,
    /// Another text, such as what a server says when it refuses: its beginning.
    Text(String),
    /// Zeros, as a download reserves them before they are filled.
    Zeros,
    /// A format of llama.cpp from before GGUF: its mark.
    Older(&'static str),
    /// A zip archive, as PyTorch writes.
    Archive,
    /// A safetensors file.
    Safetensors,
    /// Anything else: its first bytes.
    Other([u8; 4]),
}

/// Marks of older formats, as they lie in the file.
const OLDER: [(&[u8; 4], &str); 4] =
    [(b"lmgg", "GGML"), (b"fmgg", "GGMF"), (b"tjgg", "GGJT"), (b"algg", "GGLA")];

impl Lookalike {
    /// What a download left that did not bring the file, whatever the file was to be; `None` for any other content.
    pub(crate) fn failed_download(start: &[u8]) -> Option<Lookalike> {
        let found = Lookalike::of(&start[..start.len().min(SEEN)]);
        let failed =
            [Lookalike::Empty, Lookalike::LfsPointer, Lookalike::WebPage, Lookalike::Zeros];
        failed.contains(&found).then_some(found)
    }

    /// The same of an open file; what cannot be read is left to whoever reads it next.
    pub(crate) fn failed_download_of(file: &File) -> Option<Lookalike> {
        let mut start = [0; SEEN];
        let read = file.read_at(&mut start, 0).ok()?;
        Lookalike::failed_download(&start[..read])
    }

    /// Looks at the beginning of a file.
    pub(crate) fn of(start: &[u8]) -> Lookalike {
        let text = String::from_utf8_lossy(start).trim_start_matches(['\u{feff}', ' ']).to_owned();
        let lower = text.trim_start().to_ascii_lowercase();
        let Some(&first) = start.first_chunk::<4>() else {
            return if start.is_empty() { Lookalike::Empty } else { Lookalike::Text(text) };
        };
        if let Some((_, name)) = OLDER.iter().find(|(mark, _)| **mark == first) {
            return Lookalike::Older(name);
        }
        match () {
            () if lower.starts_with("version https://git-lfs") => Lookalike::LfsPointer,
            () if ["<!doctype", "<html", "<?xml", "<head"]
                .iter()
                .any(|tag| lower.starts_with(tag)) =>
            {
                Lookalike::WebPage
            }
            () if start.iter().all(|&byte| byte == 0) => Lookalike::Zeros,
            () if first.starts_with(b"PK") => Lookalike::Archive,
            () if start.get(8) == Some(&b'{') && start[4..8] == [0; 4] => Lookalike::Safetensors,
            () if is_text(start) => Lookalike::Text(text.chars().take(60).collect()),
            () => Lookalike::Other(first),
        }
    }
}

fn is_text(start: &[u8]) -> bool {
    start.iter().all(|&byte| byte >= 0x20 || byte.is_ascii_whitespace())
}

impl fmt::Display for Lookalike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lookalike::Empty => f.write_str("is empty: the download failed, get it again"),
            Lookalike::LfsPointer => f.write_str(
                "is a git-lfs pointer, a note of where the file is: fetch the file itself with 'git lfs pull'",
            ),
            Lookalike::WebPage => f.write_str(
                "is a web page: download the file itself, not the page about it, and log in where that is asked for",
            ),
            Lookalike::Text(start) => {
                write!(f, "is a text that begins with '{}': the download failed", start.trim().escape_debug())
            }
            Lookalike::Zeros => f.write_str("begins with zeros: its download has not finished"),
            Lookalike::Older(name) => {
                write!(f, "is in the {name} format, from before GGUF: get a GGUF file of the model")
            }
            Lookalike::Archive => f.write_str("is a zip archive, as PyTorch checkpoints are"),
            Lookalike::Safetensors => {
                f.write_str("is a safetensors file: give the directory of the checkpoint instead")
            }
            Lookalike::Other(first) => write!(f, "begins with the bytes {first:02x?}, not with 'GGUF'"),
        }
    }
}
