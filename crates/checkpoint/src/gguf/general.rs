//! What every model's metadata says in the same place: what it is, how it was stored, how it chats.

use super::error::GgufError;
use super::metadata::Metadata;

/// Names of `general.file_type`, by number, as llama.cpp gives them.
const FILE_TYPES: [(u32, &str); 33] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
];

/// A bit of `general.file_type`: the type was guessed from the tensors.
const GUESSED: u32 = 1024;

const TEMPLATE: &str = "tokenizer.chat_template";

impl Metadata {
    /// The name of the model's architecture, such as `llama`.
    ///
    /// # Errors
    /// When there is none.
    pub fn architecture(&self) -> Result<&str, GgufError> {
        self.require("general.architecture")
    }

    /// The key that says `name` of this architecture, such as `llama.block_count`.
    ///
    /// # Errors
    /// When the file names no architecture.
    pub fn architecture_key(&self, name: &str) -> Result<String, GgufError> {
        Ok(format!("{}.{name}", self.architecture()?))
    }

    /// What the file holds: `model` unless it says `adapter`, `imatrix`, `mmproj` or another word.
    ///
    /// # Errors
    /// When what it says is not text.
    pub fn file_kind(&self) -> Result<&str, GgufError> {
        Ok(self.get("general.type")?.unwrap_or("model"))
    }

    /// The name of the mix of types that the file was made as, such as `Q4_K_M`, for reports alone: tensors of other
    /// types are in every mix. `None` where the file says nothing or the number is unknown.
    ///
    /// # Errors
    /// When what it says is not a number.
    pub fn file_type(&self) -> Result<Option<&'static str>, GgufError> {
        let number = self.get::<u32>("general.file_type")?.map(|number| number & !GUESSED);
        let named = |number| FILE_TYPES.iter().find(|&&(id, _)| id == number);
        Ok(number.and_then(named).map(|&(_, name)| name))
    }

    /// The chat template, a program in Jinja: the one of this name (such as `tool_use`), or the one without a name.
    /// `None` where there is none.
    ///
    /// # Errors
    /// When it is not text.
    pub fn chat_template(&self, name: Option<&str>) -> Result<Option<&str>, GgufError> {
        match name {
            Some(name) => self.get(&format!("{TEMPLATE}.{name}")),
            None => self.get(TEMPLATE),
        }
    }

    /// Names of the chat templates that have one.
    pub fn chat_template_names(&self) -> impl Iterator<Item = &str> {
        self.iter().filter_map(|(key, _)| key.strip_prefix(TEMPLATE)?.strip_prefix('.'))
    }
}
