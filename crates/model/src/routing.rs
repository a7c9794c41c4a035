//! Which experts a row goes through, and with what weights: one function for all families.
//!
//! The families differ in what their scores are (softmax over all experts, sigmoid, or softmax over the chosen ones), in a bias
//! that only chooses, in groups that are chosen first, and in what weights are divided and multiplied by. Experts are
//! chosen from the highest score on, the lower number first among equals, and are named in ascending order: their
//! outputs are added in it, so that a sum has the same bits whichever expert was there first.

use crate::ModelError;
use flint_kernels::math;
use serde::{Deserialize, Serialize};

/// How a family chooses and weighs experts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Routing {
    /// Experts that each row goes through.
    pub used: usize,
    /// What scores are made of the router's outputs.
    pub scores: Scores,
    /// Groups that are chosen first, where the family has them.
    pub groups: Option<ExpertGroups>,
    /// Weights are divided by their sum and this; they are not divided when absent.
    pub divided: Option<f32>,
    /// Weights are multiplied by this.
    pub scale: f32,
}

/// What scores are made of the router's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scores {
    /// Softmax over all experts.
    Softmax,
    /// Each output's sigmoid.
    Sigmoid,
    /// The outputs choose; weights are the softmax over the chosen ones.
    SoftmaxOfChosen,
}

/// Experts in consecutive groups of equal size, of which some are left out (DeepSeek).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpertGroups {
    /// How many groups.
    pub count: usize,
    /// How many may be chosen from.
    pub used: usize,
    /// Whether a group counts as much as its two best experts together; else as much as its best.
    pub best_two: bool,
}

/// An expert that a row goes through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    /// Its number in the layer.
    pub expert: u32,
    /// What its output is multiplied by.
    pub weight: f32,
}

