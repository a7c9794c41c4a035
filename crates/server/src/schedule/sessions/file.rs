//! The file of one conversation: what it belongs to, its tokens, and page after page of keys and values.
//!
//! `magic (8) | length of identity u32 | tokens u32 | tokens of a page u32 | bytes of a page u64 | identity | tokens u32 each |
//! CRC-32C of all before, u32`, then each page and its CRC-32C. Numbers are little-endian. The name is given once all is
//! written.

use crc32c::{crc32c, crc32c_append};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What the names of such files end in.
pub(super) const ENDING: &str = "session";

const MAGIC: &[u8; 8] = b"FLNTSES1";

/// Bytes before the identity.
const FIXED: usize = 28;

/// Bytes of a checksum.
const SUM: usize = 4;

/// Bytes of a file with `tokens` tokens.
pub(super) fn size(identity: &str, tokens: usize, page_tokens: usize, page_bytes: usize) -> u64 {
    let head = FIXED + identity.len() + 4 * tokens + SUM;
    head as u64 + (tokens / page_tokens) as u64 * (page_bytes + SUM) as u64
}

fn head(identity: &str, tokens: &[u32], page_tokens: usize, page_bytes: usize) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    for number in [identity.len(), tokens.len(), page_tokens] {
        head.extend_from_slice(&(number as u32).to_le_bytes());
    }
    head.extend_from_slice(&(page_bytes as u64).to_le_bytes());
    head.extend_from_slice(identity.as_bytes());
    tokens.iter().for_each(|token| head.extend_from_slice(&token.to_le_bytes()));
    head
}

/// Writes a file of whole pages.
pub(super) fn write<'a>(
    path: &Path,
    identity: &str,
    tokens: &[u32],
    page_tokens: usize,
    page: &dyn Fn(usize) -> &'a [u8],
) -> io::Result<()> {
    let part = path.with_extension("part");
    // What somebody said is nobody else's to read.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    let mut out = BufWriter::new(file);
    let written = (|| {
        let head = head(identity, tokens, page_tokens, page(0).len());
        out.write_all(&head)?;
        out.write_all(&crc32c(&head).to_le_bytes())?;
        for index in 0..tokens.len() / page_tokens {
            out.write_all(page(index))?;
            out.write_all(&page_sum(index, page(index)).to_le_bytes())?;
        }
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&part, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

/// A page at another place is another page.
fn page_sum(index: usize, bytes: &[u8]) -> u32 {
    crc32c_append(crc32c(&(index as u64).to_le_bytes()), bytes)
}

/// A file that was found whole as far as its head goes.
pub(super) struct SessionFile {
    file: File,
    tokens: Vec<u32>,
    pages_at: u64,
}

impl SessionFile {
    /// Opens a file; `None` when it belongs to another model or another way to run it.
    ///
    /// # Errors
    /// When it is no such file, or broken.
    pub(super) fn open(
        path: &Path,
        identity: &str,
        page_tokens: usize,
        page_bytes: usize,
    ) -> io::Result<Option<SessionFile>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut fixed = [0; FIXED];
        file.read_exact(&mut fixed)?;
        let u32_at = |at: usize| {
            u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]) as usize
        };
        if !fixed.starts_with(MAGIC) {
            return Err(broken("no conversation"));
        }
        let (named, tokens) = (u32_at(8), u32_at(12));
        // Sizes are those that this model gives, before anything is asked for by them.
        if named != identity.len() || u32_at(16) != page_tokens {
            return Ok(None);
        }
        if length != size(identity, tokens, page_tokens, page_bytes) {
            return Err(broken("the file is cut or of other pages"));
        }
        let mut rest = vec![0; named + 4 * tokens + SUM];
        file.read_exact(&mut rest)?;
        let (body, sum) = rest.split_at(rest.len() - SUM);
        if crc32c_append(crc32c(&fixed), body).to_le_bytes() != sum {
            return Err(broken("the head does not match its checksum"));
        }
        let (name, tokens) = body.split_at(named);
        if name != identity.as_bytes() {
            return Ok(None);
        }
        let number = |it: &[u8]| u32::from_le_bytes([it[0], it[1], it[2], it[3]]);
        let tokens = tokens.chunks_exact(4).map(number).collect();
        Ok(Some(SessionFile { file, tokens, pages_at: (FIXED + rest.len()) as u64 }))
    }

    /// The tokens, a number of whole pages.
    pub(super) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Reads one page.
    pub(super) fn read_page(&mut self, index: usize, page: &mut [u8]) -> io::Result<()> {
        let at = self.pages_at + index as u64 * (page.len() + SUM) as u64;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(page)?;
        let mut sum = [0; SUM];
        self.file.read_exact(&mut sum)?;
        if page_sum(index, page).to_le_bytes() == sum {
            Ok(())
        } else {
            Err(broken("a page does not match its checksum"))
        }
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
