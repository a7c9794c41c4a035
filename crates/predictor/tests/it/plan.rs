//! Ranks within a budget, against trying every combination.

use flint_predictor::{RankPlan, Rung};
use proptest::prelude::*;

fn rung(rank: usize, predicted: f64) -> Rung {
    Rung { rank, bytes: 10 * rank as u64, predicted }
}

/// The fewest predicted neurons of any combination within the budget.
fn best(ladders: &[Vec<Rung>], neurons: f64, budget: u64) -> f64 {
    let Some((ladder, others)) = ladders.split_first() else { return 0.0 };
    let nothing = Rung { rank: 0, bytes: 0, predicted: neurons };
    let choices = ladder.iter().chain([&nothing]).filter(|rung| rung.bytes <= budget);
    choices
        .map(|rung| rung.predicted + best(others, neurons, budget - rung.bytes))
        .fold(f64::INFINITY, f64::min)
}

proptest! {
    #[test]
    fn a_plan_keeps_its_budget_and_comes_near_the_best(
        drops in proptest::collection::vec(proptest::collection::vec(0.3f64..0.95, 4), 1..4),
        budget in 0u64..400,
    ) {
        let ladders: Vec<Vec<Rung>> = drops
            .iter()
            .map(|drops| {
                let mut predicted = 500.0;
                (1..).zip(drops).map(|(k, drop)| {
                    predicted *= drop;
                    rung(2 * k, predicted)
                }).collect()
            })
            .collect();
        let plan = RankPlan::new(&ladders, 1000, budget, 0.0);
        prop_assert!(plan.bytes <= budget);
        let best = best(&ladders, 1000.0, budget);
        prop_assert!(plan.predicted <= 1.5 * best + 1e-9, "{} {best}", plan.predicted);
    }
}

#[test]
fn the_sensitive_group_gets_the_higher_rank() {
    let easy = vec![rung(8, 20.0), rung(16, 19.0), rung(32, 18.0)];
    let hard = vec![rung(8, 300.0), rung(16, 150.0), rung(32, 60.0)];
    let plan = RankPlan::new(&[easy, hard], 1000, 400, 0.0);
    assert_eq!(plan.ranks, [Some(8), Some(32)]);
    assert_eq!((plan.bytes, plan.predicted), (400, 80.0));
}

#[test]
fn a_step_that_is_not_worth_its_bytes_is_not_taken() {
    let ladder = vec![rung(8, 100.0), rung(16, 99.0)];
    let plan = RankPlan::new(std::slice::from_ref(&ladder), 1000, 400, 0.05);
    assert_eq!(plan.ranks, [Some(8)]);
    assert_eq!(RankPlan::new(&[ladder], 1000, 79, 0.0).ranks, [None]);
}

#[test]
fn a_rank_that_leaves_a_group_dense_is_no_rank() {
    let dense = vec![rung(8, 700.0), rung(16, 610.0), rung(32, 590.0)];
    let plan = |budget| RankPlan::new(std::slice::from_ref(&dense), 1000, budget, 0.0);
    assert_eq!((plan(319).ranks, plan(319).bytes), (vec![None], 0));
    assert_eq!(plan(320).ranks, [Some(32)]);
}
