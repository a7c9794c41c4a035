//! What must hold of an architecture before anything is computed from its numbers: the text in a bundle
//! may come from a stranger.
//!
//! Attacks that end here, each with a test in `tests/it/stored.rs`: sizes of zero, sizes whose product wraps, more
//! key heads than heads, positions past their table, lists of other
//! lengths than there are layers, norms and rotary angles that are infinite or none, other
//! types, nesting without end.

use crate::limits::{LARGEST, MOST_LAYERS};
use crate::{Architecture, ModelError, NormKind, PerLayer, RotaryScaling};

impl Architecture {
    /// Reads what [`Architecture::to_json`] wrote.
    ///
    /// # Errors
    /// When the text is something else, or describes what cannot be computed.
    pub fn from_json(text: &str) -> Result<Architecture, ModelError> {
        const FILE: &str = "the stored architecture";
        let read: Architecture = serde_json::from_str(text)
            .map_err(|e| ModelError::NotJson { file: FILE, cause: e.to_string() })?;
        check(FILE, &read)?;
        Ok(read)
    }
}

/// Most numbers of keys, for all layers and the whole context.
const MOST_KEYS: usize = 1 << 56;

/// Most experts of all layers together: a table of them is held in memory.
const MOST_EXPERTS: usize = 1 << 18;

/// Checks every number that sizes, indices or divisors are made of. `file` is where they are from.
pub(crate) fn check(file: &'static str, a: &Architecture) -> Result<(), ModelError> {
    numbers(a).map_err(|wrong| {
        let Wrong { key, expected, got } = wrong;
        ModelError::BadValue { file, key, expected, got }
    })
}

/// A number that cannot be computed with.
struct Wrong {
    key: String,
    expected: String,
    got: String,
}

fn numbers(a: &Architecture) -> Result<(), Wrong> {
    let attention = &a.attention;
    let largest = LARGEST as usize;
    size("vocabulary", a.vocabulary, largest)?;
    size("hidden", a.hidden, largest)?;
    size("layers", a.layers, MOST_LAYERS)?;
    size("context", a.context, largest)?;
    size("embedding.width", a.embedding.width, largest)?;
    each("feed_forward.neurons", &a.feed_forward.neurons, a.layers)?;
    for neurons in a.feed_forward.neurons.values() {
        size("feed_forward.neurons", neurons, largest)?;
    }
    size("attention.heads", attention.heads, largest)?;
    size("attention.head_dim", attention.head_dim, largest / attention.heads)?;
    size("attention.kv_heads", attention.kv_heads, attention.heads)?;
    hold(
        "attention.heads",
        attention.heads.is_multiple_of(attention.kv_heads),
        "a multiple of attention.kv_heads",
        attention.heads,
    )?;
    // What a KV cache would take is computed in 64 bits, and added to what all else takes.
    let numbers = [a.layers, a.context, attention.kv_heads, attention.head_dim];
    let product = numbers.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
    let fits = product.is_some_and(|product| product <= MOST_KEYS);
    hold("context", fits, "a KV cache of at most 2^56 numbers", a.context)?;
    each("attention.window", &attention.window, a.layers)?;
    for window in attention.window.values().flatten() {
        size("attention.window", window, largest)?;
    }
    if let Some(learned) = &a.embedding.learned_positions {
        size("learned_positions.rows", learned.rows, largest)?;
        let last = learned.offset.checked_add(a.context);
        let fits = last.is_some_and(|last| last <= learned.rows);
        hold("learned_positions.offset", fits, "room for the context", learned.offset)?;
    }
    experts(a)?;
    latent(a)?;
    hold("residual_scale", a.residual_scale.is_finite(), "finite", a.residual_scale)?;
    rotary(a)?;
    norm("norm", a.norm)?;
    if let Some(head_norm) = attention.head_norm {
        norm("attention.head_norm", head_norm.kind)?;
    }
    hold("head.scale", a.head.scale.is_finite(), "finite", a.head.scale)
}

fn experts(a: &Architecture) -> Result<(), Wrong> {
    let Some(experts) = &a.experts else { return Ok(()) };
    let (routing, largest) = (&experts.routing, LARGEST as usize);
    size("experts.count", experts.count, MOST_EXPERTS / a.layers)?;
    size("experts.neurons", experts.neurons, largest)?;
    size("experts.used", routing.used, experts.count)?;
    hold("experts.shared", experts.shared <= largest, "a size", experts.shared)?;
    hold(
        "experts.dense_layers",
        experts.dense_layers < a.layers,
        "fewer than layers",
        experts.dense_layers,
    )?;
    hold("experts.scale", routing.scale.is_finite(), "finite", routing.scale)?;
    let epsilon = routing.divided.unwrap_or(0.0);
    hold("experts.divided", epsilon.is_finite() && epsilon >= 0.0, "a finite epsilon", epsilon)?;
    let Some(groups) = routing.groups else { return Ok(()) };
    size("experts.groups.count", groups.count, experts.count)?;
    size("experts.groups.used", groups.used, groups.count)?;
    let even = experts.count.is_multiple_of(groups.count);
    hold("experts.groups.count", even, "a divisor of experts.count", groups.count)?;
    let enough = experts.count / groups.count * groups.used >= routing.used;
    hold("experts.groups.used", enough, "room for experts.used", groups.used)
}

