//! Tensors of a file that its model does not use: a sign that configuration and weights do not belong together.

use std::collections::HashSet;
use std::fmt;

/// Ends of the names of tensors that follow from the configuration, or are read with it, and are not weights.
const DERIVED: [&str; 7] = [
    "rotary_emb.inv_freq",
    "attn.masked_bias",
    "attn.bias",
    "position_ids",
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
];

/// Names that are told; the others are counted.
const TOLD: usize = 4;

/// Tensors that the description of a model does not announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnusedTensors {
    names: Vec<String>,
}

impl UnusedTensors {
    /// Those of `stored` that are not among `used`. A `tied` model computes its head from the embeddings, whose copy is of
    /// no use.
    pub fn new<'a>(
        stored: impl Iterator<Item = &'a str>,
        used: &HashSet<&str>,
        tied: bool,
    ) -> UnusedTensors {
        let is_derived = |name: &str| DERIVED.iter().any(|end| name.ends_with(end));
        let is_copy = |name: &str| tied && name == "lm_head.weight";
        let unused = stored.filter(|name| !used.contains(name));
        let unused = unused.filter(|name| !is_derived(name) && !is_copy(name));
        let mut names: Vec<String> = unused.map(str::to_owned).collect();
        names.sort_unstable();
        UnusedTensors { names }
    }

    /// Their names, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Display for UnusedTensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.names.len();
        let told = self.names[..count.min(TOLD)].join(", ");
        let more = match count.saturating_sub(TOLD) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let things = if count == 1 { "1 tensor is" } else { &format!("{count} tensors are") };
        write!(
            f,
            "{things} not used, as the configuration announces none of that name: {told}{more}; \
             answers may differ from those of the published model"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_configuration_is_not_missed() {
        let stored = [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "lm_head.weight",
            "model.norm.weight",
            "model.layers.0.self_attn.q_proj.bias",
        ];
        let used = HashSet::from(["model.norm.weight"]);
        let unused = |tied| UnusedTensors::new(stored.into_iter(), &used, tied);
        assert_eq!(unused(true).names(), ["model.layers.0.self_attn.q_proj.bias"]);
        assert_eq!(unused(false).names().len(), 2);
    }

    #[test]
    fn few_names_are_told_and_the_others_counted() {
        let stored: Vec<String> = (0..7).map(|index| format!("w{index}")).collect();
        let all = stored.iter().map(String::as_str);
        let said = UnusedTensors::new(all, &HashSet::new(), false).to_string();
        assert!(said.starts_with("7 tensors are not used"), "{said}");
        assert!(said.contains("w0, w1, w2, w3 and 3 more"), "{said}");
    }
}
