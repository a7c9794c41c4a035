//! A bundle together with what its architecture text says: open and checked, nothing loaded.

use crate::chat_texts::ChatTexts;
use crate::seal;
use crate::tensors::{GgufMetadata, SourceKind, Tensors};
use crate::unused::UnusedTensors;
use crate::{EngineError, Tokenizer};
use flint_bundle::{Bundle, PredictorEntry};
use flint_checkpoint::gguf::{GgufFile, GgufTokenizer, Metadata};
use flint_checkpoint::{Checkpoint, LARGEST_TOKENIZER, tokenizer_json};
use flint_flash_io::FileId;
use flint_geometry::{DType, ModelShape, RecordLayout};
use flint_model::{Architecture, Description, Family, describe_gguf, gguf_notes};
use flint_predictor::{ContributionGroup, LowRankGroup, QuantizedGateLayer};
use std::path::{Path, PathBuf};

/// The file that makes a directory a bundle.
const MANIFEST: &str = "manifest.bin";

/// Name under which a bundle keeps its tokenizer.
const TOKENIZER: &str = "tokenizer.json";

/// Name under which a bundle keeps the tokenizer of the GGUF file that it was made from: a file without tensors.
pub const GGUF_TOKENIZER: &str = "tokenizer.gguf";

/// A tokenizer that is not in a bundle.
#[derive(Debug)]
enum OwnTokenizer {
    None,
    /// The text of `tokenizer.json`.
    Json(Vec<u8>),
    Gguf(Box<GgufTokenizer>),
}

/// An open model: a bundle, a GGUF file, or a checkpoint directory used as it lies there.
#[derive(Debug)]
pub struct OpenModel {
    path: PathBuf,
    pub(crate) architecture: Architecture,
    pub(crate) tensors: Tensors,
    /// The neurons as records, with what belongs to them.
    bundle: Option<Bundle>,
    /// The tokenizer, where it is not in a bundle.
    tokenizer: OwnTokenizer,
    notes: Vec<String>,
    unused: UnusedTensors,
    /// How it chats, where that is not in a bundle.
    chat: ChatTexts,
    /// Low-bit copies for drafts that a bundle keeps.
    copies: Option<Tensors>,
}

impl OpenModel {
    /// Opens the model at `path`, with the checksums beside it where there are any.
    ///
    /// # Errors
    /// When there is none, or one that does not check.
    pub fn open(path: &Path) -> Result<OpenModel, EngineError> {
        let mut files = OpenModel::open_unsealed(path)?;
        if files.records().is_none() {
            seal::apply(path, &mut files.tensors)?;
        }
        Ok(files)
    }

    /// Opens the model at `path` without looking for checksums beside it: to make them.
    ///
    /// # Errors
    /// As [`OpenModel::open`].
    pub fn open_unsealed(path: &Path) -> Result<OpenModel, EngineError> {
        // A link to nothing counts as a file here: whoever reads it names it.
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        if !is_there(path) {
            return Err(EngineError::NoSuchModel { path: path.to_path_buf() });
        }
        // Which of many models in a folder: the model crate does not know its files.
        let in_model = |error| match error {
            EngineError::Model(cause) => {
                EngineError::InModel { path: path.to_owned(), cause: Box::new(cause) }
            }
            other => other,
        };
        if !path.is_dir() {
            return open_gguf(path).map_err(in_model);
        }
        let is_checkpoint = is_there(&path.join("config.json")) && !is_there(&path.join(MANIFEST));
        if is_checkpoint {
            open_checkpoint(path).map_err(in_model)
        } else {
            open_bundle(path, true)
        }
    }

    /// Opens the bundle at `path` without looking at copies for drafts that it may have: to make them anew.
    ///
    /// # Errors
    /// As [`OpenModel::open`]; when the model is no bundle.
    pub fn open_to_store_copies(path: &Path) -> Result<OpenModel, EngineError> {
        match path.join(MANIFEST).exists() {
            true => open_bundle(path, false),
            false => Err(EngineError::NotABundle { path: path.to_owned() }),
        }
    }

