//! How texts of a checkpoint begin and end, by the files beside its `config.json`.

use crate::config::Config;
use crate::{Architecture, ModelError};

/// Adds the ends of text that `generation_config.json` knows, and lets `tokenizer_config.json` decide whether
/// texts begin with the begin-of-text token of `config`.
pub(crate) fn apply(
    architecture: &mut Architecture,
    config: &Config,
    generation: Option<&Config>,
    tokenizer: Option<&Config>,
) -> Result<(), ModelError> {
    if let Some(config) = generation {
        for end in config.tokens_or("eos_token_id", &[])? {
            if !architecture.end_of_text.contains(&end) {
                architecture.end_of_text.push(end);
            }
        }
    }
    let Some(tokenizer) = tokenizer else { return Ok(()) };
    let usual = architecture.begin_of_text;
    let begins = tokenizer.flag_or("add_bos_token", usual.is_some())?;
    architecture.begin_of_text = match begins {
        true => usual.or(config.token("bos_token_id")?),
        false => None,
    };
    Ok(())
}
