//! What a GGUF file is, whether it can be run here, and if not why: from its metadata and its table of tensors alone.

use super::super::output::{bytes, say, say_json};
use super::in_place;
use flint_checkpoint::gguf::{GgufFile, GgufTokenizer, Tensor, TensorType};
use flint_engine::OpenModel;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn inspect(path: &Path, as_json: bool) -> anyhow::Result<()> {
    let file = GgufFile::open(path)?;
    let runs = OpenModel::open(path);
    if as_json {
        let mut object = description(&file)?;
        match &runs {
            Ok(files) => merge(&mut object, in_place::description(files)?),
            Err(reason) => object["refused"] = reason.to_string().into(),
        }
        object["runs"] = runs.is_ok().into();
        return say_json(&object);
    }
    let mut lines = lines(&file)?;
    match &runs {
        Ok(files) => lines.extend(in_place::lines(files)?),
        Err(reason) => lines.push(format!("runs here    no: {reason}")),
    }
    say(&(lines.join("\n") + "\n"))
}

fn merge(object: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
}

fn description(file: &GgufFile) -> anyhow::Result<Value> {
    let metadata = file.metadata();
    let parts = parts(file).into_iter().map(|part| {
        let types =
            part.types.iter().map(|(kind, bytes)| json!({ "type": kind.name(), "bytes": bytes }));
        json!({ "part": part.name, "tensors": part.tensors, "types": types.collect::<Vec<_>>() })
    });
    Ok(json!({
        "gguf_version": file.shards().first().map(flint_checkpoint::gguf::Shard::version),
        "shards": file.shards().len(),
        "name": metadata.get::<&str>("general.name")?,
        "gguf_architecture": metadata.architecture()?,
        "file_type": metadata.file_type()?,
        "file_bytes": file_bytes(file),
        "tokenizer": tokenizer(file),
        "chat_template": metadata.chat_template(None)?.is_some(),
        "parts": parts.collect::<Vec<_>>(),
    }))
}

fn lines(file: &GgufFile) -> anyhow::Result<Vec<String>> {
    let metadata = file.metadata();
    let name = metadata.get::<&str>("general.name")?.unwrap_or("without a name");
    let kind = metadata.file_type()?.unwrap_or("mixed types");
    let mut lines = vec![
        format!("file         {name}: architecture {}, {kind}", metadata.architecture()?),
        format!(
            "holds        {} in {} tensors{}",
            bytes(file_bytes(file)),
            file.tensors().len(),
            match file.shards().len() {
                1 => String::new(),
                parts => format!(", {parts} files"),
            }
        ),
    ];
    for part in parts(file) {
        let types: Vec<String> =
            part.types.iter().map(|(kind, size)| format!("{} in {kind}", bytes(*size))).collect();
        lines.push(format!("  {:<10} {}", part.name, types.join(", ")));
    }
    lines.push(format!("tokenizer    {}", tokenizer(file)));
    let chat = if metadata.chat_template(None)?.is_some() { "in the file" } else { "none" };
    lines.push(format!("template     {chat}"));
    Ok(lines)
}

fn tokenizer(file: &GgufFile) -> String {
    match GgufTokenizer::new(file.metadata()) {
        Ok(tokenizer) => {
            let text = |key| file.metadata().get::<&str>(key).ok().flatten();
            let kind = text("tokenizer.ggml.model").unwrap_or_default();
            let pre = text("tokenizer.ggml.pre").map_or(String::new(), |pre| format!(" ({pre})"));
            format!("{kind}{pre}, {} tokens", tokenizer.len())
        }
        Err(reason) => reason.to_string(),
    }
}

fn file_bytes(file: &GgufFile) -> u64 {
    file.shards().iter().map(flint_checkpoint::gguf::Shard::bytes).sum()
}

/// Tensors of one purpose: how many, and the bytes of each type, the most first.
struct Part {
    name: &'static str,
    tensors: usize,
    types: Vec<(TensorType, u64)>,
}

fn parts(file: &GgufFile) -> Vec<Part> {
    let mut parts: Vec<Part> = ["embeddings", "attention", "ffn", "experts", "others"]
        .map(|name| Part { name, tensors: 0, types: Vec::new() })
        .into();
    for tensor in file.tensors() {
        let Some(part) = parts.get_mut(purpose(tensor)) else { continue };
        part.tensors += 1;
        let (kind, bytes) = (tensor.kind(), tensor.extent().len());
        match part.types.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, sum)) => *sum += bytes,
            None => part.types.push((kind, bytes)),
        }
    }
    for part in &mut parts {
        part.types.sort_by_key(|&(kind, bytes)| (std::cmp::Reverse(bytes), kind.id()));
    }
    parts.retain(|part| part.tensors > 0);
    parts
}

/// The place of a tensor's part among those of [`parts`].
fn purpose(tensor: &Tensor) -> usize {
    let name = tensor.name();
    if name.starts_with("token_embd.weight") || name.starts_with("output.weight") {
        return 0;
    }
    let what = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    match what.map(|(_, what)| what) {
        Some(what) if what.contains("norm") => 4,
        Some(what) if what.starts_with("attn") => 1,
        Some(what) if what.contains("exps") => 3,
        Some(what) if what.starts_with("ffn") => 2,
        _ => 4,
    }
}
