//! Conversations that outlive the server: what is kept of answered requests is written to files when it ends, and taken
//! up when it starts again with the same model, run in the same way.

mod file;
mod identity;

use super::prefixes::Prefixes;
use file::{ENDING, SessionFile};
use flint_engine::{Engine, OpenModel, RunOptions, Sequence};
use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where conversations are kept, and how many bytes of them.
#[derive(Debug, Clone)]
pub struct Sessions {
    directory: PathBuf,
    /// Most bytes that one run writes, and that the directory holds afterwards.
    most_bytes: u64,
    /// What keys and values depend on beside the tokens.
    identity: String,
}

/// What was written or taken up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Conversations.
    pub sessions: usize,
    /// Their tokens.
    pub tokens: usize,
    /// Bytes that were read or written for it.
    pub bytes: u64,
}

impl Sessions {
    /// Keeps conversations in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made, or the model's files cannot be looked at.
    pub fn new(
        directory: &Path,
        most_bytes: u64,
        files: &OpenModel,
        options: &RunOptions,
    ) -> io::Result<Sessions> {
        fs::create_dir_all(directory)?;
        let identity = identity::of(files, options)?;
        Ok(Sessions { directory: directory.to_owned(), most_bytes, identity })
    }

    /// Takes up what was kept, the latest first, while there are pages. A file that is broken or of another model is left
    /// alone.
    pub(super) fn take_up(&self, engine: &mut Engine, prefixes: &mut Prefixes) -> SessionCounts {
        let (mut counts, mut taken) = (SessionCounts::default(), Vec::new());
        for path in self.files().into_iter().rev() {
            match self.read(&path, engine, &taken) {
                Ok(Some((sequence, bytes))) => {
                    counts.sessions += 1;
                    counts.tokens += sequence.len();
                    counts.bytes += bytes;
                    taken.push(sequence);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "a kept conversation is left out");
                }
            }
        }
        taken.into_iter().rev().for_each(|sequence| prefixes.keep(engine, sequence));
        counts
    }

    fn read(
        &self,
        path: &Path,
        engine: &mut Engine,
        taken: &[Sequence],
    ) -> io::Result<Option<(Sequence, u64)>> {
        let (page_tokens, page_bytes) = (engine.kv_page_tokens(), engine.kv_page_bytes());
        let opened = SessionFile::open(path, &self.identity, page_tokens, page_bytes)?;
        let Some(mut file) = opened else { return Ok(None) };
        let pages = file.tokens().len() / page_tokens;
        if pages > engine.kv_pages_free() || file.tokens().len() > engine.plan().context {
            return Ok(None);
        }
        let mut sequence = Prefixes::fork(engine, file.tokens(), taken);
        let (mut page, mut bytes) = (vec![0; page_bytes], 0);
        let result = (sequence.len() / page_tokens..pages).try_for_each(|index| {
            file.read_page(index, &mut page)?;
            bytes += page_bytes as u64;
            let tokens = &file.tokens()[index * page_tokens..(index + 1) * page_tokens];
            engine.push_kv_page(&mut sequence, tokens, &page).map_err(io::Error::other)
        });
        match result {
            Ok(()) => Ok(Some((sequence, bytes))),
            Err(error) => {
                engine.end(sequence);
                Err(error)
            }
        }
    }

    /// Writes what is kept, the latest first, as far as the cap allows; what was there and did not change is not written
    /// again.
    ///
    /// # Errors
    /// When the system refuses; what was written so far is whole.
    pub(super) fn write(&self, engine: &Engine, prefixes: &Prefixes) -> io::Result<SessionCounts> {
        let page_tokens = engine.kv_page_tokens();
        let (mut counts, mut held, mut chosen) = (SessionCounts::default(), 0, Vec::new());
        for sequence in prefixes.latest_first() {
            let tokens = &sequence.tokens()[..sequence.len() / page_tokens * page_tokens];
            let size =
                file::size(&self.identity, tokens.len(), page_tokens, engine.kv_page_bytes());
            if !tokens.is_empty() && held + size <= self.most_bytes {
                held += size;
                chosen.push((self.path(tokens), sequence, tokens, size));
            }
        }
        // The latest is written last: the order of files is the order of use.
        for (path, sequence, tokens, size) in chosen.iter().rev() {
            counts.sessions += 1;
            counts.tokens += tokens.len();
            if path.metadata().is_ok_and(|found| found.len() == *size) {
                File::options().append(true).open(path)?.set_modified(SystemTime::now())?;
                continue;
            }
            let page = |index| engine.kv_page(sequence, index);
            file::write(path, &self.identity, tokens, page_tokens, &page)?;
            counts.bytes += size;
        }
        let keep: HashSet<&PathBuf> = chosen.iter().map(|(path, ..)| path).collect();
        self.forget_oldest(&keep, held)?;
        Ok(counts)
    }

    /// Removes the oldest files but those in `keep`, which take `held` bytes, until the directory is within the cap.
    fn forget_oldest(&self, keep: &HashSet<&PathBuf>, held: u64) -> io::Result<()> {
        let others = self.files().into_iter().filter(|path| !keep.contains(path));
        let mut others: Vec<(PathBuf, u64)> = others
            .map(|path| (path.metadata().map_or(0, |found| found.len()), path))
            .map(|(size, path)| (path, size))
            .collect();
        let mut total = held + others.iter().map(|(_, size)| size).sum::<u64>();
        others.reverse();
        while let Some((path, size)) = others.pop().filter(|_| total > self.most_bytes) {
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }

    /// The files of conversations, the oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let ours = paths.filter(|path| path.extension().is_some_and(|it| it == ENDING));
        let mut dated: Vec<(SystemTime, PathBuf)> =
            ours.filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path))).collect();
        dated.sort();
        dated.into_iter().map(|(_, path)| path).collect()
    }

    fn path(&self, tokens: &[u32]) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        (&self.identity, tokens).hash(&mut hasher);
        self.directory.join(format!("{:016x}.{ENDING}", hasher.finish()))
    }
}
