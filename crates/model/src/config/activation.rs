//! The names that checkpoints give to activations.

use super::Config;
use crate::{Activation, ModelError};

/// Where checkpoints with a thresholded ReLU keep the threshold.
const THRESHOLD: &str = "hidden_act_param";

impl Config {
    /// The activation named under `key`; `default` when the key is absent.
    pub(crate) fn activation_or(
        &self,
        key: &str,
        default: Activation,
    ) -> Result<Activation, ModelError> {
        let Some(name) = self.text_or_absent(key)? else { return Ok(default) };
        Ok(match name {
            "relu" => Activation::Relu,
            "relu2" => Activation::SquaredRelu,
            "fatrelu" => Activation::FatRelu(self.short(THRESHOLD)?),
            "silu" | "swish" => Activation::Silu,
            "gelu" | "gelu_python" => Activation::Gelu,
            // Three ways to write down the same approximation.
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            other => {
                let expected = "relu, relu2, fatrelu, silu, gelu, gelu_new or gelu_pytorch_tanh";
                return Err(self.bad(key, expected, &other.into()));
            }
        })
    }
}
