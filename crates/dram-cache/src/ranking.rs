//! Who leaves next: scores of resident records, and a sweep per group that finds the lowest.
//!
//! A use writes one number. The search is paid by evictions: a group is swept from its start for the
//! records of its lowest score, on demand, and the sweep that ends has learned the next lowest. Each
//! sweep of a group uses up one distinct score, and a token adds few, so a token pays for a pass or so
//! over each group's array however many records leave.

use crate::policy::TICKS;
use flint_geometry::UnitKey;
use std::ops::ControlFlow;

/// The score of a record that is not resident.
const ABSENT: u32 = u32::MAX;

/// Set beside the score of a record that must stay for now.
const HELD: u32 = 1 << 31;

/// Scores looked at together: a sweep skips the block when its minimum is too high.
const BLOCK: usize = 64;

/// The scores of all records.
#[derive(Debug)]
pub(crate) struct Ranking {
    groups: Vec<Group>,
}

/// The scores of one group. In whole tokens: records before `cursor` score `next` or more, those from
/// `cursor` on score `lowest` or more.
#[derive(Debug)]
struct Group {
    scores: Vec<u32>,
    lowest: u32,
    next: u32,
    cursor: usize,
}

impl Ranking {
    /// Bytes of heap of a ranking of these groups.
    pub(crate) fn bytes_for(groups: &[u32]) -> u64 {
        let entries: u64 = groups.iter().map(|&neurons| u64::from(neurons)).sum();
        entries * size_of::<u32>() as u64 + (groups.len() * size_of::<Group>()) as u64
    }

    /// A ranking of groups with these numbers of neurons, none resident.
    pub(crate) fn new(groups: &[u32]) -> Ranking {
        Ranking { groups: groups.iter().map(|&neurons| Group::new(neurons as usize)).collect() }
    }

    /// Sets the score of `key` to `score` of its present one, and lets it go if it was held.
    pub(crate) fn set(&mut self, key: UnitKey, score: impl FnOnce(Option<u32>) -> u32) {
        let group = &mut self.groups[key.group as usize];
        let earlier = group.scores[key.neuron as usize];
        group.set(key.neuron as usize, score((earlier != ABSENT).then_some(earlier & !HELD)));
    }

    /// Keeps a resident record from leaving until its score is set.
    pub(crate) fn hold(&mut self, key: UnitKey) {
        // A higher score breaks no invariant of the group.
        self.groups[key.group as usize].scores[key.neuron as usize] |= HELD;
    }

    /// Lets a held record go with the score it had.
    pub(crate) fn release(&mut self, key: UnitKey) {
        let group = &mut self.groups[key.group as usize];
        let score = group.scores[key.neuron as usize];
        if score != ABSENT {
            group.set(key.neuron as usize, score & !HELD);
        }
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Takes out `count` records, the least wanted first, as seen from a visit to `visiting`. Returns how
    /// many there were.
    pub(crate) fn evict(
        &mut self,
        visiting: u32,
        count: usize,
        mut gone: impl FnMut(UnitKey),
    ) -> usize {
        let mut left = count;
        while left > 0
            && let Some(group) = self.least_wanted(visiting as usize)
        {
            self.groups[group].sweep(|neuron| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                gone(UnitKey { group: group as u32, neuron: neuron as u32 });
                ControlFlow::Continue(())
            });
        }
        count - left
    }

    /// Takes out every record that scores below `token`.
    pub(crate) fn evict_before(&mut self, token: u32, mut gone: impl FnMut(UnitKey)) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            while group.lowest < token {
                group.sweep(|neuron| {
                    gone(UnitKey { group: index as u32, neuron: neuron as u32 });
                    ControlFlow::Continue(())
                });
            }
        }
    }

    /// Moves the origin of time `tokens` later; older scores become zero.
    pub(crate) fn rebase(&mut self, tokens: u32) {
        for group in &mut self.groups {
            for score in group.scores.iter_mut().filter(|score| **score != ABSENT) {
                *score = score.saturating_sub(tokens * TICKS);
            }
            (group.lowest, group.next, group.cursor) = (0, whole(ABSENT), 0);
        }
    }

    /// The group whose lowest record goes first; `None` when all records are absent or held.
    ///
    /// Groups are compared as they will stand when next visited: those after `visiting` are visited in
    /// this token, the others in the next, when their records will be a token older. Without that a
    /// cyclic scan would evict the next groups' records just before their use.
    fn least_wanted(&self, visiting: usize) -> Option<usize> {
        // From the farthest next visit to the nearest, so that the first of equals is the farthest.
        let later_this_token = visiting + 1..self.groups.len();
        let visits = (0..=visiting).rev().map(|group| (group, 0));
        visits
            .chain(later_this_token.rev().map(|group| (group, 1)))
            .filter(|&(group, _)| self.groups[group].lowest < whole(HELD))
            .min_by_key(|&(group, younger)| self.groups[group].lowest + younger)
            .map(|(group, _)| group)
    }
}

impl Group {
    fn new(neurons: usize) -> Group {
        Group {
            scores: vec![ABSENT; neurons],
            lowest: whole(ABSENT),
            next: whole(ABSENT),
            cursor: 0,
        }
    }

    fn set(&mut self, neuron: usize, score: u32) {
        self.scores[neuron] = score;
        let token = whole(score);
        if token < self.lowest {
            (self.lowest, self.next, self.cursor) = (token, whole(ABSENT), 0);
        } else if token == self.lowest {
            self.cursor = self.cursor.min(neuron);
        } else if neuron < self.cursor {
            self.next = self.next.min(token);
        }
    }

    /// Offers every record of the lowest score, by ascending neuron; those it accepts are absent from then
    /// on. A sweep that is not broken off moves on to the next lowest score.
    fn sweep(&mut self, mut offer: impl FnMut(usize) -> ControlFlow<()>) {
        while self.cursor < self.scores.len() {
            let end = (self.cursor + BLOCK).min(self.scores.len());
            let block = &mut self.scores[self.cursor..end];
            let minimum = whole(block.iter().copied().fold(ABSENT, u32::min));
            if minimum > self.lowest {
                self.next = self.next.min(minimum);
                self.cursor = end;
                continue;
            }
            for score in block {
                if whole(*score) == self.lowest {
                    if offer(self.cursor).is_break() {
                        return;
                    }
                    *score = ABSENT;
                } else {
                    self.next = self.next.min(whole(*score));
                }
                self.cursor += 1;
            }
        }
        (self.lowest, self.next, self.cursor) = (self.next, whole(ABSENT), 0);
    }
}

/// The token of a score.
fn whole(score: u32) -> u32 {
    score / TICKS
}