    /// Reads every tensor of a model that is used as it lies there, and writes their checksums beside it. `progress`
    /// hears bytes read and bytes to read. Returns where they are.
    ///
    /// # Errors
    /// When the model is a bundle, which has checksums; when a read or the write fails.
    pub fn seal(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<PathBuf, EngineError> {
        if self.records().is_some() {
            return Err(EngineError::SealedAlready { path: self.path.clone() });
        }
        seal::make(&self.path, &self.tensors, progress)
    }

    /// Reads every tensor of a sealed model and compares it with its checksum. Returns how many bytes were checked.
    ///
    /// # Errors
    /// Names the first tensor that differs; says so where there are no checksums.
    pub fn verify_sealed(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, EngineError> {
        if !self.tensors.checked() {
            return Err(EngineError::NotSealed { path: self.path.clone() });
        }
        seal::verify(&self.tensors, progress)?;
        Ok(self.tensors.bytes())
    }

    /// Bytes of the low-bit copies for drafts that a bundle keeps, where it has some.
    pub fn stored_copy_bytes(&self) -> Option<u64> {
        self.copies.as_ref().map(Tensors::bytes)
    }

    /// Compares the low-bit copies for drafts with their checksums, where there are some. Returns how many bytes were checked.
    ///
    /// # Errors
    /// Names the first tensor that differs.
    pub fn verify_copies(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, EngineError> {
        let Some(copies) = &self.copies else { return Ok(0) };
        seal::verify(copies, progress)?;
        Ok(copies.bytes())
    }

    pub(crate) fn stored_copies(&self) -> Option<&Tensors> {
        self.copies.as_ref()
    }

    /// The bundle.
    ///
    /// # Errors
    /// When the model is used from other files.
    pub fn bundle(&self) -> Result<&Bundle, EngineError> {
        self.records().ok_or_else(|| EngineError::NotABundle { path: self.path.clone() })
    }

    /// The bundle that holds the neurons as records; `None` where they are matrices.
    pub fn records(&self) -> Option<&Bundle> {
        self.bundle.as_ref()
    }

    /// What kind of file the model is used from.
    pub fn kind(&self) -> SourceKind {
        self.tensors.kind
    }

    /// Where the model is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a user should know of the model before running it, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Tensors in the files that the model does not use; none in a bundle, which is made of those in use.
    pub fn unused_tensors(&self) -> &UnusedTensors {
        &self.unused
    }

    /// Bytes of all weights, without padding.
    pub fn weights_bytes(&self) -> u64 {
        self.records().map_or_else(|| self.tensors.bytes(), Bundle::weights_bytes)
    }

    /// Bytes of the tensors of each data type, neurons as records left out, the most first.
    pub fn bytes_by_dtype(&self) -> Vec<(DType, u64)> {
        self.tensors.bytes_by_dtype()
    }

    /// Whether every read can be compared with a checksum.
    pub fn is_checked(&self) -> bool {
        self.tensors.checked()
    }

    /// Sizes for the plan; no neurons where they are not records.
    pub(crate) fn shape(&self) -> ModelShape {
        if let Some(bundle) = self.records() {
            return *bundle.shape();
        }
        let a = &self.architecture;
        let record = RecordLayout::new(DType::F16, a.hidden as u32, a.feed_forward.gated);
        ModelShape {
            layers: a.layers as u32,
            neurons: 0,
            vocabulary: a.vocabulary as u32,
            context: a.context as u32,
            kv_width: a.kv_width() as u32,
            record: record.unwrap_or_else(|| unreachable!("a hidden size was checked")),
        }
    }

    /// The largest of them, with its bytes.
    pub(crate) fn largest_streamed(&self) -> Option<(PathBuf, u64)> {
        let sized = |path: PathBuf| path.metadata().ok().map(|found| (path, found.len()));
        self.streamed_files().into_iter().filter_map(sized).max_by_key(|&(_, size)| size)
    }

    /// Bytes of the usual read: a record, or a piece of a matrix.
    pub(crate) fn read_bytes(&self) -> usize {
        const PIECE: usize = 512 << 10;
        self.records().map_or(PIECE, |bundle| bundle.shape().record.payload_bytes())
    }

    /// All files that weights are read from, in the order of the ids that the reader knows them by.
    pub(crate) fn read_files(&self) -> Vec<PathBuf> {
        let neurons = self.records().map(Bundle::neurons_path);
        let copies = self.copies.as_ref().and_then(|copies| copies.files.last().cloned());
        self.tensors.files.iter().cloned().chain(neurons).chain(copies).collect()
    }

    /// The one of them that holds neurons as records, where there is one.
    pub(crate) fn neurons_file(&self) -> FileId {
        FileId(self.tensors.files.len() as u32)
    }

    /// The files that are read while the model runs: those of neurons as records, else those of all tensors.
    fn streamed_files(&self) -> Vec<PathBuf> {
        let records = self.records().map(|bundle| vec![bundle.neurons_path()]);
        records.unwrap_or_else(|| self.tensors.files.clone())
    }

    /// What the model is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The tokenizer, where the bundle has one.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn codec(&self) -> Result<Option<Tokenizer>, EngineError> {
        let Some(bundle) = self.records() else {
            return match &self.tokenizer {
                OwnTokenizer::None => Ok(None),
                OwnTokenizer::Json(text) => Tokenizer::parse(text).map(Some),
                OwnTokenizer::Gguf(tokenizer) => Tokenizer::of_gguf(tokenizer).map(Some),
            };
        };
        if let Some(bytes) = read_tokenizer(bundle, TOKENIZER)? {
            return Tokenizer::parse(&bytes).map(Some);
        }
        let stored = self.stored_gguf_tokenizer()?;
        stored.map(|(_, tokenizer)| Tokenizer::of_gguf(&tokenizer)).transpose()
    }

    /// What the files say of how the model chats.
    ///
    /// # Errors
    /// When a text cannot be read.
    pub fn chat_texts(&self) -> Result<ChatTexts, EngineError> {
        let Some(bundle) = self.records() else { return Ok(self.chat.clone()) };
        match self.stored_gguf_tokenizer()? {
            Some((metadata, tokenizer)) => Ok(ChatTexts::of_gguf(&metadata, &tokenizer)?),
            None => ChatTexts::of_bundle(bundle),
        }
    }

    /// The tokenizer of the GGUF file that the bundle was made from, with what that file said of it.
    fn stored_gguf_tokenizer(&self) -> Result<Option<(Metadata, GgufTokenizer)>, EngineError> {
        let Some(bundle) = self.records() else { return Ok(None) };
        let Some(bytes) = read_tokenizer(bundle, GGUF_TOKENIZER)? else { return Ok(None) };
        let (path, size) = (self.path.join(GGUF_TOKENIZER), bytes.len() as u64);
        let file = GgufFile::from_reader(&path, &bytes[..], size)?;
        let tokenizer = GgufTokenizer::new(file.metadata())?;
        Ok(Some((file.metadata().clone(), tokenizer)))
    }

    /// Checks that every token is in the vocabulary.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check_tokens(&self, tokens: &[u32]) -> Result<(), EngineError> {
        let vocabulary = self.architecture.vocabulary;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(EngineError::UnknownToken { token, vocabulary }),
            None => Ok(()),
        }
    }
}

