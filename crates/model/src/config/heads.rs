//! The heads of an attention block, which several settings have to agree on.

use super::Config;
use crate::ModelError;
use crate::limits::LARGEST;

/// How attention is split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Query heads.
    pub(crate) heads: usize,
    /// Key and value heads.
    pub(crate) kv_heads: usize,
    /// Numbers per head.
    pub(crate) head_dim: usize,
}

impl Config {
    /// Heads of equal width that share `hidden` among them, unless `head_dim` says how wide one is.
    /// `kv_heads` names the setting for key and value heads; as many as heads when it is absent.
    pub(crate) fn heads(&self, hidden: usize, kv_heads: &str) -> Result<Heads, ModelError> {
        const HEADS: &str = "num_attention_heads";
        const HEAD_DIM: &str = "head_dim";
        let heads = self.size(HEADS)?;
        let head_dim = match self.size_or_absent(HEAD_DIM)? {
            Some(head_dim) => head_dim,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                let expected = format!("a divisor of hidden_size {hidden}");
                return Err(self.bad(HEADS, &expected, &heads.into()));
            }
        };
        if (heads * head_dim) as u64 > LARGEST {
            let expected = format!("at most {LARGEST} numbers in {heads} heads");
            return Err(self.bad(HEAD_DIM, &expected, &head_dim.into()));
        }
        let shared = self.size_or(kv_heads, heads)?;
        if !heads.is_multiple_of(shared) {
            let expected = format!("a divisor of num_attention_heads {heads}");
            return Err(self.bad(kv_heads, &expected, &shared.into()));
        }
        Ok(Heads { heads, kv_heads: shared, head_dim })
    }
}
