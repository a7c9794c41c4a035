//! `flint plan`: where memory would go, before anything is loaded.

mod advice;

use super::args::RunArgs;
use super::forecast;
use super::output::{bytes, cost, say, say_json};
use clap::Args;
use flint_engine::{NeuronPlan, Plan, PlannedEngine, Sparsity};
use flint_flash_io::PathReport;
use std::path::PathBuf;

/// Context that is planned for unless `-c` names another: enough for a conversation, and less than most models have.
const CONTEXT: usize = 4096;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The bundle
    #[arg(short, long, value_name = "DIR.flint")]
    model: PathBuf,
    #[command(flatten)]
    run: RunArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn plan(args: PlanArgs) -> anyhow::Result<()> {
    if args.run.asks_for_share() {
        return advice::advise(&args.model, &args.run, args.json);
    }
    let (files, _codec) = RunArgs::open(&args.model)?;
    let prepared = PlannedEngine::new(files, args.run.options()?, Some(CONTEXT))?;
    let (plan, path) = (prepared.plan(), prepared.path());
    let (sparsity, warnings) = (prepared.sparsity(), prepared.warnings());
    if args.json {
        let mut object = json(plan, &path, sparsity, &warnings);
        object["reading"] = serde_json::to_value(prepared.choices())?;
        object["rates"] = serde_json::to_value(prepared.rates())?;
        object["forecast"] = serde_json::to_value(forecast::of(&prepared))?;
        return say_json(&object);
    }
    say(&(table(plan, &path, sparsity, &warnings) + &forecast::table(&prepared)))
}

fn json(
    plan: &Plan,
    path: &PathReport,
    sparsity: Option<&Sparsity>,
    warnings: &[String],
) -> serde_json::Value {
    serde_json::json!({
        "mode": plan.mode.name(),
        "sparsity": sparsity.map(|chosen| chosen.sparsity),
        "quality_cost": sparsity.map(Sparsity::cost),
        "context": plan.context,
        "chunk": plan.chunk,
        "weights_bytes": plan.weights_bytes,
        "memory_budget_bytes": plan.budget_bytes,
        "bound": plan.bound,
        "resident_bytes": plan.resident_bytes,
        "predictor_bytes": plan.predictor_bytes,
        "kv_bytes": plan.kv_bytes,
        "buffer_bytes": plan.buffer_bytes,
        "cache_bytes": plan.cache_bytes,
        "copy_bytes": plan.copy_bytes(),
        "draft_model_bytes": plan.draft_model_bytes,
        "process_bytes": plan.process_bytes,
        "floor_bytes": plan.floor_bytes,
        "all_resident": plan.all_resident,
        "neurons": neurons(plan),
        "io_backend": path.backend,
        "direct_io": path.direct,
        "widened": path.widened,
        "io_reasons": path.reasons,
        "memory_warnings": warnings,
    })
}

/// How neurons are held, as a sentence.
fn neurons(plan: &Plan) -> String {
    match &plan.neurons {
        _ if plan.all_resident => "all stay in memory".to_owned(),
        NeuronPlan::Exact(exact) => format!(
            "{} of {} blocks of {} neurons pinned, the others streamed through a ring of {}",
            exact.pinned,
            exact.layout.blocks(),
            exact.layout.block_neurons,
            exact.ring
        ),
        NeuronPlan::Sparse { config, bytes } => {
            let all: u64 = config.groups.iter().map(|&neurons| u64::from(neurons)).sum();
            format!(
                "{} slots for {all} neurons, policy {}",
                config.slots_for(*bytes),
                config.policy
            )
        }
        NeuronPlan::Experts(experts) => {
            let (slots, all) = experts.slots();
            format!(
                "places for {slots} of {all} experts, and {} for those that pass through",
                experts.places
            )
        }
    }
}

fn table(
    plan: &Plan,
    path: &PathReport,
    sparsity: Option<&Sparsity>,
    warnings: &[String],
) -> String {
    let units = match plan.neurons {
        NeuronPlan::Experts(_) => "experts",
        _ => "neurons",
    };
    let left_out = sparsity.map_or(String::new(), |chosen| format!(", {}", cost(chosen)));
    let mut lines = vec![
        format!("mode            {}{left_out}", plan.mode.name()),
        format!("weights         {}", bytes(plan.weights_bytes)),
        format!("budget          {} (by {})", bytes(plan.budget_bytes), plan.bound),
        format!("  dense weights {}", bytes(plan.resident_bytes)),
        format!("  predictors    {}", bytes(plan.predictor_bytes)),
        format!("  KV cache      {} for {} tokens", bytes(plan.kv_bytes), plan.context),
        format!("  buffers       {} for chunks of {}", bytes(plan.buffer_bytes), plan.chunk),
        format!("  {:<14}{}: {}", units, bytes(plan.cache_bytes), neurons(plan)),
        format!("process         {} (code, tokenizer, stacks)", bytes(plan.process_bytes)),
        format!("floor           {} bytes", plan.floor_bytes),
        format!(
            "reads           {}, {}, {} byte alignment{}",
            path.backend,
            if path.direct { "direct" } else { "buffered" },
            path.alignment,
            if path.widened { ", widened" } else { "" }
        ),
    ];
    if plan.draft_model_bytes > 0 {
        let model = bytes(plan.draft_model_bytes);
        lines.insert(8, format!("  draft model   {model}: all of it, with its keys and values"));
    }
    if plan.copy_bytes() > 0 {
        let copies = bytes(plan.copy_bytes());
        lines.insert(
            8,
            format!("  copies        {copies}: in 4 bits, of what is streamed, for drafts"),
        );
    }
    lines.extend(path.reasons.iter().map(|reason| format!("                {reason}")));
    lines.extend(warnings.iter().map(|warning| format!("warning         {warning}")));
    lines.join("\n") + "\n"
}