/// The bytes of a tokenizer that a bundle keeps under `name`.
fn read_tokenizer(bundle: &Bundle, name: &str) -> Result<Option<Vec<u8>>, EngineError> {
    let Some(text) = bundle.texts().iter().find(|text| text.name == name) else { return Ok(None) };
    let size = text.extent.len();
    if size > LARGEST_TOKENIZER {
        let cause = format!("it has {size} bytes, at most {LARGEST_TOKENIZER} are read");
        return Err(EngineError::BadTokenizer { cause });
    }
    Ok(Some(bundle.read_text(name)?))
}

fn open_bundle(path: &Path, copies: bool) -> Result<OpenModel, EngineError> {
    let bundle = Bundle::open(path)?;
    let architecture = Architecture::from_json(bundle.architecture())?;
    let described = architecture.shape(bundle.shape().record.element())?;
    if described != *bundle.shape() {
        return Err(EngineError::ShapeConflict { path: path.to_path_buf() });
    }
    let tensors = Tensors::of_bundle(&bundle, &architecture)?;
    check_tensors(&bundle, &architecture)?;
    check_predictors(&bundle)?;
    for (layer, group) in bundle.groups().iter().enumerate() {
        if (0..group.neurons()).any(|position| group.neuron_at(position) != position) {
            return Err(EngineError::UnknownOrder { layer });
        }
    }
    let path = path.to_owned();
    let mut files = OpenModel {
        path,
        architecture,
        tensors,
        bundle: Some(bundle),
        tokenizer: OwnTokenizer::None,
        notes: Vec::new(),
        unused: UnusedTensors::default(),
        chat: ChatTexts::default(),
        copies: None,
    };
    if let (Some(bundle), true) = (files.records(), copies) {
        let others = files.read_files();
        files.copies = Tensors::of_copies(&files.path, bundle, &files.architecture, others)?;
    }
    Ok(files)
}