impl Routing {
    /// The routes of one row, in ascending order of expert, appended to `routes`. `outputs` are the router's, one for each
    /// expert; `selection_bias` is added to scores where experts are chosen.
    ///
    /// # Errors
    /// When an output is not finite.
    ///
    /// # Panics
    /// When there are fewer experts than are used.
    pub fn route(
        &self,
        outputs: &[f32],
        selection_bias: Option<&[f32]>,
        routes: &mut Vec<Route>,
    ) -> Result<(), ModelError> {
        if let Some(expert) = outputs.iter().position(|output| !output.is_finite()) {
            return Err(ModelError::RouterNotFinite { expert, value: outputs[expert] });
        }
        let scores = self.scores(outputs);
        let mut choosing = scores.clone();
        for (score, bias) in choosing.iter_mut().zip(selection_bias.into_iter().flatten()) {
            *score += bias;
        }
        if let Some(groups) = self.groups {
            groups.leave_out(&mut choosing);
        }
        let chosen = best(&choosing, self.used);
        let mut weights: Vec<f32> = chosen.iter().map(|&expert| scores[expert]).collect();
        if self.scores == Scores::SoftmaxOfChosen {
            softmax(&mut weights);
        }
        if let Some(epsilon) = self.divided {
            let sum = weights.iter().sum::<f32>() + epsilon;
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        let first = routes.len();
        let scaled = weights.iter().map(|weight| weight * self.scale);
        let named = chosen.iter().zip(scaled);
        routes.extend(named.map(|(&expert, weight)| Route { expert: expert as u32, weight }));
        routes[first..].sort_unstable_by_key(|route| route.expert);
        Ok(())
    }

    fn scores(&self, outputs: &[f32]) -> Vec<f32> {
        let mut scores = outputs.to_vec();
        match self.scores {
            Scores::Softmax => softmax(&mut scores),
            Scores::Sigmoid => {
                scores.iter_mut().for_each(|score| *score = 1.0 / (1.0 + math::exp(-*score)));
            }
            Scores::SoftmaxOfChosen => {}
        }
        scores
    }
}

impl ExpertGroups {
    /// Zeros the scores of all groups but the best, as the published code does: an expert of another group may still be
    /// chosen where those of the kept ones score below zero.
    fn leave_out(self, scores: &mut [f32]) {
        let size = scores.len() / self.count.max(1);
        let worth: Vec<f32> = scores
            .chunks_exact(size.max(1))
            .map(|group| {
                let best = best(group, if self.best_two { 2 } else { 1 });
                best.into_iter().map(|expert| group[expert]).sum()
            })
            .collect();
        let kept = best(&worth, self.used);
        for (index, group) in scores.chunks_exact_mut(size.max(1)).enumerate() {
            if !kept.contains(&index) {
                group.fill(0.0);
            }
        }
    }
}

/// The `count` highest of `scores`, the highest first; the lower number first among equals.
fn best(scores: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(count);
    order
}

fn softmax(values: &mut [f32]) {
    let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values.iter_mut().for_each(|value| *value = math::exp(*value - max));
    let sum: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(scores: Scores, divided: Option<f32>) -> Routing {
        Routing { used: 2, scores, groups: None, divided, scale: 1.0 }
    }

    fn routes(routing: Routing, outputs: &[f32], bias: Option<&[f32]>) -> Vec<(u32, f32)> {
        let mut routes = Vec::new();
        routing.route(outputs, bias, &mut routes).unwrap();
        routes.into_iter().map(|route| (route.expert, route.weight)).collect()
    }

    #[test]
    fn among_equals_the_lower_number_is_chosen() {
        let said = routes(plain(Scores::Softmax, Some(0.0)), &[1.0, 3.0, 1.0, 1.0], None);
        assert_eq!([said[0].0, said[1].0], [0, 1]);
        assert!((said[0].1 + said[1].1 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_selection_bias_chooses_and_does_not_weigh() {
        let routing = plain(Scores::Sigmoid, None);
        let said = routes(routing, &[0.0, 2.0, 1.0], Some(&[9.0, 0.0, 0.0]));
        assert_eq!([said[0].0, said[1].0], [0, 1]);
        assert_eq!(said[0].1, 0.5);
    }

    #[test]
    fn groups_that_are_not_kept_count_as_zero() {
        let groups = Some(ExpertGroups { count: 2, used: 1, best_two: true });
        let routing = Routing { groups, ..plain(Scores::Sigmoid, None) };
        // The best expert is alone in its group.
        let said = routes(routing, &[5.0, -9.0, 2.0, 2.0], None);
        assert_eq!([said[0].0, said[1].0], [2, 3]);
        let best = Some(ExpertGroups { count: 2, used: 1, best_two: false });
        let said = routes(Routing { groups: best, ..routing }, &[5.0, -9.0, 2.0, 2.0], None);
        assert_eq!([said[0].0, said[1].0], [0, 1]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let refused = plain(Scores::Softmax, None).route(&[0.0, f32::NAN], None, &mut Vec::new());
        let named = matches!(refused, Err(ModelError::RouterNotFinite { expert: 1, .. }));
        assert!(named, "{refused:?}");
    }

    proptest! {
        #[test]
        fn softmax_over_the_chosen_is_softmax_over_all_divided_by_its_sum(
            outputs in prop::collection::vec(-8f32..8.0, 4..40),
        ) {
            let over_all = routes(plain(Scores::Softmax, Some(0.0)), &outputs, None);
            let of_chosen = routes(plain(Scores::SoftmaxOfChosen, None), &outputs, None);
            for (left, right) in over_all.iter().zip(&of_chosen) {
                prop_assert_eq!(left.0, right.0);
                prop_assert!((left.1 - right.1).abs() < 1e-5);
            }
        }

        #[test]
        fn as_many_are_chosen_as_asked_and_none_left_out_is_better(
            outputs in prop::collection::vec(-8f32..8.0, 2..40), used in 1usize..9,
        ) {
            let used = used.min(outputs.len());
            let routing = Routing { used, ..plain(Scores::Softmax, None) };
            let said = routes(routing, &outputs, None);
            prop_assert_eq!(said.len(), used);
            prop_assert!(said.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let worst = said.iter().map(|&(expert, _)| outputs[expert as usize]);
            let worst = worst.fold(f32::INFINITY, f32::min);
            let chosen: Vec<u32> = said.iter().map(|&(expert, _)| expert).collect();
            let others = (0..outputs.len()).filter(|&other| !chosen.contains(&(other as u32)));
            prop_assert!(others.map(|other| outputs[other]).all(|other| other <= worst));
        }
    }
}
