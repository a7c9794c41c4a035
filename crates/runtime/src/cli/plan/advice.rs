//! `flint plan --sparsity auto`: what each share of neurons that are not read is worth in this memory, beside reading all.

use super::super::args::RunArgs;
use super::super::forecast;
use super::super::output::{bytes, cost, say, say_json};
use super::super::refuse;
use super::CONTEXT;
use flint_engine::{DraftChoice, OpenModel, PlannedEngine, RunOptions, Sparsity, sparsities};
use serde_json::json;
use std::path::Path;

/// A share is worth asking for where it is at least this many times as fast as leaving out none: less is within what
/// forecasts err by.
const WORTH: f64 = 1.1;

/// One way to run.
struct Way {
    sparsity: Option<Sparsity>,
    /// Bytes of the copies that decide.
    copies: u64,
    /// Neurons that would have room in their place.
    neurons: u64,
    tokens_per_second: f64,
}

/// Plans every way and says which is worth it.
pub(super) fn advise(model: &Path, run: &RunArgs, as_json: bool) -> anyhow::Result<()> {
    let files = OpenModel::open(model)?;
    let known = sparsities(&files)?;
    if known.is_empty() {
        return Err(refuse(
            "--sparsity auto: the model has no thresholds for any share (flint convert --sparsity makes some of models whose neurons are never zero)",
        ));
    }
    let mut ways = vec![way(model, run, None)?];
    for share in &known {
        ways.push(way(model, run, Some(share.sparsity))?);
    }
    let (exact, best) = (ways[0].tokens_per_second, best(&ways));
    if as_json {
        let ways: Vec<_> = ways.iter().map(Way::json).collect();
        return say_json(&json!({ "ways": ways, "advice": best.map(|best| best.sparsity) }));
    }
    let lines: Vec<String> = ways.iter().map(|way| way.line(exact)).collect();
    let advice = match best {
        Some(best) => format!("--sparsity {}", best.sparsity),
        None => "none: exact mode is as fast in this memory".to_owned(),
    };
    say(&format!("{}\nworth asking for: {advice}\n", lines.join("\n")))
}

/// The fastest share, where it is worth it beside the first way, which leaves out none.
fn best(ways: &[Way]) -> Option<Sparsity> {
    let exact = ways.first()?.tokens_per_second;
    let best = ways.iter().max_by(|a, b| a.tokens_per_second.total_cmp(&b.tokens_per_second))?;
    best.sparsity.filter(|_| best.tokens_per_second >= WORTH * exact)
}

fn way(model: &Path, run: &RunArgs, sparsity: Option<f32>) -> anyhow::Result<Way> {
    // What drafts bring depends on the text.
    let options = RunOptions { draft: DraftChoice::Off, ..run.options_leaving_out(sparsity)? };
    let prepared = PlannedEngine::new(OpenModel::open(model)?, options, Some(CONTEXT))?;
    let Some(said) = forecast::of(&prepared) else {
        return Err(refuse(
            "--sparsity auto needs a forecast: it was left out (--no-forecast), or the model is too small to measure",
        ));
    };
    let copies = prepared.plan().predictor_bytes;
    Ok(Way {
        sparsity: prepared.sparsity().copied(),
        copies,
        neurons: copies / prepared.work().record_bytes.max(1.0) as u64,
        tokens_per_second: said.tokens_per_second,
    })
}

impl Way {
    fn line(&self, exact: f64) -> String {
        let speed = self.tokens_per_second;
        let Some(sparsity) = &self.sparsity else {
            return format!("exact           forecast {speed:.2} tok/s");
        };
        format!(
            "sparsity {:<6} forecast {speed:.2} tok/s, {:.2} x exact; copies take {}, room for {} neurons; {}",
            sparsity.sparsity,
            speed / exact,
            bytes(self.copies),
            self.neurons,
            cost(sparsity)
        )
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "sparsity": self.sparsity.map(|it| it.sparsity),
            "quality_cost": self.sparsity.as_ref().map(Sparsity::cost),
            "predictor_bytes": self.copies,
            "neurons_in_their_place": self.neurons,
            "tokens_per_second": self.tokens_per_second,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(share: Option<f32>, tokens_per_second: f64) -> Way {
        let sparsity = share.map(|sparsity| Sparsity {
            sparsity,
            perplexity: 10.1,
            perplexity_exact: 10.0,
            precision: None,
        });
        Way { sparsity, copies: 2 << 20, neurons: 7, tokens_per_second }
    }

    #[test]
    fn the_fastest_share_is_advised_where_it_is_clearly_faster() {
        let advised = |a, b| {
            let ways = [way(None, 2.0), way(Some(0.3), a), way(Some(0.5), b)];
            best(&ways).map(|best| best.sparsity)
        };
        assert_eq!(advised(2.5, 3.0), Some(0.5));
        assert_eq!(advised(3.0, 2.5), Some(0.3));
        assert_eq!(advised(2.1, 1.0), None);
        assert_eq!(advised(1.0, 1.0), None);
    }

    #[test]
    fn a_line_tells_the_speed_beside_exact_and_what_it_costs() {
        let line = way(Some(0.5), 3.0).line(2.0);
        for part in ["sparsity 0.5", "3.00 tok/s", "1.50 x exact", "2.00 MiB", "7 neurons", "+1.00"]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(way(None, 2.0).line(2.0).contains("2.00 tok/s"));
    }
}