fn open_checkpoint(path: &Path) -> Result<OpenModel, EngineError> {
    let checkpoint = Checkpoint::open(path)?;
    if checkpoint.is_pytorch() {
        return Err(EngineError::PytorchCheckpoint { path: path.to_path_buf() });
    }
    let (family, mut architecture) = describe_checkpoint(&checkpoint)?;
    let tensors = Tensors::of_checkpoint(&checkpoint, family, &architecture)?;
    let tied = architecture.head.tied;
    let unused = UnusedTensors::new(checkpoint.names(), &tensors.names(), tied);
    let tokenizer = checkpoint_tokenizer(&checkpoint, &mut architecture)?;
    let tokenizer = tokenizer.map_or(OwnTokenizer::None, OwnTokenizer::Json);
    let (path, chat) = (path.to_owned(), ChatTexts::of_checkpoint(&checkpoint)?);
    let notes = Vec::new();
    Ok(OpenModel {
        path,
        architecture,
        tensors,
        bundle: None,
        tokenizer,
        notes,
        unused,
        chat,
        copies: None,
    })
}

fn open_gguf(path: &Path) -> Result<OpenModel, EngineError> {
    let file = GgufFile::open(path)?;
    let (architecture, tokenizer) = describe_gguf_file(&file)?;
    let chat = tokenizer.as_ref().map(|found| ChatTexts::of_gguf(file.metadata(), found));
    let chat = chat.transpose()?.unwrap_or_default();
    let tokenizer =
        tokenizer.map_or(OwnTokenizer::None, |found| OwnTokenizer::Gguf(Box::new(found)));
    let tensors = Tensors::of_gguf(&file, &architecture)?;
    let name = file.metadata().get::<&str>("general.name")?.unwrap_or_default();
    let notes = gguf_notes(&GgufMetadata(&file), &architecture, name)?;
    let path = path.to_owned();
    let stored = file.tensors().iter().map(flint_checkpoint::gguf::Tensor::name);
    let unused = UnusedTensors::new(stored, &tensors.names(), architecture.head.tied);
    Ok(OpenModel {
        path,
        architecture,
        tensors,
        bundle: None,
        tokenizer,
        notes,
        unused,
        chat,
        copies: None,
    })
}