fn latent(a: &Architecture) -> Result<(), Wrong> {
    let Some(latent) = a.attention.latent else { return Ok(()) };
    let largest = LARGEST as usize;
    // Each head has matrices of its own.
    size("attention.heads", a.attention.heads, MOST_EXPERTS / a.layers)?;
    size("latent.width", latent.width, a.attention.head_dim - 1)?;
    size("latent.unrotated", latent.unrotated, largest / a.attention.heads)?;
    size("latent.value", latent.value, largest / a.attention.heads)?;
    if let Some(query) = latent.query {
        size("latent.query", query, largest)?;
    }
    hold("attention.kv_heads", a.attention.kv_heads == 1, "1", a.attention.kv_heads)?;
    let turned = a.attention.rotary.as_ref().map_or(0, |rotary| rotary.dims);
    let rest = a.attention.head_dim - latent.width;
    hold("rotary.dims", turned == rest, "what the latent part leaves of a head", turned)
}

fn rotary(a: &Architecture) -> Result<(), Wrong> {
    let Some(rotary) = &a.attention.rotary else { return Ok(()) };
    size("rotary.dims", rotary.dims, a.attention.head_dim)?;
    hold("rotary.dims", rotary.dims.is_multiple_of(2), "even", rotary.dims)?;
    let positive = |key, value: f64| {
        hold(key, value.is_finite() && value > 0.0, "finite and above zero", value)
    };
    positive("rotary.theta", rotary.theta)?;
    if let Some(magnitude) = rotary.magnitude {
        positive("rotary.magnitude", magnitude)?;
    }
    let lists = [
        ("rotary.factors", Some(&rotary.factors)),
        ("rotary.long", rotary.long.as_ref().map(|long| &long.factors)),
    ];
    for (key, list) in lists.into_iter().filter_map(|(key, list)| Some((key, list?))) {
        let fits = list.is_empty() || list.len() == rotary.dims / 2;
        hold(key, fits, "one factor for each pair", list.len())?;
        list.iter().try_for_each(|&factor| positive(key, f64::from(factor)))?;
    }
    match rotary.scale {
        RotaryScaling::None => Ok(()),
        RotaryScaling::Linear { factor } => positive("rotary.factor", factor),
        RotaryScaling::Llama3 { factor, low, high, original_context } => {
            positive("rotary.factor", factor)?;
            positive("rotary.low", low)?;
            positive("rotary.high", high)?;
            hold("rotary.high", high > low, "above rotary.low", high)?;
            size("rotary.original_context", original_context, LARGEST as usize)
        }
        RotaryScaling::Yarn { factor, fast, slow, original_context, rounded: _ } => {
            positive("rotary.factor", factor)?;
            positive("rotary.fast", fast)?;
            positive("rotary.slow", slow)?;
            hold("rotary.fast", fast > slow, "above rotary.slow", fast)?;
            size("rotary.original_context", original_context, LARGEST as usize)
        }
    }
}

/// Checks that a list of what layers have is one of all layers.
fn each<T>(key: &str, of: &PerLayer<T>, layers: usize) -> Result<(), Wrong> {
    let PerLayer::Each(values) = of else { return Ok(()) };
    let expected = format!("one value for each of {layers} layers");
    hold(key, values.len() == layers, &expected, format!("a list of {}", values.len()))
}

fn norm(key: &str, kind: NormKind) -> Result<(), Wrong> {
    let (NormKind::Layer { epsilon, .. } | NormKind::Rms { epsilon }) = kind;
    hold(key, epsilon.is_finite() && epsilon >= 0.0, "a finite epsilon", epsilon)
}

fn size(key: &str, value: usize, most: usize) -> Result<(), Wrong> {
    hold(key, (1..=most).contains(&value), &format!("from 1 to {most}"), value)
}

fn hold(key: &str, holds: bool, expected: &str, got: impl std::fmt::Display) -> Result<(), Wrong> {
    if holds {
        return Ok(());
    }
    let (key, expected, got) = (key.to_owned(), expected.to_owned(), got.to_string());
    Err(Wrong { key, expected, got })
}