/// The tokenizer of a checkpoint as the text of `tokenizer.json`, `None` without one. From then on it says how texts begin:
/// perplexity and generation must not differ where `config.json` names another token.
///
/// # Errors
/// When it cannot be read.
pub fn checkpoint_tokenizer(
    checkpoint: &Checkpoint,
    architecture: &mut Architecture,
) -> Result<Option<Vec<u8>>, EngineError> {
    let Some(json) = tokenizer_json(checkpoint, architecture.begin_of_text)? else {
        return Ok(None);
    };
    architecture.begin_of_text = Tokenizer::parse(&json)?.begin()?;
    Ok(Some(json))
}

/// What a GGUF file says of its model, and its tokenizer: a file without one is run with token ids.
///
/// # Errors
/// When a value is absent or wrong, or asks for something that is not supported.
pub fn describe_gguf_file(
    file: &GgufFile,
) -> Result<(Architecture, Option<GgufTokenizer>), EngineError> {
    let mut architecture = describe_gguf(&GgufMetadata(file))?;
    if file.metadata().value("tokenizer.ggml.tokens").is_none() {
        return Ok((architecture, None));
    }
    let tokenizer = GgufTokenizer::new(file.metadata())?;
    architecture.begin_of_text = tokenizer.begin().filter(|_| tokenizer.adds_begin());
    architecture.end_of_text = tokenizer.ends().to_vec();
    Ok((architecture, Some(tokenizer)))
}

/// What the texts of a checkpoint say of its model.
///
/// # Errors
/// When a text cannot be read, or asks for something that is not supported.
pub fn describe_checkpoint(
    checkpoint: &Checkpoint,
) -> Result<(&'static dyn Family, Architecture), EngineError> {
    let generation = checkpoint.text("generation_config.json")?;
    let tokenizer = checkpoint.text("tokenizer_config.json")?;
    let description = Description {
        config: checkpoint.config(),
        generation_config: generation.as_deref(),
        tokenizer_config: tokenizer.as_deref(),
    };
    Ok(description.read()?)
}

/// The tensors of a bundle must be exactly those that its architecture computes with.
fn check_tensors(bundle: &Bundle, architecture: &Architecture) -> Result<(), EngineError> {
    let specs = architecture.dense_tensors();
    let (wanted, gated) = (architecture.feed_forward.biases.into, architecture.feed_forward.gated);
    let mut biases = 0;
    for layer in 0..bundle.shape().layers {
        let (gate, up) = (bundle.gate_bias(layer), bundle.up_bias(layer));
        if up.is_some() != wanted || gate.is_some() != (wanted && gated) {
            let tensor = format!("groups.{layer}.up_bias");
            return Err(EngineError::BiasConflict { tensor, wanted });
        }
        biases += usize::from(gate.is_some()) + usize::from(up.is_some());
    }
    match bundle.tensors().len() - biases {
        count if count == specs.len() => Ok(()),
        count => Err(EngineError::TensorCount { expected: specs.len(), got: count }),
    }
}

/// Predictors are read whole: none may be longer than the longest of any kind, which is a cascade of the highest rank, or copies of
/// all rows and columns where neurons are many.
fn check_predictors(bundle: &Bundle) -> Result<(), EngineError> {
    /// Room for the headers of a predictor and its stages.
    const HEADER: u64 = 128;
    let shape = bundle.shape();
    let (width, neurons) = (shape.record.width(), shape.neurons as usize);
    let low_rank = LowRankGroup::bytes_of(width, neurons, width.min(neurons));
    let copy = QuantizedGateLayer::bytes_of(width, neurons, QuantizedGateLayer::MOST_BITS);
    let copies = ContributionGroup::most_stored_bytes(width, neurons, shape.record.is_gated());
    let most = copies.max(low_rank + copy + HEADER);
    let entries = bundle.predictors().map_or(&[][..], |found| &found.groups);
    for (layer, entry) in entries.iter().enumerate() {
        if let PredictorEntry::Blob { extent, .. } = entry
            && extent.len() > most
        {
            let len = extent.len();
            let cause = format!("that of layer {layer} has {len} bytes, at most {most} are read");
            return Err(EngineError::WrongPredictors { cause });
        }
    }
    Ok(())
}
